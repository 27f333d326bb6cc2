"""The executor: the shared kernels on NumPy arrays."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.errors import DeviceError
from tinygrad_lstm.kernels.table import Kernel, kernels
from tinygrad_lstm_numpy.compiled import CompiledProgram

__all__ = ["NumpyBackend", "backend"]


class NumpyBackend:
    """Executes graphs op by op with NumPy, the reference for every other backend; and programs, as NumPy statements."""

    name = "numpy"
    device_kind = "cpu"

    def __init__(self) -> None:
        self.kernels: Mapping[str, Kernel] = kernels(np)

    def default_device(self) -> str:
        """``cpu``."""
        return "cpu"

    def devices(self) -> list[str]:
        """``cpu`` alone."""
        return ["cpu"]

    def describe(self) -> str:
        """NumPy's version and the number of processors.

        >>> NumpyBackend().describe().startswith("NumPy")
        True
        """
        return f"NumPy {np.__version__} on {os.cpu_count()} CPU cores"

    def put(self, array: Any, device: str) -> Any:
        """A copy of a NumPy array.

        Raises:
            DeviceError: when the device is not the CPU.
        """
        if device != "cpu":
            raise DeviceError(f"the numpy backend has the device cpu only, not {device!r}")
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

    def compile(self, program: Program) -> CompiledProgram:
        """The program as Python text, with the memory that it works in."""
        return CompiledProgram(program, self.kernels)


def backend() -> NumpyBackend:
    """The entry point that the package finds this backend by."""
    return NumpyBackend()
