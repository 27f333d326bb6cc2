"""The numbers of a graph: what each node is worth, and how much of the gradient arrives on each edge."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.draw.graphs.unrolling import Path, Stack, Unrolled, unroll
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.function import fresh_symbol, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.scopes import at_line
from tinygrad_lstm.graph.tensor import Node, Tensor, make
from tinygrad_lstm.runtime.evaluation import evaluated

__all__ = ["Array", "Measures", "measure"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Measures:
    """Arrays by loops and node; in the body of a scan with the steps in front, those of the outermost scan first.

    Attributes:
        values: of each node.
        gradients: ``∂(Σ results)/∂node`` of each forward node that the results depend on by floats.
        flows: the norm of what arrives back over an edge, by loops, target and operand number: one number, or one for
            each step. All edges out of a node together carry its gradient.
    """

    values: Mapping[tuple[Path, Node], Array] = field(default_factory=dict)
    gradients: Mapping[tuple[Path, Node], Array] = field(default_factory=dict)
    flows: Mapping[tuple[Path, Node, int], Array] = field(default_factory=dict)


def measure(
    outputs: Sequence[Tensor],
    at: Mapping[Tensor, Any] | None = None,
    gradient: bool = True,
    caller: str = "draw.graph",
    *,
    changes: int = 0,
) -> Measures:
    """The values of all nodes, those in loops at every step.

    Args:
        outputs: the results. Those that are gradients themselves take no part in what is differentiated.
        at: values for the symbols.
        gradient: whether to compute gradients and flows too.
        caller: who asks, for the errors.
        changes: how many of the last outputs are no results; they are not differentiated.

    Raises:
        UsageError: when a symbol has no value, or no result can be differentiated.

    >>> x = tl.symbol("x")
    >>> y = x * x
    >>> found = measure([y], {x: 3.0})
    >>> float(found.values[(), y]), float(found.gradients[(), x]), float(found.flows[(), y, 0])
    (9.0, 6.0, 3.0)
    """
    at = dict(at or {})
    missing = [n for n in topological(outputs) if n.op == "symbol" and n not in at]
    if missing:
        name = missing[0].attrs["name"]
        raise UsageError(
            f"{caller}: the symbol {name!r} ({missing[0].type}) has no value to compute with; "
            f"give one with at={{{name}: …}}, or draw a function with arrays as its arguments"
        )
    unrolled = unroll(outputs)
    found = _evaluated([t for copies in unrolled.copies.values() for c in copies.values() for t in _parts(c)], at)
    values = {key: _joined(copies, found) for key, copies in unrolled.copies.items()}
    if not gradient:
        return Measures(values)
    results = [y for y in unrolled.outputs[: len(outputs) - changes] if y.dtype.is_float and y.origin is None]
    if not results:
        raise UsageError(f"{caller}: no result is a float tensor of the forward pass, so there is no gradient to show")
    endless = next((n for n in topological(results) if n.op == "while_loop"), None)
    if endless is not None:
        raise UsageError(
            f"{caller}: a while_loop has gradients only with bound=, the most steps it makes{at_line(endless.line)}"
        )
    return Measures(values, *_gradients(unrolled, results, at, found))


def _parts(copy: Tensor | Stack) -> list[Tensor]:
    if not isinstance(copy, Stack):
        return [copy]
    return [t for part in copy.parts for t in _parts(part)]


def _joined(copies: Mapping[tuple[int, ...], Tensor | Stack], found: Mapping[Node, Array]) -> Array:
    """The arrays of the copies with their steps as first axes."""

    def array(copy: Tensor | Stack) -> Array:  # as deep as loops are nested
        if not isinstance(copy, Stack):
            return found[copy]
        empty = np.zeros((0, *copy.type.shape), copy.type.dtype.name)
        return np.stack([array(p) for p in copy.parts]) if copy.parts else empty

    arrays = {steps: array(copy) for steps, copy in copies.items()}
    first = next(iter(arrays.values()))
    lengths = np.max(list(arrays), axis=0).astype(int) + 1 if () not in arrays else []
    result = np.zeros((*lengths, *first.shape), first.dtype)
    for steps, value in arrays.items():
        result[steps] = value
    return result


def _evaluated(tensors: Iterable[Tensor], at: Mapping[Tensor, Any]) -> dict[Node, Array]:
    listed = list(dict.fromkeys(tensors))
    return {t: leaf.numpy() for t, leaf in zip(listed, evaluated(tuple(listed), at or None), strict=True)}


def _gradients(
    unrolled: Unrolled, results: Sequence[Tensor], at: Mapping[Tensor, Any], values: Mapping[Node, Array]
) -> tuple[dict[tuple[Path, Node], Array], dict[tuple[Path, Node, int], Array]]:
    # Each operand is read through a node of its own, whose gradient is what comes back over this one edge.
    new: dict[Node, Any] = {}
    taps: dict[tuple[Node, int], Tensor] = {}
    ends: set[Node] = set()
    at = dict(at)
    for node in topological(results):
        if not node.inputs:
            new[node] = node
            continue
        if not OPS[node.op].differentiable:
            # Here the gradient ends, though something may depend on the result.
            new[node] = fresh_symbol(node.op, node.type)
            at[new[node]] = values[node]
            ends.add(node)
            continue
        inputs = []
        for slot, x in enumerate(node.inputs):
            taps[node, slot] = make("named", new[x], name="")
            inputs.append(taps[node, slot])
        new[node] = make(node.op, *inputs, **node.attrs)
    edges = {key: tap for key, tap in taps.items() if tap.dtype.is_float}
    nodes = {node: copy for node, copy in new.items() if copy.type.dtype.is_float}
    slopes = gradients([new[y] for y in results], [*edges.values(), *nodes.values()])
    found = _evaluated(slopes, at)
    arriving = {key: found[g] for key, g in zip(edges, slopes, strict=False)}
    arrived = {node: found[g] for node, g in zip(nodes, slopes[len(edges) :], strict=True)}

    by_node: dict[tuple[Path, Node], Array] = {}
    by_edge: dict[tuple[Path, Node, int], Array] = {}
    for (path, node), copies in unrolled.copies.items():
        single = {steps: c for steps, c in copies.items() if not isinstance(c, Stack)}
        there = {steps: c for steps, c in single.items() if c in arrived}
        if there:
            by_node[path, node] = _joined(there, arrived)
        for slot in range(len(node.inputs)):
            norms: dict[Node, Array] = {c: np.zeros(()) for c in single.values() if c in ends}
            for c in single.values():
                if (c, slot) in arriving:
                    norms[c] = np.asarray(np.linalg.norm(arriving[c, slot].ravel()))
            there = {steps: c for steps, c in single.items() if c in norms}
            if there:
                by_edge[path, node, slot] = _joined(there, norms)
    return by_node, by_edge
