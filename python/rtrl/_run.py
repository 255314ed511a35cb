"""Runs of configuration files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from . import _rtrl
from ._settings import to_json

if TYPE_CHECKING:
    from pandas import DataFrame

_Path = Union[str, os.PathLike[str]]


@dataclass(frozen=True)
class Run:
    """A complete run."""

    folder: Path
    """The folder with its configuration, metrics and net."""
    summary: dict[str, Any]
    """Its result: the final losses, in bits per target or as mean squared errors, costs, and what made it."""

    def metrics(self) -> DataFrame:
        """`rtrl.metrics` of the run."""
        return metrics(self.folder)


def train(
    config: Union[Mapping[str, Any], _Path],
    *,
    root: _Path = "runs",
    checkpoint_seconds: float = 60.0,
    keep_checkpoint: bool = False,
    progress: Optional[Callable[[int, int, dict[str, Any]], object]] = None,
) -> Run:
    """Makes the run of a configuration, as `rtrl train` does: the same bits in the same folder.

    A run that was interrupted goes on from its checkpoint, and of a complete run the result is read. An exception,
    that of Ctrl-C too, ends the run with a checkpoint.

    Args:
        config: The path of a TOML file, or the same as nested dicts, in which settings may stand for tables:
            `{"task": {"kind": "copy"}, "layers": [rtrl.Gru(32)], "estimator": rtrl.SnAp(1), …}`.
        root: Folder in which the run gets a folder of its own.
        checkpoint_seconds: Time between two checkpoints.
        keep_checkpoint: Whether the last checkpoint is kept when the run is complete.
        progress: Called with the number of steps made, that of all steps, and the new record, for each record.

    Raises:
        ValueError: If a setting has no meaning, or training diverges.
        OSError: If a file cannot be read or written.
    """

    def told(step: int, steps: int, record: str) -> None:
        if progress is not None:
            progress(step, steps, json.loads(record))

    if isinstance(config, Mapping):
        text, name = to_json(config), None
    else:
        text, name = Path(config).read_text(encoding="utf-8"), os.fspath(config)
    call = None if progress is None else told
    folder, summary = _rtrl.train(text, name, root, float(checkpoint_seconds), bool(keep_checkpoint), call)
    if summary is None:
        raise KeyboardInterrupt
    return Run(Path(folder), json.loads(summary))


def metrics(run: Union[Run, _Path]) -> DataFrame:
    """The records of a run as a data frame of pandas, a row for each. Needs pandas.

    Args:
        run: A run, or its folder.

    Raises:
        OSError: If the folder has no metrics.
        ValueError: If a line is not a record.
    """
    records = json.loads(_rtrl.metrics(run.folder if isinstance(run, Run) else run))
    from pandas import DataFrame

    return DataFrame.from_records(records)
