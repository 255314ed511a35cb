//! Estimators that learn something of their own (DNI, KeRNL, a baseline) or choose their pattern: each against its
//! equations on the oracle's dense Jacobians, and whether what they learn is what it should be.

use nalgebra::{DMatrix, DVector};
use rtrl_cells::{CellConfig, Inputs, Size, Stack};
use rtrl_estimators::{
    BpttConfig, DniConfig, ForwardGradient, Kernl, KernlConfig, SnapTopK, SnapTopKConfig, UoroNoise,
};

use super::*;

/// Nets of one layer in which a lane begins new sequences in the middle of windows.
fn single_layers(lanes: usize) -> Vec<Case> {
    let size = Size::sparse(4, 0.4);
    let cells = [
        CellConfig::Vanilla(size),
        CellConfig::Gru(size),
        CellConfig::GruResetBefore(size),
        CellConfig::Lstm(Size::dense(2)),
    ];
    let cases = cells.into_iter().zip([Inputs::Dense(2), Inputs::Symbols(3)].into_iter().cycle());
    cases
        .map(|(cell, inputs)| Case {
            layers: vec![cell],
            inputs,
            lanes,
            steps: 14,
            window: 2,
            seed: 23,
            resets: true,
        })
        .collect()
}

/// State, Jacobians and δ of every step of one lane. At the beginning of a sequence D is zero.
pub(super) struct Walk {
    pub before: DVector<f64>,
    pub state: DVector<f64>,
    pub dynamics: DMatrix<f64>,
    pub immediate: DMatrix<f64>,
    pub delta: DVector<f64>,
    pub start: bool,
}

pub(super) fn walk(case: &Case, stack: &Stack<f64>, lane: usize) -> Vec<Walk> {
    let weights = case.weights(stack);
    let mut before = vec![0.0; stack.states()];
    let data = case.data(stack.hidden().len());
    let step = |datum: &Datum| {
        let start = datum.starts[lane];
        let kept = before.clone();
        if start {
            before.fill(0.0);
        }
        let x = oracle::one_lane_input(case, datum, lane);
        let mut now = oracle::step(case, stack, &weights, &x, &before, false);
        if start {
            now.dynamics.fill(0.0);
        }
        before.clone_from(&now.state);
        let delta = oracle::delta(case, stack, datum, lane, &now.state);
        Walk {
            before: kept.into(),
            state: now.state.into(),
            dynamics: now.dynamics,
            immediate: now.immediate,
            delta: delta.into(),
            start,
        }
    };
    data.iter().map(step).collect()
}

/// The equations of DNI, written out.
fn dni_by_hand(case: &Case, rate: f64) -> Vec<f64> {
    let stack = case.stack::<f64>();
    let mut gradient = DVector::zeros(stack.weights_len());
    let with_one = |s: &DVector<f64>| s.clone().push(1.0);
    for lane in 0..case.lanes {
        let mut a = DMatrix::<f64>::zeros(stack.states(), stack.states() + 1);
        for window in walk(case, &stack, lane).chunks(case.window) {
            let (first, last) = (with_one(&window[0].before), with_one(&window[window.len() - 1].state));
            let mut adjoint = &a * last;
            for step in window.iter().rev() {
                adjoint += &step.delta;
                gradient += step.immediate.transpose() * &adjoint;
                adjoint = step.dynamics.transpose() * adjoint;
            }
            let error = adjoint - &a * &first;
            a += rate / first.norm_squared() * error * first.transpose();
        }
    }
    gradient.as_slice().to_vec()
}

#[test]
fn dni_is_bptt_from_a_learned_boundary() {
    for mut case in single_layers(2) {
        case.layers.push(CellConfig::Vanilla(Size::dense(2)));
        for window in [1, 3] {
            let case = Case { window, ..case.clone() };
            let dni = |rate| gradient_of(&case, &DniConfig { rate }.into());
            let what = format!("DNI on {:?}", case.layers);
            assert_equal(&what, &dni(0.3), &dni_by_hand(&case, 0.3), ROUNDING);
            assert!(deviation(&dni(0.3), &dni_by_hand(&case, 0.2)) > 1e-4, "{what}: the boundary matters");
            assert_eq!(dni(0.0), gradient_of(&case, &BpttConfig {}.into()), "{what}");
        }
    }
}

