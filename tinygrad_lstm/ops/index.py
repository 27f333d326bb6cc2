"""Picking elements by their indices, and adding to them."""

from typing import Any

from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, shared_device
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, normalize_axis, whole
from tinygrad_lstm.kernels.movement import scatter_add as scatter_add_kernel
from tinygrad_lstm.ops.shape import reshape

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


define(
    "take", _take, lambda xp, x, indices, *, axis: xp.take(x, indices, axis=axis),
    (lambda g, y, x, i, axis: scatter_add(g, i, axis, size=x.shape[axis]), None),
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
    return make("take", node, as_tensor(indices, device=node.device), axis=normalize_axis(axis, node.ndim))


define(
    "scatter_add", _scatter_add, scatter_add_kernel, (lambda g, y, x, i, axis, size: take(g, i, axis), None),
    label="scatter +",
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
    return make("scatter_add", node, places, axis=normalize_axis(axis, rank), size=as_count("scatter_add: size", size))


def as_count(what: str, value: Any) -> int:
    """``value`` as a Python integer ≥ 0; the error calls it ``what``."""
    count = whole(value)
    if count is None or count < 0:
        raise UsageError(f"{what} is an integer ≥ 0, not {value!r}")
    return count
