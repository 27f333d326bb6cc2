"""Gradient rule of ``ops/call.py``: a call whose body computes the forward values again from the operands."""

from typing import Any

from tinygrad_lstm.autodiff.reverse import cotangents
from tinygrad_lstm.autodiff.table import loop_rule
from tinygrad_lstm.graph.function import close, fresh_symbol, topological
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.ops.call import call_items

_OWNER = "the body of a gradient's call"


def _call_gradient(node: Node, cts: dict[Any, Tensor], active: set[int]) -> list[Tensor | None]:
    """The cotangents of the inputs of a call: another call, which computes the forward values again."""
    ins, outs = node.attrs["body"].inputs, node.attrs["body"].outputs
    incoming = {k: fresh_symbol("d result", outs[k].type, _OWNER) for k in cts}
    places = sorted(active)
    seeds = [(outs[k], d) for k, d in incoming.items()]
    outgoing = cotangents(seeds, [ins[k] for k in places], topological((*ins, *outs)))
    live = [(k, ct) for k, ct in zip(places, outgoing, strict=True) if ct is not None]
    body, operands = close([*ins, *incoming.values()], [ct for _, ct in live], _OWNER)
    items = call_items(body, [*node.inputs, *cts.values(), *operands])
    result: list[Tensor | None] = [None] * len(ins)
    for (k, _), item in zip(live, items, strict=True):
        result[k] = item
    return result


loop_rule("call", _call_gradient)
