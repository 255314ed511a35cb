"""Compares the forms of each JAX estimator with each other, and SnAp-1 with BPTT where it is exact.

    python3 check_forms.py
"""

import jax
import numpy as np

import jax_estimators as own
from jax_nets import INPUTS, net as net_of


def parts(kind, name, gradient, mask):
    """A gradient of any form as input weights, recurrent weights that exist, and biases."""
    if name == "joined":  # rows over inputs, state and bias
        rows = [np.asarray(row) for row in gradient]
        inner = [rows[0], rows[1], rows[3]] if kind == "gru" else rows
        outer = rows[:3] if kind == "gru" else rows
        w = np.stack([row[:, :INPUTS] for row in outer])
        # The GRU's product within the reset reads no inputs.
        v = np.stack([row[:, -1 - mask.shape[-1] : -1] for row in inner])
        return w, v[mask > 0], np.stack([row[:, -1] for row in rows])
    w, v, b = (np.asarray(part) for part in gradient)
    if name == "split":
        w, v = w.transpose(0, 2, 1), v.transpose(0, 2, 1)
    if name == "entries":
        return w.T[None], v, b[None]
    return w, v[mask > 0], b


def results(task, net, lanes, steps):
    for name, make in own.FORMS[task].items():
        made = make(*net, lanes, steps)
        if made is not None:
            run, arguments = made
            yield name, run(*arguments)


def same(what, found, expected):
    for found, expected in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        # Sums in single precision in another order.
        found, expected = np.asarray(found), np.asarray(expected)
        bound = 1e-4 * np.abs(expected).max()
        assert np.allclose(found, expected, rtol=1e-3, atol=bound), f"{what}: {np.abs(found - expected).max()}"
    print(f"{what}: same", flush=True)


def compare(task, net, lanes, steps=6):
    mask = net_of(*net, lanes, steps)[2]
    found = dict(results(task, net, lanes, steps))
    if task in ("bptt", "snap1"):
        found = {name: parts(net[0], name, gradient, mask) for name, gradient in found.items()}
    elif task == "snap2":
        # Padded blocks have another order of weights: the sums are compared.
        found = {name: np.asarray(gradient).sum() for name, gradient in found.items()}
    (first, expected), *others = found.items()
    for name, gradient in others:
        same(f"{task} of {net}, {lanes} lanes: {name} and {first}", gradient, expected)
    return found


for net in [("gru", 8, 0.0), ("gru", 8, 0.5), ("lstm", 8, 0.5), ("vanilla", 12, 0.5)]:
    for lanes in (1, 3):
        for task in ("bptt", "snap1", "online-adam"):
            compare(task, net, lanes)
        # Of a single step from a zero state, SnAp-1 is exact.
        exact = compare("bptt", net, lanes, 1)["by gates"]
        for name, gradient in compare("snap1", net, lanes, 1).items():
            same(f"one step of {net}, {lanes} lanes: SnAp-1 {name} and BPTT", gradient, exact)
# From a zero state SnAp-2 is exact for two steps, and RTRL for any number.
blocks = compare("snap2", ("vanilla", 12, 0.5), 1, 2)["blocks"]
exact = dict(results("bptt", ("vanilla", 12, 0.5), 1, 2))["by gates"]
mask = net_of("vanilla", 12, 0.5, 1, 2)[2]
same("two steps: SnAp-2 and BPTT", blocks, sum(part.sum() for part in parts("vanilla", "", exact, mask)))
gru = ("gru", 8, 0.0)
(rtrl,) = dict(results("rtrl", gru, 1, 5)).values()
exact = dict(results("bptt", gru, 1, 5))["by gates"]
mask = net_of(*gru, 1, 5)[2]
same("RTRL and BPTT", parts("gru", "joined", list(np.asarray(rtrl)), mask), parts("gru", "", exact, mask))