/// Leaky integrators with independent inputs: the later losses are an affine function of the state, on average, so that A can
/// learn them.
#[test]
fn dni_learns_the_credit_of_later_losses() {
    let steps = 6000;
    let case = Case { window: 1, ..case(vec![], Inputs::Dense(2), 1, steps) };
    let stack = Arc::new(Stack::new(vec![Box::new(Leaky::new(2, 3)) as Box<dyn Cell<f64>>]).unwrap());
    let data = case.data(3);
    // The gradient of the second half, when A is known.
    let gradient = |config: EstimatorConfig| {
        let mut weights: Vec<f64> = (0..stack.weights_len()).map(|i| 0.1 * i as f64 - 0.4).collect();
        let mut estimator = config.build(stack.clone(), 1, 1).unwrap();
        let (early, late) = data.split_at(steps / 2);
        gradients(&case, &mut *estimator, &mut weights, early, |_, _| {});
        gradients(&case, &mut *estimator, &mut weights, late, |_, _| {})
    };
    let exact = gradient(rtrl());
    let [immediate, learned] =
        [0.0, 0.01].map(|rate| deviation(&gradient(DniConfig { rate }.into()), &exact));
    println!("immediate {immediate}, DNI {learned}");
    // Without later losses four fifths of the credit are missing. What is learned fluctuates with the rate.
    assert!(immediate > 0.7, "{immediate}");
    assert!(learned < 0.1, "{learned}");
}

/// The equations of KeRNL, written out, for a net of one layer and one lane.
fn kernl_by_hand(case: &Case, config: &KernlConfig, signs: &[bool]) -> Vec<f64> {
    let stack = case.stack::<f64>();
    let states = stack.states();
    let zeros = || DVector::<f64>::zeros(states);
    let mut kappa = DVector::from_element(states, config.decay);
    let mut beta = DMatrix::<f64>::identity(states, states);
    let (mut v, mut omega, mut gamma) = (zeros(), zeros(), zeros());
    let mut e = DMatrix::<f64>::zeros(states, stack.weights_len());
    let mut gradient = DVector::zeros(stack.weights_len());
    for (step, signs) in walk(case, &stack, 0).iter().zip(signs.chunks(states)) {
        if step.start {
            (v, omega, gamma) = (zeros(), zeros(), zeros());
            e.fill(0.0);
        }
        let xi = DVector::from_iterator(states, signs.iter().map(|&s| if s { 1.0 } else { -1.0 }));
        e = DMatrix::from_diagonal(&kappa) * e + &step.immediate;
        v = &step.dynamics * v + &xi;
        gamma = &omega + kappa.component_mul(&gamma);
        omega = kappa.component_mul(&omega) + xi;
        let error = &v - &beta * &omega;
        if gamma.norm_squared() > 0.0 {
            let back = (beta.transpose() * &error).component_mul(&gamma);
            kappa = (kappa + config.rate / gamma.norm_squared() * back).map(|k| k.clamp(0.0, 1.0));
        }
        beta += config.rate / omega.norm_squared() * error * omega.transpose();
        gradient += e.transpose() * (beta.transpose() * &step.delta);
    }
    gradient.as_slice().to_vec()
}

fn kernl(case: &Case, config: &KernlConfig, signs: &[bool]) -> Vec<f64> {
    let stack = case.stack::<f64>();
    let (data, mut weights) = (case.data(stack.hidden().len()), case.weights(&stack));
    let signs = Signs::listed(signs.to_vec());
    let mut estimator = Kernl::new(stack, 1, case.window, config.clone(), signs).unwrap();
    gradients(case, &mut estimator, &mut weights, &data, |_, _| {})
}

#[test]
fn kernl_is_traces_along_a_learned_kernel() {
    for case in single_layers(1) {
        let signs: Vec<bool> =
            (0..14 * case.stack::<f64>().states()).map(|i| (i * i + i / 3) % 5 < 2).collect();
        let what = format!("KeRNL on {:?}", case.layers);
        let config = KernlConfig { decay: 0.6, rate: 0.4, seed: 0 };
        let found = kernl(&case, &config, &signs);
        assert_equal(&what, &found, &kernl_by_hand(&case, &config, &signs), ROUNDING);
        let other: Vec<bool> = signs.iter().map(|sign| !sign).chain([true]).skip(1).collect();
        assert!(deviation(&found, &kernl(&case, &config, &other)) > 1e-4, "{what}: the kernel matters");
    }
    // Without learning it is RFLO, in nets of several layers too.
    let layers = vec![CellConfig::GruResetBefore(Size::sparse(4, 0.4)), CellConfig::Lstm(Size::dense(2))];
    let case = with_resets(layers, Inputs::Dense(2));
    let config = KernlConfig { decay: 0.7, rate: 0.0, seed: 5 };
    let rflo = gradient_of(&case, &RfloConfig { leak: 0.7 }.into());
    assert_equal("KeRNL that does not learn", &gradient_of(&case, &config.into()), &rflo, ROUNDING);
}

