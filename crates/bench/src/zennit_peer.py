"""Times GoogLeNet in PyTorch and its relevance by zennit, with the weights and images of `cargo xtask-cnn bench --weights`.

Usage: python3 zennit_peer.py WEIGHTS.safetensors INPUT.npy WORK REPEATS

WORK: forward, epsilon, z-plus, alpha2-beta1 or gamma. Uses one thread.
Prints one line of JSON: {"best", "sum", "built_with"}, or {"missing"}.
"""
import json
import sys
import time
from importlib.metadata import version

weights, images, work, repeats = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
try:
    import numpy as np
    import torch
    from safetensors.numpy import load_file
    from torch import nn
    from zennit.composites import LayerMapComposite
    from zennit.rules import AlphaBeta, Epsilon, Gamma, Norm, Pass, ZPlus
    from zennit.types import Activation
except ImportError as error:
    print(json.dumps({"missing": error.name}))
    sys.exit(0)

torch.set_num_threads(1)
values = load_file(weights)


def convolution(name, stride=1, padding=0):
    weight, bias = values[name + "_w"], values[name + "_b"]
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], stride, padding)
    layer.weight.data, layer.bias.data = torch.tensor(weight.copy()), torch.tensor(bias.copy())
    return layer


class Inception(nn.Module):
    def __init__(self, block):
        super().__init__()

        def layer(name, padding=0):
            return convolution(f"inception_{block}/{name}", 1, padding)

        self.one = nn.Sequential(layer("1x1"), nn.ReLU())
        self.three = nn.Sequential(layer("3x3_reduce"), nn.ReLU(), layer("3x3", 1), nn.ReLU())
        self.five = nn.Sequential(layer("5x5_reduce"), nn.ReLU(), layer("5x5", 2), nn.ReLU())
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), layer("pool_proj"), nn.ReLU())

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


def pool():
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def normalisation():
    return nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)


scores = nn.Linear(1024, 1000)
scores.weight.data = torch.tensor(values["loss3/classifier_w"].reshape(1000, 1024).copy())
scores.bias.data = torch.tensor(values["loss3/classifier_b"].copy())
blocks = {name: Inception(name) for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")}
network = nn.Sequential(
    convolution("conv1/7x7_s2", 2, 3), nn.ReLU(), pool(), normalisation(),
    convolution("conv2/3x3_reduce"), nn.ReLU(), convolution("conv2/3x3", 1, 1), nn.ReLU(), normalisation(), pool(),
    blocks["3a"], blocks["3b"], pool(), blocks["4a"], blocks["4b"], blocks["4c"], blocks["4d"], blocks["4e"], pool(),
    blocks["5a"], blocks["5b"], nn.AvgPool2d(7), nn.Flatten(), scores,
).eval()
rules = {
    "epsilon": (Epsilon(1e-2), Epsilon(1e-2)),
    "z-plus": (ZPlus(), Epsilon(1.0)),
    "alpha2-beta1": (AlphaBeta(2.0, 1.0), Epsilon(1.0)),
    "gamma": (Gamma(0.25), Epsilon(1.0)),
}
x = torch.tensor(np.load(images))


def forward():
    with torch.no_grad():
        return network(x)


def relevance(of_convolution, of_scores):
    composite = LayerMapComposite([
        (Activation, Pass()), (nn.LocalResponseNorm, Pass()), (nn.AvgPool2d, Norm()),
        (nn.Conv2d, of_convolution), (nn.Linear, of_scores),
    ])
    pixels = x.clone().requires_grad_(True)
    with composite.context(network) as changed:
        out = changed(pixels)
        best = out.argmax(1, keepdim=True)
        start = torch.zeros_like(out).scatter(1, best, out.gather(1, best).detach())
        (found,) = torch.autograd.grad(out, pixels, start)
    return found


def run():
    return forward() if work == "forward" else relevance(*rules[work])


result = run()
best = float("inf")
for _ in range(repeats):
    since = time.perf_counter()
    run()
    best = min(best, time.perf_counter() - since)
built = f"torch {torch.__version__}, zennit {version('zennit')}"
print(json.dumps({"best": best, "sum": float(result.double().sum()), "built_with": built}))
