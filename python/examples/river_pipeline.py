"""The forecaster in a pipeline of River, under one of its metrics."""

import rtrl
from river import compose, datasets, evaluate, metrics
from rtrl.river import Forecaster

model = compose.Discard("ordinal_date") | Forecaster(layers=rtrl.Gru(16), optimizer=rtrl.Adam(0.005))
print(evaluate.progressive_val_score(datasets.TrumpApproval(), model, metrics.MAE()))
