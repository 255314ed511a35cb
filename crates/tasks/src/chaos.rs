//! Continual prediction of a chaotic system, whose parameters may change on the way.

mod systems;

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use serde::{Deserialize, Serialize};

use crate::streams::{Stream, lane_streams, unit};
use crate::{BuildTask, Evaluation, Part, Signal, Step, Task, TaskError};
use systems::{Law, Lorenz, MackeyGlass};

/// Keeps the task's draws apart from other uses of the same seed.
const SALT: u64 = 0x6368_616f_735f_5f5f;

/// The system that is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum System {
    /// Lorenz 1963: x′ = σ (y − x), y′ = x (ρ − z) − y, z′ = x y − β z, with σ = 10, ρ = 28, β = 8/3. Three values are
    /// observed, `[x, y, z]`.
    #[default]
    Lorenz,
    /// Mackey & Glass 1977: x′ = β x(t − τ) / (1 + x(t − τ)¹⁰) − γ x, with β = 0.2, γ = 0.1, τ = 17. One value is
    /// observed.
    MackeyGlass,
}

/// Parameters of either system. A parameter left out keeps its value; one of the other system must be left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChaosParameters {
    /// σ of Lorenz: more than 0, at most 50.
    pub sigma: Option<f64>,
    /// ρ of Lorenz: more than 0, at most 100. Below 24.74 (with the other parameters as in 1963) the system comes
    /// to rest.
    pub rho: Option<f64>,
    /// β: of Lorenz more than 0, at most 10; of Mackey–Glass more than 0, at most 2.
    pub beta: Option<f64>,
    /// γ of Mackey–Glass: more than 0, at most 1.
    pub gamma: Option<f64>,
    /// τ of Mackey–Glass, in its unit of time: from 1 to 300. The system is chaotic from 16.8 on (with the other
    /// parameters at their defaults).
    pub tau: Option<f64>,
}

/// Configuration of the prediction of a chaotic system. A field that is left out has the default given with it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChaosConfig {
    /// The system. Default `lorenz`.
    pub system: System,
    /// Time between two observations, in the system's own unit, from 0.001 to 100. Default 0.05 for Lorenz, 1 for
    /// Mackey–Glass.
    pub dt: Option<f64>,
    /// First step, counted from 0, whose target obeys `shifted`; 1 or more. Default: no shift.
    pub shift_at: Option<u64>,
    /// Steps between further changes, back to `parameters` and on to `shifted` in turn; 1 or more. Default: the
    /// first shift is the only one.
    pub shift_every: Option<u64>,
    /// Parameters before the shift. Default: those given with [`System`].
    pub parameters: ChaosParameters,
    /// Parameters after the shift. A parameter left out is as in `parameters`.
    pub shifted: ChaosParameters,
}

