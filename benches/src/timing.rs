//! Times of rows: the least of many, with rows that will be compared taken in turn.

use std::time::{Duration, Instant};

use rayon::ThreadPool;
use rtrl_sparse::testing::Level;
use serde::Serialize;

use crate::row::{Bench, Row};

/// How long rows are timed.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How often each row of a batch has its turn.
    pub rounds: usize,
    /// Length of a turn, which may last one window longer.
    pub turn: Duration,
}

/// A row with its time and its cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// The row.
    #[serde(flatten)]
    pub row: Row,
    /// Least seconds of a step of all lanes: those of the quickest window over its steps. Other processes can only
    /// add to it.
    pub seconds: f64,
    /// Counted multiply-adds of a step of all lanes.
    pub macs: f64,
    /// Bytes that the estimator holds.
    pub bytes: usize,
    /// See [`Bench::traffic`].
    pub traffic: f64,
    /// See [`Bench::working_set`].
    pub working_set: usize,
}

impl Measured {
    /// Multiply-adds per second.
    pub fn rate(&self) -> f64 {
        self.macs / self.seconds
    }
}

/// Times a batch of rows, in turn. `go_on` is asked before each turn; `None` as soon as it says no.
///
/// # Panics
/// If a row's net or estimator cannot be built, or threads cannot be started.
pub fn measure(batch: &[Row], settings: Settings, go_on: &dyn Fn() -> bool) -> Option<Vec<Measured>> {
    let mut benches = Vec::new();
    for row in batch {
        if !go_on() {
            return None;
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(row.threads).build().expect("threads");
        let level = Level::current();
        // An estimator is built for the threads of the pool in which it is built. The first window warms up the
        // caches.
        let (bench, first) = pool.install(|| {
            level.force(|| {
                let mut bench = Bench::new(row);
                let first = timed(&mut bench);
                (bench, first)
            })
        });
        benches.push((row, pool, bench, first));
    }
    for _ in 0..settings.rounds {
        for (_, pool, bench, least) in &mut benches {
            if !go_on() {
                return None;
            }
            *least = turn(pool, bench, settings.turn).min(*least);
        }
    }
    let measured = benches.into_iter().map(|(&row, _, bench, least)| {
        let cost = bench.cost();
        Measured {
            row,
            seconds: least.as_secs_f64() / row.window as f64,
            macs: cost.macs() * row.lanes as f64,
            bytes: cost.bytes,
            traffic: bench.traffic(),
            working_set: bench.working_set(),
        }
    });
    Some(measured.collect())
}

/// The quickest window of a turn.
fn turn(pool: &ThreadPool, bench: &mut Bench, time: Duration) -> Duration {
    let (level, mut least) = (Level::current(), Duration::MAX);
    let windows = || {
        let begun = Instant::now();
        while begun.elapsed() < time {
            least = least.min(timed(bench));
        }
        least
    };
    pool.install(|| level.force(windows))
}

fn timed(bench: &mut Bench) -> Duration {
    let begun = Instant::now();
    bench.window();
    begun.elapsed()
}
