//! The recent errors and their ranks.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};

/// Most errors that are kept.
pub const RECENT: usize = 500;

/// The last [`RECENT`] numbers, none of them NaN, in order of their coming and of their size.
#[derive(Debug, Clone)]
pub struct Recent {
    /// A ring, once it is full.
    values: Vec<f64>,
    /// Index of the oldest in `values`.
    oldest: usize,
    sorted: Vec<f64>,
}

impl Recent {
    pub fn new() -> Self {
        Self { values: Vec::with_capacity(RECENT), oldest: 0, sorted: Vec::with_capacity(RECENT) }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn clear(&mut self) {
        self.values.clear();
        self.sorted.clear();
        self.oldest = 0;
    }

    /// Takes in a number, in place of the oldest if there is no more room.
    pub fn add(&mut self, x: f64) {
        if self.values.len() < RECENT {
            self.values.push(x);
        } else {
            let gone = std::mem::replace(&mut self.values[self.oldest], x);
            self.oldest = (self.oldest + 1) % RECENT;
            self.sorted.remove(self.sorted.partition_point(|&y| y < gone));
        }
        self.sorted.insert(self.sorted.partition_point(|&y| y < x), x);
    }

    /// The least number that at least the share `level` of n + 1 numbers do not exceed, if one that is still to come is
    /// counted among them and taken to be the greatest; the greatest of all for higher levels. `None` if there is none.
    pub fn quantile(&self, level: f64) -> Option<f64> {
        let n = self.sorted.len();
        let rank = (level * (n + 1) as f64).ceil().clamp(1.0, n.max(1) as f64);
        self.sorted.get(rank as usize - 1).copied()
    }

    /// The share of n + 1 numbers, `x` among them, that are greater than `x`; of equal ones half. If all numbers are
    /// exchangeable this is uniform in 0..1 up to its steps of 1 / (n + 1). Beyond the greatest number it goes on to fall
    /// in proportion to 1 / `x`, so that of two records the higher one has the smaller share.
    pub fn tail(&self, x: f64) -> f64 {
        let n = self.sorted.len();
        let below = self.sorted.partition_point(|&y| y < x);
        let not_above = self.sorted.partition_point(|&y| y <= x);
        let (equal, above) = (not_above - below, n - not_above);
        let share = (above as f64 + 0.5 * (equal + 1) as f64) / (n + 1) as f64;
        match self.sorted.last() {
            Some(&greatest) if x > greatest && greatest > 0.0 => share * (greatest / x),
            _ => share,
        }
    }
}

impl Persist for Recent {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let mut values: Vec<f64> =
            self.values[self.oldest..].iter().chain(&self.values[..self.oldest]).copied().collect();
        archive.vec("recent", &mut values)?;
        if archive.is_loading() {
            let fits = values.len() <= RECENT && values.iter().all(|x| !x.is_nan());
            archive.check("recent", fits, || format!("{} numbers, or one that is none", values.len()))?;
            self.clear();
            values.into_iter().for_each(|x| self.add(x));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_tails_are_those_of_sorting_all_of_them() {
        let mut recent = Recent::new();
        let mut all = Vec::new();
        assert_eq!(recent.quantile(0.5), None);
        for i in 0_u32..1200 {
            // With many equal ones.
            let x = f64::from(i.wrapping_mul(0x9e37_79b9) >> 24) + 1.0;
            recent.add(x);
            all.push(x);
            let mut last = all[all.len().saturating_sub(RECENT)..].to_vec();
            last.sort_by(f64::total_cmp);
            let n = last.len();
            for level in [0.05, 0.5, 0.9, 1.0] {
                let rank = ((level * (n + 1) as f64).ceil() as usize).clamp(1, n);
                assert_eq!(recent.quantile(level), Some(last[rank - 1]));
            }
            let greater = last.iter().filter(|&&y| y > 100.0).count() as f64;
            let equal = last.iter().filter(|&&y| y == 100.0).count() as f64;
            if last[n - 1] >= 100.0 {
                assert_eq!(recent.tail(100.0), (greater + (equal + 1.0) / 2.0) / (n + 1) as f64);
            }
        }
        let [record, higher] = [1e3, 1e4].map(|x| recent.tail(x));
        assert!(higher < record && record < 1.0 / RECENT as f64 && higher > 0.0);
    }
}
