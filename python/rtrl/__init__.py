"""Real-time recurrent learning: recurrent nets that learn at every step, without a stored history.

A net is made of cells, an estimator turns the gradient of each step's loss by the hidden state into a gradient by the
weights, and the loss, the head and the optimizer are whatever the caller has:

    net = rtrl.Net([rtrl.Gru(128, sparsity=0.75)], inputs=32)
    est = net.estimator(rtrl.SnAp(1))
    h = est.step(x)                              # (hidden,)
    gradient = est.finish_window(dh)             # from that of this step's loss by h to that by the weights
    net.weights -= 0.01 * gradient

`rtrl.torch.Online` is the same as a module of PyTorch, `rtrl.Forecaster` predicts series, and `rtrl.train` makes the runs
of configuration files.
"""

from __future__ import annotations

from . import settings as _all
from ._forecaster import Forecaster, Prediction
from ._net import Cost, Estimator, Net
from ._rtrl import __version__
from ._run import Run, metrics, train
from .settings import *  # noqa: F403

__all__ = [
    "Cost",
    "Estimator",
    "Forecaster",
    "Net",
    "Prediction",
    "Run",
    "__version__",
    "metrics",
    "train",
]
__all__ += [made.__name__ for made in (*_all.ALL_CELLS, *_all.ALL_ESTIMATORS, *_all.ALL_OPTIMIZERS)]
