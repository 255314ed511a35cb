//! What a stream is asked for, and how it is opened once the first rows are there.

use std::collections::BTreeMap;
use std::io::{BufWriter, Stdout};

use rtrl_stream::{ForecasterConfig, GREATEST_INPUTS};
use rtrl_tasks::table::cell::Reading;
use rtrl_tasks::table::header;
use rtrl_tasks::table::rows::{Record, Row};
use serde_json::Value;

use super::columns::Columns;
use super::event::Ended;
use super::kept::Kept;
use super::layout::{Layout, Sample, Selection};
use super::output::Output;
use super::rows::Format;
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
    /// How cells are read.
    pub reading: Reading,
    /// Whether the input is a file that can be read again, not a pipe.
    pub regular: bool,
    /// Settings and columns of the checkpoint, if there is one.
    pub saved: Option<Value>,
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
    pub output: Output<BufWriter<Stdout>>,
    /// Whether the state comes from a checkpoint.
    pub restored: bool,
}

impl Setup<'_> {
    /// Prints a note for the user.
    pub fn note(&self, text: &str) {
        if !self.flags.quiet {
            eprintln!("{text}");
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

    fn saved_names(&self, field: &str) -> Vec<String> {
        let list = self.saved.as_ref().and_then(|saved| saved[field].as_array());
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect()
    }

    /// The columns asked for by flags or file; those that are not named are those of the checkpoint.
    fn wanted(&self) -> Selection {
        let (stream, flags) = (&self.config.stream, self.flags);
        let pick = |named: &[String], field| {
            if named.is_empty() { self.saved_names(field) } else { named.to_vec() }
        };
        let one = |named: &Option<String>, field| {
            let saved = self.saved.as_ref().and_then(|saved| saved[field].as_str());
            named.clone().or_else(|| saved.map(str::to_string))
        };
        let mut categories: BTreeMap<_, _> = flags.categories.iter().cloned().collect();
        let found = self.saved.as_ref().and_then(|saved| saved["categories"].as_object());
        for (column, names) in found.into_iter().flatten() {
            let names = names.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_string);
            categories.entry(column.clone()).or_insert_with(|| names.collect());
        }
        Selection {
            inputs: pick(&stream.input, "input"),
            targets: pick(&stream.target, "target"),
            kept: flags.keep.clone(),
            time: one(&flags.time, "time"),
            key: None,
            categories,
        }
    }

    /// Whether the rows held back are enough to choose columns. Later rows of JSON may have further keys, so that
    /// of a file [`LOOKED_AT`] rows are awaited; so they are for the categories of a column that are not listed.
    pub fn columns_are_known(&self, columns: &Columns, format: Format, held: &[Row]) -> bool {
        if held.len() >= LOOKED_AT || (!self.regular && columns.has_numbers()) {
            return true;
        }
        let wanted = self.wanted();
        let listed = |name: &String| wanted.categories.contains_key(name) || columns.holds_numbers(name);
        if !wanted.inputs.iter().all(listed) {
            return false;
        }
        let complete = wanted.is_complete() && held.iter().any(|row| row.content.is_ok());
        complete || (columns.are_known() && format == Format::Csv)
    }

    /// Chooses the columns, and makes everything that needs them. `first` is the first row that can be read.
    ///
    /// # Errors
    /// The message if the columns cannot be chosen; or that the checkpoint, a setting or the output cannot be used.
    pub fn open(
        &self,
        columns: &mut Columns,
        header: bool,
        format: Format,
        first: &Row,
        blame: impl FnOnce(&str) -> Failure,
    ) -> Result<Open, Ended> {
        let known = self.saved_names("columns");
        if let Ok(Record::Cells(cells)) = &first.content
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
        let new = || State::new(&self.config, &layout);
        let (state, restored) = match &self.flags.checkpoint {
            Some(path) => state::restore(path, new)?,
            None => (new()?, None),
        };
        if let Some(told) = &restored {
            self.note(told);
        }
        self.note(&layout.told(restored.is_none().then_some(columns)));
        if !state.forecaster.has_linear() {
            self.note(&format!(
                "there are more than {} inputs: too many for the linear model, which is left out",
                GREATEST_INPUTS
            ));
        }
        let targets = layout.targets.iter().map(|&column| layout.columns[column].clone()).collect();
        let format = self.flags.output.unwrap_or(format);
        let kept = Kept::new(&layout, format);
        if format == Format::Csv && kept.names().iter().any(|name| name == "row") {
            let message =
                "the output has a column `row` of its own: keep another column, or give --output json";
            return Err(Failure::new(message).into());
        }
        let to = BufWriter::with_capacity(1 << 16, std::io::stdout());
        let new = state.forecaster.counts().rows == 0;
        let digits = self.flags.digits.map(usize::from);
        let output = Output::new(to, format, digits, kept.names(), targets, &self.config.stream, new)?;
        Ok(Open {
            state,
            used: layout.used(),
            sample: Sample::default(),
            kept,
            layout,
            output,
            restored: restored.is_some(),
        })
    }
}
