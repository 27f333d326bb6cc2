"""Operations that rearrange elements."""

from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import (
    Shape,
    TensorType,
    as_shape,
    broadcast_shapes,
    listed,
    normalize_axes,
    normalize_axis,
    whole,
)

__all__ = [
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flip",
    "pad",
    "ravel",
    "reshape",
    "squeeze",
    "stack",
    "swapaxes",
    "transpose",
]


def _size(shape: Shape) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _reshape(x: TensorType, *, shape: Shape) -> TensorType:
    if _size(x.shape) != _size(shape):
        raise ShapeError(f"{_size(x.shape)} elements do not fill the shape {list(shape)} of {_size(shape)}")
    return TensorType(shape, x.dtype, x.device)


def _transpose(x: TensorType, *, axes: tuple[int, ...]) -> TensorType:
    return TensorType(tuple(x.shape[a] for a in axes), x.dtype, x.device)


def _broadcast_to(x: TensorType, *, shape: Shape) -> TensorType:
    if broadcast_shapes(x.shape, shape) != shape:
        raise ShapeError(f"{list(x.shape)} does not broadcast to {list(shape)}; only sizes of 1 can grow")
    return TensorType(shape, x.dtype, x.device)


def _concatenate(*types: TensorType, axis: int) -> TensorType:
    first = types[0]
    for t in types[1:]:
        if len(t.shape) != len(first.shape) or any(
            a != b for i, (a, b) in enumerate(zip(t.shape, first.shape, strict=True)) if i != axis
        ):
            raise ShapeError(
                f"all sizes but those of axis {axis} must be equal, got {list(first.shape)} and {list(t.shape)}"
            )
    joined = sum(t.shape[axis] for t in types)
    return TensorType((*first.shape[:axis], joined, *first.shape[axis + 1 :]), first.dtype, first.device)


