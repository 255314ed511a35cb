"""The forecaster beside models of River, by River's own evaluation: a table in Markdown.

    pip install ./python river
    python python/tools/river_table.py

Every model has its default settings, or those written here; none was tuned on these data. Each row is predicted before it is
learned from. River's regressors know the features of a row when they predict it; the forecaster knows the rows
before. On a series without features River's models read the last values instead.
"""

from __future__ import annotations

from collections import deque

import river
import rtrl
from river import base, compose, datasets, evaluate, linear_model, metrics, neighbors, preprocessing, time_series, tree
from rtrl.river import Forecaster


class Lags(base.Regressor):
    """A regressor of River that reads the last values of the target, in place of features that there are not."""

    def __init__(self, model, lags=8):
        self.model = model
        self.lags = lags
        self.past = deque([0.0] * lags, lags)

    def _x(self):
        return {f"lag{i}": value for i, value in enumerate(self.past)}

    def predict_one(self, x):
        return self.model.predict_one(self._x())

    def learn_one(self, x, y):
        self.model.learn_one(self._x(), y)
        self.past.append(y)


class Ahead(base.Regressor):
    """One of River's `time_series` as a regressor: one row ahead."""

    def __init__(self, model):
        self.model = model

    def predict_one(self, x):
        try:
            return self.model.forecast(horizon=1)[0]
        except (IndexError, AttributeError, TypeError, ZeroDivisionError):
            return 0.0  # before it has seen enough

    def learn_one(self, x, y):
        self.model.learn_one(y=y)


class Last(base.Regressor):
    """Repeats the last value."""

    def __init__(self):
        self.value = 0.0

    def predict_one(self, x):
        return self.value

    def learn_one(self, x, y):
        self.value = y


def sets():
    trump = {
        "the last value": Last,
        "`linear_model.LinearRegression`": lambda: preprocessing.StandardScaler() | linear_model.LinearRegression(),
        "`neighbors.KNNRegressor`": lambda: preprocessing.StandardScaler() | neighbors.KNNRegressor(),
        "`tree.HoeffdingAdaptiveTreeRegressor`": lambda: preprocessing.StandardScaler()
        | tree.HoeffdingAdaptiveTreeRegressor(seed=0),
        "`time_series.SNARIMAX(p=1, d=1, q=1)`": lambda: Ahead(time_series.SNARIMAX(p=1, d=1, q=1)),
        "`rtrl.river.Forecaster`": Forecaster,
    }
    water = {
        "the last value": Last,
        "`linear_model.LinearRegression`, 8 lags": lambda: Lags(
            preprocessing.StandardScaler() | linear_model.LinearRegression()
        ),
        "`neighbors.KNNRegressor`, 8 lags": lambda: Lags(neighbors.KNNRegressor()),
        "`tree.HoeffdingAdaptiveTreeRegressor`, 8 lags": lambda: Lags(tree.HoeffdingAdaptiveTreeRegressor(seed=0)),
        "`time_series.HoltWinters(0.3, 0.1, 0.6, 24)`": lambda: Ahead(
            time_series.HoltWinters(alpha=0.3, beta=0.1, gamma=0.6, seasonality=24)
        ),
        "`time_series.SNARIMAX(p=1, d=1, q=1)`": lambda: Ahead(time_series.SNARIMAX(p=1, d=1, q=1)),
        "`rtrl.river.Forecaster`": Forecaster,
    }
    return {"TrumpApproval": (datasets.TrumpApproval(), trump), "WaterFlow": (datasets.WaterFlow(), water)}


def main() -> None:
    print(f"River {river.__version__}, rtrl {rtrl.__version__}, `python python/tools/river_table.py`\n")
    print("| data set | model | mean absolute error |\n|---|---|---|")
    for name, (dataset, models) in sets().items():
        rows = [({key: value for key, value in x.items() if isinstance(value, (int, float))}, y) for x, y in dataset]
        for told, make in models.items():
            error = metrics.MAE()
            evaluate.progressive_val_score(rows, make(), error)
            print(f"| {name}, {len(rows)} rows | {told} | {error.get():.4g} |")


if __name__ == "__main__":
    main()
