//! Initial weights.

use std::f64::consts::TAU;

use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::{CellError, MaskRows, Role, Stack, Structure};

/// How initial weights are drawn. By default they are [`uniform`]; every setting replaces some of them.
///
/// Uniform weights are drawn first, whatever the settings. The weights that a setting does not name are
/// therefore those of the default configuration with the same seed. A layer to which a setting does not apply
/// keeps its uniform weights, such as an embedding below a GRU; a setting that applies to no layer is an
/// error.
///
/// ```
/// use rtrl_cells::rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};
/// use rtrl_cells::{CellConfig, Inputs, Size, Stack, init::InitConfig};
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
/// let cell = CellConfig::Lstm(Size::dense(32)).build(Inputs::Dense(4), &mut rng)?;
/// let net = Stack::<f32>::new(vec![cell])?;
/// let init = InitConfig { forget_bias: Some(1.0), ..InitConfig::default() };
/// let weights = init.weights(&net, &mut rng)?;
/// let (forget, one) = (32, 4); // the first row of f, and the constant 1 after the inputs
/// assert_eq!(net.weight(0, forget, one).map(|bias| weights[bias]), Some(1.0));
/// # Ok::<(), rtrl_cells::CellError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InitConfig {
    /// How recurrent weights are drawn.
    #[serde(skip_serializing_if = "RecurrentInit::is_uniform")]
    pub recurrent: RecurrentInit,
    /// Factor on orthogonal recurrent weights, above 0 and at most 1000000; without it 1. Refused for uniform
    /// ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// The bias of the gate that keeps the state: f of the LSTM and of the quasi-LSTM, z of the GRUs. The
    /// state is kept longer with a larger bias, usually 1 or 2. In a cell that has a gate to write but none to
    /// keep, such as the minimal gated unit, the bias of the former becomes the negative of this. Refused
    /// together with `chrono`.
    ///
    /// Reference: Jozefowicz et al., "An empirical exploration of recurrent network architectures" (2015).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forget_bias: Option<f64>,
    /// T, the number of steps over which the longest dependencies extend, at least 2. For each unit, the bias
    /// of the gate that keeps the state is b = ln(t) with t uniform on [1, T - 1], so that the unit forgets
    /// within 1 + t steps; the bias of the gate that writes, i of the LSTM, is -b. Refused together with
    /// `forget_bias`.
    ///
    /// Reference: Tallec & Ollivier, "Can recurrent neural networks warp time?", arXiv:1804.11188.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chrono: Option<f64>,
}

/// How recurrent weights are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecurrentInit {
    /// As all other weights, see [`uniform`].
    #[default]
    Uniform,
    /// The recurrent matrix of each gate, units × units, is orthogonal: Q of the QR decomposition of a
    /// Gaussian matrix, with a positive diagonal of R, so that all orthogonal matrices are equally likely. In
    /// a sparse matrix the weights that exist are those of Q, divided by the root of the share of weights
    /// that exist, so that the mean square of the rows stays what it was; the sparse matrix itself is not
    /// orthogonal.
    ///
    /// Layers without a recurrent matrix, and those of more than one unit whose recurrent weights all lie on
    /// the diagonal, such as the quasi-LSTM, keep their uniform weights. For k units the decomposition takes
    /// memory for k² numbers and a time of order k³, also for sparse matrices.
    ///
    /// Reference: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    /// networks", arXiv:1312.6120; for the sign, Mezzadri, arXiv:math-ph/0609050.
    Orthogonal,
}

impl RecurrentInit {
    fn is_uniform(&self) -> bool {
        *self == Self::Uniform
    }
}

impl InitConfig {
    /// Checks all that can be checked without a net.
    ///
    /// # Errors
    /// If a setting is out of range, or has no meaning beside the others.
    pub fn validate(&self) -> Result<(), CellError> {
        // Rounded to `f32` a setting must still be what it says.
        let finite = |x: f64| (x as f32).is_finite();
        let check = |what, value: Option<f64>, allowed, is_allowed: &dyn Fn(f64) -> bool| match value {
            Some(x) if !is_allowed(x) => Err(CellError::Init { what, allowed, found: x.to_string() }),
            _ => Ok(()),
        };
        check("gain", self.gain, "above 0 and at most 1000000", &|x| x as f32 > 0.0 && x <= 1e6)?;
        check("forget_bias", self.forget_bias, "a finite number", &finite)?;
        check("chrono", self.chrono, "a finite number of steps, at least 2", &|x| x >= 2.0 && finite(x))?;
        if self.gain.is_some() && self.recurrent.is_uniform() {
            return Err(CellError::UniformGain);
        }
        if self.forget_bias.is_some() && self.chrono.is_some() {
            return Err(CellError::TwoBiases);
        }
        Ok(())
    }

