"""The named values of a graph, those in its loops at every step, and the graph with something added to each of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tinygrad_lstm.functions.filling import zeros
from tinygrad_lstm.graph.function import Graph, fresh_symbol, substitute, topological
from tinygrad_lstm.graph.scopes import Scope
from tinygrad_lstm.graph.tensor import Node, Tensor, rebuilt, remake
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.ops.call import call_items
from tinygrad_lstm.ops.loop import loop_node, stacked

__all__ = ["InnerValue", "inner_values", "nudged", "out_of_sight"]


@dataclass(frozen=True, eq=False)
class InnerValue:
    """A value that has a name.

    Attributes:
        path: the scopes that it was made in, joined by dots.
        name: its name.
        value: it; the value at each step of the loops round it, along first axes.
        loop: the number of the outermost loop round it; None where there is none.
        given: whether it is what came in under another name, such as the input of a step.
    """

    path: str
    name: str
    value: Tensor
    loop: int | None
    given: bool


def inner_values(results: Sequence[Tensor], depth: int = 0) -> list[InnerValue]:
    """What has a name among the ancestors of ``results``, in the order in which it is computed.

    Args:
        depth: how many of the outer scopes are left out of the paths.
    """
    return list(_found(topological(results), depth))


def _found(order: Sequence[Node], depth: int) -> Iterator[InnerValue]:
    loops = 0
    for node in order:
        number = loops
        loops += node.op == "scan"
        if node.origin is not None:
            # A gradient reads values again, under their names.
            continue
        if isinstance(node, Tensor) and node.op == "named":
            yield _of(node, depth)
        elif node.op == "scan":
            for found in _found(node.attrs["body"].nodes(), depth):
                yield replace(found, value=stacked(node, found.value), loop=number)
        elif node.op == "call":
            body: Graph = node.attrs["body"]
            for found in _found(body.nodes(), depth):
                (value,) = substitute([found.value], dict(zip(body.inputs, node.inputs, strict=True)))
                yield replace(found, value=value)


def out_of_sight(results: Sequence[Tensor], depth: int = 0) -> Iterator[tuple[InnerValue, str]]:
    """What has a name in branches and loops by a condition, each with the op that it is in.

    They are not among the ``inner_values``: such a branch may not run, and such a loop takes any number of steps.
    """
    bodies = [(topological(results), "")]
    while bodies:
        order, op = bodies.pop()
        for node in order:
            if op and isinstance(node, Tensor) and node.op == "named" and node.origin is None:
                yield _of(node, depth), op
            elif isinstance(body := node.attrs.get("body"), Graph):
                bodies.append((body.nodes(), op or node.op if node.op in ("branch", "while_loop") else op))


def _of(node: Tensor, depth: int) -> InnerValue:
    return InnerValue(_path(node.scope, depth), node.attrs["name"], node, None, node.inputs[0].op == "symbol")


def _path(scope: Scope | None, depth: int) -> str:
    return ".".join(s.name for s in scope.path[depth:]) if scope is not None else ""


def nudged(results: Sequence[Tensor], depth: int = 0) -> tuple[list[Tensor], list[InnerValue]]:
    """``results`` with zeros added to each named value that holds floats, and these zeros.

    What a loss loses by them is its gradient by the values: of those in a loop, at each of its steps.
    """
    work = _Nudging(depth, lambda name, type_: zeros(type_.shape, type_.dtype, type_.device))
    work.walk(topological(results))
    return [work.new.get(y, y) for y in results], work.nudges


Making: TypeAlias = Callable[[str, TensorType], Tensor]


class _Nudging:
    """The nodes of a graph or body, and what is added to the named ones among them.

    Args:
        make_nudge: makes what is added to a value of that name and type.
    """

    def __init__(self, depth: int, make_nudge: Making) -> None:
        self.depth, self.make_nudge = depth, make_nudge
        self.new: dict[Node, Any] = {}
        self.nudges: list[InnerValue] = []
        self.bodies: dict[Node, _Nudging] = {}

    def walk(self, order: Sequence[Node]) -> None:
        """Rebuild the nodes of a topological order."""
        loops = 0
        for node in order:
            self.new[node] = self._visited(node, loops)
            loops += node.op == "scan"

    def _visited(self, node: Any, loop: int) -> Any:
        if node.op in ("scan", "call") and node.origin is None:
            return self._loop(node, loop)
        if node.op == "stacked" and node.inputs[0] in self.bodies:
            inner = self.bodies[node.inputs[0]].new
            value = node.attrs["value"]
            return stacked(self.new[node.inputs[0]], inner.get(value, value))
        new = rebuilt(node, self.new)
        if node.op != "named" or node.origin is not None or not node.dtype.is_float:
            return new
        named = _of(node, self.depth)
        nudge = self.make_nudge(named.name, node.type)
        self.nudges.append(replace(named, value=nudge))
        return new + nudge

    def _loop(self, node: Any, number: int) -> Any:
        """A loop or call that takes what is added inside of it: as further sequences, or as further operands."""
        body: Graph = node.attrs["body"]
        inner = _Nudging(self.depth, fresh_symbol)
        inner.walk(body.nodes())
        inputs = [self.new.get(x, x) for x in node.inputs]
        if not inner.nudges:
            return remake(node, tuple(inputs))
        symbols = [named.value for named in inner.nudges]
        outputs = tuple(inner.new[y] for y in body.outputs)
        self.bodies[node] = inner
        if node.op == "call":
            added = [self.make_nudge(named.name, named.value.type) for named in inner.nudges]
            self.nudges += [replace(n, value=v) for n, v in zip(inner.nudges, added, strict=True)]
            return call_items(Graph((*body.inputs, *symbols), outputs), [*inputs, *added])[0].inputs[0]
        n, m, length, reverse = (node.attrs[key] for key in ("carries", "xs", "length", "reverse"))
        types = [TensorType((length, *s.shape), s.dtype, s.device) for s in symbols]
        added = [self.make_nudge(named.name, type_) for named, type_ in zip(inner.nudges, types, strict=True)]
        self.nudges += [replace(x, value=v, loop=number) for x, v in zip(inner.nudges, added, strict=True)]
        graph = Graph((*body.inputs[: n + m], *symbols, *body.inputs[n + m :]), outputs)
        return loop_node(graph, inputs[:n], [*inputs[n : n + m], *added], inputs[n + m :], length, reverse)
