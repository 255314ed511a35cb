//! `rtrl stream`: learns to predict the next row of a stream.

mod class;
mod columns;
mod config;
mod event;
mod forecasts;
mod kept;
mod layout;
mod opening;
mod output;
mod plot;
mod recent;
pub mod rows;
pub mod saved;
mod serve;
mod service;
mod session;
mod source;
mod state;
pub mod time;

use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{SyncSender, sync_channel};

use rtrl_tasks::table::cell::Reading;
use rtrl_tasks::table::rows::{Dialect, Rows};

use crate::flags::Stream;
use crate::{Failure, nets, signals};
use event::Event;
use opening::Setup;
use serve::Server;
use session::Session;

/// Rows that are read ahead of the net. A row takes at most a few times the memory of the longest line.
const AHEAD: usize = 64;

/// Reads a stream to its end, or until a signal or an error ends it. The checkpoint is then saved, except if
/// predictions could not be written: the state has seen their rows.
///
/// # Errors
/// If a setting, the input, the checkpoint or the output cannot be used, or a signal has ended the stream.
pub fn run(flags: &Stream) -> Result<(), Failure> {
    if flags.delimiter == Some(flags.decimal) {
        return Err(Failure::usage(
            "--delimiter and --decimal are the same character: choose another delimiter",
        ));
    }
    let config = config::configure(flags)?;
    for file in flags.checkpoint.iter().chain(&flags.plot) {
        nets::check_folder(file)?;
    }
    let saved = flags.checkpoint.as_deref().map(saved::identity).transpose()?.flatten();
    // A checkpoint goes on with its own net.
    let start = flags.from.as_deref().filter(|_| saved.is_none()).map(nets::load).transpose()?;
    let reading = Reading::new(&flags.missing, flags.decimal);
    let mut setup = Setup { flags, config, start, reading, regular: false, saved };
    let (sender, events) = sync_channel(AHEAD);
    let wake = sender.clone();
    // The flag ends a loop that is busy. The event wakes a loop that waits for a row: the channel is then empty
    // and has room for it.
    let stopping = move || drop(wake.try_send(Event::Stop));
    if let Some(address) = &flags.serve {
        let server = Server::new(address, flags.token.clone().or_else(|| std::env::var("RTRL_TOKEN").ok()))?;
        setup.note(&format!("listens on http://{}", server.address()));
        let stop = signals::stop_flag(stopping)?;
        std::thread::spawn(move || server.run(move |asked| sender.send(Event::Asked(asked)).is_ok()));
        let mut session = Session::new(setup);
        let ended = service::answer_all(&mut session, &events, &stop);
        return session.finish(ended);
    }
    let input: Box<dyn Read + Send> = match &flags.file {
        Some(path) => {
            let file = File::open(path).map_err(Failure::file("open", path))?;
            setup.regular = file.metadata().is_ok_and(|of| of.is_file());
            Box::new(file)
        }
        None => Box::new(std::io::stdin()),
    };
    let stop = signals::stop_flag(stopping)?;
    let dialect = setup.dialect();
    std::thread::spawn(move || read(input, dialect, &sender));
    let mut session = Session::new(setup);
    let ended = session.all(&events, &stop);
    session.finish(ended)
}

/// Sends the format of the input, its rows and its end as events.
fn read(input: impl Read, dialect: Dialect, events: &SyncSender<Event>) {
    let mut rows = Rows::new(input, dialect);
    let mut all = || -> std::io::Result<()> {
        let mut first = true;
        while let Some(row) = rows.next_row()? {
            let format = Event::Format(rows.format().into(), rows.delimiter());
            if std::mem::take(&mut first) && events.send(format).is_err() {
                break;
            }
            if events.send(Event::Row(row)).is_err() {
                break;
            }
        }
        Ok(())
    };
    let ended = all();
    // Without a receiver there is nobody left to tell.
    drop(events.send(ended.map_or_else(Event::Failed, |()| Event::End(rows.left_out()))));
}
