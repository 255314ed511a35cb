"""Plain-JAX gradient estimators, written to be fast: what a practitioner with JAX would use in place of rtrl.

Each task has several forms, because none is the quickest for every net; `time_peers.py` times all of them, and the quickest counts. A
form returns `run`, compiled, whose call makes `steps` time steps, and its arguments. Nets read dense inputs. BPTT multiplies masked
dense weights, which on a CPU is the quickest that JAX has at these sizes. `check_forms.py` compares the gradients of all forms.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jax_nets import CELLS, INPUTS, READS, Gru, net


def streamed(advance, contract, traces, zeros, lanes, arguments):
    """The loop of an estimator that adds to its gradient at every step.

    `advance(state, traces, x)` gives those of the next step, and `contract(traces, delta)` its part of the gradient, both of one
    lane. The parts of all lanes are added at once, so that there is a single gradient.
    """

    def run(state, xs, deltas):
        def step(carry, part):
            state, traces, gradient = carry
            x, delta = part
            if lanes == 1:
                state, traces = advance(state, traces, x)
                part = contract(traces, delta)
            else:
                state, traces = jax.vmap(advance)(state, traces, x)
                part = jax.tree.map(lambda part: part.sum(0), jax.vmap(contract)(traces, delta))
            return (state, traces, jax.tree.map(jnp.add, gradient, part)), None

        return jax.lax.scan(step, (state, traces, zeros), (xs, deltas))[0][2]

    if lanes == 1:
        state, xs, deltas = arguments
        return jax.jit(run), (tuple(part[0] for part in state), xs[:, 0], deltas[:, 0])
    traces = jax.tree.map(lambda part: jnp.broadcast_to(part, (lanes, *part.shape)), traces)
    return jax.jit(run), arguments


# Backpropagation through time.


def bptt_by_gates(kind, units, sparsity, lanes, steps):
    """As one writes it: every product within the scan, one for each gate."""
    cell, weights, mask, state, xs, deltas = net(kind, units, sparsity, lanes, steps)
    masked = jnp.asarray(mask)

    def loss(weights, xs, deltas):
        w, v, b = weights
        v = v * masked if sparsity else v

        def step(state, part):
            x, delta = part
            fixed = jnp.stack([x @ w[gate].T + b[gate] for gate in range(cell.gates)], -2)
            recurrent = jnp.stack([state[0] @ v[gate].T for gate in range(cell.gates)], -2)
            state = cell.step(state, fixed, recurrent, b)
            return state, jnp.sum(state[0] * delta)

        return jax.lax.scan(step, state, (xs, deltas))[1].sum()

    return jax.jit(jax.grad(loss)), (weights, xs, deltas)


def bptt_hoisted(unroll):
    """The product with all inputs before the scan, and one product with the state for all gates."""

    def form(kind, units, sparsity, lanes, steps):
        cell, weights, mask, state, xs, deltas = net(kind, units, sparsity, lanes, steps)
        masked = jnp.asarray(mask)

        def loss(weights, xs, deltas):
            w, v, b = weights
            v = v * masked if sparsity else v
            fixed = xs @ w.reshape(-1, INPUTS).T + b[: cell.gates].reshape(-1)
            fixed = fixed.reshape(steps, lanes, cell.gates, units)
            joined = v.reshape(-1, units).T

            def step(state, part):
                fixed, delta = part
                recurrent = (state[0] @ joined).reshape(lanes, cell.gates, units)
                state = cell.step(state, fixed, recurrent, b)
                return state, jnp.sum(state[0] * delta)

            return jax.lax.scan(step, state, (fixed, deltas), unroll=unroll)[1].sum()

        return jax.jit(jax.grad(loss)), (weights, xs, deltas)

    return form


def bptt_products(unroll):
    """As hoisted, but the loop backward gives only the gradients of preactivations; the weights' are one product at the end."""

    def form(kind, units, sparsity, lanes, steps):
        cell, weights, mask, state, xs, deltas = net(kind, units, sparsity, lanes, steps)
        masked = jnp.asarray(mask)

        def run(weights, xs, deltas):
            w, v, b = weights
            v = v * masked if sparsity else v
            fixed = xs @ w.reshape(-1, INPUTS).T + b[: cell.gates].reshape(-1)
            fixed = fixed.reshape(steps, lanes, cell.gates, units)
            joined = v.reshape(-1, units).T

            def loss(fixed, added):
                def step(state, part):
                    fixed, added, delta = part
                    recurrent = (state[0] @ joined).reshape(lanes, cell.gates, units) + added
                    new = cell.step(state, fixed, recurrent, b)
                    return new, (jnp.sum(new[0] * delta), state[0])

                losses, before = jax.lax.scan(step, state, (fixed, added, deltas), unroll=unroll)[1]
                return losses.sum(), before

            (of_fixed, of_added), before = jax.grad(loss, (0, 1), has_aux=True)(fixed, jnp.zeros_like(fixed))
            of_v = jnp.einsum("tbgu,tbs->gus", of_added, before)
            of_b = of_fixed.sum((0, 1))
            if kind == "gru":
                of_b = jnp.concatenate([of_b, of_added[:, :, 2].sum((0, 1))[None]])
            return jnp.einsum("tbgu,tbi->gui", of_fixed, xs), of_v * masked if sparsity else of_v, of_b

        return jax.jit(run), (weights, xs, deltas)

    return form


