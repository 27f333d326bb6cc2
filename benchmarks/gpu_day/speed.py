"""Part 6: a training step beside PyTorch's, and beside the least that the published figures of the GPU allow."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from tinygrad_lstm_cupy.cuda import Launch, Product, print_cuda
from tinygrad_lstm_cupy.executable import CupyExecutable
from tinygrad_lstm_cupy.model import Estimate, estimated

import tinygrad_lstm as tl
from benchmarks.gpu_day.capture import arrays
from benchmarks.gpu_day.clock import timed
from benchmarks.gpu_day.part import Check, Context, FailedError
from benchmarks.gpu_day.systems import Shape, Step, gpu_systems, torch_with_cuda, training_step
from tinygrad_lstm.runtime.backend import load_backend

__all__ = ["checks"]

_TARGET: Final = Shape(100, 64, 512)
_HALF: Final = Shape(50, 128, 512, "float16")
_OTHERS: Final = (Shape(100, 64, 1024), Shape(100, 64, 256), Shape(100, 64, 128))
_SLOW: Final = ("torch.compile", "cupy, interpreter")
"""Systems that compile for long or take hundreds of milliseconds for a step: only for the target's shape, and last."""
_PROFILERS: Final = {
    "nsys": [
        "profile",
        "--trace=cuda",
        "--cuda-graph-trace=node",
        "--stats=true",
        "--force-overwrite=true",
        "-o",
        "step",
    ],
    "ncu": ["--csv", "--graph-profiling=node", "--launch-skip=200", "--launch-count=12", "--set=basic"],
}


def checks(context: Context) -> Iterator[Check]:
    """The shapes that have a target first; what compiles for long comes last."""
    tf32 = os.environ.get("CUPY_TF32") == "1"
    torch = torch_with_cuda(tf32)
    rounds = 3 if context.small else 30
    systems = gpu_systems(torch)
    shapes = [_TARGET] if tf32 else [_TARGET, _HALF, *_OTHERS]
    if context.small:
        shapes = [Shape(3, 2, 4)]
    for shape in shapes:
        yield Check(f"{shape}: model and measurement", partial(shares, shape, tf32, rounds))
        for name, make in systems.items():
            if name not in _SLOW:
                yield Check(f"{shape}: {name}", partial(measured, name, make, shape, rounds))
    if tf32:
        return
    for name in _PROFILERS:
        yield Check(f"{shapes[0]}: {name}", partial(profiled, name, shapes[0], context), 40.0)
    for name in (n for n in systems if n in _SLOW):
        yield Check(f"{shapes[0]}: {name}", partial(measured, name, systems[name], shapes[0], 3), 60.0)


def measured(name: str, make: Callable[[Shape], Step], shape: Shape, rounds: int) -> dict[str, Any]:
    """The time of one system, or why a peer does not work here."""
    backend: Any = load_backend("cupy")
    try:
        return dict(timed(make(shape), rounds, backend.cupy))
    except Exception as error:
        if not name.startswith("torch"):
            raise
        return {"note": f"{type(error).__name__}: {error}"}


def shares(shape: Shape, tf32: bool, rounds: int) -> dict[str, Any]:
    """The whole program as it is replayed, then its products alone and its kernels alone; what is left is waiting.

    The shorter graphs have the gaps between their nodes too, so "idle" is the time that nothing explains.
    """
    backend: Any = load_backend("cupy")
    with tl.use_backend("cupy"):
        training, xs = training_step(shape)
        program = tl.jit(training).program(xs[0])
        run: CupyExecutable = backend.compile(program)
        inputs = [backend.put(x, backend.default_device()) for x in arrays(program)]
        whole = timed(lambda _: run(inputs), rounds, backend.cupy)
        printed = print_cuda(program)
        model = estimated(printed, backend.device_name(), run.replayed, tf32)
        found = {"launches": printed.launches, "replayed": run.replayed, "fallback": run.fallback}
        milliseconds = {"whole": whole["milliseconds"]}
        for name, kind in (("products", Product), ("kernels", Launch)):
            alone = run.alone(kind)
            if alone is not None:
                milliseconds[name] = timed(lambda _, f=alone: f(), rounds, backend.cupy)["milliseconds"]
    if not run.replayed:
        raise FailedError(f"not replayed: {run.fallback}", **found, **milliseconds)
    milliseconds["idle"] = 2 * milliseconds["whole"] - sum(milliseconds.values())
    return {**found, "measured": milliseconds, "model": modelled(model), "estimate": model.lines()}


def modelled(estimate: Estimate) -> dict[str, float]:
    """The model's parts in milliseconds, by the names of what is measured."""
    parts = {
        "whole": estimate.total,
        "products": estimate.products,
        "kernels": estimate.kernels,
        "starting": estimate.starting,
    }
    return {name: 1e3 * seconds for name, seconds in parts.items()}


def profiled(name: str, shape: Shape, context: Context) -> dict[str, Any]:
    """The report of a profiler of NVIDIA on a few steps, if it is installed."""
    program = shutil.which(name)
    if program is None:
        return {"note": "not installed"}
    step = [sys.executable, "-m", "benchmarks.gpu_day.speed", *map(str, shape)]
    with TemporaryDirectory() as folder:
        run = subprocess.run(
            [program, *_PROFILERS[name], *step],
            capture_output=True, text=True, timeout=min(max(context.left, 1), 35), cwd=folder, check=False,
        )  # fmt: skip
    if run.returncode:
        raise FailedError(f"{name} ended with status {run.returncode}", log=(run.stdout + run.stderr)[-3000:])
    # Of the tables of nsys only that of the kernels.
    return {"note": run.stdout[max(run.stdout.find("cuda_gpu_kern_sum"), 0) :]}


def main(arguments: list[str]) -> int:
    """A few steps of our layer, for a profiler to look at."""
    steps, batch, units, dtype = arguments
    with tl.use_backend("cupy"):
        training, xs = training_step(Shape(int(steps), int(batch), int(units), dtype))
        f = tl.jit(training)
        for k in range(6):
            np.asarray(f(xs[k % len(xs)])[0].numpy())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
