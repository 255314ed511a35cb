//! What all schedulers have in common: runs are written to the queue's folder, submitted, and awaited.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::error::EngineError;
use super::job::{Engine, Event, Failure, Job, finished};
use super::queue::{List, Queue, Submission};

/// Most tasks of one submission: by default Slurm accepts no array index above 1000.
const AT_ONCE: usize = 1000;

/// What a scheduler knows about the tasks of a submission, by index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tasks {
    /// Tasks that wait or run.
    pub live: BTreeSet<usize>,
    /// Remarks on tasks: why a live one does not begin, or why another failed.
    pub notes: BTreeMap<usize, String>,
    /// Tasks that somebody canceled: these are not submitted again.
    pub canceled: BTreeSet<usize>,
}

/// A scheduler that is installed on this machine.
pub trait Scheduler {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Submits a list as one array of tasks with the indices of the list, and returns the scheduler's id of it.
    ///
    /// # Errors
    /// If the scheduler cannot be found or refuses the list.
    fn submit(&self, list: &List) -> Result<String, EngineError>;

    /// The state of the submission with this id and this name; a submission that the scheduler does not know has
    /// no tasks.
    ///
    /// # Errors
    /// If the scheduler does not answer.
    fn tasks(&self, id: &str, name: &str) -> Result<Tasks, EngineError>;

    /// The command that cancels a submission.
    fn how_to_cancel(&self, id: &str) -> String;

    /// How often a failed run is submitted again.
    fn retries(&self) -> u32;
}

/// How often the scheduler is polled, and how long for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time between two polls.
    pub pause: Duration,
    /// Polls for which a run that has neither a task nor a result is waited for before it counts as failed: files
    /// of another machine may appear late.
    pub patience: u32,
    /// Polls in a row that may remain without an answer.
    pub silence: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { pause: Duration::from_secs(5), patience: 4, silence: 120 }
    }
}

/// Makes runs through a scheduler.
#[derive(Debug, Clone)]
pub struct Cluster<S> {
    /// The scheduler.
    pub scheduler: S,
    /// Folder of the runs' folders; every machine must see it at the same path.
    pub out: PathBuf,
    /// The program whose `run-one` makes a run; every machine must see it at the same path.
    pub program: PathBuf,
    /// How the scheduler is polled.
    pub pace: Pace,
}

impl<S: Scheduler> Cluster<S> {
    /// An engine whose tasks run the present program.
    ///
    /// # Errors
    /// If the path of the present program cannot be found.
    pub fn new(scheduler: S, out: &Path) -> Result<Self, EngineError> {
        let program =
            std::env::current_exe().map_err(EngineError::file("find", Path::new("this program")))?;
        Ok(Self { scheduler, out: out.to_path_buf(), program, pace: Pace::default() })
    }
}

impl<S: Scheduler> Engine for Cluster<S> {
    fn make(
        &self,
        jobs: &[Job],
        stop: &AtomicBool,
        report: &(dyn Fn(Event<'_>) + Sync),
    ) -> Result<Vec<Failure>, EngineError> {
        let queue = Queue::open(&self.out)?;
        let submitted = queue.submitted()?;
        let mut watch = Watch {
            cluster: self,
            queue,
            jobs,
            report,
            submitted,
            placed: BTreeMap::new(),
            attempts: HashMap::new(),
            failures: Vec::new(),
            noted: BTreeSet::new(),
        };
        let mut open: BTreeSet<usize> = (0..jobs.len()).filter(|&job| !watch.settle(job)).collect();
        if !open.is_empty() {
            watch.adopt(&mut open)?;
            watch.submit(&open.into_iter().collect::<Vec<_>>())?;
            watch.wait(stop)?;
        }
        Ok(watch.failures)
    }
}

/// Where a run is in the scheduler's queue.
#[derive(Debug, Clone)]
struct Place {
    id: String,
    list: u32,
    task: usize,
    /// Polls since the task was last seen.
    unseen: u32,
}

/// Runs that are being awaited.
struct Watch<'a, S> {
    cluster: &'a Cluster<S>,
    queue: Queue,
    jobs: &'a [Job],
    report: &'a (dyn Fn(Event<'_>) + Sync),
    submitted: Vec<Submission>,
    /// Places of unfinished runs, by the index of their job.
    placed: BTreeMap<usize, Place>,
    /// How often each run has failed.
    attempts: HashMap<usize, u32>,
    failures: Vec<Failure>,
    /// Notes that were reported, so that none is repeated.
    noted: BTreeSet<String>,
}

