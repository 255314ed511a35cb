"""A run of a configuration, as the program `rtrl train` makes it, with its result."""

import rtrl

run = rtrl.train(
    {
        "task": {"kind": "copy"},
        "layers": [rtrl.Gru(16, sparsity=0.5)],
        "estimator": rtrl.SnAp(1),
        "optimizer": rtrl.Adam(0.003),
        "training": {"lanes": 8, "window": 1, "steps": 500, "log_every": 100, "seed": 0},
    },
    progress=lambda step, steps, record: print(f"step {step} of {steps}: {record['bits']:.3f} bits"),
)
print(run.folder, run.summary["bits"])
