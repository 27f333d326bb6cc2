"""The executor: programs are compiled as C; graphs outside ``jit`` run op by op with NumPy."""

import os
from collections.abc import Mapping

import numpy as np

from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.kernels.table import ArrayFunction, kernels
from tinygrad_lstm.runtime.host import HostArrays
from tinygrad_lstm_c.blas import find_blas
from tinygrad_lstm_c.executable import CExecutable
from tinygrad_lstm_c.toolchain import find_compiler

__all__ = ["CBackend", "backend"]


class CBackend(HostArrays):
    """Compiles programs to C; graphs outside ``jit`` run op by op with NumPy's kernels."""

    name = "c"

    def __init__(self) -> None:
        self.kernels: Mapping[str, ArrayFunction] = kernels(np)

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
        """The program as an executable, from the disk cache if it was compiled before.

        Raises:
            BackendError: when there is no C compiler, or it fails.
        """
        return CExecutable(program, self.kernels)


def backend() -> CBackend:
    """The entry point by which the package finds this backend."""
    return CBackend()
