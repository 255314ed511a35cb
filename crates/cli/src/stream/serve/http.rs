//! The part of HTTP/1.1 that a stream needs: one request for each connection, with bounds on everything that a client
//! decides.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Most bytes of the request line and all headers.
const HEAD: usize = 16 << 10;

/// Most headers.
const HEADERS: usize = 64;

/// Most bytes of a body.
pub const BODY: usize = 8 << 20;

/// How long a client may take to send a request, and to take a response.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long what a refused client still sends is read and thrown away, so that it comes to read the response.
const DRAIN: Duration = Duration::from_secs(2);

/// A request that has come in whole.
#[derive(Debug)]
pub struct Request {
    /// GET, POST, …
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// The token of the header `Authorization: Bearer`.
    pub token: Option<String>,
    /// The name by which the client called this server.
    pub host: String,
    /// Whether a web page of another address has made the browser send this.
    pub foreign: bool,
    /// The body.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub struct Response {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
}

impl Response {
    /// Rows of CSV.
    pub fn csv(body: Vec<u8>) -> Self {
        Self { status: 200, kind: "text/csv; charset=utf-8", body }
    }

    /// JSON lines.
    pub fn json_lines(body: Vec<u8>) -> Self {
        Self { status: 200, kind: "application/x-ndjson", body }
    }

    /// A JSON value.
    pub fn json(value: String) -> Self {
        Self { status: 200, kind: "application/json", body: value.into_bytes() }
    }

    /// A page.
    pub fn html(body: &str) -> Self {
        Self { status: 200, kind: "text/html; charset=utf-8", body: body.into() }
    }

    /// A refusal, with one line that says what was wrong.
    pub fn refusal(status: u16, message: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: format!("{message}\n").into_bytes() }
    }

    /// Sends the response and ends the connection. An error is the client's: there is nobody to tell.
    pub fn send(&self, to: &mut TcpStream) {
        drop(self.try_send(to));
    }

    /// Sends the response without waiting for anything.
    pub fn send_at_once(&self, to: &mut TcpStream) {
        let begun = to.set_nonblocking(true).is_ok();
        if begun {
            drop(to.write_all(&self.head()));
            drop(to.write_all(&self.body));
        }
    }

    fn head(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            411 => "Length Required",
            413 => "Content Too Large",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        };
        let authenticate = if self.status == 401 { "WWW-Authenticate: Bearer\r\n" } else { "" };
        format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
             connect-src 'self'\r\n{authenticate}\r\n",
            self.status,
            self.kind,
            self.body.len()
        )
        .into_bytes()
    }

    fn try_send(&self, to: &mut TcpStream) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        for mut bytes in [self.head().as_slice(), self.body.as_slice()] {
            while !bytes.is_empty() {
                to.set_write_timeout(Some(left(until)?))?;
                let written = to.write(bytes)?;
                bytes = &bytes[written..];
            }
        }
        to.shutdown(Shutdown::Write)?;
        // A connection that is closed with bytes unread is reset, and the client may lose the response.
        let until = Instant::now() + DRAIN;
        let mut waste = [0; 4096];
        while read(to, &mut waste, until)? > 0 {}
        Ok(())
    }
}

/// Reads a request, which must be complete within `patience`.
///
/// # Errors
/// The response that says why it cannot be read; `None` if the client has sent nothing, or is gone.
pub fn request(from: &mut TcpStream, patience: Duration) -> Result<Request, Option<Response>> {
    let until = Instant::now() + patience;
    let refuse = |status, message: &str| Some(Response::refusal(status, message));
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    let (mut request, length, waits, head) = loop {
        match read(from, &mut buffer, until) {
            Ok(0) if bytes.is_empty() => return Err(None),
            Ok(0) => return Err(refuse(400, "the request ends within its headers")),
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(error) => return Err(late(&error, patience)),
        }
        if let Some(parsed) = head(&bytes)? {
            break parsed;
        }
        if bytes.len() > HEAD {
            return Err(refuse(431, "the headers are too long: at most 16 KiB"));
        }
    };
    if length > BODY as u64 {
        let message =
            format!("the body is too long: at most {BODY} bytes; send the rows in several requests");
        return Err(refuse(413, &message));
    }
    if waits && from.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_err() {
        return Err(None);
    }
    let length = length as usize;
    let mut body = bytes.split_off(head);
    while body.len() < length {
        match read(from, &mut buffer, until) {
            Ok(0) => return Err(refuse(400, "the body ends before its Content-Length")),
            Ok(n) => body.extend_from_slice(&buffer[..n]),
            Err(error) => return Err(late(&error, patience)),
        }
    }
    body.truncate(length);
    request.body = body;
    Ok(request)
}

/// A request without its body, the length of its body, whether the client waits to be asked for the body, and the
/// length of the head; `None` if the head is not complete.
type Head = (Request, u64, bool, usize);

