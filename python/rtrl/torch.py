"""Online learning as a module of PyTorch. Needs `pip install torch`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional, Union, cast

import numpy as np
import torch
from torch import Tensor, nn

from ._net import Estimator, Masks, Net
from ._pytorch import Layout
from ._settings import CellLike, EstimatorLike

__all__ = ["Online"]

_KINDS = {"GRU": "gru", "LSTM": "lstm"}


class _Step(torch.autograd.Function):
    """One time step. Its backward pass gives the gradient of the weights by the estimator, over all steps before."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, core: Online, starts: Any) -> Tensor:
        ctx.core, ctx.number = core, core._steps + 1
        ctx.symbols = not x.is_floating_point()
        hidden = core._step(x, starts)
        return torch.from_numpy(hidden)

    @staticmethod
    def backward(ctx: Any, dh: Tensor) -> Any:
        core = ctx.core
        if ctx.number != core._steps or core._observed:
            raise RuntimeError(
                "the backward pass belongs to the last step of rtrl.torch.Online, once: call loss.backward() after each "
                "step, before the next one"
            )
        delta = np.ascontiguousarray(dh.detach().numpy())
        dx = None
        if ctx.needs_input_grad[0] and not ctx.symbols:
            dx = torch.from_numpy(core._estimator.input_gradient(delta))
        gradient = core._observe(delta)
        return dx, torch.from_numpy(gradient) if ctx.needs_input_grad[1] else None, None, None


