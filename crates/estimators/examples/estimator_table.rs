//! Prints the table of `docs/ESTIMATORS.md`: counted cost, and bias and variance measured on a small net.

use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_cells::{CellConfig, Input, Inputs, Size, Stack, init};
use rtrl_estimators::{
    BpttConfig, DniConfig, EpropConfig, EstimatorConfig, ForwardGradientConfig, FrozenConfig,
    GradientEstimator, ImmediateConfig, KernlConfig, KfRtrlConfig, OkConfig, RandomPathsConfig, RfloConfig,
    RtrlConfig, Schedule, SnapConfig, SnapLowRankConfig, SnapTopKConfig, TbpttConfig, UoroConfig, UoroNoise,
};
use rtrl_sparse::{Lanes, Scalar};

/// Steps of the sequence on which bias and variance are measured.
const STEPS: usize = 24;
/// Draws of the random signs.
const DRAWS: u64 = 1000;

/// Name, estimator with a seed for its signs, window, and whether signs are drawn.
fn estimators(seed: u64) -> Vec<(&'static str, EstimatorConfig, usize, bool)> {
    let snap = |order, schedule, truncate| {
        EstimatorConfig::Snap(SnapConfig { order, schedule, truncate, ..Default::default() })
    };
    let online = Schedule::Streaming;
    let rtrl = EstimatorConfig::Rtrl(RtrlConfig { schedule: online, ..Default::default() });
    vec![
        ("BPTT, T = 24", EstimatorConfig::Bptt(BpttConfig {}), STEPS, false),
        ("TBPTT(4, 4)", EstimatorConfig::Bptt(BpttConfig {}), 4, false),
        ("TBPTT(1, 8)", EstimatorConfig::Tbptt(TbpttConfig { horizon: 8, replay: false }), 1, false),
        ("rolling TBPTT(8)", EstimatorConfig::Tbptt(TbpttConfig { horizon: 8, replay: true }), 1, false),
        ("DNI", DniConfig::default().into(), 1, false),
        ("RTRL", rtrl, 1, false),
        ("SnAp-1", snap(1, online, false), 1, false),
        ("SnAp-2", snap(2, online, false), 1, false),
        ("SnAp-2, window from reset", snap(2, Schedule::Adjoint, true), STEPS, false),
        ("SnAp top-k, k = 4", SnapTopKConfig::default().into(), 1, false),
        ("SnAp-1 and rank 4", SnapLowRankConfig::default().into(), 1, false),
        ("random paths, k = 4", EstimatorConfig::RandomPaths(RandomPathsConfig::default()), 1, false),
        ("RFLO, λ = 0.9", EstimatorConfig::Rflo(RfloConfig::default()), 1, false),
        ("e-prop", EstimatorConfig::Eprop(EpropConfig {}), 1, false),
        ("KeRNL", KernlConfig { seed, ..Default::default() }.into(), 1, true),
        ("UORO", EstimatorConfig::Uoro(UoroConfig { seed, ..Default::default() }), 1, true),
        ("UORO, at preactivations", UoroConfig { seed, noise: UoroNoise::Preactivations }.into(), 1, true),
        ("KF-RTRL", EstimatorConfig::KfRtrl(KfRtrlConfig { seed }), 1, true),
        ("OK-8", EstimatorConfig::OptimalKronecker(OkConfig { rank: 8, seed }), 1, true),
        (
            "forward gradient, T = 24",
            ForwardGradientConfig { seed, ..Default::default() }.into(),
            STEPS,
            true,
        ),
        ("Immediate", ImmediateConfig {}.into(), 1, false),
        ("Frozen", FrozenConfig {}.into(), 1, false),
    ]
}

/// A GRU with 16 dense inputs.
fn net<T: Scalar>(size: Size) -> (Arc<Stack<T>>, Vec<T>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let cell = CellConfig::Gru(size).build(Inputs::Dense(16), &mut rng).expect("a valid cell");
    let stack = Arc::new(Stack::new(vec![cell]).expect("a valid stack"));
    let weights = init::uniform(&stack, &mut rng);
    (stack, weights)
}

