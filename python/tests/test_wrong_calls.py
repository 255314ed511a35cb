"""Wrong calls are exceptions, and change nothing; no memory is lost."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import rtrl
from conftest import FULL

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies


def ready(dtype="float32", lanes=None, window=2):
    net = rtrl.Net(rtrl.Gru(4), 3, dtype=dtype)
    return net, net.estimator(rtrl.SnAp(1), lanes=lanes, window=window)


def x(*shape):
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("lanes", "call", "told"),
    [
        (None, lambda e: e.step(x(4)), r"x must be an array of float32 of shape \(3,\), found .* float32 of shape \(4,\)"),
        (None, lambda e: e.step(x(1, 3)), r"\(3,\), found an array of float32 of shape \(1, 3\)"),
        (2, lambda e: e.step(x(3, 2)), r"\(2, 3\), found an array of float32 of shape \(3, 2\)"),
        (None, lambda e: e.step(np.ones(3)), "float32 of shape .* found an array of float64"),
        (None, lambda e: e.step([1.0, 2.0, 3.0]), "found an object of type list"),
        (None, lambda e: e.step(None), "NoneType"),
        (None, lambda e: e.step(x(3), np.ones(1, bool)), "starts"),
        (2, lambda e: e.step(x(2, 3), np.ones(3, bool)), r"starts must be .* \(2,\), found .* \(3,\)"),
        (2, lambda e: e.step(x(2, 3), np.ones(2)), "starts"),
        (None, lambda e: e.observe(x(4)), "no step waits"),
        (None, lambda e: (e.step(x(3)), e.step(x(3))), "was not observed"),
        (None, lambda e: (e.step(x(3)), e.finish_window()), "was not observed"),
        (None, lambda e: (e.step(x(3)), e.observe(x(5))), r"dh must be .* \(4,\), found .* \(5,\)"),
        (None, lambda e: (e.step(x(3)), e.observe(x(4)), e.observe(x(4))), "no step waits"),
        (None, lambda e: (e.step(x(3)), e.observe(x(4)), e.finish_window(x(4))), "no step waits"),
        (None, lambda e: e.finish_window(x(4)), "no step waits"),
        (None, lambda e: (e.step(x(3)), e.finish_window(x(5))), r"dh must be .* \(4,\), found .* \(5,\)"),
        (None, lambda e: [(e.step(x(3)), e.observe(x(4))) for _ in range(3)], "window of 2 steps is full"),
        (None, lambda e: e.input_gradient(x(4)), "no step was made"),
        (None, lambda e: (e.step(x(3)), e.forget()), "between windows"),
        (None, lambda e: e.forget(1), "lane 1 of 1"),
        (None, lambda e: (e.step(x(3)), e.influence()), "between windows"),
        (None, lambda e: e.load_bytes(b"nothing"), "not a checkpoint"),
        (None, lambda e: setattr(e, "gradient", x(3)), "gradient must be"),
        (None, lambda e: setattr(e.net, "weights", x(3)), "weights must be"),
        (None, lambda e: (setattr(e.net.weights, "dtype", np.int32), e.step(x(3))), "weights must be"),
        (None, lambda e: (setattr(e.net.weights, "shape", (len(e.net.weights), 1)), e.step(x(3))), "weights must be"),
        (None, lambda e: (e.gradient.setflags(write=False), e.step(x(3)), e.observe(x(4))), "gradient"),
        (None, lambda e: (e.step(x(3)), e.rewire(e.net)), "between windows"),
        (None, lambda e: e.rewire(rtrl.Net(rtrl.Gru(5), 3)), "masks alone"),
        (None, lambda e: e.rewire(rtrl.Net(rtrl.Gru(4), 3, dtype="float64")), "same dtype"),
        (None, lambda e: e.net.rewired([]), "masks of 1 layers"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(lanes, call, told):
    _, est = ready(lanes=lanes)
    with pytest.raises(ValueError, match=told):
        call(est)


def test_a_wrong_call_changes_nothing():
    net, est = ready()
    _, same = ready()
    for wrong in (lambda: est.step(x(4)), lambda: est.observe(x(4)), lambda: est.step(x(3), x(2))):
        with pytest.raises(ValueError):
            wrong()
    np.testing.assert_array_equal(est.step(x(3)), same.step(x(3)))
    for wrong in (est.observe, est.finish_window):
        with pytest.raises(ValueError):
            wrong(x(5))
    for one in (est, same):
        one.observe(x(4))
    np.testing.assert_array_equal(est.finish_window(), same.finish_window())


def test_wrong_nets_and_symbols():
    for wrong in (
        lambda: rtrl.Net(rtrl.Gru(3)),
        lambda: rtrl.Net(rtrl.Gru(3), 2, symbols=2),
        lambda: rtrl.Net(rtrl.Gru(3), 0),
        lambda: rtrl.Net(rtrl.Gru(3), -1),
        lambda: rtrl.Net(rtrl.Gru(3), 10**12),
        lambda: rtrl.Net(rtrl.Gru(3), 2.5),
        lambda: rtrl.Net(rtrl.Gru(3), 2, dtype="int32"),
        lambda: rtrl.Net(rtrl.Gru(3), 2, dtype="nothing"),
        lambda: rtrl.Net(rtrl.Gru(3), 2, seed=-1),
        lambda: rtrl.Net(rtrl.Gru(3), 2, init={"recurrent": "square"}),
        lambda: rtrl.Net(rtrl.Gru(3), 2, masks=[[(np.ones((3, 2)), np.ones((3, 3)))]]),
        lambda: rtrl.Net(rtrl.Gru(3), 2, masks=[[(np.ones((3, 9)), np.ones((3, 3)))] * 3]),
        lambda: rtrl.Net([rtrl.Gru(3), rtrl.Embedding(3)], symbols=3).estimator(rtrl.SnAp(1)).step(9),
        lambda: rtrl.Net(rtrl.Gru(3), 2).estimator(rtrl.SnAp(1), lanes=0),
        lambda: rtrl.Net(rtrl.Gru(3), 2).estimator(rtrl.SnAp(1), window=0),
        lambda: rtrl.Net(rtrl.Gru(3), 2).estimator(rtrl.SnAp(1), lanes=2**40),
        lambda: rtrl.Net(rtrl.Gru(3), 2).estimator(rtrl.Bptt(), window=2**62),
        lambda: rtrl.Net(rtrl.Gru(3), symbols=2).estimator(rtrl.SnAp(1)).step(2),
        lambda: rtrl.Net(rtrl.Gru(3), symbols=2).estimator(rtrl.SnAp(1)).step(-1),
        lambda: rtrl.Net(rtrl.Gru(3), symbols=2).estimator(rtrl.SnAp(1)).step(0.5),
        lambda: rtrl.Net(rtrl.Gru(3), symbols=2).estimator(rtrl.SnAp(1), lanes=2).step([0]),
        lambda: rtrl.Net(rtrl.Gru(3), symbols=2).estimator(rtrl.SnAp(1), lanes=2).step("01"),
    ):
        with pytest.raises(ValueError):
            wrong()


ARRAYS = st.builds(
    lambda shape, dtype, order: np.zeros(shape, dtype=dtype, order=order),
    st.lists(st.integers(0, 6), max_size=3).map(tuple),
    st.sampled_from(["float32", "float64", "int64", "bool", "complex128", "object", "U3"]),
    st.sampled_from("CF"),
)
ANYTHING = st.one_of(
    ARRAYS,
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=4),
    st.lists(st.integers(-3, 9), max_size=4),
    st.just(np.ones(3, np.float32)),
    st.just(np.ones(4, np.float32)),
    st.just(np.ones((2, 3), np.float32)),
    st.just(np.ones((2, 4), np.float32)),
    st.binary(max_size=40),
    st.dictionaries(st.sampled_from(["kind", "order", "units"]), st.one_of(st.integers(-2, 3), st.text(max_size=3))),
)
CALLS = st.lists(
    st.tuples(
        st.sampled_from(
            ["step", "step2", "observe", "input_gradient", "finish_window", "end", "forget", "influence", "load_bytes", "weights",
             "gradient", "estimator", "net", "forecaster", "learn", "layers"]
        ),
        ANYTHING,
        ANYTHING,
    ),
    min_size=1,
    max_size=8,
)


def perform(call, a, b, net, est, forecaster):
    if call in ("weights", "gradient"):
        setattr(net if call == "weights" else est, call, a)
    elif call == "step2":
        est.step(a, b)
    elif call == "finish_window":
        est.finish_window()
    elif call == "end":
        est.finish_window(a)
    elif call == "estimator":
        net.estimator(a, lanes=b if not isinstance(b, int) or abs(b) < 64 else None)
    elif call == "net":
        rtrl.Net(rtrl.Gru(3), a, seed=b)
    elif call == "layers":
        rtrl.Net(a, 3)
    elif call == "forecaster":
        rtrl.Forecaster(a, layers=rtrl.Gru(2), lags=b)
    elif call == "learn":
        forecaster.learn_one({"a": a}, b)
    else:
        getattr(est, call)(a)


@hypothesis.settings(max_examples=1000 if FULL else 80, deadline=None, derandomize=True, database=None)
@hypothesis.given(calls=CALLS, lanes=st.sampled_from([None, 2]), symbols=st.booleans())
def test_random_wrong_calls_are_exceptions(calls, lanes, symbols):
    net = rtrl.Net(rtrl.Gru(4), symbols=3) if symbols else rtrl.Net(rtrl.Gru(4), 3)
    est = net.estimator(rtrl.SnAp(1), lanes=lanes)
    forecaster = rtrl.Forecaster(layers=rtrl.Gru(2))
    for call, a, b in calls:
        try:
            perform(call, a, b, net, est, forecaster)
        except (ValueError, TypeError, OverflowError):
            pass
    # Both still work: a panic would be no `Exception` at all, and fail the test above.
    fresh = net.estimator(rtrl.SnAp(1))
    assert fresh.step(1 if symbols else np.ones(3, np.float32)).shape == (4,)


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_steps_lose_no_memory():
    net, est = ready(window=1)
    forecaster = rtrl.Forecaster(layers=rtrl.Gru(2))
    inputs, delta, many = x(3), x(4), 1_000_000 if FULL else 25_000

    def go(steps):
        for t in range(steps):
            est.step(inputs)
            est.observe(delta)
            est.finish_window()
            if t % 20 == 0:
                forecaster.learn_one({"a": math.sin(t)}, float(t % 3))
                forecaster.forecast()
            if t % 50 == 0:
                with pytest.raises(ValueError):
                    est.step(delta)

    go(10_000)
    before = resident()
    go(many)
    # An array of 4 numbers that is lost at each step would be some hundred bytes × `many`: 5 MB at least.
    assert resident() - before < 2_000_000 + many
