"""Forecasts of series."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple, Optional, Union

import numpy as np
from numpy.typing import NDArray

from . import _rtrl
from ._settings import CellLike, EstimatorLike, OptimizerLike, count, plain, to_json

# From so many horizons on, one for each row, the forecasts that wait for their rows would take too much memory.
GREATEST = 1500


class Prediction(NamedTuple):
    """What is predicted for a row that is `horizon` rows ahead of the last one."""

    horizon: int
    model: float
    """By the net."""
    last: float
    """By repeating the last value."""
    linear: float
    """By a linear model that also learns online; NaN with too many inputs."""
    season: float
    """By repeating the value of one season before; NaN without a season."""
    interval: Optional[tuple[float, float]]
    """Around the prediction of the net, with the coverage that was asked for; None without one."""


class Forecaster:
    """A recurrent net that predicts the next rows of a series, and learns from each row as it comes.

    A row is a mapping x from the names of columns to numbers (a dict, a row of pandas), and a number y, the target, or
    a mapping of several. The net reads all of them, and predicts the targets of later rows: what is said about a row
    is said before it has come. None, NaN, and a column that is not there are missing values. Methods are named as in
    River; `rtrl.river.Forecaster` is the same as one of River's regressors.

    The columns are those of the first row that hold numbers, unless they are named.

    Args:
        horizon: How many rows ahead is predicted: 5 means 1 to 5 rows. Or a list of numbers of rows, ascending.
        layers: The recurrent layers; by default `rtrl.Lstm(32)`.
        estimator: By default `rtrl.SnAp(1)`.
        optimizer: By default `rtrl.Adam(0.002)`.
        season: Number of rows of a season, to compare with.
        lags: The net also reads the numbers of so many rows before: a list.
        coverage: Share of the values that prediction intervals are to cover, such as 0.9.
        anomaly: Whether each row gets an anomaly score.
        seed: Seed of the initial weights.
        target: Name of the column of a y that is a number.
        inputs: Names of the columns that the net reads; by default all.
        columns: Names of all columns in their order, targets too, if it is to be another than that of the first row.
        settings: Further settings: a table with those of a configuration file of `rtrl stream`.

    Raises:
        ValueError: For a setting without meaning; at the latest with the first row.
    """

    def __init__(
        self,
        horizon: Union[int, Sequence[int]] = 1,
        *,
        layers: Union[None, CellLike, Sequence[CellLike]] = None,
        estimator: Optional[EstimatorLike] = None,
        optimizer: Optional[OptimizerLike] = None,
        season: Optional[int] = None,
        lags: Optional[Sequence[int]] = None,
        coverage: Optional[float] = None,
        anomaly: bool = False,
        seed: int = 0,
        target: str = "y",
        inputs: Optional[Sequence[str]] = None,
        columns: Optional[Sequence[str]] = None,
        settings: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.horizon = horizon
        self.layers = layers
        self.estimator = estimator
        self.optimizer = optimizer
        self.season = season
        self.lags = lags
        self.coverage = coverage
        self.anomaly = anomaly
        self.seed = seed
        self.target = target
        self.inputs = inputs
        self.columns = columns
        self.settings = settings
        self._core: Optional[_rtrl.Forecaster] = None
        self._targets: list[str] = []
        # What had been predicted when it was pickled: the compiled part says it again with the next row only.
        self._kept: list[list[Prediction]] = []
        # Refuses settings without meaning before the first row.
        settings_json = _rtrl.Forecaster(self._settings(), ["y"], ["y"], ["y"]).settings
        self._rows: list[int] = json.loads(settings_json)["stream"].get("horizons", [1])

    def _settings(self, targets: Sequence[str] = ()) -> str:
        table: dict[str, Any] = plain(dict(self.settings or {}))
        stream = dict(table.get("stream", {}))
        if isinstance(self.horizon, Sequence):
            horizons = [count("horizon", rows) for rows in self.horizon]
        else:
            horizons = list(range(1, 1 + min(count("horizon", self.horizon), GREATEST)))
        if len(horizons) * max(horizons, default=0) >= GREATEST**2:
            # What is said of each row is kept until it has come.
            raise ValueError(f"horizon: {len(horizons)} predictions up to {max(horizons)} rows ahead are too many to keep")
        stream["horizons"] = horizons
        given = {"season": self.season, "coverage": self.coverage, "lags": list(self.lags or ()), "anomaly": self.anomaly}
        stream.update({name: value for name, value in given.items() if value})
        # The program compares the names that were asked for.
        stream.update({"input": list(self.inputs or ()), "target": list(targets)})
        table["stream"] = stream
        table.setdefault("training", {"seed": count("seed", self.seed, 0)})
        if self.layers is not None:
            layers = plain(self.layers)
            table["layers"] = layers if isinstance(layers, list) else [layers]
        for name, value in {"estimator": self.estimator, "optimizer": self.optimizer}.items():
            if value is not None:
                table[name] = plain(value)
        return to_json(table)

    def _open(self, x: Mapping[str, Any], y: Any) -> _rtrl.Forecaster:
        """Chooses the columns by the first row."""
        targets = list(y) if isinstance(y, Mapping) else [self.target]
        if self.columns is not None:
            columns = list(self.columns)
        else:
            numbers = [name for name, value in x.items() if value is None or isinstance(value, Real)]
            columns = [*(name for name in numbers if name not in targets), *targets]
        inputs = columns if self.inputs is None else list(self.inputs)
        self._core = _rtrl.Forecaster(self._settings(targets), columns, inputs, targets)
        self._targets = self._core.columns[2]  # in the order of the columns
        return self._core

    def learn_one(self, x: Optional[Mapping[str, Any]] = None, y: Any = None) -> None:
        """Takes in a row: learns from it, and predicts later ones.

        Args:
            x: The numbers of the row, beside the target.
            y: The target, or a mapping of several; None if it is missing.

        Raises:
            ValueError: If something in a column of numbers is not a number.
        """
        row = x if type(x) is dict else {} if x is None else dict(x)
        core = self._core or self._open(row, y)
        if type(y) is not dict:
            y = dict(y) if isinstance(y, Mapping) else {self._targets[0]: y}
        core.learn(row, y)

    def predict_one(self, x: Optional[Mapping[str, Any]] = None) -> Any:
        """What was predicted for the row after the last one: a number, or a dict if there are several targets.

        The prediction was made before this row, so `x` has no part in it. It is 0 where there is none yet.
        """
        if len(self._targets) <= 1:
            return self._next(0) or 0.0
        return {name: self._next(place) or 0.0 for place, name in enumerate(self._targets)}

    def _next(self, place: int) -> Optional[float]:
        """The net's prediction of a target for the next row."""
        told = self._core.next(place) if self._core else None
        if told is not None or not self._kept:
            return told
        return next((made.model for made in self._kept[place] if made.horizon == 1), None)

    def forecast(self, horizon: Optional[int] = None, xs: Optional[Iterable[Any]] = None) -> Any:
        """The net's predictions for the next rows: of each row a number, or a dict if there are several targets.

        Args:
            horizon: For the next so many rows; by default for all rows that are predicted.
            xs: Not used; for callers that know River's `time_series`.

        Raises:
            ValueError: If rows are asked for that are not predicted; before the first row.
        """
        known = self._rows
        wanted = known if horizon is None else list(range(1, 1 + min(count("horizon", horizon), known[-1] + 1)))
        if known[: len(wanted)] != wanted:
            raise ValueError(f"{horizon} rows ahead are asked for, and predicted are the rows {known} ahead")
        made = {name: self.predictions(name) for name in self._targets}
        if not any(made.values()):
            raise ValueError("nothing is predicted yet: call `learn_one` first")
        if len(made) == 1:
            return [one.model for one in made[self._targets[0]][: len(wanted)]]
        return [{name: of[row].model for name, of in made.items()} for row in range(len(wanted))]

    def predictions(self, target: Optional[str] = None) -> list[Prediction]:
        """What the net and the simple predictors say of the next rows, and the interval around what the net says.

        Args:
            target: Name of the target, if there are several.

        Raises:
            ValueError: If there is no such target.
        """
        if self._core is None:
            return []
        name = self._targets[0] if target is None else target
        if name not in self._targets:
            raise ValueError(f"there is no target {name!r}; there are {self._targets}")
        ahead = self._core.ahead(self._targets.index(name))
        if not ahead and self._kept:
            return self._kept[self._targets.index(name)]
        return [
            Prediction(rows, made[0], made[1], made[2], made[3], None if ends is None else (ends[0], ends[1]))
            for rows, made, ends in ahead
        ]

    def predict_then_learn(self, frame: Any) -> NDArray[np.float64]:
        """Takes in all rows of a table, of pandas or polars or a mapping of columns.

        Returns:
            What was predicted for each row before it was learned from, one row ahead, NaN where there was nothing to
            predict from: (rows,) or (rows, targets).
        """
        if hasattr(frame, "iter_rows"):
            rows: Iterable[dict[str, Any]] = frame.iter_rows(named=True)
        elif hasattr(frame, "to_dict") and hasattr(frame, "columns"):
            rows = frame.to_dict("records")
        else:
            rows = [dict(zip(frame, values)) for values in zip(*frame.values())]
        out: list[list[float]] = []
        names = self._targets
        for row in rows:
            if not names and self.target not in row:
                raise ValueError(f"the table has no column {self.target!r}, the target; there are {list(row)}")
            names = names or [self.target]
            told = [self._next(place) for place in range(len(names))]
            out.append([np.nan if value is None else value for value in told])
            self.learn_one({name: value for name, value in row.items() if name not in names}, {n: row[n] for n in names})
        made = np.array(out, dtype=np.float64).reshape(len(out), max(len(names), 1))
        return made[:, 0] if made.shape[1] == 1 else made

    @property
    def scores(self) -> dict[int, dict[str, float]]:
        """For each horizon the running mean squared errors of the predictors, in units of the variance."""
        names = ("model", "last", "linear", "season")
        found = self._core.scores() if self._core else []
        return {rows: dict(zip(names, row)) for rows, row in zip(self._rows, found)}

    @property
    def anomaly_score(self) -> Optional[float]:
        """How unusual the last row was, in 0..1; None without `anomaly=True`, and in the first rows."""
        return self._core.anomaly()[0] if self._core else None

    @property
    def rows(self) -> int:
        """Number of rows learned from."""
        return self._core.counts()[0] if self._core else 0

    def begin_sequence(self) -> None:
        """Says that the next row does not follow the last one. Weights and statistics stay."""
        if self._core:
            self._core.begin_sequence()

    def set_learning(self, learning: bool) -> None:
        """Whether the weights learn; they do at first.

        Raises:
            ValueError: Before the first row.
        """
        self._begun().set_learning(learning)

    def save(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes a checkpoint, with which `rtrl stream --checkpoint` goes on too, on rows of the same columns.

        Raises:
            ValueError: Before the first row.
            OSError: If the file cannot be written.
        """
        self._begun().save(path)

    def __getstate__(self) -> dict[str, Any]:
        """For `pickle` and `copy.deepcopy`: the compiled part as a checkpoint."""
        kept = [self.predictions(name) for name in self._targets]
        return {**self.__dict__, "_kept": kept, "_core": self._core and self._core.save_bytes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._core = state["_core"] and _rtrl.Forecaster.load_bytes(state["_core"])

    def _begun(self) -> _rtrl.Forecaster:
        if self._core is None:
            raise ValueError("nothing has been learned: call `learn_one` first")
        return self._core

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> Forecaster:
        """Goes on, bit for bit, from a checkpoint of `save` or of `rtrl stream`.

        The file holds what was learned, not what was said: predictions begin with the next row. (`pickle` keeps them.)

        Raises:
            ValueError: If it is no such checkpoint, or of a stream with times, keys or categories.
            OSError: If it cannot be read.
        """
        core = _rtrl.Forecaster.load(path)
        settings = json.loads(core.settings)
        columns, inputs, targets = core.columns
        stream = settings.pop("stream")
        made = cls(
            stream.pop("horizons", [1]),
            layers=settings.pop("layers"),
            estimator=settings.pop("estimator"),
            optimizer=settings.pop("optimizer"),
            target=targets[0],
            inputs=inputs,
            columns=columns,
            settings={**settings, "stream": stream},
        )
        made._core, made._targets = core, targets
        return made

    def __repr__(self) -> str:
        return f"{type(self).__name__}(horizon={self.horizon!r}, rows={self.rows})"
