//! What this machine can do at most, measured by loops that do nothing else.

use std::time::{Duration, Instant};

use rtrl_sparse::testing::{Level, multiply_adds, sweep};
use serde::Serialize;

/// Multiply-adds of `f32` per second at one level of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peak {
    /// Its name.
    pub level: &'static str,
    /// On one core.
    pub one: f64,
    /// On all cores at once.
    pub all: f64,
}

/// Bytes per second, loaded and stored together, within arrays of one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bandwidth {
    /// The cache that the arrays fit, or `memory`.
    pub name: &'static str,
    /// Size of the array of each core, in bytes.
    pub size: usize,
    /// On one core.
    pub one: f64,
    /// On all cores at once.
    pub all: f64,
}

/// The machine's ceilings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ceilings {
    /// Cores that this process may use.
    pub cores: usize,
    /// By level of instructions, the slowest first; the last is in use.
    pub peaks: Vec<Peak>,
    /// By size of the arrays, the smallest first.
    pub bandwidths: Vec<Bandwidth>,
}

/// How long each loop runs; its best part counts.
const TIME: Duration = Duration::from_millis(120);

/// Rounds of multiply-adds between two readings of the clock: some twenty microseconds.
const ROUNDS: u64 = 1 << 13;

impl Ceilings {
    /// Measures the ceilings, in about two seconds.
    #[must_use]
    pub fn measure() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let peaks = Level::available().map(|level| {
            let rate = || level.force(|| best(|| multiply_adds::<f32>(ROUNDS) as f64));
            Peak { level: name(level), one: rate(), all: together(cores, rate) }
        });
        let bandwidths = arrays().map(|(name, size)| {
            let rate = || {
                let mut array = vec![1.0_f32; size / size_of::<f32>()];
                best(|| {
                    sweep(&mut array);
                    2.0 * size as f64
                })
            };
            Bandwidth { name, size, one: rate(), all: together(cores, rate) }
        });
        Self { cores, peaks: peaks.collect(), bandwidths: bandwidths.collect() }
    }

    /// Multiply-adds per second of `threads` threads at the level in use.
    pub fn peak(&self, threads: usize) -> f64 {
        self.peaks.last().map_or(f64::INFINITY, |peak| if threads > 1 { peak.all } else { peak.one })
    }

    /// The bandwidth of data of `working_set` bytes: that of the first arrays at least half as large, or of the
    /// largest.
    ///
    /// # Panics
    /// Never: there is always a largest array.
    pub fn bandwidth(&self, working_set: usize) -> &Bandwidth {
        let fitting = self.bandwidths.iter().find(|bandwidth| working_set <= 2 * bandwidth.size);
        fitting.or(self.bandwidths.last()).expect("there are bandwidths")
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Baseline => "baseline",
        Level::Avx2 => "AVX2",
        Level::Avx512 => "AVX-512",
        _ => "other",
    }
}

/// Sizes in bytes of arrays that fit L2, that fit L3, and that fit no cache.
fn arrays() -> impl Iterator<Item = (&'static str, usize)> {
    let second = cache(2).unwrap_or(256 << 10);
    let last = cache(3);
    let beyond = (4 * last.unwrap_or(second)).clamp(64 << 20, 256 << 20);
    [("L2", Some(second / 2)), ("L3", last.map(|last| last / 4)), ("memory", Some(beyond))]
        .into_iter()
        .filter_map(|(name, size)| Some((name, size?)))
}

/// Size of a cache in bytes, if the system tells it.
fn cache(level: usize) -> Option<usize> {
    let path = format!("/sys/devices/system/cpu/cpu0/cache/index{level}/size");
    let text = std::fs::read_to_string(path).ok()?;
    let kibibytes: usize = text.trim().strip_suffix('K')?.parse().ok()?;
    Some(kibibytes << 10)
}

/// The best rate of `work`, which returns how much it did, per second.
fn best(mut work: impl FnMut() -> f64) -> f64 {
    let (begun, mut best) = (Instant::now(), 0.0_f64);
    while begun.elapsed() < TIME {
        let started = Instant::now();
        let done = work();
        best = best.max(done / started.elapsed().as_secs_f64());
    }
    best
}

/// The sum of the rates of all cores.
fn together(cores: usize, rate: impl Fn() -> f64 + Sync) -> f64 {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(&rate)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a loop that cannot fail")).sum()
    })
}
