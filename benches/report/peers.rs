//! The same nets in plain JAX, and in braintrace where it is installed, timed by `benches/peers/` in the same run.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rtrl_benches::{Kind, Method, Net, Row, Way};
use serde::{Deserialize, Serialize};

use rtrl_report::{Align, Table};

/// Who was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// Our own plain-JAX versions.
    Jax,
    /// braintrace.
    Braintrace,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jax => "JAX",
            Self::Braintrace => "braintrace",
        })
    }
}

/// What was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Task {
    /// Backpropagation through 128 steps.
    Bptt,
    /// SnAp-1, every step.
    Snap1,
    /// SnAp-2, every step.
    Snap2,
    /// Exact RTRL with a dense J, every step.
    Rtrl,
    /// UORO, every step.
    Uoro,
    /// SnAp-1 and an update by Adam, every step.
    OnlineAdam,
}

/// One time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    peer: Peer,
    kind: Kind,
    units: usize,
    sparsity: f64,
    task: Task,
    lanes: usize,
    /// Least time of a step of all lanes.
    seconds: f64,
    /// The quickest of the forms that were timed.
    form: String,
}

impl Timed {
    /// Our row that does the same.
    fn row(&self) -> Row {
        let (method, window) = match self.task {
            Task::Bptt => (Method::Bptt, 128),
            Task::Snap1 => (Method::Snap(1, Way::STREAMING), 1),
            Task::Snap2 => (Method::Snap(2, Way::STREAMING), 1),
            Task::Rtrl => (Method::Rtrl(Way::STREAMING), 1),
            Task::Uoro => (Method::Uoro, 1),
            Task::OnlineAdam => (Method::Snap(1, Way::STREAMING), 1),
        };
        let row = Row::new(Net::new(self.kind, self.units, self.sparsity), method, self.lanes, window);
        if self.task == Task::OnlineAdam { row.with_adam() } else { row }
    }
}

/// What came of timing the peers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peers {
    /// `--peers` was not given.
    NotAsked,
    /// Something is missing or failed.
    Missing(String),
    /// Times, and what else the script said.
    Found(Vec<Timed>, Vec<String>),
}

/// The file that the script writes.
#[derive(Deserialize)]
struct Output {
    rows: Vec<Timed>,
    notes: Vec<String>,
}

/// Runs the script with this interpreter.
pub fn run(python: &Path, stop: &AtomicBool) -> Peers {
    match output(python, stop) {
        Ok(output) => Peers::Found(output.rows, output.notes),
        Err(reason) => Peers::Missing(reason),
    }
}

fn output(python: &Path, stop: &AtomicBool) -> Result<Output, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/time_peers.py");
    let file = tempfile::NamedTempFile::new().map_err(|error| format!("no temporary file: {error}"))?;
    let mut child = Command::new(python)
        .arg(&script)
        .arg(file.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            format!("cannot start {}: {error}; name a Python with --python", python.display())
        })?;
    // Read while the script runs: once a pipe is full, the script would wait for its reader and we for the script.
    let stderr = child.stderr.take();
    let messages = std::thread::spawn(move || {
        let mut text = Vec::new();
        // Whatever was read before a failure is message enough.
        let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if stop.load(Ordering::Relaxed) => {
                // The script has nothing to save. Its end is awaited so that no zombie process remains.
                let _ = child.kill().and_then(|()| child.wait().map(drop));
                return Err("interrupted".to_string());
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => return Err(error.to_string()),
        }
    };
    if !status.success() {
        let text = messages.join().unwrap_or_default();
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
        return Err(format!("{} failed: {last}", python.display()));
    }
    let json = std::fs::read_to_string(file.path()).map_err(|error| error.to_string())?;
    serde_json::from_str(&json).map_err(|error| format!("the script's output: {error}"))
}

impl Peers {
    /// Our row of everything that was timed of a peer, and the seconds that the peer takes for a step.
    pub fn times(&self, peer: Peer) -> impl Iterator<Item = (Row, f64)> {
        let rows = if let Self::Found(rows, _) = self { &rows[..] } else { &[] };
        rows.iter().filter(move |timed| timed.peer == peer).map(|timed| (timed.row(), timed.seconds))
    }

    /// What happened, in a sentence.
    pub fn words(&self) -> String {
        match self {
            Self::NotAsked => "Peers were not timed: --peers does.".to_string(),
            Self::Missing(reason) => format!(
                "Peers were not timed: {reason}. They need Python with JAX (`pip install jax`, and `pip install braintrace numba` for \
                 braintrace)."
            ),
            Self::Found(rows, notes) if notes.is_empty() => {
                format!("{} rows of peers were timed.", rows.len())
            }
            Self::Found(rows, notes) => {
                format!("{} rows of peers were timed; {}.", rows.len(), notes.join("; "))
            }
        }
    }

    /// The times beside our own, on one thread and on all cores, where `own` knows them.
    pub fn table(&self, cores: usize, own: impl Fn(&Row) -> Option<f64>) -> Option<Table> {
        let Self::Found(rows, _) = self else { return None };
        let micros = |seconds: f64| format!("{:.1}", seconds * 1e6);
        let cells = |timed: &Timed| {
            let row = timed.row();
            let own = [own(&row), own(&Row { threads: cores, ..row })].map(|own| match own {
                Some(own) => [micros(own), format!("{:.1}", timed.seconds / own)],
                None => ["–", "–"].map(str::to_string),
            });
            let peer = format!("{}, {}", timed.peer, timed.form);
            let mut cells = vec![row.to_string(), peer, micros(timed.seconds)];
            cells.extend(own.into_iter().flatten());
            cells
        };
        let all = format!("rtrl, {cores} threads");
        let headers = [
            "row",
            "peer, its quickest form",
            "peer, µs per step",
            "rtrl, one thread",
            "times faster",
            &all,
            "times faster",
        ];
        let mut align = vec![Align::Right; headers.len()];
        align[..2].fill(Align::Left);
        Some(Table {
            caption: "Peers, in the same run; they may use all cores. A dash: not timed so.".to_string(),
            headers: headers.map(str::to_string).to_vec(),
            rows: rows.iter().map(cells).collect(),
            align,
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What comes of an interpreter that does this instead of running the script; it is stopped after ten seconds.
    fn peers(does: &str) -> Peers {
        let dir = tempfile::tempdir().unwrap();
        let python = dir.path().join("python");
        std::fs::write(&python, format!("#!/bin/sh\n{does}\n")).unwrap();
        std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let late = stop.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(10));
            late.store(true, Ordering::Relaxed);
        });
        run(&python, &stop)
    }

    /// A pipe holds 64 KiB.
    const CHATTER: &str = "head -c 1000000 /dev/zero | tr '\\0' x >&2";

    #[test]
    fn a_script_may_say_more_than_a_pipe_holds() {
        let found = peers(&format!("{CHATTER}\necho '{{\"rows\":[],\"notes\":[]}}' > \"$2\""));
        assert_eq!(found, Peers::Found(Vec::new(), Vec::new()));
    }

    #[test]
    fn the_last_line_of_a_script_that_fails_is_told() {
        let Peers::Missing(reason) = peers(&format!("{CHATTER}\necho >&2\necho 'no module jax' >&2\nexit 3"))
        else {
            panic!("it failed");
        };
        assert!(reason.ends_with("failed: no module jax"), "{reason}");
    }
}
