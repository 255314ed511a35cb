"""Cells, estimators and optimizers with their settings.

Made by tools/settings.py from docs/CONFIGURATION.md, which is made from the Rust types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Optional

from ._settings import Cell, Estimator, Optimizer


@dataclass(frozen=True)
class Vanilla(Cell):
    """The Elman net with tanh: Vanilla.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "vanilla"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class VanillaRelu(Cell):
    """The Elman net with ReLU: Vanilla.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "vanilla-relu"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class Gru(Cell):
    """The GRU whose reset gate acts after the product, as in PyTorch: Gru.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "gru"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class GruResetBefore(Cell):
    """The GRU whose reset gate acts before the product: GruResetBefore.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "gru-reset-before"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class Lstm(Cell):
    """The LSTM: Lstm.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "lstm"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class QuasiLstm(Cell):
    """The gated cell with element-wise recurrence: QuasiLstm.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "quasi-lstm"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class Leaky(Cell):
    """The leaky net, with a leak that is fixed or learned for each unit: Leaky.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "leaky"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class Alif(Cell):
    """Adaptive leaky integrate-and-fire units, with a surrogate derivative: Alif.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "alif"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class Mgu(Cell):
    """The minimal gated unit whose gate resets before the product: Mgu.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "mgu"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class MguResetAfter(Cell):
    """The minimal gated unit whose gate resets after the product: MguResetAfter.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "mgu-reset-after"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class MinGru(Cell):
    """The minGRU, without recurrent weights: MinGru.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "min-gru"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class IndRnn(Cell):
    """The independently recurrent net with ReLU: IndRnn.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "ind-rnn"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class Rtu(Cell):
    """Recurrent trace units, complex and diagonal, with tanh inside the recurrence: Rtu.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "rtu"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class RtuLinear(Cell):
    """Recurrent trace units with a linear recurrence and tanh outside: RtuLinear.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "rtu-linear"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class Lru(Cell):
    """Linear recurrent units, complex and diagonal: Lru.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "lru"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class Embedding(Cell):
    """A trained linear map, to be the lowest layer above symbols: Embedding.

    Attributes:
        units: Number of units, k.
        sparsity: Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random.
            Under Distribution::Erk: share of all weights except biases.
        input_sparsity: Share of the input weights that do not exist, in 0..1.
        distribution: How the weights that exist are shared out among the matrices.
        leak: λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it,
            each unit learns its own; the voltage of alif then keeps the share exp(-1/20). Refused for other
            cells.
    """

    _kind = "embedding"
    units: int
    sparsity: float = 0.0
    input_sparsity: float = 0.0
    distribution: Literal["uniform", "erk"] = "uniform"
    leak: Optional[float] = None


@dataclass(frozen=True)
class Bptt(Estimator):
    """Bptt: backpropagation through time over the window."""

    _kind = "bptt"


@dataclass(frozen=True)
class Tbptt(Estimator):
    """Tbptt: backpropagation with a horizon beyond its window.

    Attributes:
        horizon: k2: steps through which credit goes back, at least the window k1.
        replay: Whether the last horizon inputs are run again under the current weights before going back.
    """

    _kind = "tbptt"
    horizon: int
    replay: bool = False


@dataclass(frozen=True)
class Dni(Estimator):
    """Dni: backpropagation from a synthetic gradient at the window's end.

    Attributes:
        rate: η: the share of its error by which the synthesizer learns from a window, in 0..=1. With 0 it
            predicts nothing, and the estimator is Bptt.
    """

    _kind = "dni"
    rate: float = 0.01


@dataclass(frozen=True)
class SnAp(Estimator):
    """SnAp-n: Influence of n steps' reach.

    Attributes:
        order: n: J is kept where it is structurally nonzero within n steps.
        scope: Whether reach crosses layers. By default SnAp-1 goes layer by layer, and SnAp-n from n = 2 on
            sees the whole stack: see scope.
        schedule: How the recursion is computed. Changes time and memory, and the numbers only by rounding.
        truncate: Forgets J at the end of each window. Exact, and far cheaper, if every lane begins a new
            sequence with every window; otherwise truncates credit at the window's end.
    """

    _kind = "snap"
    order: int
    scope: Optional[Literal["stack", "layer"]] = None
    schedule: Literal["auto", "streaming", "blocked", "adjoint"] = "auto"
    truncate: bool = False


