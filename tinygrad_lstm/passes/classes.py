"""What the nodes of a loop's body depend on and are used for. Most decisions of the passes follow from it."""

from dataclasses import dataclass

from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.graph.walk import topological
from tinygrad_lstm.passes.loops import LoopParts
from tinygrad_lstm.passes.sums import may_leave

__all__ = ["CARRIED", "FIXED", "SLICED", "Accumulator", "Classes"]

FIXED, SLICED, CARRIED = 0, 1, 2
"""The same at every step; computed from slices alone; computed from a carry."""


@dataclass(frozen=True, slots=True)
class Accumulator:
    """A carry that occurs once, in its own sum: ``new = carry + terms``, and the sum is read nowhere else."""

    carry: int
    path: tuple[Node, ...]
    terms: tuple[Tensor, ...]


class Classes:
    """For each node of a body what it depends on (``dep``), and whether it feeds a carry that is no accumulator."""

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
        """The class of a node; passes join nodes of one class only, and split those between classes."""
        return self.dep[node], node in self.feeding

    def _accumulator(self, loop: LoopParts, k: int) -> Accumulator | None:
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
