//! `rtrl stream`: learns to predict the next row of a stream.

pub mod config;
mod linear;
mod output;
mod plot;
pub mod predictor;
pub mod rows;
mod scaler;

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Stdout};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use rtrl_checkpoint::{ArchiveError, CheckpointError, Loaded, Persist};
use serde_json::Value;

use crate::flags::{Header, OnError, Stream};
use crate::{Failure, nets, signals};
use config::StreamConfig;
use output::{Output, short};
use plot::Curve;
use predictor::{PREDICTORS, Predictor, read_identity};
use rows::{Format, Layout, Read1, Record, Rows, Selection};

/// Rows that are read ahead.
const AHEAD: usize = 1024;

/// What the main loop waits for.
enum Event {
    /// The format that was found.
    Format(Format),
    /// A row, or why there is none.
    Row(Read1),
    /// There are no more rows.
    End,
    /// The input cannot be read.
    Failed(std::io::Error),
    /// A signal asks for the end.
    Stop,
}

/// Why a stream ends before its input.
enum Ended {
    /// Nobody reads the output.
    NobodyReads,
    /// A signal asked for it.
    Asked,
    /// Something was wrong.
    Bad(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Bad(failure)
    }
}

impl From<std::io::Error> for Ended {
    /// An error of the output.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            return Self::NobodyReads;
        }
        Self::Bad(Failure::new(format!("cannot write the predictions: {error}")))
    }
}

/// Reads a stream to its end, or until a signal or an error ends it; the checkpoint is written in any case.
///
/// # Errors
/// If a setting, the input, the checkpoint or the output cannot be used.
pub fn run(flags: &Stream) -> Result<(), Failure> {
    let config = StreamConfig::new(flags)?;
    for file in flags.checkpoint.iter().chain(&flags.plot) {
        nets::check_folder(file)?;
    }
    let input: Box<dyn Read + Send> = match &flags.file {
        Some(path) => Box::new(File::open(path).map_err(Failure::file("open", path))?),
        None => Box::new(std::io::stdin()),
    };
    let saved = flags.checkpoint.as_deref().map(saved_identity).transpose()?.flatten();
    let (sender, events) = sync_channel(AHEAD);
    let wake = sender.clone();
    // The flag ends a stream that is busy, the event one that waits.
    let stop = signals::stop_flag(move || drop(wake.send(Event::Stop)))?;
    let (format, delimiter) = (flags.format, flags.delimiter);
    std::thread::spawn(move || read(input, format, delimiter, &sender));
    let mut session = Session {
        flags,
        config,
        saved,
        format: Format::Csv,
        header: None,
        records: 0,
        position: 0,
        seen: 0,
        open: None,
        curve: flags.plot.is_some().then(Curve::new),
        saved_at: (0, Instant::now()),
    };
    let ended = session.all(&events, &stop);
    session.finish(ended)
}

/// Hands on everything that can be read.
fn read(input: impl Read, format: Option<Format>, delimiter: u8, events: &SyncSender<Event>) {
    let all = || -> std::io::Result<()> {
        let mut rows = Rows::new(input, format, delimiter)?;
        let mut going = events.send(Event::Format(rows.format())).is_ok();
        while let Some(row) = rows.next()? {
            going = going && events.send(Event::Row(row)).is_ok();
            if !going {
                break;
            }
        }
        Ok(())
    };
    // Without a receiver there is nobody left to tell.
    drop(events.send(all().map_or_else(Event::Failed, |()| Event::End)));
}

fn unusable(path: &Path, error: &CheckpointError) -> Failure {
    match error {
        CheckpointError::Archive(ArchiveError::Content { reason, .. }) => Failure::new(format!(
            "the checkpoint {} does not fit: {reason}; use the same settings, or another file",
            path.display()
        )),
        _ => Failure::new(format!("checkpoint {}: {error}; use another file, or remove it", path.display())),
    }
}

/// The settings and columns of the checkpoint that will be restored, if there is one.
fn saved_identity(path: &Path) -> Result<Option<Value>, Failure> {
    let build = || Ok::<_, CheckpointError>(Value::Null);
    let read = |identity: &mut Value, archive: &mut rtrl_checkpoint::Archive<'_>| {
        *identity = read_identity(archive)?;
        Ok(())
    };
    match rtrl_checkpoint::load_latest(path, build, read) {
        Ok(Loaded::Nothing) => Ok(None),
        Ok(Loaded::Latest(identity) | Loaded::Previous(identity, _)) => Ok(Some(identity)),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// A stream whose columns are known.
struct Open {
    predictor: Predictor,
    layout: Layout,
    used: Vec<usize>,
    values: Vec<Option<f64>>,
    output: Output<BufWriter<Stdout>>,
}

/// A stream that is read.
struct Session<'a> {
    flags: &'a Stream,
    config: StreamConfig,
    /// Settings and columns of the checkpoint, if there is one.
    saved: Option<Value>,
    format: Format,
    header: Option<Vec<String>>,
    /// Records of the input, the header among them.
    records: u64,
    /// Rows of the input, those that cannot be used among them.
    position: u64,
    /// Rows of the input that the checkpoint has seen.
    seen: u64,
    open: Option<Open>,
    curve: Option<Curve>,
    /// Row and time of the last checkpoint.
    saved_at: (u64, Instant),
}

