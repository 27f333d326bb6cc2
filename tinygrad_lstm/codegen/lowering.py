"""From a graph to a program: ``lower``.

In stages, each a function from one frozen form to the next: operations, placed, fused, scheduled, program.
"""

import os
from dataclasses import dataclass

from tinygrad_lstm.codegen.emission import Emitted, emit
from tinygrad_lstm.codegen.fusing import Fused, fuse
from tinygrad_lstm.codegen.operations import Operations
from tinygrad_lstm.codegen.placing import Placed, place
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.codegen.scheduling import Scheduled, schedule
from tinygrad_lstm.codegen.translation import build
from tinygrad_lstm.codegen.verify_program import verify_program
from tinygrad_lstm.graph.function import Graph

__all__ = ["Lowering", "lower", "lowered"]


@dataclass(frozen=True, eq=False, slots=True)
class Lowering:
    """All forms from a graph to its program.

    Attributes:
        operations: what is computed, without views; nothing has a place.
        placed: results that have to lie at a certain place have it; copies to such places are removed where possible.
        fused: which operations share a kernel, and which are computed where they are read.
        scheduled: the units in order, and the final place of every result.
        emitted: the program, and the values that each of its steps has to read and write.
    """

    graph: Graph
    operations: Operations
    placed: Placed
    fused: Fused
    scheduled: Scheduled
    emitted: Emitted

    @property
    def program(self) -> Program:
        """The last form, which backends print."""
        return self.emitted.program


def lowered(graph: Graph, halves: bool = False, meant: bool = True) -> Lowering:
    """A graph in all its forms down to the program.

    Args:
        halves: as for :func:`lower`.
        meant: whether to note, for the verifier, the values that each step has to read and write.
    """
    operations = build(graph, halves)
    placed = place(operations)
    fused = fuse(placed)
    scheduled = schedule(fused)
    return Lowering(graph, operations, placed, fused, scheduled, emit(scheduled, graph, meant))


def lower(graph: Graph, halves: bool = False) -> Program:
    """The program that computes the outputs of ``graph`` from its inputs.

    Args:
        halves: whether kernels and products may be of float16; else ops of float16 become calls of the backend's
        kernels.

    >>> from tinygrad_lstm.codegen.program import Kernel
    >>> x = tl.symbol("x", (2, 3))
    >>> program = lower(Graph((x,), (tl.tanh(x) * 2 + 1,)))
    >>> [type(step).__name__ for step in program.steps], program.arena
    (['Kernel'], 0)

    With the environment variable ``TINYGRAD_LSTM_VERIFY=1`` it is verified.

    Raises:
        GraphError: for a graph that reads a symbol which is not among its inputs.
        ProgramError: when the verifier finds the program wrong, which is a bug of this package.
    """
    verifying = os.environ.get("TINYGRAD_LSTM_VERIFY", "0") not in ("", "0")
    forms = lowered(graph, halves, verifying)
    if verifying:
        verify_program(forms.operations, forms.emitted)
    return forms.program
