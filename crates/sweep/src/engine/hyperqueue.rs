//! Runs as task arrays of HyperQueue.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::program::{Asking, last_line, output, unexpected};
use super::{EngineError, List, Programs, Scheduler, Tasks};

const ASKING: Asking = Asking {
    engine: "hyperqueue",
    place: "HyperQueue is installed and a server runs (`hq server start`); RTRL_HQ may name the program",
};

/// Submits runs to a running HyperQueue server.
#[derive(Debug, Clone, Default)]
pub struct HyperQueue {
    /// Folder of the server's address and keys; what `HQ_SERVER_DIR` says, or HyperQueue's own default, if there is none.
    pub server_dir: Option<PathBuf>,
    /// Time limit of a task in minutes.
    pub minutes: Option<u32>,
    /// Further arguments of `hq submit`.
    pub options: Vec<String>,
    /// The program; `hq` if there is none.
    pub hq: Option<PathBuf>,
    /// Where the program is looked up.
    pub programs: Programs,
}

impl HyperQueue {
    fn hq(&self) -> Command {
        let mut hq = self.programs.command(self.hq.as_deref().unwrap_or(Path::new("hq")));
        if let Some(dir) = &self.server_dir {
            hq.arg("--server-dir").arg(dir);
        }
        hq.args(["--output-mode", "json"]);
        hq
    }
}

/// The output of a call as JSON; an error that it reports becomes an error here.
fn json(command: &mut Command) -> Result<Value, EngineError> {
    let written = output(command, ASKING)?;
    if written.trim().is_empty() {
        return Ok(Value::Null);
    }
    let value: Value = serde_json::from_str(&written).map_err(|_| unexpected("hq", &written))?;
    match value.get("error").and_then(Value::as_str) {
        None => Ok(value),
        Some(error) => Err(EngineError::Program { program: "hq".into(), message: error.to_string() }),
    }
}

impl Scheduler for HyperQueue {
    fn name(&self) -> &'static str {
        "hyperqueue"
    }

    fn submit(&self, list: &List) -> Result<String, EngineError> {
        let mut submit = self.hq();
        submit.arg("submit").arg("--name").arg(list.name());
        submit.arg("--array").arg(format!("0-{}", list.len.saturating_sub(1)));
        submit.args(["--cpus", "1"]).arg("--cwd").arg(&list.from);
        for (option, kind) in [("--stdout", "out"), ("--stderr", "err")] {
            submit.arg(option).arg(list.sibling(&format!("-%{{TASK_ID}}.{kind}")));
        }
        if let Some(minutes) = self.minutes {
            submit.arg("--time-limit").arg(format!("{minutes}min"));
        }
        submit.args(&self.options).arg("--").arg(&list.program);
        submit.arg("run-one").arg("--config").arg(&list.file).arg("--out").arg(&list.out);
        submit.args(["--index-from", "HQ_TASK_ID"]);
        let answer = json(&mut submit)?;
        let id = answer.get("id").and_then(Value::as_u64);
        id.map(|id| id.to_string()).ok_or_else(|| unexpected("hq submit", &answer.to_string()))
    }

    fn tasks(&self, id: &str, name: &str) -> Result<Tasks, EngineError> {
        let answer = json(self.hq().args(["job", "info", id]))?;
        let mut tasks = Tasks::default();
        // The answer is a list, empty if the server does not know the job; in old versions it is the job itself. A
        // restarted server counts jobs from 1 again, so another job may have the id: hence the comparison of
        // names.
        let jobs = answer.as_array().map_or_else(|| std::slice::from_ref(&answer), Vec::as_slice);
        let Some(job) = jobs.iter().find(|job| job["info"]["name"] == name) else { return Ok(tasks) };
        let list = job["tasks"].as_array().ok_or_else(|| unexpected("hq job info", &answer.to_string()))?;
        for task in list {
            let index = task["id"].as_u64().and_then(|index| usize::try_from(index).ok());
            let (Some(index), Some(state)) = (index, task["state"].as_str()) else {
                return Err(unexpected("hq job info", &task.to_string()));
            };
            match state {
                "finished" => {}
                "failed" | "canceled" => {
                    if state == "canceled" {
                        tasks.canceled.insert(index);
                    }
                    let error = task["error"].as_str().and_then(last_line).unwrap_or(state);
                    tasks.notes.insert(index, error.to_string());
                }
                // Waiting, running, or a state of later versions.
                _ => drop(tasks.live.insert(index)),
            }
        }
        Ok(tasks)
    }

    fn how_to_cancel(&self, id: &str) -> String {
        format!("hq job cancel {id}")
    }

    /// One: a task that was killed, with its worker or by a time limit, continues from its checkpoint.
    fn retries(&self) -> u32 {
        1
    }
}
