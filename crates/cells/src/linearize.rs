//! Values of `D_t` and `G_t` from the trace of a forward step.

use std::ops::Range;

use rtrl_sparse::{Lanes, LanesMut, Operand, Pattern, Product, Scalar};

use crate::trace::TraceSizes;
use crate::{Stack, Trace};

/// Computes the entries of `D = ds_t/ds_{t-1}` and of `G = ds_t/dz_t` that an estimator needs, for a whole
/// stack:
///
/// ```text
/// D = G° W_previous + direct + X D        G = G° + X G        X = G° W_below
/// ```
///
/// with G° the layers' own row Jacobians and X the coupling of a layer to the one below at the same step. Only needed
/// entries are computed: for SnAp-1 on a single layer that is the diagonal of D.
#[derive(Debug, Clone)]
pub struct Linearizer<T> {
    dynamics: Pattern,
    /// Pattern of Gᵀ, rows × states, and the place of each of its entries among the values of G, states × rows.
    row_jacobian: (Pattern, Vec<u32>),
    /// Entries of D that have a direct part: (entry of D, entry of the direct Jacobian).
    direct: Vec<(u32, u32)>,
    /// For each entry of G, the index of the same entry in the values of G°, if G° has it.
    own: Vec<Option<u32>>,
    previous: Product,
    scaled: Product,
    /// (weight, factor) of each weight with a scaled source, and memory for their products.
    scaled_weights: Vec<(u32, u32)>,
    scaled_values: Vec<T>,
    between: Product,
    between_values: Vec<T>,
    dynamics_cascade: Cascade,
    jacobian_cascade: Cascade,
    /// Expected numbers of lanes and weights, and sizes of a trace.
    sizes: (usize, usize, TraceSizes),
}

impl<T: Scalar> Linearizer<T> {
    /// Prepares to compute at least the entries of `dynamics` (states × states) and `row_jacobian` (rows × states, of
    /// Gᵀ), for `lanes` lanes.
    ///
    /// # Panics
    /// If the shapes are not those of the stack.
    pub fn new(stack: &Stack<T>, dynamics: &Pattern, row_jacobian: &Pattern, lanes: usize) -> Self {
        let dynamics = close(stack, &dynamics.intersection(stack.dynamics()), stack.dynamics());
        let all = stack.row_jacobian().transpose();
        let total = close(stack, &row_jacobian.transpose().intersection(&all), &all);

        let (own, own_places) = stack.own_jacobian().transpose_with_entries();
        let g = Operand::placed(&own, &own_places);
        let maps = &stack.sources;
        let scaled = Operand::plain(&maps.scaled.0);
        let direct = stack.own_direct().iter().enumerate();
        let mut direct: Vec<_> =
            direct.filter_map(|(from, (r, c))| Some((dynamics.find(r, c)? as u32, from as u32))).collect();
        direct.shrink_to_fit();
        let mut own_entries: Vec<_> =
            total.iter().map(|(s, r)| own.find(s, r).map(|e| own_places[e])).collect();
        own_entries.shrink_to_fit();
        // X is needed only if some needed entry links two layers.
        let across = |p: &Pattern| Cascade::new(stack, p);
        let (dynamics_cascade, jacobian_cascade) = (across(&dynamics), across(&total));
        let crosses = !(dynamics_cascade.is_empty() && jacobian_cascade.is_empty());
        let between =
            if crosses { stack.between.clone() } else { Pattern::empty(stack.states(), stack.states()) };
        Self {
            direct,
            own: own_entries,
            previous: Product::new(&dynamics, g, Operand::placed(&maps.previous.0, &maps.previous.1)),
            scaled: Product::new(&dynamics, g, scaled),
            scaled_weights: maps.scaled.1.iter().copied().zip(maps.scaled.2.iter().copied()).collect(),
            scaled_values: vec![T::ZERO; maps.scaled.0.nnz() * lanes],
            between: Product::new(&between, g, Operand::placed(&maps.below.0, &maps.below.1)),
            between_values: vec![T::ZERO; between.nnz() * lanes],
            dynamics_cascade,
            jacobian_cascade,
            row_jacobian: total.transpose_with_entries(),
            dynamics,
            sizes: (lanes, stack.weights_len(), stack.trace_sizes()),
        }
    }

    /// The pattern in which [`run`](Self::run) fills D, states × states: the entries that were asked for, and
    /// those of lower layers from which they are computed.
    pub fn dynamics(&self) -> &Pattern {
        &self.dynamics
    }

