"""Where the copies of unrolled bodies come from: the loop, the node in its body, and the number of the step."""

from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_lstm.draw.graphs.unrolling import Path, Stack, Unrolled
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Cluster, Edge, Vertex
from tinygrad_lstm.graph.tensor import Node

__all__ = ["Place", "StepPlaces", "after_step", "named_at", "reached", "sums_of"]

Place = tuple[Path, Node, tuple[int, ...]]


class StepPlaces:
    """For copies the loops that they are in, the nodes that they are copies of, and the steps."""

    def __init__(self, unrolled: Unrolled) -> None:
        self.copies = unrolled.copies
        self.origin: dict[Node, Place] = {}
        for (path, node), copies in unrolled.copies.items():
            for steps, copy in copies.items():
                if steps and not isinstance(copy, Stack):
                    if node.op != "symbol" and _is_in(copy, steps):
                        self.origin.setdefault(copy, (path, node, steps))
                    elif copy in unrolled.slices:
                        # What else enters a step came about elsewhere.
                        self.origin.setdefault(copy, (path, node, steps))

    def of(self, v: Vertex) -> Place | None:
        """The place of a vertex; None for what stands outside of all steps, and for leaves."""
        return self.origin.get(v.node) if v.node is not None and v.kind not in LEAVES else None

    def carry(self, e: Edge) -> int | None:
        """The number of what is carried over an edge, as its reader sees it."""
        if e.reads is None or (found := self.origin.get(e.reads[1])) is None:
            return None
        path, node, steps = found
        body, count = path[-1].attrs["body"], path[-1].attrs["carries"]
        read = node.inputs[e.reads[2]] if e.reads[2] < len(node.inputs) else None
        while read is not None:
            for k, symbol in enumerate(body.inputs[:count]):
                if symbol is read:
                    return k
            # A sum with nothing is what it reads, at this step.
            here: dict[Any, Any] = {x: self.copies.get((path, x), {}).get(steps) for x in (read, *read.inputs)}
            same = (x for x in read.inputs if here[x] is not None and here[x] is here[read])
            read = read.inputs[0] if read.op == "named" else next(same, None)
        return None

    def enters(self, v: Vertex) -> bool:
        """Whether a vertex brings in one element of a sequence."""
        found = self.of(v)
        return v.kind == "symbol" if found is None else enters(found[0], found[1])


def _is_in(copy: Node, steps: tuple[int, ...]) -> bool:
    """Whether a copy was made for these steps, and is no value of another one that came as it is."""
    names = [s.name for s in copy.scope.path] if copy.scope is not None else []
    return all(f"step {t}" in names for t in steps)


def sums_of(loop: Node) -> dict[int, Node]:
    """Carries to which every step only adds, by their numbers, with the additions: sums over all steps."""
    body = loop.attrs["body"]
    found = {}
    for k, symbol in enumerate(body.inputs[: loop.attrs["carries"]]):
        result = body.outputs[k]
        readers = [n for n in body.nodes() if any(x is symbol for x in n.inputs)]
        if result.op == "add" and len(readers) == 1 and readers[0] is result and loop.origin is not None:
            found[k] = result
    return found


def enters(path: Path, node: Node) -> bool:
    """Whether a node is where the element of a sequence enters the body of a loop."""
    loop = path[-1]
    slices = loop.attrs["body"].inputs[loop.attrs["carries"] :][: loop.attrs["xs"]]
    return node.op == "symbol" and any(node is symbol for symbol in slices)


def named_at(names: Sequence[str], at: int) -> list[str]:
    """The name of a value with its time in place of t; what it is called one step later, or above, goes without saying.

    >>> named_at(["C_t", "C_{t-1}"], 3)
    ['C_{3}']
    """
    told = [f"{n.removesuffix('_t')}_{{{at}}}" if n.endswith("_t") else n for n in names]
    now = [n for n in told if not n.endswith("_{t-1}")]
    return (now or [f"{n.removesuffix('_{t-1}')}_{{{at}}}" for n in told])[:1]


def after_step(chain: Sequence[Cluster], at: int) -> int:
    """Where in a chain of clusters those begin that lie in the step."""
    return next((k + 1 for k, c in enumerate(chain) if c.name == f"step {at}"), len(chain))


def reached(starts: Sequence[Vertex], onward: Mapping[Vertex, Sequence[Vertex]]) -> set[Vertex]:
    """What comes after ``starts``, in the direction of ``onward``."""
    found: set[Vertex] = set()
    pending = list(starts)
    while pending:
        for v in onward.get(pending.pop(), ()):
            if v not in found:
                found.add(v)
                pending.append(v)
    return found