    /// Initial weights of all layers, in the order of [`Stack::linear`]. By default these are the weights of
    /// [`uniform`], and `rng` moves on as far as there.
    ///
    /// Values are computed in `f64` and rounded, so that `f32` and `f64` nets of one seed agree.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); if a setting applies to no layer of the net; if recurrent weights are to
    /// be orthogonal and those of a gate are not a matrix of units × units.
    pub fn weights<T: Scalar>(
        &self,
        stack: &Stack<T>,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Vec<T>, CellError> {
        self.validate()?;
        let mut weights = uniform(stack, rng);
        if self.recurrent == RecurrentInit::Orthogonal {
            make_orthogonal(stack, self.gain.unwrap_or(1.0), &mut weights, rng)?;
        }
        if let Some(bias) = self.forget_bias {
            set_biases(stack, "forget_bias", false, &mut weights, || bias)?;
        }
        if let Some(steps) = self.chrono {
            let bias = || (1.0 + (steps - 2.0) * rng.random::<f64>()).ln();
            set_biases(stack, "chrono", true, &mut weights, bias)?;
        }
        Ok(weights)
    }
}

/// Sets the bias of each unit's gate that keeps, to a value of `keep` for each unit. The bias of the gate
/// that writes becomes the negative: if `both`, always, otherwise in a layer without a gate that keeps.
fn set_biases<T: Scalar>(
    stack: &Stack<T>,
    setting: &'static str,
    both: bool,
    weights: &mut [T],
    mut keep: impl FnMut() -> f64,
) -> Result<(), CellError> {
    let mut applies = false;
    for (depth, layer) in stack.layers.iter().enumerate() {
        let structure = layer.structure();
        let gates = &structure.masked;
        let keeps = gates.iter().any(|gate| gate.role == Role::Keep);
        let sign = |role| match role {
            Role::Keep => Some(1.0),
            Role::Write if both || !keeps => Some(-1.0),
            Role::Write | Role::Other => None,
        };
        let biased: Vec<_> = gates.iter().filter_map(|gate| Some((gate, sign(gate.role)?))).collect();
        let Some((first, _)) = biased.first() else { continue };
        applies = true;
        for unit in 0..first.units {
            let kept = keep();
            for (gate, sign) in &biased {
                let bias = stack.weight(depth, gate.input + unit, structure.one());
                weights[bias.expect("a validated gate has biases")] = T::from_f64(sign * kept);
            }
        }
    }
    if applies { Ok(()) } else { Err(CellError::NoMemory { what: setting }) }
}

/// Replaces recurrent weights by those of orthogonal matrices times `gain`, a new matrix for each gate.
fn make_orthogonal<T: Scalar>(
    stack: &Stack<T>,
    gain: f64,
    weights: &mut [T],
    rng: &mut Xoshiro256PlusPlus,
) -> Result<(), CellError> {
    let mut applies = false;
    for (depth, layer) in stack.layers.iter().enumerate() {
        let structure = layer.structure();
        let mut matrices = Vec::new();
        for (gate, rows) in structure.masked.iter().enumerate() {
            let entries = recurrent_matrix(structure, rows);
            matrices.push((rows.units, entries.ok_or(CellError::NotSquare { layer: depth, gate })?));
        }
        matrices.retain(|(_, entries)| !entries.is_empty());
        let diagonal = |(units, entries): &(usize, Vec<Entry>)| {
            *units > 1 && entries.iter().all(|entry| entry.unit == entry.column)
        };
        if matrices.iter().all(diagonal) {
            continue;
        }
        applies = true;
        for (units, entries) in matrices {
            let q = orthogonal(units, rng);
            let density = entries.len() as f64 / (units * units) as f64;
            let scale = gain / density.sqrt();
            for Entry { weight, unit, column } in entries {
                weights[layer.weights.start + weight] = T::from_f64(scale * q[(unit, column)]);
            }
        }
    }
    if applies { Ok(()) } else { Err(CellError::NoMatrix) }
}

/// A recurrent weight: its index among the weights of its cell, and its place in the matrix of its gate.
struct Entry {
    weight: usize,
    unit: usize,
    column: usize,
}

/// The recurrent weights of a gate. `None` if its rows read more than one block of as many recurrent sources
/// as there are units, so that these weights are no square matrix.
fn recurrent_matrix(structure: &Structure, rows: &MaskRows) -> Option<Vec<Entry>> {
    let first = structure.one() + 1;
    let mut entries = Vec::new();
    let mut block = None;
    for unit in 0..rows.units {
        let row = rows.recurrent + unit;
        for (weight, &source) in structure.weights.entries(row).zip(structure.weights.row(row)) {
            let Some(source) = (source as usize).checked_sub(first) else { continue };
            if *block.get_or_insert(source / rows.units) != source / rows.units {
                return None;
            }
            entries.push(Entry { weight, unit, column: source % rows.units });
        }
    }
    Some(entries)
}

/// A random orthogonal matrix of this size, all equally likely.
fn orthogonal(size: usize, rng: &mut Xoshiro256PlusPlus) -> DMatrix<f64> {
    // The Q of nalgebra belongs to an R with a positive diagonal.
    gaussian(size, rng).qr().q()
}

/// A square matrix of standard normal numbers, column after column.
fn gaussian(size: usize, rng: &mut Xoshiro256PlusPlus) -> DMatrix<f64> {
    let mut numbers = Vec::with_capacity(size * size + 1);
    while numbers.len() < size * size {
        numbers.extend(normal_pair(rng));
    }
    numbers.truncate(size * size);
    DMatrix::from_vec(size, size, numbers)
}

/// Two independent standard normal numbers (Box & Muller 1958).
pub fn normal_pair(rng: &mut Xoshiro256PlusPlus) -> [f64; 2] {
    // The logarithm of a number in (0, 1].
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
    [radius * cos, radius * sin]
}

/// Random initial weights of all layers, in the order of [`Stack::linear`]. The weights of a row, with its
/// bias, are uniform on ±1/√n, where n is the number of the row's recurrent weights. For a row without
/// recurrent weights, n is the number of hidden states of its layer. In a dense cell n is `units`, as in
/// PyTorch by default. Then each cell replaces those of its weights that it draws otherwise, see
/// [`Cell::initialize`](crate::Cell::initialize).
///
/// Values are drawn in `f64` and rounded, so that `f32` and `f64` nets of one seed agree.
pub fn uniform<T: Scalar>(stack: &Stack<T>, rng: &mut Xoshiro256PlusPlus) -> Vec<T> {
    let pattern = stack.linear().pattern();
    let mut weights = Vec::with_capacity(pattern.nnz());
    for layer in &stack.layers {
        let one = layer.structure().one() as u32;
        for (own, r) in layer.rows.clone().enumerate() {
            let recurrent = layer.structure().weights.row(own).iter().filter(|&&c| c > one).count();
            let fan_in = if recurrent > 0 { recurrent } else { layer.hidden.len() };
            let bound = 1.0 / (fan_in as f64).sqrt();
            let row = pattern.row(r).iter();
            weights.extend(row.map(|_| T::from_f64(bound * (2.0 * rng.random::<f64>() - 1.0))));
        }
        layer.initialize(&mut weights[layer.weights.clone()], rng);
    }
    weights
}

/// A number from `0..n`, all equally likely, by one draw: the high half of a 64 × 64-bit product (Lemire 2019),
/// without his rejection step. `n` must not be zero.
///
/// The ranges of `rand` are not used, since their values may change between versions. The deviation from
/// uniform is below n / 2⁶⁴.
pub fn below(rng: &mut Xoshiro256PlusPlus, n: u64) -> u64 {
    debug_assert!(n > 0, "nothing to choose from");
    ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn below_is_in_range_and_reaches_all_of_it_evenly() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut counts = [0_u32; 5];
        (0..5000).for_each(|_| counts[below(&mut rng, 5) as usize] += 1);
        // 1000 ± 28 each; five standard deviations.
        assert!(counts.iter().all(|count| (860..1140).contains(count)), "{counts:?}");
        assert_eq!(below(&mut rng, 1), 0);
        assert!(below(&mut rng, u64::MAX) < u64::MAX);
    }

