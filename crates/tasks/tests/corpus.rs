//! Texts in memory and on disk: what they give and how they fail.

use std::fs;
use std::path::Path;

use rtrl_tasks::{Corpus, Origin, TaskError};

fn bytes(corpus: &Corpus) -> Vec<u8> {
    let mut all = vec![0; corpus.len() as usize];
    corpus.read_exact_at(0, &mut all).unwrap();
    all
}

fn on_disk(text: &[u8]) -> (tempfile::TempDir, Corpus) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, text).unwrap();
    let corpus = Corpus::open(path).unwrap();
    (folder, corpus)
}

#[test]
fn file_and_memory_read_the_same() {
    let text: Vec<u8> = (0..=255).collect();
    let (_folder, file) = on_disk(&text);
    for corpus in [file, Corpus::from_bytes(text.clone()).unwrap()] {
        assert_eq!(bytes(&corpus), text);
        let mut some = [0; 5];
        corpus.read_exact_at(251, &mut some).unwrap();
        assert_eq!(some, [251, 252, 253, 254, 255]);
        // The same corpus reads in any order: a read leaves no trace.
        corpus.clone().read_exact_at(3, &mut some).unwrap();
        assert_eq!(some, [3, 4, 5, 6, 7]);
        corpus.read_exact_at(256, &mut []).unwrap();
    }
}

#[test]
fn parts_count_from_their_own_beginning_and_end_where_they_end() {
    let text: Vec<u8> = (0..100).collect();
    let (_folder, file) = on_disk(&text);
    for corpus in [file, Corpus::from_bytes(text.clone()).unwrap()] {
        let (head, tail) = corpus.split(60).unwrap();
        assert_eq!((bytes(&head), bytes(&tail)), (text[..60].to_vec(), text[60..].to_vec()));
        let inner = tail.slice(10..20).unwrap();
        assert_eq!(bytes(&inner), text[70..80]);
        assert!(inner.slice(4..4).unwrap().is_empty());
        // The bytes behind exist, but not for this part.
        let error = inner.read_exact_at(5, &mut [0; 6]).unwrap_err();
        assert!(matches!(error, TaskError::OutOfRange { start: 5, end: 11, len: 10, .. }), "{error}");
        assert!(matches!(inner.read_exact_at(u64::MAX, &mut [0; 6]), Err(TaskError::OutOfRange { .. })));
        assert!(matches!(inner.slice(5..11), Err(TaskError::OutOfRange { .. })));
        #[expect(clippy::reversed_empty_ranges, reason = "it is to be refused")]
        let reversed = inner.slice(6..5);
        assert!(matches!(reversed, Err(TaskError::OutOfRange { .. })));
        assert!(matches!(corpus.split(101), Err(TaskError::OutOfRange { .. })));
        assert!(corpus.split(100).unwrap().1.is_empty());
    }
}

#[test]
fn what_is_no_text_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("absent");
    let error = Corpus::open(&missing).unwrap_err();
    assert!(matches!(&error, TaskError::Missing { path } if *path == missing), "{error}");
    assert!(error.to_string().contains("absent"), "{error}");

    let error = Corpus::open(folder.path()).unwrap_err();
    assert!(
        matches!(&error, TaskError::NotAFile { path, found: "a directory" } if path == folder.path()),
        "{error}"
    );

    let empty = folder.path().join("empty");
    fs::write(&empty, []).unwrap();
    let error = Corpus::open(&empty).unwrap_err();
    assert!(matches!(&error, TaskError::Empty { origin: Origin::File(path) } if *path == empty), "{error}");
    assert!(matches!(Corpus::from_bytes(vec![]), Err(TaskError::Empty { origin: Origin::Memory })));
    assert!(matches!(
        Corpus::generated(3, 0),
        Err(TaskError::Empty { origin: Origin::Generated { seed: 3 } })
    ));

    // A file where a folder should be, neither missing nor forbidden.
    let below = empty.join("text");
    let error = Corpus::open(&below).unwrap_err();
    assert!(matches!(&error, TaskError::Open { .. } | TaskError::Missing { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn devices_are_refused_and_forbidden_files_too() {
    use std::os::unix::fs::PermissionsExt;
    let error = Corpus::open(Path::new("/dev/null")).unwrap_err();
    assert!(matches!(error, TaskError::NotAFile { found: "a device, pipe or socket", .. }), "{error}");

    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "text").unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o000)).unwrap();
    let ours = Corpus::open(file.path());
    match fs::read(file.path()) {
        // The superuser may read everything.
        Ok(_) => assert_eq!(ours.unwrap().len(), 4),
        Err(_) => assert!(
            matches!(&ours, Err(TaskError::Permission { path, .. }) if path == file.path()),
            "{ours:?}"
        ),
    }
}

#[test]
fn a_file_that_shrinks_is_an_error_and_one_that_grows_is_not() {
    let (folder, corpus) = on_disk(&[7; 1000]);
    let path = folder.path().join("text");
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10).unwrap();
    let error = corpus.read_exact_at(5, &mut [0; 6]).unwrap_err();
    assert!(matches!(&error, TaskError::Shrunk { path: p, len: 1000, now: 10 } if *p == path), "{error}");
    // What is still there can be read.
    corpus.read_exact_at(5, &mut [0; 5]).unwrap();
    fs::write(&path, [7; 2000]).unwrap();
    assert_eq!(bytes(&corpus), [7; 1000]);
}

#[test]
fn a_generated_text_is_what_the_generator_writes() {
    let corpus = Corpus::generated(5, 3000).unwrap();
    assert_eq!(bytes(&corpus), rtrl_tasks::grammar::generate(5, 3000));
    assert_eq!(*corpus.origin(), Origin::Generated { seed: 5 });
}

#[test]
fn a_text_that_cannot_be_read_has_no_fingerprint() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'a'; 10_000]).unwrap();
    let text = Corpus::open(file.path()).unwrap();
    std::fs::write(file.path(), vec![b'a'; 100]).unwrap();
    assert!(matches!(text.fingerprint(), Err(TaskError::Shrunk { len: 10_000, now: 100, .. })));
    // What failed is tried again.
    std::fs::write(file.path(), vec![b'a'; 10_000]).unwrap();
    let whole = Corpus::open(file.path()).unwrap();
    assert_eq!(text.fingerprint().unwrap(), whole.fingerprint().unwrap());
}

/// Whether it is a second copy of the text can be told by the memory that it takes.
#[test]
fn a_generated_text_is_in_memory_once() {
    let first = Corpus::generated(5, 300_000).unwrap();
    let mut second = None;
    let used = allocation_counter::measure(|| second = Some(Corpus::generated(5, 300_000).unwrap()));
    assert!(used.bytes_total < 1000, "{} bytes", used.bytes_total);
    let other = allocation_counter::measure(|| drop(Corpus::generated(6, 300_000).unwrap()));
    assert!(other.bytes_total >= 300_000);
    let bytes = |corpus: &Corpus| {
        let mut bytes = vec![0; 300_000];
        corpus.read_exact_at(0, &mut bytes).unwrap();
        bytes
    };
    assert_eq!(bytes(&first), bytes(second.as_ref().unwrap()));
}
