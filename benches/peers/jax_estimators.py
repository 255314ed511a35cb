"""Plain-JAX gradient estimators, written to be fast: what a practitioner with JAX would use in place of rtrl.

Every function returns `run(arguments)`, compiled, whose call makes `steps` time steps, and its arguments.
Nets read dense inputs; masks multiply dense weights, which on a CPU is the quickest that JAX has for these sizes.
"""

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


class Vanilla:
    """h' = tanh(W x + V h + b)."""

    gates = 1

    @staticmethod
    def step(weights, h, x):
        w, v, b = weights
        return jnp.tanh(x @ w[0].T + h @ v[0].T + b[0])

    @staticmethod
    def rows(weights, h, x):
        """New state, the derivative of each state by its own rows, and the diagonal of D."""
        w, v, b = weights
        new = jnp.tanh(x @ w[0].T + h @ v[0].T + b[0])
        slope = 1 - new * new
        return new, slope[None], slope * jnp.diagonal(v[0])


class Gru:
    """The GRU with the reset after the product; the fourth bias belongs to the product within it."""

    gates = 3

    @staticmethod
    def parts(weights, h, x):
        w, v, b = weights
        reset = jax.nn.sigmoid(x @ w[0].T + h @ v[0].T + b[0])
        update = jax.nn.sigmoid(x @ w[1].T + h @ v[1].T + b[1])
        inner = h @ v[2].T + b[3]
        candidate = jnp.tanh(x @ w[2].T + b[2] + reset * inner)
        return reset, update, inner, candidate

    @staticmethod
    def step(weights, h, x):
        _, update, _, candidate = Gru.parts(weights, h, x)
        return (1 - update) * candidate + update * h

    @staticmethod
    def rows(weights, h, x):
        v = weights[1]
        reset, update, inner, candidate = Gru.parts(weights, h, x)
        new = (1 - update) * candidate + update * h
        outer = (1 - update) * (1 - candidate**2)
        g_reset = outer * inner * reset * (1 - reset)
        g_update = (h - candidate) * update * (1 - update)
        g_inner = outer * reset
        own = [jnp.diagonal(v[gate]) for gate in range(3)]
        diagonal = update + g_reset * own[0] + g_update * own[1] + g_inner * own[2]
        return new, jnp.stack([g_reset, g_update, outer, g_inner]), diagonal


CELLS = {"vanilla": Vanilla, "gru": Gru}


def net(kind, units, sparsity, lanes, steps):
    """Weights, masks, initial state, inputs and gradients of losses."""
    rng = np.random.default_rng(1)
    cell = CELLS[kind]
    normal = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    mask = masks(cell.gates, units, sparsity, rng)
    scale = 1 / np.sqrt(INPUTS + mask.sum(2).mean())
    w = scale * normal(cell.gates, units, INPUTS)
    v = scale * normal(cell.gates, units, units) * mask
    b = np.zeros((4 if kind == "gru" else 1, units), np.float32)
    weights = tuple(jnp.asarray(part) for part in (w, v, b))
    shape = (units,) if lanes == 1 else (lanes, units)
    inputs = normal(steps, *shape[:-1], INPUTS)
    return cell, weights, mask, jnp.zeros(shape), jnp.asarray(inputs), jnp.asarray(normal(steps, *shape))


def bptt(kind, units, sparsity, lanes, steps):
    cell, weights, mask, h, xs, deltas = net(kind, units, sparsity, lanes, steps)
    masked = jnp.asarray(mask)

    def loss(weights):
        w, v, b = weights
        held = (w, v * masked if sparsity else v, b)

        def step(h, part):
            x, delta = part
            h = cell.step(held, h, x)
            return h, jnp.sum(h * delta)

        return jax.lax.scan(step, h, (xs, deltas))[1].sum()

    return jax.jit(jax.grad(loss)), (weights,)


