//! Engines: the same results whoever makes the runs, and whatever happens to them on the way.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::fake::{Fake, SQUEUE, disturb};
use rtrl_sweep::engine::{
    Cluster, Engine, EngineError, Event, Failure, HyperQueue, Job, List, Local, Pace, Scheduler, Slurm,
};
use rtrl_train::{Record, RunConfig, Summary, read_metrics, read_summary};

fn job(steps: u64, seed: u64, task: &str) -> Job {
    let text = format!(
        r#"
task = {task}
layers = [{{ kind = "gru", units = 8, sparsity = 0.5 }}]
estimator = {{ kind = "snap", order = 1 }}
optimizer = {{ kind = "adam", learning_rate = 0.01 }}
training = {{ lanes = 2, window = 1, steps = {steps}, seed = {seed}, log_every = 100 }}
"#
    );
    let config = RunConfig::from_toml(&text, "test").unwrap();
    Job { experiment: 0, label: format!("run {seed}"), config }
}

const COPY: &str = r#"{ kind = "copy" }"#;
/// Ends soon.
const SHORT: u64 = 200;
/// Takes seconds, so that something can happen to it on the way.
const LONG: u64 = 200_000;
/// Held by tests with long runs: side by side they would slow down what is to happen to them.
static LONG_RUNS: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    LONG_RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bad() -> Job {
    Job { label: "bad".into(), ..job(10, 0, r#"{ kind = "char-lm", text = "there/is/no/such.txt" }"#) }
}

/// What must not depend on the engine: result, metrics and model, without times.
type Traces = (Summary, Vec<Record>, Vec<u8>);

fn traces(out: &Path, config: &RunConfig) -> Traces {
    let folder = out.join(config.folder());
    let records = read_metrics(&folder.join("metrics.jsonl")).unwrap();
    let records = records.into_iter().map(|record| Record { seconds: 0.0, ..record }).collect();
    let summary = Summary { seconds: 0.0, ..read_summary(&folder).unwrap() };
    (summary, records, std::fs::read(folder.join("model")).unwrap())
}

#[track_caller]
fn same_as_local(out: &Path, jobs: &[Job]) {
    static LOCAL: Mutex<BTreeMap<String, Traces>> = Mutex::new(BTreeMap::new());
    for job in jobs {
        let mut local = LOCAL.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = local.entry(job.config.hash()).or_insert_with(|| {
            let dir = tempfile::tempdir().unwrap();
            let engine = Local { out: dir.path().into(), threads: 2 };
            let made = engine.make(std::slice::from_ref(job), &AtomicBool::new(false), &|_| {});
            assert_eq!(made.unwrap(), []);
            traces(dir.path(), &job.config)
        });
        assert!(traces(out, &job.config) == *expected, "{}", job.label);
    }
}

/// A call of an engine, with what it has said.
#[derive(Debug, Default)]
struct Call {
    failures: Vec<Failure>,
    finished: Vec<usize>,
    notes: Vec<String>,
}

/// Makes jobs; is interrupted at the first sign of progress if `interrupt` says so.
fn call(engine: &dyn Engine, jobs: &[Job], interrupt: bool) -> Call {
    let (stop, call) = (AtomicBool::new(false), Mutex::new(Call::default()));
    let failures = engine.make(jobs, &stop, &|event| {
        let mut call = call.lock().unwrap();
        match event {
            Event::Step { step, .. } if interrupt && step > 0 => stop.store(true, Ordering::Relaxed),
            Event::Step { .. } => {}
            Event::Finished { job, .. } => call.finished.push(job),
            Event::Failed(failure) => call.failures.push(failure.clone()),
            Event::Note(note) => call.notes.push(note.to_string()),
        }
    });
    let mut call = call.into_inner().unwrap();
    assert_eq!(call.failures, failures.unwrap());
    call.finished.sort_unstable();
    call
}

pub fn cluster<S: Scheduler>(scheduler: S, out: &Path) -> Cluster<S> {
    let pace = Pace { pause: Duration::from_millis(50), patience: 2, silence: 2 };
    Cluster { scheduler, out: out.into(), program: env!("CARGO_BIN_EXE_rtrl-reproduce").into(), pace }
}

#[test]
fn results_do_not_depend_on_the_engine() {
    let jobs: Vec<Job> = (0..3).map(|seed| job(SHORT, seed, COPY)).collect();
    for hyperqueue in [false, true] {
        let fake = Fake::new();
        let engine: &dyn Engine = if hyperqueue { &fake.hq() } else { &fake.slurm() };
        let first = call(engine, &jobs, false);
        assert_eq!((&first.failures[..], &first.finished[..]), (&[][..], &[0, 1, 2][..]), "{first:?}");
        same_as_local(&fake.out(), &jobs);
        let second = call(engine, &jobs, false);
        assert_eq!((second.finished.len(), fake.submissions()), (3, 1), "finished runs are only read");
    }
}

#[test]
fn a_task_that_is_lost_is_made_by_the_next_call() {
    let _alone = alone();
    let jobs = [job(LONG, 0, COPY), job(SHORT, 1, COPY)];
    let fake = Fake::new();
    disturb(&fake, &jobs[0], "kill -s KILL -- \"-$2\"");
    let first = call(&fake.slurm(), &jobs, false);
    assert_eq!(first.finished, [1], "one lost run does not stop the other");
    assert_eq!(first.failures.len(), 1, "{first:?}");
    assert_eq!(first.failures[0].job, 0);
    assert!(first.failures[0].reason.contains("the same command"), "{first:?}");
    let second = call(&fake.slurm(), &jobs, false);
    assert_eq!((second.finished, fake.submissions()), (vec![0, 1], 2));
    same_as_local(&fake.out(), &jobs);
}

#[test]
fn hyperqueue_gets_a_killed_task_once_more() {
    let _alone = alone();
    let jobs = [job(LONG, 0, COPY), job(SHORT, 1, COPY)];
    let fake = Fake::new();
    disturb(&fake, &jobs[0], "kill -s KILL -- \"-$2\"");
    let only = call(&fake.hq(), &jobs, false);
    assert_eq!((only.finished.len(), fake.submissions()), (2, 2), "{only:?}");
    assert!(only.notes.iter().any(|note| note.contains("run 0: the task failed; once more")), "{only:?}");
    same_as_local(&fake.out(), &jobs);
}

#[test]
fn a_time_limit_costs_nothing() {
    let _alone = alone();
    let jobs = [job(LONG, 0, COPY)];
    let fake = Fake::new();
    disturb(&fake, &jobs[0], "kill -USR1 \"$2\"");
    let only = call(&fake.slurm(), &jobs, false);
    assert_eq!((&only.finished[..], fake.submissions()), (&[0][..], 1), "{only:?}");
    let said = std::fs::read_to_string(fake.out().join("queue/1-0.err")).unwrap();
    assert!(said.contains("interrupted after a checkpoint"), "{said}");
    same_as_local(&fake.out(), &jobs);
}

#[test]
fn a_canceled_task_is_not_put_back_into_the_queue() {
    let _alone = alone();
    let jobs = [job(LONG, 0, COPY)];
    let fake = Fake::new();
    disturb(&fake, &jobs[0], "kill -s TERM -- \"-$2\"");
    let first = call(&fake.slurm(), &jobs, false);
    assert_eq!(first.failures.len(), 1, "{first:?}");
    assert!(first.failures[0].reason.contains("interrupted after a checkpoint"), "{first:?}");
    let second = call(&fake.slurm(), &jobs, false);
    assert_eq!(second.finished, [0]);
    same_as_local(&fake.out(), &jobs);
    let fake = Fake::new();
    disturb(&fake, &jobs[0], ": > \"${0%/*}/cancel\"; kill -s KILL -- \"-$2\"");
    let only = call(&fake.hq(), &jobs, false);
    assert_eq!((only.failures.len(), fake.submissions()), (1, 1), "{only:?}");
    assert_eq!(only.failures[0].reason, "canceled");
}

#[test]
fn a_task_that_fails_says_why() {
    let jobs = [bad(), job(SHORT, 1, COPY)];
    for (hyperqueue, submissions) in [(false, 1), (true, 2)] {
        let fake = Fake::new();
        let engine: &dyn Engine = if hyperqueue { &fake.hq() } else { &fake.slurm() };
        let only = call(engine, &jobs, false);
        assert_eq!((&only.finished[..], fake.submissions()), (&[1][..], submissions), "{only:?}");
        assert_eq!(only.failures.len(), 1);
        let message = only.failures[0].to_string();
        assert!(message.starts_with("bad: ") && message.contains("such.txt"), "{message}");
    }
}

#[test]
fn an_interrupted_call_leaves_its_tasks_and_the_next_one_finds_them() {
    let _alone = alone();
    let jobs = [job(LONG, 0, COPY), job(LONG, 1, COPY)];
    for (hyperqueue, cancel) in [(false, "scancel 1"), (true, "hq job cancel 1")] {
        let fake = Fake::new();
        let engine: &dyn Engine = if hyperqueue { &fake.hq() } else { &fake.slurm() };
        let first = call(engine, &jobs, true);
        assert_eq!((first.failures.len(), first.finished.len()), (0, 0), "{first:?}");
        assert!(first.notes.iter().any(|note| note.contains(cancel)), "{first:?}");
        let second = call(engine, &jobs, false);
        assert!(second.notes.iter().any(|note| note.contains("job 1 of an earlier call")), "{second:?}");
        assert_eq!((&second.finished[..], fake.submissions()), (&[0, 1][..], 1), "{second:?}");
        same_as_local(&fake.out(), &jobs);
    }
}

#[test]
fn one_process_at_a_time_looks_after_a_queue() {
    let _alone = alone();
    let jobs = [job(LONG, 0, COPY)];
    let fake = Fake::new();
    let second = Mutex::new(None);
    let stop = AtomicBool::new(false);
    let made = fake.slurm().make(&jobs, &stop, &|event| {
        if let Event::Step { .. } = event {
            let mut second = second.lock().unwrap();
            second.get_or_insert_with(|| fake.slurm().make(&jobs, &AtomicBool::new(false), &|_| {}));
        }
    });
    assert_eq!(made.unwrap(), []);
    assert!(matches!(second.into_inner().unwrap(), Some(Err(EngineError::Busy { .. }))));
}

#[test]
fn a_scheduler_that_fails_is_an_error_and_one_that_is_silent_for_a_while_is_not() {
    let jobs = [job(SHORT, 0, COPY)];
    let fake = Fake::new();
    fake.program("sbatch", "#!/bin/sh\necho 'sbatch: error: no such partition' >&2\nexit 1\n");
    let error = fake.slurm().make(&jobs, &AtomicBool::new(false), &|_| {}).unwrap_err();
    assert!(error.to_string().contains("no such partition"), "{error}");
    fake.program("sbatch", "#!/bin/sh\necho yes\n");
    let error = fake.slurm().make(&jobs, &AtomicBool::new(false), &|_| {}).unwrap_err();
    assert!(matches!(error, EngineError::Output { .. }), "{error}");
    let fake = Fake::new();
    let once = "#!/bin/sh\nmv \"$0.real\" \"$0\"\necho 'Unable to contact slurm controller' >&2\nexit 1\n";
    fake.program("squeue.real", SQUEUE);
    fake.program("squeue", once);
    let only = call(&fake.slurm(), &jobs, false);
    assert_eq!(only.finished, [0], "{only:?}");
    assert!(only.notes.iter().any(|note| note.contains("asking again")), "{only:?}");
}

#[test]
fn the_batch_script() {
    let list = List {
        number: 3,
        len: 12,
        file: "/shared/my runs/queue/3.list".into(),
        out: "/shared/my runs".into(),
        program: "/shared/it's/program".into(),
        from: "/shared/100%".into(),
    };
    let slurm = Slurm { at_a_time: Some(4), minutes: Some(90), ..Slurm::default() };
    let expected = r##"#!/bin/sh
#SBATCH --job-name=rtrl-my-runs-3
#SBATCH --array=0-11%4
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@60
#SBATCH --time=90
#SBATCH --output="/shared/my runs/queue/3-%a.out"
#SBATCH --error="/shared/my runs/queue/3-%a.err"
#SBATCH --chdir="/shared/100%"

requeue=no
trap 'requeue=yes; kill -TERM "$run" 2>/dev/null' USR1
trap 'kill -TERM "$run" 2>/dev/null' TERM
"/shared/it's/program" run-one --config '/shared/my runs/queue/3.list' --out '/shared/my runs' --index "$SLURM_ARRAY_TASK_ID" &
run=$!
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
"##;
    assert_eq!(slurm.script(&list).unwrap(), expected);
    let plain = Slurm::default().script(&list).unwrap();
    assert!(plain.contains("--array=0-11\n") && !plain.contains("--time"), "{plain}");
    let bad = List { from: "/shared/\"".into(), ..list };
    assert!(matches!(slurm.script(&bad), Err(EngineError::Path { .. })));
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtrl-reproduce"));
    command.args(arguments);
    command
}

#[test]
fn mistakes_on_the_command_line_are_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    let cases: [(&[&str], &[&str]); 7] = [
        (&["--engine", "slurm"], &["sbatch", "login node"]),
        (&["--engine", "hyperqueue"], &["hq", "hq server start"]),
        (&["--engine", "hyperqueue", "--jobs", "2"], &["--jobs", "no use"]),
        (&["--server-dir", "x"], &["--server-dir", "local"]),
        (&["--engine", "slurm", "--scheduler-options", "--comment='x"], &["--scheduler-options", "closed"]),
        (&["--engine", "slurm", "--time-limit", "1"], &["--time-limit", "3"]),
        (&["--engine", "cloud"], &["cloud", "local, slurm, hyperqueue"]),
    ];
    for (arguments, words) in cases {
        let mut command = program(&["copy-sparse", "--seeds", "1", "--out", out]);
        let output = command.args(arguments).env("PATH", dir.path()).env_remove("RTRL_HQ").output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert_eq!(message.trim_end().lines().count(), 1, "{arguments:?}: {message}");
        assert!(words.iter().all(|word| message.contains(word)), "{arguments:?}: {message}");
    }
}

#[test]
fn one_run_by_itself() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let (short, long) = (job(SHORT, 0, COPY), job(LONG, 1, COPY));
    for (name, job) in [("short.toml", &short), ("long.toml", &long), ("bad.toml", &bad())] {
        std::fs::write(path(name), job.config.to_toml().unwrap()).unwrap();
    }
    std::fs::write(path("list"), "short.toml\nlong.toml\n").unwrap();
    let (list, out) = (path("list"), path("out"));
    let run = |arguments: &[&str]| {
        let mut command = program(&["run-one", "--out", &out]);
        let output = command.args(arguments).env("TASK", "0").output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    for (arguments, status, word) in [
        (&["--config", &list, "--index", "2"][..], 2, "there is no run 2"),
        (&["--config", &list, "--index-from", "NOTHING"], 2, "NOTHING"),
        (&["--config", &list], 2, "line 1"),
        (&["--config", &path("missing")], 2, "missing"),
        (&["--config", &path("bad.toml")], 2, "such.txt"),
        (&["--config", &list, "--index-from", "TASK"], 0, "finished: copy-"),
        (&["--config", &path("short.toml")], 0, "after 200 time steps"),
    ] {
        let (code, text) = run(arguments);
        assert_eq!(code, Some(status), "{arguments:?}: {text}");
        assert!(text.contains(word) && text.trim_end().lines().count() == 1, "{arguments:?}: {text}");
    }
    let mut child = program(&["run-one", "--out", &out, "--config", &path("long.toml")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = Path::new(&out).join(long.config.folder());
    wait_for(|| std::fs::metadata(folder.join("metrics.jsonl")).is_ok_and(|file| file.len() > 0));
    let (code, text) = run(&["--config", &list, "--index", "1"]);
    assert_eq!(code, Some(75), "a run that another process makes: {text}");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert!(folder.join("checkpoint").exists() && !folder.join("result.json").exists());
    assert_eq!(run(&["--config", &path("long.toml")]).0, Some(0));
    same_as_local(Path::new(&out), &[short, long]);
}

#[track_caller]
fn wait_for(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ended with the test.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_hyperqueue_makes_the_same_runs() {
    let _alone = alone();
    let hq = std::env::var_os("RTRL_HQ").unwrap_or_else(|| "hq".into());
    if Command::new(&hq).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        // Not `eprintln`, which is not shown for a test that passes.
        let text = "SKIPPED: there is no program `hq` on PATH and none in RTRL_HQ; HyperQueue is not tested";
        writeln!(std::io::stderr(), "{text}").unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = dir.path().join("server");
    let start = |what: &str, log: &str| {
        let log = std::fs::File::create(dir.path().join(log)).unwrap();
        let mut command = Command::new(&hq);
        command.arg("--server-dir").arg(&server).args([what, "start"]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Background(command.spawn().unwrap())
    };
    let _server = start("server", "server.log");
    wait_for(|| server.join("hq-current/access.json").exists());
    let _worker = start("worker", "worker.log");
    let out = dir.path().join("out");
    let scheduler =
        HyperQueue { hq: Some(hq.clone().into()), server_dir: Some(server.clone()), ..HyperQueue::default() };
    let engine = cluster(scheduler, &out);
    let jobs = [job(SHORT, 0, COPY), job(LONG, 1, COPY), bad(), job(SHORT, 2, COPY)];
    let first = call(&engine, &jobs, true);
    assert!(first.notes.iter().any(|note| note.contains("hq job cancel")), "{first:?}");
    let second = call(&engine, &jobs, false);
    assert_eq!(second.finished, [0, 1, 3], "{second:?}");
    assert_eq!(second.failures.len(), 1, "{second:?}");
    assert!(second.failures[0].reason.contains("such.txt"), "{second:?}");
    same_as_local(&out, &[jobs[0].clone(), jobs[1].clone(), jobs[3].clone()]);
}
