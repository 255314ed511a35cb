//! From a verified archive to the files of the catalogue, and to nothing else.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rtrl_checkpoint::Replacement;
use zip::ZipArchive;
use zip::result::ZipError;

use super::catalogue::{Dataset, Member, Packing};
use super::error::DataError;
use super::hash::{self, Copied, Fault};

/// A file that was unpacked: its name and its SHA-256.
pub type Unpacked = (&'static str, String);

/// Unpacks the files of `dataset` from `file`, which lies at `archive`, into `folder`: all of them, or none.
///
/// # Errors
/// Anything in the archive that the catalogue does not expect; a file that cannot be written; an interruption.
pub fn unpack(
    dataset: &Dataset,
    archive: &Path,
    file: File,
    folder: &Path,
    stop: &AtomicBool,
) -> Result<Vec<Unpacked>, DataError> {
    let mut file = BufReader::new(file);
    std::fs::create_dir_all(folder).map_err(|source| write_error(folder, source))?;
    let target = Target { archive, folder, stop };
    let written = match dataset.packing {
        Packing::Plain => {
            dataset.members.iter().take(1).map(|member| target.write(member, &mut file)).collect()
        }
        Packing::Zip => target.write_zip(dataset, file),
    };
    let mut unpacked = Vec::new();
    for (member, temporary, hash) in written? {
        let path = folder.join(member.name);
        temporary.commit().map_err(|error| write_error(&path, error))?;
        unpacked.push((member.name, hash));
    }
    Ok(unpacked)
}

/// A file with its content and hash, not yet under its name.
type Written = (&'static Member, Replacement, String);

struct Target<'a> {
    archive: &'a Path,
    folder: &'a Path,
    stop: &'a AtomicBool,
}

impl Target<'_> {
    fn write_zip(&self, dataset: &Dataset, file: BufReader<File>) -> Result<Vec<Written>, DataError> {
        let mut zip = ZipArchive::new(file).map_err(|error| self.refuse(&error.to_string()))?;
        let plan = self.plan(dataset, &zip)?;
        let mut written = Vec::new();
        for (index, member) in plan {
            let mut entry = zip.by_index(index).map_err(|error| self.refuse(&error.to_string()))?;
            written.push(self.write(member, &mut entry)?);
        }
        Ok(written)
    }

    /// The files of the catalogue by index of their entry in the archive. Every entry is checked before anything
    /// is unpacked.
    fn plan<R: Read + Seek>(
        &self,
        dataset: &Dataset,
        zip: &ZipArchive<R>,
    ) -> Result<Vec<(usize, &'static Member)>, DataError> {
        // If two entries have the same name, it depends on the reader which one counts.
        if zip.has_duplicate_names() {
            return Err(self.refuse("two entries have the same name"));
        }
        let mut plan = Vec::new();
        for index in 0..zip.len() {
            let unread = |error: ZipError| self.refuse(&error.to_string());
            let entry = zip.by_index_data(index).map_err(unread)?;
            let name = entry.name().map_err(unread)?;
            if !is_inside(&name) {
                return Err(self.refuse(&format!("the path {name:?} leads out of the folder")));
            }
            if entry.is_symlink() || entry.encrypted() {
                return Err(self.refuse(&format!("{name:?} is not a plain file")));
            }
            if entry.is_dir() && dataset.members.iter().any(|member| member.inside.starts_with(&*name)) {
                continue;
            }
            let Some(member) = dataset.members.iter().find(|member| member.inside == name) else {
                return Err(self.refuse(&format!("{name:?} does not belong to {}", dataset.name)));
            };
            plan.push((index, member));
        }
        match dataset.members.iter().find(|member| plan.iter().all(|(_, found)| found.name != member.name)) {
            Some(missing) => Err(self.refuse(&format!("{:?} is not in it", missing.inside))),
            None => Ok(plan),
        }
    }

    fn write(&self, member: &'static Member, from: &mut dyn Read) -> Result<Written, DataError> {
        let path = self.folder.join(member.name);
        let mut temporary = Replacement::begin(&path).map_err(|source| write_error(&path, source))?;
        match hash::copy(from, temporary.file(), member.at_most, self.stop) {
            Ok(Copied::All(hash)) => Ok((member, temporary, hash)),
            // The bytes are counted as they come: the size that the archive declares may be wrong.
            Ok(Copied::TooLong) => Err(self.refuse(&format!(
                "{:?} is larger than the {} bytes expected",
                member.inside, member.at_most
            ))),
            Err(Fault::Interrupted) => Err(DataError::Interrupted),
            Err(Fault::Read(error)) => Err(self.refuse(&format!("{:?} is damaged: {error}", member.inside))),
            Err(Fault::Write(source)) => Err(write_error(&path, source)),
        }
    }

    fn refuse(&self, reason: &str) -> DataError {
        let reason = reason.replace(char::is_control, " ");
        DataError::Archive { path: self.archive.to_path_buf(), reason }
    }
}

/// Whether a path stays below the folder it is unpacked in, on every system.
fn is_inside(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':');
    !drive && !path.starts_with(['/', '\\']) && !path.split(['/', '\\']).any(|step| step == "..")
}

fn write_error(path: &Path, source: io::Error) -> DataError {
    DataError::Write { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_out_are_recognized() {
        let out = ["/etc/passwd", "../a", "a/../../b", "a\\..\\b", "\\a", "C:\\a", "c:a", ".."];
        assert!(out.iter().all(|path| !is_inside(path)));
        assert!(["a", "a/b.c", "a..b/c", "..."].iter().all(|path| is_inside(path)));
    }
}
