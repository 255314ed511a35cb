#!/usr/bin/env python3
"""Writes the test vectors of this crate: nets with PyTorch's names, and what PyTorch's equations make of an input.

    python3 crates/interchange/scripts/vectors.py            # write crates/interchange/tests/vectors
    python3 crates/interchange/scripts/vectors.py --check    # compare what is there with PyTorch itself (needs torch)

Without --check only the standard library is used. The equations are those of the pages of torch.nn.RNN, GRU, LSTM, Embedding
and Linear, written out number by number in double precision; weights are 32-bit numbers.
"""

import json
import math
import random
import struct
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "vectors"
STEPS = 12


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


# Each net: kind, layers, units, inputs, width of an embedding, width of a hidden readout layer, outputs, share of zeros.
NETS = {
    "gru": dict(kind="gru", layers=2, units=5, values=3, readout=4, outputs=3),
    "gru-symbols": dict(kind="gru", layers=1, units=6, symbols=4, outputs=4, zeros=0.5),
    "lstm": dict(kind="lstm", layers=2, units=4, values=3, outputs=2),
    "lstm-embedding": dict(kind="lstm", layers=1, units=5, symbols=7, embedding=3, outputs=7, zeros=0.4),
    "rnn": dict(kind="vanilla", layers=2, units=4, values=2, outputs=2),
    "rnn-relu": dict(kind="vanilla-relu", layers=1, units=5, values=2, outputs=2),
}
GATES = {"gru": 3, "lstm": 4, "vanilla": 1, "vanilla-relu": 1}


def tensors_of(net, draw):
    """Tensors by name, each as (shape, values); every number is far from zero, so that nothing can hide."""
    tensors = {}

    def tensor(name, *shape, scale=1.0, zeros=0.0):
        values = []
        for _ in range(math.prod(shape)):
            value = f32(scale * draw.choice([-1, 1]) * (0.2 + 0.8 * draw.random()))
            values.append(0.0 if draw.random() < zeros else value)
        tensors[name] = (list(shape), values)

    k, zeros = net["units"], net.get("zeros", 0.0)
    below = net.get("symbols") or net.get("values")
    if "embedding" in net:
        tensor("embedding.weight", below, net["embedding"])
        below = net["embedding"]
    rows = GATES[net["kind"]] * k
    # Small enough that ReLU units do not grow without bound.
    scale = 0.3 if net["kind"] == "vanilla-relu" else 1.0
    for layer in range(net["layers"]):
        tensor(f"rnn.weight_ih_l{layer}", rows, below, zeros=zeros)
        tensor(f"rnn.weight_hh_l{layer}", rows, k, scale=scale, zeros=zeros)
        tensor(f"rnn.bias_ih_l{layer}", rows)
        tensor(f"rnn.bias_hh_l{layer}", rows)
        below = k
    if "readout" in net:
        tensor("readout.0.weight", net["readout"], k)
        tensor("readout.0.bias", net["readout"])
        tensor("readout.2.weight", net["outputs"], net["readout"])
        tensor("readout.2.bias", net["outputs"])
    else:
        tensor("readout.weight", net["outputs"], k)
        tensor("readout.bias", net["outputs"])
    return tensors


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def linear(tensors, weight, bias, x):
    (rows, columns), w = tensors[weight]
    b = tensors[bias][1]
    return [b[r] + sum(w[r * columns + c] * x[c] for c in range(columns)) for r in range(rows)]


def recurrent_step(kind, tensors, layer, x, h, c):
    a = linear(tensors, f"rnn.weight_ih_l{layer}", f"rnn.bias_ih_l{layer}", x)
    b = linear(tensors, f"rnn.weight_hh_l{layer}", f"rnn.bias_hh_l{layer}", h)
    k = len(h)
    gate = lambda part, g, unit: part[g * k + unit]
    new_h, new_c = [], []
    for j in range(k):
        if kind == "gru":
            r = sigmoid(gate(a, 0, j) + gate(b, 0, j))
            z = sigmoid(gate(a, 1, j) + gate(b, 1, j))
            n = math.tanh(gate(a, 2, j) + r * gate(b, 2, j))
            new_h.append((1 - z) * n + z * h[j])
        elif kind == "lstm":
            i = sigmoid(gate(a, 0, j) + gate(b, 0, j))
            f = sigmoid(gate(a, 1, j) + gate(b, 1, j))
            g = math.tanh(gate(a, 2, j) + gate(b, 2, j))
            o = sigmoid(gate(a, 3, j) + gate(b, 3, j))
            new_c.append(f * c[j] + i * g)
            new_h.append(o * math.tanh(new_c[j]))
        elif kind == "vanilla":
            new_h.append(math.tanh(a[j] + b[j]))
        else:
            new_h.append(max(0.0, a[j] + b[j]))
    return new_h, new_c