@dataclass(frozen=True)
class SnApTopK(Estimator):
    """SnapTopK: SnAp-1 and the states of greatest magnitude.

    Attributes:
        extra: k: states of each row besides those of SnAp-1.
        every: Steps between two choices, at least 1. A choice is made at the end of the window in which it
            is due.
    """

    _kind = "snap-top-k"
    extra: int = 4
    every: int = 1000


@dataclass(frozen=True)
class SnapLowRank(Estimator):
    """SnapLowRank: SnAp-1 and a remainder of low rank.

    Attributes:
        rank: r: rank of the remainder.
    """

    _kind = "snap-low-rank"
    rank: int = 4


@dataclass(frozen=True)
class Rtrl(Estimator):
    """Exact RTRL: Influence of unlimited reach.

    Attributes:
        dense: Keeps every entry of J, the structurally zero ones too: the textbook's dense J.
        schedule: See SnapConfig::schedule.
        truncate: See SnapConfig::truncate.
    """

    _kind = "rtrl"
    dense: bool = False
    schedule: Literal["auto", "streaming", "blocked", "adjoint"] = "auto"
    truncate: bool = False


@dataclass(frozen=True)
class Rflo(Estimator):
    """RFLO: eligibility traces that decay at a fixed rate.

    Attributes:
        leak: λ: the share of J that is left after a step, in 0..=1.
    """

    _kind = "rflo"
    leak: float


@dataclass(frozen=True)
class Eprop(Estimator):
    """E-prop: eligibility traces along the cells' own leak."""

    _kind = "eprop"


@dataclass(frozen=True)
class Kernl(Estimator):
    """Kernl: KeRNL, eligibility traces along a kernel that is learned.

    Attributes:
        decay: The share of a trace that is left after a step, κ, at the beginning, in 0..=1.
        rate: η: the share of its error by which the kernel learns from a step, in 0..=1. With 0 the
            estimator is RFLO of the rate κ.
        seed: Seed of the perturbations.
    """

    _kind = "kernl"
    decay: float = 0.9
    rate: float = 0.01
    seed: int = 0


@dataclass(frozen=True)
class RandomPaths(Estimator):
    """RTRL along a random selection of paths.

    Attributes:
        paths: k: entries of each row of D that are kept besides the diagonal.
        seed: Seed of the selection.
    """

    _kind = "random-paths"
    paths: int
    seed: int = 0


@dataclass(frozen=True)
class Uoro(Estimator):
    """Uoro: unbiased, of rank one.

    Attributes:
        seed: Seed of the signs.
        noise: Where the signs stand.
    """

    _kind = "uoro"
    seed: int = 0
    noise: Literal["states", "preactivations"] = "states"


@dataclass(frozen=True)
class KfRtrl(Estimator):
    """KF-RTRL: Kronecker of rank one, unbiased.

    Attributes:
        seed: Seed of the signs.
    """

    _kind = "kf-rtrl"
    seed: int = 0


@dataclass(frozen=True)
class OptimalKronecker(Estimator):
    """OK: Kronecker of rank r, unbiased, of least variance.

    Attributes:
        rank: r: number of Kronecker products.
        seed: Seed of the signs.
    """

    _kind = "ok"
    rank: int
    seed: int = 0


@dataclass(frozen=True)
class ForwardGradient(Estimator):
    """ForwardGradient: the derivative along one random direction.

    Attributes:
        seed: Seed of the directions.
        baseline: η, in 0..=1: the share of its error by which the baseline b learns from a window. 0 is no
            baseline.
    """

    _kind = "forward-gradient"
    seed: int = 0
    baseline: float = 0.0


@dataclass(frozen=True)
class Immediate(Estimator):
    """Immediate: the present step alone."""

    _kind = "immediate"


@dataclass(frozen=True)
class Frozen(Estimator):
    """Frozen: the recurrent weights do not learn."""

    _kind = "frozen"