#[test]
fn kernl_finds_the_rate_of_leaky_integrators() {
    let steps = 3000;
    let case = Case { window: 1, ..case(vec![], Inputs::Dense(2), 1, steps) };
    let stack = Arc::new(Stack::new(vec![Box::new(Leaky::new(2, 3)) as Box<dyn Cell<f64>>]).unwrap());
    let data = case.data(3);
    let gradient = |config: EstimatorConfig| {
        let mut weights: Vec<f64> = (0..stack.weights_len()).map(|i| 0.1 * i as f64 - 0.4).collect();
        let mut estimator = config.build(stack.clone(), 1, 1).unwrap();
        let (early, late) = data.split_at(steps / 2);
        gradients(&case, &mut *estimator, &mut weights, early, |_, _| {});
        gradients(&case, &mut *estimator, &mut weights, late, |_, _| {})
    };
    let exact = gradient(rtrl());
    let of = |rate| deviation(&gradient(KernlConfig { decay: 0.5, rate, seed: 1 }.into()), &exact);
    let [fixed, learned] = [0.0, 0.02].map(of);
    println!("fixed {fixed}, learned {learned}");
    // The kernel can represent this net exactly, and then its error, and with it all noise, vanishes.
    assert!(fixed > 0.3, "{fixed}");
    assert!(learned < 0.01, "{learned}");
}

/// SnAp in a pattern that is chosen by magnitude, written out, for a net of one layer and one lane: the gradient, and
/// the pattern in the end.
fn top_k_by_hand(case: &Case, config: &SnapTopKConfig) -> (Vec<f64>, DMatrix<bool>) {
    let stack = case.stack::<f64>();
    let (d, immediate) = oracle::patterns(case, &stack);
    let pattern = stack.linear().pattern();
    let (rows, states) = (pattern.rows(), stack.states());
    // Row r reaches state i at once.
    let first = DMatrix::from_fn(states, rows, |i, r| pattern.entries(r).any(|w| immediate[(i, w)]));
    let mut kept = first.clone();
    let mut reached = first.clone();
    for _ in 0..states {
        let next = DMatrix::from_fn(states, rows, |i, r| {
            reached[(i, r)] || (0..states).any(|k| d[(i, k)] && reached[(k, r)])
        });
        for r in 0..rows {
            let full = first.column(r).iter().filter(|&&kept| kept).count() + config.extra;
            for i in 0..states {
                let free = kept.column(r).iter().filter(|&&kept| kept).count() < full;
                kept[(i, r)] |= free && next[(i, r)];
            }
        }
        reached = next;
    }
    let mut j = DMatrix::<f64>::zeros(states, stack.weights_len());
    let mut gradient = DVector::zeros(stack.weights_len());
    let mut since = 0;
    let row_of = |w: usize| (0..rows).find(|&r| pattern.entries(r).contains(&w)).unwrap();
    for window in walk(case, &stack, 0).chunks(case.window) {
        for step in window {
            let full = &step.immediate + &step.dynamics * &j;
            j = DMatrix::from_fn(
                states,
                full.ncols(),
                |i, w| if kept[(i, row_of(w))] { full[(i, w)] } else { 0.0 },
            );
            gradient += j.transpose() * &step.delta;
        }
        since += window.len() as u64;
        if since < config.every {
            continue;
        }
        since = 0;
        let last = &window[window.len() - 1].dynamics;
        for r in 0..rows {
            let norm: Vec<f64> =
                (0..states).map(|i| pattern.entries(r).map(|w| j[(i, w)].abs()).sum::<f64>()).collect();
            let old: Vec<bool> = kept.column(r).iter().copied().collect();
            let score = |i: usize| match old[i] {
                true => norm[i],
                false => (0..states).filter(|&k| old[k]).map(|k| last[(i, k)].abs() * norm[k]).sum(),
            };
            let near = |i: usize| old[i] || (0..states).any(|k| old[k] && d[(i, k)]);
            let mut others: Vec<usize> = (0..states).filter(|&i| near(i) && !first[(i, r)]).collect();
            others.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
            for i in 0..states {
                kept[(i, r)] = first[(i, r)] || others[..config.extra.min(others.len())].contains(&i);
            }
        }
        j = DMatrix::from_fn(states, j.ncols(), |i, w| if kept[(i, row_of(w))] { j[(i, w)] } else { 0.0 });
    }
    (gradient.as_slice().to_vec(), kept)
}