# SnAp-1. A trace has the weights' shape; traces are updated and contracted at every step.


def products(cell, weights, x, h):
    w, v, b = weights
    fixed = jnp.einsum("gui,i->gu", w, x) + b[: cell.gates]
    return fixed, jnp.einsum("gui,i->gu", v, h)


def snap_1_joined(kind, units, sparsity, lanes, steps):
    """One trace for each row of weights, over inputs, state and bias together."""
    _, weights, _, *arguments = net(kind, units, sparsity, lanes, steps)
    start, advance = joined(kind, units, weights)
    contract = lambda traces, delta: [delta[:, None] * hidden(trace) for trace in traces]
    zeros = [jnp.zeros_like(hidden(trace)) for trace in start]
    return streamed(lambda *now: advance(weights, *now), contract, start, zeros, lanes, arguments)


def hidden(trace):
    """The trace of the hidden state, of a cell with several states."""
    return trace[0] if isinstance(trace, tuple) else trace


def joined(kind, units, weights):
    """Traces of zeros, and the function that advances them."""
    cell, reads = CELLS[kind], READS[kind]
    width = lambda read: INPUTS * read[0] + units * read[1] + 1
    zeros = [jnp.zeros((units, width(read))) for read in reads]
    if kind == "lstm":
        zeros = [(part, part) for part in zeros]

    def advance(weights, state, traces, x):
        own = jnp.diagonal(weights[1], axis1=1, axis2=2)
        fixed, recurrent = products(cell, weights, x, state[0])
        ones = jnp.ones(1)
        read = [jnp.concatenate([x] * i + [state[0]] * h + [ones]) for i, h in reads]
        if kind == "lstm":
            return lstm_traces(state, traces, fixed + recurrent, own, read)
        state, g, diagonal = cell.rows(state, fixed, recurrent, own, weights[2])
        return state, [diagonal[:, None] * t + g[:, None] * u[None] for t, g, u in zip(traces, g, read)]

    return zeros, advance


def lstm_traces(state, traces, z, own, read):
    i, f, o = (jax.nn.sigmoid(z[gate]) for gate in (0, 1, 3))
    n = jnp.tanh(z[2])
    c = f * state[1] + i * n
    tanh = jnp.tanh(c)
    g = [i * (1 - i) * n, f * (1 - f) * state[1], i * (1 - n * n)]
    by_state = sum(g * own for g, own in zip(g, own))
    g_out, out = o * (1 - o) * tanh, o * (1 - tanh * tanh)
    grown = []
    for gate, (h_trace, c_trace) in enumerate(traces):
        c_new = f[:, None] * c_trace + by_state[:, None] * h_trace
        h_new = (g_out * own[3])[:, None] * h_trace
        if gate == 3:
            h_new = h_new + g_out[:, None] * read[3][None]
        else:
            c_new = c_new + g[gate][:, None] * read[gate][None]
        grown.append((h_new + out[:, None] * c_new, c_new))
    return (o * tanh, c), grown