    /// The pattern of Gᵀ, rows × states, with the place of each entry in the array that [`run`](Self::run)
    /// fills.
    pub fn row_jacobian(&self) -> Operand<'_> {
        Operand::placed(&self.row_jacobian.0, &self.row_jacobian.1)
    }

    /// Multiplications of one call of [`run`](Self::run) for one lane.
    pub fn macs(&self) -> u64 {
        let products = [&self.previous, &self.scaled, &self.between];
        let products: u64 = products.iter().map(|p| p.macs()).sum();
        let scaled = self.scaled_weights.len() as u64;
        products + scaled + self.dynamics_cascade.macs() + self.jacobian_cascade.macs()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let products = [&self.previous, &self.scaled, &self.between];
        products.iter().map(|p| p.bytes()).sum::<usize>()
            + self.dynamics_cascade.bytes()
            + self.jacobian_cascade.bytes()
            + self.dynamics.bytes()
            + self.row_jacobian.0.bytes()
            + self.row_jacobian.1.capacity() * size_of::<u32>()
            + self.direct.capacity() * size_of::<(u32, u32)>()
            + self.own.capacity() * size_of::<Option<u32>>()
            + self.scaled_weights.capacity() * size_of::<(u32, u32)>()
            + (self.scaled_values.len() + self.between_values.len()) * size_of::<T>()
    }

    /// Overwrites `dynamics` and `row_jacobian`, both `[entries][lanes]`, with the values of D and G at the
    /// step of `trace`. In lanes that began a sequence with this step D is zero, since the state before it is
    /// forgotten.
    ///
    /// # Panics
    /// If `weights`, `trace` or an array has another size or number of lanes than this linearizer was built
    /// for.
    pub fn run(
        &mut self,
        weights: &[T],
        trace: &Trace<T>,
        mut dynamics: LanesMut<'_, T>,
        mut row_jacobian: LanesMut<'_, T>,
    ) {
        let lanes = trace.lanes;
        let found = (lanes, weights.len(), trace.sizes());
        assert_eq!(
            found, self.sizes,
            "lanes, weights and sizes of the trace, found (left) and expected (right)"
        );
        let found = [&dynamics, &row_jacobian].map(|array| (array.len(), array.lanes()));
        let expected = [self.dynamics.nnz(), self.row_jacobian.0.nnz()].map(|entries| (entries, lanes));
        assert_eq!(found, expected, "entries and lanes of D and of G, found (left) and expected (right)");
        let g = Lanes::new(&trace.row_jacobian, lanes);
        if lanes == 1 {
            for (value, own) in row_jacobian.values_mut().iter_mut().zip(&self.own) {
                *value = own.map_or(T::ZERO, |own| g.values()[own as usize]);
            }
        } else {
            for (entry, own) in self.own.iter().enumerate() {
                match own {
                    Some(own) => row_jacobian.at_mut(entry).copy_from_slice(g.at(*own as usize)),
                    None => row_jacobian.at_mut(entry).fill(T::ZERO),
                }
            }
        }
        dynamics.values_mut().fill(T::ZERO);
        let direct = Lanes::new(&trace.direct, lanes);
        if lanes == 1 {
            let (dynamics, direct) = (dynamics.values_mut(), direct.values());
            self.direct.iter().for_each(|&(entry, from)| dynamics[entry as usize] = direct[from as usize]);
        } else {
            for &(entry, from) in &self.direct {
                dynamics.at_mut(entry as usize).copy_from_slice(direct.at(from as usize));
            }
        }
        self.previous.accumulate_shared(&mut dynamics, g, weights);
        if !self.scaled_weights.is_empty() {
            let factors = Lanes::new(&trace.scales, lanes);
            for (value, &(weight, factor)) in
                self.scaled_values.chunks_exact_mut(lanes).zip(&self.scaled_weights)
            {
                let w = weights[weight as usize];
                value.iter_mut().zip(factors.at(factor as usize)).for_each(|(v, &c)| *v = w * c);
            }
            self.scaled.accumulate(&mut dynamics, g, Lanes::new(&self.scaled_values, lanes));
        }
        if self.between.macs() > 0 {
            let mut x = LanesMut::new(&mut self.between_values, lanes);
            x.values_mut().fill(T::ZERO);
            self.between.accumulate_shared(&mut x, g, weights);
            self.dynamics_cascade.run(&mut dynamics, x.as_lanes());
            self.jacobian_cascade.run(&mut row_jacobian, x.as_lanes());
        }
        trace.cut(&mut dynamics);
    }
}

/// `needed` and all entries of lower layers from which they are computed, within `all` (both states × anything).
fn close<T: Scalar>(stack: &Stack<T>, needed: &Pattern, all: &Pattern) -> Pattern {
    let down = stack.between.transpose();
    let mut closed = needed.clone();
    for _ in 1..stack.depth() {
        closed = closed.union(&down.product(&closed).intersection(all));
    }
    closed
}

/// `C[layer l] += X[l, l - 1] C[layer l - 1]`, from the lowest layer up.
#[derive(Debug, Clone)]
struct Cascade {
    /// For each layer but the lowest: its entries in C, and the product.
    layers: Vec<(Range<usize>, Product)>,
}

impl Cascade {
    fn new<T: Scalar>(stack: &Stack<T>, c: &Pattern) -> Self {
        let x = &stack.between;
        let layer = |states: Range<usize>| {
            let kept = c.entries(states.start).start..c.entries(states.end - 1).end;
            let entries = x.entries(states.start).start..x.entries(states.end - 1).end;
            let places: Vec<u32> = (entries.start as u32..entries.end as u32).collect();
            let (own, x) = (c.slice_rows(states.clone()), x.slice_rows(states));
            (kept, Product::new(&own, Operand::placed(&x, &places), Operand::plain(c)))
        };
        Self { layers: (1..stack.depth()).map(|depth| layer(stack.layer_states(depth))).collect() }
    }

    fn is_empty(&self) -> bool {
        self.macs() == 0
    }

    fn macs(&self) -> u64 {
        self.layers.iter().map(|(_, product)| product.macs()).sum()
    }

    fn bytes(&self) -> usize {
        self.layers.capacity() * size_of::<(Range<usize>, Product)>()
            + self.layers.iter().map(|(_, product)| product.bytes()).sum::<usize>()
    }

    fn run<T: Scalar>(&self, c: &mut LanesMut<'_, T>, x: Lanes<'_, T>) {
        let lanes = c.lanes();
        for (kept, product) in &self.layers {
            let (below, own) = c.values_mut().split_at_mut(kept.start * lanes);
            let own = &mut own[..kept.len() * lanes];
            product.accumulate(&mut LanesMut::new(own, lanes), x, Lanes::new(below, lanes));
        }
    }
}
