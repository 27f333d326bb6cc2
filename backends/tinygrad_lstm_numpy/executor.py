"""The executor: the shared kernels on NumPy arrays."""

import os
from collections.abc import Mapping

import numpy as np

from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.kernels.table import ArrayFunction, kernels
from tinygrad_lstm.runtime.host import HostArrays
from tinygrad_lstm_numpy.executable import CompiledProgram

__all__ = ["NumpyBackend", "backend"]


class NumpyBackend(HostArrays):
    """Executes graphs op by op with NumPy, the reference for every other backend; and programs, as NumPy statements."""

    name = "numpy"

    def __init__(self) -> None:
        self.kernels: Mapping[str, ArrayFunction] = kernels(np)

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

    def compile(self, program: Program) -> CompiledProgram:
        """The program as Python text, with the memory that it works in."""
        return CompiledProgram(program, self.kernels)


def backend() -> NumpyBackend:
    """The entry point by which the package finds this backend."""
    return NumpyBackend()