def run(net, tensors, inputs):
    """Top hidden state and output of the readout at each step."""
    k = net["units"]
    h = [[0.0] * k for _ in range(net["layers"])]
    c = [[0.0] * k for _ in range(net["layers"])]
    hidden, outputs = [], []
    for x in inputs:
        if "embedding" in net:
            width = net["embedding"]
            x = tensors["embedding.weight"][1][x * width : (x + 1) * width]
        elif "symbols" in net:
            x = [1.0 if s == x else 0.0 for s in range(net["symbols"])]
        for layer in range(net["layers"]):
            h[layer], c[layer] = recurrent_step(net["kind"], tensors, layer, x, h[layer], c[layer])
            x = h[layer]
        hidden.append(x)
        if "readout" in net:
            x = [max(0.0, y) for y in linear(tensors, "readout.0.weight", "readout.0.bias", x)]
            x = linear(tensors, "readout.2.weight", "readout.2.bias", x)
        else:
            x = linear(tensors, "readout.weight", "readout.bias", x)
        outputs.append(x)
    return hidden, outputs


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        packed = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        values = list(struct.unpack(f"<{(last - first) // 4}f", data[first:last]))
        found[name] = (entry["shape"], values)
    return found


def write():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for seed, (name, net) in enumerate(NETS.items()):
        draw = random.Random(seed)
        tensors = tensors_of(net, draw)
        if "symbols" in net:
            inputs = [draw.randrange(net["symbols"]) for _ in range(STEPS)]
        else:
            inputs = [[f32(2 * draw.random() - 1) for _ in range(net["values"])] for _ in range(STEPS)]
        hidden, outputs = run(net, tensors, inputs)
        write_safetensors(FOLDER / f"{name}.safetensors", tensors)
        vectors = {"net": net, "inputs": inputs, "hidden": hidden, "outputs": outputs}
        (FOLDER / f"{name}.json").write_text(json.dumps(vectors, indent=1) + "\n")


def check():
    import torch

    torch.set_default_dtype(torch.float64)
    worst = 0.0
    for name in NETS:
        vectors = json.loads((FOLDER / f"{name}.json").read_text())
        net, tensors = vectors["net"], read_safetensors(FOLDER / f"{name}.safetensors")
        state = {key: torch.tensor(values).reshape(shape) for key, (shape, values) in tensors.items()}
        inputs = net.get("embedding") or net.get("symbols") or net.get("values")
        size = dict(input_size=inputs, hidden_size=net["units"], num_layers=net["layers"])
        module = torch.nn.Module()
        module.rnn = {
            "gru": lambda: torch.nn.GRU(**size),
            "lstm": lambda: torch.nn.LSTM(**size),
            "vanilla": lambda: torch.nn.RNN(**size),
            "vanilla-relu": lambda: torch.nn.RNN(nonlinearity="relu", **size),
        }[net["kind"]]()
        module.readout = torch.nn.Linear(net["units"], net["outputs"])
        if "readout" in net:
            first = torch.nn.Linear(net["units"], net["readout"])
            module.readout = torch.nn.Sequential(first, torch.nn.ReLU(), torch.nn.Linear(net["readout"], net["outputs"]))
        if "embedding" in net:
            module.embedding = torch.nn.Embedding(net["symbols"], net["embedding"])
        module.load_state_dict(state)  # strict: names and shapes are PyTorch's
        x = torch.tensor(vectors["inputs"])
        if "embedding" in net:
            x = module.embedding(x)
        elif "symbols" in net:
            x = torch.nn.functional.one_hot(x, net["symbols"]).double()
        hidden, _ = module.rnn(x)
        outputs = module.readout(hidden)
        for found, expected in [(hidden, vectors["hidden"]), (outputs, vectors["outputs"])]:
            worst = max(worst, (found - torch.tensor(expected)).abs().max().item())
    print(f"torch {torch.__version__}: greatest difference {worst:.1e}")
    # Sums of a dozen numbers of order 1, in another order.
    sys.exit(worst > 1e-13)


if __name__ == "__main__":
    check() if sys.argv[1:] == ["--check"] else write()
