"""Times peers on the nets of `cargo xtask bench` and writes them as JSON to the file named by the only argument.

Each row is the least of several calls, over the steps of one call, compilation left out.
"""

import json
import sys
import time

import jax

import jax_estimators as own

VANILLA = [("vanilla", 128, 0.75), ("vanilla", 256, 0.9375), ("vanilla", 512, 0.984)]
STEPS = 128


def least(run, arguments, steps, seconds=1.0):
    jax.block_until_ready(run(*arguments))
    best, begun = float("inf"), time.perf_counter()
    while time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        jax.block_until_ready(run(*arguments))
        best = min(best, time.perf_counter() - started)
    return best / steps


def cases():
    for net in [("gru", 128, 0.0), *VANILLA]:
        for lanes in (1, 16):
            yield own.bptt, "bptt", net, lanes, STEPS
            yield own.snap_1, "snap1", net, lanes, STEPS
    for net in VANILLA:
        yield own.snap_2, "snap2", net, 1, STEPS
        yield own.snap_2, "snap2", net, 16, 8
    yield own.rtrl, "rtrl", ("gru", 128, 0.0), 1, 4


def main(path):
    rows, notes = [], []

    def add(peer, task, net, lanes, run, arguments, steps):
        kind, units, sparsity = net
        row = {"peer": peer, "kind": kind, "units": units, "sparsity": sparsity, "task": task, "lanes": lanes}
        rows.append(row | {"seconds": least(run, arguments, steps)})
        print(rows[-1], flush=True)

    for make, task, net, lanes, steps in cases():
        add("jax", task, net, lanes, *make(*net, lanes, steps), steps)
    notes.append(f"JAX {jax.__version__}")
    try:
        import braintrace
        import braintrace_estimators as other
    except ImportError as error:
        notes.append(f"braintrace is missing ({error})")
    else:
        notes.append(f"braintrace {braintrace.__version__}, whose input weights do not learn")
        for net in VANILLA:
            try:
                add("braintrace", "snap2", net, 1, *other.snap_2(net[1], net[2], 8), 8)
            except Exception as error:  # A peer that fails is a note, and the others still count.
                notes.append(f"braintrace failed on {net}: {type(error).__name__}: {str(error)[:200]}")
    with open(path, "w") as file:
        json.dump({"rows": rows, "notes": notes}, file)


main(sys.argv[1])
