//! A stream over HTTP: rows come in, predictions go out.

pub mod http;

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use subtle::ConstantTimeEq;

use crate::Failure;
use http::{Request, Response};

/// Most connections at a time; others are told to come again.
const CONNECTIONS: usize = 32;

/// Fewest characters of a token.
const SHORTEST: usize = 16;

/// The page that shows a stream.
const PAGE: &str = include_str!("page.html");

/// What a client asks of the stream.
#[derive(Debug)]
pub enum Ask {
    /// To take the rows of this text.
    Rows(Vec<u8>),
    /// How it stands.
    State,
}

/// A question, and where the answer goes.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub ask: Ask,
    /// Takes one response. If it is dropped, the client is told that the stream ends.
    pub reply: SyncSender<Response>,
}

/// A server that is bound to its address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<String>,
}

impl Server {
    /// Binds the address `name`, `ADDRESS:PORT`. Requests must bring the token, if there is one.
    ///
    /// # Errors
    /// If the address cannot be used, or can be reached from other machines and there is no token, or a token is too
    /// short.
    pub fn new(name: &str, token: Option<String>) -> Result<Self, Failure> {
        let wrong = |error: std::io::Error| {
            Failure::usage(format!(
                "--serve {name}: {error}: give an address and a port, as in 127.0.0.1:8080"
            ))
        };
        let addresses: Vec<SocketAddr> = name.to_socket_addrs().map_err(wrong)?.collect();
        let local = addresses.iter().all(|address| address.ip().is_loopback());
        match &token {
            None if !local => {
                return Err(Failure::usage(format!(
                    "--serve {name} can be reached from other machines: give --token or the variable RTRL_TOKEN, which \
                     clients then have to send, or serve on 127.0.0.1"
                )));
            }
            Some(token) if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(Failure::usage(format!(
                    "the token must have at least {SHORTEST} letters, digits or signs and no blank: make one by \
                     `openssl rand -hex 16`"
                )));
            }
            _ => {}
        }
        let listener = TcpListener::bind(addresses.as_slice()).map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        Ok(Self { listener, address, token })
    }

    /// The address; if port 0 was asked for, with the port that the system has chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections for ever. Questions go to `send`, which says whether somebody answers.
    pub fn run(self, send: impl Fn(Asked) -> bool + Send + Sync + 'static) {
        let (this, send) = (Arc::new(self), Arc::new(send));
        let open = Arc::new(AtomicUsize::new(0));
        for connection in this.listener.incoming() {
            let Ok(mut connection) = connection else {
                // Too many files are open, or the client is gone already.
                std::thread::sleep(std::time::Duration::from_millis(10));
                continue;
            };
            if open.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
                open.fetch_sub(1, Ordering::AcqRel);
                let refusal = Response::refusal(503, "there are too many connections: try again");
                refusal.send_at_once(&mut connection);
                continue;
            }
            let (this, send, open) = (this.clone(), send.clone(), open.clone());
            std::thread::spawn(move || {
                this.serve(&mut connection, send.as_ref());
                open.fetch_sub(1, Ordering::AcqRel);
            });
        }
    }

    fn serve(&self, connection: &mut TcpStream, send: &(impl Fn(Asked) -> bool + ?Sized)) {
        let response = match http::request(connection, http::PATIENCE) {
            Ok(request) => self.answer(request, send),
            Err(Some(refusal)) => refusal,
            Err(None) => return,
        };
        response.send(connection);
    }

    fn answer(&self, request: Request, send: &(impl Fn(Asked) -> bool + ?Sized)) -> Response {
        let ask = match (request.method.as_str(), request.path.as_str()) {
            // It shows nothing before it has the token itself.
            ("GET", "/") => return Response::html(PAGE),
            ("GET", "/state") => Ask::State,
            ("POST", "/rows") => Ask::Rows(Vec::new()),
            (_, "/" | "/state" | "/rows") => {
                return Response::refusal(405, "there are GET /, GET /state and POST /rows");
            }
            _ => return Response::refusal(404, "there are /, /state and /rows"),
        };
        if let Some(refusal) = self.refusal(&request) {
            return refusal;
        }
        let ask = match ask {
            Ask::Rows(_) => Ask::Rows(request.body),
            Ask::State => Ask::State,
        };
        let (reply, answer) = sync_channel(1);
        let ends = || Response::refusal(503, "the stream ends");
        if !send(Asked { ask, reply }) {
            return ends();
        }
        answer.recv().unwrap_or_else(|_| ends())
    }

    /// Refuses who does not know the token, and pages of other addresses that a browser shows: they may send requests
    /// to this machine.
    fn refusal(&self, request: &Request) -> Option<Response> {
        let known = |token: &String| {
            let given = request.token.as_deref().unwrap_or_default();
            bool::from(given.as_bytes().ct_eq(token.as_bytes()))
        };
        match &self.token {
            Some(token) if !known(token) => Some(Response::refusal(
                401,
                "the token is wrong or missing: send `Authorization: Bearer TOKEN`",
            )),
            // The name of an address may change while a page is open, so that the page would count as one of this
            // server; a number or `localhost` cannot.
            None if !is_address(&request.host) => {
                Some(Response::refusal(403, "without a token the host must be an IP address or localhost"))
            }
            _ if request.foreign => {
                Some(Response::refusal(403, "this comes from the page of another address"))
            }
            _ => None,
        }
    }
}

/// Whether the host of a request, with or without a port, is an IP address or `localhost`.
fn is_address(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name == "localhost" || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_cannot_change_are_known() {
        for host in ["127.0.0.1:80", "127.0.0.1", "localhost:8080", "localhost", "[::1]:80", "10.0.0.7:1"] {
            assert!(is_address(host), "{host}");
        }
        for host in
            ["", "evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil:1", "[x]:1"]
        {
            assert!(!is_address(host), "{host}");
        }
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token() {
        assert!(Server::new("127.0.0.1:0", None).is_ok());
        assert!(Server::new("0.0.0.0:0", None).unwrap_err().to_string().contains("RTRL_TOKEN"));
        assert!(
            Server::new("0.0.0.0:0", Some("short".into())).unwrap_err().to_string().contains("at least 16")
        );
        assert!(Server::new("0.0.0.0:0", Some("0123456789abcdef".into())).is_ok());
        assert!(Server::new("nowhere", None).unwrap_err().to_string().contains("127.0.0.1:8080"));
    }
}
