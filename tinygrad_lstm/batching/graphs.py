"""A graph for many examples at once. What depends on no example is computed once for all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinygrad_lstm.batching.nodes import batched
from tinygrad_lstm.functions.statistics import any as one_true
from tinygrad_lstm.graph.dtypes import bool_
from tinygrad_lstm.graph.function import Graph, close, fresh_symbol, reaching, slot_of, substitute, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor, in_place_of, make, origin_of, remake
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.ops.branch import branch_items
from tinygrad_lstm.ops.call import call_items
from tinygrad_lstm.ops.index import take
from tinygrad_lstm.ops.logic import bitwise_and, where
from tinygrad_lstm.ops.loop import loop_items, loop_node, stacked
from tinygrad_lstm.ops.reduce import argmax
from tinygrad_lstm.ops.repeating import while_items
from tinygrad_lstm.ops.shape import for_each, moved, reshape

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
        elif node.op == "branch":
            self.results[node] = self._branch(node, inputs, mapped)
        elif node.op == "while_loop":
            self.results[node] = self._while_loop(node, inputs, mapped)
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

    def _branch(self, branch: Node, inputs: list[Tensor], mapped: list[bool]) -> Results:
        """A branch for all examples; where they choose for themselves, it is computed if one of them has chosen it.

        Then those that have not take part with the operands of one that has: results and gradients of theirs are not
        used, and must not be nan.
        """
        body: Graph = branch.attrs["body"]
        count = len(body.outputs)
        condition, otherwise, operands = inputs[0], inputs[1 : 1 + count], inputs[1 + count :]
        if mapped[0]:
            chosen = _Chosen(condition)
            condition = chosen.any
            operands = [chosen.like_one(x) if own else x for x, own in zip(operands, mapped[1 + count :], strict=True)]
        inner, symbols = self._body(body, body.nodes(), mapped[1 + count :])
        each = [mapped[0] or own or y in inner.mapped for y, own in zip(body.outputs, mapped[1:], strict=False)]
        new, further = close(
            symbols,
            [
                for_each(inner.new.get(y, y), self.count, y in inner.mapped) if flag else inner.new.get(y, y)
                for y, flag in zip(body.outputs, each, strict=True)
            ],
            _OWNER,
        )
        before = [
            for_each(x, self.count, own) if flag else x
            for x, own, flag in zip(otherwise, mapped[1:], each, strict=False)
        ]
        items = branch_items(condition, before, new, [*operands, *further])
        if mapped[0]:
            items = [chosen.where(y, x) for y, x in zip(items, before, strict=True)]
        return dict(enumerate(zip(items, each, strict=True)))

    def _while_loop(self, loop: Node, inputs: list[Tensor], mapped: list[bool]) -> Results:
        """A loop that goes on while an example does; those that are done keep their carries."""
        body: Graph = loop.attrs["body"]
        n = loop.attrs["carries"]
        go, init, operands = inputs[0], inputs[1 : 1 + n], inputs[1 + n :]
        order = body.nodes()
        flags = _carried(body, n, order, mapped[1:], first=1)
        reached = reaching(order, [x for x, own in zip(body.inputs, flags, strict=True) if own])
        alone = mapped[0] or body.outputs[0] in reached
        if alone:
            flags = [k < n or own for k, own in enumerate(flags)]
        inner, symbols = self._body(body, order, flags)
        outputs = [inner.new.get(y, y) for y in body.outputs]
        for k in range(n):
            if flags[k]:
                outputs[1 + k] = for_each(outputs[1 + k], self.count, body.outputs[1 + k] in inner.mapped)
        init = [
            for_each(x, self.count, own) if flag else x for x, own, flag in zip(init, mapped[1:], flags, strict=False)
        ]
        graph, further = close(symbols, outputs, _OWNER)
        if alone:
            init.insert(0, for_each(go, self.count, mapped[0]))
            go = one_true(init[0])
            going = body.outputs[0] in inner.mapped
            graph, more = self._while_one_does(graph, n, flags, going, len(symbols))
            further = [*further, *more]
        items = while_items(go, init, graph, [*operands, *further])[alone:]
        return dict(enumerate(zip(items, flags, strict=False)))

    def _while_one_does(
        self, body: Graph, n: int, flags: list[bool], going: bool, own: int
    ) -> tuple[Graph, list[Tensor]]:
        """The body of a loop whose first carry says which examples go on.

        Args:
            going: whether the condition in ``body`` has an axis of examples.
        """
        goes = fresh_symbol("goes", TensorType((self.count,), bool_, body.outputs[0].device), _OWNER)
        state = [fresh_symbol(str(x.attrs["name"]), x.type, _OWNER) for x in body.inputs]
        chosen = _Chosen(goes)
        mapped = [*flags, *[False] * (len(state) - own)]
        safe = [chosen.like_one(x) if each else x for x, each in zip(state, mapped, strict=True)]
        again, *new = substitute(body.outputs, dict(zip(body.inputs, safe, strict=True)))
        then = bitwise_and(goes, for_each(again, self.count, going))
        kept = [chosen.where(y, x) for y, x in zip(new, state[:n], strict=True)]
        return close([goes, *state], [one_true(then), then, *kept], _OWNER)

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


class _Chosen:
    """Which examples have chosen something.

    Attributes:
        any: whether one has.
    """

    def __init__(self, flags: Tensor) -> None:
        self.flags = flags
        self.any = one_true(flags)
        self._first = reshape(argmax(flags), (1,)) if flags.shape[0] else None

    def where(self, x: Tensor, y: Tensor) -> Tensor:
        """``x`` for the examples that have, ``y`` for the others."""
        return where(reshape(self.flags, (self.flags.shape[0], *(1,) * (x.ndim - 1))), x, y)

    def like_one(self, x: Tensor) -> Tensor:
        """``x``, where those that have not have what one that has; no gradient flows to it from there."""
        return x if self._first is None else self.where(x, make("stop_gradient", take(x, self._first, 0)))


def _carried(body: Graph, carries: int, order: Sequence[Node], mapped: Sequence[bool], first: int = 0) -> list[bool]:
    """For each input of a loop's body whether it has an axis of examples at some step.

    Args:
        first: where among the outputs of the body the carries begin.
    """
    flags = list(mapped)
    while True:
        reached = reaching(order, [x for x, own in zip(body.inputs, flags, strict=True) if own])
        more = [k for k in range(carries) if not flags[k] and body.outputs[first + k] in reached]
        if not more:
            return flags
        for k in more:
            flags[k] = True


def _exchanged(x: Tensor) -> Tensor:
    """``x`` with its first two axes, those of the examples and of time, exchanged."""
    order = (1, 0, *range(2, x.ndim))
    # Stacks of one loop are stepped through by another, which wants time in front as the first one had it.
    return x.inputs[0] if x.op == "transpose" and x.attrs["axes"] == order else moved(x, 1, 0)
