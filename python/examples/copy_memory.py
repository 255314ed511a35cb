"""A sparse GRU repeats what it heard two steps before, learning at every step by SnAp-1, with a head in NumPy."""

import numpy as np
import rtrl

rng = np.random.default_rng(0)
lanes, symbols, delay = 16, 4, 2
net = rtrl.Net(rtrl.Gru(32, sparsity=0.75), symbols=symbols)
est = net.estimator(rtrl.SnAp(1), lanes=lanes)
head = np.zeros((symbols, net.hidden), np.float32)
rate, history, bits = 0.5, [], 2.0

for step in range(3000):
    x = rng.integers(symbols, size=lanes)
    history = [*history[-delay:], x]
    h = est.step(x)  # (lanes, hidden)
    target = history[0]
    logits = h @ head.T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    bits += 0.005 * (-np.log2(p[np.arange(lanes), target]).mean() - bits)
    error = (p - np.eye(symbols, dtype=np.float32)[target]) / lanes  # the gradient by the logits
    net.weights -= rate * np.clip(est.finish_window(error @ head), -0.5, 0.5)
    head -= rate * error.T @ h

print(f"{bits:.3f} bits for each symbol, of {np.log2(symbols):.0f} by guessing")
assert bits < 1.0
