"""Times peers on the nets of `cargo xtask bench` and writes them as JSON to the file named by the only argument.

Each row is the least of several calls, over the steps of one call, compilation left out; of several forms of a peer the quickest counts.
"""

import json
import sys
import time

import jax

import jax_estimators as own

GRU, GRU_SPARSE, LSTM_SPARSE = ("gru", 128, 0.0), ("gru", 128, 0.75), ("lstm", 128, 0.75)
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
    for net in [GRU, GRU_SPARSE, LSTM_SPARSE, *VANILLA]:
        for lanes in (1, 16):
            for task in ("bptt", "snap1", "uoro", "online-adam"):
                yield task, net, lanes, STEPS
    for net in VANILLA:
        yield "snap2", net, 1, STEPS
        yield "snap2", net, 16, 8
    yield "rtrl", GRU, 1, 4


def main(path):
    rows, notes = [], []

    def add(peer, task, net, lanes, forms, steps):
        kind, units, sparsity = net
        seconds = {name: least(*form, steps) for name, form in forms}
        form = min(seconds, key=seconds.get)
        row = {"peer": peer, "kind": kind, "units": units, "sparsity": sparsity, "task": task, "lanes": lanes}
        rows.append(row | {"seconds": seconds[form], "form": form})
        print(rows[-1] | {"all": {name: round(1e6 * value, 1) for name, value in seconds.items()}}, flush=True)

    for task, net, lanes, steps in cases():
        made = ((name, make(*net, lanes, steps)) for name, make in own.FORMS[task].items())
        add("jax", task, net, lanes, (pair for pair in made if pair[1]), steps)
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
                add("braintrace", "snap2", net, 1, [("sparse", other.snap_2(net[1], net[2], 8))], 8)
            except Exception as error:  # A peer that fails is a note, and the others still count.
                notes.append(f"braintrace failed on {net}: {type(error).__name__}: {str(error)[:200]}")
    with open(path, "w") as file:
        json.dump({"rows": rows, "notes": notes}, file)


main(sys.argv[1])
