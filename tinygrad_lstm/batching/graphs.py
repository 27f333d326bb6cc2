"""A graph for many examples at once. What depends on no example is computed once for all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinygrad_lstm.batching.nodes import batched
from tinygrad_lstm.graph.function import Graph, close, fresh_symbol, reaching, slot_of, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor, in_place_of, origin_of, remake
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.ops.call import call_items
from tinygrad_lstm.ops.loop import loop_items, loop_node, stacked
from tinygrad_lstm.ops.shape import for_each, moved

__all__ = ["mapped_graph"]

_OWNER = "the body of a vmap"
Results = dict[Any, tuple[Tensor, bool]]
"""The results of a loop or call by slot, and whether each has an axis of examples."""


def mapped_graph(outputs: Sequence[Tensor], examples: Mapping[Tensor, Tensor], count: int) -> list[tuple[Tensor, bool]]:
    """Each output for all examples along a first axis and True, or as it is and False where it depends on none.

    Args:
        examples: for each symbol its ``count`` values, along a first axis.
    """
    work = _Mapping(count, examples, examples)
    work.walk(topological(outputs, stop=lambda n: not n.symbolic))
    return [(work.new.get(y, y), y in work.mapped) for y in outputs]


class _Mapping:
    """What became of the nodes of one graph or body.

    Args:
        count: the number of examples.
        new: what stands for a node: for its value, or for its values for all examples.
        mapped: the nodes of which it is the latter; then the examples lie along the first axis.
    """

    def __init__(self, count: int, new: Mapping[Any, Tensor], mapped: Iterable[Node]) -> None:
        self.count = count
        self.new: dict[Node, Any] = dict(new)
        self.mapped: set[Node] = set(mapped)
        self.results: dict[Node, Results] = {}

    def walk(self, order: Sequence[Node]) -> None:
        """Find out what becomes of the nodes of a topological order that read something that has changed."""
        slots: dict[Node, list[Any]] = {}
        for node in order:
            if OPS[node.op].kind == "projection":
                slots.setdefault(node.inputs[0], []).append(slot_of(node))
        for node in order:
            if node in self.new or not any(x in self.new or x in self.results for x in node.inputs):
                continue
            origin = origin_of(node)
            with in_place_of(node, None if origin is None else self.new.get(origin)):
                self._visit(node, slots.get(node, []))

    def _visit(self, node: Any, slots: Sequence[Any]) -> None:
        if node.inputs[0] in self.results:
            self.new[node], own = self.results[node.inputs[0]][slot_of(node)]
            if own:
                self.mapped.add(node)
            return
        inputs = [self.new.get(x, x) for x in node.inputs]
        mapped = [x in self.mapped for x in node.inputs]
        if not any(mapped):
            self.new[node] = remake(node, tuple(inputs))
        elif node.op == "scan":
            self.results[node] = self._scan(node, inputs, mapped, slots)
        elif node.op == "call":
            self.results[node] = self._call(node, inputs, mapped)
        else:
            self.new[node] = batched(node, self.count, inputs, mapped)
            self.mapped.add(node)

    def _call(self, call: Node, inputs: list[Tensor], mapped: list[bool]) -> Results:
        """A call of the body for all examples."""
        body: Graph = call.attrs["body"]
        inner, symbols = self._body(body, body.nodes(), mapped)
        new, operands = close(symbols, [inner.new.get(y, y) for y in body.outputs], _OWNER)
        items = call_items(new, [*inputs, *operands])
        return {k: (items[k], y in inner.mapped) for k, y in enumerate(body.outputs)}

    def _scan(self, loop: Node, inputs: list[Tensor], mapped: list[bool], slots: Sequence[Any]) -> Results:
        """A loop in which each step goes for all examples.

        A carry has an axis of examples if its first value has one, or comes to depend on an example after some steps.
        """
        body: Graph = loop.attrs["body"]
        n, m, length, reverse = (loop.attrs[key] for key in ("carries", "xs", "length", "reverse"))
        stacks = [s for s in slots if isinstance(s, Tensor)]
        order = topological((*body.inputs, *body.outputs, *stacks))
        flags = _carried(body, n, order, mapped)
        inner, symbols = self._body(body, order, flags)
        outputs = [inner.new.get(y, y) for y in body.outputs]
        for k in range(n):
            if flags[k]:
                outputs[k] = for_each(outputs[k], self.count, body.outputs[k] in inner.mapped)
        graph, operands = close(symbols, [*outputs, *[inner.new.get(s, s) for s in stacks]], _OWNER)
        new = loop_node(
            Graph(graph.inputs, graph.outputs[: len(outputs)]),
            [
                for_each(x, self.count, own) if flag else x
                for x, own, flag in zip(inputs[:n], mapped, flags, strict=False)
            ],
            [_exchanged(x) if own else x for x, own in zip(inputs[n : n + m], mapped[n:], strict=False)],
            [*inputs[n + m :], *operands],
            length,
            reverse,
        )
        found: Results = {}
        for k, (item, y) in enumerate(zip(loop_items(new), body.outputs, strict=True)):
            own = flags[k] if k < n else y in inner.mapped
            found[k] = (_exchanged(item) if own and k >= n else item, own)
        for value, inside in zip(stacks, graph.outputs[len(outputs) :], strict=True):
            own, stack = value in inner.mapped, stacked(new, inside)
            found[value] = (_exchanged(stack) if own else stack, own)
        return found

    def _body(self, body: Graph, order: Sequence[Node], mapped: Sequence[bool]) -> "tuple[_Mapping, list[Tensor]]":
        """What becomes of the nodes of a body, and the symbols that its inputs become."""
        symbols = []
        for x, own in zip(body.inputs, mapped, strict=True):
            shape = (self.count, *x.shape) if own else x.shape
            symbols.append(fresh_symbol(str(x.attrs["name"]), TensorType(shape, x.dtype, x.device), _OWNER))
        own_inputs = [x for x, own in zip(body.inputs, mapped, strict=True) if own]
        inner = _Mapping(self.count, dict(zip(body.inputs, symbols, strict=True)), own_inputs)
        inner.walk(order)
        return inner, symbols


def _carried(body: Graph, carries: int, order: Sequence[Node], mapped: Sequence[bool]) -> list[bool]:
    """For each input of a loop's body whether it has an axis of examples at some step."""
    flags = list(mapped)
    while True:
        reached = reaching(order, [x for x, own in zip(body.inputs, flags, strict=True) if own])
        more = [k for k in range(carries) if not flags[k] and body.outputs[k] in reached]
        if not more:
            return flags
        for k in more:
            flags[k] = True


def _exchanged(x: Tensor) -> Tensor:
    """``x`` with its first two axes, those of the examples and of time, exchanged."""
    order = (1, 0, *range(2, x.ndim))
    # Stacks of one loop are stepped through by another, which wants time in front as the first one had it.
    return x.inputs[0] if x.op == "transpose" and x.attrs["axes"] == order else moved(x, 1, 0)
