"""The CuPy backend on a GPU beside PyTorch: ``python -m benchmarks.gpu --json docs/gpu.json``

For each shape one training step of an LSTM layer: the sum of the squares of all hidden states, and its gradients by the
inputs and all weights. Beside each other: this package's ``jit`` and its interpreter, ``torch.nn.LSTM`` (cuDNN), the
four equations in eager PyTorch and under ``torch.compile``. Times are medians of CUDA events round single steps, after
warming up, over four inputs by turns. Each step begins on an idle GPU, so where Python is slower than the GPU, the time
is Python's. TF32 is off on both sides, or on on both with ``--tf32``. A second table holds the same step on the CPU by
``c`` and ``numpy``: below which size the CPU wins.
"""

import argparse
import functools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

import tinygrad_lstm as tl


class Shape(NamedTuple):
    """``T`` steps, batch ``B``, ``H`` inputs and as many units."""

    steps: int
    batch: int
    units: int
    dtype: str = "float32"


SHAPES: Final = [*[Shape(100, 64, h) for h in (128, 256, 512, 1024)], Shape(50, 128, 512, "float16")]
CROSSOVER: Final = [Shape(50, 16, h) for h in (8, 16, 32, 64, 128, 256, 512)]
ROTATED: Final = 4
WARM: Final = 10
Step = Callable[[int], Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where there is no GPU."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    parser.add_argument("--rounds", type=int, default=50, help="steps measured of each (default: 50)")
    parser.add_argument("--tf32", action="store_true", help="let both sides round products of float32 to TF32")
    options = parser.parse_args(argv)
    # CuPy reads it when it is imported.
    os.environ["CUPY_TF32"] = str(int(options.tf32))
    try:
        with tl.use_backend("cupy") as backend:
            device = backend.describe()
    except tl.errors.BackendError as error:
        print(f"there is no GPU to measure: {error}", file=sys.stderr)
        return 1
    torch = _torch(options.tf32)
    results: dict[str, Any] = {
        "device": device,
        "tf32": options.tf32,
        "versions": _versions(),
        "training": [_row(shape, _gpu_systems(torch), options.rounds, backend) for shape in SHAPES],
        "crossover": [_row(shape, _cpu_systems(), options.rounds, backend) for shape in CROSSOVER],
    }
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def _versions() -> dict[str, str]:
    found = {}
    for name in ("numpy", "torch", "cupy-cuda12x", "cupy-cuda13x"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _torch(tf32: bool) -> Any:
    """PyTorch with CUDA, or None."""
    try:
        torch = import_module("torch")
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    return torch


def _gpu_systems(torch: Any) -> dict[str, Callable[[Shape], Step]]:
    systems: dict[str, Callable[[Shape], Step]] = {
        "cupy, jit": functools.partial(_ours, "cupy", True),
        "cupy, interpreter": functools.partial(_ours, "cupy", False),
    }
    if torch is not None:
        systems["torch.nn.LSTM"] = functools.partial(_torch_layer, torch)
        systems["torch, eager cell"] = functools.partial(_torch_cell, torch, False)
        systems["torch.compile"] = functools.partial(_torch_cell, torch, True)
    return systems


def _cpu_systems() -> dict[str, Callable[[Shape], Step]]:
    return {f"{name}, jit": functools.partial(_ours, name, True) for name in ("cupy", "c", "numpy")}


def _inputs(shape: Shape) -> list[Any]:
    random = np.random.default_rng(0)
    size = (shape.steps, shape.batch, shape.units)
    return [random.normal(size=size).astype(shape.dtype) for _ in range(ROTATED)]


def _ours(name: str, compiled: bool, shape: Shape) -> Step:
    with tl.use_backend(name):
        layer = tl.nn.LSTM(shape.units, shape.units, key=tl.random.key(0), dtype=shape.dtype)
        xs = tl.evaluate(*[tl.tensor(x) for x in _inputs(shape)])

    def training(x: Any) -> Any:
        y, _ = layer(x)
        loss = (y * y).sum()
        return loss, tl.gradients(loss, [x, *layer.parameters()])

    step = tl.jit(training) if compiled else lambda x: _evaluated(*training(x))

    def run(k: int) -> Any:
        with tl.use_backend(name):
            return step(xs[k % ROTATED])

    return run


def _evaluated(loss: Any, gradients: list[Any]) -> Any:
    return tl.evaluate(loss, *gradients)


def _torch_layer(torch: Any, shape: Shape) -> Step:
    layer = torch.nn.LSTM(shape.units, shape.units).to("cuda", getattr(torch, shape.dtype))
    xs = [torch.tensor(x, device="cuda", requires_grad=True) for x in _inputs(shape)]

    def run(k: int) -> Any:
        x = xs[k % ROTATED]
        y, _ = layer(x)
        return torch.autograd.grad((y * y).sum(), [x, *layer.parameters()])

    return run


def _torch_cell(torch: Any, compiled: bool, shape: Shape) -> Step:
    dtype, units = getattr(torch, shape.dtype), shape.units
    weights = [(torch.randn(2 * units, units, device="cuda") / units).to(dtype).requires_grad_() for _ in range(4)]
    biases = [torch.zeros(units, device="cuda", dtype=dtype, requires_grad=True) for _ in range(4)]
    xs = [torch.tensor(x, device="cuda", requires_grad=True) for x in _inputs(shape)]

    def cell(x: Any, h: Any, c: Any) -> Any:
        hx = torch.cat([h, x], dim=1)
        f, i, g, o = (hx @ w + b for w, b in zip(weights, biases, strict=True))
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    step = cell
    if compiled:
        # Else it would compile for any size at the second shape, and give up after a few.
        torch.compiler.reset()
        step = torch.compile(cell, dynamic=False)

    def run(k: int) -> Any:
        x = xs[k % ROTATED]
        h = c = torch.zeros(shape.batch, units, device="cuda", dtype=dtype)
        ys = []
        for x_t in x:
            h, c = step(x_t, h, c)
            ys.append(h)
        y = torch.stack(ys)
        return torch.autograd.grad((y * y).sum(), [x, *weights, *biases])

    return run


def _row(shape: Shape, systems: dict[str, Callable[[Shape], Step]], rounds: int, backend: Any) -> dict[str, Any]:
    times: dict[str, float | str] = {}
    for name, make in systems.items():
        try:
            step = make(shape)
            times[name] = _median(step, rounds, backend.cupy, on_gpu=not name.startswith(("c,", "numpy")))
        except Exception as error:  # a peer that does not work here is no reason to measure nothing
            times[name] = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
    return {**shape._asdict(), "milliseconds": times}


def _median(step: Step, rounds: int, cupy: Any, on_gpu: bool) -> float:
    """Milliseconds of one step."""
    for k in range(WARM):
        step(k)
    found = []
    if not on_gpu:
        for k in range(rounds):
            start = time.perf_counter()
            step(k)
            found.append(1e3 * (time.perf_counter() - start))
        return statistics.median(found)
    cupy.cuda.Device().synchronize()
    for k in range(rounds):
        # Both libraries compute on the default stream, where these events stand.
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        step(k)
        end.record()
        end.synchronize()
        found.append(float(cupy.cuda.get_elapsed_time(start, end)))
    return statistics.median(found)


def table(results: dict[str, Any]) -> str:
    """The numbers as Markdown."""
    lines = [f"{results['device']}; TF32 {'on' if results['tf32'] else 'off'} on both sides; milliseconds a step", ""]
    for part in ("training", "crossover"):
        rows = results[part]
        names = list(rows[0]["milliseconds"])
        lines += [f"| T, B, H | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
        for row in rows:
            cells = [f"{t:.3f}" if isinstance(t, float) else "–" for t in row["milliseconds"].values()]
            wide = "" if row["dtype"] == "float32" else f" {row['dtype']}"
            lines.append(f"| {row['steps']}, {row['batch']}, {row['units']}{wide} | {' | '.join(cells)} |")
        lines.append("")
        problems = {n: t for row in rows for n, t in row["milliseconds"].items() if isinstance(t, str)}
        lines += [f"– {name}: {why}" for name, why in problems.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
