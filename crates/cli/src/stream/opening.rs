//! What a stream is asked for, and how it is opened once the first rows are there.

use std::io::{BufWriter, Stdout, Write};

use rtrl_stream::{ForecasterConfig, GREATEST_INPUTS, Share};
use rtrl_tasks::table::cell::Reading;
use rtrl_tasks::table::header;
use rtrl_tasks::table::rows::{Dialect, Record, Row};
use rtrl_train::Model;
use serde_json::Value;

use super::columns::Columns;
use super::event::Ended;
use super::forecasts::Keys;
use super::kept::Kept;
use super::layout::{Layout, Sample, Selection};
use super::output::Output;
use super::recent::Recent;
use super::rows::Format;
use super::saved;
use super::state::{self, State};
use crate::Failure;
use crate::flags::{Header, Stream};

/// Most rows of a file that are looked at to choose the columns. Of a pipe, which may be slow, the first row with
/// a number is enough.
const LOOKED_AT: usize = 100;

/// What a stream is asked for.
pub struct Setup<'a> {
    /// The flags.
    pub flags: &'a Stream,
    /// The settings: a file, changed by the flags.
    pub config: ForecasterConfig,
    /// The net to begin with.
    pub start: Option<Model>,
    /// How cells are read.
    pub reading: Reading,
    /// Whether the input is a file that can be read again, not a pipe.
    pub regular: bool,
    /// Settings and columns of the checkpoint, if there is one.
    pub saved: Option<Value>,
}

/// Where predictions are written.
pub enum To {
    /// To standard output.
    Out(BufWriter<Stdout>),
    /// To memory, for a response.
    Memory(Vec<u8>),
}

impl Write for To {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Out(out) => out.write(bytes),
            Self::Memory(memory) => memory.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Out(out) => out.flush(),
            Self::Memory(memory) => memory.flush(),
        }
    }
}

/// What can only be made once the columns are known.
pub struct Open {
    /// Everything that is kept from one call to the next.
    pub state: State,
    /// Which columns are used.
    pub layout: Layout,
    /// [`Layout::used`].
    pub used: Vec<usize>,
    /// The row that is being read.
    pub sample: Sample,
    /// Its cells that are carried into the output.
    pub kept: Kept,
    /// Where predictions are written.
    pub output: Output<To>,
    /// The last rows, for those who ask for them; `None` if nobody can.
    pub recent: Option<Recent>,
    /// Whether the state comes from a checkpoint.
    pub restored: bool,
}

impl Open {
    /// The predictions in memory for the rows since the last call, with a header for CSV.
    ///
    /// # Errors
    /// None, as they are in memory.
    pub fn predictions(&mut self, format: Format) -> std::io::Result<Vec<u8>> {
        let take = |output: &mut Output<To>| match output.to_mut() {
            To::Out(_) => Vec::new(),
            To::Memory(memory) => std::mem::take(memory),
        };
        let mut rows = take(&mut self.output);
        if format == Format::Csv {
            self.output.header()?;
            let mut all = take(&mut self.output);
            all.append(&mut rows);
            return Ok(all);
        }
        Ok(rows)
    }
}

