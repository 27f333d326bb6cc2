"""Compiled programs: NumPy statements, and the memory that they work in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.runtime.host import Turns
from tinygrad_lstm_numpy.statements import numpy_statements

__all__ = ["CompiledProgram"]


class CompiledProgram:
    """A program as Python text that runs in memory of its own; one run at a time.

    Attributes:
        source: the text.
    """

    def __init__(self, program: Program, kernels: Mapping[str, Callable[..., Any]]) -> None:
        statements = numpy_statements(program, kernels)
        self.source = statements.text
        namespace = {
            **statements.values,
            "arena": _memory(program.arena),
            "scratch": _memory(statements.scratch),
        }
        exec(compile(self.source, "<compiled for numpy>", "exec"), namespace)
        self._run: Callable[..., None] = namespace["run"]
        self._outputs = [
            (shape, program.buffers[b].dtype.name)
            for b, shape in zip(program.outputs, program.output_shapes, strict=True)
        ]
        self._turns = Turns()

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs, in arrays of their own."""
        outputs = [np.empty(shape, dtype) for shape, dtype in self._outputs]
        with self._turns, np.errstate(all="ignore"):
            self._run([x.ravel() for x in inputs], [y.reshape(-1) for y in outputs])
        return outputs


def _memory(size: int) -> Any:
    """An array of bytes that begins at an address that is a multiple of 64, which is best for vector units."""
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]
