"""Forecasts, and the exchange of checkpoints with the program."""

from __future__ import annotations

import copy
import csv
import json
import math
import pickle

import numpy as np
import pytest
import rtrl

SETTINGS = dict(layers=rtrl.Gru(8), optimizer=rtrl.Adam(0.01), seed=3)


def table(rows, begin=0):
    """A wave with a phase that another column shows."""
    out = []
    for t in range(begin, begin + rows):
        phase = math.sin(0.05 * t)
        out.append({"phase": round(phase, 6), "level": round(20 + math.sin(0.3 * t + phase), 6)})
    return out


def split(row):
    return {"phase": row["phase"]}, row["level"]


def test_it_learns_and_says_so_beforehand():
    forecaster = rtrl.Forecaster(5, target="level", **SETTINGS)
    errors, last = [], []
    ahead = {}
    for t, row in enumerate(table(2000)):
        x, y = split(row)
        if t in ahead and t > 1500:
            errors.append((ahead[t][0] - y) ** 2)
            last.append((ahead[t][1] - y) ** 2)
        assert forecaster.predict_one(x) == forecaster.predict_one({}) == (forecaster.forecast(1)[0] if t else 0)
        forecaster.learn_one(x, y)
        five = forecaster.forecast()
        assert len(five) == 5 and forecaster.forecast(2) == five[:2]
        ahead[t + 5] = five[4], y
    assert np.mean(errors) < 0.2 * np.mean(last)
    assert forecaster.scores[5]["model"] < 0.2 * forecaster.scores[5]["last"]
    assert forecaster.rows == 2000


def test_several_targets_missing_values_and_intervals():
    forecaster = rtrl.Forecaster([1, 3], coverage=0.9, anomaly=True, **SETTINGS)
    rng = np.random.default_rng(0)
    for t in range(600):
        x = {} if t % 7 == 0 else {"a": float(rng.normal()), "name": "text"}
        y = {"u": math.sin(t), "v": None if t % 5 == 0 else math.cos(t)}
        forecaster.learn_one({"a": 0.0, "name": "text"} if t == 0 else x, y)
    assert set(forecaster.predict_one()) == {"u", "v"}
    near, far = forecaster.predictions("v")
    assert (near.horizon, far.horizon) == (1, 3)
    low, high = near.interval
    assert low < near.model < high
    assert 0 <= forecaster.anomaly_score <= 1
    order = rtrl.Forecaster(columns=["v", "a", "u"], **SETTINGS)
    order.learn_one({"a": 0.0}, {"u": 1.0, "v": 2.0})
    assert (order.predictions("u")[0].last, order.predictions("v")[0].last) == (1.0, 2.0)
    assert forecaster.forecast()[1]["u"] == forecaster.predictions("u")[1].model
    with pytest.raises(ValueError, match="3"):
        forecaster.forecast(2)
    with pytest.raises(ValueError, match="no target"):
        forecaster.predictions("w")


def test_wrong_settings_and_rows():
    for wrong in (
        lambda: rtrl.Forecaster(0),
        lambda: rtrl.Forecaster(-1),
        lambda: rtrl.Forecaster(10**9),
        lambda: rtrl.Forecaster([3, 1]),
        lambda: rtrl.Forecaster(coverage=2.0),
        lambda: rtrl.Forecaster(settings={"nothing": 1}),
        lambda: rtrl.Forecaster(layers=rtrl.Gru(0)),
        lambda: rtrl.Forecaster(inputs=["b"]).learn_one({"a": 1.0}, 1.0),
        lambda: rtrl.Forecaster().save("never"),
        lambda: rtrl.Forecaster().set_learning(False),
        lambda: rtrl.Forecaster().forecast(),
        lambda: rtrl.Forecaster().predict_then_learn({"a": [1.0]}),
    ):
        with pytest.raises(ValueError):
            wrong()
    forecaster = rtrl.Forecaster(**SETTINGS)
    forecaster.learn_one({"a": 1.0}, 1.0)
    with pytest.raises(ValueError, match="column a must be a number"):
        forecaster.learn_one({"a": "one"}, 1.0)
    with pytest.raises(OSError):
        rtrl.Forecaster.load("/nowhere/at all")


