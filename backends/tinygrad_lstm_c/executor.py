"""The executor: compiled programs in C; what is not compiled runs op by op with NumPy."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.errors import DeviceError
from tinygrad_lstm.kernels.table import Kernel, kernels
from tinygrad_lstm_c.blas import find_blas
from tinygrad_lstm_c.executable import CExecutable
from tinygrad_lstm_c.toolchain import find_compiler

__all__ = ["CBackend", "backend"]


class CBackend:
    """Compiles programs to C; graphs outside ``jit`` run op by op with NumPy's kernels."""

    name = "c"
    device_kind = "cpu"

    def __init__(self) -> None:
        self.kernels: Mapping[str, Kernel] = kernels(np)

    def default_device(self) -> str:
        """``cpu``.

        Raises:
            BackendError: when there is no C compiler or no BLAS.
        """
        find_compiler()
        find_blas()
        return "cpu"

    def devices(self) -> list[str]:
        """``cpu`` alone."""
        return [self.default_device()]

    def describe(self) -> str:
        """The compiler, the BLAS and the number of processors; raises BackendError when one of the two is missing."""
        compiler, blas = find_compiler(), find_blas()
        version = compiler.identity.split(maxsplit=2)[2].splitlines()[0]
        return f"{version}, {os.path.basename(blas.path)}, on {os.cpu_count()} CPU cores"

    def compile(self, program: Program) -> CExecutable:
        """The program as an executable, from the disk cache where it was compiled before.

        Raises:
            BackendError: when there is no C compiler, or it fails.
        """
        return CExecutable(program, self.kernels)

    def put(self, array: Any, device: str) -> Any:
        """A copy of a NumPy array.

        Raises:
            DeviceError: when the device is not the CPU.
        """
        if device != "cpu":
            raise DeviceError(f"the c backend has the device cpu only, not {device!r}")
        return np.array(array, order="C")

    def get(self, array: Any) -> Any:
        """The array itself: it lives in host memory."""
        return np.asarray(array)

    def finished(self, array: Any) -> Any:
        """A result as an array of its own; ufuncs give scalars for arrays without axes."""
        return np.asarray(array)

    def empty(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        """An array of undefined content."""
        return np.empty(shape, dtype=dtype.name)

    def arange(self, length: int, dtype: Any, device: str) -> Any:
        """The integers from 0."""
        return np.arange(length, dtype=dtype.name)

    def running(self, device: str) -> AbstractContextManager[Any]:
        """Overflow, division by zero and invalid values give inf and nan, silently, as they do on a GPU."""
        return np.errstate(all="ignore")


def backend() -> CBackend:
    """The entry point that the package finds this backend by."""
    return CBackend()
