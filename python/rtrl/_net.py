"""Nets and estimators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _rtrl
from ._settings import CellLike, EstimatorLike, count, plain, to_json

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[Any]
# For each gate of a layer: the mask of its inputs, units × inputs, and of its recurrent sources, units × units.
Masks = list[tuple[Any, Any]]

MODES = ("float32", "float64")


class Cost(NamedTuple):
    """Counted cost of a step of one lane, in multiply-adds, and memory."""

    forward: float
    linearize: float
    propagate: float
    gradient: float
    bytes: int


def _csr(pattern: tuple[int, int, Array, Array], data: Optional[Array] = None) -> csr_array:
    from scipy.sparse import csr_array

    rows, columns, offsets, indices = pattern
    if data is None:
        data = np.ones(len(indices), dtype=bool)
    return csr_array((data, indices, offsets), shape=(rows, columns), copy=False)


def _rows(mask: Any) -> tuple[list[int], list[int]]:
    """Offsets and columns of the rows of a mask, from a SciPy matrix or anything NumPy reads."""
    from scipy.sparse import csr_array

    matrix = csr_array(mask)
    matrix.eliminate_zeros()
    matrix.sum_duplicates()
    return matrix.indptr.tolist(), matrix.indices.tolist()


class Net(_rtrl.Net):
    """Recurrent layers with their masks and weights.

    Masks and initial weights are drawn from `seed`. Arrays of a net of `lanes` lanes are (lanes, length); without
    lanes they are (length,).

    Args:
        layers: The recurrent layers, the lowest first: `rtrl.Gru(128)`, or tables as in configuration files.
        inputs: Number of numbers that the net reads at each step.
        symbols: In place of `inputs`: the size of the alphabet of which it reads one symbol at each step.
        dtype: float32 or float64.
        seed: Seed of masks and weights.
        init: How the weights are drawn: the table `init` of configuration files.
        masks: Which weights exist: for each layer and gate a pair of matrices, on the inputs (units × inputs) and on
            the recurrent sources (units × units), of SciPy or NumPy; what is not zero exists. They take the place
            of sparsities. The order of the gates is PyTorch's, for cells that PyTorch has.

    Raises:
        ValueError: For a setting without meaning.
    """

    def __new__(
        cls,
        layers: Union[CellLike, Sequence[CellLike]],
        inputs: Optional[int] = None,
        *,
        symbols: Optional[int] = None,
        dtype: DTypeLike = "float32",
        seed: int = 0,
        init: Optional[dict[str, Any]] = None,
        masks: Optional[Sequence[Masks]] = None,
    ) -> Net:
        if (inputs is None) == (symbols is None):
            raise ValueError("a net has either inputs=… (numbers) or symbols=… (the size of an alphabet)")
        try:
            name = np.dtype(dtype).name
        except TypeError:
            name = repr(dtype)
        if name not in MODES:
            raise ValueError(f"dtype must be float32 or float64, found {name}")
        tables = plain(layers)
        if not isinstance(tables, list):
            tables = [tables]
        if masks is not None:
            for depth, gates in enumerate(masks):
                if any(len(gate) != 2 for gate in gates):
                    raise ValueError(f"masks of layer {depth}: each gate has a pair, of inputs and of recurrent sources")
        reads = count("inputs", inputs) if symbols is None else count("symbols", symbols)
        net = super().__new__(
            cls,
            to_json(tables),
            reads,
            symbols is not None,
            name == "float64",
            count("seed", seed, 0),
            to_json(init or {}),
            None if masks is None else [[(_rows(a), _rows(b)) for a, b in gates] for gates in masks],
        )
        return cast(Net, net)

    def estimator(self, estimator: EstimatorLike, *, lanes: Optional[int] = None, window: int = 1) -> Estimator:
        """An estimator of this net, before its first step.

        Args:
            estimator: `rtrl.SnAp(1)`, `rtrl.Rtrl()`, …, or a table as in configuration files.
            lanes: Number of independent streams; by default one stream, and arrays have no axis of lanes.
            window: Most steps between two changes of the weights; 1 is fully online.

        Raises:
            ValueError: For a setting without meaning.
        """
        return Estimator(self, estimator, lanes=lanes, window=window)

    @property
    def layers(self) -> list[dict[str, Any]]:
        """The layers as tables of a configuration file."""
        import json

        return cast("list[dict[str, Any]]", json.loads(self.layers_json()))

    @property
    def matrix(self) -> csr_array:
        """W of all layers, rows × sources. Its `data` are `weights`, without a copy."""
        return _csr(self.weight_pattern(), self.weights)

    @property
    def dynamics(self) -> csr_array:
        """Where the dynamics Jacobian D = ds_t/ds_(t-1) may differ from zero, states × states."""
        return _csr(self.dynamics_pattern())

    @property
    def masks(self) -> list[Masks]:
        """For each layer and gate which weights exist: matrices on the inputs and on the recurrent sources."""
        return [[(_csr(a), _csr(b)) for a, b in gates] for gates in self.mask_patterns()]

    def rewired(self, masks: Sequence[Masks]) -> Net:
        """A net of the same layers with other masks, for `Estimator.rewire`.

        Weights that both nets have keep their values, new ones are zero. This net stays as it is.

        Args:
            masks: As for the constructor; `net.masks` with changes.

        Raises:
            ValueError: For masks that do not fit the layers.
        """
        inputs, symbols = (None, self.inputs) if self.symbols else (self.inputs, None)
        net = Net(self.layers, inputs, symbols=symbols, dtype=self.dtype, masks=masks)
        origin = net.origin_in(self)
        kept = origin >= 0
        net.weights[~kept] = 0
        net.weights[kept] = self.weights[origin[kept]]
        return net

    def __reduce__(self) -> tuple[Any, ...]:
        return _net, (self.layers, self.inputs, self.symbols, self.dtype, self.masks, self.weights.copy())

    def __repr__(self) -> str:
        reads = f"symbols={self.inputs}" if self.symbols else f"inputs={self.inputs}"
        return f"Net({self.layers}, {reads}, dtype={self.dtype!r})"


def _net(layers: Any, reads: int, symbols: bool, dtype: str, masks: Any, weights: Array) -> Net:
    """A pickled net."""
    inputs = None if symbols else reads
    net = Net(layers, inputs, symbols=reads if symbols else None, dtype=dtype, masks=masks)
    net.weights = weights
    return net


class Estimator(_rtrl.Estimator):
    """Turns the gradient of each step's loss by the hidden state into a gradient by the weights.

    The order of calls is `step`, `observe`, both once for each time step, and `finish_window` after at most `window`
    steps; `finish_window(dh)` is the last `observe` and the end of the window in one. The weights may change after
    `finish_window` and at no other time, and no other thread may write to them during a call. See `rtrl.Net.estimator`.

    Between windows it can be pickled and copied, with its net and all that it carries.
    """

    _settings: str

    def __new__(
        cls, net: Net, estimator: EstimatorLike, *, lanes: Optional[int] = None, window: int = 1
    ) -> Estimator:
        if lanes is not None:
            lanes = count("lanes", lanes)
        settings = to_json(estimator)
        made = cast(Estimator, super().__new__(cls, net, settings, lanes, count("window", window)))
        made._settings = settings
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _estimator, (self.net, self._settings, self.lanes, self.window, self.save_bytes())

    def influence(self, lane: int = 0) -> csr_array:
        """The influence matrix J = ds_t/dθ that a lane carries, states × weights.

        Raises:
            ValueError: Within a window, or if the estimator carries no J (BPTT, UORO, …).
        """
        from scipy.sparse import coo_array

        entries = self.influence_entries(count("lane", lane, 0))
        if entries is None:
            raise ValueError("this estimator carries no influence matrix, or carries it in another form")
        states, weights, values = entries
        return coo_array((values, (states, weights)), shape=(self.net.states, len(self.net.weights))).tocsr()

    @property
    def cost(self) -> Cost:
        """Multiply-adds of a step of one lane, counted from the structure, and bytes held."""
        return Cost(*self.cost_counts())

    def __repr__(self) -> str:
        return f"Estimator(lanes={self.lanes}, window={self.window})"


def _estimator(net: Net, settings: str, lanes: Optional[int], window: int, carried: bytes) -> Estimator:
    """A pickled estimator."""
    import json

    made = Estimator(net, json.loads(settings), lanes=lanes, window=window)
    made.load_bytes(carried)
    return made
