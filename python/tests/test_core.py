"""Estimators against NumPy alone, and what their arrays promise."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import oracle
import pytest
import rtrl
from rtrl._pytorch import Layout


def by_complex_steps(net, kind, units, depth, xs, targets):
    """The gradient of the loss of all steps, weight by weight."""
    layout, out = Layout(net), []
    for place in range(len(net.weights)):
        weights = net.weights.astype(np.complex128)
        weights[place] += 1j * oracle.STEP
        hidden = oracle.run(kind, units, depth, layout.export(weights), xs)
        out.append(oracle.loss(hidden, targets).imag / oracle.STEP)
    return np.array(out)


def by(estimator, net, xs, targets):
    """The same by an estimator, and the sum of the gradients by the inputs of the last step."""
    est = net.estimator(estimator, window=len(xs))
    for t, (x, y) in enumerate(zip(xs, targets)):
        h = est.step(x, starts=t == 0)
        est.observe(h - y)
    return est.finish_window().copy()


CASES = [
    (kind, depth, seed) for kind in ("gru", "lstm", "vanilla") for depth in (1, 2) for seed in range(5)
]


@pytest.mark.parametrize(("kind", "depth", "seed"), CASES)
def test_rtrl_and_bptt_equal_complex_steps(kind, depth, seed):
    rng = np.random.default_rng(seed)
    units, inputs, steps = rng.integers(2, 5), rng.integers(1, 4), 4
    net = rtrl.Net([{"kind": kind, "units": int(units)}] * depth, int(inputs), dtype="float64", seed=seed)
    net.weights[:] = rng.normal(size=len(net.weights))
    xs, targets = rng.normal(size=(steps, inputs)), rng.normal(size=(steps, units))
    expected = by_complex_steps(net, kind, units, depth, xs, targets)
    # Both are exact: what differs is the rounding of some hundred operations.
    for estimator in (rtrl.Rtrl(), rtrl.Bptt()):
        np.testing.assert_allclose(by(estimator, net, xs, targets), expected, rtol=1e-10, atol=1e-12)
    # The negative control: a truncated estimator is none of them.
    immediate = by(rtrl.Immediate(), net, xs, targets)
    assert np.abs(immediate - expected).max() > 1e-3


def test_lanes_are_independent_and_come_first():
    rng = np.random.default_rng(0)
    net = rtrl.Net(rtrl.Gru(5, sparsity=0.5), 3, dtype="float64")
    lanes, steps = 4, 3
    together = net.estimator(rtrl.SnAp(2), lanes=lanes)
    alone = [net.estimator(rtrl.SnAp(2)) for _ in range(lanes)]
    for t in range(steps):
        xs, dhs = rng.normal(size=(lanes, 3)), rng.normal(size=(lanes, 5))
        starts = np.array([t == 1, False, False, t == 2])
        h = together.step(xs, starts)
        assert h.shape == (lanes, 5) and h.flags.c_contiguous
        together.observe(dhs)
        expected = 0
        for lane, est in enumerate(alone):
            np.testing.assert_allclose(est.step(xs[lane], bool(starts[lane])), h[lane], rtol=1e-13)
            est.observe(dhs[lane])
            expected = expected + est.finish_window()
        np.testing.assert_allclose(together.finish_window(), expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(together.state[2], alone[2].state, rtol=1e-13)


def test_inputs_may_be_strided():
    rng = np.random.default_rng(0)
    net = rtrl.Net(rtrl.Gru(4), 3)
    values = rng.normal(size=(6, 2)).astype(np.float32)
    a, b = net.estimator(rtrl.SnAp(1)), net.estimator(rtrl.SnAp(1))
    np.testing.assert_array_equal(a.step(values[::2, 1]), b.step(values[::2, 1].copy()))
    a, b = net.estimator(rtrl.SnAp(1), lanes=2), net.estimator(rtrl.SnAp(1), lanes=2)
    wide = rng.normal(size=(3, 2)).astype(np.float32)
    np.testing.assert_array_equal(a.step(wide.T), b.step(wide.T.copy()))


def test_symbols_are_one_hot_inputs():
    symbols = rtrl.Net(rtrl.Lstm(4), symbols=5, dtype="float64", seed=1)
    dense = rtrl.Net(rtrl.Lstm(4), 5, dtype="float64", seed=1)
    dense.weights = symbols.weights
    a, b = symbols.estimator(rtrl.Rtrl(), lanes=2), dense.estimator(rtrl.Rtrl(), lanes=2)
    for pair in ([0, 3], [4, 4], np.array([1, 0])):
        np.testing.assert_allclose(a.step(pair), b.step(np.eye(5)[pair]), rtol=1e-14)
        for est in (a, b):
            est.observe(np.ones((2, 4)))
        np.testing.assert_allclose(a.finish_window(), b.finish_window(), rtol=1e-12, atol=1e-15)
    one = symbols.estimator(rtrl.Rtrl())
    assert one.step(3).shape == (4,)


def test_the_gradient_by_the_input_is_that_of_complex_steps():
    rng = np.random.default_rng(3)
    net = rtrl.Net([rtrl.Gru(4), rtrl.Gru(4)], 3, dtype="float64", seed=3)
    layout, xs, target = Layout(net), rng.normal(size=(3, 3)), rng.normal(size=4)
    est = net.estimator(rtrl.SnAp(1), window=3)
    for x in xs:
        h = est.step(x)
        found = est.input_gradient(h - target)
        est.observe(h - target)
    tensors, expected = layout.export(net.weights), []
    for place in range(3):
        moved = xs.astype(np.complex128)
        moved[-1, place] += 1j * oracle.STEP
        last = oracle.run("gru", 4, 2, tensors, moved)[-1]
        expected.append(oracle.loss([last], [target]).imag / oracle.STEP)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_weights_and_gradient_are_one_array_each():
    net = rtrl.Net(rtrl.Gru(3), 2)
    est = net.estimator(rtrl.SnAp(1))
    weights, gradient = net.weights, est.gradient
    before = weights.copy()
    for _ in range(2):
        est.step(np.ones(2, np.float32))
        est.observe(np.ones(3, np.float32))
        assert est.finish_window() is gradient and gradient.any()
        net.weights -= 0.1 * est.gradient
    assert net.weights is weights and (weights != before).any()
    assert np.shares_memory(net.matrix.data, weights)
    # The next window begins with zeros: with no loss they stay.
    est.step(np.ones(2, np.float32))
    est.observe(np.zeros(3, np.float32))
    assert not est.finish_window().any()
    # So is a window without a step.
    gradient[:] = 1
    assert not est.finish_window().any()


@pytest.mark.parametrize("estimator", [rtrl.SnAp(1), rtrl.Bptt(), rtrl.Uoro()])
@pytest.mark.parametrize("lanes", [None, 2])
def test_the_last_step_is_observed_by_the_end_of_its_window_as_well(estimator, lanes):
    rng, shape = np.random.default_rng(5), () if lanes is None else (lanes,)
    net = rtrl.Net(rtrl.Gru(4), 3)
    one, two = (net.estimator(estimator, lanes=lanes, window=3) for _ in range(2))
    for steps in (3, 1, 2):
        for left in reversed(range(steps)):
            x, dh = (rng.normal(size=(*shape, n)).astype(np.float32) for n in (3, 4))
            np.testing.assert_array_equal(one.step(x), two.step(x))
            one.observe(dh)
            if left:
                two.observe(dh)
        found = two.finish_window(dh)
        np.testing.assert_array_equal(one.finish_window(), found)
        assert found.any()


@pytest.mark.parametrize("estimator", [rtrl.SnAp(1), rtrl.SnAp(2), rtrl.Rtrl(), rtrl.Uoro(), rtrl.Bptt()])
def test_an_estimator_goes_on_with_other_masks(estimator):
    random = np.random.default_rng(3)
    net = rtrl.Net(rtrl.Vanilla(6, sparsity=0.5), 2, dtype="float64", seed=1)
    est = net.estimator(estimator, lanes=2)

    def step():
        est.step(random.normal(size=(2, 2)))
        est.observe(random.normal(size=(2, 6)))
        return est.finish_window()

    for _ in range(3):
        step()
    [[(inputs, recurrent)]] = net.masks
    other = recurrent.toarray()
    (drop_row, drop_column), (new_row, new_column) = np.argwhere(other)[0], np.argwhere(~other)[0]
    other[drop_row, drop_column], other[new_row, new_column] = False, True
    rewired = net.rewired([[(inputs, other)]])
    assert (rewired.masks[0][0][1].toarray() == other).all()
    dense, was = rewired.matrix.toarray(), net.matrix.toarray()
    kept = was != 0
    kept[:, -6:][drop_row, drop_column] = False
    np.testing.assert_array_equal(dense, np.where(kept, was, 0))

    origin = rewired.origin_in(net)
    assert (origin < 0).sum() == 1 and len(set(origin)) == len(origin)
    state, carries = est.state, isinstance(estimator, (rtrl.SnAp, rtrl.Rtrl))
    before = est.influence().toarray() if carries else None
    est.rewire(rewired)
    assert est.net is rewired and len(est.gradient) == len(rewired.weights)
    np.testing.assert_array_equal(est.state, state)
    if carries:
        after, same = est.influence().toarray(), origin >= 0
        assert before.any()
        held = after != 0  # SnAp-2 keeps those entries of J that its new pattern has.
        np.testing.assert_array_equal(after[:, same][held[:, same]], before[:, origin[same]][held[:, same]])
        assert held.sum() > 0.5 * np.count_nonzero(before) and not after[:, ~same].any()
    assert step().shape == rewired.weights.shape
    again = copy.deepcopy(est)
    xs, dh = random.normal(size=(2, 2)), random.normal(size=(2, 6))
    np.testing.assert_array_equal(est.step(xs), again.step(xs))
    est.observe(dh)
    again.observe(dh)
    np.testing.assert_array_equal(est.finish_window(), again.finish_window())


def test_an_estimator_reads_the_weights_in_place():
    net = rtrl.Net(rtrl.Gru(3), 2)
    a, b = net.estimator(rtrl.SnAp(1)), net.estimator(rtrl.SnAp(1))
    x = np.ones(2, np.float32)
    first = a.step(x)
    net.weights[:] = 0
    assert (b.step(x) != first).any()


def test_influence_is_the_derivative_of_the_state():
    rng = np.random.default_rng(5)
    net = rtrl.Net(rtrl.Gru(4), 2, dtype="float64", seed=5)
    est = net.estimator(rtrl.Rtrl())
    xs = rng.normal(size=(3, 2))
    for x in xs:
        est.step(x)
        est.observe(np.zeros(4))
        est.finish_window()
    influence = est.influence()
    assert influence.shape == (4, len(net.weights))
    layout, expected = Layout(net), []
    for place in range(len(net.weights)):
        weights = net.weights.astype(np.complex128)
        weights[place] += 1j * oracle.STEP
        expected.append(oracle.run("gru", 4, 1, layout.export(weights), xs)[-1].imag / oracle.STEP)
    np.testing.assert_allclose(influence.toarray(), np.array(expected).T, rtol=1e-10, atol=1e-14)
    with pytest.raises(ValueError, match="carries no influence"):
        net.estimator(rtrl.Bptt()).influence()


def test_masks_go_out_and_in():
    net = rtrl.Net([rtrl.Gru(6, sparsity=0.5), rtrl.Lstm(4, sparsity=0.25)], 3, seed=2)
    same = rtrl.Net([rtrl.Gru(6), rtrl.Lstm(4)], 3, masks=net.masks)
    assert (net.matrix.indices == same.matrix.indices).all()
    dense = [[(a.toarray(), b.toarray()) for a, b in gates] for gates in net.masks]
    again = rtrl.Net([rtrl.Gru(6), rtrl.Lstm(4)], 3, masks=dense)
    assert (net.matrix.indices == again.matrix.indices).all()
    assert [len(gates) for gates in net.masks] == [3, 4]
    assert sum(mask.nnz for mask, _ in net.masks[0]) == 3 * 6 * 3 and net.masks[0][0][1].nnz == 18
    assert net.dynamics.shape == (net.states, net.states)
    with pytest.raises(ValueError, match="layers"):
        rtrl.Net([rtrl.Gru(6)], 3, masks=net.masks)


def test_every_cell_learns_by_every_estimator():
    rng = np.random.default_rng(0)
    estimators = [rtrl.Tbptt(3), rtrl.SnAp(1), rtrl.Rflo(0.5), rtrl.RandomPaths(1), rtrl.OptimalKronecker(1)]
    for cell in rtrl.settings.ALL_CELLS:
        symbols = cell.__name__ == "Embedding"
        net = rtrl.Net(cell(4), symbols=3) if symbols else rtrl.Net(cell(4), 3)
        for made in rtrl.settings.ALL_ESTIMATORS:
            setting = next((one for one in estimators if type(one) is made), None) or made()
            est = net.estimator(setting)
            for _ in range(2):
                est.step(1 if symbols else rng.normal(size=3).astype(np.float32))
                est.observe(np.ones(net.hidden, np.float32))
                assert np.isfinite(est.finish_window()).all(), (cell, made)


def test_what_is_carried_is_saved_and_restored():
    rng = np.random.default_rng(0)
    net = rtrl.Net(rtrl.Gru(5), 2)
    a, b = net.estimator(rtrl.SnAp(2)), net.estimator(rtrl.SnAp(2))
    xs = rng.normal(size=(4, 2)).astype(np.float32)

    def go(est, x):
        h = est.step(x)
        est.observe(h)
        return est.finish_window().copy()

    for x in xs[:3]:
        go(a, x)
    b.load_bytes(a.save_bytes())
    np.testing.assert_array_equal(go(a, xs[3]), go(b, xs[3]))
    with pytest.raises(ValueError, match="checkpoint"):
        b.load_bytes(a.save_bytes()[:-1])
    assert not b.state.any()


@pytest.mark.parametrize("estimator", [rtrl.SnAp(2), rtrl.Uoro(), rtrl.Bptt()], ids=["snap", "uoro", "bptt"])
@pytest.mark.parametrize("symbols", [False, True])
def test_net_and_estimator_are_pickled_with_all_that_they_carry(estimator, symbols):
    rng = np.random.default_rng(0)
    reads = {"symbols": 3} if symbols else {"inputs": 2}
    net = rtrl.Net([rtrl.Gru(5, sparsity=0.5), rtrl.Lstm(4)], **reads, dtype="float64", seed=3)
    est = net.estimator(estimator, lanes=2, window=3)

    def go(est, xs):
        for x in xs:
            h = est.step(x)
            est.observe(h)
        return h, est.finish_window().copy()

    def some():
        return rng.integers(0, 3, size=(3, 2)) if symbols else rng.normal(size=(3, 2, 2))

    go(est, some())
    net.weights += 0.01
    other = pickle.loads(pickle.dumps(est))
    assert repr(other) == repr(est) and repr(other.net) == repr(net)
    np.testing.assert_array_equal(other.net.weights, net.weights)
    xs = some()
    for found, expected in zip(go(other, xs), go(est, xs)):
        np.testing.assert_array_equal(found, expected)
    # Each has weights of its own.
    other.net.weights[:] = 0
    assert net.weights.any()
    est.step(xs[0])
    with pytest.raises(ValueError, match="window"):
        pickle.dumps(est)


def test_two_threads_may_run_two_estimators():
    net = rtrl.Net(rtrl.Gru(32), 8)
    results = {}

    def run(name):
        est = net.estimator(rtrl.SnAp(1))
        for _ in range(200):
            h = est.step(np.ones(8, np.float32))
            est.observe(h)
            results[name] = est.finish_window().copy()

    threads = [threading.Thread(target=run, args=(name,)) for name in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    np.testing.assert_array_equal(results[0], results[1])


def test_net_and_estimator_tell_what_they_are():
    net = rtrl.Net([rtrl.Lstm(4)], 3, dtype=np.float64)
    assert (net.inputs, net.hidden, net.states, net.depth, net.dtype) == (3, 4, 8, 1, "float64")
    est = net.estimator(rtrl.SnAp(1), lanes=2, window=3)
    assert (est.lanes, est.window, est.net is net) == (2, 3, True)
    assert est.cost.forward > 0 and est.cost.bytes > 0
    assert isinstance(est, rtrl.Estimator) and "lstm" in repr(net) and "window=3" in repr(est)