    /// What is given to the QR decomposition, and what makes Q unique: R = QᵀA is upper triangular with a
    /// positive diagonal.
    #[test]
    fn an_orthogonal_matrix_is_q_of_a_gaussian_matrix() {
        for size in [1, 2, 3, 33] {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(size as u64);
            let a = gaussian(size, &mut rng.clone());
            let r = orthogonal(size, &mut rng).transpose() * a;
            for (row, column) in (0..size).flat_map(|row| (0..size).map(move |column| (row, column))) {
                match row.cmp(&column) {
                    Ordering::Greater => assert!(r[(row, column)].abs() < 1e-12, "{size}: {r}"),
                    Ordering::Equal => assert!(r[(row, column)] > 0.0, "{size}: {r}"),
                    Ordering::Less => {}
                }
            }
        }
    }

    /// Moments of 40000 numbers, within five standard deviations: those of the mean of x, x², x⁴ and of the
    /// product of neighbors are 1, √2, √96 and 1 by √n.
    #[test]
    fn gaussian_numbers_are_normal() {
        let numbers = gaussian(200, &mut Xoshiro256PlusPlus::seed_from_u64(3));
        let n = numbers.len() as f64;
        let mean = |power: i32| numbers.iter().map(|x| x.powi(power)).sum::<f64>() / n;
        let neighbors = numbers.as_slice().windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / n;
        for (found, expected, deviation) in [
            (mean(1), 0.0, 1.0),
            (mean(2), 1.0, 2_f64.sqrt()),
            (mean(4), 3.0, 96_f64.sqrt()),
            (neighbors, 0.0, 1.0),
        ] {
            assert!((found - expected).abs() < 5.0 * deviation / n.sqrt(), "{found} for {expected}");
        }
    }
}
