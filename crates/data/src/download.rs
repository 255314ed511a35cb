//! Downloads an archive and verifies it: several addresses, several attempts, resumption.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use ureq::Agent;

use super::catalogue::Dataset;
use super::error::DataError;
use super::hash;
use super::http::{self, Exchange, Head, Request, Settings, Trouble};
use super::part::Part;

/// Bytes of progress after which the count of failed attempts begins anew.
const WORTH: u64 = 1 << 20;

/// How the user sees a download, and how it is interrupted.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Shows what has arrived.
    pub bar: &'a ProgressBar,
    /// Set when the user wants to end.
    pub stop: &'a AtomicBool,
}

struct Download<'a> {
    dataset: &'a Dataset,
    agent: Agent,
    settings: &'a Settings,
    watch: Watch<'a>,
    part: Part,
}

/// Fetches the archive of `dataset` into `path` from the first of `urls` that serves it, and checks it. What an earlier
/// call has left there is gone on from.
///
/// # Errors
/// What was wrong with each address; a file that cannot be written; an interruption.
pub fn download(
    dataset: &Dataset,
    urls: &[String],
    path: &Path,
    settings: &Settings,
    watch: Watch<'_>,
) -> Result<Part, DataError> {
    let part = Part::open(path)?;
    let mut download = Download { dataset, agent: http::agent(settings), settings, watch, part };
    let mut reasons = Vec::new();
    for url in urls {
        match download.try_address(url, path) {
            Ok(()) => return Ok(download.part),
            Err(Trouble::Fatal(error)) => return Err(error),
            // The text may come from a server; its control characters must not reach the terminal.
            Err(Trouble::Never(reason) | Trouble::Again(reason)) => {
                reasons.push(format!("{url}: {reason}").replace(char::is_control, " "));
            }
        }
    }
    if download.part.length() == 0 {
        download.part.remove()?;
    }
    Err(DataError::Download { name: dataset.name.to_string(), reasons: reasons.join("; ") })
}

impl Download<'_> {
    /// All attempts at one address, and the check of what they brought.
    fn try_address(&mut self, url: &str, path: &Path) -> Result<(), Trouble> {
        let mut failed = 0;
        let mut best = self.part.length();
        while let Err(trouble) = self.attempt(url) {
            let Trouble::Again(reason) = trouble else { return Err(trouble) };
            if self.part.length() >= best.saturating_add(WORTH) {
                best = self.part.length();
                failed = 0;
            }
            failed += 1;
            if failed >= self.settings.attempts {
                return Err(Trouble::Never(format!("{reason} ({failed} attempts)")));
            }
            self.watch
                .bar
                .set_message(format!("{reason}: attempt {}", failed + 1).replace(char::is_control, " "));
            self.pause(self.settings.backoff.saturating_mul(1 << (failed - 1).min(16)))?;
        }
        self.watch.bar.set_message("checking");
        let found = hash::of_file(self.part.reader()?, path, self.watch.stop)?;
        if found != self.dataset.sha256 {
            // Begin anew even if only a part is wrong, since nobody knows which.
            self.part.restart()?;
            return Err(Trouble::Never(format!("SHA-256 is {found}, expected {}", self.dataset.sha256)));
        }
        Ok(())
    }

    /// One request.
    fn attempt(&mut self, url: &str) -> Result<(), Trouble> {
        let expected = self.dataset.bytes;
        if self.part.length() > expected {
            self.part.restart()?;
        }
        self.watch.bar.set_position(self.part.length());
        if self.part.length() == expected {
            return Ok(());
        }
        let etag = self.part.etag(url);
        let request = Request { url: url.to_string(), from: self.part.length(), etag: etag.clone() };
        let (head, exchange) = Exchange::start(&self.agent, request, self.watch.stop)?;
        self.accept(url, &head, etag.as_deref())?;
        self.watch.bar.set_message("");
        while let Some(bytes) = exchange.next(self.watch.stop)? {
            if self.part.length() + bytes.len() as u64 > expected {
                self.part.restart()?;
                return Err(Trouble::Never(format!("sends more than the {expected} bytes expected")));
            }
            self.part.append(&bytes)?;
            self.watch.bar.set_position(self.part.length());
        }
        if self.part.length() < expected {
            let reason = format!("ended after {} of {expected} bytes", self.part.length());
            return Err(Trouble::Again(reason));
        }
        Ok(())
    }

    /// Decides by the head of an answer whether its body goes behind what has arrived, replaces it, or is refused.
    fn accept(&mut self, url: &str, head: &Head, etag: Option<&str>) -> Result<(), Trouble> {
        let from = self.part.length();
        match head.status {
            200 => {
                self.check_size(head.length)?;
                // A request for a range is answered like this too, if the server supports no ranges or its file
                // has another tag now.
                self.part.restart()?;
                self.watch.bar.set_position(0);
                self.part.remember(url, head.etag.as_deref())?;
                Ok(())
            }
            206 if from > 0 => {
                let range = head.range.as_ref();
                self.check_size(range.and_then(|range| range.total))?;
                let same = etag.is_none() || head.etag.is_none() || head.etag.as_deref() == etag;
                if range.is_none_or(|range| range.first != from) || !same {
                    self.part.restart()?;
                    return Err(Trouble::Again(
                        "answered with another range than the one asked for".to_string(),
                    ));
                }
                Ok(())
            }
            416 if from > 0 => {
                self.part.restart()?;
                Err(Trouble::Again("has less than what had arrived before".to_string()))
            }
            status @ (408 | 425 | 429 | 500..=599) => {
                Err(Trouble::Again(format!("answered with status {status}")))
            }
            status => Err(Trouble::Never(format!("answered with status {status}"))),
        }
    }

    fn check_size(&self, offered: Option<u64>) -> Result<(), Trouble> {
        match offered {
            Some(offered) if offered != self.dataset.bytes => {
                let reason = format!("offers {offered} bytes, expected {}", self.dataset.bytes);
                Err(Trouble::Never(reason))
            }
            _ => Ok(()),
        }
    }

    /// Waits, or ends with an error as soon as the user interrupts.
    fn pause(&self, time: Duration) -> Result<(), DataError> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if self.watch.stop.load(Ordering::Relaxed) {
                return Err(DataError::Interrupted);
            }
            std::thread::sleep(Duration::from_millis(20).min(end.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }
}
