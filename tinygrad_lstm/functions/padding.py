"""``pad``: an array with more elements around it."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import listed, normalize_axis, whole
from tinygrad_lstm.ops.index import take
from tinygrad_lstm.ops.shape import broadcast_to, concatenate

__all__ = ["pad"]

_REPEATING: Final = ("edge", "reflect", "symmetric", "wrap")
"""What takes the new elements from the array itself."""


@function
def pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Tensor:
    """``x`` with elements around it: zeros, other numbers, or elements of ``x`` again.

    Args:
        pad_width: a number for all sides; one pair (before, after) for all axes; a pair for each axis; or a dict from
            axes to numbers and pairs.
        mode: ``"constant"``; ``"edge"`` repeats the outermost elements; ``"reflect"`` and ``"symmetric"`` mirror the
            array at the outermost element and behind it; ``"wrap"`` takes what stands at the other end; ``"empty"`` is
            zeros here.
        constant_values: what to fill with, in the forms of ``pad_width``; for ``"constant"`` alone.

    Raises:
        ShapeError: for negative widths or another number of pairs than axes; or an axis of size 0 that would have to
            be repeated.
        UsageError: for another mode.

    >>> print(tl.pad([1.0, 2.0], (1, 2)), tl.pad([1.0, 2.0, 3.0], 2, mode="reflect"))
    [0. 1. 2. 0. 0.] [3. 2. 1. 2. 3. 2. 1.]
    """
    node = as_tensor(x)
    widths = [(_count(a, pad_width), _count(b, pad_width)) for a, b in _pairs(node, pad_width, "pad_width", 0)]
    if mode in _REPEATING:
        for axis, (before, after) in enumerate(widths):
            if before or after:
                if node.shape[axis] == 0:
                    raise ShapeError(f"pad({node.type}): axis {axis} has size 0, so {mode!r} has nothing to repeat")
                places = np.pad(np.arange(node.shape[axis]), (before, after), mode=mode)  # type: ignore[call-overload]
                node = take(node, places, axis)
        return node
    if mode not in ("constant", "empty"):
        raise UsageError(
            f"pad: the mode is one of 'constant', {', '.join(map(repr, _REPEATING))} and 'empty', not {mode!r}; others "
            "are composed with tl.concatenate"
        )
    ends = _pairs(node, constant_values if mode == "constant" else 0, "constant_values", 0)
    if all(type(v) is int and v == 0 for pair in ends for v in pair):
        low, high = tuple(a for a, _ in widths), tuple(b for _, b in widths)
        return make("pad", node, low=low, high=high, interior=(0,) * node.ndim)
    for axis, pair in enumerate(ends):  # one axis after another: in a corner the last axis counts, as in NumPy
        fills = [as_tensor(v, like=node).astype(node.dtype) for v in pair]
        sides = [
            broadcast_to(v, (*node.shape[:axis], count, *node.shape[axis + 1 :]))
            for v, count in zip(fills, widths[axis], strict=True)
        ]
        node = concatenate([sides[0], node, sides[1]], axis)
    return node


def _pairs(node: Tensor, value: Any, what: str, missing: Any) -> list[tuple[Any, Any]]:
    """A pair for each axis of ``node`` from any form that ``what`` may have; for axes that a dict lacks ``missing``."""
    value = listed(value)
    if isinstance(value, Mapping):
        given = {normalize_axis(axis, node.ndim): _pair(v, what) for axis, v in value.items()}
        return [given.get(axis, (missing, missing)) for axis in range(node.ndim)]
    if not isinstance(value, tuple | list) or not any(isinstance(v, tuple | list) for v in value):
        return [_pair(value, what)] * node.ndim
    pairs = [_pair(v, what) for v in value]
    if len(pairs) not in (1, node.ndim):
        raise ShapeError(f"pad({node.type}): one pair for each axis is expected as {what}, got {value!r}")
    return pairs if len(pairs) == node.ndim else pairs * node.ndim


def _pair(value: Any, what: str) -> tuple[Any, Any]:
    """(before, after) from a number, from a list of one and from a pair."""
    items = value if isinstance(value, tuple | list) else (value,)
    if len(items) not in (1, 2) or any(isinstance(v, tuple | list) for v in items):
        raise UsageError(f"pad: {what} is a number, a pair (before, after), or a pair for each axis, not {value!r}")
    return items[0], items[-1]


def _count(value: Any, given: Any) -> int:
    count = whole(value)
    if count is None:
        raise UsageError(f"pad_width is a number, a pair (before, after), or a pair for each axis, not {given!r}")
    if count < 0:
        raise ShapeError(f"pad: widths are at least 0, got {given!r}; cut with x[…]")
    return count
