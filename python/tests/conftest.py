"""What the tests share."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The thorough tests: a million steps, a thousand wrong calls.
FULL = bool(os.environ.get("RTRL_PYTHON_FULL"))


@pytest.fixture(scope="session")
def program():
    """Runs the program `rtrl` of this clone, the one that was built last; skips if it is not built."""
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    paths = [path for kind in ("debug", "release") if (path := ROOT / folder / kind / "rtrl").exists()]
    if not paths:
        pytest.skip("the program rtrl is not built: cargo build --package rtrl-cli")

    path = max(paths, key=lambda path: path.stat().st_mtime)

    def run(*words, **more):
        made = subprocess.run([path, *map(str, words)], capture_output=True, text=True, **more)
        assert made.returncode == 0, made.stderr
        return made

    return run
