"""A head and a loss of JAX over NumPy arrays, and gradients against JAX's own."""

from __future__ import annotations

import numpy as np
import pytest
import rtrl
from rtrl._pytorch import Layout

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
jnp = jax.numpy


def loss_of(head, h, target):
    return jnp.sum((head @ h - target) ** 2)


def hidden_states(tensors, xs):
    """A GRU of one layer in JAX, from the formulas of PyTorch."""

    def step(h, x):
        a = tensors["weight_ih_l0"] @ x + tensors["bias_ih_l0"]
        b = tensors["weight_hh_l0"] @ h + tensors["bias_hh_l0"]
        (ar, az, an), (br, bz, bn) = jnp.split(a, 3), jnp.split(b, 3)
        r, z = jax.nn.sigmoid(ar + br), jax.nn.sigmoid(az + bz)
        h = (1 - z) * jnp.tanh(an + r * bn) + z * h
        return h, h

    return jax.lax.scan(step, jnp.zeros(tensors["weight_hh_l0"].shape[1]), xs)[1]


@pytest.mark.parametrize("seed", range(3))
def test_a_head_of_jax_and_the_gradients_of_jax(seed):
    rng = np.random.default_rng(seed)
    units, inputs, steps = 5, 3, 6
    net = rtrl.Net(rtrl.Gru(units), inputs, dtype="float64", seed=seed)
    head, xs, targets = rng.normal(size=(2, units)), rng.normal(size=(steps, inputs)), rng.normal(size=(steps, 2))
    est, gradient = net.estimator(rtrl.Rtrl(), window=steps), jax.jit(jax.grad(loss_of, argnums=(0, 1)))
    by_head = 0
    for x, target in zip(xs, targets):
        d_head, dh = gradient(head, est.step(x), target)
        est.observe(np.asarray(dh))
        by_head = by_head + d_head
    found = Layout(net).export(est.finish_window())

    def total(tensors, head):
        return sum(loss_of(head, h, target) for h, target in zip(hidden_states(tensors, xs), targets))

    expected, expected_head = jax.grad(total, argnums=(0, 1))(Layout(net).export(net.weights), head)
    close = dict(rtol=1e-10, atol=1e-10)  # Both exact in float64, but for rounding.
    np.testing.assert_allclose(by_head, expected_head, **close)
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"):
        np.testing.assert_allclose(found[name], expected[name], **close)
    np.testing.assert_allclose(found["bias_hh_l0"][2 * units :], expected["bias_hh_l0"][2 * units :], **close)
