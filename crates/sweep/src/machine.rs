//! What the numbers of a report depend on besides the configuration, and what a program needs from the system: a folder
//! that can be written, and the wish to end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rtrl_report::{Environment, Machine, RunEntry};
use rtrl_sparse::testing::Level;
use sysinfo::System;

/// The machine and the versions of this run.
#[must_use]
pub fn environment() -> Environment {
    let system = System::new_all();
    let dirty = first_line("git", &["status", "--porcelain"]).is_some();
    let commit = first_line("git", &["rev-parse", "--short=12", "HEAD"]);
    let cpu = system.cpus().first().map(|cpu| cpu.brand().trim().to_string());
    Environment {
        rtrl_version: env!("CARGO_PKG_VERSION").to_string(),
        commit: commit.map(|commit| if dirty { format!("{commit} with changes") } else { commit }),
        rustc: first_line("rustc", &["--version"]).unwrap_or_else(|| "unknown".to_string()),
        os: System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_string()),
        cpu: cpu.unwrap_or_else(|| "unknown".to_string()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: system.total_memory(),
        isa: format!("{}, kernels for {:?}", std::env::consts::ARCH, Level::current()),
    }
}

/// Makes sure that the output folder exists and can be written.
///
/// # Errors
/// Status 2 if it cannot.
pub fn prepare(out: &Path) -> Result<(), (u8, String)> {
    let probe = std::fs::create_dir_all(out).and_then(|()| tempfile::NamedTempFile::new_in(out));
    probe.map(drop).map_err(|error| {
        (2, format!("cannot write to {}: {error}; choose another folder with --out", out.display()))
    })
}

/// A flag that Ctrl-C or a request to terminate sets.
#[must_use]
pub fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = stop.clone();
    // If no handler can be installed, an interruption still ends the program, without a message.
    let _ = ctrlc::set_handler(move || set.store(true, Ordering::Relaxed));
    stop
}

/// Where this crate was compiled: the commit is that of the program, not of the folder that it is called in.
const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

/// Name of the file in a run's folder that says where it was made.
const FILE: &str = "machine.json";

/// Writes into a run's folder where it was made (finished, if it was resumed). A run has no less worth if this cannot be written.
pub(crate) fn sign(folder: &Path) {
    static HERE: OnceLock<Option<String>> = OnceLock::new();
    let here = HERE.get_or_init(|| serde_json::to_string_pretty(&Machine::of(&environment())).ok());
    if let Some(here) = here {
        drop(rtrl_report::replace(&folder.join(FILE), here));
    }
}

/// Where the run in a folder was made, if that was recorded.
pub(crate) fn signed(folder: &Path) -> Option<Machine> {
    serde_json::from_str(&std::fs::read_to_string(folder.join(FILE)).ok()?).ok()
}

/// A sentence on what was made at another commit, by another version or on another machine than this one; none if there is no such thing.
#[must_use]
pub fn elsewhere(made: &[(String, Option<Machine>)], environment: &Environment) -> Option<String> {
    let here = Machine::of(environment);
    let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (label, machine) in made.iter().filter(|(_, machine)| machine.as_ref() != Some(&here)) {
        let place = machine.as_ref().map_or("at an unknown commit, on an unknown machine".to_string(), |m| {
            let commit = m.commit.as_deref().unwrap_or("unknown");
            format!("at commit {commit} (version {}) on {} ({})", m.version, m.cpu, m.isa)
        });
        let labels = places.entry(place).or_default();
        if !labels.contains(&label.as_str()) {
            labels.push(label);
        }
    }
    let parts: Vec<_> = places.iter().map(|(place, labels)| format!("{place}: {}", named(labels))).collect();
    let words = "Kept from an earlier call, not made by the commit and on the machine named above";
    (!parts.is_empty()).then(|| format!("{words}: {}.", parts.join("; ")))
}

/// Labels that are named one by one: more would be a page of them.
const NAMED: usize = 12;

fn named(labels: &[&str]) -> String {
    match labels {
        [first, .., last] if labels.len() > NAMED => {
            format!("{} of them, from {first} to {last}", labels.len())
        }
        _ => labels.join(", "),
    }
}

/// The same of the runs of a section.
#[must_use]
pub fn elsewhere_of(runs: &[RunEntry], environment: &Environment) -> Option<String> {
    let made: Vec<_> = runs.iter().map(|run| (run.label.clone(), run.machine.clone())).collect();
    elsewhere(&made, environment)
}

/// The first line that a command prints, if it succeeds and prints one.
fn first_line(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command)
        .args(arguments)
        .current_dir(SOURCE)
        .output()
        .ok()
        .filter(|o| o.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_elsewhere_is_named_or_counted() {
        let here = environment();
        let other = Machine { commit: Some("abc".to_string()), ..Machine::of(&here) };
        let told = |runs: usize| {
            let own = ("own".to_string(), Some(Machine::of(&here)));
            let others = (0..runs).map(|run| (format!("run {run}"), Some(other.clone())));
            elsewhere(&std::iter::once(own).chain(others).collect::<Vec<_>>(), &here)
        };
        assert_eq!(told(0), None);
        let few = told(2).unwrap();
        assert!(
            few.contains("at commit abc") && few.ends_with(": run 0, run 1.") && !few.contains("own"),
            "{few}"
        );
        assert!(told(NAMED + 1).unwrap().ends_with(": 13 of them, from run 0 to run 12."));
    }
}
