"""The forecaster as a regressor of River, for its pipelines, metrics and evaluations. Needs `pip install river`."""

from __future__ import annotations

from typing import Any

from river import base

from . import _forecaster

__all__ = ["Forecaster"]


class Forecaster(_forecaster.Forecaster, base.Regressor):
    """`rtrl.Forecaster`, which River knows as a regressor.

    What is predicted for a row is predicted before it: River hands over the features of a row first, and they are
    learned from together with its target.
    """

    def learn_one(self, x: Any = None, y: Any = None) -> None:
        _forecaster.Forecaster.learn_one(self, x, y)

    def predict_one(self, x: Any = None) -> Any:
        return _forecaster.Forecaster.predict_one(self, x)
