//! Makes measurements; a failure is kept with its reason.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rtrl_report::Environment;
use rtrl_sweep::engine::Engine;
use rtrl_sweep::{Failure, Planned, Settings, each, interrupted};

use crate::experiment::{Experiment, Kind};
use crate::measured::Item;

/// One experiment with what the command line makes of it.
pub struct Selected {
    pub experiment: &'static Experiment,
    pub settings: Settings,
    pub sweep: Vec<Planned>,
    pub items: Vec<Item>,
}

/// Where runs and measurements are made, and by whom.
pub struct Place<'a> {
    pub out: &'a Path,
    /// Measurements at a time.
    pub jobs: usize,
    pub engine: &'a dyn Engine,
    pub stop: &'a AtomicBool,
    pub environment: &'a Environment,
}

/// Measures everything that is not measured yet: first, one by one, items that are timed, then the rest side by
/// side. Returns the reasons of failures, by folder.
pub fn measure(selected: &[Selected], place: &Place<'_>) -> Result<HashMap<String, String>, Failure> {
    let mut failures = HashMap::new();
    for alone in [true, false] {
        let wanted = selected.iter().filter_map(|s| match s.experiment.kind {
            Kind::Measured { measure, timed, .. } if timed == alone => Some((&s.items, measure)),
            _ => None,
        });
        let queue: Vec<_> = wanted.flat_map(|(items, m)| items.iter().map(move |item| (item, m))).collect();
        let threads = if alone { 1 } else { place.jobs };
        let failed = each(&queue, threads, place.stop, |(item, measure)| {
            eprintln!("{} {}", item.experiment, item.label);
            item.make(place.out, *measure, place.environment)
        });
        interrupted(place.stop)?;
        for (index, reason) in failed {
            eprintln!("failed: {} {}: {reason}", queue[index].0.experiment, queue[index].0.label);
            failures.insert(queue[index].0.folder(), reason);
        }
    }
    Ok(failures)
}
