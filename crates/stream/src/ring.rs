//! The last rows of numbers, in constant memory.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The last `capacity` rows of `width` numbers each. A row is addressed by its age: 0 is the newest.
#[derive(Debug, Clone)]
pub struct Ring<T> {
    width: usize,
    capacity: usize,
    /// `[capacity][width]`; row n, counted from 0, is at n modulo the capacity.
    values: Vec<T>,
    /// Rows pushed since the ring was empty.
    pushed: u64,
}

impl<T: Copy> Ring<T> {
    /// An empty ring of rows of `width` numbers.
    pub fn new(capacity: usize, width: usize, fill: T) -> Self {
        Self { width, capacity, values: vec![fill; capacity * width], pushed: 0 }
    }

    /// Makes room for a row, in place of the oldest. The caller overwrites all of its numbers. A ring without
    /// capacity returns an empty row.
    pub fn push(&mut self) -> &mut [T] {
        if self.capacity == 0 {
            return &mut [];
        }
        let at = (self.pushed % self.capacity as u64) as usize * self.width;
        self.pushed += 1;
        &mut self.values[at..at + self.width]
    }

    /// The row of this age; `None` if it never came, or was overwritten.
    pub fn row(&self, age: usize) -> Option<&[T]> {
        if age >= self.capacity || age as u64 >= self.pushed {
            return None;
        }
        let at = ((self.pushed - 1 - age as u64) % self.capacity as u64) as usize * self.width;
        Some(&self.values[at..at + self.width])
    }

    /// Number of rows that are kept.
    pub fn len(&self) -> u64 {
        self.pushed.min(self.capacity as u64)
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.pushed = 0;
    }
}

impl<T: Copy + Serialize + DeserializeOwned> Persist for Ring<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.value("pushed", &mut self.pushed)?;
        archive.check("pushed", self.pushed < 1 << 62, || "a count that is never reached".into())?;
        archive.slice("rows", &mut self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_age_until_they_are_overwritten() {
        let mut ring = Ring::new(3, 2, 0);
        assert_eq!(ring.row(0), None);
        for i in 0..5 {
            ring.push().copy_from_slice(&[i, 10 * i]);
        }
        assert_eq!((ring.row(0), ring.row(2), ring.row(3)), (Some(&[4, 40][..]), Some(&[2, 20][..]), None));
        ring.clear();
        assert_eq!(ring.row(0), None);
        assert!(Ring::new(0, 2, 0).push().is_empty());
    }
}
