//! From a verified archive to its files, and to nothing else.

use std::io::{Cursor, Write};

use rtrl_data::{Member, Packing};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::server::Fixture;

const TEXT: &[u8] = b"a text, a text, a text, a text, a text, a text, a text, a text, a text";

fn members() -> Vec<Member> {
    let member = |inside, name| Member { inside, name, at_most: TEXT.len() as u64 };
    vec![member("raw/a.txt", "a.txt"), member("raw/b.txt", "b.txt")]
}

/// A zip archive with a folder, these files, and what `more` adds.
fn archive(files: &[(&str, &[u8])], more: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.add_directory("raw", options).unwrap();
    for (name, content) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    more(&mut zip);
    zip.finish().unwrap().into_inner()
}

fn good() -> Vec<u8> {
    archive(&[("raw/a.txt", TEXT), ("raw/b.txt", TEXT)], |_| {})
}

fn fixture(archive: &[u8]) -> Fixture {
    let fixture = Fixture::new(archive, Packing::Zip, members());
    std::fs::write(fixture.part(), archive).unwrap();
    fixture
}

/// Asserts that nothing of the archive is unpacked, and why.
#[track_caller]
fn refused(archive: &[u8], words: &[&str]) {
    let fixture = fixture(archive);
    let message = fixture.refused(&["http://127.0.0.1:9/"]);
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    assert_eq!(fixture.listing(), ["letters", "letters.bin.part"], "{message}");
}

#[test]
fn the_files_of_the_catalogue_are_unpacked() {
    let fixture = fixture(&good());
    fixture.get(&["http://127.0.0.1:9/"]).unwrap();
    assert_eq!(std::fs::read(fixture.file("a.txt")).unwrap(), TEXT);
    assert_eq!(std::fs::read(fixture.file("b.txt")).unwrap(), TEXT);
    let left = ["letters", "letters/SHA256SUMS", "letters/SOURCE.md", "letters/a.txt", "letters/b.txt"];
    assert_eq!(fixture.listing(), left);
}

#[test]
fn paths_that_lead_out_are_refused() {
    // As long as the name that is replaced: the archive stays whole.
    for path in ["../../x.t", "/etc/x.tx", "raw/../..", "C:\\x\\x.tx", "raw\\..\\.."] {
        let bytes =
            replace(&archive(&[("raw/a.txt", TEXT), ("raw/b.txt", TEXT), ("raw/x.txt", TEXT)], |_| {}), path);
        refused(&bytes, &["leads out"]);
    }
}

/// Another name in place of `raw/x.txt`, as no writer of archives would write it.
fn replace(archive: &[u8], path: &str) -> Vec<u8> {
    let old = b"raw/x.txt";
    let mut bytes = archive.to_vec();
    let mut places = 0;
    for start in 0..=bytes.len() - old.len() {
        if &bytes[start..start + old.len()] == old {
            let path = format!("{path:.<9}");
            bytes[start..start + old.len()].copy_from_slice(path.as_bytes());
            places += 1;
        }
    }
    assert_eq!(places, 2, "its own header and the directory");
    bytes
}

#[test]
fn links_are_refused() {
    let link = |name: &'static str| {
        archive(&[("raw/b.txt", TEXT)], |zip| {
            zip.add_symlink(name, "/etc/passwd", SimpleFileOptions::default()).unwrap();
        })
    };
    refused(&link("raw/a.txt"), &["raw/a.txt", "not a plain file"]);
    refused(&link("raw"), &["not a plain file"]);
}

#[test]
fn files_that_nobody_expects_are_refused() {
    let files: [(&str, &[u8]); 3] = [("raw/a.txt", TEXT), ("raw/b.txt", TEXT), ("raw/c.txt", TEXT)];
    refused(&archive(&files, |_| {}), &["raw/c.txt", "does not belong"]);
    let folder = |zip: &mut ZipWriter<_>| {
        zip.add_directory("elsewhere", SimpleFileOptions::default()).unwrap();
    };
    refused(&archive(&files[..2], folder), &["elsewhere", "does not belong"]);
}

#[test]
fn files_that_are_missing_are_told() {
    refused(&archive(&[("raw/a.txt", TEXT)], |_| {}), &["raw/b.txt", "not in it"]);
}

#[test]
fn names_that_occur_twice_are_refused() {
    let files: [(&str, &[u8]); 3] = [("raw/a.txt", TEXT), ("raw/b.txt", TEXT), ("raw/x.txt", TEXT)];
    refused(&replace(&archive(&files, |_| {}), "raw/a.txt"), &["same name"]);
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 1 << 20];
    let bomb = archive(&[("raw/a.txt", &zeros), ("raw/b.txt", TEXT)], |_| {});
    assert!(bomb.len() < 5000);
    refused(&bomb, &["raw/a.txt", "larger than"]);
    // A bomb that says it is none.
    let mut lie = bomb;
    let mut places = 0;
    for start in 0..lie.len() - 4 {
        if lie[start..start + 4] == (zeros.len() as u32).to_le_bytes() {
            lie[start..start + 4].copy_from_slice(&10u32.to_le_bytes());
            places += 1;
        }
    }
    assert_eq!(places, 2, "its own header and the directory");
    refused(&lie, &["raw/a.txt", "larger than"]);
    // Of the plain kind.
    let mut plain = Fixture::plain(TEXT);
    let member = Member { inside: "letters", name: "letters.txt", at_most: TEXT.len() as u64 - 1 };
    plain.dataset.members = vec![member].leak();
    std::fs::write(plain.part(), TEXT).unwrap();
    let message = plain.refused(&["http://127.0.0.1:9/"]);
    assert!(message.contains("larger than"), "{message}");
    assert_eq!(plain.listing(), ["letters", "letters.bin.part"]);
}

#[test]
fn an_interruption_unpacks_nothing_and_keeps_the_archive() {
    let fixture = fixture(&good());
    fixture.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(fixture.get(&["http://127.0.0.1:9/"]).unwrap_err().status(), 130);
    assert_eq!(fixture.listing(), ["letters.bin.part"]);
}

#[test]
fn damage_is_told() {
    refused(b"not a zip archive", &["refused"]);
    let files: [(&str, &[u8]); 2] = [("raw/a.txt", TEXT), ("raw/b.txt", TEXT)];
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(name, stored).unwrap();
        zip.write_all(content).unwrap();
    }
    let mut bytes = zip.finish().unwrap().into_inner();
    let place = bytes.windows(TEXT.len()).rposition(|window| window == TEXT).unwrap();
    bytes[place] = b'A';
    refused(&bytes, &["raw/b.txt", "damaged"]);
}
