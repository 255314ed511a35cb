//! One HTTP exchange, on a thread of its own: a read that waits for the network must not keep an interruption waiting.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body, Error, Proxy};

use super::error::DataError;

/// Patience with servers and networks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Longest time for resolving a name, and for making a connection.
    pub connect: Duration,
    /// Longest time until the next bytes arrive.
    pub stall: Duration,
    /// Attempts in a row that may fail, for each address.
    pub attempts: u32,
    /// Pause before the second attempt; doubled for each one after it.
    pub backoff: Duration,
    /// Redirects that are followed.
    pub redirects: u32,
    /// Whether the proxy that the environment names is used.
    pub proxy: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            attempts: 4,
            backoff: Duration::from_secs(1),
            redirects: 5,
            proxy: true,
        }
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub enum Trouble {
    /// Another attempt may succeed.
    Again(String),
    /// This address is of no use.
    Never(String),
    /// No address is of use: the failure is on this side, or the user has interrupted.
    Fatal(DataError),
}

impl From<DataError> for Trouble {
    fn from(error: DataError) -> Self {
        Self::Fatal(error)
    }
}

/// How often a waiting download looks for an interruption.
const TICK: Duration = Duration::from_millis(50);

/// What is asked for: all of a file, or the rest of it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The address.
    pub url: String,
    /// The first byte wanted.
    pub from: u64,
    /// The rest is wanted only if the file still has this tag.
    pub etag: Option<String>,
}

/// What precedes the body of an answer.
#[derive(Debug)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Size of the body, if the server says.
    pub length: Option<u64>,
    /// The range of the file that the body is, if it is one.
    pub range: Option<ContentRange>,
    /// The entity tag.
    pub etag: Option<String>,
}

/// `Content-Range: bytes first-last/total`.
#[derive(Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// Position of the first byte of the body.
    pub first: u64,
    /// Size of the whole, if the server knows it.
    pub total: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let total = match total.trim() {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        (first <= last).then_some(Self { first, total })
    }
}

enum Message {
    Head(Head),
    Bytes(Vec<u8>),
    End,
}

/// A running exchange. Dropping it gives it up: its thread ends with the next piece or at a timeout.
pub struct Exchange {
    messages: Receiver<Result<Message, Trouble>>,
}

/// A client with the limits of `settings`.
pub fn agent(settings: &Settings) -> Agent {
    let proxy = if settings.proxy { Proxy::try_from_env() } else { None };
    Agent::config_builder()
        .http_status_as_error(false)
        .proxy(proxy)
        .max_redirects(settings.redirects)
        .max_redirects_will_error(true)
        .timeout_resolve(Some(settings.connect))
        .timeout_connect(Some(settings.connect))
        .timeout_per_read(Some(settings.stall))
        .timeout_per_write(Some(settings.stall))
        // Headers that trickle in would never exceed the limit of a single read.
        .timeout_recv_response(Some(settings.stall))
        // No connection is kept for the next attempt: it may be dead by then.
        .max_idle_connections(0)
        .user_agent(concat!("rtrl-data/", env!("CARGO_PKG_VERSION")))
        // The hash is that of the bytes themselves, not of a compression of them.
        .accept_encoding("identity")
        .build()
        .into()
}

impl Exchange {
    /// Sends the request and waits for the head of the answer.
    pub fn start(agent: &Agent, request: Request, stop: &AtomicBool) -> Result<(Head, Self), Trouble> {
        let (sender, messages) = sync_channel(8);
        let agent = agent.clone();
        std::thread::spawn(move || {
            let end = serve(&agent, &request, &sender);
            // Nobody listens any more if the exchange was given up.
            let _ = sender.send(end.map(|()| Message::End));
        });
        let exchange = Self { messages };
        match exchange.wait(stop)? {
            Message::Head(head) => Ok((head, exchange)),
            Message::Bytes(_) | Message::End => Err(Trouble::Again("no answer".to_string())),
        }
    }

    /// The next piece of the body, or `None` after the last one.
    pub fn next(&self, stop: &AtomicBool) -> Result<Option<Vec<u8>>, Trouble> {
        match self.wait(stop)? {
            Message::Bytes(bytes) => Ok(Some(bytes)),
            Message::Head(_) | Message::End => Ok(None),
        }
    }

    fn wait(&self, stop: &AtomicBool) -> Result<Message, Trouble> {
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Trouble::Fatal(DataError::Interrupted));
            }
            match self.messages.recv_timeout(TICK) {
                Ok(message) => return message,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Trouble::Again("no answer".to_string())),
            }
        }
    }
}

fn serve(
    agent: &Agent,
    request: &Request,
    sender: &SyncSender<Result<Message, Trouble>>,
) -> Result<(), Trouble> {
    let mut call = agent.get(&request.url);
    if request.from > 0 {
        call = call.header("Range", format!("bytes={}-", request.from));
        if let Some(etag) = &request.etag {
            call = call.header("If-Range", etag);
        }
    }
    let response = call.call().map_err(|error| trouble(&error))?;
    if sender.send(Ok(Message::Head(head(&response)))).is_err() {
        return Ok(());
    }
    let mut body = response.into_body().into_reader();
    loop {
        let mut piece = vec![0; 1 << 16];
        let read = body.read(&mut piece).map_err(|error| Trouble::Again(error.to_string()))?;
        piece.truncate(read);
        if read == 0 || sender.send(Ok(Message::Bytes(piece))).is_err() {
            return Ok(());
        }
    }
}

fn head(response: &Response<Body>) -> Head {
    let text = |headers: &HeaderMap, name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(|value| value.trim().to_string())
    };
    let headers = response.headers();
    Head {
        status: response.status().as_u16(),
        length: text(headers, "content-length").and_then(|value| value.parse().ok()),
        range: text(headers, "content-range").and_then(|value| ContentRange::parse(&value)),
        etag: text(headers, "etag"),
    }
}

/// Whether another attempt can succeed after an error; after one that is not listed here, it can.
fn trouble(error: &Error) -> Trouble {
    let message = error.to_string();
    match error {
        Error::TooManyRedirects
        | Error::RedirectFailed
        | Error::BadUri(_)
        | Error::Http(_)
        | Error::HostNotFound
        | Error::InvalidProxyUrl
        | Error::LargeResponseHeader(..)
        | Error::Tls(_)
        | Error::Rustls(_) => Trouble::Never(message),
        _ => Trouble::Again(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        let range = |text| ContentRange::parse(text);
        assert_eq!(range("bytes 5-9/10"), Some(ContentRange { first: 5, total: Some(10) }));
        assert_eq!(range("bytes 5-9/*"), Some(ContentRange { first: 5, total: None }));
        for wrong in ["", "bytes */10", "bytes 9-5/10", "bytes 5-9", "5-9/10", "bytes a-b/c", "bytes -1-9/10"]
        {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }
}
