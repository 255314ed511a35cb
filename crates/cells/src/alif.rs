//! Spiking units whose threshold adapts.

use rtrl_sparse::{Pattern, Scalar};

use crate::{Cell, CellError, CellKind, CellStep, GateRows, Inputs, Masks, Size, Structure, Wiring};

/// Adaptive leaky integrate-and-fire units (ALIF) with a surrogate derivative:
///
/// ```text
/// v' = α v + W x + U z + b - z          the spike before resets v; the reset has no derivative
/// a' = ρ a + z
/// z' = 1 if e > 0, else 0               e = v' - 1 - β a'
/// ```
///
/// with a threshold of 1 that rises by β = 0.17 with each spike and falls again at the rate ρ = exp(-1/200), as
/// for 200 steps. α is [`Size::leak`], without it exp(-1/20), as for 20 steps. A step has no derivative; in
/// its place stands `ψ = 0.3 max(0, 1 - |e|)`, a surrogate, whose primitive [`smoothed`](Cell::smoothed) has in the place
/// of the step. Without a refractory time.
///
/// On this cell e-prop is the rule of the paper: SnAp-1 does not see the threshold, since a row reaches a one step
/// after v and z.
///
/// # Shapes
/// One mask. State `[z; v; a; ž]` of 4 k, k = `units`, with the spikes z hidden; ž is the spike once more, as a number
/// without a derivative, by which v is reset. k rows.
///
/// # Reference
/// Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons", Nature Communications
/// 11 (2020), equations 6 to 8 and Methods.
#[derive(Debug, Clone)]
pub struct Alif {
    structure: Structure,
    /// α.
    leak: f64,
    /// Whether the primitive of the surrogate stands in the place of the step.
    smooth: bool,
}

/// β: what a spike adds to the threshold.
const BUMP: f64 = 0.17;
/// The height of ψ.
const HEIGHT: f64 = 0.3;

impl Alif {
    /// A cell of `units` units whose voltage keeps the share `leak` of itself at a step.
    ///
    /// # Errors
    /// If the masks do not fit, a size is zero, or the leak lies outside 0..1.
    ///
    /// # Panics
    /// Never: the patterns of a unit's states are sorted.
    pub fn new(inputs: Inputs, units: usize, masks: &Masks, leak: Option<f64>) -> Result<Self, CellError> {
        let leak = leak.unwrap_or((-1.0_f64 / 20.0).exp());
        if !(0.0..1.0).contains(&leak) {
            return Err(CellError::Leak { found: leak.to_string() });
        }
        let gated = Structure::gated(inputs, units, masks, &[GateRows::of(0)])?;
        let k = units as u32;
        let pattern =
            |rows: Vec<Vec<u32>>| Pattern::from_rows(4 * units, rows).expect("sorted states of a unit");
        let each = |states: fn(u32, u32) -> Vec<u32>| (0..k).map(move |unit| states(unit, k));
        let row_jacobian = pattern(each(|unit, k| vec![unit, k + unit]).collect());
        let direct = each(|unit, k| vec![unit, k + unit, 2 * k + unit, 3 * k + unit])
            .chain(each(|unit, k| vec![k + unit, 3 * k + unit]))
            .chain(each(|unit, k| vec![unit, 2 * k + unit]))
            .chain(each(|_, _| Vec::new()));
        let direct = pattern(direct.collect());
        let structure = Structure { states: 4 * units, row_jacobian, direct, ..gated };
        Ok(Self { structure, leak, smooth: false })
    }
}

impl CellKind for Alif {
    const WIRING: Wiring = Wiring::Gates(1);
    const LEAK: bool = true;

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units, masks, size.leak)?))
    }
}

/// 1 above zero and 0 below; NaN stays NaN.
fn spike<T: Scalar>(e: T) -> T {
    if e > T::ZERO {
        T::ONE
    } else if e <= T::ZERO {
        T::ZERO
    } else {
        e
    }
}

/// max(0, 1 - |e|); NaN stays NaN.
fn triangle<T: Scalar>(e: T) -> T {
    let height = T::ONE - if e < T::ZERO { -e } else { e };
    if height <= T::ZERO { T::ZERO } else { height }
}

/// The primitive of [`triangle`], which is 0 up to -1 and 1 from 1 on.
fn ramp<T: Scalar>(e: T) -> T {
    let (rest, half) = (triangle(e), T::from_f64(0.5));
    let below = half * (rest * rest);
    if e > T::ZERO { T::ONE - below } else { below }
}

impl<T: Scalar> Cell<T> for Alif {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn smoothed(&self) -> Option<Box<dyn Cell<T>>> {
        (!self.smooth).then(|| Box::new(Self { smooth: true, ..self.clone() }) as Box<dyn Cell<T>>)
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.rows());
        let CellStep { rows, previous, next, row_jacobian, direct, .. } = step;
        let lanes = previous.lanes();
        let n = self.structure.hidden.len() * lanes;
        let (rows, s, next) = (rows.values_mut(), previous.values(), next.values_mut());
        let (g, direct) = (row_jacobian.values_mut(), direct.values_mut());
        let [alpha, rho, beta, height] = [self.leak, (-1.0_f64 / 200.0).exp(), BUMP, HEIGHT].map(T::from_f64);
        for at in 0..n {
            let (z, v, a, reset) = (s[at], s[n + at], s[2 * n + at], s[3 * n + at]);
            let (v, a) = (alpha * v + rows[at] - reset, rho * a + z);
            let e = v - T::ONE - beta * a;
            let slope = height * triangle(e);
            next[at] = if self.smooth { height * ramp(e) } else { spike(e) };
            (next[n + at], next[2 * n + at], next[3 * n + at]) = (v, a, spike(e));
            // The entries of a unit follow each other, each with all lanes.
            let (unit, lane) = (at / lanes, at % lanes);
            let entry = |first: usize, of: usize, k: usize| first * lanes + (unit * of + k) * lanes + lane;
            let units = self.structure.hidden.len();
            (g[entry(0, 2, 0)], g[entry(0, 2, 1)]) = (slope, T::ONE);
            let by_threshold = slope * beta;
            direct[entry(0, 4, 0)] = -by_threshold;
            direct[entry(0, 4, 1)] = slope * alpha;
            direct[entry(0, 4, 2)] = -(by_threshold * rho);
            direct[entry(0, 4, 3)] = -slope;
            (direct[entry(4 * units, 2, 0)], direct[entry(4 * units, 2, 1)]) = (alpha, -T::ONE);
            (direct[entry(6 * units, 2, 0)], direct[entry(6 * units, 2, 1)]) = (T::ONE, rho);
        }
    }
}
