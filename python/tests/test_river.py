"""The forecaster among River's models."""

from __future__ import annotations

import pytest
import rtrl

river = pytest.importorskip("river")

from river import base, compose, datasets, evaluate, metrics, preprocessing, time_series  # noqa: E402
from rtrl.river import Forecaster  # noqa: E402


def test_it_is_a_regressor_of_river():
    model = Forecaster(layers=rtrl.Gru(8))
    assert isinstance(model, base.Regressor)
    dataset = datasets.TrumpApproval().take(300)
    found = evaluate.progressive_val_score(dataset, model, metrics.MAE()).get()
    assert 0 < found < 2 and model.rows == 300
    clone = model.clone()
    assert clone.rows == 0 and clone.layers == model.layers


def test_it_ends_a_pipeline():
    model = compose.Discard("ordinal_date") | preprocessing.StandardScaler() | Forecaster(layers=rtrl.Gru(4))
    score = evaluate.progressive_val_score(datasets.TrumpApproval().take(50), model, metrics.MAE())
    assert score.get() < 10 and "ordinal_date" not in model["Forecaster"]._core.columns[0]


def test_it_forecasts_for_river():
    dataset = datasets.AirlinePassengers()
    model = Forecaster(3, layers=rtrl.Gru(4))
    score = time_series.evaluate(dataset, model, metrics.MAE(), horizon=3)
    assert len(score.metrics) == 3
