"""What each node of a loop's body depends on, and what it is used for. The passes decide by these classes."""

from dataclasses import dataclass

from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.passes.rewriting import LoopParts
from tinygrad_lstm.passes.sums import may_leave

__all__ = ["CARRIED", "FIXED", "SLICED", "Accumulator", "Classes"]

FIXED, SLICED, CARRIED = 0, 1, 2
"""A node is FIXED if it is the same at every step, SLICED if it reads slices of ``xs`` and no carry, else CARRIED."""


@dataclass(frozen=True, slots=True)
class Accumulator:
    """A carry that only adds up: ``new = carry + terms``, where nothing else reads the carry or the sum.

    Attributes:
        carry: the number of the carry.
        path: the additions from the carry to the sum.
        terms: what they add.
    """

    carry: int
    path: tuple[Node, ...]
    terms: tuple[Tensor, ...]


class Classes:
    """For each node of a body: what it depends on (``dep``), and whether a carry that is no accumulator needs it."""

    def __init__(self, loop: LoopParts) -> None:
        self.order = loop.order()
        self.dep: dict[Node, int] = dict.fromkeys(self.order, FIXED)
        self.dep.update(dict.fromkeys(loop.xs, SLICED))
        self.dep.update(dict.fromkeys(loop.carries, CARRIED))
        self.readers: dict[Node, list[Node]] = {node: [] for node in self.order}
        for node in self.order:
            for x in node.inputs:
                self.readers[x].append(node)
                if self.dep[x] > self.dep[node]:
                    self.dep[node] = self.dep[x]
        self.accumulators = {k: a for k in range(len(loop.carries)) if (a := self._accumulator(loop, k)) is not None}
        self.feeding = set(topological([y for k, y in enumerate(loop.new) if k not in self.accumulators]))

    def of(self, node: Node) -> tuple[int, bool]:
        """The class of a node. Passes join only nodes of one class, and split nodes with parts of different classes."""
        return self.dep[node], node in self.feeding

    def _accumulator(self, loop: LoopParts, k: int) -> Accumulator | None:
        """Carry ``k`` as an accumulator; None where it is none, or where its terms may not leave the loop."""
        symbol, total = loop.carries[k], loop.new[k]
        path: list[Node] = []
        terms: list[Tensor] = []
        node: Node = symbol
        while node is not total:
            above = self.readers[node]
            if len(above) != 1 or above[0].op != "add" or above[0].type != symbol.type or self._is_result(loop, node):
                return None
            a, b = above[0].inputs
            other = b if a is node else a
            if other.type != symbol.type:
                return None
            terms.append(other)
            path.append(above[0])
            node = above[0]
        once = sum(y is total for y in loop.results) == 1 and not self.readers[total]
        return Accumulator(k, tuple(path), tuple(terms)) if path and once and may_leave(loop.init[k], terms) else None

    @staticmethod
    def _is_result(loop: LoopParts, node: Node) -> bool:
        return any(y is node for y in loop.results)
