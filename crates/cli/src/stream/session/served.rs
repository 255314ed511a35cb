//! What a session does for a server: rows come in requests, and predictions go into responses.

use std::io::Read;

use rtrl_tasks::table::rows::{Dialect, Rows};
use serde_json::Value;

use super::Session;
use crate::Failure;
use crate::stream::class::measure;
use crate::stream::columns::Columns;
use crate::stream::event::Ended;
use crate::stream::rows::Format;
use crate::stream::saved;

impl Session<'_> {
    /// Opens the stream of a checkpoint, if there is one, before a row comes.
    ///
    /// # Errors
    /// If it does not fit the flags.
    pub fn open_saved(&mut self) -> Result<(), Ended> {
        let Some(saved) = &self.setup.saved else { return Ok(()) };
        let columns = self.setup.saved_names("columns");
        let format = if saved::is_json(saved) { Format::Json } else { Format::Csv };
        self.columns = Columns::new(Some(columns));
        let blame = |message: &str| Failure::new(format!("the checkpoint does not fit: {message}")).into();
        let open = self.setup.open(&mut self.columns, true, format, None, blame)?;
        self.begin(open);
        Ok(())
    }

    /// Takes all rows of a request, which may begin with a header.
    ///
    /// # Errors
    /// If a row cannot be used, or there is none; the rows before it were taken.
    pub fn take_all(&mut self, rows: &mut Rows<impl Read>) -> Result<(), Ended> {
        (self.begun, self.header, self.position) = (false, None, 0);
        let taken = self.take_rows(rows);
        self.held.clear();
        taken
    }

    fn take_rows(&mut self, rows: &mut Rows<impl Read>) -> Result<(), Ended> {
        let unreadable = |error| Ended::Refused(Failure::new(format!("cannot read the rows: {error}")));
        while let Some(row) = rows.next_row().map_err(unreadable)? {
            if !self.begun {
                self.format = rows.format().into();
                if let Some(open) = &mut self.open {
                    let format = self.setup.flags.output.unwrap_or(self.format);
                    open.kept.set_format(format);
                    open.output.set_format(format);
                }
            }
            self.row(row)?;
            self.save_if_due()?;
        }
        self.advance(true)?;
        if self.position > 0 {
            return Ok(());
        }
        let found = if self.header.is_some() { "a header and no row" } else { "no row" };
        Err(Ended::Refused(Failure::new(format!("the request has {found}"))))
    }

    /// The predictions for the rows that were taken last, and their format.
    ///
    /// # Errors
    /// None, as they are in memory.
    pub fn predictions(&mut self) -> Result<(Format, Vec<u8>), Ended> {
        let format = self.setup.flags.output.unwrap_or(self.format);
        match &mut self.open {
            Some(open) => Ok((format, open.predictions(format)?)),
            None => Ok((format, Vec::new())),
        }
    }

    /// Rows taken so far, those before a checkpoint included.
    pub fn rows(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.state.forecasts.counts().rows)
    }

    /// How rows are written.
    pub fn dialect(&self) -> Dialect {
        self.setup.dialect()
    }

    /// How the stream stands, as a JSON object.
    pub fn told(&self) -> String {
        let saved = self.setup.flags.checkpoint.is_some().then_some(self.saved_at.0);
        let (rows, saved) = (self.rows(), Value::from(saved));
        let measure = measure(self.open.as_ref().is_some_and(|open| open.layout.class.is_some()));
        let score_rows = self.setup.config.stream.score_rows;
        let recent = self.open.as_ref().and_then(|open| open.recent.as_ref().map(|recent| (open, recent)));
        let (series, left_out) = recent.map_or(("[]".into(), 0), |(open, recent)| {
            let all = open.state.forecasts.series();
            let left_out = all.map_or(0, |(series, _)| series.saturating_sub(recent.len()));
            (recent.json(all.is_some()), left_out)
        });
        format!(
            "{{\"rows\":{rows},\"saved\":{saved},\"measure\":\"{measure}\",\"score_rows\":{score_rows},\"left_out\":{left_out},\"series\":{series}}}"
        )
    }
}
