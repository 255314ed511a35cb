"""Recurrent nets in NumPy, from PyTorch's formulas and tensors, and gradients of their losses by complex steps.

Nothing here uses the package but the tests' own translation of weights. f(θ + i·h·e) has the derivative as its imaginary
part over h, without the cancellation of differences: for h = 1e-30 it is exact to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

STEP = 1e-30


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def gru(tensors: Any, depth: int, x: Any, h: Any) -> Any:
    a = tensors[f"weight_ih_l{depth}"] @ x + tensors[f"bias_ih_l{depth}"]
    b = tensors[f"weight_hh_l{depth}"] @ h[0] + tensors[f"bias_hh_l{depth}"]
    (ar, az, an), (br, bz, bn) = np.split(a, 3), np.split(b, 3)
    r, z = sigmoid(ar + br), sigmoid(az + bz)
    n = np.tanh(an + r * bn)
    return ((1 - z) * n + z * h[0],)


def lstm(tensors: Any, depth: int, x: Any, h: Any) -> Any:
    a = tensors[f"weight_ih_l{depth}"] @ x + tensors[f"bias_ih_l{depth}"]
    i, f, g, o = np.split(a + tensors[f"weight_hh_l{depth}"] @ h[0] + tensors[f"bias_hh_l{depth}"], 4)
    c = sigmoid(f) * h[1] + sigmoid(i) * np.tanh(g)
    return (sigmoid(o) * np.tanh(c), c)


def rnn(tensors: Any, depth: int, x: Any, h: Any) -> Any:
    a = tensors[f"weight_ih_l{depth}"] @ x + tensors[f"bias_ih_l{depth}"]
    return (np.tanh(a + tensors[f"weight_hh_l{depth}"] @ h[0] + tensors[f"bias_hh_l{depth}"]),)


CELLS = {"gru": gru, "lstm": lstm, "vanilla": rnn}


def run(kind: str, units: int, depth: int, tensors: Any, xs: Any) -> list[Any]:
    """The hidden states of the top layer at all steps."""
    states = [[np.zeros(units)] * 2 for _ in range(depth)]
    out = []
    for x in xs:
        for layer in range(depth):
            states[layer] = CELLS[kind](tensors, layer, x, states[layer])
            x = states[layer][0]
        out.append(x)
    return out


def loss(hidden: list[Any], targets: Any) -> Any:
    return sum(0.5 * ((h - y) ** 2).sum() for h, y in zip(hidden, targets))
