"""Numbers on a picture: values on the vertices, and the strength of the gradient on the edges."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tinygrad_lstm.draw.graphs.measures import Array, Measures
from tinygrad_lstm.draw.graphs.unrolling import Path
from tinygrad_lstm.draw.graphs.vertices import Edge, Vertex
from tinygrad_lstm.graph.tensor import Node

__all__ = ["Scale", "ValueStyle", "annotate_flow", "annotate_values", "fraction_between", "rounded"]

ValueStyle = Literal["numbers", "statistics", "heat", "gradients"]
FEW = 4
"""So many numbers fit on a node."""


@dataclass(frozen=True)
class Scale:
    """What the colours of a picture mean: ``text``, for numbers from ``low`` to ``high``, drawn as ``kind``."""

    kind: Literal["heat", "flow"]
    text: str
    low: str = ""
    high: str = ""


def annotate_values(vertices: Sequence[Vertex], measures: Measures, how: ValueStyle) -> Scale | None:
    """Put values on the vertices, and say what the colours mean."""
    strengths: dict[Vertex, float] = {}
    for v in vertices:
        array = _value(v, measures.values)
        if array is None or v.kind in ("constant", "loop") or array.size == 0:
            continue
        if how in ("numbers", "gradients"):
            v.notes.append(_numbers(array, len(v.path)))
            slope = _value(v, measures.gradients) if how == "gradients" else None
            if slope is not None:
                v.notes.append(f"∂ {_numbers(slope, len(v.path))}")
        else:
            strengths[v] = float(np.sqrt(np.mean(array.astype(np.float64) ** 2)))
            v.notes += _statistics(array) if how == "statistics" else [f"rms {rounded(strengths[v])}"]
    if how == "gradients":
        return Scale("heat", "∂: the gradient of the summed results by the value above it")
    if how != "heat":
        return None
    finite = [s for s in strengths.values() if math.isfinite(s) and s > 0]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    for v, strength in strengths.items():
        if math.isfinite(strength) and strength > 0:
            v.heat = fraction_between(strength, low, high)
    zeros = ", of 0 without a colour" * any(s == 0 for s in strengths.values())
    return Scale("heat", f"root mean square of the values{zeros}", rounded(low), rounded(high))


def _value(v: Vertex, values: Mapping[tuple[Path, Node], Array]) -> Array | None:
    """The value of a vertex. A leaf that is drawn in a body may be one of the graph around it."""
    if v.node is None:
        return None
    for k in range(len(v.path), -1, -1):
        if (v.path[:k], v.node) in values:
            return values[v.path[:k], v.node]
    return None


def annotate_flow(edges: Sequence[Edge], measures: Measures) -> Scale:
    """Put the norm of the gradient that comes back over each edge on it, and say what the lines mean."""
    for e in edges:
        # What flows back to a number of the text moves nothing, and may not even be defined.
        norms = _flow(e, measures) if e.reads is not None and e.source.kind != "constant" else None
        if norms is None or norms.size == 0:
            continue
        e.flow = float(norms.max())
        if norms.size > 1 and float(norms.min()) < 0.5 * e.flow:
            e.range = float(norms.min()), e.flow
    for e in edges:
        if e.reads is None and e.target.kind == "slice":
            # What leaves a loop, on its way to where it does.
            onward = [o.flow for o in edges if o.source is e.target and o.flow is not None]
            e.flow = max(onward, default=None)
    found = [e.flow for e in edges if e.flow is not None and math.isfinite(e.flow) and e.flow > 0]
    text = "norm of the gradient that comes back over a line; dotted: none"
    return (
        Scale("flow", text, rounded(min(found)), rounded(max(found))) if found else Scale("flow", "no gradient flows")
    )


def fraction_between(value: float, low: float, high: float) -> float:
    """Where ``value`` stands between ``low`` and ``high``, from 0 to 1; by its logarithm, over 8 decades at most.

    >>> fraction_between(1e-2, 1e-4, 1.0), fraction_between(0.0, 1e-4, 1.0), fraction_between(3.0, 3.0, 3.0)
    (0.5, 0.0, 1.0)
    """
    if value <= 0 or not math.isfinite(value):
        return 0.0
    top = math.log10(high)
    bottom = max(math.log10(low), top - 8) if low > 0 else top - 8
    return 1.0 if top - bottom < 1e-9 else min(1.0, max(0.0, (math.log10(value) - bottom) / (top - bottom)))


def rounded(value: float) -> str:
    """A number for a label.

    >>> rounded(-0.123456), rounded(3e-9), rounded(2.0)
    ('−0.123', '3e−9', '2')
    """
    text = f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return text.replace("-", "−")


def _scans(path: Path) -> int:
    return sum(loop.op == "scan" for loop in path)


def _numbers(array: Array, steps: int) -> str:
    if array.size <= FEW:
        return ", ".join(_element(x) for x in array.ravel())
    if steps:
        return f"{_element(array.min())} … {_element(array.max())}"
    return ", ".join(_element(x) for x in array.ravel()[: FEW - 1]) + ", …"


def _element(value: Any) -> str:
    return str(value) if isinstance(value, bool | np.bool_ | int | np.integer) else rounded(float(value))


def _statistics(array: Array) -> list[str]:
    wide = array.astype(np.float64)
    bad = int(np.count_nonzero(~np.isfinite(wide)))
    if bad:
        return [f"{bad} of {array.size} not finite"]
    if array.size == 1:
        return [rounded(wide.item())]
    return [
        f"mean {rounded(wide.mean())}, std {rounded(wide.std())}",
        f"{rounded(wide.min())} … {rounded(wide.max())}",
    ]


def _flow(e: Edge, measures: Measures) -> Array | None:
    assert e.reads is not None
    path, node, slot = e.reads
    if slot >= 0:
        return measures.flows.get((path, node, slot))
    array = measures.gradients.get((path, node))
    if array is None:
        return None
    steps = _scans(path)
    norms = np.sqrt((array.astype(np.float64) ** 2).sum(axis=tuple(range(steps, array.ndim))))
    # A carry comes in at one end of the loop alone, and is handed on at all other steps.
    backwards = bool(path[-1].attrs.get("reverse"))
    last = np.moveaxis(norms, steps - 1, 0) if steps else norms
    if steps and e.note == "first":
        return np.asarray(last[-1 if backwards else 0])
    if steps and e.note == "next":
        return np.asarray(last[:-1] if backwards else last[1:])
    return np.asarray(norms)