def test_what_is_saved_goes_on_bit_for_bit(tmp_path):
    rows = table(300)
    one = rtrl.Forecaster(2, target="level", season=20, lags=[1, 2], **SETTINGS)
    for row in rows[:200]:
        one.learn_one(*split(row))
    one.save(tmp_path / "state")
    other = rtrl.Forecaster.load(tmp_path / "state")
    assert other.rows == 200
    with pytest.raises(ValueError, match="nothing is predicted"):
        other.forecast()
    for row in rows[200:]:
        one.learn_one(*split(row))
        other.learn_one(*split(row))
    assert other.predictions() == one.predictions() and other.scores == one.scores
    for twin in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert twin.predictions() == one.predictions() and twin.predict_one() == one.predict_one() != 0
        twin.learn_one(*split(rows[0]))
        assert twin.predictions() != one.predictions()
    one.learn_one(*split(rows[0]))
    assert twin.predictions() == one.predictions()
    assert copy.deepcopy(rtrl.Forecaster(2)).rows == 0
    damaged = bytearray((tmp_path / "state").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged").write_bytes(damaged)
    with pytest.raises(ValueError, match="damaged"):
        rtrl.Forecaster.load(tmp_path / "damaged")


def write(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


CONFIG = """
layers = [{ kind = "gru", units = 8 }]
optimizer = { kind = "adam", learning_rate = 0.01 }
training = { seed = 3 }
stream = { horizons = [1, 2] }
"""


def test_checkpoints_go_to_the_program_and_back(program, tmp_path):
    (tmp_path / "config.toml").write_text(CONFIG)
    stream = ("stream", "--config", tmp_path / "config.toml", "--checkpoint", tmp_path / "state", "--target", "level")
    rows = table(300)
    ours = rtrl.Forecaster(2, target="level", **SETTINGS)
    for row in rows[:100]:
        ours.learn_one(*split(row))
    ours.save(tmp_path / "state")
    # The program goes on from our checkpoint …
    write(tmp_path / "second.csv", rows[100:200])
    program(*stream, tmp_path / "second.csv")
    back = rtrl.Forecaster.load(tmp_path / "state")
    for row in rows[100:200]:
        ours.learn_one(*split(row))
    # … and we from its own: nothing differs from one forecaster that has read all.
    assert back.rows == 200
    for row in rows[200:]:
        ours.learn_one(*split(row))
        back.learn_one(*split(row))
    # As text: NaN, of a season that there is not, is no number that equals itself.
    assert repr(back.predictions()) == repr(ours.predictions())
    back.save(tmp_path / "state")
    write(tmp_path / "fourth.csv", table(10, 300))
    program(*stream, tmp_path / "fourth.csv")
    assert rtrl.Forecaster.load(tmp_path / "state").rows == 310


def test_a_stream_with_keys_is_refused(program, tmp_path):
    lines = [json.dumps({"key": f"k{t % 2}", "y": math.sin(t)}) for t in range(20)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    program("stream", "--key", "key", "--checkpoint", tmp_path / "state", tmp_path / "rows.jsonl")
    with pytest.raises(ValueError, match="keys"):
        rtrl.Forecaster.load(tmp_path / "state")


def test_frames_are_rows():
    rows = table(50)
    one = rtrl.Forecaster(target="level", **SETTINGS)
    expected = []
    for row in rows:
        expected.append(one.predict_one() if one.rows else np.nan)
        one.learn_one(*split(row))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    np.testing.assert_array_equal(rtrl.Forecaster(target="level", **SETTINGS).predict_then_learn(columns), expected)


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_frames_of_libraries_are_rows(name):
    library = pytest.importorskip(name)
    rows = table(50)
    frame = library.DataFrame(rows)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    expected = rtrl.Forecaster(target="level", **SETTINGS).predict_then_learn(columns)
    np.testing.assert_array_equal(rtrl.Forecaster(target="level", **SETTINGS).predict_then_learn(frame), expected)
    if name == "pandas":
        one = rtrl.Forecaster(target="level", **SETTINGS)
        for _, row in frame.iterrows():
            one.learn_one(row.drop("level"), row["level"])
        assert one.rows == 50
