"""Measures what Python costs, with an installed release build, on a machine with little else to do.

    pip install ./python
    python python/tools/measure.py [--program target/release/rtrl]

It prints the time of a step of a GRU under SnAp-1 here and in Rust, and that of a row of the forecaster here and in the
program `rtrl stream`, the latter two as time of the processor. Each is the least of several repetitions, so that what else
the machine does counts little. A step of one unit computes next to nothing and tells what the calls cost. They are the
same for larger nets, whose step goes through J, weights and gradient, 0.7 MB of 128 units. Where a core's caches are smaller
than that, what Python and NumPy need for the next call has probably left them.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rtrl

FOLDER = Path(__file__).resolve().parents[1]


def step(inputs: int, units: int) -> float:
    """Microseconds of step and finish_window."""
    net = rtrl.Net(rtrl.Gru(units), inputs)
    est = net.estimator(rtrl.SnAp(1))
    x, dh = np.full(inputs, 0.5, np.float32), np.full(units, 0.1, np.float32)
    best = math.inf
    for _ in range(3000):
        begun = time.perf_counter()
        for _ in range(20):
            est.step(x)
            est.finish_window(dh)
        best = min(best, (time.perf_counter() - begun) / 20)
    return 1e6 * best


def rust_step(*sizes: int) -> float:
    command = ["cargo", "run", "--quiet", "--release", "--example", "step", "--manifest-path", FOLDER / "Cargo.toml"]
    command += ["--", *map(str, sizes)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


ROWS = 20_000


def row(t: int) -> dict[str, float]:
    return {"phase": math.sin(0.05 * t), "level": 20 + math.sin(0.3 * t)}


def forecaster_row() -> float:
    """Microseconds of a row with its forecast."""
    rows = [row(t) for t in range(ROWS)]
    forecaster = rtrl.Forecaster(target="level")
    begun = time.process_time()
    for one in rows:
        forecaster.learn_one({"phase": one["phase"]}, one["level"])
        forecaster.predict_one()
    return 1e6 * (time.process_time() - begun) / ROWS


def program_row(program: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rows.csv"
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["phase", "level"])
            writer.writeheader()
            writer.writerows(row(t) for t in range(ROWS))
        command = [program, "stream", "--target", "level", table]
        begun = os.times()
        subprocess.run(command, check=True, capture_output=True)
        ended = os.times()
        spent = ended.children_user - begun.children_user + ended.children_system - begun.children_system
        return 1e6 * spent / ROWS


def main() -> None:
    flags = argparse.ArgumentParser(description="Times of Python beside those of Rust.")
    flags.add_argument("--program", type=Path, help="the program rtrl, of a release build")
    program = flags.parse_args().program
    for sizes in [(1, 1), (32, 32), (32, 64), (32, 128)]:
        rounds = [(step(*sizes), rust_step(*sizes)) for _ in range(5)]
        here, there = (min(times) for times in zip(*rounds, strict=True))
        print(f"a step of GRU-{sizes[1]}: {here:.2f} µs from Python, {there:.2f} µs in Rust: {here - there:.2f} µs more")
    here = min(forecaster_row() for _ in range(5))
    told = f"a row of the forecaster: {here:.2f} µs from Python"
    if program:
        there = min(program_row(program) for _ in range(5))
        told += f", {there:.2f} µs in the program: {here / there:.2f} times"
    print(told)
    print(f"Python {sys.version.split()[0]}, rtrl {rtrl.__version__}")


if __name__ == "__main__":
    main()
