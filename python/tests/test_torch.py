"""`rtrl.torch.Online` against autograd."""

from __future__ import annotations

import copy
import inspect
import io

import numpy as np
import pytest
import rtrl

torch = pytest.importorskip("torch")

from rtrl.torch import Online  # noqa: E402

MODULES = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}
CASES = [(name, depth, seed) for name in MODULES for depth in (1, 2) for seed in range(5)]


def random_module(name, depth, seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    inputs, units = int(rng.integers(1, 6)), int(rng.integers(2, 9))
    return MODULES[name](inputs, units, depth, dtype=torch.float64), inputs, units


def by_autograd(module, xs, head, targets):
    """Loss of all steps, (steps, lanes, …), with autograd through time."""
    hidden, _ = module(xs)
    loss = ((head(hidden) - targets) ** 2).sum()
    loss.backward()
    return hidden.detach(), loss.detach()


@pytest.mark.parametrize(("name", "depth", "seed"), CASES)
@pytest.mark.parametrize("estimator", [rtrl.Rtrl(), rtrl.Bptt()], ids=["rtrl", "bptt"])
def test_it_equals_autograd(name, depth, seed, estimator):
    module, inputs, units = random_module(name, depth, seed)
    lanes, steps = 1 + seed % 3, 6
    head = torch.nn.Linear(units, 2, dtype=torch.float64)
    xs = torch.randn(steps, lanes, inputs, dtype=torch.float64)
    targets = torch.randn(steps, lanes, 2, dtype=torch.float64)

    core = Online.from_pytorch(module, estimator=estimator, lanes=lanes, window=steps)
    losses = 0
    for t in range(steps):
        h = core(xs[t])
        loss = ((head(h) - targets[t]) ** 2).sum()
        loss.backward()
        losses += loss.detach()
    found = {"head": head.weight.grad.clone()}
    head.zero_grad()

    hidden, expected = by_autograd(module, xs, head, targets)
    # Two exact algorithms in float64: sums of some hundred products differ by their rounding alone.
    close = dict(rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(h.detach(), hidden[-1], **close)
    torch.testing.assert_close(losses, expected, **close)
    torch.testing.assert_close(found["head"], head.weight.grad, **close)
    # The gradient by PyTorch's tensors, weight by weight. Its two biases have one gradient, which is that of their sum.
    from rtrl._pytorch import Layout

    tensors = Layout(core.net).export(core.weight.grad.numpy())
    for key, parameter in module.named_parameters():
        grad = parameter.grad.numpy().copy()
        if key.startswith("bias_hh"):
            rows = slice(2 * units, None) if name == "gru" else slice(0, 0)
            np.testing.assert_allclose(tensors[key][rows], grad[rows], **close)
        else:
            np.testing.assert_allclose(tensors[key], grad, **close)


def test_snap_1_is_not_autograd():
    module, inputs, units = random_module("gru", 1, 0)
    core = Online.from_pytorch(module, estimator=rtrl.SnAp(1), window=4)
    exact = Online.from_pytorch(module, estimator=rtrl.Rtrl(), window=4)
    for x in torch.randn(4, inputs, dtype=torch.float64):
        for one in (core, exact):
            one(x).sum().backward()
    difference = (core.weight.grad - exact.weight.grad).abs().max()
    assert 1e-6 < difference


def test_the_gradient_flows_on_to_what_is_below():
    module, inputs, units = random_module("gru", 1, 1)
    encoder = torch.nn.Linear(3, inputs, dtype=torch.float64)
    core = Online.from_pytorch(module, estimator=rtrl.SnAp(1))
    x = torch.randn(3, dtype=torch.float64)
    core(encoder(x)).pow(2).sum().backward()
    found = encoder.weight.grad.clone()
    encoder.zero_grad()
    hidden, _ = module(encoder(x)[None])
    hidden.pow(2).sum().backward()
    torch.testing.assert_close(found, encoder.weight.grad, rtol=1e-10, atol=1e-12)


def test_online_training_learns():
    torch.manual_seed(0)
    core, head = Online(rtrl.Gru(16), 1, estimator=rtrl.SnAp(1)), torch.nn.Linear(16, 1)
    optimizer = torch.optim.Adam([*core.parameters(), *head.parameters()], lr=0.005)
    before = core.weight.detach().clone()
    wave, losses = torch.sin(0.3 * torch.arange(1500.0)), []
    for now, following in zip(wave, wave[1:]):
        optimizer.zero_grad()
        loss = (head(core(now[None])) - following).pow(2).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert np.mean(losses[-100:]) < 0.1 * np.mean(losses[:100])
    assert (core.weight.detach() - before).abs().max() > 0.01
    # The optimizer writes where the estimator reads.
    assert core.weight.data_ptr() == core.net.weights.ctypes.data


def test_state_dict_and_the_way_back_to_pytorch():
    module, inputs, units = random_module("lstm", 2, 2)
    core = Online.from_pytorch(module, estimator=rtrl.SnAp(1))
    other = Online([rtrl.Lstm(units)] * 2, inputs, estimator=rtrl.SnAp(1), dtype=torch.float64, seed=9)
    assert not torch.equal(core.weight, other.weight)
    other.load_state_dict(core.state_dict())
    assert other.weight.data_ptr() == other.net.weights.ctypes.data
    back, xs = other.to_pytorch(), torch.randn(7, inputs, dtype=torch.float64)
    # Biases are summed once more, so the outputs are equal to rounding.
    torch.testing.assert_close(back(xs)[0], module(xs)[0], rtol=1e-12, atol=1e-14)
    sparse = Online(rtrl.Gru(6, sparsity=0.5), 3, estimator=rtrl.SnAp(1), dtype=torch.float64)
    made = sparse.to_pytorch()
    assert (made.weight_hh_l0 == 0).sum() == 3 * 18
    torch.testing.assert_close(made(xs[:, :1].expand(-1, 3))[0][0], sparse(xs[0, :1].expand(3)), rtol=1e-12, atol=1e-14)


def test_windows_and_steps_without_a_loss():
    module, inputs, _ = random_module("gru", 1, 4)
    xs = torch.randn(5, inputs, dtype=torch.float64)
    one = Online.from_pytorch(module, estimator=rtrl.Rtrl())
    for x in xs[:-1]:
        one(x)
    one(xs[-1]).sum().backward()
    hidden, _ = module(xs)
    hidden[-1].sum().backward()
    # Only the last step has a loss; its gradient reaches all steps before.
    tensors = one.net.weights.copy(), one.weight.grad.numpy()
    from rtrl._pytorch import Layout

    found = Layout(one.net).export(tensors[1])
    np.testing.assert_allclose(found["weight_hh_l0"], module.weight_hh_l0.grad.numpy(), rtol=1e-10, atol=1e-12)
    long = Online.from_pytorch(module, estimator=rtrl.Bptt(), window=100)
    for x in xs[:-1]:
        long(x)
    long(xs[-1]).sum().backward()
    assert not long.weight.grad.any()
    long.finish_window()
    np.testing.assert_allclose(long.weight.grad.numpy(), tensors[1], rtol=1e-10, atol=1e-12)


def test_mistakes_are_told():
    core = Online(rtrl.Gru(4), 2, estimator=rtrl.SnAp(1))
    x = torch.ones(2)
    first = core(x).sum()
    second = core(x).sum()
    with pytest.raises(RuntimeError, match="last step"):
        first.backward()
    second.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="last step"):
        second.backward()
    with pytest.raises(ValueError, match=r"\(2,\)"):
        core(torch.ones(3))
    with pytest.raises(ValueError, match="float64"):
        core(x.double())
    for wrong in (
        torch.nn.GRU(2, 3, bidirectional=True),
        torch.nn.LSTM(2, 4, proj_size=2),
        torch.nn.GRU(2, 3, bias=False),
    ):
        with pytest.raises(ValueError, match="no equivalent"):
            Online.from_pytorch(wrong, estimator=rtrl.SnAp(1))
    with pytest.raises(ValueError, match="layer 0"):
        Online(rtrl.Leaky(4), 2, estimator=rtrl.SnAp(1)).to_pytorch()


def test_symbols_and_starts():
    core = Online(rtrl.Gru(4), symbols=3, lanes=2, estimator=rtrl.SnAp(1))
    first = core(torch.tensor([0, 2])).detach()
    core(torch.tensor([1, 1]))
    again = core(torch.tensor([0, 2]), starts=torch.tensor([True, False]))
    assert torch.equal(again[0], first[0]) and not torch.equal(again[1], first[1])
    again.sum().backward()
    assert core.weight.grad.any()


@pytest.mark.parametrize("how", ["copied", "saved"])
def test_a_module_goes_on_where_it_was_copied_or_saved(how):
    torch.manual_seed(0)
    core = Online(rtrl.Gru(5), 2, estimator=rtrl.SnAp(1), dtype=torch.float64)
    xs = torch.randn(6, 2, dtype=torch.float64)

    def go(core, xs):
        descent = torch.optim.SGD(core.parameters(), lr=0.1)
        for x in xs:
            descent.zero_grad()
            h = core(x)
            h.square().sum().backward()
            descent.step()
        return h.detach(), core.weight.detach().clone()

    go(core, xs[:3])
    if how == "copied":
        other = copy.deepcopy(core)
    else:
        file = io.BytesIO()
        torch.save(core, file)
        file.seek(0)
        # Whole modules are loaded by pickle, which newer versions do only when they are told to.
        options = {"weights_only": False} if "weights_only" in inspect.signature(torch.load).parameters else {}
        other = torch.load(file, **options)
    assert other.weight.data_ptr() == other.net.weights.ctypes.data
    for found, expected in zip(go(other, xs[3:]), go(core, xs[3:])):
        assert torch.equal(found, expected)
