//! An HTTP server for one test, and a dataset that it serves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::ProgressBar;
use rtrl_data::{DataError, Dataset, Member, Outcome, Packing, Settings, Watch, get};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A request as the server has seen it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    pub path: String,
    pub range: Option<String>,
    pub if_range: Option<String>,
}

impl Seen {
    /// First byte asked for.
    pub fn from(&self) -> usize {
        let range = self.range.as_deref().and_then(|range| range.strip_prefix("bytes="));
        range.and_then(|range| range.strip_suffix('-')).map_or(0, |first| first.parse().unwrap())
    }
}

/// What the server does after the body.
#[derive(Clone, Copy)]
pub enum Then {
    Close,
    Stall,
    /// Sends the body again and again.
    Repeat,
    /// The same, but slowly, for ten seconds.
    Trickle,
}

pub struct Reply {
    status: &'static str,
    headers: Vec<String>,
    body: Vec<u8>,
    then: Then,
    unfinished: bool,
}

impl Reply {
    pub fn new(status: &'static str) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), then: Then::Close, unfinished: false }
    }

    /// All of `content`, with its size.
    pub fn whole(content: &[u8]) -> Self {
        Self::new("200 OK").header(&format!("Content-Length: {}", content.len())).body(content)
    }

    /// `content` from `first` on, as a range of it.
    pub fn range(content: &[u8], first: usize) -> Self {
        let (total, last) = (content.len(), content.len() - 1);
        Self::new("206 Partial Content")
            .header(&format!("Content-Range: bytes {first}-{last}/{total}"))
            .header(&format!("Content-Length: {}", total - first))
            .body(&content[first..])
    }

    /// A head whose last header does not end.
    pub fn endless_head(then: Then) -> Self {
        Self { unfinished: true, ..Self::new("200 OK").header("X-Long: ").body(b"x").then(then) }
    }

    pub fn header(mut self, header: &str) -> Self {
        self.headers.push(header.to_string());
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Sends only so many bytes of the body.
    pub fn cut(mut self, length: usize) -> Self {
        self.body.truncate(length);
        self
    }

    pub fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", self.status);
        self.headers.iter().for_each(|header| head.push_str(&format!("{header}\r\n")));
        let head = if self.unfinished { head.trim_end().to_string() } else { head + "\r\n" };
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body)?;
        match self.then {
            Then::Close => {}
            // All of these until the client gives up.
            Then::Repeat => loop {
                stream.write_all(&self.body)?;
            },
            Then::Trickle => {
                for _ in 0..1000 {
                    stream.write_all(&self.body)?;
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            Then::Stall => {
                stream.set_read_timeout(Some(Duration::from_secs(20)))?;
                stream.read_to_end(&mut Vec::new())?;
            }
        }
        stream.shutdown(Shutdown::Write)
    }
}

/// Answers each request by a function of its number, from 0 on, and of the request.
pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    end: Arc<AtomicBool>,
}

impl Server {
    pub fn start(answer: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let (seen, end) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, ended, answer) = (seen.clone(), end.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (log, answer) = (log.clone(), answer.clone());
                // A stalled client must not keep the next one waiting.
                std::thread::spawn(move || converse(stream.unwrap(), &log, &*answer));
            }
        });
        Self { url, seen, end }
    }

    /// All requests up to now.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The first bytes that were asked for.
    pub fn starts(&self) -> Vec<usize> {
        self.seen().iter().map(Seen::from).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a client.
        let address = self.url.trim_start_matches("http://").trim_end_matches("/file");
        let _ = TcpStream::connect(address);
    }
}

fn converse(mut stream: TcpStream, log: &Mutex<Vec<Seen>>, answer: &dyn Fn(usize, &Seen) -> Reply) {
    let mut seen = Seen::default();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    seen.path = first.split(' ').nth(1).unwrap_or_default().to_string();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "range" => seen.range = Some(value.to_string()),
            "if-range" => seen.if_range = Some(value.to_string()),
            _ => {}
        }
    }
    let number = {
        let mut log = log.lock().unwrap();
        log.push(seen.clone());
        log.len() - 1
    };
    // A client that hangs up is what some of the tests are about.
    let _ = answer(number, &seen).send(&mut stream);
}

/// A data folder, and a dataset to fetch into it.
pub struct Fixture {
    pub dir: TempDir,
    pub dataset: Dataset,
    pub settings: Settings,
    pub stop: Arc<AtomicBool>,
}

impl Fixture {
    pub fn new(archive: &[u8], packing: Packing, members: Vec<Member>) -> Self {
        let dataset = Dataset {
            name: "letters",
            what: "letters",
            source: "a test",
            license: "none needed",
            urls: &[],
            archive: "letters.bin",
            bytes: archive.len() as u64,
            sha256: sha256(archive).leak(),
            packing,
            members: members.leak(),
        };
        let settings = Settings {
            connect: Duration::from_secs(20),
            stall: Duration::from_secs(20),
            attempts: 3,
            backoff: Duration::from_millis(1),
            redirects: 3,
            proxy: false,
        };
        Self { dir: tempfile::tempdir().unwrap(), dataset, settings, stop: Arc::default() }
    }

    /// A dataset of one file that is its own archive.
    pub fn plain(content: &[u8]) -> Self {
        let member = Member { inside: "letters", name: "letters.txt", at_most: content.len() as u64 };
        Self::new(content, Packing::Plain, vec![member])
    }

    pub fn get(&self, urls: &[&str]) -> Result<Outcome, DataError> {
        let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
        let watch = Watch { bar: &ProgressBar::hidden(), stop: &self.stop };
        get(&self.dataset, &urls, self.dir.path(), &self.settings, watch)
    }

    /// Fetches what must not come; the message, which is one line.
    #[track_caller]
    pub fn refused(&self, urls: &[&str]) -> String {
        let error = self.get(urls).unwrap_err();
        assert_eq!(error.status(), 1, "{error}");
        let message = error.to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(!self.file("SHA256SUMS").exists(), "{message}");
        message
    }

    pub fn part(&self) -> PathBuf {
        self.dir.path().join("letters.bin.part")
    }

    pub fn tag(&self) -> PathBuf {
        self.dir.path().join("letters.bin.part.etag")
    }

    /// A file of the dataset.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("letters").join(name)
    }

    /// Everything in the data folder, sorted.
    pub fn listing(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let name = path.strip_prefix(self.dir.path()).unwrap();
                found.push(name.to_string_lossy().replace('\\', "/"));
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        found.sort();
        found
    }

    #[track_caller]
    pub fn has(&self, content: &[u8]) {
        assert!(std::fs::read(self.file("letters.txt")).unwrap() == content, "another content");
        let left = ["letters", "letters/SHA256SUMS", "letters/SOURCE.md", "letters/letters.txt"];
        assert_eq!(self.listing(), left);
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes in which no two pieces of some length are equal.
pub fn content(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(next).collect()
}

pub fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
