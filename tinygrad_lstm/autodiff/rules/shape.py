"""Gradient rules of ``ops/shape.py``."""

from typing import Any

from tinygrad_lstm.autodiff.summing import sum_to
from tinygrad_lstm.autodiff.table import rule, variadic_rule
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.ops.shape import flip, reshape, transpose


def _padded(g: Tensor, y: Tensor, x: Tensor, *, start: Any, stop: Any, step: Any) -> Tensor:
    """The cotangent of a slice, with zeros where nothing was read."""
    interior = tuple(s - 1 for s in step)
    spans = [n + k * max(0, n - 1) for n, k in zip(g.shape, interior, strict=True)]
    high = tuple(size - a - span for size, a, span in zip(x.shape, start, spans, strict=True))
    return make("pad", g, low=start, high=high, interior=interior)


def _unpadded(g: Tensor, y: Tensor, x: Tensor, *, low: Any, high: Any, interior: Any) -> Tensor:
    step = tuple(k + 1 for k in interior)
    stop = tuple(a + (n - 1) * s + 1 if n else a for a, n, s in zip(low, x.shape, step, strict=True))
    return make("slice", g, start=low, stop=stop, step=step)


def _piece(g: Tensor, y: Tensor, k: int, *inputs: Tensor, axis: int) -> Tensor:
    """The part of the cotangent that belongs to the ``k``-th of the joined arrays."""
    before = sum(x.shape[axis] for x in inputs[:k])
    start = tuple(before if i == axis else 0 for i in range(g.ndim))
    stop = tuple(before + inputs[k].shape[axis] if i == axis else n for i, n in enumerate(g.shape))
    return make("slice", g, start=start, stop=stop, step=(1,) * g.ndim)


rule("reshape", lambda g, y, x, shape: reshape(g, x.shape))
rule("transpose", lambda g, y, x, axes: transpose(g, sorted(range(len(axes)), key=axes.__getitem__)))
rule("broadcast_to", lambda g, y, x, shape: sum_to(g, x.shape))
rule("flip", lambda g, y, x, axis: flip(g, axis))
rule("slice", _padded)
rule("pad", _unpadded)
variadic_rule("concatenate", _piece)