def snap_1_split(kind, units, sparsity, lanes, steps):
    """Traces of input weights and of recurrent weights apart, units last, so that nothing is concatenated."""
    if kind == "lstm":
        return None
    cell, weights, _, *arguments = net(kind, units, sparsity, lanes, steps)
    own = jnp.diagonal(weights[1], axis1=1, axis2=2)

    def advance(state, traces, x):
        j_x, j_h, j_b = traces
        fixed, recurrent = products(cell, weights, x, state[0])
        new, g, d = cell.rows(state, fixed, recurrent, own, weights[2])
        # The candidate's inputs have a factor of their own.
        by_x = jnp.stack(g[: cell.gates])
        by_h = jnp.stack(g[:2] + g[3:]) if kind == "gru" else by_x
        j_x = d * j_x + by_x[:, None, :] * x[None, :, None]
        j_h = d * j_h + by_h[:, None, :] * state[0][None, :, None]
        return new, (j_x, j_h, d * j_b + jnp.stack(g))

    contract = lambda traces, delta: tuple(delta * trace for trace in traces)
    shapes = (cell.gates, INPUTS, units), (cell.gates, units, units), (cell.biases, units)
    zeros = tuple(jnp.zeros(shape) for shape in shapes)
    return streamed(advance, contract, zeros, zeros, lanes, arguments)


def snap_1_entries(kind, units, sparsity, lanes, steps):
    """Traces of the recurrent weights that exist, in one array."""
    if kind != "vanilla" or sparsity == 0:
        return None
    _, (w, v, b), mask, *arguments = net(kind, units, sparsity, lanes, steps)
    unit, source = map(jnp.asarray, np.nonzero(mask[0]))
    own, w_t, v_t = jnp.diagonal(v[0]), w[0].T, v[0].T

    def advance(state, traces, x):
        (h,), (j_x, j_v, j_b) = state, traces
        new = jnp.tanh(x @ w_t + b[0] + h @ v_t)
        slope = 1 - new * new
        d = slope * own
        return (new,), (d * j_x + x[:, None] * slope, d[unit] * j_v + h[source] * slope[unit], d * j_b + slope)

    contract = lambda traces, delta: (delta * traces[0], delta[unit] * traces[1], delta * traces[2])
    zeros = jnp.zeros((INPUTS, units)), jnp.zeros(unit.shape), jnp.zeros(units)
    return streamed(advance, contract, zeros, zeros, lanes, arguments)


# The online step: SnAp-1, the gradient and an update by Adam, at every step.


def adam(weights, gradient, mean, square, t, rate=1e-3, b1=0.9, b2=0.999, epsilon=1e-8):
    mean = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, mean, gradient)
    square = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, square, gradient)
    scale, correction = rate / (1 - b1**t), 1 / (1 - b2**t)
    move = lambda w, m, v: w - scale * m / (jnp.sqrt(v * correction) + epsilon)
    return jax.tree.map(move, weights, mean, square), mean, square


def online_step(kind, units, sparsity, lanes):
    """Initial values, and the function of one step of all lanes, with dense traces and dense weights."""
    cell, weights, mask, state, _, _ = net(kind, units, sparsity, lanes, 1)
    traces, advance = joined(kind, units, weights)
    masked = jnp.asarray(mask)

    def gradient(state, traces, weights, x, delta):
        state, traces = advance(weights, state, traces, x)
        return state, traces, [delta[:, None] * hidden(trace) for trace in traces]

    def step(carry, part):
        state, traces, weights, mean, square, t = carry
        if lanes == 1:
            new, traces, rows = gradient(tuple(s[0] for s in state), traces, weights, part[0][0], part[1][0])
            state = tuple(s[None] for s in new)
        else:
            state, traces, rows = jax.vmap(gradient, (0, 0, None, 0, 0))(state, traces, weights, *part)
            rows = [row.sum(0) for row in rows]
        # From rows over inputs, state and bias to the weights' own shapes.
        if kind == "gru":
            reset, update, inputs, inner = rows
            g_w = jnp.stack([reset[:, :INPUTS], update[:, :INPUTS], inputs[:, :INPUTS]])
            g_v = jnp.stack([reset[:, INPUTS:-1], update[:, INPUTS:-1], inner[:, :-1]])
        else:
            g_w = jnp.stack([row[:, :INPUTS] for row in rows])
            g_v = jnp.stack([row[:, INPUTS:-1] for row in rows])
        g_b = jnp.stack([row[:, -1] for row in rows])
        g_v = g_v * masked if sparsity else g_v
        weights, mean, square = adam(weights, (g_w, g_v, g_b), mean, square, t)
        return (state, traces, weights, mean, square, t + 1), None

    if lanes > 1:
        traces = jax.tree.map(lambda part: jnp.broadcast_to(part, (lanes, *part.shape)), traces)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return (state, traces, weights, zeros, zeros, jnp.float32(1)), step


