"""Cells and nets for `jax_estimators.py`."""

import jax
import jax.numpy as jnp
import numpy as np

INPUTS = 32


def masks(gates, units, sparsity, rng):
    """One uniform mask for each gate's recurrent matrix, with an exact number of ones."""
    kept = round((1 - sparsity) * units * units)
    found = np.zeros((gates, units * units), np.float32)
    for gate in found:
        gate[rng.permutation(units * units)[:kept]] = 1
    return found.reshape(gates, units, units)


# Cells. `step` maps the products with inputs (biases included) and the state to the next state. A state is a tuple of arrays
# [..., units], the hidden state first. `gates` products of the inputs and as many of the state make a step.


class Vanilla:
    """h' = tanh(W x + V h + b)."""

    gates, biases, states = 1, 1, 1

    @staticmethod
    def step(state, fixed, recurrent, b):
        return (jnp.tanh(fixed[..., 0, :] + recurrent[..., 0, :]),)

    @staticmethod
    def rows(state, fixed, recurrent, own, b):
        """Next state; of each row of weights the derivative of the state; the derivative by the unit's own state."""
        (new,) = Vanilla.step(state, fixed, recurrent, b)
        slope = 1 - new * new
        return (new,), [slope], slope * own[0]


class Gru:
    """The GRU with the reset after the product; the fourth bias belongs to the product within it."""

    gates, biases, states = 3, 4, 1

    @staticmethod
    def parts(fixed, recurrent, b):
        reset = jax.nn.sigmoid(fixed[..., 0, :] + recurrent[..., 0, :])
        update = jax.nn.sigmoid(fixed[..., 1, :] + recurrent[..., 1, :])
        inner = recurrent[..., 2, :] + b[3]
        return reset, update, inner, jnp.tanh(fixed[..., 2, :] + reset * inner)

    @staticmethod
    def step(state, fixed, recurrent, b):
        _, update, _, candidate = Gru.parts(fixed, recurrent, b)
        return ((1 - update) * candidate + update * state[0],)

    @staticmethod
    def rows(state, fixed, recurrent, own, b):
        reset, update, inner, candidate = Gru.parts(fixed, recurrent, b)
        outer = (1 - update) * (1 - candidate**2)
        g_reset = outer * inner * reset * (1 - reset)
        g_update = (state[0] - candidate) * update * (1 - update)
        g_inner = outer * reset
        diagonal = update + g_reset * own[0] + g_update * own[1] + g_inner * own[2]
        new = (1 - update) * candidate + update * state[0]
        return (new,), [g_reset, g_update, outer, g_inner], diagonal


class Lstm:
    """Gates in, forget, cell, out; states h and c."""

    gates, biases, states = 4, 4, 2

    @staticmethod
    def step(state, fixed, recurrent, b):
        z = fixed + recurrent
        i, f, o = (jax.nn.sigmoid(z[..., gate, :]) for gate in (0, 1, 3))
        c = f * state[1] + i * jnp.tanh(z[..., 2, :])
        return o * jnp.tanh(c), c


CELLS = {"vanilla": Vanilla, "gru": Gru, "lstm": Lstm}
# Of each row of weights: whether it reads the inputs, and whether the state. The GRU's candidate has one of each.
READS = {
    "vanilla": ((True, True),),
    "gru": ((True, True), (True, True), (True, False), (False, True)),
    "lstm": ((True, True),) * 4,
}


def net(kind, units, sparsity, lanes, steps):
    """Weights, masks, initial state, inputs and gradients of losses."""
    rng = np.random.default_rng(1)
    cell = CELLS[kind]
    normal = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    mask = masks(cell.gates, units, sparsity, rng)
    scale = 1 / np.sqrt(INPUTS + mask.sum(2).mean())
    w = scale * normal(cell.gates, units, INPUTS)
    v = scale * normal(cell.gates, units, units) * mask
    b = np.zeros((cell.biases, units), np.float32)
    weights = tuple(jnp.asarray(part) for part in (w, v, b))
    state = (jnp.zeros((lanes, units)),) * cell.states
    return cell, weights, mask, state, jnp.asarray(normal(steps, lanes, INPUTS)), jnp.asarray(normal(steps, lanes, units))
