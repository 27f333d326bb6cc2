"""Gradient rules of ``ops/repeating.py``: forward mode, a loop with the tangents as further carries.

Forward mode is the pullback of the pullback (``autodiff/forward.py``). The pullback of a loop without a bound cannot be
computed, since nothing says for how many steps values would have to be kept. So it is a node that has no value, the op
``pullback``; its own pullback, which is all that forward mode reads, is the loop of the tangents.
"""

from typing import Any

from tinygrad_lstm.autodiff.reverse import cotangents
from tinygrad_lstm.autodiff.table import forwards, loop_rule
from tinygrad_lstm.errors import GradientError
from tinygrad_lstm.functions.filling import zeros_like
from tinygrad_lstm.graph.function import Graph, close, fresh_symbol, topological
from tinygrad_lstm.graph.scopes import at_line
from tinygrad_lstm.graph.tensor import Node, Tensor, make
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.ops.loop import loop_items
from tinygrad_lstm.ops.repeating import while_items
from tinygrad_lstm.ops.source import full_node

_OWNER = "the body of a gradient's while_loop"


def _zeros(type_: TensorType) -> Tensor:
    return full_node(type_.shape, 0.0, type_.dtype, type_.device)


def _while_gradient(node: Node, cts: dict[Any, Tensor], active: set[int]) -> list[Tensor | None]:
    """The cotangents of the inputs of a loop, for forward mode only: nodes without a value."""
    if not forwards.get():
        raise GradientError(
            "while_loop: reverse mode keeps what each step computes, and nothing says how many there are; give "
            "bound=, the most steps that it makes, or differentiate it forwards, with tl.jvp or tl.linearize"
            + at_line(node.line)
        )
    places = tuple(sorted(k - 1 for k in active if k))
    back: Any = make("pullback", *node.inputs, *cts.values(), **node.attrs, slots=tuple(cts), places=places)
    result: list[Tensor | None] = [None] * len(node.inputs)
    for k, item in zip(places, loop_items(back), strict=True):
        result[1 + k] = item
    return result


def _pullback_gradient(node: Node, cts: dict[Any, Tensor], active: set[int]) -> list[Tensor | None]:
    """The tangents of the results of a loop, from those of its inputs, ``cts``."""
    body: Graph = node.attrs["body"]
    n, slots, places = node.attrs["carries"], node.attrs["slots"], node.attrs["places"]
    count = 1 + len(body.inputs)
    ins, outs = body.inputs, body.outputs[1:]
    floats = [k for k in range(n) if ins[k].dtype.is_float]
    arriving = {places[slot]: ct for slot, ct in cts.items()}
    operands = [k for k in sorted(arriving) if k >= n]
    changes = {k: fresh_symbol(f"∂ {ins[k].attrs['name']}", ins[k].type, _OWNER) for k in (*floats, *operands)}
    leaving = _pushed(body, list(changes), [outs[k] for k in floats], list(changes.values()))
    state, rest = [*ins[:n], *[changes[k] for k in floats]], [*ins[n:], *[changes[k] for k in operands]]
    graph, further = close([*state, *rest], [body.outputs[0], *outs, *leaving], _OWNER)
    go, *given = node.inputs[:count]
    init = [*given[:n], *[arriving[k] if k in arriving else _zeros(ins[k].type) for k in floats]]
    items = while_items(go, init, graph, [*given[n:], *[arriving[k] for k in operands], *further])
    tangents = dict(zip(floats, items[n:], strict=True))
    result: list[Tensor | None] = [None] * len(node.inputs)
    for place, slot in enumerate(slots, count):
        if place in active:
            result[place] = tangents[slot]
    return result


def _pushed(body: Graph, places: list[int], ys: list[Tensor], changes: list[Tensor]) -> list[Tensor]:
    """The changes of ``ys``, results of a body, for ``changes`` of its inputs at ``places``."""
    weights: list[Tensor] = [make("named", zeros_like(y), name="weight") for y in ys]
    sources = [body.inputs[k] for k in places]
    token = forwards.set(True)
    try:
        back = cotangents(list(zip(ys, weights, strict=True)), sources, topological((*body.inputs, *ys)))
    finally:
        forwards.reset(token)
    seeds = [(b, c) for b, c in zip(back, changes, strict=True) if b is not None]
    found = cotangents(seeds, weights, topological([b for b, _ in seeds])) if seeds else [None] * len(ys)
    return [_zeros(y.type) if t is None else t for y, t in zip(ys, found, strict=True)]


loop_rule("while_loop", _while_gradient)
loop_rule("pullback", _pullback_gradient)
