//! `rtrl data` as a user meets it.

use std::path::Path;
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

use crate::server::{Reply, Server};

/// In hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

const SIZE: usize = 1_115_394;

fn data(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtrl"));
    command.arg("data").args(arguments);
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command
}

/// Asserts a failure of one line that contains `words`.
#[track_caller]
fn failed(output: &Output, status: i32, words: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

#[test]
fn mistakes_are_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("data");
    let get = |arguments: &[&str], words: &[&str]| {
        let output = data(&["get", "--to", to.to_str().unwrap()]).args(arguments).output().unwrap();
        failed(&output, 2, words);
        assert!(!to.exists());
    };
    get(&["nonsense"], &["no dataset \"nonsense\"", "wikitext-103, enwik8, text8, tinyshakespeare"]);
    for url in ["ftp://example.org/a", "wikitext.zip", "", "http://", "http:///a", "file:///etc/passwd"] {
        get(&["text8", "--url", url], &["--url", "http"]);
    }
    // The parser of the command line has more lines to say.
    for (arguments, word) in
        [(&["get"][..], "NAME"), (&["get", "text8", "--sha256", "0"], "--sha256"), (&["fetch"], "fetch")]
    {
        let output = data(arguments).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && message.contains(word), "{arguments:?}: {message}");
    }
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = data(&["get", "text8", "--to", file.to_str().unwrap()]).output().unwrap();
    failed(&output, 2, &["cannot write", "--to"]);
}

#[test]
fn the_list_says_what_is_present() {
    let dir = tempfile::tempdir().unwrap();
    let list = |to: &Path| {
        let output = data(&["list", "--to", to.to_str().unwrap()]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let text = list(&dir.path().join("nowhere"));
    assert!(["wikitext-103", "183.09 MiB", "CC BY-SA"].iter().all(|word| text.contains(word)), "{text}");
    assert!(!text.contains("yes"), "{text}");
    let folder = dir.path().join("text8");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("text8"), "").unwrap();
    assert!(!list(dir.path()).contains("yes"), "not finished");
    std::fs::write(folder.join("SHA256SUMS"), "").unwrap();
    let text = list(dir.path());
    assert_eq!(text.matches("yes").count(), 1, "{text}");
}

#[test]
fn another_content_exits_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _| Reply::whole(&vec![3; SIZE]));
    let to = dir.path().to_str().unwrap();
    let output = data(&["get", "tinyshakespeare", "--url", &server.url, "--to", to]).output().unwrap();
    let expected = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed";
    failed(&output, 1, &[expected, &sha256(&vec![3; SIZE])]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn an_interruption_exits_with_130_and_keeps_what_arrived() {
    use std::time::{Duration, Instant};

    use crate::server::{Then, size};

    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _| Reply::whole(&vec![3; SIZE]).cut(1000).then(Then::Stall));
    let to = dir.path().to_str().unwrap();
    let child = data(&["get", "tinyshakespeare", "--url", &server.url, "--to", to])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let part = dir.path().join("tinyshakespeare.txt.part");
    let started = Instant::now();
    while size(&part) < 1000 && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    failed(&child.wait_with_output().unwrap(), 130, &["interrupted"]);
    assert_eq!(size(&part), 1000);
}

#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_is_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _| Reply::whole(&vec![3; SIZE]));
    // A limit on the size of files stands in for a full disk.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_rtrl"), "data"])
        .args(["get", "tinyshakespeare", "--url", &server.url, "--to", dir.path().to_str().unwrap()])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    failed(&output, 1, &["cannot write", "tinyshakespeare.txt.part", "too large"]);
    assert_eq!(server.seen().len(), 1, "another attempt cannot mend it");
    let arrived = std::fs::read(dir.path().join("tinyshakespeare.txt.part")).unwrap();
    assert!(!arrived.is_empty() && arrived.iter().all(|byte| *byte == 3));
}
