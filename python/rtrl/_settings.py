"""Settings, and their form in configuration files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar, Union


class Settings:
    """Settings of something that configuration files name by its kind."""

    _kind: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """The settings as a table of a configuration file. Those that are None are left out."""
        table: dict[str, Any] = {"kind": self._kind}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is not None:
                table[field.name] = value
        return table


class Cell(Settings):
    """A recurrent layer."""


class Estimator(Settings):
    """How recurrent weights get their gradient."""


class Optimizer(Settings):
    """How gradients change weights."""


# What may stand for settings: an object of a class above, or a table as in a configuration file.
CellLike = Union[Cell, Mapping[str, Any]]
EstimatorLike = Union[Estimator, Mapping[str, Any]]
OptimizerLike = Union[Optimizer, Mapping[str, Any]]


def plain(value: Any) -> Any:
    """The value with tables and lists in place of settings."""
    if isinstance(value, Settings):
        return plain(value.to_dict())
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [plain(inner) for inner in value]
    return value


def _scalar(value: Any) -> Any:
    """A number of NumPy, or a path."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    raise ValueError(f"{value!r} is none of the values of a configuration file")


def to_json(value: Any) -> str:
    """Settings as JSON."""
    return json.dumps(plain(value), default=_scalar)


def count(name: str, value: Any, least: int = 1) -> int:
    """A whole number of at least `least`."""
    try:
        number = value.__index__()
    except AttributeError:
        raise ValueError(f"{name} must be an int, found {value!r}") from None
    if not least <= number < 2**63:
        raise ValueError(f"{name} must be at least {least} and below 2**63, found {number}")
    return int(number)
