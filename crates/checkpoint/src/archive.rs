//! A sequence of named sections, which an archive either writes or reads, in order.

use std::io::Write;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ArchiveError;

/// Something whose state can be saved and restored.
pub trait Persist {
    /// Hands every value that changes while it runs to `archive`, always in the same sections and in the same
    /// order. Values that construction determines (sizes, settings) are left out: a state is restored into an
    /// object that was constructed in the same way.
    ///
    /// # Errors
    /// If a section cannot be written, or does not fit. After a failed restoration the state is unspecified:
    /// construct a new object.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError>;
}

/// Writes the sections of a [`Persist`], or reads them back.
///
/// A section is its name (one byte of length, then UTF-8), its number of bytes (eight, little-endian), and its content
/// in bincode with fixed-width little-endian integers.
pub struct Archive<'a> {
    mode: Mode<'a>,
    /// The names of the open scopes, each followed by a slash.
    scope: String,
}

enum Mode<'a> {
    Save(&'a mut dyn Write),
    /// The bytes that have not been read yet.
    Load(&'a [u8]),
}

/// The most bytes of a name with its scopes: the file keeps the length in one byte.
const LONGEST_NAME: usize = 255;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding()
}

impl<'a> Archive<'a> {
    pub(crate) fn saving(to: &'a mut dyn Write) -> Self {
        Self { mode: Mode::Save(to), scope: String::new() }
    }

    pub(crate) fn loading(from: &'a [u8]) -> Self {
        Self { mode: Mode::Load(from), scope: String::new() }
    }

    pub(crate) fn finish(self) -> Result<(), ArchiveError> {
        match self.mode {
            Mode::Load(rest) if !rest.is_empty() => Err(ArchiveError::Trailing { bytes: rest.len() }),
            _ => Ok(()),
        }
    }

    /// Whether the archive reads. Derived state then has to be recomputed from the sections.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        matches!(self.mode, Mode::Load(_))
    }

    /// Calls [`Persist::persist`] of `part`, with the names of its sections prefixed with `name` and a slash.
    ///
    /// # Errors
    /// Those of the part.
    pub fn part(&mut self, name: &str, part: &mut (impl Persist + ?Sized)) -> Result<(), ArchiveError> {
        self.scope(name, |archive| part.persist(archive))
    }

    /// Calls `sections`, with the names of its sections prefixed with `name` and a slash.
    pub fn scope<R>(&mut self, name: &str, sections: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.scope.len();
        self.scope.push_str(name);
        self.scope.push('/');
        let result = sections(self);
        self.scope.truncate(outer);
        result
    }

    /// A section of an array of known length: reading refuses any other. All values must take the same number of
    /// bytes, as numbers do.
    ///
    /// # Errors
    /// If the section cannot be written; if the next section has another name or size, or is malformed.
    pub fn slice<T>(&mut self, name: &str, values: &mut [T]) -> Result<(), ArchiveError>
    where
        T: Serialize + DeserializeOwned,
    {
        let full = self.full(name);
        let width = values.first().map_or(0, |first| encoded_len(first));
        let bytes = width * values.len() as u64;
        match &mut self.mode {
            Mode::Save(to) => write_section(*to, &full, bytes, values.iter()),
            Mode::Load(rest) => {
                let mut content = read_section(rest, &full)?;
                if content.len() as u64 != bytes {
                    let found = content.len() as u64;
                    return Err(ArchiveError::Size { name: full, expected: bytes, found });
                }
                for value in values {
                    *value = decode(&mut content, &full)?;
                }
                finished(content, full)
            }
        }
    }

    /// A section of an array whose length may have changed. Reading allocates in proportion to the section's size
    /// in the file.
    ///
    /// # Errors
    /// If the section cannot be written; if the next section has another name, or is malformed.
    pub fn vec<T>(&mut self, name: &str, values: &mut Vec<T>) -> Result<(), ArchiveError>
    where
        T: Serialize + DeserializeOwned,
    {
        let full = self.full(name);
        match &mut self.mode {
            Mode::Save(to) => {
                let bytes = values.iter().map(|value| encoded_len(value)).sum();
                write_section(*to, &full, bytes, values.iter())
            }
            Mode::Load(rest) => {
                let mut content = read_section(rest, &full)?;
                values.clear();
                while !content.is_empty() {
                    values.push(decode(&mut content, &full)?);
                }
                Ok(())
            }
        }
    }

    /// A section of one small value. Arrays in it are read element by element, so that the file's size bounds the
    /// memory that reading allocates. That does not hold for strings: save them as [`vec`](Self::vec) of bytes.
    ///
    /// # Errors
    /// If the section cannot be written; if the next section has another name, or is malformed.
    pub fn value<T>(&mut self, name: &str, value: &mut T) -> Result<(), ArchiveError>
    where
        T: Serialize + DeserializeOwned,
    {
        let full = self.full(name);
        match &mut self.mode {
            Mode::Save(to) => write_section(*to, &full, encoded_len(value), std::iter::once(&*value)),
            Mode::Load(rest) => {
                let mut content = read_section(rest, &full)?;
                *value = decode(&mut content, &full)?;
                finished(content, full)
            }
        }
    }

    /// A section of a number that must be the same as when the state was saved.
    ///
    /// # Errors
    /// [`ArchiveError::Content`] if the saved number is not `number`, else as [`value`](Self::value).
    pub fn expect(&mut self, name: &str, number: u64) -> Result<(), ArchiveError> {
        let mut found = number;
        self.value(name, &mut found)?;
        self.check(name, found == number, || format!("expected {number}, found {found}"))
    }

    /// Whether the next section has this name; always true when saving. It lets [`Persist::persist`] read files of
    /// older versions, which lack sections that were added later.
    #[must_use]
    pub fn next_is(&self, name: &str) -> bool {
        let full = self.full(name);
        match &self.mode {
            Mode::Save(_) => true,
            Mode::Load(rest) => {
                rest.strip_prefix(&[full.len() as u8]).is_some_and(|rest| rest.starts_with(full.as_bytes()))
            }
        }
    }

    /// Number of bytes that have not been read; 0 when saving. A bound for sizes that are read from the file.
    #[must_use]
    pub fn remaining(&self) -> usize {
        match &self.mode {
            Mode::Save(_) => 0,
            Mode::Load(rest) => rest.len(),
        }
    }

    /// Skips all sections that have not been read.
    pub fn skip_rest(&mut self) {
        if let Mode::Load(rest) = &mut self.mode {
            *rest = &[];
        }
    }

    /// Refuses the content of a section if `fits` is false.
    ///
    /// # Errors
    /// [`ArchiveError::Content`] if `fits` is false.
    pub fn check(&self, name: &str, fits: bool, reason: impl FnOnce() -> String) -> Result<(), ArchiveError> {
        if fits { Ok(()) } else { Err(self.refusal(name, reason())) }
    }

    /// The error for a section with content that does not fit, for `reason`.
    #[must_use]
    pub fn refusal(&self, name: &str, reason: String) -> ArchiveError {
        ArchiveError::Content { name: self.full(name), reason }
    }

    fn full(&self, name: &str) -> String {
        let full = format!("{}{name}", self.scope);
        assert!(full.len() <= LONGEST_NAME, "the name `{full}` is too long");
        full
    }
}

