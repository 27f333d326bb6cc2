"""``hand.c``, C written by hand over the OpenBLAS that NumPy has loaded: the yardstick."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from benchmarks.problems import Arrays, Layer, MissingError, Prepared

SOURCE = Path(__file__).parent.parent / "hand.c"
SYMBOLS = (("scipy_cblas_sgemm64_", "int64_t"), ("scipy_cblas_sgemm", "int32_t"), ("cblas_sgemm", "int32_t"))
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffinite-math-only", "-fopenmp-simd")


def prepare(problem: Layer) -> Prepared:
    """The problem, its buffers allocated once."""
    gemm, library = compiled()
    T, B, H = problem.steps, problem.batch, problem.units
    sizes = (T, B, problem.inputs, H)
    given = problem.arrays()
    hs, cs = (np.zeros((T + 1, B, H), np.float32) for _ in range(2))
    z = np.empty((T, B, 4 * H), np.float32)
    x, W, U, b = (given[name] for name in ("x", "W", "U", "b"))
    forward = arguments(gemm, *sizes, x, W, U, b, hs, cs, z)
    if not problem.training:
        return Prepared(lambda: library.lstm_forward(*forward), lambda _: {"outputs": hs[1:]})
    found = {name: np.empty_like(value) for name, value in given.items()}
    dh, dc = (np.empty((B, H), np.float32) for _ in range(2))
    backward = arguments(gemm, *sizes, x, W, U, hs, cs, z, dh, dc, *(found[name] for name in ("x", "W", "U", "b")))

    def step() -> float:
        library.lstm_forward(*forward)
        loss: float = library.lstm_backward(*backward)
        return loss

    def read(loss: float) -> Arrays:
        return {"loss": np.float64(loss), **found}

    return Prepared(step, read)


def arguments(gemm: Any, *values: Any) -> list[Any]:
    """Arguments for a call by ctypes; the arrays stay alive as long as the list."""
    pointer = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
    return [gemm, *(pointer.from_param(v) if isinstance(v, np.ndarray) else ctypes.c_int64(v) for v in values)]


def sgemm() -> tuple[Any, str]:
    """The matrix product of NumPy's BLAS, and the type of its integers in C."""
    for library in threadpool_info():
        if library["user_api"] != "blas":
            continue
        loaded = ctypes.CDLL(library["filepath"])
        for symbol, integer in SYMBOLS:
            if hasattr(loaded, symbol):
                return ctypes.cast(getattr(loaded, symbol), ctypes.c_void_p), integer
    raise MissingError("NumPy's BLAS has no CBLAS to call")


def compiled() -> tuple[Any, ctypes.CDLL]:
    """The matrix product and the loaded library."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise MissingError("there is no C compiler cc")
    gemm, integer = sgemm()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hand.so"
        command = [compiler, *FLAGS, f"-DBLAS_INT={integer}", "-shared", "-fPIC", str(SOURCE), "-o", str(path), "-lm"]
        subprocess.run(command, check=True)
        library = ctypes.CDLL(str(path))
    library.lstm_forward.restype = None
    library.lstm_backward.restype = ctypes.c_double
    return gemm, library
