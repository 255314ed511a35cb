//! From the hidden state to a prediction, and back.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_cells::{Input, Inputs};
use rtrl_sparse::{Lanes, Scalar, math};

use crate::affine::Affine;
use crate::input_map::InputMap;
use crate::output_gate::OutputGate;

/// The kind of targets of a readout, and its loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// One of several classes: softmax and cross-entropy, reported in bits.
    CrossEntropy,
    /// Real numbers: the squared error of each. The gradient is that of half the squared error.
    Squared,
}

/// The targets of a step; lanes or outputs with `None` have no target.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Targets<'a> {
    /// One class for each lane, `[lanes]`.
    Classes(&'a [Option<u32>]),
    /// Numbers, `[outputs][lanes]`.
    Values(&'a [Option<f32>]),
}

impl Targets<'_> {
    /// Number of targets that are not `None`.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Classes(targets) => targets.iter().flatten().count(),
            Self::Values(targets) => targets.iter().flatten().count(),
        }
    }
}

/// A linear map, or one hidden layer of ReLU units and a linear map, followed by a [`Loss`]. With a
/// [bypass](Self::with_bypass) a linear map of the net's input is added to the outputs; with an [output
/// gate](Self::with_output_gate) `o ∘ h` takes the place of the hidden state h.
///
/// # Shapes
/// Parameters are one flat vector: for each layer the matrix `[out][in]`, then the bias `[out]`; then, in the order in which they
/// were added, the matrix of the bypass, `[out][in]`, and the gate's matrix on h, its bias and its matrix on the input. Everything that varies from step to step is `[len][lanes]`.
#[derive(Debug, Clone)]
pub struct Readout<T> {
    lanes: usize,
    loss: Loss,
    gate: Option<OutputGate<T>>,
    layers: Vec<Affine<T>>,
    bypass: Option<InputMap<T>>,
    parameters: Vec<T>,
    /// Scratch. For the softmax: maximum and sum of each lane, and the exponentials. For the gradient: adjoints of
    /// the hidden layer.
    work: Vec<T>,
}

