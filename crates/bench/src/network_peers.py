"""Times GoogLeNet and its relevance in other programs, with the weights and images of `cargo xtask-cnn bench --weights`.

Usage: python3 network_peers.py WEIGHTS.safetensors INPUT.npy PROGRAM WORK REPEATS

PROGRAM: zennit (on PyTorch), onnxruntime, openvino, torch.compile or captum.
WORK: forward, epsilon, z-plus, alpha2-beta1 or gamma; not every program does all of it. Uses one thread.
Prints one line of JSON: {"best", "sum", "built_with"}, or {"missing"}.
"""
import io
import json
import sys
import time
import warnings
from importlib.metadata import version

weights, images, program, work, repeats = *sys.argv[1:5], int(sys.argv[5])
warnings.filterwarnings("ignore")
try:
    import numpy as np
    import torch
    from safetensors.numpy import load_file
    from torch import nn

    if program == "zennit":
        from zennit.composites import LayerMapComposite
        from zennit.rules import AlphaBeta, Epsilon, Gamma, Norm, Pass, ZPlus
        from zennit.types import Activation
    elif program == "onnxruntime":
        import onnx  # noqa: F401 - PyTorch needs it to write the file
        import onnxruntime
    elif program == "openvino":
        import openvino
    elif program == "captum":
        from captum.attr import LRP
        from captum.attr._utils.lrp_rules import EpsilonRule, IdentityRule
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
x = torch.tensor(np.load(images))


def by_pytorch():
    def run():
        with torch.no_grad():
            return network(x)

    return run


def by_zennit():
    rules = {
        "epsilon": (Epsilon(1e-2), Epsilon(1e-2)),
        "z-plus": (ZPlus(), Epsilon(1.0)),
        "alpha2-beta1": (AlphaBeta(2.0, 1.0), Epsilon(1.0)),
        "gamma": (Gamma(0.25), Epsilon(1.0)),
    }
    of_convolution, of_scores = rules[work]

    def run():
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

    return run


def by_captum():
    class Whole(nn.Module):
        """The same without a layer that only changes the shape, for which captum has no rule."""

        def __init__(self):
            super().__init__()
            self.features, self.scores = network[:-2], network[-1]

        def forward(self, x):
            return self.scores(self.features(x).flatten(1))

    whole = Whole().eval()
    with torch.no_grad():
        best = whole(x).argmax(1)

    def run():
        # captum takes the rules away at the end of each call.
        for module in whole.modules():
            if isinstance(module, nn.LocalResponseNorm):
                module.rule = IdentityRule()
            elif isinstance(module, (nn.Conv2d, nn.Linear)):
                module.rule = EpsilonRule(1e-2)
        return LRP(whole).attribute(x, target=best)

    return run


def by_onnxruntime():
    file = io.BytesIO()
    torch.onnx.export(network, (x,), file, input_names=["x"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    feed = {"x": x.numpy()}
    return lambda: torch.tensor(session.run(None, feed)[0])


def by_openvino():
    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(openvino.convert_model(network, example_input=x), "CPU", settings)
    feed = x.numpy()
    return lambda: torch.tensor(np.asarray(compiled(feed)[0]))


def by_compiled():
    compiled = torch.compile(network)

    def run():
        with torch.no_grad():
            return compiled(x)

    return run


if program == "zennit" and work == "forward":
    run = by_pytorch()
else:
    makers = {
        "zennit": by_zennit, "captum": by_captum, "onnxruntime": by_onnxruntime, "openvino": by_openvino, "torch.compile": by_compiled,
    }
    run = makers[program]()

result = run()
best = float("inf")
for _ in range(repeats):
    since = time.perf_counter()
    run()
    best = min(best, time.perf_counter() - since)
built = f"torch {torch.__version__}"
if program != "torch.compile":
    built += f", {program} {version(program)}"
print(json.dumps({"best": best, "sum": float(result.double().sum()), "built_with": built}))
