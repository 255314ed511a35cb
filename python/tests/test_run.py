"""Runs of configuration files."""

from __future__ import annotations

import json

import pytest
import rtrl
from rtrl import _rtrl

CONFIG = {
    "task": {"kind": "copy"},
    "layers": [rtrl.Gru(8)],
    "estimator": rtrl.SnAp(1),
    "optimizer": rtrl.Adam(0.003),
    "training": {"lanes": 2, "window": 1, "steps": 200, "log_every": 50, "seed": 0},
}
TOML = """
task = { kind = "copy" }
layers = [{ kind = "gru", units = 8 }]
estimator = { kind = "snap", order = 1 }
optimizer = { kind = "adam", learning_rate = 0.003 }
training = { lanes = 2, window = 1, steps = 200, log_every = 50, seed = 0 }
"""


def records(folder):
    return [{**record, "seconds": 0} for record in json.loads(_rtrl.metrics(folder))]


def test_a_run_is_made_and_read(tmp_path):
    seen = []
    run = rtrl.train(CONFIG, root=tmp_path / "a", progress=lambda step, steps, record: seen.append((step, steps, record)))
    assert run.summary["steps"] == 200 and run.summary["bits"] > 0
    assert [step for step, _, _ in seen] == [50, 100, 150, 200] and {steps for _, steps, _ in seen} == {200}
    assert seen[-1][2]["bits"] == run.summary["bits"]
    assert rtrl.train(CONFIG, root=tmp_path / "a").summary == run.summary
    (tmp_path / "config.toml").write_text(TOML)
    same = rtrl.train(tmp_path / "config.toml", root=tmp_path / "b")
    assert same.folder.name == run.folder.name and records(same.folder) == records(run.folder)


def test_a_run_that_is_interrupted_goes_on(tmp_path):
    def stop(step, steps, record):
        if step == 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rtrl.train(CONFIG, root=tmp_path / "a", progress=stop)
    steps = []
    run = rtrl.train(CONFIG, root=tmp_path / "a", progress=lambda step, *_: steps.append(step))
    assert steps == [150, 200]
    assert records(run.folder) == records(rtrl.train(CONFIG, root=tmp_path / "b").folder)


def test_it_is_the_run_of_the_program(program, tmp_path):
    (tmp_path / "config.toml").write_text(TOML)
    program("train", tmp_path / "config.toml", "--out", tmp_path / "theirs", "-q")
    run = rtrl.train(CONFIG, root=tmp_path / "ours")
    theirs = tmp_path / "theirs" / run.folder.name
    assert records(run.folder) == records(theirs)


def test_mistakes_are_told(tmp_path):
    for change, told in [
        ({"layer": []}, "layer"),
        ({"training": {**CONFIG["training"], "window": 0}}, "window"),
        ({"estimator": rtrl.SnAp(0)}, "order"),
    ]:
        with pytest.raises(ValueError, match=told):
            rtrl.train({**CONFIG, **change}, root=tmp_path)
    (tmp_path / "config.toml").write_text(TOML.replace("order", "ordr"))
    with pytest.raises(ValueError, match="config.toml.*4.*ordr"):
        rtrl.train(tmp_path / "config.toml", root=tmp_path)
    with pytest.raises(OSError):
        rtrl.metrics(tmp_path)


def test_metrics_are_a_frame(tmp_path):
    pytest.importorskip("pandas")
    frame = rtrl.train(CONFIG, root=tmp_path).metrics()
    assert list(frame["step"]) == [50, 100, 150, 200] and frame["bits"].notna().all()