/// Range of a parameter and its description in messages: more than the first, at most the second. `None`: the
/// parameter belongs to the other system.
type Limits = Option<(f64, f64, &'static str)>;

const FOREIGN: &str = "nothing: it is a parameter of the other system";

impl System {
    /// Longest step of the integrator, in the system's unit of time: so short that the error between two
    /// observations is no larger than the resolution of `f32`.
    fn longest_step(self) -> f64 {
        match self {
            Self::Lorenz => 0.005,
            Self::MackeyGlass => 0.1,
        }
    }

    fn default_dt(self) -> f64 {
        match self {
            Self::Lorenz => 0.05,
            Self::MackeyGlass => 1.0,
        }
    }

    /// Least time before the first observation. A random time of up to the same length is added.
    fn burn_in(self) -> f64 {
        match self {
            Self::Lorenz => 50.0,
            Self::MackeyGlass => 1000.0,
        }
    }

    fn law(self) -> Law {
        match self {
            Self::Lorenz => Law { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, gamma: 0.0, tau: 0.0 },
            Self::MackeyGlass => Law { sigma: 0.0, rho: 0.0, beta: 0.2, gamma: 0.1, tau: 17.0 },
        }
    }

    /// Mean and standard deviation of each observed value with the default parameters, rounded.
    #[must_use]
    pub fn standard(self) -> &'static [(f64, f64)] {
        match self {
            Self::Lorenz => &[(0.0, 7.92), (0.0, 9.01), (23.55, 8.62)],
            Self::MackeyGlass => &[(0.93, 0.226)],
        }
    }

    /// Ranges of σ, ρ, β, γ, τ, in this order.
    fn limits(self) -> [Limits; 5] {
        match self {
            Self::Lorenz => [
                Some((0.0, 50.0, "more than 0, at most 50")),
                Some((0.0, 100.0, "more than 0, at most 100")),
                Some((0.0, 10.0, "more than 0, at most 10")),
                None,
                None,
            ],
            Self::MackeyGlass => [
                None,
                None,
                Some((0.0, 2.0, "more than 0, at most 2")),
                Some((0.0, 1.0, "more than 0, at most 1")),
                Some((1.0_f64.next_down(), 300.0, "a time from 1 to 300")),
            ],
        }
    }
}

fn refused(field: &'static str, value: &dyn ToString, expected: &'static str) -> TaskError {
    TaskError::Config { task: "chaos", field, value: value.to_string(), expected }
}

impl ChaosParameters {
    /// The law with these parameters; those left out are taken from `base`. Messages call the fields by `names`, in
    /// the order of `limits`.
    fn over(&self, base: Law, limits: &[Limits; 5], names: [&'static str; 5]) -> Result<Law, TaskError> {
        let given = [self.sigma, self.rho, self.beta, self.gamma, self.tau];
        for ((value, limits), name) in given.into_iter().zip(limits).zip(names) {
            match (value, limits) {
                (Some(value), None) => return Err(refused(name, &value, FOREIGN)),
                (Some(value), &Some((above, most, expected))) if !(value > above && value <= most) => {
                    return Err(refused(name, &value, expected));
                }
                _ => {}
            }
        }
        Ok(Law {
            sigma: self.sigma.unwrap_or(base.sigma),
            rho: self.rho.unwrap_or(base.rho),
            beta: self.beta.unwrap_or(base.beta),
            gamma: self.gamma.unwrap_or(base.gamma),
            tau: self.tau.unwrap_or(base.tau),
        })
    }
}

/// A checked configuration.
#[derive(Debug, Clone)]
struct Plan {
    system: System,
    /// The laws before and after the shift.
    laws: [Law; 2],
    /// Integrator steps between two observations; `h` is the length of one.
    substeps: u32,
    h: f64,
    shift_at: Option<u64>,
    shift_every: Option<u64>,
}

impl Plan {
    /// Index of the law at a step: 0 before the shift, 1 after it.
    fn phase(&self, step: u64) -> usize {
        match (self.shift_at.and_then(|at| step.checked_sub(at)), self.shift_every) {
            (None, _) => 0,
            (Some(_), None) => 1,
            (Some(since), Some(every)) => usize::from((since / every).is_multiple_of(2)),
        }
    }
}

impl ChaosConfig {
    /// Checks `shift_at` and `shift_every`. `differs`: whether the shift changes a parameter.
    fn check_shift(&self, differs: bool) -> Result<(), TaskError> {
        let (field, value, expected): (_, String, _) = match (self.shift_at, self.shift_every) {
            (Some(0), _) => ("shift_at", "0".into(), "1 or more: the first step is before the shift"),
            (_, Some(0)) => ("shift_every", "0".into(), "1 or more, or leave it out"),
            (None, Some(every)) => ("shift_every", every.to_string(), "nothing, or give `shift_at` too"),
            (None, None) if differs => ("shift_at", "missing".into(), "the step from which `shifted` holds"),
            (Some(_), _) if !differs => {
                ("shifted", "the same as `parameters`".into(), "other parameters, or leave out `shift_at`")
            }
            _ => return Ok(()),
        };
        Err(refused(field, &value, expected))
    }