def _slice(x: TensorType, *, start: Shape, stop: Shape, step: Shape) -> TensorType:
    sizes = tuple(max(0, -(-(b - a) // s)) for a, b, s in zip(start, stop, step, strict=True))
    return TensorType(sizes, x.dtype, x.device)


def _pad(x: TensorType, *, low: Shape, high: Shape, interior: Shape) -> TensorType:
    sizes = tuple(a + n + b + k * max(0, n - 1) for n, a, b, k in zip(x.shape, low, high, interior, strict=True))
    return TensorType(sizes, x.dtype, x.device)


define("reshape", _reshape, kind="view")
define("transpose", _transpose, label="ᵀ", latex=r"^\top", kind="view")
define("broadcast_to", _broadcast_to, label="broadcast", kind="view")
define("flip", lambda x, *, axis: x, kind="view")
define("slice", _slice, label="[ : ]", kind="view")
define("pad", _pad)
define("concatenate", _concatenate, label="concat", latex=r"\operatorname{concat}")


@function
def reshape(x: Any, shape: Any) -> Tensor:
    """The elements of ``x`` in another shape, in row-major order; one size may be −1 and is computed.

    Raises:
        ShapeError: when the number of elements differs.

    >>> tl.reshape(tl.zeros((2, 6)), (3, -1)).shape
    (3, 4)
    """
    node = as_tensor(x)
    shape = listed(shape)
    items = list(shape) if isinstance(shape, Sequence) else [shape]
    unknown = [i for i, n in enumerate(items) if whole(n) == -1]
    if len(unknown) > 1:
        raise ShapeError(f"reshape({node.type}): only one size of {tuple(items)} can be -1")
    if unknown:
        known = _size(as_shape([n for i, n in enumerate(items) if i != unknown[0]]))
        if known == 0 or node.size % known:
            raise ShapeError(f"reshape({node.type}): {node.size} elements do not fill the shape {tuple(items)}")
        items[unknown[0]] = node.size // known
    target = as_shape(items)
    return node if target == node.shape else make("reshape", node, shape=target)


@function
def ravel(x: Any) -> Tensor:
    """All elements in one axis, in row-major order.

    >>> tl.ravel(tl.zeros((2, 3))).shape
    (6,)
    """
    return reshape(x, (-1,)) if as_tensor(x).size else reshape(x, (0,))


@function
def transpose(x: Any, axes: Any = None) -> Tensor:
    """The axes in another order: result axis ``i`` is axis ``axes[i]`` of ``x``; reversed by default.

    Raises:
        ShapeError: when ``axes`` is no permutation of all axes.

    >>> tl.transpose(tl.zeros((2, 3, 4)), (1, 0, 2)).shape
    (3, 2, 4)
    """
    node = as_tensor(x)
    if axes is None:
        order = tuple(reversed(range(node.ndim)))
    else:
        axes = listed(axes)
        if not isinstance(axes, Sequence):
            raise UsageError(
                f"transpose({node.type}): axes is a tuple with each of the {node.ndim} axes once, not {axes!r}; "
                "two axes are exchanged by swapaxes(x, axis1, axis2)"
            )
        order = tuple(normalize_axis(a, node.ndim) for a in axes)
        if sorted(order) != list(range(node.ndim)):
            raise ShapeError(
                f"transpose({node.type}): {tuple(axes)} is no permutation of its {node.ndim} axes; two axes are "
                "exchanged by swapaxes(axis1, axis2)"
            )
    return node if order == tuple(range(node.ndim)) else make("transpose", node, axes=order)


@function
def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """``x`` with two axes exchanged.

    >>> tl.swapaxes(tl.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    node = as_tensor(x)
    order = list(range(node.ndim))
    a, b = normalize_axis(axis1, node.ndim), normalize_axis(axis2, node.ndim)
    order[a], order[b] = order[b], order[a]
    return transpose(node, order)


@function
def broadcast_to(x: Any, shape: Any) -> Tensor:
    """``x`` repeated along new leading axes and axes of size 1.

    Raises:
        ShapeError: when another size would have to change.

    >>> print(tl.broadcast_to([1.0, 2.0], (2, 2)))
    [[1. 2.]
     [1. 2.]]
    """
    node = as_tensor(x)
    target = as_shape(shape)
    return node if target == node.shape else make("broadcast_to", node, shape=target)


@function
def expand_dims(x: Any, axis: Any) -> Tensor:
    """``x`` with axes of size 1 inserted at the places ``axis`` of the result.

    >>> tl.expand_dims(tl.zeros((2, 3)), 1).shape
    (2, 1, 3)
    """
    node = as_tensor(x)
    new = axis if isinstance(axis, tuple | list) else (axis,)
    places = normalize_axes(tuple(new), node.ndim + len(new))
    sizes = iter(node.shape)
    return reshape(node, tuple(1 if i in places else next(sizes) for i in range(node.ndim + len(new))))


@function
def squeeze(x: Any, axis: Any = None) -> Tensor:
    """``x`` without axes of size 1: all of them, or those named.

    Raises:
        ShapeError: when a named axis has another size.

    >>> tl.squeeze(tl.zeros((1, 3, 1)), axis=0).shape
    (3, 1)
    """
    node = as_tensor(x)
    places = normalize_axes(axis, node.ndim) if axis is not None else [i for i, n in enumerate(node.shape) if n == 1]
    for a in places:
        if node.shape[a] != 1:
            raise ShapeError(f"squeeze({node.type}): axis {a} has size {node.shape[a]}, not 1")
    return reshape(node, tuple(n for i, n in enumerate(node.shape) if i not in places))


@function
def flip(x: Any, axis: Any = None) -> Tensor:
    """``x`` in reversed order along ``axis``, along all axes by default.

    >>> print(tl.flip([1.0, 2.0, 3.0]))
    [3. 2. 1.]
    """
    node = as_tensor(x)
    axes = normalize_axes(axis, node.ndim)
    return make("flip", node, axis=axes) if axes else node


def _list_of(arrays: Any, what: str) -> list[Tensor]:
    if not isinstance(arrays, tuple | list):
        raise UsageError(f"{what} takes a tuple or list of arrays, not {type(arrays).__name__}")
    if not arrays:
        raise UsageError(f"{what} needs at least one array")
    return operands(*arrays)


@function
def concatenate(arrays: Any, axis: int = 0) -> Tensor:
    """The arrays end to end along ``axis``; all other sizes must be equal.

    Raises:
        ShapeError: when they are not.

    >>> print(tl.concatenate([[1.0, 2.0], [3.0]]))
    [1. 2. 3.]
    """
    nodes = _list_of(arrays, "concatenate")
    if not nodes[0].shape:
        raise ShapeError("concatenate: arrays without axes have no ends; use stack")
    place = normalize_axis(axis, nodes[0].ndim)
    return nodes[0] if len(nodes) == 1 else make("concatenate", *nodes, axis=place)


@function
def stack(arrays: Any, axis: int = 0) -> Tensor:
    """The arrays, all of one shape, along a new axis.

    Raises:
        ShapeError: when the shapes differ.

    >>> tl.stack([tl.zeros(3), tl.ones(3)]).shape
    (2, 3)
    """
    nodes = _list_of(arrays, "stack")
    for node in nodes[1:]:
        if node.shape != nodes[0].shape:
            raise ShapeError(f"stack: all arrays must have one shape, got {nodes[0].type} and {node.type}")
    place = normalize_axis(axis, nodes[0].ndim + 1)
    return concatenate([expand_dims(node, place) for node in nodes], place)


@function
def pad(x: Any, pad_width: Any) -> Tensor:
    """``x`` with zeros round it.

    Args:
        pad_width: a number for all sides, or a pair (before, after) for each axis.

    Raises:
        ShapeError: for negative widths or another number of pairs than axes.

    >>> print(tl.pad([1.0, 2.0], [(1, 2)]))
    [0. 1. 2. 0. 0.]
    """
    node = as_tensor(x)
    if (width := whole(pad_width)) is not None:
        pairs = [(width, width)] * node.ndim
    elif isinstance(pad_width, tuple | list) and all(isinstance(p, tuple | list) and len(p) == 2 for p in pad_width):
        pairs = [as_shape(list(p)) for p in pad_width]  # type: ignore[misc]  # each has two sizes
    else:
        raise UsageError(f"pad_width is a number or a pair for each axis, not {pad_width!r}")
    if len(pairs) != node.ndim or any(a < 0 or b < 0 for a, b in pairs):
        raise ShapeError(f"pad({node.type}): one pair of widths ≥ 0 for each axis is wanted, got {pad_width!r}")
    low, high = tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
    return make("pad", node, low=low, high=high, interior=(0,) * node.ndim)