/// The gradient of one fixed sequence.
fn gradient(config: &EstimatorConfig, window: usize, stack: &Arc<Stack<f64>>, weights: &[f64]) -> Vec<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    let mut numbers = |n: usize| -> Vec<f64> {
        (0..n).map(|_| (rng.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0).collect()
    };
    let mut estimator: Box<dyn GradientEstimator<f64>> =
        config.build(stack.clone(), 1, window).expect("a valid estimator");
    let mut gradient = vec![0.0; weights.len()];
    for step in 0..STEPS {
        let (x, delta) = (numbers(16), numbers(stack.hidden().len()));
        estimator.step(weights, Input::Dense(Lanes::new(&x, 1)), &[step == 0]);
        estimator.observe(weights, Lanes::new(&delta, 1), &mut gradient);
        if (step + 1) % window == 0 {
            estimator.finish_window(weights, &mut gradient);
        }
    }
    gradient
}

fn square(x: impl Iterator<Item = f64>) -> f64 {
    x.map(|x| x * x).sum()
}

/// Bias and variance relative to the exact gradient: |E g - g*| / |g*| and E |g - E g|² / |g*|².
fn bias_and_variance(index: usize) -> (f64, f64) {
    let (stack, weights) = net::<f64>(Size { sparsity: 0.5, ..Size::dense(16) });
    let of = |(_, config, window, _): &(_, EstimatorConfig, usize, bool)| {
        gradient(config, *window, &stack, &weights)
    };
    let exact = of(&estimators(0)[0]);
    let draws = if estimators(0)[index].3 { DRAWS } else { 1 };
    let runs: Vec<Vec<f64>> = (0..draws).map(|seed| of(&estimators(seed)[index])).collect();
    let mean: Vec<f64> =
        (0..exact.len()).map(|i| runs.iter().map(|run| run[i]).sum::<f64>() / draws as f64).collect();
    let norm = square(exact.iter().copied());
    let bias = square(mean.iter().zip(&exact).map(|(m, e)| m - e)) / norm;
    let spread = |run: &Vec<f64>| square(run.iter().zip(&mean).map(|(g, m)| g - m)) / norm;
    (bias.sqrt(), runs.iter().map(spread).sum::<f64>() / draws as f64)
}

/// Multiply-adds per step relative to BPTT, and kilobytes, of one lane on a GRU of 64 units.
fn cost(index: usize, sparsity: f64) -> (f64, f64) {
    let (stack, _) = net::<f32>(Size { sparsity, ..Size::dense(64) });
    let of = |index: usize| {
        let (_, config, window, _) = &estimators(0)[index];
        config.build(stack.clone(), 1, *window).expect("a valid estimator").cost()
    };
    (of(index).macs() / of(0).macs(), of(index).bytes as f64 / 1e3)
}

/// The table in Markdown.
pub fn table() -> String {
    let mut lines = vec![
        "| estimator | cost, dense | cost, 75 % sparse | kB, dense | kB, 75 % sparse | bias | variance |"
            .to_string(),
        "|---|--:|--:|--:|--:|--:|--:|".to_string(),
    ];
    for (index, (name, _, _, random)) in estimators(0).into_iter().enumerate() {
        let (dense, sparse) = (cost(index, 0.0), cost(index, 0.75));
        let (bias, variance) = bias_and_variance(index);
        // A mean over draws misses its expectation by about √(variance / draws).
        let noise = (variance / DRAWS as f64).sqrt();
        let bias = match bias {
            b if random => format!("{b:.2} (noise {noise:.2})"),
            b if b < 1e-9 => "0".to_string(),
            b => format!("{b:.2}"),
        };
        let variance = match variance {
            _ if !random => "0".to_string(),
            v if v < 0.01 => format!("{v:.0e}"),
            v => format!("{v:.2}"),
        };
        let number = |x: f64| if x < 100.0 { format!("{x:.1}") } else { format!("{x:.0}") };
        lines.push(format!(
            "| {name} | {} | {} | {} | {} | {bias} | {variance} |",
            number(dense.0),
            number(sparse.0),
            number(dense.1),
            number(sparse.1),
        ));
    }
    lines.join("\n") + "\n"
}

#[allow(dead_code)] // The test that compares the table with the page uses `table` alone.
fn main() {
    print!("{}", table());
}