    fn plan(&self, lanes: usize) -> Result<Plan, TaskError> {
        let dt = self.dt.unwrap_or(self.system.default_dt());
        if !(0.001..=100.0).contains(&dt) {
            return Err(refused("dt", &dt, "a time from 0.001 to 100"));
        }
        let names =
            ["parameters.sigma", "parameters.rho", "parameters.beta", "parameters.gamma", "parameters.tau"];
        let limits = self.system.limits();
        let law = self.parameters.over(self.system.law(), &limits, names)?;
        let names = ["shifted.sigma", "shifted.rho", "shifted.beta", "shifted.gamma", "shifted.tau"];
        let shifted = self.shifted.over(law, &limits, names)?;
        self.check_shift(shifted != law)?;
        if lanes == 0 {
            return Err(TaskError::NoLanes);
        }
        // Without the 1e-9 rounding could add a substep: 0.3 / 0.1 is a little more than 3.
        let substeps = (dt / self.system.longest_step() - 1e-9).ceil().max(1.0);
        Ok(Plan {
            system: self.system,
            laws: [law, shifted],
            substeps: substeps as u32,
            h: dt / substeps,
            shift_at: self.shift_at,
            shift_every: self.shift_every,
        })
    }
}

impl BuildTask for ChaosConfig {
    fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError> {
        Ok(Box::new(ChaosTask::new(self, lanes, seed)?))
    }

    /// Always `None`: chaos does not repeat itself, so the loss before each update measures generalization.
    fn evaluation(
        &self,
        _part: Part,
        lanes: usize,
        _max_bytes: Option<u64>,
    ) -> Result<Option<Evaluation>, TaskError> {
        self.plan(lanes).map(|_| None)
    }
}

/// The state of a lane's system.
#[derive(Debug, Clone, PartialEq)]
enum Lane {
    Lorenz(Lorenz),
    MackeyGlass(MackeyGlass),
}

impl Lane {
    /// A system on its attractor: from a random state, after a burn-in of random length.
    fn new(plan: &Plan, mut stream: Stream) -> Self {
        let mut within = |low: f64, high: f64| low + (high - low) * unit(&mut stream);
        let mut lane = match plan.system {
            System::Lorenz => {
                Self::Lorenz(Lorenz([within(-10.0, 10.0), within(-10.0, 10.0), within(15.0, 35.0)]))
            }
            System::MackeyGlass => {
                let longest = plan.laws[0].tau.max(plan.laws[1].tau);
                Self::MackeyGlass(MackeyGlass::new(within(0.5, 1.5), longest, plan.h))
            }
        };
        let time = plan.system.burn_in() * within(1.0, 2.0);
        for _ in 0..(time / plan.h) as u64 {
            lane.step(&plan.laws[0], plan.h);
        }
        lane
    }

    fn step(&mut self, law: &Law, h: f64) {
        match self {
            Self::Lorenz(system) => system.step(law, h),
            Self::MackeyGlass(system) => system.step(law, h),
        }
    }

    /// Observed value `i` of the current state, standardized.
    fn observed(&self, i: usize, standard: (f64, f64)) -> f32 {
        let value = match self {
            Self::Lorenz(system) => system.0[i],
            Self::MackeyGlass(system) => system.value(),
        };
        ((value - standard.0) / standard.1) as f32
    }
}

impl Persist for Lane {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        match self {
            Self::Lorenz(system) => system.persist(archive),
            Self::MackeyGlass(system) => system.persist(archive),
        }
    }
}