def snap_1(kind, units, sparsity, lanes, steps):
    """Traces of the weights that touch their own unit, updated and contracted at every step."""
    cell, weights, mask, h, xs, deltas = net(kind, units, sparsity, lanes, steps)
    # Of each row: whether it reads the inputs, and whether the state.
    reads = {"vanilla": ((True, True),), "gru": ((True, True), (True, True), (True, False), (False, True))}[kind]

    def one(h, xs, deltas):
        def step(carry, part):
            h, traces, gradient = carry
            x, delta = part
            new, g, diagonal = cell.rows(weights, h, x)
            grown = []
            for (inputs, recurrent), g, trace in zip(reads, g, traces):
                source = [x] if inputs else []
                source += [h] if recurrent else []
                u = jnp.concatenate(source + [jnp.ones(1)])
                grown.append(diagonal[:, None] * trace + g[:, None] * u[None])
            gradient = [sum_ + delta[:, None] * trace for sum_, trace in zip(gradient, grown)]
            return (new, grown, gradient), None

        width = lambda read: INPUTS * read[0] + units * read[1] + 1
        zeros = [jnp.zeros((units, width(read))) for read in reads]
        return jax.lax.scan(step, (h, zeros, zeros), (xs, deltas))[0]

    run = one if lanes == 1 else jax.vmap(one, in_axes=(0, 1, 1))
    return jax.jit(run), (h, xs, deltas)


def snap_2(kind, units, sparsity, lanes, steps):
    """One block for each unit: the states within two steps and the weights that exist, both padded to the largest block."""
    assert kind == "vanilla"
    cell, weights, mask, h, xs, deltas = net(kind, units, sparsity, lanes, steps)
    reach = [np.union1d([unit], np.nonzero(mask[0][:, unit])[0]) for unit in range(units)]
    reads = [np.nonzero(mask[0][unit])[0] for unit in range(units)]

    def padded(lists):
        index = np.zeros((units, max(map(len, lists))), np.int32)
        present = np.zeros(index.shape, np.float32)
        for row, entries in enumerate(lists):
            index[row, : len(entries)] = entries
            present[row, : len(entries)] = 1
        return jnp.asarray(index), jnp.asarray(present)

    (states, live), (sources, read) = padded(reach), padded(reads)
    own = jnp.asarray([[float(state == unit) for state in row] for unit, row in enumerate(np.asarray(states))])
    own = own * live
    inside = live[:, :, None] * live[:, None, :]
    recurrent = weights[1][0][states[:, :, None], states[:, None, :]] * inside

    def one(h, xs, deltas):
        def step(carry, part):
            h, blocks, gradient = carry
            x, delta = part
            new, (slope,), _ = cell.rows(weights, h, x)
            dynamics = slope[states][:, :, None] * recurrent
            fixed = jnp.concatenate([x, jnp.ones(1)])
            u = jnp.concatenate([jnp.broadcast_to(fixed, (units, INPUTS + 1)), h[sources] * read], axis=1)
            blocks = jnp.einsum("bij,bjf->bif", dynamics, blocks) + (own * slope[:, None])[:, :, None] * u[:, None, :]
            gradient = gradient + jnp.einsum("bi,bif->bf", delta[states] * live, blocks)
            return (new, blocks, gradient), None

        width = INPUTS + 1 + sources.shape[1]
        zeros = (h, jnp.zeros((units, states.shape[1], width)), jnp.zeros((units, width)))
        return jax.lax.scan(step, zeros, (xs, deltas))[0]

    run = one if lanes == 1 else jax.vmap(one, in_axes=(0, 1, 1))
    return jax.jit(run), (h, xs, deltas)


def rtrl(kind, units, sparsity, lanes, steps):
    """All of J, multiplied by all of D."""
    assert lanes == 1
    cell, weights, mask, h, xs, deltas = net(kind, units, sparsity, lanes, steps)

    def one(h, xs, deltas):
        def step(carry, part):
            h, influence, gradient = carry
            x, delta = part
            dynamics = jax.jacrev(lambda h: cell.step(weights, h, x))(h)
            new, g, _ = cell.rows(weights, h, x)
            u = jnp.concatenate([x, h, jnp.ones(1)])
            influence = (dynamics @ influence.reshape(units, -1)).reshape(influence.shape)
            diagonal = jnp.arange(units)
            influence = influence.at[diagonal, :, diagonal].add(g.T[:, :, None] * u)
            gradient = gradient + jnp.einsum("s,sgrf->grf", delta, influence)
            return (new, influence, gradient), None

        gates = 4 if kind == "gru" else 1
        width = INPUTS + units + 1
        zeros = (h, jnp.zeros((units, gates, units, width)), jnp.zeros((gates, units, width)))
        return jax.lax.scan(step, zeros, (xs, deltas))[0]

    return jax.jit(one), (h, xs, deltas)