@dataclass(frozen=True)
class Sgd(Optimizer):
    """Sgd: plain gradient descent.

    Attributes:
        learning_rate: α, the step size.
    """

    _kind = "sgd"
    learning_rate: float


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Sgd with momentum.

    Attributes:
        learning_rate: α, the step size.
        momentum: μ, the decay of the velocity.
        nesterov: Whether the step looks ahead along the velocity (Nesterov momentum).
    """

    _kind = "momentum"
    learning_rate: float
    momentum: float = 0.9
    nesterov: bool = False


@dataclass(frozen=True)
class RmsProp(Optimizer):
    """RmsProp.

    Attributes:
        learning_rate: α, the step size.
        decay: ρ, decay of the mean squared gradient.
        epsilon: ε, added to the root of the mean square.
    """

    _kind = "rms-prop"
    learning_rate: float
    decay: float = 0.9
    epsilon: float = 1e-8


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam.

    Attributes:
        learning_rate: α, the step size.
        beta1: β₁, decay of the mean gradient.
        beta2: β₂, decay of the mean squared gradient.
        epsilon: ε, added to the root of the mean square.
    """

    _kind = "adam"
    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Attributes:
        learning_rate: α, the step size.
        beta1: β₁, decay of the mean gradient.
        beta2: β₂, decay of the mean squared gradient.
        epsilon: ε, added to the root of the mean square.
        weight_decay: λ, the weight decay.
    """

    _kind = "adamw"
    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Obgd(Optimizer):
    """ObgdConfig: gradient descent that does not overshoot.

    Attributes:
        learning_rate: α, the greatest step size.
        kappa: κ, how far below overshooting a step stays.
    """

    _kind = "obgd"
    learning_rate: float = 1.0
    kappa: float = 2.0


@dataclass(frozen=True)
class Nlms(Optimizer):
    """NlmsConfig: each update removes a share of the error.

    Attributes:
        learning_rate: μ, the share of the error that an update removes, at most 1. It does not depend on
            the scale of inputs or errors.
        epsilon: ε, which bounds the step where the error hardly depends on the weights.
    """

    _kind = "nlms"
    learning_rate: float = 0.1
    epsilon: float = 0.001

ALL_CELLS: tuple[type[Cell], ...] = (
    Vanilla,
    VanillaRelu,
    Gru,
    GruResetBefore,
    Lstm,
    QuasiLstm,
    Leaky,
    Alif,
    Mgu,
    MguResetAfter,
    MinGru,
    IndRnn,
    Rtu,
    RtuLinear,
    Lru,
    Embedding,
)

ALL_ESTIMATORS: tuple[type[Estimator], ...] = (
    Bptt,
    Tbptt,
    Dni,
    SnAp,
    SnApTopK,
    SnapLowRank,
    Rtrl,
    Rflo,
    Eprop,
    Kernl,
    RandomPaths,
    Uoro,
    KfRtrl,
    OptimalKronecker,
    ForwardGradient,
    Immediate,
    Frozen,
)

ALL_OPTIMIZERS: tuple[type[Optimizer], ...] = (
    Sgd,
    Momentum,
    RmsProp,
    Adam,
    AdamW,
    Obgd,
    Nlms,
)

__all__ = [
    "Vanilla",
    "VanillaRelu",
    "Gru",
    "GruResetBefore",
    "Lstm",
    "QuasiLstm",
    "Leaky",
    "Alif",
    "Mgu",
    "MguResetAfter",
    "MinGru",
    "IndRnn",
    "Rtu",
    "RtuLinear",
    "Lru",
    "Embedding",
    "Bptt",
    "Tbptt",
    "Dni",
    "SnAp",
    "SnApTopK",
    "SnapLowRank",
    "Rtrl",
    "Rflo",
    "Eprop",
    "Kernl",
    "RandomPaths",
    "Uoro",
    "KfRtrl",
    "OptimalKronecker",
    "ForwardGradient",
    "Immediate",
    "Frozen",
    "Sgd",
    "Momentum",
    "RmsProp",
    "Adam",
    "AdamW",
    "Obgd",
    "Nlms",
]
