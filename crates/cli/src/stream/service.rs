//! A stream whose rows come over HTTP.

use std::io::Cursor;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use rtrl_tasks::table::rows::Rows;

use super::event::{Ended, Event};
use super::rows::Format;
use super::serve::http::Response;
use super::serve::{Ask, Asked};
use super::session::Session;

/// Answers what is asked, until a signal asks for the end.
///
/// # Errors
/// The reason for which the stream ended.
pub fn answer_all(
    session: &mut Session<'_>,
    events: &Receiver<Event>,
    stop: &AtomicBool,
) -> Result<(), Ended> {
    session.open_saved()?;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Ended::Asked);
        }
        match events.recv() {
            Ok(Event::Asked(Asked { ask, reply })) => {
                let response = match ask {
                    Ask::State => Response::json(session.told()),
                    Ask::Rows(body) => answer(session, body)?,
                };
                // A client that is gone does not take back its rows.
                drop(reply.send(response));
            }
            Ok(Event::Stop) | Err(_) => return Err(Ended::Asked),
            Ok(_) => {}
        }
    }
}

/// Takes the rows of a body, and returns their predictions. Rows that come before one that cannot be used are taken.
fn answer(session: &mut Session<'_>, body: Vec<u8>) -> Result<Response, Ended> {
    let mut rows = Rows::new(Cursor::new(body), session.dialect());
    let before = session.rows();
    let taken = session.take_all(&mut rows);
    let (format, predictions) = session.predictions()?;
    match taken {
        Ok(()) => Ok(match format {
            Format::Csv => Response::csv(predictions),
            Format::Json => Response::json_lines(predictions),
        }),
        Err(Ended::Refused(failure)) => {
            let taken = match session.rows() - before {
                0 => "no row of this request was taken".to_string(),
                1 => "the row before it was taken".to_string(),
                rows => format!("the {rows} rows before it were taken"),
            };
            Ok(Response::refusal(400, &format!("{failure}; {taken}")))
        }
        Err(ended) => Err(ended),
    }
}
