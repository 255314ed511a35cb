"""A data frame, row by row: what was predicted for each row before it was learned from."""

import numpy as np
import pandas as pd
import rtrl

t = np.arange(2000)
frame = pd.DataFrame({"hour": t % 24, "load": 50 + 10 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(0).normal(size=2000)})
frame["predicted"] = rtrl.Forecaster(target="load", season=24).predict_then_learn(frame)
late = frame[1000:]
print(late.tail(3))
print("mean absolute error", (late["predicted"] - late["load"]).abs().mean())
