"""inline_branches: branches as choices between values, as pictures and expressions show them."""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.graph.function import Graph, substitute, topological
from tinygrad_lstm.graph.tensor import Node, Tensor, make_like, rebuilt, remake

__all__ = ["inline_branches"]


def inline_branches(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``outputs`` with ``where`` in place of each branch, and what it computes in its place.

    It is for readers: both sides would be computed. What the second function of a ``cond`` gives is chosen by the
    condition itself, not by its opposite.

    >>> x = tl.symbol("x")
    >>> print(tl.printed(*inline_branches([tl.cond(x > 0, tl.log, tl.sin, x)])))
    %0: f32[] = constant 0.0
    %1: f32[] = symbol "x"
    %2: bool[] = less %0 %1
    %3: f32[] = log %1
    %4: f32[] = sin %1
    %5: f32[] = where %2 %3 %4
    return %5
    """
    outputs = list(outputs)
    order = topological(outputs)
    if not any("body" in node.attrs for node in order):
        return outputs
    new: dict[Node, Any] = {}
    inside: dict[Node, list[Tensor]] = {}
    for node in order:
        branch = node.inputs[0] if node.op == "item" else node
        if node.op == "branch":
            body: Graph = node.attrs["body"]
            given = [new.get(x, x) for x in node.inputs[1 + len(body.outputs) :]]
            # The recursion is as deep as branches are nested.
            inside[node] = substitute(inline_branches(body.outputs), dict(zip(body.inputs, given, strict=True)))
        elif branch in inside:
            new[node] = _choice(node, branch, new, inside)
        elif isinstance(node.attrs.get("body"), Graph):
            new[node] = _with_body(node, new)
        else:
            new[node] = rebuilt(node, new)
    return [new.get(y, y) for y in outputs]


def _choice(item: Any, branch: Node, new: dict[Node, Any], inside: dict[Node, list[Tensor]]) -> Tensor:
    """A result of a branch as a choice between two values."""
    index = item.attrs["index"]
    condition, otherwise = branch.inputs[0], branch.inputs[1 + index]
    other = new.get(otherwise, otherwise)
    before = otherwise.inputs[0] if otherwise.op == "item" else None
    if before in inside and before.inputs[0].op == "invert" and before.inputs[0].inputs[0] is condition:
        other = inside[before][otherwise.attrs["index"]]
    return make_like(item, "where", new.get(condition, condition), inside[branch][index], other)


def _with_body(node: Node, new: dict[Node, Any]) -> Any:
    body: Graph = node.attrs["body"]
    within = inline_branches(body.outputs)
    if all(a is b for a, b in zip(within, body.outputs, strict=True)):
        return rebuilt(node, new)
    inputs = tuple([new.get(x, x) for x in node.inputs])
    return remake(node, inputs, {**node.attrs, "body": Graph(body.inputs, tuple(within))})
