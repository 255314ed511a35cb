//! Which rows of an input have been seen before.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_tasks::table::rows::hash;

/// Number of first rows by which an input is recognized.
const HEAD: usize = 32;

/// Most inputs that are remembered; the oldest are forgotten.
const REMEMBERED: usize = 16;

/// An input of which rows were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Source {
    /// How many rows were seen.
    rows: u64,
    /// Hash of all rows that were seen.
    all: u64,
    /// Hash of the first row, of the first two rows, …, of the first [`HEAD`] at most.
    head: Vec<u64>,
}

/// Whether a row is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It has not been seen before.
    New,
    /// It was seen before.
    Seen,
    /// It is the last row to be skipped, and the rows up to it are not those that were seen before.
    Changed,
}

/// The inputs of which rows were seen, and how far the present one has been read.
///
/// An input is recognized by hashes of its first rows. Whether all skipped rows are those seen before is checked
/// at the last of them.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The present input is the last.
    all: Vec<Source>,
    /// Number of rows compared with remembered inputs, and their hash.
    compared: usize,
    compared_hash: u64,
    /// Indices of the inputs in `all` that begin with the rows compared.
    candidates: Vec<usize>,
    /// Number of rows taken of the present input, and their hash.
    taken: u64,
    taken_hash: u64,
    /// Number of rows to skip, and whether they must be those seen before.
    skipped: u64,
    checked: bool,
}

impl Sources {
    /// Whether any input is remembered.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Number of rows at the beginning of the present input that are skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Begins a new input: no row is skipped.
    pub fn begin_new(&mut self) {
        self.all.push(Source::default());
        let surplus = self.all.len().saturating_sub(REMEMBERED);
        self.all.drain(..surplus);
    }

    /// Goes on with the last input: as many rows as were seen of it are skipped, without being compared.
    pub fn begin_last(&mut self) {
        match self.all.last() {
            Some(last) => self.skipped = last.rows,
            None => self.begin_new(),
        }
    }

    /// Compares the hash of the next row with the remembered inputs. Returns whether it is now decided which input
    /// this is: the latest one that fits, or a new one. At the `end` of the input it is decided.
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

    /// Takes the hash of the next row. A new row is remembered only when it is [kept](Self::keep).
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

/// The hash of a sequence of rows, from the hash of all but the last row and that of the last row.
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