def online_scanned(kind, units, sparsity, lanes, steps):
    """All steps in one compiled loop: what a stream that comes step by step cannot have, but an upper bound."""
    carry, step = online_step(kind, units, sparsity, lanes)
    _, _, _, _, xs, deltas = net(kind, units, sparsity, lanes, steps)
    return jax.jit(lambda carry, xs, deltas: jax.lax.scan(step, carry, (xs, deltas))[0]), (carry, xs, deltas)


def online_stepped(kind, units, sparsity, lanes, steps):
    """One compiled step, called from Python, whose buffers are given back."""
    carry, step = online_step(kind, units, sparsity, lanes)
    _, _, _, _, xs, deltas = net(kind, units, sparsity, lanes, steps)
    compiled = jax.jit(lambda carry, x, delta: step(carry, (x, delta))[0], donate_argnums=0)
    xs, deltas = list(xs), list(deltas)

    def run(carry):
        carry = jax.tree.map(jnp.copy, carry)
        for x, delta in zip(xs, deltas):
            carry = compiled(carry, x, delta)
        return carry

    return run, (carry,)


# SnAp-2 of vanilla nets: one block for each unit, of the states within two steps and the weights that exist.


def padded(lists):
    index = np.zeros((len(lists), max(map(len, lists))), np.int32)
    present = np.zeros(index.shape, np.float32)
    for row, entries in enumerate(lists):
        index[row, : len(entries)] = entries
        present[row, : len(entries)] = 1
    return jnp.asarray(index), jnp.asarray(present)


def snap_2_blocks(kind, units, sparsity, lanes, steps):
    """Blocks padded to the largest one, multiplied as a batch; the unit's own row comes first, and only it gets what is new."""
    _, (w, v, b), mask, *arguments = net(kind, units, sparsity, lanes, steps)
    others = [np.setdiff1d(np.nonzero(mask[0][:, unit])[0], [unit]) for unit in range(units)]
    states, live = padded([np.concatenate([[unit], more]) for unit, more in enumerate(others)])
    sources, read = padded([np.nonzero(mask[0][unit])[0] for unit in range(units)])
    inside = live[:, :, None] * live[:, None, :]
    recurrent = v[0][states[:, :, None], states[:, None, :]] * inside
    w_t, v_t = w[0].T, v[0].T

    def advance(state, blocks, x):
        (h,) = state
        new = jnp.tanh(x @ w_t + b[0] + h @ v_t)
        slope = 1 - new * new
        fixed = jnp.broadcast_to(jnp.concatenate([x, jnp.ones(1)]), (units, INPUTS + 1))
        u = jnp.concatenate([fixed, h[sources] * read], axis=1)
        blocks = jnp.einsum("bij,bjf->bif", slope[states][:, :, None] * recurrent, blocks)
        return (new,), blocks.at[:, 0, :].add(slope[:, None] * u)

    contract = lambda blocks, delta: jnp.einsum("bi,bif->bf", delta[states] * live, blocks)
    width = INPUTS + 1 + sources.shape[1]
    blocks = jnp.zeros((units, states.shape[1], width))
    return streamed(advance, contract, blocks, jnp.zeros((units, width)), lanes, arguments)


def snap_2_masked(kind, units, sparsity, lanes, steps):
    """All of D times all columns of J that exist, masked to the pattern: many zeros, but one matrix product."""
    if units > 256 or lanes > 1:
        return None
    _, (w, v, b), mask, *arguments = net(kind, units, sparsity, lanes, steps)
    unit, source = np.nonzero(mask[0])
    reached = np.logical_or(mask[0] != 0, np.eye(units, dtype=bool))
    columns = np.concatenate([np.repeat(np.arange(units), INPUTS + 1), unit])
    pattern = jnp.asarray(reached[:, columns].astype(np.float32))
    columns, source = jnp.asarray(columns), jnp.asarray(source)
    w_t, v_t = w[0].T, v[0].T

    def advance(state, influence, x):
        (h,) = state
        new = jnp.tanh(x @ w_t + b[0] + h @ v_t)
        slope = 1 - new * new
        u = jnp.concatenate([jnp.tile(jnp.concatenate([x, jnp.ones(1)]), units), h[source]])
        influence = pattern * ((slope[:, None] * v[0]) @ influence)
        return (new,), influence.at[columns, jnp.arange(columns.size)].add(slope[columns] * u)

    contract = lambda influence, delta: delta @ influence
    return streamed(advance, contract, jnp.zeros(pattern.shape), jnp.zeros(columns.shape), lanes, arguments)


