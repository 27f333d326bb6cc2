"""A stand-in for the GPU: NumPy's memory, CUDA text by g++, products by NumPy, and graphs as lists of what to do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from tinygrad_lstm_cupy.cuda import PrintedCuda, Product

from tests.codegen.cuda_shim import Shim
from tinygrad_lstm.codegen.program import View
from tinygrad_lstm.errors import EvaluationError

__all__ = ["HostDevice"]


class HostDevice:
    """What ``tinygrad_lstm_cupy.device.Device`` offers.

    Attributes:
        refuses: whether graphs cannot be recorded here.
        poison: fill what is allocated with values that must never be read.
    """

    def __init__(self, cupy: Any = None, number: int = 0, refuses: bool = False, poison: bool = True) -> None:
        self.refuses, self.poison = refuses, poison
        self.recording: list[Callable[[], None]] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        with np.errstate(all="ignore"):
            yield

    def functions(self, printed: PrintedCuda) -> Mapping[str, Any]:
        shim = Shim(printed) if printed.functions else None
        return {f.name: (shim, f.name) for f in printed.functions}

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        array = np.empty(shape, dtype=dtype)
        if self.poison and array.size:
            array.reshape(-1).view(np.uint8)[:] = 0xFF
        return array

    def flat(self, array: Any, dtype: str) -> Any:
        return np.ascontiguousarray(np.asarray(array, dtype=dtype)).reshape(-1)

    def strided(self, array: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        return np.lib.stride_tricks.as_strided(array, shape, strides)

    def address(self, array: Any) -> int:
        return int(array.ctypes.data)

    def copy(self, target: Any, source: Any) -> None:
        target[...] = source

    def launch(self, function: Any, grid: tuple[int, int], threads: int, addresses: Sequence[int]) -> None:
        shim, name = function
        assert all(n > 0 for n in (*grid, threads))
        assert grid[1] <= 65535
        assert threads <= 1024
        self._do(lambda: shim.launch(name, grid, threads, addresses))

    def product(self, p: Product, addresses: Sequence[int]) -> None:
        self._do(lambda: _product(p, addresses))

    def _do(self, what: Callable[[], None]) -> None:
        if self.recording is None:
            what()
        else:
            self.recording.append(what)

    def record(self, run: Callable[[], None]) -> Any:
        if self.refuses:
            raise EvaluationError("it cannot be recorded (RuntimeError: it was told to refuse)")
        self.recording = []
        try:
            run()
            return self.recording
        finally:
            self.recording = None

    def replay(self, graph: Any) -> None:
        for what in graph:
            what()


def _product(p: Product, addresses: Sequence[int]) -> None:
    """As cuBLAS does it: leading dimensions must cover a row, and the batch steps on."""
    m, n, k = p.size
    dtype = np.dtype(p.dtype.name)
    shapes = [(m, k), (k, n), (m, n)]
    matrices = []
    for view, at, (rows, columns), transposed, leading, step in zip(
        (p.left, p.right, p.out), addresses, shapes, (*p.transposed, False), p.leading, p.steps, strict=True
    ):
        assert isinstance(view, View)
        assert leading >= (rows if transposed else columns)
        strides = (1, leading) if transposed else (leading, 1)
        matrices.append(_at(at, (p.batch, rows, columns), (step, *strides), dtype))
    left, right, out = matrices
    result = left.astype(np.float32) @ right.astype(np.float32) if dtype == np.float16 else left @ right
    out[...] = out + result if p.accumulate else result


def _at(address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> Any:
    interface = {
        "shape": shape,
        "strides": tuple(s * dtype.itemsize for s in strides),
        "typestr": dtype.str,
        "data": (address, False),
        "version": 3,
    }
    return np.asarray(type("Memory", (), {"__array_interface__": interface})())
