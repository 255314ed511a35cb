//! Programs that stand in for those of a scheduler, and make the tasks here.

use std::path::PathBuf;

use rtrl_sweep::engine::{Cluster, HyperQueue, Job, Programs, Slurm};

/// A folder with programs that stand in for those of a scheduler, and one for runs with a name that wants quoting.
pub struct Fake {
    dir: tempfile::TempDir,
}

impl Fake {
    pub fn new() -> Self {
        let fake = Self { dir: tempfile::tempdir().unwrap() };
        for (name, text) in [("sbatch", SBATCH), ("squeue", SQUEUE), ("scontrol", SCONTROL), ("hq", HQ)] {
            fake.program(name, text);
        }
        fake
    }

    pub fn program(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn out(&self) -> PathBuf {
        self.dir.path().join("it's 100% $HOME")
    }

    pub fn programs(&self) -> Programs {
        let mut paths = vec![self.dir.path().to_path_buf()];
        paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        Programs { path: Some(std::env::join_paths(paths).unwrap()) }
    }

    pub fn slurm(&self) -> Cluster<Slurm> {
        crate::engine::cluster(Slurm { programs: self.programs(), ..Slurm::default() }, &self.out())
    }

    pub fn hq(&self) -> Cluster<HyperQueue> {
        crate::engine::cluster(HyperQueue { programs: self.programs(), ..HyperQueue::default() }, &self.out())
    }

    /// How often something was submitted.
    pub fn submissions(&self) -> u32 {
        std::fs::read_to_string(self.dir.path().join("count")).unwrap().trim().parse().unwrap()
    }
}

/// Runs the tasks of the array one after the other. A program `disturb` is given each task and its process group.
const SBATCH: &str = r##"#!/bin/sh
here=$(dirname "$0")
for script; do :; done
value() { sed -n "s/^#SBATCH --$1=\"*\([^\"]*\)\"*$/\1/p" "$script"; }
last=$(value array | sed 's/0-\([0-9]*\).*/\1/')
id=$(($(cat "$here/count" 2>/dev/null || echo 0) + 1))
echo "$id" > "$here/count"
mkdir "$here/live-$id"
for i in $(seq 0 "$last"); do : > "$here/live-$id/$i"; done
export SLURM_ARRAY_JOB_ID="$id" SLURM_ARRAY_TASK_ID
for i in $(seq 0 "$last"); do
    SLURM_ARRAY_TASK_ID=$i
    file() { value "$1" | sed "s/%a/$i/; s/%%/%/g"; }
    : > "$here/requeue-${id}_$i"
    while [ -e "$here/requeue-${id}_$i" ]; do
        rm "$here/requeue-${id}_$i"
        cd "$(value chdir)"
        setsid sh "$script" >> "$(file output)" 2>> "$(file error)" &
        task=$!
        if [ -x "$here/disturb" ]; then "$here/disturb" "$i" "$task"; fi
        wait "$task"
    done
    rm "$here/live-$id/$i"
done > /dev/null 2>&1 &
echo "$id;cluster"
"##;

pub const SQUEUE: &str = r#"#!/bin/sh
for id; do :; done
cd "$(dirname "$0")/live-$id" 2>/dev/null || {
    echo "slurm_load_jobs error: Invalid job id specified" >&2
    exit 1
}
for task in *; do
    if [ -e "$task" ]; then echo "$task|RUNNING|None"; fi
done
"#;

const SCONTROL: &str = r#"#!/bin/sh
: > "$(dirname "$0")/$1-$2"
"#;

/// Runs the tasks of the array side by side.
const HQ: &str = r#"#!/bin/sh
here=$(dirname "$0")
[ "$1 $2" = "--output-mode json" ] || exit 9
shift 2
if [ "$1" = job ]; then
    printf '[{"info": {"name": "%s"}, "tasks": [' "$(cat "$here/job-$3/name")"
    comma=
    error='"the task failed"'
    if [ -e "$here/cancel" ]; then error=null; fi
    for task in "$here/job-$3"/[0-9]*; do
        printf '%s{"id": %s, "state": "%s", "error": %s}' "$comma" "${task##*/}" "$(cat "$task")" "$error"
        comma=,
    done
    echo ']}]'
    exit
fi
id=$(($(cat "$here/count" 2>/dev/null || echo 0) + 1))
echo "$id" > "$here/count"
mkdir "$here/job-$id"
shift
while [ "$1" != -- ]; do
    case "$1" in
        --name) echo "$2" > "$here/job-$id/name" ;;
        --array) last=${2#0-} ;;
        --cwd) cd "$2" || exit 1 ;;
        --stdout) out=${2%"%{TASK_ID}.out"} ;;
        --stderr) err=${2%"%{TASK_ID}.err"} ;;
    esac
    shift 2
done
shift
for i in $(seq 0 "$last"); do
    echo running > "$here/job-$id/$i"
    {
        HQ_TASK_ID=$i setsid "$@" > "$out$i.out" 2> "$err$i.err" &
        task=$!
        if [ -x "$here/disturb" ]; then "$here/disturb" "$i" "$task"; fi
        if wait "$task"; then state=finished; else state=failed; fi
        if [ -e "$here/cancel" ]; then state=canceled; fi
        echo "$state" > "$here/job-$id/$i"
    } > /dev/null 2>&1 &
done
echo "{\"id\": $id}"
"#;

/// Does `what` to the first task that is disturbed, as soon as its run has metrics.
pub fn disturb(fake: &Fake, run: &Job, what: &str) {
    let metrics = fake.out().join(run.config.folder()).join("metrics.jsonl");
    let metrics = shlex_quote(metrics.to_str().unwrap());
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = 0 ] || exit 0\nrm \"$0\"\nwhile [ ! -s {metrics} ]; do sleep 0.01; done\n{what}\n"
    );
    fake.program("disturb", &text);
}

fn shlex_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
