"""Operations that rearrange elements: the record of each primitive, and the function that users call."""

from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.registry import EachInput, define, function
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
from tinygrad_lstm.kernels.movement import flip as flip_kernel
from tinygrad_lstm.kernels.movement import pad as pad_kernel

__all__ = [
    "broadcast_to",
    "concatenate",
    "flip",
    "reshape",
    "transpose",
]


def with_rank(x: Tensor, rank: int) -> Tensor:
    """Examples, along the first axis of ``x``, with axes of size 1 behind that axis, so that each has ``rank`` axes."""
    return reshape(x, (x.shape[0], *(1,) * (rank + 1 - x.ndim), *x.shape[1:]))


def for_each(x: Tensor, count: int, mapped: bool) -> Tensor:
    """``x`` for ``count`` examples along a first axis; where it is ``mapped`` it has that axis already."""
    return x if mapped else broadcast_to(x, (count, *x.shape))


def moved(x: Tensor, source: int, destination: int) -> Tensor:
    """``x`` with one axis at another place, all others in their order."""
    order = [a for a in range(x.ndim) if a != source]
    order.insert(destination, source)
    return transpose(x, tuple(order))


def behind(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The same axes behind a new first one."""
    return tuple(a + 1 for a in axes)


def _size(shape: Shape) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _reshape(x: TensorType, *, shape: Shape) -> TensorType:
    if _size(x.shape) != _size(shape):
        raise ShapeError(f"{_size(x.shape)} elements do not fill the shape {list(shape)} of {_size(shape)}")
    return TensorType(shape, x.dtype, x.device)


define(
    "reshape", _reshape, lambda xp, x, *, shape: x.reshape(shape), lambda g, y, x, shape: reshape(g, x.shape),
    batch=lambda count, _, x, shape: make("reshape", x, shape=(count, *shape)), kind="view",
)  # fmt: skip


@function
def reshape(x: Any, shape: Any, *, copy: bool | None = None) -> Tensor:
    """The elements of ``x`` in another shape, in row-major order; one size may be −1 and is computed.

    Args:
        copy: as in NumPy; an array never changes, so that nobody sees whether it is one.

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


def _transpose(x: TensorType, *, axes: tuple[int, ...]) -> TensorType:
    return TensorType(tuple(x.shape[a] for a in axes), x.dtype, x.device)


define(
    "transpose", _transpose, lambda xp, x, *, axes: x.transpose(axes),
    lambda g, y, x, axes: transpose(g, sorted(range(len(axes)), key=axes.__getitem__)),
    batch=lambda count, _, x, axes: make("transpose", x, axes=(0, *behind(axes))),
    label="ᵀ", latex=r"^\top", kind="view",
)  # fmt: skip


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


def _broadcast_to(x: TensorType, *, shape: Shape) -> TensorType:
    if broadcast_shapes(x.shape, shape) != shape:
        raise ShapeError(f"{list(x.shape)} does not broadcast to {list(shape)}; only sizes of 1 can grow")
    return TensorType(shape, x.dtype, x.device)


define(
    "broadcast_to", _broadcast_to, lambda xp, x, *, shape: xp.broadcast_to(x, shape),
    lambda g, y, x, shape: sum_to(g, x.shape),
    batch=lambda count, _, x, shape: make("broadcast_to", with_rank(x, len(shape)), shape=(count, *shape)),
    label="broadcast", kind="view",
)  # fmt: skip


def sum_to(g: Tensor, shape: Shape) -> Tensor:
    """``g`` summed over the axes along which a value of ``shape`` was repeated: what undoes a broadcast."""
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        i for i, (n, wanted) in enumerate(zip(g.shape[lead:], shape, strict=True), lead) if wanted == 1 and n != 1
    )
    return reshape(make("sum", g, axis=axes, keepdims=False), shape)


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


define(
    "flip", lambda x, *, axis: x, flip_kernel, lambda g, y, x, axis: flip(g, axis),
    batch=lambda count, _, x, axis: make("flip", x, axis=behind(axis)), kind="view",
)  # fmt: skip


@function
def flip(x: Any, axis: Any = None) -> Tensor:
    """``x`` in reversed order along ``axis``, along all axes by default.

    >>> print(tl.flip([1.0, 2.0, 3.0]))
    [3. 2. 1.]
    """
    node = as_tensor(x)
    if not node.shape and whole(axis) is not None:
        raise ShapeError(f"flip({node.type}): axis {axis} is out of range for an array of 0 axes")
    axes = normalize_axes(axis, node.ndim)
    return make("flip", node, axis=axes) if axes else node