#[test]
fn top_k_is_snap_in_the_pattern_of_the_greatest_magnitudes() {
    let mut moved = 0;
    for case in single_layers(1) {
        let stack = case.stack::<f64>();
        let (data, mut weights) = (case.data(stack.hidden().len()), case.weights(&stack));
        let config = SnapTopKConfig { extra: 1, every: 3 };
        let mut estimator = SnapTopK::new(stack.clone(), 1, case.window, config.clone()).unwrap();
        let before = estimator.reaches();
        let found = gradients(&case, &mut estimator, &mut weights, &data, |_, _| {});
        let (expected, kept) = top_k_by_hand(&case, &config);
        assert_equal(&format!("top-k on {:?}", case.layers), &found, &expected, ROUNDING);
        let reaches = estimator.reaches();
        for (r, reach) in reaches.iter().enumerate() {
            let kept: Vec<u32> = (0..stack.states() as u32).filter(|&i| kept[(i as usize, r)]).collect();
            assert_eq!(reach, &kept, "row {r} of {:?}", case.layers);
        }
        moved += reaches.iter().zip(&before).filter(|(now, before)| now != before).count();
    }
    assert!(moved > 5, "the choice must differ from the nearest states: {moved} rows");
}

#[test]
fn top_k_spans_snap_1_to_rtrl_layer_by_layer() {
    let size = Size::sparse(5, 0.3);
    let case = case(
        vec![CellConfig::GruResetBefore(size), CellConfig::Lstm(Size::dense(3))],
        Inputs::Dense(2),
        3,
        9,
    );
    let top = |extra| gradient_of(&case, &SnapTopKConfig { extra, every: 3 }.into());
    let snap = |order| {
        gradient_of(&case, &SnapConfig { order, scope: Some(Scope::Layer), ..Default::default() }.into())
    };
    assert_equal("no further state", &top(0), &snap(1), ROUNDING);
    assert_equal("all states", &top(99), &snap(99), ROUNDING);
    assert!(deviation(&top(1), &snap(1)) > 1e-4 && deviation(&top(1), &snap(99)) > 1e-4);
}

#[test]
fn a_chosen_pattern_is_saved_and_survives_a_change_of_masks() {
    use rtrl_checkpoint::{Persist, from_bytes, to_bytes};
    let case = Case { window: 2, ..case(vec![CellConfig::Gru(Size::dense(5))], Inputs::Dense(2), 1, 12) };
    let stack = case.stack::<f64>();
    let (data, mut weights) = (case.data(5), case.weights(&stack));
    let build = || SnapTopK::new(stack.clone(), 1, 2, SnapTopKConfig { extra: 1, every: 4 }).unwrap();
    let (mut one, mut restored) = (build(), build());
    gradients(&case, &mut one, &mut weights, &data[..6], |_, _| {});
    assert_ne!(one.reaches(), restored.reaches(), "a choice was made");
    let saved = to_bytes(|archive| one.persist(archive)).unwrap();
    // Into the middle of a window.
    restored.step(&weights, case.input(&data[0]), &data[0].starts);
    from_bytes(&saved, |archive| restored.persist(archive)).unwrap();
    let same: Vec<_> = (0..weights.len() as u32).map(Some).collect();
    restored.relay(stack, &same);
    assert_eq!(one.reaches(), restored.reaches());
    let mut rest =
        |estimator: &mut SnapTopK<f64>| gradients(&case, estimator, &mut weights, &data[6..], |_, _| {});
    assert_eq!(rest(&mut one), rest(&mut restored));
    // The pattern of a larger net is refused.
    let small = Case { layers: vec![CellConfig::Gru(Size::dense(4))], ..case }.stack::<f64>();
    let mut other = SnapTopK::new(small, 1, 2, SnapTopKConfig { extra: 1, every: 4 }).unwrap();
    let error = from_bytes(&saved, |archive| other.persist(archive)).unwrap_err().to_string();
    assert!(error.contains("section `pattern`"), "{error}");
}

