"""The array API standard's names of functions that have NumPy's older names here. NumPy 2, too, has both."""

from collections.abc import Callable
from typing import Any, Final

from tinygrad_lstm.errors import ShapeError
from tinygrad_lstm.functions.elementary import arccos, arccosh, arcsin, arcsinh, arctan, arctanh
from tinygrad_lstm.functions.filling import full
from tinygrad_lstm.functions.rounding import left_shift
from tinygrad_lstm.functions.statistics import cumprod, cumsum
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import normalize_axis
from tinygrad_lstm.ops.elementwise import power
from tinygrad_lstm.ops.integers import right_shift
from tinygrad_lstm.ops.logic import invert
from tinygrad_lstm.ops.shape import concatenate, transpose
from tinygrad_lstm.ops.trigonometry import arctan2

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_right_shift",
    "concat",
    "cumulative_prod",
    "cumulative_sum",
    "permute_dims",
    "pow",
]

acos: Final = arccos
acosh: Final = arccosh
asin: Final = arcsin
asinh: Final = arcsinh
atan: Final = arctan
atan2: Final = arctan2
atanh: Final = arctanh
bitwise_invert: Final = invert
bitwise_left_shift: Final = left_shift
bitwise_right_shift: Final = right_shift
concat: Final = concatenate
permute_dims: Final = transpose
pow: Final = power


@function
def cumulative_sum(x: Any, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """The sums of the first 1, 2, … elements along ``axis``, which a vector need not name; see :func:`cumsum`.

    Args:
        include_initial: whether the sum of no elements, 0, stands in front.

    Raises:
        ShapeError: without ``axis``, when there are several.

    >>> print(tl.cumulative_sum([1.0, 2.0, 3.0], include_initial=True))
    [0. 1. 3. 6.]
    """
    return _cumulative(cumsum, 0, "cumulative_sum", x, axis, dtype, include_initial)


@function
def cumulative_prod(x: Any, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """The products of the first 1, 2, … elements along ``axis``, which a vector need not name; see :func:`cumprod`.

    Args:
        include_initial: whether the product of no elements, 1, stands in front.

    Raises:
        ShapeError: without ``axis``, when there are several.

    >>> print(tl.cumulative_prod([2.0, 3.0], include_initial=True))
    [1. 2. 6.]
    """
    return _cumulative(cumprod, 1, "cumulative_prod", x, axis, dtype, include_initial)


def _cumulative(
    running: Callable[..., Tensor], none: int, called: str, x: Any, axis: int | None, dtype: Any, include_initial: bool
) -> Tensor:
    node = as_tensor(x)
    if axis is None and node.ndim != 1:
        raise ShapeError(f"{called}({node.type}): write axis=, since the array is no vector")
    place = normalize_axis(0 if axis is None else axis, node.ndim)
    totals = running(node, place, dtype=dtype)
    if not include_initial:
        return totals
    row = (*node.shape[:place], 1, *node.shape[place + 1 :])
    return concatenate([full(row, none, totals.dtype, totals.device), totals], place)
