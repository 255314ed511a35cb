//! Steps of estimators for `cargo xtask instructions`, which counts their instructions under valgrind.
//!
//! Without an argument it prints the names of all cases; with a name it makes the windows of that case, the last of them in
//! [`measured`], which is what valgrind counts.

use std::process::ExitCode;
use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellConfig, Input, Inputs, Size, Stack, init};
use rtrl_estimators::{
    BpttConfig, EstimatorConfig, FrozenConfig, GradientEstimator, KfRtrlConfig, OkConfig, Schedule,
    SnapConfig, UoroConfig,
};
use rtrl_sparse::{Lanes, Level};

/// Dense inputs of every net.
const INPUTS: usize = 32;

/// A net and an estimator.
struct Case {
    name: &'static str,
    cell: CellConfig,
    estimator: EstimatorConfig,
    lanes: usize,
    window: usize,
}

/// Everything whose instructions are counted.
fn cases() -> Vec<Case> {
    let gru = || CellConfig::Gru(Size::sparse(128, 0.0));
    let sparse_gru = || CellConfig::Gru(Size::sparse(128, 0.75));
    let vanilla = || CellConfig::Vanilla(Size::sparse(128, 0.75));
    let snap =
        |order, schedule, truncate| SnapConfig { order, schedule, truncate, ..Default::default() }.into();
    let streaming = |order| snap(order, Schedule::Streaming, false);
    let bptt = || BpttConfig::default().into();
    let case = |name, cell, estimator, lanes, window| Case { name, cell, estimator, lanes, window };
    vec![
        case("gru-128-forward", gru(), FrozenConfig::default().into(), 1, 1),
        case("gru-128-bptt", gru(), bptt(), 1, 32),
        case("gru-128-bptt-16-lanes", gru(), bptt(), 16, 32),
        case("gru-128-snap-1", gru(), streaming(1), 1, 1),
        case("gru-128-snap-1-16-lanes", gru(), streaming(1), 16, 1),
        case("gru-128-snap-1-window", gru(), snap(1, Schedule::Adjoint, true), 1, 32),
        case("gru-128-uoro", gru(), UoroConfig::default().into(), 1, 1),
        case("gru-128-sparse-bptt", sparse_gru(), bptt(), 1, 32),
        case("gru-128-sparse-snap-1", sparse_gru(), streaming(1), 1, 1),
        case("gru-128-sparse-snap-2", sparse_gru(), streaming(2), 1, 1),
        case("gru-128-sparse-kf-rtrl", sparse_gru(), KfRtrlConfig::default().into(), 1, 1),
        case("vanilla-128-sparse-snap-2", vanilla(), streaming(2), 1, 1),
        case("vanilla-128-sparse-snap-2-16-lanes", vanilla(), streaming(2), 16, 1),
        case("vanilla-128-sparse-ok-4", vanilla(), OkConfig { rank: 4, ..Default::default() }.into(), 1, 1),
    ]
}

/// A case with everything that its steps need.
struct Work {
    estimator: Box<dyn GradientEstimator<f32>>,
    weights: Vec<f32>,
    gradient: Vec<f32>,
    input: Vec<f32>,
    delta: Vec<f32>,
    starts: Vec<bool>,
    window: usize,
}

impl Work {
    fn new(case: &Case) -> Result<Self, Box<dyn std::error::Error>> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let cell = case.cell.build(Inputs::Dense(INPUTS), &mut rng)?;
        let stack = Arc::new(Stack::new(vec![cell])?);
        let weights = init::uniform(&stack, &mut rng);
        Ok(Self {
            gradient: vec![0.0; weights.len()],
            input: (0..INPUTS * case.lanes).map(|i| (i % 7) as f32 / 7.0 - 0.5).collect(),
            delta: (0..stack.hidden().len() * case.lanes).map(|i| (i % 5) as f32 / 5.0 - 0.4).collect(),
            starts: vec![false; case.lanes],
            estimator: case.estimator.build(stack, case.lanes, case.window)?,
            weights,
            window: case.window,
        })
    }

    fn window(&mut self) {
        let lanes = self.starts.len();
        for _ in 0..self.window {
            self.estimator.step(&self.weights, Input::Dense(Lanes::new(&self.input, lanes)), &self.starts);
            self.estimator.observe(&self.weights, Lanes::new(&self.delta, lanes), &mut self.gradient);
        }
        self.estimator.finish_window(&self.weights, &mut self.gradient);
    }
}

/// The window that is counted.
#[inline(never)]
fn measured(work: &mut Work) {
    work.window();
}

fn run(name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let cases = cases();
    let case = cases.iter().find(|case| case.name == name).ok_or("no case has this name")?;
    // The level that valgrind knows. Other levels have other counts.
    let level = Level::available().find(|&level| level == Level::Avx2).ok_or("this processor has no AVX2")?;
    level.force(|| {
        let mut work = Work::new(case)?;
        // Influence is carried, what is allocated at the first use is there, and OK has more terms than its rank.
        (0..8).for_each(|_| work.window());
        measured(&mut work);
        Ok(())
    })
}

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        cases().iter().for_each(|case| println!("{}", case.name));
        return ExitCode::SUCCESS;
    };
    match run(&name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {name}: {error}");
            ExitCode::FAILURE
        }
    }
}
