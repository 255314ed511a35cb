"""Places of a net's weights in PyTorch's tensors. Needs NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._net import Net

Tensors = dict[str, NDArray[Any]]


class Layout:
    """For each weight of a net of `nn.RNN`, `nn.GRU` or `nn.LSTM` layers its tensor and its index in there.

    Gates are consecutive ranges of rows of PyTorch's tensors, in the order of the masks. Of PyTorch's two biases
    there is one here, their sum, but for the gate n of the GRU, whose rows are split: one row with the input weights
    and one with the recurrent weights, each with a bias of its own.
    """

    def __init__(self, net: Net) -> None:
        net.check_pytorch()
        _, _, offsets, sources = net.weight_pattern()
        self.dtype = net.dtype
        self.size = len(sources)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.places: list[tuple[str, NDArray[np.intp], NDArray[np.intp]]] = []
        self.single: list[tuple[str, str, NDArray[np.intp]]] = []
        for depth, (first_row, first_source, inputs, gates) in enumerate(net.layout()):
            units = gates[0][2]
            rows = len(gates) * units
            for name, shape in (("weight_ih", (rows, inputs)), ("weight_hh", (rows, units))):
                self.shapes[f"{name}_l{depth}"] = shape
            for name in ("bias_ih", "bias_hh"):
                self.shapes[f"{name}_l{depth}"] = (rows,)
            for gate, (input_row, recurrent_row, _) in enumerate(gates):
                split = input_row != recurrent_row
                for unit in range(units):
                    row = gate * units + unit
                    for own in {input_row + unit, recurrent_row + unit}:
                        entries = np.arange(offsets[first_row + own], offsets[first_row + own + 1])
                        source = sources[entries] - first_source
                        second = split and own == recurrent_row + unit
                        self._add(f"weight_ih_l{depth}", entries[source < inputs], row * inputs + source[source < inputs])
                        late = source > inputs
                        self._add(f"weight_hh_l{depth}", entries[late], row * units + source[late] - inputs - 1)
                        bias = entries[source == inputs]
                        self._add(f"bias_{'hh' if second else 'ih'}_l{depth}", bias, np.full(len(bias), row))
                if not split:
                    span = np.arange(gate * units, (gate + 1) * units)
                    self.single.append((f"bias_ih_l{depth}", f"bias_hh_l{depth}", span))
        self._join()

    def _add(self, name: str, weights: NDArray[Any], index: NDArray[Any]) -> None:
        self.places.append((name, weights.astype(np.intp), index.astype(np.intp)))

    def _join(self) -> None:
        none = [(np.zeros(0, np.intp), np.zeros(0, np.intp))]
        joined = []
        for name in self.shapes:
            parts = [(weights, index) for of, weights, index in self.places if of == name] or none
            joined.append((name, np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])))
        self.places = joined

    def export(self, weights: NDArray[Any]) -> Tensors:
        """PyTorch's tensors with these weights; zero where a weight does not exist."""
        tensors = {name: np.zeros(shape, dtype=weights.dtype) for name, shape in self.shapes.items()}
        for name, own, index in self.places:
            tensors[name].reshape(-1)[index] = weights[own]
        return tensors

    def read(self, tensors: Tensors) -> NDArray[Any]:
        """The weights in PyTorch's tensors.

        Raises:
            ValueError: If a tensor is missing, has another shape, or has a weight where the net has none.
        """
        given = {}
        for name, shape in self.shapes.items():
            if name not in tensors:
                raise ValueError(f"there is no tensor {name}; there are {', '.join(tensors)}")
            given[name] = np.asarray(tensors[name], dtype=self.dtype).copy()
            if given[name].shape != shape:
                raise ValueError(f"{name} must be of shape {shape}, found {given[name].shape}")
        for into, of, span in self.single:
            given[into][span] += given[of][span]
            given[of][span] = 0
        weights = np.zeros(self.size, dtype=self.dtype)
        for name, own, index in self.places:
            flat = given[name].reshape(-1)
            weights[own] = flat[index]
            flat[index] = 0
            if flat.any():
                raise ValueError(f"{name} has a weight where the net has none")
        return weights
