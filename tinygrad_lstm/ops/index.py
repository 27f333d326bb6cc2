"""Picking elements by their indices, and adding to them."""

from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, cast_to, constant, shared_device
from tinygrad_lstm.graph.dtypes import int64, uint64
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, normalize_axis, whole
from tinygrad_lstm.kernels.movement import scatter_add as scatter_add_kernel
from tinygrad_lstm.ops.logic import bitwise_and, less, less_equal, where
from tinygrad_lstm.ops.shape import for_each, moved, reshape, transpose

__all__ = ["scatter_add", "take"]


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


def _own_table(indices: Tensor, length: int) -> Tensor:
    """Indices ``(count, …)``, each into a table of its own of that ``length``, as indices into all tables in a row."""
    count, rank = indices.shape[0], indices.ndim
    places = cast_to(indices, int64)
    zero, width, end = (constant(n, int64, indices.device) for n in (0, length, count * length))
    inside = where(less(places, zero), places + width, places)
    own = reshape(make("arange", length=count, dtype=int64, device=indices.device), (count, *(1,) * (rank - 1)))
    # An index out of range of its own table must not hit the table of another example: it becomes the end of all.
    known = bitwise_and(less_equal(zero, inside), less(inside, width))
    return where(known, inside + own * width, end)


def _take_each(count: int, mapped: Sequence[bool], x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    if not mapped[0]:
        # The first axis of the indices, that of the examples, has come to stand at `axis`.
        return moved(make("take", x, indices, axis=axis), axis, 0)
    if not mapped[1]:
        return make("take", x, indices, axis=axis + 1)
    tables = moved(x, axis + 1, 1)
    length, rest = tables.shape[1], tables.shape[2:]
    taken = make("take", reshape(tables, (count * length, *rest)), _own_table(indices, length), axis=0)
    # (count, *indices, *before, *behind) becomes (count, *before, *indices, *behind).
    start, end = indices.ndim, indices.ndim + axis
    return transpose(taken, (0, *range(start, end), *range(1, start), *range(end, taken.ndim)))


def _scatter_add_each(
    count: int, mapped: Sequence[bool], updates: Tensor, indices: Tensor, *, axis: int, size: int
) -> Tensor:
    each = for_each(updates, count, mapped[0])
    if not mapped[1]:
        return make("scatter_add", each, indices, axis=axis + 1, size=size)
    # (count, *before, *indices, *behind) becomes (count, *indices, *before, *behind), for one table of all examples.
    start, end = 1 + axis, indices.ndim + axis
    rows = transpose(each, (0, *range(start, end), *range(1, start), *range(end, each.ndim)))
    total = make("scatter_add", rows, _own_table(indices, size), axis=0, size=count * size)
    return moved(reshape(total, (count, size, *total.shape[1:])), 1, 1 + axis)


def _signed(indices: Any) -> Any:
    """The indices as NumPy 2.0 takes them: it refuses uint64."""
    return indices.astype("int64") if indices.dtype == "uint64" else indices


define(
    "take", _take, lambda xp, x, indices, *, axis: xp.take(x, _signed(indices), axis=axis),
    (lambda g, y, x, i, axis: scatter_add(g, i, axis, size=x.shape[axis]), None), batch=_take_each,
)  # fmt: skip


@function
def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """The slices of ``x`` at ``indices`` along ``axis``; elements of the flattened array by default.

    Shapes: the axes of ``indices`` take the place of the axis. Indices count from 0, negative ones from the end. Where
    an index repeats, the gradient adds up.

    Raises:
        DTypeError: when the indices are no integers.
        IndexingError: when one is out of range (found when evaluated).

    >>> print(tl.take([10.0, 20.0, 30.0], tl.tensor([2, 0])))
    [30. 10.]
    """
    node = as_tensor(x, device=shared_device(x, indices))
    if axis is None or not node.shape:
        node = reshape(node, (node.size,))
        axis = axis or 0
    return make("take", node, _places(as_tensor(indices, device=node.device)), axis=normalize_axis(axis, node.ndim))


def _places(indices: Tensor) -> Tensor:
    """Indices as array libraries take them: no array has as many elements as uint64 can count."""
    return cast_to(indices, int64) if indices.dtype is uint64 else indices


define(
    "scatter_add", _scatter_add, scatter_add_kernel, (lambda g, y, x, i, axis, size: take(g, i, axis), None),
    batch=_scatter_add_each, label="scatter +",
)  # fmt: skip


@function
def scatter_add(updates: Any, indices: Any, axis: int = 0, *, size: int) -> Tensor:
    """Zeros to which ``updates`` are added at ``indices`` along an axis of length ``size``: the transpose of ``take``.

    Repeated indices add up, always in the same order.

    >>> print(tl.scatter_add([1.0, 2.0, 3.0], tl.tensor([0, 2, 0]), size=4))
    [4. 0. 2. 0.]
    """
    device = shared_device(updates, indices)
    node, places = as_tensor(updates, device=device), as_tensor(indices, device=device)
    rank = node.ndim - places.ndim + 1
    if rank < 1:
        raise ShapeError(f"scatter_add({node.type}, {places.type}): there are more axes of indices than of updates")
    return make(
        "scatter_add", node, _places(places), axis=normalize_axis(axis, rank), size=as_count("scatter_add: size", size)
    )


def as_count(what: str, value: Any) -> int:
    """``value`` as a Python integer ≥ 0; the error calls it ``what``."""
    count = whole(value)
    if count is None or count < 0:
        raise UsageError(f"{what} is an integer ≥ 0, not {value!r}")
    return count
