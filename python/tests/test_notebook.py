"""The notebook shows what its cells give."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "copy_online.ipynb"


def run(source, names):
    """Runs a cell, and returns the value of its last line."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, NOTEBOOK.name, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names)


def test_the_notebook_is_small_and_was_executed():
    assert NOTEBOOK.stat().st_size < 100_000
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    shown = [list(output.get("data", {})) for cell in cells for output in cell["outputs"]]
    assert any("image/png" in kinds for kinds in shown) and not any(not kinds for kinds in shown)


@pytest.mark.skipif("RTRL_PYTHON_FULL" not in os.environ, reason="takes minutes")
def test_its_table_is_what_the_cells_give(monkeypatch, tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    names, compared = {}, 0
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        value = run("".join(cell["source"]), names)
        for output in cell["outputs"]:
            text = "".join(output["data"].get("text/plain", []))
            if "text/html" in output["data"]:
                shown, found = (np.array(re.findall(r" (\d+)(?!\S)", table)[3:], int) for table in (text, repr(value)))
                # Levels of other processors' instructions may differ by rounding's consequences.
                assert shown.shape == found.shape == (12,) and np.abs(shown - found).max() <= 1
                compared += 1
    assert compared == 1
