"""Picking elements."""

from typing import Any

from tinygrad_lstm.errors import DTypeError, IndexingError, ShapeError, UsageError
from tinygrad_lstm.graph.cells import Cell
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.dtypes import as_dtype, bool_, float32
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, normalize_axis
from tinygrad_lstm.ops.logic import equal, where
from tinygrad_lstm.ops.shape import expand_dims, flip, reshape, transpose
from tinygrad_lstm.ops.source import arange_node

__all__ = ["getitem", "one_hot", "scatter_add", "take"]


def _indices(indices: TensorType) -> None:
    if indices.dtype.kind not in "iu":
        raise DTypeError(f"indices are integers, not {indices.dtype}; convert with .astype(tl.int64)")


def _take(x: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    _indices(indices)
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return TensorType(shape, x.dtype, x.device)


def _scatter_add(updates: TensorType, indices: TensorType, *, axis: int, size: int) -> TensorType:
    _indices(indices)
    rank = len(indices.shape)
    if updates.shape[axis : axis + rank] != indices.shape:
        raise ShapeError(f"the updates {updates} do not have the indices' shape {list(indices.shape)} at axis {axis}")
    shape = (*updates.shape[:axis], size, *updates.shape[axis + rank :])
    return TensorType(shape, updates.dtype, updates.device)


define("take", _take, label="take")
define("scatter_add", _scatter_add, label="scatter +")


@function
def take(x: Any, indices: Any, axis: int = 0) -> Tensor:
    """The slices of ``x`` at ``indices`` along ``axis``.

    Shapes: the axis is replaced by the axes of ``indices``. Indices count from 0, negative ones from the end; the
    gradient adds where an index repeats.

    Raises:
        DTypeError: when the indices are no integers.
        IndexingError: when one is out of range (found when evaluated).

    >>> import tinygrad_lstm as tl
    >>> print(tl.take([10.0, 20.0, 30.0], tl.tensor([2, 0])))
    [30. 10.]
    """
    node = as_tensor(x)
    if not node.shape:
        raise ShapeError(f"take({node.type}): an array without axes has no slices")
    return make("take", node, as_tensor(indices), axis=normalize_axis(axis, node.ndim))


@function
def scatter_add(updates: Any, indices: Any, axis: int = 0, *, size: int) -> Tensor:
    """Zeros to which ``updates`` are added at ``indices`` along an axis of length ``size``: the transpose of ``take``.

    Repeated indices add up, always in the same order.

    >>> import tinygrad_lstm as tl
    >>> print(tl.scatter_add([1.0, 2.0, 3.0], tl.tensor([0, 2, 0]), size=4))
    [4. 0. 2. 0.]
    """
    node, places = as_tensor(updates), as_tensor(indices)
    rank = node.ndim - places.ndim + 1
    if rank < 1:
        raise ShapeError(f"scatter_add({node.type}, {places.type}): there are more axes of indices than of updates")
    return make("scatter_add", node, places, axis=normalize_axis(axis, rank), size=size)


@function
def one_hot(indices: Any, num_classes: int, dtype: Any = float32) -> Tensor:
    """1 at the index, 0 elsewhere, along a new last axis; all zeros for an index out of range.

    >>> import tinygrad_lstm as tl
    >>> print(tl.one_hot(tl.tensor([0, 2]), 3))
    [[1. 0. 0.]
     [0. 0. 1.]]
    """
    node = as_tensor(indices)
    if node.dtype.kind not in "iu":
        raise DTypeError(f"one_hot({node.type}): indices are integers; convert with .astype(tl.int64)")
    classes = arange_node(num_classes, node.dtype, node.device)
    return equal(expand_dims(node, -1), classes).astype(as_dtype(dtype))


@function
def getitem(x: Any, key: Any) -> Tensor:
    """``x[key]`` by NumPy's rules for integers, slices, ``...`` and ``None``, and one array of integers.

    Raises:
        IndexingError: for too many indices, one out of range, a mask of bools, or another kind of key.

    >>> import tinygrad_lstm as tl
    >>> x = tl.reshape(tl.arange(12), (3, 4))
    >>> print(x[1], x[:, -1], x[::-2, 0])
    [4 5 6 7] [ 3  7 11] [8 0]
    """
    node = as_tensor(x)
    items = _expanded(node, key if isinstance(key, tuple) else (key,))
    start, stop, step = [0] * node.ndim, list(node.shape), [1] * node.ndim
    reversed_axes: list[int] = []
    shape: list[int | None] = []  # None stands for the size of the next sliced axis
    gathered: tuple[int, Tensor] | None = None
    axis = 0
    for item in items:
        if item is None:
            shape.append(1)
            continue
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
            shape.append(None)
        elif isinstance(item, Tensor):
            if gathered is not None:
                raise IndexingError(f"getitem({node.type}): only one array of indices is supported; use take twice")
            gathered = axis, item
            shape.append(None)
        else:
            index = item + size if item < 0 else item
            if not 0 <= index < size:
                raise IndexingError(
                    f"getitem({node.type}): index {item} is out of range for axis {axis} of size {size}"
                )
            start[axis], stop[axis] = index, index + 1
        axis += 1
    if start != [0] * node.ndim or tuple(stop) != node.shape or step != [1] * node.ndim:
        result: Tensor = make("slice", node, start=tuple(start), stop=tuple(stop), step=tuple(step))
    else:
        result = node
    if reversed_axes:
        result = flip(result, tuple(reversed_axes))
    if gathered is not None:
        result = take(result, gathered[1], gathered[0])
    return _in_numpy_order(_shaped(result, items, shape, gathered), items)


def _shaped(result: Tensor, items: list[Any], shape: list[int | None], gathered: tuple[int, Tensor] | None) -> Tensor:
    sizes = list(result.shape)
    target: list[int] = []
    at = 0
    for item in items:
        if item is None:
            target.append(1)
        elif isinstance(item, slice):
            target.append(sizes[at])
            at += 1
        elif isinstance(item, Tensor):
            target.extend(sizes[at : at + item.ndim])
            at += item.ndim
        else:
            at += 1
    return reshape(result, tuple(target))


def _in_numpy_order(result: Tensor, items: list[Any]) -> Tensor:
    """The axes of the array of indices in front, where a slice or None stands between it and an integer."""
    picks = [k for k, item in enumerate(items) if isinstance(item, Tensor | int)]
    array = next((k for k in picks if isinstance(items[k], Tensor)), None)
    if array is None or picks[-1] - picks[0] + 1 == len(picks):
        return result
    before = sum(1 for item in items[:array] if not isinstance(item, int))
    moved = range(before, before + items[array].ndim)
    return transpose(result, (*moved, *[k for k in range(result.ndim) if k not in moved]))


def _expanded(node: Tensor, key: tuple[Any, ...]) -> list[Any]:
    items = [_checked(node, item) for item in key]
    used = sum(1 for item in items if item is not None and item is not Ellipsis)
    if used > node.ndim:
        raise IndexingError(f"getitem({node.type}): {used} indices for {node.ndim} axes")
    ellipses = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexingError(f"getitem({node.type}): only one ... is allowed")
    at = ellipses[0] if ellipses else len(items)
    return [*items[:at], *[slice(None)] * (node.ndim - used), *items[at + 1 :]]


def _checked(node: Tensor, item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, bool) or getattr(item, "dtype", None) == bool_:
        raise IndexingError(
            f"getitem({node.type}): a mask of bools gives a shape that depends on values; use tl.where to choose"
        )
    if not isinstance(item, Tensor | Cell | list) and hasattr(item, "__index__") and not getattr(item, "shape", ()):
        return int(item.__index__())
    if isinstance(item, Tensor | Cell | list) or hasattr(item, "dtype"):
        indices = as_tensor(item)
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
    """``x[…, indices[…]]``: one element of the last axis for each position; what is not chosen may be infinite."""
    (node,) = operands(x)
    chosen = one_hot(indices, node.shape[-1], bool_)
    if chosen.shape != node.shape:
        raise UsageError(f"indices {chosen.shape[:-1]} do not fit the leading axes of {node.type}")
    return where(chosen, node, 0).sum(axis=-1)