const UORO_BY_ROW: Stochastic = Stochastic {
    name: "UORO, signs at the preactivations",
    signs: |stack| stack.linear().pattern().rows(),
    exact: 0,
    make: |stack, signs| Box::new(Uoro::with_noise(stack, 1, 2, signs, UoroNoise::Preactivations)),
};

#[test]
fn uoro_with_signs_at_the_preactivations_is_unbiased() {
    let (one, two) = (Size::dense(1), Size::dense(2));
    // At most 2^9 patterns of signs.
    for (layers, steps) in [
        (vec![CellConfig::Vanilla(two)], 4),
        (vec![CellConfig::Gru(one)], 2),
        (vec![CellConfig::Lstm(one)], 2),
        (vec![CellConfig::Leaky(Size { leak: Some(0.5), ..two }), CellConfig::Vanilla(one)], 3),
    ] {
        for inputs in [Inputs::Dense(2), Inputs::Symbols(3)] {
            let case = case(layers.clone(), inputs, 1, steps);
            let kept = oracle::kept(&case, &case.stack(), Order::All, Scope::Stack);
            let exact = dense_recursion(&case, Approximation::of(&kept));
            let (mean, _) = over_all_signs(&case, &UORO_BY_ROW, None);
            // Up to 2^9 runs, each exact to rounding.
            assert_equal(&format!("UORO by row on {layers:?}"), &mean, &exact, 1e-10);
            let biased = deviation(&over_all_signs(&case, &UORO_BY_ROW, Some(true)).0, &exact);
            assert!(biased > 1e-5, "fixed signs must be caught on {layers:?}: {biased:e}");
        }
    }
}

/// A vanilla net has a row for each state, and the signs at the rows have less variance. A gated cell has several, and there
/// they have more. These are means over nets, as for the other estimators.
#[test]
fn signs_at_the_preactivations_have_less_variance_on_vanilla_nets_alone() {
    for (cell, steps, less) in
        [(CellConfig::Vanilla(Size::dense(2)), 4, true), (CellConfig::Gru(Size::dense(1)), 2, false)]
    {
        let variance = |estimator: &Stochastic| -> f64 {
            let of_net = |seed| {
                let case = Case { seed, ..case(vec![cell], Inputs::Dense(3), 1, steps) };
                over_all_signs(&case, estimator, None).1
            };
            (0..16).map(of_net).sum::<f64>() / 16.0
        };
        let [states, rows] = [&UORO, &UORO_BY_ROW].map(variance);
        println!("{cell:?}: {states} at the states, {rows} at the preactivations");
        assert_eq!(rows < states, less, "{cell:?}: {rows} and {states}");
    }
}

/// The second of two windows under every direction, after a first window that has left a baseline.
#[test]
fn a_baseline_leaves_the_mean_of_the_forward_gradient() {
    let case = Case { window: 2, ..case(vec![CellConfig::Vanilla(Size::dense(2))], Inputs::Dense(2), 1, 4) };
    let stack = case.stack::<f64>();
    let (data, weights, n) = (case.data(2), case.weights(&stack), stack.weights_len());
    let first: Vec<bool> = (0..n).map(|i| i % 3 == 0).collect();
    let second = |direction: &[bool], rate: f64| {
        let list = [&first[..], direction].concat();
        let estimator = ForwardGradient::new(stack.clone(), 1, 2, Signs::listed(list));
        let mut estimator = estimator.with_baseline(rate);
        crate::support::window(&case, &mut estimator, &weights, &data[..2]);
        crate::support::window(&case, &mut estimator, &weights, &data[2..])
    };
    let mut bptt = EstimatorConfig::from(BpttConfig {}).build(stack.clone(), 1, 2).unwrap();
    crate::support::window(&case, &mut *bptt, &weights, &data[..2]);
    let exact = crate::support::window(&case, &mut *bptt, &weights, &data[2..]);
    let mut mean = vec![0.0; n];
    let mut differs = false;
    for pattern in 0..1_u32 << n {
        let direction: Vec<bool> = (0..n).map(|bit| pattern >> bit & 1 == 1).collect();
        let found = second(&direction, 0.8);
        differs |= deviation(&found, &second(&direction, 0.0)) > 1e-3;
        mean.iter_mut().zip(&found).for_each(|(m, g)| *m += g / f64::from(1_u32 << n));
    }
    assert_equal("forward gradient with a baseline", &mean, &exact, 1e-10);
    assert!(differs, "the baseline matters");
}

