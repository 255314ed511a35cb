"""Five rows ahead of a series, with an interval that is to hold nine of ten values."""

import math
import random

import rtrl

random.seed(0)
forecaster = rtrl.Forecaster(horizon=5, target="level", coverage=0.9, optimizer=rtrl.Adam(0.01))
inside = asked = 0
waiting = {}
for t in range(3000):
    level = 20 + math.sin(0.3 * t) + 0.1 * random.gauss(0, 1)
    if t in waiting and t > 1000:
        low, high = waiting.pop(t)
        inside, asked = inside + (low <= level <= high), asked + 1
    forecaster.learn_one({}, level)
    last = forecaster.predictions()[-1]
    if last.interval:
        waiting[t + last.horizon] = last.interval

print("next five rows:", [round(value, 2) for value in forecaster.forecast()])
print(f"{inside / asked:.1%} of the values lay in their interval")
print(f"errors five rows ahead, in units of the variance: {forecaster.scores[5]}")
assert 0.85 < inside / asked < 0.95
assert forecaster.scores[5]["model"] < 0.2 * forecaster.scores[5]["last"]
