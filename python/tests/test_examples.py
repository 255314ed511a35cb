"""The examples and the program of the README run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1]
NEEDS = {"pytorch.py": "torch", "river_pipeline.py": "river", "jax_head.py": "jax", "frames.py": "pandas"}


@pytest.mark.parametrize("path", sorted((FOLDER / "examples").glob("*.py")), ids=lambda path: path.name)
def test_example(path, capsys, monkeypatch, tmp_path):
    if path.name in NEEDS:
        pytest.importorskip(NEEDS[path.name])
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


def blocks():
    return re.findall(r"^```python\n(.*?)^```", (FOLDER / "README.md").read_text(encoding="utf-8"), re.M | re.S)


def test_the_readme_has_a_program_of_ten_lines():
    first = blocks()[0]
    assert len([line for line in first.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.splitlines()[0])
def test_program_of_the_readme(block, monkeypatch, tmp_path):
    for name in ("torch", "river", "jax", "pandas"):
        if re.search(rf"^\s*(import|from) (rtrl\.)?{name}\b", block, re.M):
            pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