def rtrl(kind, units, sparsity, lanes, steps):
    """All of J, multiplied by all of D, which is written by hand."""
    assert kind == "gru" and lanes == 1
    cell, weights, _, *arguments = net(kind, units, sparsity, lanes, steps)
    own = jnp.diagonal(weights[1], axis1=1, axis2=2)
    unit = jnp.arange(units)

    def advance(state, influence, x):
        fixed, recurrent = products(cell, weights, x, state[0])
        _, update, _, _ = Gru.parts(fixed, recurrent, weights[2])
        new, g, _ = cell.rows(state, fixed, recurrent, own, weights[2])
        dynamics = jnp.einsum("gu,guj->uj", jnp.stack(g[:2] + g[3:]), weights[1]) + jnp.diag(update)
        influence = (dynamics @ influence.reshape(units, -1)).reshape(influence.shape)
        u = jnp.concatenate([x, state[0], jnp.ones(1)])
        return new, influence.at[unit, :, unit].add(jnp.stack(g, 1)[:, :, None] * u)

    width = INPUTS + units + 1
    contract = lambda influence, delta: (delta @ influence.reshape(units, -1)).reshape(4, units, width)
    influence, zeros = jnp.zeros((units, 4, units, width)), jnp.zeros((4, units, width))
    return streamed(advance, contract, influence, zeros, lanes, arguments)


def uoro(kind, units, sparsity, lanes, steps):
    """One signed sum of the influence for each lane; derivatives by JAX."""
    cell, weights, mask, *arguments = net(kind, units, sparsity, lanes, steps)
    masked = jnp.asarray(mask)
    norm = lambda tree: jnp.sqrt(sum(jnp.vdot(part, part) for part in jax.tree.leaves(tree)) + 1e-12)

    def next_state(weights, state, x):
        return cell.step(state, *products(cell, weights, x, state[0]), weights[2])

    def advance(state, traces, x):
        s, theta, key = traces
        key, draw = jax.random.split(key)
        nu = tuple(jax.random.rademacher(draw, (cell.states, units), dtype=jnp.float32))
        new, forward = jax.jvp(lambda state: next_state(weights, state, x), (state,), (s,))
        _, back = jax.vjp(lambda weights: next_state(weights, state, x), weights)
        (immediate,) = back(nu)
        if sparsity:
            immediate = (immediate[0], immediate[1] * masked, immediate[2])
        r0 = jnp.sqrt(norm(theta) / norm(forward)) + 1e-7
        r1 = jnp.sqrt(norm(immediate) / norm(nu)) + 1e-7
        s = jax.tree.map(lambda f, n: r0 * f + r1 * n, forward, nu)
        return new, (s, jax.tree.map(lambda t, i: t / r0 + i / r1, theta, immediate), key)

    def contract(traces, delta):
        s, theta, _ = traces
        along = jnp.vdot(delta, s[0])
        return jax.tree.map(lambda t: along * t, theta)

    zeros = jax.tree.map(jnp.zeros_like, weights)
    traces = (jnp.zeros(units),) * cell.states, zeros, jax.random.PRNGKey(0)
    return streamed(advance, contract, traces, zeros, lanes, arguments)


# Every form of every task, by the name under which its time is reported.
FORMS = {
    "bptt": {
        "by gates": bptt_by_gates,
        "hoisted": bptt_hoisted(1),
        "hoisted, unrolled": bptt_hoisted(4),
        "products": bptt_products(1),
        "products, unrolled": bptt_products(4),
    },
    "snap1": {"joined": snap_1_joined, "split": snap_1_split, "entries": snap_1_entries},
    "snap2": {"blocks": snap_2_blocks, "masked": snap_2_masked},
    "rtrl": {"by hand": rtrl},
    "uoro": {"by JAX": uoro},
    "online-adam": {"scanned": online_scanned, "stepped": online_stepped},
}
