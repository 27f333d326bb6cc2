"""Part 1: what is installed, how it was found, and whether one call of each kind works."""

import importlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from typing import Any, Final

import numpy as np
from tinygrad_lstm_cupy.model import figures_of

import tinygrad_lstm as tl
from benchmarks.gpu_day.clock import timed
from benchmarks.gpu_day.part import Check, Context, FailedError
from tinygrad_lstm.runtime.backend import load_backend

__all__ = ["GPU", "checks"]

GPU: Final = "a GPU"
"""The check without which no other part can run."""
_PACKAGES: Final = (
    "numpy", "cupy", "cupy-cuda12x", "cupy-cuda13x", "cuda-pathfinder", "torch", "pytest", "hypothesis", "tqdm",
    "safetensors", "threadpoolctl", "graphviz", "pygraphviz", "tinygrad-lstm",
)  # fmt: skip
_SMI: Final = "name,driver_version,memory.total,pstate,clocks.sm,clocks.max.sm,clocks.mem,power.limit,mig.mode.current"


def checks(context: Context) -> Iterator[Check]:
    """The machine, its programs and libraries, then calls."""
    yield Check("Python and packages", packages)
    yield Check("programs", programs)
    yield Check(GPU, gpu)
    yield Check("CuPy and NVRTC", nvrtc)
    yield Check("cuBLAS", cublas)
    for dtype in ("float32",) if context.small else ("float32", "float64", "float16"):
        yield Check(f"a kernel, {dtype}", partial(kernel, dtype))
        yield Check(f"a product, {dtype}", partial(product, dtype))
    yield Check("what a launch costs", partial(launches, 50 if context.small else 1000))


def packages() -> dict[str, Any]:
    """Versions, and where this package comes from."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": sys.version,
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "packages": versions,
        "package": tl.__file__,
        "backends": tl.backend_names(),
    }


def programs() -> dict[str, Any]:
    """The reports of NVIDIA's programs; those that are missing are named too."""
    where = {name: shutil.which(name) for name in ("nvidia-smi", "nsys", "ncu", "nvcc", "gcc", "g++")}
    reports: dict[str, Any] = {
        "found": {n: w for n, w in where.items() if w},
        "missing": [n for n in where if not where[n]],
    }
    if where["nvidia-smi"]:
        command = ["nvidia-smi", f"--query-gpu={_SMI}", "--format=csv"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        reports["nvidia-smi"] = (run.stdout + run.stderr).strip()
    return reports


def gpu() -> dict[str, Any]:
    """The GPU as the backend describes it."""
    with tl.use_backend("cupy") as backend:
        name = backend.device_name()  # type: ignore[attr-defined]
        figures = figures_of(name)
        return {"device": backend.describe(), "name": name, "figures": figures.name if figures else "not known"}


def nvrtc() -> dict[str, Any]:
    """Where CuPy is, and for which GPUs its compiler can compile."""
    cupy = importlib.import_module("cupy")
    return {
        "cupy": cupy.__version__,
        "file": cupy.__file__,
        "nvrtc": cupy.cuda.nvrtc.getVersion(),
        "knows": cupy.cuda.nvrtc.getSupportedArchs(),
        "capability": cupy.cuda.Device(0).compute_capability,
        "runtime": cupy.cuda.runtime.runtimeGetVersion(),
    }


def cublas() -> dict[str, Any]:
    """Which file of cuBLAS was loaded, and how it was found."""
    library = importlib.import_module("cuda.pathfinder").load_nvidia_dynamic_lib("cublas")
    return {"file": library.abs_path, "found by": getattr(library, "found_via", "not known")}


def kernel(dtype: str) -> dict[str, Any]:
    """A generated kernel with a reduction, three times: launched, recorded, replayed."""
    with tl.use_backend("cupy"):
        x = tl.tensor(np.linspace(-2, 2, 999).reshape(9, 111), dtype=dtype)
        f = tl.jit(lambda x: (tl.tanh(x) * x).sum(1))
        got = [f(x).numpy() for _ in range(3)]
    values = x.numpy().astype(np.float64)
    return _close(got, (np.tanh(values) * values).sum(1), dtype, f.source(x))


def product(dtype: str) -> dict[str, Any]:
    """A product of matrices by cuBLAS, three times, with what follows it."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(33, 65)), random.normal(size=(65, 17))
    with tl.use_backend("cupy"):
        x, y = tl.tensor(a, dtype=dtype), tl.tensor(b, dtype=dtype)
        f = tl.jit(lambda x, y: x @ y + 1.0)
        got = [f(x, y).numpy() for _ in range(3)]
    want = x.numpy().astype(np.float64) @ y.numpy().astype(np.float64) + 1.0
    return _close(got, want, dtype, f.source(x, y))


def _close(got: list[Any], want: Any, dtype: str, text: str) -> dict[str, Any]:
    allowed = {"float16": 2e-2, "float32": 1e-4, "float64": 1e-12}[dtype]
    worst = [float(np.abs(y - want).max() / np.abs(want).max()) for y in got]
    if not max(worst) <= allowed:
        raise FailedError(f"wrong by {worst} of the largest value, in three runs", text=text)
    return {"wrong by": max(worst)}


def launches(length: int) -> dict[str, Any]:
    """Microseconds for each of a chain of kernels that do next to nothing, as launches and as nodes of a graph."""
    backend: Any = load_backend("cupy")
    with tl.use_backend("cupy"):
        x = tl.ones(1)
        program = tl.jit(lambda x: tl.scan(lambda c, _: (tl.tanh(c), None), x, None, length=length)[0]).program(x)
        executable = backend.compile(program)
        arrays = [backend.put(np.ones(1, np.float32), x.device)]
        first = timed(lambda _: backend.compile(program)(arrays), 3, backend.cupy)
        node = timed(lambda _: executable(arrays), 20, backend.cupy)
    if not executable.replayed:
        raise FailedError(f"no graph: {executable.fallback}", launch=1e3 * first["milliseconds"] / length)
    return {
        "launch, with loading the module": 1e3 * first["milliseconds"] / length,
        "node": 1e3 * node["milliseconds"] / length,
    }
