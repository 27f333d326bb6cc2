"""``x[key]`` by NumPy's rules, and functions that pick one element for each index."""

import math
from collections.abc import Iterator
from typing import Any

from tinygrad_lstm.errors import DTypeError, IndexingError, ShapeError, UsageError
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import as_tensor, operands, shared_device
from tinygrad_lstm.graph.dtypes import as_dtype, bool_, float32, int64
from tinygrad_lstm.graph.operators import Operators
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import Shape, broadcast_shapes, normalize_axis, whole
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.ops.index import as_count, take
from tinygrad_lstm.ops.logic import bitwise_and, equal, less, less_equal, where
from tinygrad_lstm.ops.shape import broadcast_to, flip, reshape, transpose
from tinygrad_lstm.ops.source import arange_node, full_node

__all__ = ["getitem", "one_hot", "take_along_axis"]


@function
@composition()
def one_hot(indices: Any, num_classes: int, dtype: Any = float32) -> Tensor:
    """1 at the index, 0 elsewhere, along a new last axis; all zeros for an index out of range.

    >>> print(tl.one_hot(tl.tensor([0, 2]), 3))
    [[1. 0. 0.]
     [0. 0. 1.]]
    """
    node = as_tensor(indices)
    if node.dtype.kind not in "iu":
        raise DTypeError(f"one_hot({node.type}): indices are integers; convert with .astype(tl.int64)")
    classes = arange_node(as_count("one_hot: num_classes", num_classes), node.dtype, node.device)
    return equal(reshape(node, (*node.shape, 1)), classes).astype(as_dtype(dtype))


@function
@composition()
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Tensor:
    """One element along ``axis`` for each index: ``y[i, j] = x[indices[i, j], j]`` for axis 0. None flattens.

    Shapes: ``indices`` has the axes of ``x``; the others than ``axis`` broadcast.

    Raises:
        IndexingError: when an index is out of range (found when evaluated).

    >>> print(tl.take_along_axis([[1.0, 2.0], [3.0, 4.0]], tl.tensor([[1], [0]]), axis=1))
    [[2.]
     [3.]]
    """
    device = shared_device(x, indices)
    node, places = as_tensor(x, device=device), as_tensor(indices, device=device)
    if axis is None:
        node, axis = reshape(node, (node.size,)), 0
    if places.ndim != node.ndim:
        raise ShapeError(f"take_along_axis({node.type}, {places.type}): the indices need as many axes as the array")
    along = normalize_axis(axis, node.ndim)
    key: list[Any] = []
    for a, n in enumerate(node.shape):
        shape = tuple(-1 if k == a else 1 for k in range(node.ndim))
        if a == along:
            key.append(places)
        elif n == 1:
            key.append(0)
        else:
            key.append(reshape(arange_node(n, int64, node.device), shape))
    sizes = [places.shape[a] if a == along else _common(n, places.shape[a]) for a, n in enumerate(node.shape)]
    return broadcast_to(getitem(node, tuple(key)), tuple(sizes))


def _common(size: int, given: int) -> int:
    (common,) = broadcast_shapes((size,), (given,))
    return common


@function
def getitem(x: Any, key: Any) -> Tensor:
    """``x[key]`` by NumPy's rules for integers, slices, ``...``, ``None`` and arrays of integers.

    Several arrays broadcast together. Their axes take the place of the first of them, or come first where a slice,
    ``...`` or ``None`` stands between two of the arrays and integers.

    Raises:
        IndexingError: for too many indices, one out of range (in an array: when evaluated), a mask of bools, or
            another kind of key.

    >>> x = tl.reshape(tl.arange(12), (3, 4))
    >>> print(x[1], x[:, -1], x[::-2, 0], x[[0, 2], [1, 3]])
    [4 5 6 7] [ 3  7 11] [8 0] [ 1 11]
    """
    node = as_tensor(x)
    items = _expanded(node, key if isinstance(key, tuple) else (key,))
    result = _sliced(node, items)
    # From here on integers are gone: an axis of the result belongs to a slice or to an array.
    kept = [item for item in items if isinstance(item, slice | Tensor)]
    axes = [a for a, item in enumerate(kept) if isinstance(item, Tensor)]
    if not axes:
        return reshape(result, _with_new_axes(items, iter(result.shape), ()))
    arrays = [item for item in kept if isinstance(item, Tensor)]
    result, at = _gathered(node, result, axes, arrays)
    rank = result.ndim - (len(kept) - len(axes))
    target = _place_of_arrays(items)
    if at != target:
        rest = [a for a in range(result.ndim) if not at <= a < at + rank]
        result = transpose(result, (*rest[:target], *range(at, at + rank), *rest[target:]))
    sizes = result.shape
    others = iter((*sizes[:target], *sizes[target + rank :]))
    return reshape(result, _with_new_axes(items, others, sizes[target : target + rank]))