/// Bytes that a value takes in a section.
fn encoded_len<T: Serialize>(value: &T) -> u64 {
    let mut counter = bincode::enc::write::SizeWriter::default();
    // Only a type that refuses to be serialized fails here. Writing it fails again, with the section's name.
    let _ = bincode::serde::encode_into_writer(value, &mut counter, config());
    counter.bytes_written as u64
}

fn write_section<'v, T: Serialize + 'v>(
    to: &mut dyn Write,
    name: &str,
    bytes: u64,
    values: impl Iterator<Item = &'v T>,
) -> Result<(), ArchiveError> {
    let write = || -> std::io::Result<()> {
        to.write_all(&[name.len() as u8])?;
        to.write_all(name.as_bytes())?;
        to.write_all(&bytes.to_le_bytes())?;
        let mut to = to;
        for value in values {
            match bincode::serde::encode_into_std_write(value, &mut to, config()) {
                Ok(_) => {}
                Err(bincode::error::EncodeError::Io { inner, .. }) => return Err(inner),
                Err(other) => return Err(std::io::Error::other(other.to_string())),
            }
        }
        Ok(())
    };
    write().map_err(|source| ArchiveError::Write { name: name.to_string(), source })
}

/// Removes the next section, which must be called `name`, from the front of `rest`, and returns its content.
fn read_section<'a>(rest: &mut &'a [u8], name: &str) -> Result<&'a [u8], ArchiveError> {
    let malformed = || ArchiveError::Malformed { name: name.to_string() };
    let take = |rest: &mut &'a [u8], len: usize| rest.split_off(..len).ok_or_else(malformed);
    let [len] = *take(rest, 1)? else { unreachable!("one byte was taken") };
    let found = take(rest, usize::from(len))?;
    if found != name.as_bytes() {
        // The bytes may be anything; escaped, they keep the error message on one line.
        let found = String::from_utf8_lossy(found).escape_debug().to_string();
        return Err(ArchiveError::Section { expected: name.to_string(), found });
    }
    let len = take(rest, size_of::<u64>())?.try_into().map_err(|_| malformed())?;
    take(rest, usize::try_from(u64::from_le_bytes(len)).map_err(|_| malformed())?)
}

/// Removes one value from the front of `content`.
fn decode<T: DeserializeOwned>(content: &mut &[u8], name: &str) -> Result<T, ArchiveError> {
    let (value, len) = bincode::serde::decode_from_slice(content, config())
        .map_err(|_| ArchiveError::Malformed { name: name.to_string() })?;
    if len == 0 {
        // `vec` would never reach the end of a section whose elements take no bytes.
        return Err(ArchiveError::Malformed { name: name.to_string() });
    }
    *content = &content[len..];
    Ok(value)
}

fn finished(content: &[u8], name: String) -> Result<(), ArchiveError> {
    if content.is_empty() { Ok(()) } else { Err(ArchiveError::Malformed { name }) }
}
