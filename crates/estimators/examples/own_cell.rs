//! A cell of one's own, checked: the minimal gated unit, `f = σ(W_f x + U_f h + b_f)`, `n = tanh(W_n x + b_n + U_n (f ∘ h))`,
//! `h' = (1 - f) ∘ h + f ∘ n` (Zhou et al., arXiv:1603.09420). Its forget rows reach other units at once, through n.

use rtrl_cells::{Cell, CellStep, Inputs, Recurrent, Structure};
use rtrl_estimators::testing::{check_cell, check_lanes};
use rtrl_sparse::{Pattern, Scalar};

struct Minimal {
    structure: Structure,
    units: usize,
}

impl Minimal {
    fn new(inputs: usize, units: usize) -> Self {
        // Sources: inputs, 1, h, f ∘ h. Rows: f, then n; everything dense.
        let (first, all) = (inputs + 1, inputs + 1 + 2 * units);
        let forget = (0..first + units).map(|c| c as u32);
        let candidate = (0..first).chain(first + units..all).map(|c| c as u32);
        let rows = (0..units).map(|_| forget.clone().collect::<Vec<_>>());
        let rows = rows.chain((0..units).map(|_| candidate.clone().collect()));
        // f of one unit reaches all units, n its own.
        let reached = (0..units).map(|_| (0..units as u32).collect::<Vec<_>>());
        let own = (0..units as u32).map(|unit| vec![unit]);
        let structure = Structure {
            inputs: Inputs::Dense(inputs),
            states: units,
            hidden: 0..units,
            recurrent: (0..units as u32)
                .map(Recurrent::State)
                .chain((0..units as u32).map(Recurrent::Scaled))
                .collect(),
            weights: Pattern::from_rows(all, rows).expect("increasing columns"),
            row_jacobian: Pattern::from_rows(units, reached.chain(own)).expect("increasing columns"),
            direct: Pattern::identity(units),
            masked: Vec::new(),
        };
        Self { structure, units }
    }
}

impl<T: Scalar> Cell<T> for Minimal {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        let (units, lanes) = (self.units, step.previous.lanes());
        let n = units * lanes;
        step.preactivate(0..units);
        for (scale, &z) in step.scales.values().iter_mut().zip(&step.rows.values()[..n]) {
            *scale = z.sigmoid();
        }
        step.rescale(); // f ∘ h into the sources of n
        step.preactivate(units..2 * units);
        let candidate = |e: usize, rows: &[T]| rows[n + e].tanh();
        for e in 0..n {
            let (f, h) = (step.scales.values()[e], step.previous.values()[e]);
            let c = candidate(e, step.rows.values());
            step.next.values()[e] = h + f * (c - h);
            step.direct.values()[e] = T::ONE - f;
            step.row_jacobian.values()[units * n + e] = f * (T::ONE - c * c);
        }
        // dh'_i/dz_f[j]: through the mixing for i = j, and through n_i, which reads f_j h_j.
        for j in 0..units {
            for i in 0..units {
                let weight = self.structure.weights.find(units + i, self.source(j)).expect("dense");
                for lane in 0..lanes {
                    let (own, other) = (j * lanes + lane, i * lanes + lane);
                    let (f, h) = (step.scales.values()[own], step.previous.values()[own]);
                    let slope = f * (T::ONE - f);
                    let through = step.row_jacobian.values()[units * n + other];
                    let mut g = through * step.weights[weight] * h * slope;
                    if i == j {
                        g += (candidate(own, step.rows.values()) - h) * slope;
                    }
                    step.row_jacobian.values()[(j * units + i) * lanes + lane] = g;
                }
            }
        }
    }
}

impl Minimal {
    /// The source f ∘ h of unit `j`.
    fn source(&self, j: usize) -> u32 {
        (self.structure.one() + 1 + self.units + j) as u32
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    check_cell(|| Box::new(Minimal::new(2, 3)), 1)?;
    check_lanes::<f32>(|| Box::new(Minimal::new(2, 3)), 1)?;
    println!("the minimal gated unit passes: patterns, Jacobians, BPTT = RTRL = saturated SnAp");
    Ok(())
}