def _sliced(node: Tensor, items: list[Any]) -> Tensor:
    """``node`` with the slices and integers of the key applied; axes that an array indexes stay whole."""
    start, stop, step = [0] * node.ndim, list(node.shape), [1] * node.ndim
    reversed_axes: list[int] = []
    dropped: list[int] = []
    for axis, item in enumerate([item for item in items if item is not None and item is not Ellipsis]):
        size = node.shape[axis]
        if isinstance(item, slice):
            first, last, stride = _bounds(item, size)
            if stride < 0:
                # a[first:last:-s] reversed is the forward slice that starts at its last element.
                count = max(0, -(-(first - last) // -stride))
                first, last, stride = first + (count - 1) * stride, first + 1, -stride
                reversed_axes.append(axis)
                if count == 0:
                    first, last = 0, 0
            start[axis], stop[axis], step[axis] = first, max(first, last), stride
        elif not isinstance(item, Tensor):
            index = item + size if item < 0 else item
            if not 0 <= index < size:
                raise IndexingError(
                    f"getitem({node.type}): index {item} is out of range for axis {axis} of size {size}"
                )
            start[axis], stop[axis] = index, index + 1
            dropped.append(axis)
    result = node
    if start != [0] * node.ndim or tuple(stop) != node.shape or step != [1] * node.ndim:
        result = make("slice", node, start=tuple(start), stop=tuple(stop), step=tuple(step))
    if reversed_axes:
        result = flip(result, tuple(reversed_axes))
    return reshape(result, tuple(n for a, n in enumerate(result.shape) if a not in dropped))


def _gathered(node: Tensor, x: Tensor, axes: list[int], arrays: list[Tensor]) -> tuple[Tensor, int]:
    """``x`` indexed by ``arrays`` along ``axes``, and the first axis of the result that belongs to the arrays."""
    if len(axes) == 1:
        return take(x, arrays[0], axes[0]), axes[0]
    try:
        shape = broadcast_shapes(*[i.shape for i in arrays])
    except ShapeError:
        shapes = " and ".join(str(list(i.shape)) for i in arrays)
        raise IndexingError(f"getitem({node.type}): the arrays of indices {shapes} do not broadcast") from None
    at = axes[0]
    if axes[-1] - at + 1 != len(axes):
        x = transpose(x, (*axes, *[a for a in range(x.ndim) if a not in axes]))
        at = 0
    sizes = x.shape[at : at + len(axes)]
    total = math.prod(sizes)
    flat = full_node((), 0, int64, node.device)
    inside = full_node((), True, bool_, node.device)
    for n, i in zip(sizes, arrays, strict=True):
        index = i.astype(int64)
        inside = bitwise_and(inside, bitwise_and(less_equal(-n, index), less(index, n)))
        flat = flat * n + where(less(index, 0), index + n, index)
    # The indexed axes become one. An index out of range of its own axis becomes one out of range of the joint axis.
    places = broadcast_to(where(inside, flat, total), shape)
    return take(reshape(x, (*x.shape[:at], total, *x.shape[at + len(axes) :])), places, at), at


def _place_of_arrays(items: list[Any]) -> int:
    """How many axes of slices NumPy puts before the axes of the arrays."""
    picks = [k for k, item in enumerate(items) if isinstance(item, Tensor | int)]
    if picks[-1] - picks[0] + 1 != len(picks):
        return 0
    return sum(1 for item in items[: picks[0]] if isinstance(item, slice))


def _with_new_axes(items: list[Any], sliced: Iterator[int], arrays: Shape) -> Shape:
    """The shape of the result: the axes of slices and None in order, and the axes of the arrays among them.

    Args:
        sliced: the sizes of the axes of slices, in order.
        arrays: the shape of the broadcast arrays.
    """
    picks = [k for k, item in enumerate(items) if isinstance(item, Tensor | int)]
    together = bool(picks) and picks[-1] - picks[0] + 1 == len(picks)
    basic = [1 if item is None else next(sliced) for item in items if item is None or isinstance(item, slice)]
    before = sum(item is not Ellipsis for item in items[: picks[0]]) if together else 0
    return (*basic[:before], *arrays, *basic[before:])


def _expanded(node: Tensor, key: tuple[Any, ...]) -> list[Any]:
    """The items of the key, checked, with ``...`` and missing axes as whole slices."""
    items = [_checked(node, item) for item in key]
    used = sum(1 for item in items if item is not None and item is not Ellipsis)
    if used > node.ndim:
        raise IndexingError(f"getitem({node.type}): {used} indices for {node.ndim} axes")
    ellipses = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexingError(f"getitem({node.type}): only one ... is allowed")
    at = ellipses[0] if ellipses else len(items)
    # ``...`` that stands for no axis is kept: it still separates arrays.
    whole: list[Any] = [slice(None)] * (node.ndim - used) or [Ellipsis] * len(ellipses)
    return [*items[:at], *whole, *items[at + 1 :]]


def _checked(node: Tensor, item: Any) -> Any:
    """An item of a key, with integers and arrays of integers in one form each; raises for every other kind."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, bool) or getattr(item, "dtype", None) == bool_:
        raise IndexingError(
            f"getitem({node.type}): a mask of bools gives a shape that depends on values; use tl.where to choose"
        )
    if not isinstance(item, Operators | list) and (index := whole(item)) is not None:
        return index
    if isinstance(item, Tensor | Variable | list) or hasattr(item, "dtype"):
        indices = as_tensor(item, device=node.device)
        if indices.dtype.kind not in "iu":
            raise IndexingError(f"getitem({node.type}): an array of indices holds integers, not {indices.dtype}")
        return indices
    raise IndexingError(
        f"getitem({node.type}): {item!r} is no index; use integers, slices, ..., None or an array of integers"
    )


def _bounds(item: slice, size: int) -> tuple[int, int, int]:
    try:
        return item.indices(size)
    except (TypeError, ValueError) as error:
        raise IndexingError(f"the slice {item} is not made of integers with a step other than 0: {error}") from None


def take_along_last(x: Any, indices: Any) -> Tensor:
    """``x[…, indices[…]]``: one element of the last axis for each position; the others may be infinite."""
    (node,) = operands(x)
    chosen = one_hot(indices, node.shape[-1], bool_)
    if chosen.shape != node.shape:
        raise UsageError(f"indices {chosen.shape[:-1]} do not fit the leading axes of {node.type}")
    return where(chosen, node, 0).sum(axis=-1, dtype=node.dtype)