class Online(nn.Module):
    """A recurrent net of which each call is one time step, and which learns from each step's loss alone.

    `h = core(x)` takes part in autograd: `loss.backward()` adds the estimator's gradient to `core.weight.grad`, and the
    gradient by `x` flows on to what is below. The gradient of the weights is that of this step's loss by the weights at
    all steps so far, as the estimator approximates it; no graph and no history is kept from step to step.

    With `window=k`, `weight.grad` gets the gradient of k steps with the backward pass of the last of them, and the
    optimizer may change the weights after it; k = 1 is fully online. BPTT needs a window as long as its sequences.

    On the CPU. `weight` is one vector with all weights, which shares its memory with `core.net.weights`; `to_pytorch` and
    `from_pytorch` translate it from and to `nn.GRU`, `nn.LSTM` and `nn.RNN`. `state_dict` holds the weights; `forget`
    zeroes the state. `torch.save` of the whole module, between windows, keeps state and influence too.

    Args:
        layers: As for `rtrl.Net`.
        inputs: As for `rtrl.Net`.
        estimator: As for `rtrl.Net.estimator`.
        lanes: Size of the batch: x is (lanes, inputs). Without it x is (inputs,).
        window: Number of steps between two changes of the weights.
        symbols: As for `rtrl.Net`.
        dtype: torch.float32 or torch.float64.
        seed: As for `rtrl.Net`.
        masks: As for `rtrl.Net`.

    Raises:
        ValueError: For a setting without meaning.
    """

    weight: nn.Parameter

    def __init__(
        self,
        layers: Union[CellLike, Sequence[CellLike]],
        inputs: Optional[int] = None,
        *,
        estimator: EstimatorLike,
        lanes: Optional[int] = None,
        window: int = 1,
        symbols: Optional[int] = None,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
        masks: Optional[Sequence[Masks]] = None,
    ) -> None:
        super().__init__()
        name = str(dtype).split(".")[-1]
        self.net = Net(layers, inputs, symbols=symbols, dtype=name, seed=seed, masks=masks)
        self._estimator = Estimator(self.net, estimator, lanes=lanes, window=window)
        self._steps = 0
        self._made = 0
        self._observed = True
        self.weight = nn.Parameter(torch.from_numpy(self.net.weights))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        # What was pickled or copied apart shares its memory again.
        self.net.weights = self.weight.detach().numpy()
        self.weight.data = torch.from_numpy(self.net.weights)

    @property
    def hidden(self) -> int:
        """Number of hidden states: what a head reads."""
        return self.net.hidden

    @property
    def estimator(self) -> Estimator:
        """The estimator."""
        return self._estimator

    def forward(self, x: Tensor, starts: Any = None) -> Tensor:
        """Makes a step.

        A step without a backward pass before the next one counts as one without a loss.

        Args:
            x: (inputs,) or (lanes, inputs); or symbols, an integer tensor of shape () or (lanes,).
            starts: Where a new sequence begins with this step: a bool, or a tensor or array of bool for the lanes.

        Returns:
            The hidden state, (hidden,) or (lanes, hidden).

        Raises:
            ValueError: For another shape, dtype or device.
        """
        return cast(Tensor, _Step.apply(x, self.weight, self, starts))  # type: ignore[no-untyped-call]

    def _step(self, x: Tensor, starts: Any) -> Any:
        if x.device.type != "cpu" or self.weight.device.type != "cpu":
            raise ValueError(f"x and weight must be on the CPU, found {x.device} and {self.weight.device}")
        own, weight = self.net.weights, self.weight.detach()
        if weight.data_ptr() != own.ctypes.data:
            # The parameter has been replaced, as by `copy.deepcopy` or `.to()`.
            self.net.weights = weight.numpy()
        if not self._observed:
            self._observe(np.zeros(self._shape(), dtype=self.net.dtype), drop=True)
        read = x.detach().numpy()
        if not x.is_floating_point():
            read = read.item() if read.ndim == 0 else read
        if isinstance(starts, Tensor):
            starts = starts.numpy()
        hidden = self._estimator.step(read, starts)
        self._steps += 1
        self._observed = False
        return hidden

    def _shape(self) -> tuple[int, ...]:
        lanes = self._estimator.lanes
        return (self.net.hidden,) if lanes is None else (lanes, self.net.hidden)

    def _observe(self, delta: Any, drop: bool = False) -> Any:
        """The gradient that this step adds to `weight.grad`: that of the window, with its last step."""
        if self._made + 1 < self._estimator.window:
            self._estimator.observe(delta)
            self._observed, self._made = True, self._made + 1
            return np.zeros_like(self.net.weights)
        gradient = self._finish(delta)
        self._observed = True
        if drop and self._estimator.window > 1:
            self._add(gradient)
        return gradient

    def _finish(self, delta: Any = None) -> Any:
        # A copy: the estimator goes on writing to its own.
        gradient = self._estimator.finish_window(delta).copy()
        self._made = 0
        return gradient

    def _add(self, gradient: Any) -> None:
        made = torch.from_numpy(gradient)
        self.weight.grad = made if self.weight.grad is None else self.weight.grad + made

    def finish_window(self) -> None:
        """Ends a window before its last step, and adds its gradient to `weight.grad`."""
        if not self._observed:
            self._observe(np.zeros(self._shape(), dtype=self.net.dtype), drop=True)
        if self._made:
            self._add(self._finish())

    def forget(self) -> None:
        """Zeroes state and influence in all lanes. Belongs between windows.

        Raises:
            ValueError: Within a window.
        """
        if not self._observed:
            self._observe(np.zeros(self._shape(), dtype=self.net.dtype), drop=True)
        self._estimator.forget()

    @classmethod
    def from_pytorch(
        cls, module: nn.RNNBase, *, estimator: EstimatorLike, lanes: Optional[int] = None, window: int = 1
    ) -> Online:
        """The net of an `nn.GRU`, `nn.LSTM` or `nn.RNN`, with its weights. Training goes on from them.

        Raises:
            ValueError: For a bidirectional module, one with projections or dropout, or without biases.
        """
        kind = _KINDS.get(module.mode) or {"RNN_TANH": "vanilla", "RNN_RELU": "vanilla-relu"}[module.mode]
        unlike = {"bidirectional": module.bidirectional, "proj_size": module.proj_size, "dropout": module.dropout}
        unlike["bias=False"] = not module.bias
        for name, given in unlike.items():
            if given:
                raise ValueError(f"an nn.{type(module).__name__} with {name} has no equivalent")
        layers = [{"kind": kind, "units": module.hidden_size}] * module.num_layers
        dtype = next(module.parameters()).dtype
        core = cls(layers, module.input_size, estimator=estimator, lanes=lanes, window=window, dtype=dtype)
        tensors = {name: tensor.detach().numpy() for name, tensor in module.named_parameters()}
        core.net.weights = Layout(core.net).read(tensors)
        return core

    def to_pytorch(self) -> nn.RNNBase:
        """An `nn.GRU`, `nn.LSTM` or `nn.RNN` with these weights; zero where a weight does not exist.

        Raises:
            ValueError: If PyTorch has no such module.
        """
        layout = Layout(self.net)
        layers = self.net.layers
        if any((one["kind"], one["units"]) != (layers[0]["kind"], layers[0]["units"]) for one in layers):
            raise ValueError("layers of one PyTorch module are of one kind and size")
        kind, sizes = layers[0]["kind"], (self.net.inputs, layers[0]["units"], len(layers))
        made: nn.RNNBase
        if kind in ("gru", "lstm"):
            made = {"gru": nn.GRU, "lstm": nn.LSTM}[kind](*sizes, dtype=self.weight.dtype)
        else:
            made = nn.RNN(*sizes, nonlinearity="relu" if kind == "vanilla-relu" else "tanh", dtype=self.weight.dtype)
        tensors = layout.export(self.weight.detach().numpy())
        with torch.no_grad():
            for name, parameter in made.named_parameters():
                parameter.copy_(torch.from_numpy(tensors[name]))
        return made

    def extra_repr(self) -> str:
        return f"{self.net!r}, lanes={self._estimator.lanes}, window={self._estimator.window}"
