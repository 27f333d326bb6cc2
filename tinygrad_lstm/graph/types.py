"""What is known of a value before it exists: its shape, element type and device; and the rules that many ops share."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.graph.dtypes import DType, bool_

__all__ = [
    "Shape",
    "TensorType",
    "as_shape",
    "bits",
    "broadcast_alike",
    "broadcast_shapes",
    "comparison",
    "integers",
    "listed",
    "normalize_axes",
    "normalize_axis",
    "numbers_alike",
    "reals",
    "same_dtype",
    "whole",
]

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape, element type and device of one array; prints as ``f32[2,3]``."""

    shape: Shape
    dtype: DType
    device: str = "cpu"

    def __call__(self, *_: Any) -> NoReturn:
        raise UsageError("x.type is shape, element type and device; another element type is x.astype(dtype)")

    def __str__(self) -> str:
        where = "" if self.device == "cpu" else f"@{self.device}"
        return f"{self.dtype.short}[{','.join(map(str, self.shape))}]{where}"


def whole(value: Any) -> int | None:
    """``value`` as an integer; None where it is none, as a bool or an array with axes.

    >>> whole(3), whole(3.0), whole(True)
    (3, None, None)
    """
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def listed(value: Any) -> Any:
    """An array of NumPy as nested lists of Python numbers; what is none, or has no axes, as it is.

    >>> import numpy
    >>> listed(numpy.array([2, 3])), listed((2, 3))
    ([2, 3], (2, 3))
    """
    return value.tolist() if hasattr(value, "__array_interface__") and value.ndim > 0 else value


def as_shape(shape: Any) -> Shape:
    """A shape as a tuple of sizes, from an integer or a sequence or vector of integers.

    >>> as_shape(3), as_shape([2, 3])
    ((3,), (2, 3))

    Raises:
        UsageError: when it is neither.
        ShapeError: for a negative size.
    """
    shape = listed(shape)
    items = (shape,) if not isinstance(shape, Sequence) or isinstance(shape, str) else tuple(shape)
    sizes = []
    for item in items:
        size = whole(item)
        if size is None:
            given = f"an array of shape {list(shape.shape)}" if hasattr(shape, "shape") else repr(shape)
            raise UsageError(f"a shape is an integer or a tuple of integers, not {given}")
        sizes.append(size)
    if any(size < 0 for size in sizes):
        raise ShapeError(f"a shape has no negative sizes, got {tuple(sizes)}")
    return tuple(sizes)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The common shape of arrays that meet in one elementwise operation, by NumPy's rules.

    >>> broadcast_shapes((16, 1), (64,))
    (16, 64)

    Raises:
        ShapeError: when two sizes differ and neither is 1.
    """
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return first
    rank = max(len(shape) for shape in shapes)
    result = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, rank - len(shape)):
            if size == 1 or size == result[axis]:
                continue
            if result[axis] != 1:
                listed = " and ".join(str(list(s)) for s in shapes)
                raise ShapeError(
                    f"shapes {listed} do not broadcast: axis {axis - rank} has sizes {result[axis]} and {size}; "
                    "sizes must be equal or 1, counted from the right"
                )
            result[axis] = size
    return tuple(result)


def normalize_axis(axis: Any, rank: int, what: str = "axis") -> int:
    """``axis`` counted from the left, in ``0 … rank − 1``.

    Raises:
        ShapeError: when it is out of range.
        UsageError: when it is no integer.
    """
    index = whole(axis)
    if index is None:
        if getattr(axis, "shape", ()):
            raise UsageError(
                f"{what} is an integer, not an array; two arrays are combined by functions such as "
                "tl.maximum(x, y), and several by tl.stack"
            )
        raise UsageError(f"{what} is an integer, not {axis!r}")
    if not -rank <= index < rank:
        dims = "1 axis" if rank == 1 else f"{rank} axes"
        known = f"; give one of {-rank} … {rank - 1}" if rank else ""
        raise ShapeError(f"{what} {index} is out of range for an array of {dims}{known}")
    return index % rank


def normalize_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """The sorted axes that ``axis`` names: ``None`` for all, an integer, or a tuple without repetitions.

    A number has no axes, but counts as its own sum, maximum and so on over axis 0 or −1, as in NumPy.
    """
    if axis is None or (rank == 0 and whole(axis) in (0, -1)):
        return tuple(range(rank))
    axis = listed(axis)
    axes = [normalize_axis(a, rank) for a in (axis if isinstance(axis, tuple | list) else (axis,))]
    if len(set(axes)) != len(axes):
        raise ShapeError(f"axis {axis} names an axis twice")
    return tuple(sorted(axes))


def same_dtype(*types: TensorType) -> None:
    """Raise when the operands have different element types."""
    if any(t.dtype is not types[0].dtype for t in types):
        raise DTypeError("operands of one element type are wanted; convert with .astype")


def broadcast_alike(*types: TensorType) -> TensorType:
    """The rule for operands of one element type, which broadcast."""
    same_dtype(*types)
    return TensorType(broadcast_shapes(*[t.shape for t in types]), types[0].dtype, types[0].device)


def numbers_alike(*types: TensorType) -> TensorType:
    """The rule for numbers of one element type, which broadcast."""
    if types[0].dtype is bool_:
        raise DTypeError("bools are no numbers; use logical operations, or .astype(tl.int64)")
    return broadcast_alike(*types)


def reals(*types: TensorType) -> TensorType:
    """The rule for floats of one element type, which broadcast."""
    if not types[0].dtype.is_float:
        raise DTypeError(f"floats are wanted, not {types[0].dtype}; convert with .astype(tl.float32)")
    return broadcast_alike(*types)


def integers(*types: TensorType) -> TensorType:
    """The rule for integers of one element type, which broadcast."""
    if types[0].dtype.kind not in "iu":
        raise DTypeError(f"integers are wanted, not {types[0].dtype}")
    return broadcast_alike(*types)


def bits(*types: TensorType) -> TensorType:
    """The rule for integers or bools of one element type, which broadcast."""
    if types[0].dtype.is_float:
        raise DTypeError(f"bools or integers are wanted, not {types[0].dtype}; compare first, for example x != 0")
    return broadcast_alike(*types)


def comparison(a: TensorType, b: TensorType) -> TensorType:
    """The rule of a comparison: two operands of one element type broadcast, and the result holds bools."""
    same_dtype(a, b)
    return TensorType(broadcast_shapes(a.shape, b.shape), bool_, a.device)