/// Continual prediction of a chaotic system: one endless sequence.
///
/// At each step a net reads the current observation, one every `dt`, and is to predict the next one, so the target
/// of a step is the input of the next. An observation is the complete state (Lorenz, 3 values) or one value of a
/// system with a memory of its own (Mackey–Glass). It is standardized by the fixed constants of
/// [`System::standard`], whatever the parameters. Only the first step has `starts` set.
///
/// In units of a value's variance (with the defaults; mean squared errors of standardized values), predicting the mean
/// costs 1.00 for each value, and predicting that nothing changes costs 0.071, 0.127 and 0.203 for the x, y and z of
/// Lorenz, and 0.021 for Mackey–Glass.
///
/// With `shift_at`, the law changes while the system keeps its state: at step `shift_at` the input is still the one
/// without a shift, and the target is the first observation under the new law. A predictor that learns online shows
/// how fast it adapts. [`level`](Task::level) is 0 under `parameters` and 1 under `shifted`.
///
/// Each lane starts from a random state, drawn from a random stream of its own, after a burn-in of 50 to 100
/// (Lorenz) or 1000 to 2000 (Mackey–Glass) units of time. The integrator is the classical Runge–Kutta scheme of
/// order four. Its step is the longest that divides `dt` and is at most 0.005 (Lorenz) or 0.1 (Mackey–Glass, whose
/// past is interpolated by cubics). It uses only sums, products and quotients, so every platform gives the same
/// stream.
///
/// # Reference
/// Lorenz 1963, "Deterministic nonperiodic flow"; Mackey & Glass 1977, "Oscillation and chaos in physiological control
/// systems". For Mackey–Glass with τ = 17 as a benchmark of recurrent nets, Jaeger & Haas 2004.
#[derive(Debug, Clone)]
pub struct ChaosTask {
    plan: Plan,
    /// Steps handed out so far.
    position: u64,
    lanes: Vec<Lane>,
}

impl ChaosTask {
    /// A task before its first step, all lanes on the attractor of `parameters`.
    ///
    /// # Errors
    /// [`TaskError::NoLanes`], or [`TaskError::Config`] for an invalid time, parameter or shift.
    pub fn new(config: &ChaosConfig, lanes: usize, seed: u64) -> Result<Self, TaskError> {
        let plan = config.plan(lanes)?;
        let lanes =
            lane_streams(SALT, seed, lanes).into_iter().map(|stream| Lane::new(&plan, stream)).collect();
        Ok(Self { plan, position: 0, lanes })
    }
}

impl Persist for ChaosTask {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.expect("lanes", self.lanes.len() as u64)?;
        archive.value("position", &mut self.position)?;
        self.lanes.iter_mut().enumerate().try_for_each(|(b, lane)| archive.part(&b.to_string(), lane))
    }
}

impl Task for ChaosTask {
    fn inputs(&self) -> Signal {
        Signal::Values(self.plan.system.standard().len())
    }

    fn targets(&self) -> Signal {
        self.inputs()
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        let lanes = self.lanes.len();
        step.expect_fit(self.inputs(), self.targets(), lanes);
        let Plan { system, laws, substeps, h, .. } = &self.plan;
        let law = &laws[self.plan.phase(self.position)];
        step.starts.fill(self.position == 0);
        for (b, lane) in self.lanes.iter_mut().enumerate() {
            for (i, &standard) in system.standard().iter().enumerate() {
                step.input_values[i * lanes + b] = lane.observed(i, standard);
            }
            for _ in 0..*substeps {
                lane.step(law, *h);
            }
            for (i, &standard) in system.standard().iter().enumerate() {
                step.target_values[i * lanes + b] = Some(lane.observed(i, standard));
            }
        }
        self.position = self.position.saturating_add(1);
        Ok(())
    }

    /// The phase of the last step: 0 if its target obeys `parameters`, 1 if it obeys `shifted`; `None` if there is
    /// no shift.
    fn level(&self) -> Option<u32> {
        self.plan.shift_at.map(|_| self.plan.phase(self.position.saturating_sub(1)) as u32)
    }
}

#[cfg(test)]
mod tests;
