"""PyTorch's side of the benchmark: reads one request per line (JSON), answers with one line (JSON).

Layers (u8 x s8, per channel, channels-last) run in PyTorch's onednn engine. A TorchScript loop makes the calls, so that
Python's own time does not count; the time of a call is a loop's mean.
"""

import json
import sys
import time

import torch


class Loop(torch.nn.Module):
    """Calls a layer n times."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, n: int):
        y = self.layer(x)
        for _ in range(n - 1):
            y = self.layer(x)
        return y


def float_layer(layer):
    """The layer with weights of its own, and an input."""
    if layer["op"] == "conv":
        k = layer["k"]
        conv = torch.nn.Conv2d(layer["ci"], layer["co"], k, layer["s"], (k - 1) // 2, groups=layer["g"])
        x = torch.rand(1, layer["ci"], layer["hw"], layer["hw"]) - 0.5
        return conv, x.contiguous(memory_format=torch.channels_last)
    return torch.nn.Linear(layer["K"], layer["N"]), torch.rand(layer["M"], layer["K"]) - 0.5


def prepare(request):
    """The quantized layer in a loop, and its input."""
    torch.manual_seed(1)
    torch.set_num_threads(request["threads"])
    module, x = float_layer(request["layer"])
    module.qconfig = torch.ao.quantization.get_default_qconfig("onednn")
    observed = torch.ao.quantization.prepare(torch.nn.Sequential(module).eval())
    observed(x)
    converted = torch.ao.quantization.convert(observed)[0]
    low, high = float(x.min()), float(x.max())
    scale = (high - low) / 255
    codes = torch.quantize_per_tensor(x, scale, round(-low / scale), torch.quint8)
    return torch.jit.script(Loop(converted).eval()), codes


def seconds(loop, x, n):
    start = time.perf_counter()
    loop(x, n)
    return time.perf_counter() - start


def measure(loop, x, budget):
    """Milliseconds of a call: the median of a few loops."""
    for _ in range(3):
        seconds(loop, x, 2)
    each = max(seconds(loop, x, 3) / 3, 1e-7)
    n = max(1, int(budget / 7 / each))
    times = sorted(seconds(loop, x, n) / n for _ in range(7))
    return 1000 * times[3]


def main():
    torch.backends.quantized.engine = "onednn"
    # TorchScript's optimizer would see that the calls of a loop are all the same.
    torch._C._set_graph_executor_optimize(False)
    last, prepared = None, None
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        key = (json.dumps(request["layer"]), request["threads"])
        with torch.no_grad():
            if key != last:
                last, prepared = key, prepare(request)
            print(json.dumps({"ms": measure(*prepared, request["seconds"])}), flush=True)


main()
