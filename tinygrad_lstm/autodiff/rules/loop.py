"""Gradient rule of ``ops/loop.py``: the gradient of a loop is a loop that runs the other way.

A backward step takes the cotangent of the carry that left the forward step, and gives that of the carry that entered
it. Cotangents of ``xs`` are stacked; those of operands, which every step reads, add up in a carry of their own. The
forward loop stacks the values that the backward steps read.
"""

from typing import Any

from tinygrad_lstm.autodiff.active import active_nodes
from tinygrad_lstm.autodiff.reverse import cotangents
from tinygrad_lstm.autodiff.table import loop_rule
from tinygrad_lstm.functions.filling import zeros_like
from tinygrad_lstm.graph.function import close, fresh_symbol, reaching, substitute, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.ops.loop import loop_items, loop_node, stacked
from tinygrad_lstm.ops.source import full_node

_OWNER = "the body of a gradient's scan"


def _zeros(type_: TensorType) -> Tensor:
    return full_node(type_.shape, 0.0, type_.dtype, type_.device)


def _scan_gradient(loop: Node, cts: dict[Any, Tensor], active: set[int]) -> list[Tensor | None]:
    """The cotangent of each input of the loop, None where nothing flows; all are read from one backward loop.

    Args:
        cts: the cotangents of the projections by their slot: the number of a result, or a node of the body.
        active: the numbers of the inputs to differentiate by.
    """
    body, n, m = loop.attrs["body"], loop.attrs["carries"], loop.attrs["xs"]
    ins, outs = body.inputs, body.outputs
    extra = [slot for slot in cts if isinstance(slot, Node)]
    order = topological((*ins, *outs, *extra))
    sources = _sources(loop, order, active)
    live = [k for k in range(n) if ins[k] in sources]

    # Symbols for the cotangents of the carries that leave a step, and of the values that are stacked in it.
    d_carry = {k: fresh_symbol(f"d {ins[k].attrs['name']}", ins[k].type, _OWNER) for k in live}
    arriving = [(outs[s] if isinstance(s, int) else s, ct) for s, ct in cts.items() if not isinstance(s, int) or s >= n]
    d_step = [fresh_symbol("d step", value.type, _OWNER) for value, _ in arriving]
    seeds = [(outs[k], d_carry[k]) for k in live]
    seeds += [(value, d) for (value, _), d in zip(arriving, d_step, strict=True)]
    inputs_of_body = [x for x in ins if x in sources]
    by_input = dict(zip(inputs_of_body, cotangents(seeds, inputs_of_body, order), strict=True))

    summed = [k for k in range(n + m, len(ins)) if by_input.get(ins[k]) is not None]
    sliced = [k for k in range(n, n + m) if by_input.get(ins[k]) is not None]
    sums = [fresh_symbol(f"Σ d {ins[k].attrs['name']}", ins[k].type, _OWNER) for k in summed]
    outputs: list[Tensor] = []
    for k in live:
        ct = by_input[ins[k]]
        outputs.append(zeros_like(ins[k]) if ct is None else ct)
    outputs += [total + by_input[ins[k]] for k, total in zip(summed, sums, strict=True)]
    outputs += [by_input[ins[k]] for k in sliced]

    mapping, kept, kept_xs = _read_forward(loop, order, outputs)
    inputs = [*d_carry.values(), *sums, *d_step, *kept]
    graph, operands = close(inputs, substitute(outputs, mapping), _OWNER)
    init = [cts[k] if k in cts else _zeros(ins[k].type) for k in live]
    init += [_zeros(ins[k].type) for k in summed]
    backward = loop_node(
        graph,
        init,
        [*[ct for _, ct in arriving], *kept_xs],
        operands,
        loop.attrs["length"],
        not loop.attrs["reverse"],
    )
    items = loop_items(backward)
    result: list[Tensor | None] = [None] * len(ins)
    for k, item in zip([*live, *summed, *sliced], items, strict=True):
        result[k] = item
    return result


def _sources(loop: Node, order: list[Node], active: set[int]) -> set[Node]:
    """The inputs of the body to differentiate by: the active ones, and carries that depend on them after some steps."""
    body, n = loop.attrs["body"], loop.attrs["carries"]
    sources: set[Node] = {body.inputs[k] for k in active}
    while True:
        reached = active_nodes(order, sources)
        more = {
            x
            for x, y in zip(body.inputs[:n], body.outputs[:n], strict=True)
            if x not in sources and y in reached and x.type.dtype.is_float
        }
        if not more:
            return sources
        sources |= more


def _read_forward(
    loop: Node, order: list[Node], outputs: list[Tensor]
) -> tuple[dict[Tensor, Tensor], list[Tensor], list[Tensor]]:
    """Replacements for what ``outputs`` read of the forward body, the symbols among them, and the stacks for these.

    Operands are replaced by their values outside the loop, and views are rebuilt. All other values are stacked.
    """
    body, steps = loop.attrs["body"], loop.attrs["carries"] + loop.attrs["xs"]
    forward = set(order)
    varying = reaching(order, body.inputs[:steps])

    def belongs(node: Node) -> bool:
        return node in forward or (OPS[node.op].kind == "projection" and node.inputs[0] in forward)

    def supplied(node: Node) -> bool:
        if not belongs(node):
            return False
        if node in forward and node not in varying:
            return not node.inputs
        return not node.inputs or OPS[node.op].kind not in ("view", "identity")

    mapping: dict[Tensor, Tensor] = dict(zip(body.inputs[steps:], loop.inputs[steps:], strict=True))
    kept: list[Tensor] = []
    stacks: list[Tensor] = []
    for node in topological(outputs, stop=supplied):
        if isinstance(node, Tensor) and supplied(node) and node not in mapping and node.op != "constant":
            mapping[node] = fresh_symbol(node.attrs.get("name", node.op), node.type, _OWNER)
            kept.append(mapping[node])
            stacks.append(stacked(loop, node))
    return mapping, kept, stacks


loop_rule("scan", _scan_gradient)