def listed_operands(arrays: Any, what: str) -> list[Tensor]:
    if not isinstance(arrays, tuple | list):
        raise UsageError(f"{what} takes a tuple or list of arrays, not {type(arrays).__name__}")
    if not arrays:
        raise UsageError(f"{what} needs at least one array")
    return operands(*arrays)


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


def _piece(g: Tensor, y: Tensor, k: int, *inputs: Tensor, axis: int) -> Tensor:
    """The part of the cotangent that belongs to the ``k``-th of the joined arrays."""
    before = sum(x.shape[axis] for x in inputs[:k])
    start = tuple(before if i == axis else 0 for i in range(g.ndim))
    stop = tuple(before + inputs[k].shape[axis] if i == axis else n for i, n in enumerate(g.shape))
    return make("slice", g, start=start, stop=stop, step=(1,) * g.ndim)


def _concatenate_each(count: int, mapped: Sequence[bool], *inputs: Tensor, axis: int) -> Tensor:
    parts = [for_each(x, count, own) for x, own in zip(inputs, mapped, strict=True)]
    return make("concatenate", *parts, axis=axis + 1)


define(
    "concatenate", _concatenate, lambda xp, *arrays, axis: xp.concatenate(arrays, axis=axis), EachInput(_piece),
    batch=_concatenate_each, label="concat", latex=r"\operatorname{concat}",
)  # fmt: skip


@function
def concatenate(arrays: Any, axis: int | None = 0) -> Tensor:
    """The arrays end to end along ``axis``; all other sizes must be equal. With None each is flattened first.

    Raises:
        ShapeError: when they are not.

    >>> print(tl.concatenate([[1.0, 2.0], [3.0]]))
    [1. 2. 3.]
    """
    nodes = listed_operands(arrays, "concatenate")
    if axis is None:
        nodes, axis = [reshape(x, (x.size,)) for x in nodes], 0
    if not nodes[0].shape:
        raise ShapeError("concatenate: arrays without axes have no ends; use stack")
    place = normalize_axis(axis, nodes[0].ndim)
    return nodes[0] if len(nodes) == 1 else make("concatenate", *nodes, axis=place)


def _slice(x: TensorType, *, start: Shape, stop: Shape, step: Shape) -> TensorType:
    sizes = tuple(max(0, -(-(b - a) // s)) for a, b, s in zip(start, stop, step, strict=True))
    return TensorType(sizes, x.dtype, x.device)


def _padded(g: Tensor, y: Tensor, x: Tensor, *, start: Any, stop: Any, step: Any) -> Tensor:
    """The cotangent of a slice, with zeros where nothing was read."""
    interior = tuple(s - 1 for s in step)
    spans = [n + k * max(0, n - 1) for n, k in zip(g.shape, interior, strict=True)]
    high = tuple(size - a - span for size, a, span in zip(x.shape, start, spans, strict=True))
    return make("pad", g, low=start, high=high, interior=interior)


define(
    "slice", _slice, lambda xp, x, *, start, stop, step: x[tuple(map(slice, start, stop, step))], _padded,
    batch=lambda count, _, x, start, stop, step: make(
        "slice", x, start=(0, *start), stop=(count, *stop), step=(1, *step)
    ),
    label="[ : ]", kind="view",
)  # fmt: skip


def _pad(x: TensorType, *, low: Shape, high: Shape, interior: Shape) -> TensorType:
    sizes = tuple(a + n + b + k * max(0, n - 1) for n, a, b, k in zip(x.shape, low, high, interior, strict=True))
    return TensorType(sizes, x.dtype, x.device)


def _unpadded(g: Tensor, y: Tensor, x: Tensor, *, low: Any, high: Any, interior: Any) -> Tensor:
    step = tuple(k + 1 for k in interior)
    stop = tuple(a + (n - 1) * s + 1 if n else a for a, n, s in zip(low, x.shape, step, strict=True))
    return make("slice", g, start=low, stop=stop, step=step)


define(
    "pad", _pad, pad_kernel, _unpadded,
    batch=lambda count, _, x, low, high, interior: make(
        "pad", x, low=(0, *low), high=(0, *high), interior=(0, *interior)
    ),
)  # fmt: skip
