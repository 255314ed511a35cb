//! Which rows of an input have been seen before.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};

use super::rows::hash;

/// Rows by which an input is known again.
const HEAD: usize = 32;

/// Inputs that are remembered: the last ones.
const REMEMBERED: usize = 16;

/// An input of which rows were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Source {
    /// How many.
    rows: u64,
    /// The hash of these.
    all: u64,
    /// The hash of the first row, of the first two, …, of the first [`HEAD`] at most.
    head: Vec<u64>,
}

/// Whether a row is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is.
    New,
    /// It was seen before.
    Seen,
    /// As many rows as were seen before have come, and they are not the same ones.
    Changed,
}

/// The inputs of which rows were seen, and the one that is read.
///
/// An input is known again by its first rows; that all rows that are skipped are the same ones is found out at the last of
/// them.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The one that is read is the last.
    all: Vec<Source>,
    /// Of the rows compared: how many, and their hash.
    compared: usize,
    compared_hash: u64,
    /// Which of `all` begin with these.
    candidates: Vec<usize>,
    /// Of the rows taken: how many, and their hash.
    taken: u64,
    taken_hash: u64,
    /// How many are skipped, and whether they are compared.
    skipped: u64,
    checked: bool,
}

impl Sources {
    /// Whether any input is remembered.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Rows of the input that is read that will be skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Begins with an input that is new.
    pub fn begin_new(&mut self) {
        self.all.push(Source::default());
        let surplus = self.all.len().saturating_sub(REMEMBERED);
        self.all.drain(..surplus);
    }

    /// Begins with the input that was read last, whatever its rows are.
    pub fn begin_last(&mut self) {
        match self.all.last() {
            Some(last) => self.skipped = last.rows,
            None => self.begin_new(),
        }
    }

    /// Takes in the hash of a row to find out which input this is, the latest of those that fit. Whether that is known now;
    /// at the `end` it is.
    pub fn compare(&mut self, row: Option<u64>, end: bool) -> bool {
        if let Some(row) = row {
            if self.compared == 0 {
                self.candidates = (0..self.all.len()).collect();
            }
            self.compared_hash = link(self.compared_hash, row);
            let (at, found) = (self.compared, self.compared_hash);
            self.candidates.retain(|&i| self.all[i].head.get(at).is_none_or(|&hash| hash == found));
            self.compared += 1;
        }
        let compared = self.compared;
        let fits = |source: &Source| source.head.len() <= compared;
        if !end && self.candidates.iter().any(|&i| !fits(&self.all[i])) {
            return false;
        }
        match self.candidates.last() {
            Some(&known) => {
                let known = self.all.remove(known);
                (self.skipped, self.checked) = (known.rows, true);
                self.all.push(known);
            }
            None => self.begin_new(),
        }
        true
    }

    /// Takes in the hash of a row. One that is new is remembered when it is [kept](Self::keep).
    pub fn take(&mut self, row: u64) -> Taken {
        self.taken += 1;
        self.taken_hash = link(self.taken_hash, row);
        let all = self.all.last().map_or(0, |source| source.all);
        if self.taken > self.skipped {
            Taken::New
        } else if self.taken == self.skipped && self.checked && self.taken_hash != all {
            Taken::Changed
        } else {
            self.keep();
            Taken::Seen
        }
    }

    /// Remembers the row that was taken last: it was learned from, or left out.
    pub fn keep(&mut self) {
        let Some(source) = self.all.last_mut() else { return };
        if let Some(place) = usize::try_from(self.taken - 1).ok().filter(|&place| place < HEAD) {
            match source.head.get_mut(place) {
                Some(hash) => *hash = self.taken_hash,
                None => source.head.push(self.taken_hash),
            }
        }
        if self.taken >= self.skipped {
            (source.rows, source.all) = (self.taken, self.taken_hash);
        }
    }

    /// Whether the input has ended before all rows that were to be skipped.
    pub fn is_short(&self) -> bool {
        self.checked && self.taken < self.skipped
    }
}

/// The hash of rows, from that of all but the last and that of the last.
fn link(before: u64, row: u64) -> u64 {
    let mut both = [0; 16];
    both[..8].copy_from_slice(&before.to_le_bytes());
    both[8..].copy_from_slice(&row.to_le_bytes());
    hash(&both)
}

impl Persist for Sources {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let kept: Vec<&Source> = self.all.iter().filter(|source| source.rows > 0).collect();
        let mut rows: Vec<u64> = kept.iter().map(|source| source.rows).collect();
        let mut hashes: Vec<u64> = kept.iter().map(|source| source.all).collect();
        let mut heads: Vec<u64> = kept.iter().flat_map(|source| source.head.iter().copied()).collect();
        archive.vec("rows", &mut rows)?;
        archive.vec("hashes", &mut hashes)?;
        archive.vec("heads", &mut heads)?;
        if archive.is_loading() {
            let len = |rows: u64| usize::try_from(rows).map_or(HEAD, |rows| rows.min(HEAD));
            let expected: usize = rows.iter().map(|&rows| len(rows)).fold(0, usize::saturating_add);
            let fits = hashes.len() == rows.len() && heads.len() == expected;
            archive.check("heads", fits, || "numbers of rows and of hashes differ".into())?;
            let mut heads = heads.as_slice();
            self.all = Vec::new();
            for (&rows, &all) in rows.iter().zip(&hashes) {
                let (head, rest) = heads.split_at(len(rows));
                heads = rest;
                self.all.push(Source { rows, all, head: head.to_vec() });
            }
        }
        Ok(())
    }
}
