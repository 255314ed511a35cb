"""A head and a loss of JAX: JAX gives the gradient by the hidden state, the estimator that by the recurrent weights.

The net keeps a state from call to call, which `jax.jit` and `jax.grad` may not trace through. So the net stays outside,
and arrays pass as NumPy's.
"""

import jax
import jax.numpy as jnp
import numpy as np
import rtrl


def loss(head, h, target):
    return jnp.mean((head["weight"] @ h + head["bias"] - target) ** 2)


gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
net = rtrl.Net(rtrl.Lstm(16), inputs=1)
est = net.estimator(rtrl.SnAp(1))
head = {"weight": jnp.zeros((1, 16)), "bias": jnp.zeros(1)}
mean = 1.0
for t in range(3000):
    h = est.step(np.sin([0.3 * t]).astype(np.float32))
    value, (d_head, dh) = gradients(head, h, jnp.sin(0.3 * (t + 1)))
    net.weights -= 0.05 * est.finish_window(np.asarray(dh))
    head = jax.tree_util.tree_map(lambda p, g: p - 0.05 * g, head, d_head)
    mean += 0.01 * (float(value) - mean)

print(f"mean squared error {mean:.5f}")
assert mean < 0.02
