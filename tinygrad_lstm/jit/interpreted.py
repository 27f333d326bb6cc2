"""Traced graphs for backends that do not compile."""

from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.printed import printed
from tinygrad_lstm.runtime.backend import Backend
from tinygrad_lstm.runtime.interpreter import register_program

__all__ = ["Interpreted"]


class Interpreted:
    """An optimised graph that the interpreter runs, lowered once; for backends without a compiler."""

    def __init__(self, graph: Graph, backend: Backend) -> None:
        self._program = register_program(graph.outputs, dict.fromkeys(graph.inputs), backend)
        registers = self._program.registers
        self._enters = [registers[x] for x in graph.inputs]
        self._leaves = [registers[y] for y in graph.outputs]
        self._backend = backend
        self._device = next((x.type.device for x in (*graph.inputs, *graph.outputs)), "cpu")
        self.source = printed(graph)

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """The values of the outputs."""
        with self._backend.running(self._device):
            registers = self._program.fresh()
            for i, value in zip(self._enters, inputs, strict=True):
                registers[i] = value
            self._program.run_releasing(registers)
            return [self._backend.finished(registers[i]) for i in self._leaves]