impl<T: Scalar> Readout<T> {
    /// A readout of `inputs` hidden states into `outputs` classes or numbers, through a layer of `width` ReLU units
    /// if given. Weights and biases are uniform on ±1/√(inputs of the layer), drawn in `f64`.
    ///
    /// # Panics
    /// If a size is zero.
    pub fn new(
        inputs: usize,
        width: Option<usize>,
        outputs: usize,
        loss: Loss,
        lanes: usize,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Self {
        assert!(inputs > 0 && outputs > 0 && lanes > 0 && width != Some(0), "sizes must be at least 1");
        let mut layers = Vec::new();
        let (mut from, mut first) = (inputs, 0);
        let mut parameters = Vec::new();
        for outputs in width.into_iter().chain([outputs]) {
            let layer = Affine::new(from, outputs, first, lanes);
            parameters.extend(uniform::<T>(layer.len(), from, rng));
            first += layer.len();
            layers.push(layer);
            from = outputs;
        }
        Self { lanes, loss, work: work(&layers, lanes), layers, gate: None, bypass: None, parameters }
    }

    /// The same readout with a linear map of the net's input, added to the outputs past hidden states and hidden
    /// layer. Its weights begin at zero.
    ///
    /// # Panics
    /// If there is a bypass already.
    #[must_use]
    pub fn with_bypass(mut self, inputs: Inputs) -> Self {
        assert!(self.bypass.is_none(), "one bypass");
        let bypass = InputMap::new(inputs, self.output().len(), self.parameters.len(), self.lanes);
        self.parameters.extend(vec![T::ZERO; bypass.len()]);
        self.bypass = Some(bypass);
        self
    }

    /// The same readout of `o ∘ h` in place of the hidden state h, with the output gate `o = σ(U h + V x + b)` of the
    /// net's input x (Irie et al., arXiv:2305.19044). It has no memory, so that every estimator is as exact with it as
    /// without. U, V and b are uniform on ±1/√(hidden states and inputs).
    ///
    /// # Panics
    /// If there is an output gate already.
    #[must_use]
    pub fn with_output_gate(mut self, inputs: Inputs, rng: &mut Xoshiro256PlusPlus) -> Self {
        assert!(self.gate.is_none(), "one output gate");
        let units = self.layers[0].inputs;
        let gate = OutputGate::new(inputs, units, self.parameters.len(), self.lanes);
        self.parameters.extend(uniform::<T>(gate.len(), units + inputs.len(), rng));
        self.gate = Some(gate);
        self
    }

    /// Keeps the input of the net for the next [`forward`](Self::forward), if there is a bypass or an output gate; else
    /// nothing happens.
    ///
    /// # Panics
    /// If it is kept and does not fit.
    pub fn read(&mut self, input: Input<'_, T>) {
        self.bypass.iter_mut().for_each(|bypass| bypass.read(input));
        self.gate.iter_mut().for_each(|gate| gate.read(input));
    }

    /// Takes over the input that another readout of the same net has read.
    pub(crate) fn read_as(&mut self, other: &Self) {
        if let (Some(own), Some(other)) = (&mut self.bypass, &other.bypass) {
            own.follow(other);
        }
        if let (Some(own), Some(other)) = (&mut self.gate, &other.gate) {
            own.follow(other);
        }
    }

    /// The same readout, with a copy of its parameters, for another number of lanes.
    ///
    /// # Panics
    /// If `lanes` is 0.
    #[must_use]
    pub fn with_lanes(&self, lanes: usize) -> Self {
        assert!(lanes > 0, "lanes must be at least 1");
        let layers: Vec<_> = self.layers.iter().map(|layer| layer.with_lanes(lanes)).collect();
        Self {
            lanes,
            loss: self.loss,
            work: work(&layers, lanes),
            layers,
            gate: self.gate.as_ref().map(|gate| gate.with_lanes(lanes)),
            bypass: self.bypass.as_ref().map(|bypass| bypass.with_lanes(lanes)),
            parameters: self.parameters.clone(),
        }
    }

    /// Number of parallel streams.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// All parameters, as a flat vector.
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// All parameters, as a flat vector, to be changed.
    pub fn parameters_mut(&mut self) -> &mut [T] {
        &mut self.parameters
    }

    /// Multiply-adds of one step of one lane, forward.
    pub fn forward_macs(&self) -> usize {
        let layers: usize = self.layers.iter().map(Affine::macs).sum();
        let gate = self.gate.as_ref().map_or(0, OutputGate::macs);
        layers + gate + self.bypass.as_ref().map_or(0, InputMap::macs)
    }

    /// The prediction from the hidden state `[inputs][lanes]` and, with a bypass or an output gate, the input
    /// [read](Self::read) last, as `[outputs][lanes]`: log-probabilities of the classes in nats, or numbers.
    ///
    /// # Panics
    /// If `hidden` has the wrong size.
    pub fn forward(&mut self, hidden: Lanes<'_, T>) -> Lanes<'_, T> {
        assert_eq!((hidden.len(), hidden.lanes()), (self.layers[0].inputs, self.lanes), "hidden state");
        let hidden = match &mut self.gate {
            Some(gate) => gate.forward(&self.parameters, hidden),
            None => hidden,
        };
        let last = self.layers.len() - 1;
        for index in 0..=last {
            let (below, rest) = self.layers.split_at_mut(index);
            let layer = &mut rest[0];
            let input = below.last().map_or(hidden, |l| Lanes::new(&l.output, self.lanes));
            layer.forward(&self.parameters, input);
            if index < last {
                // `filter` and not `max`, so that NaN stays NaN.
                layer.output.iter_mut().filter(|x| **x < T::ZERO).for_each(|x| *x = T::ZERO);
            }
        }
        let outputs = &mut self.layers[last].output;
        if let Some(bypass) = &mut self.bypass {
            bypass.add(&self.parameters, outputs, self.lanes);
        }
        if self.loss == Loss::CrossEntropy {
            log_softmax(outputs, self.lanes, &mut self.work);
        }
        Lanes::new(outputs, self.lanes)
    }

    /// The prediction that [`forward`](Self::forward) returned last; zeros before the first call. After
    /// [`loss_and_gradient`](Self::loss_and_gradient) with a target, the gradient by the outputs is in their place.
    pub fn output(&self) -> Lanes<'_, T> {
        Lanes::new(&self.layers[self.layers.len() - 1].output, self.lanes)
    }

    /// Losses and gradients of the step last given to [`forward`](Self::forward), with the same `hidden`.
    ///
    /// Overwrites `losses` with the loss of each lane: cross-entropy in **bits**, or the sum of squared errors; 0
    /// without a target. Overwrites `hidden_gradient` (`[inputs][lanes]`) with the gradient of the sum over lanes
    /// of the cross-entropy in **nats**, or of half the squared error. Adds the gradient of that sum by the
    /// parameters to `parameter_gradient`. A lane or output without a target contributes exactly nothing.
    ///
    /// # Panics
    /// If sizes do not fit, or the targets are not of the kind that the readout predicts.
    pub fn loss_and_gradient(
        &mut self,
        hidden: Lanes<'_, T>,
        targets: Targets<'_>,
        losses: &mut [f64],
        hidden_gradient: &mut [T],
        parameter_gradient: &mut [T],
    ) {
        assert_eq!(hidden_gradient.len(), self.layers[0].inputs * self.lanes, "gradient of the hidden state");
        assert_eq!(parameter_gradient.len(), self.parameters.len(), "gradient of the parameters");
        self.loss(targets, losses);
        if targets.count() == 0 {
            hidden_gradient.fill(T::ZERO);
            return;
        }
        let lanes = self.lanes;
        let outputs = &mut self.layers.last_mut().expect("there is a last layer").output;
        match targets {
            Targets::Classes(targets) => cross_entropy_gradient(outputs, targets),
            Targets::Values(targets) => {
                for (y, target) in outputs.iter_mut().zip(targets) {
                    *y = target.map_or(T::ZERO, |target| *y - T::from_f64(f64::from(target)));
                }
            }
        }
        if let Some(bypass) = &self.bypass {
            bypass.learn(self.output(), parameter_gradient);
        }
        let read = self.gate.as_ref().map_or(hidden, |gate| gate.gated(lanes));
        for index in (0..self.layers.len()).rev() {
            let (below, rest) = self.layers.split_at_mut(index);
            let layer = &rest[0];
            match below.last_mut() {
                None => layer.backward(&self.parameters, read, parameter_gradient, hidden_gradient),
                Some(below) => {
                    // `x` is still the output of the ReLU: its sign is read before the adjoint overwrites it.
                    let back = &mut self.work[..below.output.len()];
                    let input = Lanes::new(&below.output, lanes);
                    layer.backward(&self.parameters, input, parameter_gradient, back);
                    for (x, &a) in below.output.iter_mut().zip(back.iter()) {
                        *x = if *x > T::ZERO { a } else { T::ZERO };
                    }
                }
            }
        }
        if let Some(gate) = &mut self.gate {
            gate.backward(&self.parameters, hidden, parameter_gradient, hidden_gradient);
        }
    }

    /// The losses alone, as [`loss_and_gradient`](Self::loss_and_gradient) defines them, of the step last given to
    /// [`forward`](Self::forward).
    ///
    /// # Panics
    /// If sizes do not fit, or the targets are not of the kind that the readout predicts.
    pub fn loss(&self, targets: Targets<'_>, losses: &mut [f64]) {
        let lanes = self.lanes;
        assert_eq!(losses.len(), lanes, "number of lanes");
        let outputs = &self.layers.last().expect("there is a last layer").output;
        match (targets, self.loss) {
            (Targets::Classes(targets), Loss::CrossEntropy) => {
                assert_eq!(targets.len(), lanes, "number of lanes");
                for (lane, (target, bits)) in targets.iter().zip(losses).enumerate() {
                    *bits = target.map_or(0.0, |class| {
                        let at = class as usize * lanes + lane;
                        assert!(at < outputs.len(), "class {class} of {}", outputs.len() / lanes);
                        -outputs[at].to_f64() / std::f64::consts::LN_2
                    });
                }
            }
            (Targets::Values(targets), Loss::Squared) => {
                assert_eq!(targets.len(), outputs.len(), "number of targets");
                losses.fill(0.0);
                for (targets, outputs) in targets.chunks_exact(lanes).zip(outputs.chunks_exact(lanes)) {
                    for ((loss, target), y) in losses.iter_mut().zip(targets).zip(outputs) {
                        *loss += target.map_or(0.0, |target| (y.to_f64() - f64::from(target)).powi(2));
                    }
                }
            }
            (Targets::Classes(_), Loss::Squared) => panic!("this readout predicts numbers, not classes"),
            (Targets::Values(_), Loss::CrossEntropy) => panic!("this readout predicts classes, not numbers"),
        }
    }
}

/// Replaces log-probabilities by `∂L/∂logits`.
fn cross_entropy_gradient<T: Scalar>(outputs: &mut [T], targets: &[Option<u32>]) {
    let lanes = targets.len();
    math::exp(outputs);
    for (lane, target) in targets.iter().enumerate() {
        match target {
            Some(target) => outputs[*target as usize * lanes + lane] -= T::ONE,
            None => outputs.iter_mut().skip(lane).step_by(lanes).for_each(|p| *p = T::ZERO),
        }
    }
}

/// Initial weights of a map of `inputs` numbers.
fn uniform<T: Scalar>(len: usize, inputs: usize, rng: &mut Xoshiro256PlusPlus) -> impl Iterator<Item = T> {
    let bound = 1.0 / (inputs as f64).sqrt();
    (0..len).map(move |_| T::from_f64(bound * (2.0 * rng.random::<f64>() - 1.0)))
}

fn work<T: Scalar>(layers: &[Affine<T>], lanes: usize) -> Vec<T> {
    let widest = layers.iter().map(|l| l.inputs).max().unwrap_or(0);
    let outputs = layers.last().map_or(0, |l| l.outputs);
    vec![T::ZERO; widest.max(outputs + 2) * lanes]
}

/// `x ← x - log Σ exp x` over classes, in each lane. The maximum is subtracted first, so that nothing overflows.
fn log_softmax<T: Scalar>(x: &mut [T], lanes: usize, work: &mut [T]) {
    let (per_lane, rest) = work.split_at_mut(2 * lanes);
    let (greatest, sum) = per_lane.split_at_mut(lanes);
    let exponentials = &mut rest[..x.len()];
    greatest.copy_from_slice(&x[..lanes]);
    for row in x.chunks_exact(lanes) {
        for (g, &x) in greatest.iter_mut().zip(row) {
            *g = if x > *g { x } else { *g };
        }
    }
    sum.fill(T::ZERO);
    for row in x.chunks_exact_mut(lanes) {
        row.iter_mut().zip(greatest.iter()).for_each(|(x, &g)| *x -= g);
    }
    exponentials.copy_from_slice(x);
    math::exp(exponentials);
    for row in exponentials.chunks_exact(lanes) {
        sum.iter_mut().zip(row).for_each(|(sum, &e)| *sum += e);
    }
    sum.iter_mut().for_each(|s| *s = s.ln());
    for row in x.chunks_exact_mut(lanes) {
        row.iter_mut().zip(sum.iter()).for_each(|(x, &s)| *x -= s);
    }
}