impl Setup<'_> {
    /// Prints a note for the user.
    pub fn note(&self, text: &str) {
        if !self.flags.quiet {
            eprintln!("{text}");
        }
    }

    /// What the series of many keys share.
    fn share(&self) -> Share {
        let saved = self.saved.as_ref().and_then(|saved| serde_json::from_value(saved["share"].clone()).ok());
        self.flags.share.map(Share::from).or(saved).unwrap_or_default()
    }

    /// How rows are written.
    pub fn dialect(&self) -> Dialect {
        Dialect {
            format: self.flags.format.map(Into::into),
            delimiter: self.flags.delimiter,
            comment: self.flags.comment,
            decimal: self.flags.decimal,
        }
    }

    /// The name of the input.
    pub fn input(&self) -> String {
        self.flags.file.as_ref().map_or("standard input".into(), |file| file.display().to_string())
    }

    /// The names in the first record, if it is a header.
    pub fn header(&self, record: &Record) -> Option<Vec<String>> {
        match (self.flags.header, record) {
            (Header::Yes, Record::Cells(cells)) => Some(header::names(cells)),
            (Header::Auto, Record::Cells(cells)) => {
                let names = header::names(cells);
                let again = names == self.saved_names("columns");
                header::header(record, &self.reading).or_else(|| again.then_some(names))
            }
            _ => None,
        }
    }

    /// A list of names in the checkpoint.
    pub fn saved_names(&self, field: &str) -> Vec<String> {
        self.saved.as_ref().map_or_else(Vec::new, |saved| saved::names(saved, field))
    }

    /// The columns asked for by flags or file; those that are not named are those of the checkpoint.
    fn wanted(&self) -> Selection {
        let (stream, flags) = (&self.config.stream, self.flags);
        let mut wanted = self.saved.as_ref().map_or_else(Selection::default, saved::selection);
        for (names, named) in [(&mut wanted.inputs, &stream.input), (&mut wanted.targets, &stream.target)] {
            if !named.is_empty() {
                names.clone_from(named);
            }
        }
        for (name, named) in [(&mut wanted.time, &flags.time), (&mut wanted.key, &flags.key)] {
            if named.is_some() {
                name.clone_from(named);
            }
        }
        wanted.kept.clone_from(&flags.keep);
        wanted.categories.extend(flags.categories.iter().cloned());
        wanted
    }

    /// Whether the rows held back are enough to choose columns. Later rows of JSON may have further keys, so that
    /// of a file [`LOOKED_AT`] rows are awaited; so they are for the categories of a column that are not listed.
    pub fn columns_are_known(&self, columns: &Columns, format: Format, held: &[Row]) -> bool {
        if held.len() >= LOOKED_AT || (!self.regular && columns.has_numbers()) {
            return true;
        }
        let wanted = self.wanted();
        let listed = |name: &String| wanted.categories.contains_key(name) || columns.holds_numbers(name);
        if !wanted.inputs.iter().chain(&wanted.targets).all(listed) {
            return false;
        }
        let complete = wanted.is_complete() && held.iter().any(|row| row.content.is_ok());
        complete || (columns.are_known() && format == Format::Csv)
    }

    /// Chooses the columns, and makes everything that needs them. `first` is the first row that can be read; without
    /// it, columns are those of the checkpoint.
    ///
    /// # Errors
    /// The message if the columns cannot be chosen; or that the checkpoint, a setting or the output cannot be used.
    pub fn open(
        &self,
        columns: &mut Columns,
        header: bool,
        format: Format,
        first: Option<&Row>,
        blame: impl FnOnce(&str) -> Ended,
    ) -> Result<Open, Ended> {
        let known = self.saved_names("columns");
        if let Some(Ok(Record::Cells(cells))) = first.map(|row| &row.content)
            && !header
            && cells.len() == known.len()
        {
            *columns = Columns::new(Some(known));
        }
        let json = format == Format::Json;
        let layout =
            Layout::new(columns, json, &self.wanted(), self.regular).map_err(|message| blame(&message))?;
        if layout.time.is_none() && self.flags.gap.is_some() {
            return Err(
                Failure::usage("--gap needs the times of the rows: name their column by --time").into()
            );
        }
        let keys = Keys { share: self.share(), forget_after: self.flags.forget_after };
        let began = self.saved.as_ref().and_then(state::began);
        let new = || State::new(&self.config, &layout, keys, self.start.as_ref(), began);
        let (mut state, restored) = match &self.flags.checkpoint {
            Some(path) => saved::restore(path, new)?,
            None => (new()?, None),
        };
        if self.flags.freeze && restored.is_none() && self.start.is_none() {
            let message = "--freeze needs a net that has learned: give --checkpoint or --from";
            return Err(Failure::usage(message).into());
        }
        state.forecasts.set_learning(!self.flags.freeze);
        if let Some(told) = &restored {
            self.note(told);
            state.changes().iter().for_each(|change| self.note(change));
            if let Some(from) = &self.flags.from {
                self.note(&format!(
                    "--from is not read: there is a checkpoint, which {} is not",
                    from.display()
                ));
            }
        }
        self.note(&layout.told(restored.is_none().then_some(columns)));
        if layout.class.is_none() && !state.forecasts.has_linear() {
            self.note(&format!(
                "there are more than {GREATEST_INPUTS} inputs: too many for the linear model, which is left out"
            ));
        }
        if layout.class.is_some() && self.flags.plot.is_some() {
            return Err(Failure::usage(
                "--plot draws squared errors: it cannot be given where a class is predicted",
            )
            .into());
        }
        let format = self.flags.output.unwrap_or(format);
        let kept = Kept::new(&layout, format);
        if format == Format::Csv && kept.names().iter().any(|name| name == "row") {
            let message =
                "the output has a column `row` of its own: keep another column, or give --output json";
            return Err(Failure::new(message).into());
        }
        let (digits, settings) = (self.flags.digits.map(usize::from), &self.config.stream);
        let serves = self.flags.serve.is_some();
        let to = match serves {
            true => To::Memory(Vec::new()),
            false => To::Out(BufWriter::with_capacity(1 << 16, std::io::stdout())),
        };
        let header = state.forecasts.counts().rows == 0 && !serves;
        let recent = if serves {
            let output = Output::new(Vec::new(), Format::Json, digits, &[], &layout, settings, false)?;
            Some(Recent::new(Kept::new(&layout, Format::Json), output))
        } else {
            None
        };
        let output = Output::new(to, format, digits, kept.names(), &layout, settings, header)?;
        Ok(Open {
            state,
            used: layout.used(),
            sample: Sample::default(),
            kept,
            layout,
            output,
            recent,
            restored: restored.is_some(),
        })
    }
}
