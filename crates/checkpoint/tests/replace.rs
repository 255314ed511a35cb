//! Files are replaced as a whole, can be read by others, and never miss.

#![allow(missing_docs)]
#![cfg(unix)]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_checkpoint::{Archive, ArchiveError, CheckpointError, load, overwrite, previous, replace, save};

fn write(path: &Path, value: u64) -> Result<(), CheckpointError> {
    save(path, |archive| archive.value("value", &mut value.clone()))
}

fn read(path: &Path) -> u64 {
    let mut value = 0;
    load(path, |archive| archive.value("value", &mut value)).unwrap();
    value
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Not a test of its own: the process with another umask.
#[test]
fn child() {
    let Ok(folder) = std::env::var("RTRL_TEST_FOLDER") else { return };
    let path = Path::new(&folder).join("checkpoint");
    write(&path, 1).unwrap();
    write(&path, 2).unwrap();
    replace(&Path::new(&folder).join("text"), |file| file.write_all(b"text")).unwrap();
}

#[test]
fn files_have_the_mode_that_the_umask_gives() {
    for (umask, expected) in [("022", 0o644), ("027", 0o640), ("077", 0o600)] {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" child --exact")])
            .arg(std::env::current_exe().unwrap())
            .env("RTRL_TEST_FOLDER", folder.path())
            .output()
            .unwrap()
            .status;
        assert!(status.success());
        for name in names(folder.path()) {
            let mode = std::fs::metadata(folder.path().join(&name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, expected, "{name} under umask {umask}: {mode:o}");
        }
        assert_eq!(names(folder.path()), ["checkpoint", "checkpoint.previous", "text"]);
    }
}

#[test]
fn a_file_that_is_replaced_is_there_at_every_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    write(&path, 0).unwrap();
    write(&path, 0).unwrap();
    let done = AtomicBool::new(false);
    let both = [path.clone(), previous(&path)];
    let reader = |path: &Path| {
        let (mut looks, mut missing) = (0_u64, 0_u64);
        while !done.load(Ordering::Relaxed) {
            looks += 1;
            missing += u64::from(std::fs::File::open(path).is_err());
        }
        (looks, missing)
    };
    std::thread::scope(|scope| {
        let readers = both.each_ref().map(|path| scope.spawn(|| reader(path)));
        for value in 0..300 {
            write(&path, value).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for (reader, path) in readers.into_iter().zip(&both) {
            let (looks, missing) = reader.join().unwrap();
            assert!(looks > 300, "{looks} looks are too few to tell");
            assert_eq!(missing, 0, "of {looks} looks at {}", path.display());
        }
    });
    assert_eq!((read(&path), read(&previous(&path))), (299, 298));
    assert_eq!(names(folder.path()), ["checkpoint", "checkpoint.previous"]);
}

#[test]
fn what_fails_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    write(&path, 1).unwrap();
    write(&path, 2).unwrap();
    let failing = |archive: &mut Archive<'_>| {
        archive.vec("much", &mut vec![0_u8; 1 << 17])?;
        Err::<(), ArchiveError>(archive.refusal("much", "no more".to_string()))
    };
    assert!(save(&path, failing).is_err());
    assert_eq!((read(&path), read(&previous(&path))), (2, 1));
    assert_eq!(names(folder.path()), ["checkpoint", "checkpoint.previous"]);
    let text = folder.path().join("text");
    replace(&text, |file| file.write_all(b"old")).unwrap();
    let full = |file: &mut std::fs::File| {
        file.write_all(b"new")?;
        Err::<(), _>(std::io::Error::from(std::io::ErrorKind::StorageFull))
    };
    assert_eq!(replace(&text, full).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(std::fs::read(&text).unwrap(), b"old");
    // A name that belongs to a folder cannot be given to a file.
    std::fs::create_dir_all(folder.path().join("taken/inside")).unwrap();
    assert!(replace(&folder.path().join("taken"), |file| file.write_all(b"new")).is_err());
    assert_eq!(names(folder.path()), ["checkpoint", "checkpoint.previous", "taken", "text"]);
}

#[test]
fn only_save_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    for value in 1..4_u64 {
        overwrite(&path, |archive| archive.value("value", &mut value.clone())).unwrap();
        assert_eq!(read(&path), value);
    }
    assert_eq!(names(folder.path()), ["model"]);
}

/// A process that was killed after the present file has got its second name, and before the new one has the first.
#[test]
fn both_names_for_one_file_are_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    write(&path, 1).unwrap();
    std::fs::hard_link(&path, previous(&path)).unwrap();
    write(&path, 2).unwrap();
    assert_eq!((read(&path), read(&previous(&path))), (2, 1));
    assert_eq!(names(folder.path()), ["checkpoint", "checkpoint.previous"]);
}

#[cfg(unix)]
#[test]
fn links_stay_and_devices_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    replace(&link, |out| out.write_all(b"new")).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    // A checkpoint behind a link keeps the one before it.
    let save = |number: u64| rtrl_checkpoint::save(&link, |archive| archive.value("number", &mut { number }));
    save(1).unwrap();
    save(2).unwrap();
    let load = |path: &std::path::Path| {
        let mut number = 0_u64;
        rtrl_checkpoint::load(path, |archive| archive.value("number", &mut number)).unwrap();
        number
    };
    assert_eq!((load(&link), load(&rtrl_checkpoint::previous(&link))), (2, 1));
    let error = replace(std::path::Path::new("/dev/null"), |out| out.write_all(b"new")).unwrap_err();
    assert!(error.to_string().contains("no regular file"), "{error}");
    assert!(std::fs::metadata("/dev/null").is_ok_and(|found| !found.is_file()));
}
