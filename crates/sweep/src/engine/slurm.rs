//! Runs as job arrays of Slurm.

use std::path::Path;

use super::program::{Asking, output, unexpected};
use super::{EngineError, List, Programs, Scheduler, Tasks};

const ASKING: Asking = Asking { engine: "slurm", place: "jobs are submitted, on a login node for example" };

/// Seconds before a time limit at which a run is told to write a checkpoint. Slurm may be a minute early.
const NOTICE: u32 = 60;

/// Submits runs with `sbatch`.
#[derive(Debug, Clone, Default)]
pub struct Slurm {
    /// Runs at a time, at most.
    pub at_a_time: Option<usize>,
    /// Time limit of a task in minutes; that of the partition if there is none.
    pub minutes: Option<u32>,
    /// Further arguments of `sbatch`.
    pub options: Vec<String>,
    /// Where `sbatch` and `squeue` are found.
    pub programs: Programs,
}

impl Slurm {
    /// The batch script of a list.
    ///
    /// # Errors
    /// If a path cannot be written into a script.
    pub fn script(&self, list: &List) -> Result<String, EngineError> {
        let last = list.len.saturating_sub(1);
        let limit = self.at_a_time.map(|n| format!("%{n}")).unwrap_or_default();
        let mut text = format!(
            "#!/bin/sh\n\
             #SBATCH --job-name={}\n\
             #SBATCH --array=0-{last}{limit}\n\
             #SBATCH --ntasks=1\n\
             #SBATCH --cpus-per-task=1\n\
             #SBATCH --requeue\n\
             #SBATCH --open-mode=append\n\
             #SBATCH --signal=B:USR1@{NOTICE}\n",
            list.name()
        );
        if let Some(minutes) = self.minutes {
            text.push_str(&format!("#SBATCH --time={minutes}\n"));
        }
        let folder = |path: &Path| option(path).map(|path| path.replace('%', "%%"));
        let files = folder(list.file.parent().unwrap_or(Path::new("")))?;
        let (out, err) =
            (format!("{files}/{}-%a.out", list.number), format!("{files}/{}-%a.err", list.number));
        text.push_str(&format!("#SBATCH --output=\"{out}\"\n#SBATCH --error=\"{err}\"\n"));
        text.push_str(&format!("#SBATCH --chdir=\"{}\"\n\n", option(&list.from)?));
        text.push_str(TRAPS);
        text.push_str(&format!(
            "{} run-one --config {} --out {} --index \"$SLURM_ARRAY_TASK_ID\" &\n",
            word(&list.program)?,
            word(&list.file)?,
            word(&list.out)?
        ));
        text.push_str(WAIT);
        Ok(text)
    }
}

/// Part of the script before the run. USR1 announces the time limit: the task then requeues itself. TERM comes
/// from a cancellation or a preemption: the task must not requeue itself, since Slurm does so where it is wanted.
const TRAPS: &str = r#"requeue=no
trap 'requeue=yes; kill -TERM "$run" 2>/dev/null' USR1
trap 'kill -TERM "$run" 2>/dev/null' TERM
"#;

/// Part of the script after the start of the run: waits for its end, and requeues the task if its time limit has
/// ended it.
const WAIT: &str = r#"run=$!
wait "$run"
status=$?
# A signal ends the waiting, not the run.
while kill -0 "$run" 2>/dev/null; do
    wait "$run"
    status=$?
done
if [ "$status" -eq 75 ] && [ "$requeue" = yes ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$status"
"#;

/// A path as a word of the shell.
fn word(path: &Path) -> Result<String, EngineError> {
    let refused = |reason| EngineError::Path { path: path.to_path_buf(), reason };
    let text = path.to_str().ok_or_else(|| refused("it is not UTF-8"))?;
    shlex::try_quote(text).map(String::from).map_err(|_| refused("it contains a zero byte"))
}

/// A path as the value of an option in a script, between quotation marks.
fn option(path: &Path) -> Result<String, EngineError> {
    let refused = |reason| EngineError::Path { path: path.to_path_buf(), reason };
    let text = path.to_str().ok_or_else(|| refused("it is not UTF-8"))?;
    if text.contains(['\n', '"', '\\']) {
        return Err(refused("it contains a line break, a quotation mark or a backslash"));
    }
    Ok(text.to_string())
}

impl Scheduler for Slurm {
    fn name(&self) -> &'static str {
        "slurm"
    }

    fn submit(&self, list: &List) -> Result<String, EngineError> {
        let path = list.sibling(".sh");
        rtrl_report::replace(&path, &self.script(list)?)
            .map_err(|error| EngineError::file("write", &path)(std::io::Error::other(error)))?;
        let mut sbatch = self.programs.command("sbatch");
        // Options of the command line override those of the script.
        sbatch.arg("--parsable").args(&self.options).arg(&path);
        let written = output(&mut sbatch, ASKING)?;
        // The answer is `id` or `id;cluster`.
        let id = written.trim().split(';').next().unwrap_or_default();
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(unexpected("sbatch --parsable", &written));
        }
        Ok(id.to_string())
    }

    fn tasks(&self, id: &str, _name: &str) -> Result<Tasks, EngineError> {
        let mut squeue = self.programs.command("squeue");
        squeue.args(["--noheader", "--array", "--format=%K|%T|%r", "--jobs", id]);
        let written = match output(&mut squeue, ASKING) {
            // Slurm forgets a job some time after its end.
            Err(EngineError::Program { message, .. }) if message.contains("Invalid job id") => String::new(),
            other => other?,
        };
        let mut tasks = Tasks::default();
        for line in written.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut fields = line.splitn(3, '|');
            let index = fields.next().and_then(|index| index.parse().ok());
            let (Some(index), Some(state), Some(reason)) = (index, fields.next(), fields.next()) else {
                return Err(unexpected("squeue", line));
            };
            tasks.live.insert(index);
            if reason.to_lowercase().contains("held") {
                tasks.notes.insert(index, format!("{state}, {reason}; see `scontrol release {id}_{index}`"));
            }
        }
        Ok(tasks)
    }

    fn how_to_cancel(&self, id: &str) -> String {
        format!("scancel {id}")
    }

    /// None: Slurm itself requeues tasks that were lost with a node.
    fn retries(&self) -> u32 {
        0
    }
}
