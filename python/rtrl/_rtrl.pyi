from os import PathLike
from typing import Any, Callable, Optional, Union

from numpy.typing import NDArray
from typing_extensions import disjoint_base

__all__ = ["__version__", "Net", "Estimator", "Forecaster", "registry", "train", "metrics"]

__version__: str

_Array = NDArray[Any]
_Csr = tuple[int, int, _Array, _Array]
_Rows = tuple[list[int], list[int]]
_Path = Union[str, PathLike[str]]

@disjoint_base
class Net:
    """Recurrent layers with their masks and weights."""

    def __new__(
        cls,
        layers: str,
        inputs: int,
        symbols: bool,
        float64: bool,
        seed: int,
        init: str,
        masks: Optional[list[list[tuple[_Rows, _Rows]]]] = None,
    ) -> Net: ...
    @property
    def inputs(self) -> int:
        """Number of inputs, or of symbols."""
    @property
    def symbols(self) -> bool:
        """Whether the net reads a symbol at each step, in place of numbers."""
    @property
    def dtype(self) -> str:
        """The type of the numbers, "float32" or "float64"."""
    @property
    def depth(self) -> int:
        """Number of layers."""
    @property
    def hidden(self) -> int:
        """Number of hidden states of the top layer: the length of what `step` returns."""
    @property
    def states(self) -> int:
        """Number of states of all layers."""
    @property
    def weights(self) -> _Array:
        """The weights of all layers, a vector that can be changed in place between windows.

        Setting it copies the numbers. `matrix` tells their places.
        """
    @weights.setter
    def weights(self, values: _Array) -> None: ...
    def layers_json(self) -> str: ...
    def weight_pattern(self) -> _Csr: ...
    def dynamics_pattern(self) -> _Csr: ...
    def mask_patterns(self) -> list[list[tuple[_Csr, _Csr]]]: ...
    def layout(self) -> list[tuple[int, int, int, list[tuple[int, int, int]]]]: ...
    def origin_in(self, old: Net) -> _Array:
        """For each weight its index in `old.weights`, or -1 if it is new: what moments of an optimizer are moved by.

        Raises:
            ValueError: If the nets differ in more than their masks.
        """
    def check_pytorch(self) -> None: ...

@disjoint_base
class Estimator:
    """Turns the gradient of each step's loss by the hidden state into a gradient by the weights."""

    def __new__(cls, net: Net, settings: str, lanes: Optional[int], window: int) -> Estimator: ...
    @property
    def net(self) -> Net:
        """The net."""
    @property
    def lanes(self) -> Optional[int]:
        """Number of lanes, or None if arrays have no axis of lanes."""
    @property
    def window(self) -> int:
        """Most steps between two calls of `finish_window`."""
    def step(self, x: Any, starts: Union[None, bool, _Array] = None) -> _Array:
        """Makes a step and returns the hidden state, (hidden,) or (lanes, hidden).

        Args:
            x: The input, (inputs,) or (lanes, inputs), of the net's dtype; or a symbol, or one for each lane.
            starts: Where a new sequence begins with this step: state and influence are zeroed before it. A bool for
                all lanes, or an array of bool.

        Raises:
            ValueError: For another shape or dtype, or a call out of order; nothing has changed then.
        """
    def observe(self, dh: _Array) -> None:
        """Takes the gradient of the loss of the last step.

        Args:
            dh: The gradient by the hidden state, (hidden,) or (lanes, hidden), zeros where there is no loss. Or by
                all states, (states,) or (lanes, states), for a loss that also depends on lower layers or memory.

        Raises:
            ValueError: For another shape or dtype, or a call out of order; nothing has changed then.
        """
    def input_gradient(self, dh: _Array) -> _Array:
        """The gradient of the loss of the last step by its input, of the input's shape.

        The effect of the input on later losses is not included.

        Args:
            dh: As for `observe`.

        Raises:
            ValueError: For another shape or dtype, a net of symbols, or before the first step of a window.
        """
    def finish_window(self, dh: Optional[_Array] = None) -> _Array:
        """Ends the window and returns `gradient`.

        Args:
            dh: As for `observe`, which is then not called for the last step: one call takes less time than two.

        Raises:
            ValueError: If the last step was not observed, or as for `observe`; nothing has changed then.
        """
    @property
    def gradient(self) -> _Array:
        """The gradient of the window by all weights, in their order, summed over steps and lanes.

        It is complete after `finish_window`. The first `observe` of the next window zeroes it.
        """
    @gradient.setter
    def gradient(self, values: _Array) -> None: ...
    @property
    def state(self) -> _Array:
        """A copy of the state of all layers, (states,) or (lanes, states)."""
    def influence_entries(self, lane: int) -> Optional[tuple[_Array, _Array, _Array]]: ...
    def forget(self, lane: Optional[int] = None) -> None:
        """Zeroes what a lane, or every lane, carries from step to step.

        Raises:
            ValueError: Within a window, or if there is no such lane.
        """
    def rewire(self, net: Net) -> None:
        """Goes on with a net of the same layers whose masks may differ, such as `net.rewired(masks)`.

        The state and what is known of weights that both nets have are kept. New weights begin without influence.
        `gradient` is a new vector.

        Raises:
            ValueError: Within a window, or if the nets differ in more than their masks; nothing has changed then.
        """
    def save_bytes(self) -> bytes:
        """What is carried from window to window: state and influence.

        Raises:
            ValueError: Within a window.
        """
    def load_bytes(self, bytes: bytes) -> None:
        """Goes on, bit for bit, from `save_bytes` of an estimator of the same net, settings and lanes.

        Raises:
            ValueError: Within a window, or for other bytes; everything that was carried is then zero.
        """
    def cost_counts(self) -> tuple[float, float, float, float, int]: ...

@disjoint_base
class Forecaster:
    """Predicts the next rows of a series, and learns from each row."""

    def __new__(cls, settings: str, columns: list[str], inputs: list[str], targets: list[str]) -> Forecaster: ...
    @property
    def settings(self) -> str: ...
    @property
    def columns(self) -> tuple[list[str], list[str], list[str]]: ...
    def learn(self, x: dict[str, Any], y: dict[str, Any]) -> None: ...
    def next(self, target: int) -> Optional[float]: ...
    def ahead(self, target: int) -> list[tuple[int, list[float], Optional[list[float]]]]: ...
    def last(self, target: int) -> tuple[Optional[float], list[Optional[list[float]]]]: ...
    def scores(self) -> list[list[float]]: ...
    def anomaly(self) -> tuple[Optional[float], bool]: ...
    def counts(self) -> tuple[int, int, int]: ...
    def begin_sequence(self) -> None: ...
    def set_learning(self, learning: bool) -> None: ...
    def save(self, path: _Path) -> None: ...
    @staticmethod
    def load(path: _Path) -> Forecaster: ...
    def save_bytes(self) -> bytes: ...
    @staticmethod
    def load_bytes(bytes: bytes) -> Forecaster: ...

def registry() -> str: ...
def train(
    config: str,
    toml: Optional[str],
    root: _Path,
    checkpoint_seconds: float,
    keep_checkpoint: bool,
    progress: Optional[Callable[[int, int, str], object]] = None,
) -> tuple[Any, Optional[str]]: ...
def metrics(folder: _Path) -> str: ...
