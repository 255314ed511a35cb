"""SnAp-2 by braintrace on the same sparse vanilla nets."""

import brainstate
import brainevent
import braintrace
import jax
import jax.numpy as jnp
import numpy as np

from jax_nets import net


class Cell(brainstate.nn.Module):
    """h' = tanh(W x + V h + b), V in compressed rows."""

    def __init__(self, weights, mask):
        super().__init__()
        w, v, b = (np.asarray(part) for part in weights)
        self.units = v.shape[-1]
        self.w = jnp.asarray(w[0].T)
        sparse = brainevent.CSR.fromdense(jnp.asarray(v[0].T * mask[0].T))
        self.recurrent = braintrace.nn.SparseLinear(sparse, b_init=jnp.asarray(b[0]))
        self.h = brainstate.HiddenState(jnp.zeros(self.units))

    def init_state(self, *arguments, **others):
        self.h.value = jnp.zeros(self.units)

    def update(self, x):
        self.h.value = jnp.tanh(x @ self.w + self.recurrent(self.h.value))
        return self.h.value


def snap_2(units, sparsity, steps):
    """Like the functions of `jax_estimators`; the input weights do not learn, so that there is a single product to follow."""
    _, weights, mask, _, xs, deltas = net("vanilla", units, sparsity, 1, steps)
    xs, deltas = xs[:, 0], deltas[:, 0]
    model = Cell(weights, mask)
    brainstate.nn.init_all_states(model)
    learner = braintrace.compile(model, braintrace.SnAp, xs[0], n=2)

    @brainstate.transform.jit
    def run(xs, deltas):
        return learner.etrace_grad(xs, deltas, step_fn=lambda x, delta: jnp.sum(learner(x) * delta))

    return run, (xs, deltas)