impl Session<'_> {
    fn all(&mut self, events: &Receiver<Event>, stop: &AtomicBool) -> Result<(), Ended> {
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Ended::Asked);
            }
            let event = match events.try_recv() {
                Err(TryRecvError::Empty) => {
                    // Whoever reads the predictions has them all while the next row is awaited.
                    if let Some(open) = &mut self.open {
                        open.output.flush()?;
                    }
                    events.recv().unwrap_or(Event::End)
                }
                other => other.unwrap_or(Event::End),
            };
            match event {
                Event::Format(format) => self.format = format,
                Event::Row((line, row)) => self.row(line, row)?,
                Event::End => return Ok(()),
                Event::Stop => return Err(Ended::Asked),
                Event::Failed(error) => {
                    return Err(Failure::new(format!("cannot read the input: {error}")).into());
                }
            }
            self.save_if_due()?;
        }
    }

    fn row(&mut self, line: u64, row: Result<Record, String>) -> Result<(), Ended> {
        self.records += 1;
        let record = match row {
            Ok(record) if self.records == 1 && self.is_header(&record) => return Ok(()),
            Ok(record) => record,
            Err(message) => return self.bad(line, &message),
        };
        if self.open.is_none() {
            self.open = Some(self.open(&record).map_err(|message| self.at(line, &message))?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if self.position < self.seen {
            self.position += 1;
            return Ok(());
        }
        if let Err(message) = open.layout.read(&record, &open.used, &mut open.values) {
            return self.bad(line, &message);
        }
        self.position += 1;
        let resets = open.predictor.counts().resets;
        open.predictor.step(&open.values).map_err(Failure::from)?;
        let row = open.predictor.counts().rows;
        if let (Some(curve), Some(scores)) = (&mut self.curve, open.predictor.scores()) {
            curve.add(row, scores);
        }
        open.output.write(&open.predictor)?;
        if open.predictor.counts().resets > resets {
            self.note(&format!("row {row}: a number was not finite; the net begins anew"));
        }
        Ok(())
    }

    /// Whether the first record is a header, which is then remembered.
    fn is_header(&mut self, record: &Record) -> bool {
        self.header = match (self.flags.header, record) {
            (Header::Yes, Record::Cells(cells)) => {
                Some(cells.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect())
            }
            (Header::Auto, _) => rows::header(record),
            _ => None,
        };
        self.header.is_some()
    }

    /// A row that cannot be used.
    fn bad(&mut self, line: u64, message: &str) -> Result<(), Ended> {
        if self.flags.on_error == OnError::Stop {
            let way = "correct it, or leave such rows out by --on-error skip";
            return Err(self.at(line, &format!("{message}; {way}")).into());
        }
        let known = self.position < self.seen;
        self.position += 1;
        if let Some(open) = self.open.as_mut().filter(|_| !known) {
            open.predictor.leave_out(1);
        }
        Ok(())
    }

    fn at(&self, line: u64, message: &str) -> Failure {
        Failure::new(format!("row {} (line {line}): {message}", self.position + 1))
    }

    fn note(&self, text: &str) {
        if !self.flags.quiet {
            eprintln!("{text}");
        }
    }

    /// Everything that needs the first row.
    fn open(&mut self, first: &Record) -> Result<Open, String> {
        let names = |field: &str| -> Vec<String> {
            let list = self.saved.as_ref().and_then(|saved| saved[field].as_array());
            list.into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect()
        };
        let stream = &self.config.stream;
        // What was chosen by default stays chosen.
        let pick = |named: &[String], field| if named.is_empty() { names(field) } else { named.to_vec() };
        let wanted =
            Selection { inputs: pick(&stream.input, "input"), targets: pick(&stream.target, "target") };
        let known = names("columns");
        let header = match first {
            Record::Cells(cells) if self.header.is_none() && cells.len() == known.len() => Some(known),
            _ => self.header.clone(),
        };
        let layout = Layout::new(header, first, &wanted)?;
        let used = layout.used();
        let new = || Predictor::new(&self.config, &layout).map_err(|error| error.to_string());
        let mut predictor = match &self.flags.checkpoint {
            Some(path) => self.restore(path, new)?,
            None => new()?,
        };
        let counts = predictor.counts();
        if counts.rows > 0 && self.flags.file.is_some() {
            self.seen = counts.rows + counts.left_out;
        } else {
            predictor.leave_out(self.position);
        }
        self.saved_at.0 = counts.rows;
        let targets = layout.targets.iter().map(|&column| layout.columns[column].clone()).collect();
        let format = self.flags.output.unwrap_or(self.format);
        let to = BufWriter::with_capacity(1 << 16, std::io::stdout());
        let output = Output::new(to, format, targets, counts.rows == 0).map_err(|error| error.to_string())?;
        Ok(Open { predictor, values: vec![None; used.len()], used, layout, output })
    }

    /// The state of the checkpoint, or a new one if there is none.
    fn restore(&self, path: &Path, new: impl Fn() -> Result<Predictor, String>) -> Result<Predictor, String> {
        enum Error {
            New(String),
            Checkpoint(CheckpointError),
        }
        impl From<CheckpointError> for Error {
            fn from(error: CheckpointError) -> Self {
                Self::Checkpoint(error)
            }
        }
        let build = || new().map_err(Error::New);
        let row = |predictor: &Predictor| predictor.counts().rows;
        match rtrl_checkpoint::load_latest(path, build, Predictor::persist) {
            Ok(Loaded::Nothing) => new(),
            Ok(Loaded::Latest(predictor)) => {
                self.note(&format!("going on after row {} of {}", row(&predictor), path.display()));
                Ok(predictor)
            }
            Ok(Loaded::Previous(predictor, error)) => {
                let older = row(&predictor);
                self.note(&format!(
                    "{}: {error}; going on from the one before, after row {older}",
                    path.display()
                ));
                Ok(predictor)
            }
            Err(Error::New(message)) => Err(message),
            Err(Error::Checkpoint(error)) => Err(unusable(path, &error).to_string()),
        }
    }

    fn save_if_due(&mut self) -> Result<(), Ended> {
        let Some(open) = self.open.as_mut().filter(|_| self.flags.checkpoint.is_some()) else {
            return Ok(());
        };
        let rows = open.predictor.counts().rows - self.saved_at.0;
        let due = self.flags.checkpoint_rows.is_some_and(|every| rows >= every)
            || self.saved_at.1.elapsed() >= Duration::from_secs(self.flags.checkpoint_seconds);
        if due && rows > 0 {
            // What the state has seen is written out before the state is.
            open.output.flush()?;
            self.save()?;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), Failure> {
        let (Some(open), Some(path)) = (&mut self.open, &self.flags.checkpoint) else { return Ok(()) };
        rtrl_checkpoint::save(path, |archive| open.predictor.persist(archive))
            .map_err(|error| Failure::new(format!("checkpoint {}: {error}", path.display())))?;
        self.saved_at = (open.predictor.counts().rows, Instant::now());
        Ok(())
    }

    /// Leaves everything in order, however the stream has ended.
    fn finish(&mut self, ended: Result<(), Ended>) -> Result<(), Failure> {
        let flushed = self.open.as_mut().map_or(Ok(()), |open| open.output.flush());
        self.save()?;
        let ended = ended.and(flushed.map_err(Ended::from));
        if let Err(Ended::Bad(failure)) = ended {
            return Err(failure);
        }
        let Some(open) = &self.open else {
            if ended.is_err() {
                return Ok(());
            }
            let found = if self.header.is_some() { "a header and no row" } else { "no row" };
            return Err(Failure::new(format!("the input has {found}: there is nothing to learn from")));
        };
        if !matches!(ended, Err(Ended::NobodyReads)) {
            self.note(&summary(&open.predictor, self.config.stream.score_rows));
        }
        match (&self.curve, &self.flags.plot) {
            (Some(curve), Some(path)) => curve.draw(path),
            _ => Ok(()),
        }
    }
}

fn summary(predictor: &Predictor, score_rows: u64) -> String {
    let counts = predictor.counts();
    let mut parts = vec![format!("{} rows", counts.rows)];
    if let Some(scores) = predictor.scores() {
        let scores: Vec<_> =
            PREDICTORS.iter().zip(scores).map(|(name, score)| format!("{name} {}", short(score))).collect();
        parts.push(format!("squared error / variance over the last {score_rows}: {}", scores.join(", ")));
    }
    for (count, what) in [
        (counts.missing, "values missing"),
        (counts.left_out, "rows left out"),
        (counts.resets, "times begun anew"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join("; ")
}