fn head(bytes: &[u8]) -> Result<Option<Head>, Option<Response>> {
    let refuse = |status, message: &str| Some(Response::refusal(status, message));
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let len = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len <= HEAD => len,
        Ok(httparse::Status::Complete(_)) => {
            return Err(refuse(431, "the headers are too long: at most 16 KiB"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(refuse(431, "there are too many headers: at most 64"));
        }
        Err(error) => return Err(refuse(400, &format!("no HTTP request: {error}"))),
    };
    let value = |name: &str| {
        let header = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| String::from_utf8_lossy(header.value).trim().to_string())
    };
    if value("Transfer-Encoding").is_some() {
        return Err(refuse(411, "the body has no Content-Length: chunked bodies are not read"));
    }
    let lengths = parsed.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("Content-Length"));
    let length = match value("Content-Length") {
        None => 0,
        Some(text) if lengths.count() == 1 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().unwrap_or(u64::MAX)
        }
        Some(_) => return Err(refuse(400, "Content-Length is not one number")),
    };
    let method = parsed.method.unwrap_or_default().to_string();
    if method == "POST" && value("Content-Length").is_none() {
        return Err(refuse(411, "the body has no Content-Length"));
    }
    let host = value("Host").unwrap_or_default();
    let foreign = value("Origin").is_some_and(|origin| origin != format!("http://{host}"));
    let token = value("Authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_string));
    let path = parsed.path.unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().to_string();
    let waits = value("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
    Ok(Some((Request { method, path, token, host, foreign, body: Vec::new() }, length, waits, len)))
}

/// Reads some bytes before the time `until`.
fn read(from: &mut TcpStream, to: &mut [u8], until: Instant) -> io::Result<usize> {
    loop {
        from.set_read_timeout(Some(left(until)?))?;
        match from.read(to) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// The time until `until`, which is not over.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn late(error: &io::Error, patience: Duration) -> Option<Response> {
    let late = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
    let message = format!("the request took longer than {} seconds", patience.as_secs_f64());
    late.then(|| Response::refusal(408, &message))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What is read of a client that sends `parts`, with a pause before each but the first.
    fn read_parts(parts: Vec<Vec<u8>>, patience: Duration) -> Result<Request, Option<Response>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            let mut to = TcpStream::connect(address).unwrap();
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    std::thread::sleep(Duration::from_millis(20));
                }
                // A server that has refused does not read on.
                drop(to.write_all(part));
            }
            drop(to.shutdown(Shutdown::Write));
            drop(to.read_to_end(&mut Vec::new()));
        });
        let (mut from, _) = listener.accept().unwrap();
        let read = request(&mut from, patience);
        drop(from);
        client.join().unwrap();
        read
    }

    fn status(text: &[u8]) -> u16 {
        let read = read_parts(vec![text.to_vec()], PATIENCE);
        read.map_or_else(|refused| refused.map_or(0, |refused| refused.status), |_| 200)
    }

    #[test]
    fn a_request_is_read_however_it_is_cut() {
        let text = b"POST /rows?a=b HTTP/1.1\r\nHost: h:1\r\nauthorization: Bearer t\r\nContent-Length: 5\r\n\r\nx\n1\n2";
        for at in [1, 20, text.len() - 5, text.len() - 1] {
            let (a, b) = text.split_at(at);
            let read = read_parts(vec![a.to_vec(), b.to_vec()], PATIENCE).unwrap();
            let Request { method, path, token, host, foreign, body } = read;
            assert_eq!(
                (method.as_str(), path.as_str(), host.as_str(), foreign),
                ("POST", "/rows", "h:1", false)
            );
            assert_eq!((token.as_deref(), body.as_slice()), (Some("t"), &b"x\n1\n2"[..]));
        }
    }

    #[test]
    fn every_bound_is_kept() {
        let post = |headers: &str| format!("POST / HTTP/1.1\r\n{headers}\r\n").into_bytes();
        let cases: [(u16, Vec<u8>); 11] = [
            (0, Vec::new()),
            (400, b"\x00\xff\xfe garbage\r\n\r\n".to_vec()),
            (400, b"GET / HTTP/1.1\r\nHost".to_vec()),
            (400, post("Content-Length: 9\r\n")),
            (400, post("Content-Length: -1\r\n")),
            (400, post("Content-Length: 1\r\nContent-Length: 2\r\n")),
            (411, post("")),
            (411, post("Transfer-Encoding: chunked\r\n")),
            (413, post("Content-Length: 99999999999999999999999\r\n")),
            (431, post(&"a: b\r\n".repeat(HEADERS + 1))),
            (431, post(&format!("a: {}\r\n", "b".repeat(HEAD)))),
        ];
        for (expected, text) in cases {
            assert_eq!(status(&text), expected, "{}", String::from_utf8_lossy(&text[..text.len().min(60)]));
        }
    }

    #[test]
    fn a_slow_client_is_not_waited_for() {
        // One byte after the other keeps no connection open either.
        let parts = (0..50).map(|_| b"G".to_vec()).collect();
        let begun = Instant::now();
        let refused = read_parts(parts, Duration::from_millis(100)).expect_err("too slow").unwrap();
        assert_eq!(refused.status, 408);
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }
}
