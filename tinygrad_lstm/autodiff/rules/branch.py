"""Gradient rule of ``ops/branch.py``: a branch on the same condition, which computes the forward values again."""

from typing import Any

from tinygrad_lstm.autodiff.reverse import cotangents
from tinygrad_lstm.autodiff.table import loop_rule
from tinygrad_lstm.graph.function import close, fresh_symbol, topological
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.ops.branch import branch_items
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.source import full_node

_OWNER = "the body of a gradient's cond"


def _zeros(x: Tensor) -> Tensor:
    return full_node(x.shape, 0.0, x.dtype, x.device)


def _branch_gradient(node: Node, cts: dict[Any, Tensor], active: set[int]) -> list[Tensor | None]:
    """The cotangents of the inputs of a branch: zeros for its operands where it was not computed."""
    body, condition = node.attrs["body"], node.inputs[0]
    ins, outs = body.inputs, body.outputs
    start = 1 + len(outs)
    result: list[Tensor | None] = [None] * len(node.inputs)
    for k, ct in cts.items():
        result[1 + k] = where(condition, _zeros(ct), ct)
    incoming = {k: fresh_symbol("d result", outs[k].type, _OWNER) for k in cts}
    places = sorted(k - start for k in active if k >= start)
    seeds = [(outs[k], d) for k, d in incoming.items()]
    outgoing = cotangents(seeds, [ins[k] for k in places], topological((*ins, *outs)))
    live = [(k, ct) for k, ct in zip(places, outgoing, strict=True) if ct is not None]
    back, operands = close([*ins, *incoming.values()], [ct for _, ct in live], _OWNER)
    otherwise = [_zeros(ins[k]) for k, _ in live]
    items = branch_items(condition, otherwise, back, [*node.inputs[start:], *cts.values(), *operands])
    for (k, _), item in zip(live, items, strict=True):
        result[start + k] = item
    return result


loop_rule("branch", _branch_gradient)
