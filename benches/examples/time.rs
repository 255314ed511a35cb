//! Least time of one step of the rows of `cargo xtask bench`, for a quick look while kernels are changed:
//! `time [FILTER [LEVEL]]`.

#![allow(missing_docs)]

use std::time::Duration;

use rtrl_benches::{Settings, batches, measure, scale, scalings, schedules, steps, threads};
use rtrl_sparse::testing::Level;

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    match std::env::args().nth(2) {
        None => run(&filter),
        Some(name) => {
            let level = Level::available().find(|level| format!("{level:?}").eq_ignore_ascii_case(&name));
            level.expect("a level of this processor").force(|| run(&filter));
        }
    }
}

fn run(filter: &str) {
    let settings = Settings { rounds: 4, turn: Duration::from_millis(60) };
    let further =
        scalings(false).into_iter().flat_map(|s| s.lines).flat_map(|l| l.points).map(|(_, row)| row);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let several = threads(cores).into_iter().map(|[_, all]| all);
    let rows = steps(false).into_iter().chain(schedules(false).into_iter().flatten());
    let rows = rows.chain(further).chain(several).chain(scale(false));
    for batch in batches(rows.filter(|row| row.to_string().contains(filter))) {
        for m in measure(&batch, settings, &|| true).unwrap_or_default() {
            let (name, micros) = (m.row.to_string(), m.seconds * 1e6);
            println!("{name:52} {micros:10.2} us/step {:8.2} GMAC/s", m.rate() / 1e9);
        }
    }
}