impl<S: Scheduler> Watch<'_, S> {
    fn note(&mut self, text: String) {
        if !self.noted.contains(&text) {
            (self.report)(Event::Note(&text));
            self.noted.insert(text);
        }
    }

    fn fail(&mut self, job: usize, reason: String) {
        let failure = Failure { job, label: self.jobs[job].label.clone(), reason };
        (self.report)(Event::Failed(&failure));
        self.failures.push(failure);
    }

    /// Reports a run that has ended; returns whether it has.
    fn settle(&mut self, job: usize) -> bool {
        match finished(&self.jobs[job].config, &self.cluster.out) {
            None => return false,
            Some(Ok(summary)) => (self.report)(Event::Finished { job, summary: &summary }),
            Some(Err(reason)) => self.fail(job, reason),
        }
        true
    }

    /// Finds tasks of an earlier call that wait or run, and takes their runs out of `open`.
    fn adopt(&mut self, open: &mut BTreeSet<usize>) -> Result<(), EngineError> {
        let scheduler = &self.cluster.scheduler;
        let mut kept = Vec::new();
        for submission in std::mem::take(&mut self.submitted) {
            if submission.engine != scheduler.name() {
                kept.push(submission);
                continue;
            }
            let live = scheduler.tasks(&submission.id, &submission.name)?.live;
            let mut count = 0;
            for &task in &live {
                let Some(folder) = submission.folders.get(task) else { continue };
                let Some(job) = open.iter().copied().find(|&job| self.jobs[job].config.folder() == *folder)
                else {
                    continue;
                };
                open.remove(&job);
                let Submission { id, list, .. } = &submission;
                self.placed.insert(job, Place { id: id.clone(), list: *list, task, unseen: 0 });
                count += 1;
            }
            if count > 0 {
                let name = scheduler.name();
                self.note(format!(
                    "{name} job {} of an earlier call goes on with {count} runs",
                    submission.id
                ));
            }
            if !live.is_empty() {
                kept.push(submission);
            }
        }
        self.submitted = kept;
        self.queue.remember(&self.submitted)
    }

    fn submit(&mut self, jobs: &[usize]) -> Result<(), EngineError> {
        for jobs in jobs.chunks(AT_ONCE) {
            let runs: Vec<&Job> = jobs.iter().map(|&job| &self.jobs[job]).collect();
            let list = self.queue.list(&runs, &self.cluster.program)?;
            let scheduler = &self.cluster.scheduler;
            let id = scheduler.submit(&list)?;
            for (task, &job) in jobs.iter().enumerate() {
                self.placed.insert(job, Place { id: id.clone(), list: list.number, task, unseen: 0 });
            }
            self.submitted.push(Submission {
                engine: scheduler.name().to_string(),
                id: id.clone(),
                name: list.name(),
                list: list.number,
                folders: runs.iter().map(|job| job.config.folder()).collect(),
            });
            self.queue.remember(&self.submitted)?;
            self.note(format!("{} runs submitted as {} job {id}", runs.len(), scheduler.name()));
        }
        Ok(())
    }

    fn wait(&mut self, stop: &AtomicBool) -> Result<(), EngineError> {
        let mut silence = 0;
        while !self.placed.is_empty() {
            if !self.sleep(stop) {
                self.leave();
                return Ok(());
            }
            match self.look() {
                Ok(again) => {
                    silence = 0;
                    self.submit(&again)?;
                }
                // The scheduler may be restarting; its runs go on meanwhile.
                Err(error) if silence < self.cluster.pace.silence => {
                    silence += 1;
                    self.note(format!("{error}; asking again"));
                }
                Err(error) => {
                    self.leave();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Waits until the next poll; returns whether to go on.
    fn sleep(&self, stop: &AtomicBool) -> bool {
        const SLICE: Duration = Duration::from_millis(100);
        let mut left = self.cluster.pace.pause;
        while !left.is_zero() && !stop.load(Ordering::Relaxed) {
            let slice = left.min(SLICE);
            std::thread::sleep(slice);
            left -= slice;
        }
        !stop.load(Ordering::Relaxed)
    }

    /// Notes what becomes of the tasks that are no longer waited for.
    fn leave(&mut self) {
        let ids: BTreeSet<String> = self.placed.values().map(|place| place.id.clone()).collect();
        for id in ids {
            let (scheduler, cancel) = (&self.cluster.scheduler, self.cluster.scheduler.how_to_cancel(&id));
            self.note(format!(
                "{} job {id} goes on by itself; the same command waits for it again, and `{cancel}` cancels it",
                scheduler.name()
            ));
        }
    }

    /// Polls once, and returns the runs to submit again.
    fn look(&mut self) -> Result<Vec<usize>, EngineError> {
        let mut tasks = HashMap::new();
        for submission in &self.submitted {
            if self.placed.values().any(|place| place.id == submission.id) {
                // Poll before results are read: a run that ends in between then counts as finished, not as lost.
                let known = self.cluster.scheduler.tasks(&submission.id, &submission.name)?;
                tasks.insert(submission.id.clone(), known);
            }
        }
        let mut again = Vec::new();
        for (job, mut place) in std::mem::take(&mut self.placed) {
            if self.settle(job) {
                continue;
            }
            let Some(known) = tasks.get(&place.id) else {
                self.placed.insert(job, place);
                continue;
            };
            let note = known.notes.get(&place.task);
            if known.live.contains(&place.task) {
                let step = self.queue.last_step(&self.jobs[job].config.folder()).unwrap_or(0);
                (self.report)(Event::Step { job, step });
                if let Some(note) = note {
                    self.note(format!("{}: {note}", self.jobs[job].label));
                }
                place.unseen = 0;
                self.placed.insert(job, place);
            } else if place.unseen < self.cluster.pace.patience {
                place.unseen += 1;
                self.placed.insert(job, place);
            } else {
                let reason = self.queue.last_words(place.list, place.task).or_else(|| note.cloned());
                let reason = reason.unwrap_or_else(|| {
                    "lost: it left the queue without a result or a message; the same command submits it again".into()
                });
                let attempts = self.attempts.entry(job).or_default();
                *attempts += 1;
                let canceled = known.canceled.contains(&place.task);
                if *attempts <= self.cluster.scheduler.retries() && !canceled {
                    self.note(format!("{}: {reason}; once more", self.jobs[job].label));
                    again.push(job);
                } else {
                    self.fail(job, reason);
                }
            }
        }
        Ok(again)
    }
}