#[test]
fn a_baseline_takes_the_variance_of_a_gradient_that_does_not_change() {
    let case = Case { window: 4, ..case(vec![CellConfig::Vanilla(Size::dense(3))], Inputs::Dense(2), 2, 4) };
    let stack = case.stack::<f64>();
    let (data, weights) = (case.data(3), case.weights(&stack));
    let mut bptt = EstimatorConfig::from(BpttConfig {}).build(stack.clone(), 2, 4).unwrap();
    let exact = crate::support::window(&case, &mut *bptt, &weights, &data);
    // The mean error of the last of 400 windows, all with the same gradient: (1 - 1/n)^400 of it is left.
    let error = |rate: f64| {
        let estimator = ForwardGradient::new(stack.clone(), 2, 4, Signs::random(3, 0..1));
        let mut estimator = estimator.with_baseline(rate);
        let errors = (0..400)
            .map(|_| deviation(&crate::support::window(&case, &mut estimator, &weights, &data), &exact));
        errors.skip(390).sum::<f64>() / 10.0
    };
    let [without, with] = [0.0, 1.0].map(error);
    println!("error {without} without, {with} with a baseline");
    assert!(without > 0.5 && with < 1e-3, "{without}, {with}");
}

/// e-prop on the cell that it was made for, as its paper writes it: the traces ε of voltage and threshold, and the
/// eligibility e = ψ (ε_v - β ε_a).
#[test]
fn eprop_on_adaptive_units_is_the_recursion_of_its_paper() {
    let (units, inputs, alpha) = (3, 2, 0.8);
    let (rho, beta) = ((-1.0_f64 / 200.0).exp(), 0.17);
    let size = Size { leak: Some(alpha), ..Size::dense(units) };
    let case = case(vec![CellConfig::Alif(size)], Inputs::Dense(inputs), 1, 40);
    let stack = case.stack::<f64>();
    let data = case.data(units);
    let n = inputs + 1 + units;
    // Large biases, so that the units spike.
    let mut weights = case.weights(&stack);
    (0..units).for_each(|j| weights[j * n + inputs] += 0.5);
    let (mut z, mut v, mut a) = (vec![0.0; units], vec![0.0; units], vec![0.0; units]);
    let (mut by_v, mut by_a, mut eligible) =
        (vec![0.0; units * n], vec![0.0; units * n], vec![0.0; units * n]);
    let (mut expected, mut spikes) = (vec![0.0; units * n], 0);
    for datum in &data {
        let x: Vec<f64> = datum.dense.iter().copied().chain([1.0]).chain(z.iter().copied()).collect();
        for j in 0..units {
            let current: f64 = (0..n).map(|i| weights[j * n + i] * x[i]).sum();
            v[j] = alpha * v[j] + current - z[j];
            a[j] = rho * a[j] + z[j];
            let over = v[j] - 1.0 - beta * a[j];
            z[j] = f64::from(u8::from(over > 0.0));
            spikes += usize::from(over > 0.0);
            let psi = 0.3 * (1.0 - over.abs()).max(0.0);
            for i in 0..n {
                let at = j * n + i;
                // ε_a by ψ of the step before, which is in the eligibility of that step.
                by_a[at] = rho * by_a[at] + eligible[at];
                by_v[at] = alpha * by_v[at] + x[i];
                eligible[at] = psi * (by_v[at] - beta * by_a[at]);
                expected[at] += (datum.c[j] + z[j]) * eligible[at];
            }
        }
    }
    assert!((10..100).contains(&spikes), "{spikes} spikes of {}", 40 * units);
    let gradient = |config: EstimatorConfig| {
        let mut estimator = config.build(stack.clone(), 1, case.window).unwrap();
        gradients(&case, &mut *estimator, &mut weights.clone(), &data, |_, _| {})
    };
    assert_equal("e-prop", &gradient(EpropConfig {}.into()), &expected, ROUNDING);
    for (name, other) in [("SnAp-1", SnapConfig::new(1).into()), ("RTRL", rtrl())] {
        assert!(deviation(&gradient(other), &expected) > 1e-3, "{name} is another gradient");
    }
}
