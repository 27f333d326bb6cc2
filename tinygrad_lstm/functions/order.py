"""Sorting and searching: ``sort``, ``top_k``, ``searchsorted``."""

from typing import Any, NoReturn

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions.arrangement import expand_dims, ravel
from tinygrad_lstm.functions.indexing import getitem, take_along_axis
from tinygrad_lstm.functions.predicates import isnan
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import normalize_axis
from tinygrad_lstm.ops.index import as_count, take
from tinygrad_lstm.ops.logic import invert, less, less_equal
from tinygrad_lstm.ops.reduce import sum
from tinygrad_lstm.ops.sorting import argsort

__all__ = ["searchsorted", "sort", "top_k", "unique"]


@function
def sort(x: Any, axis: int | None = -1, *, descending: bool = False, stable: bool = True) -> Tensor:
    """``x`` in ascending order along ``axis``, nan last; None flattens. The gradient goes where each element came from.

    Args:
        descending: whether the largest comes first, nan before it.
        stable: as in NumPy; sorting is stable either way.

    >>> print(tl.sort([3.0, 1.0, 2.0]))
    [1. 2. 3.]
    """
    node = as_tensor(x)
    if axis is None:
        node, axis = ravel(node), 0
    place = normalize_axis(axis, node.ndim)
    return take_along_axis(node, argsort(node, place, descending=descending), place)


@function
def top_k(x: Any, k: int, axis: int = -1, *, smallest: bool = False) -> tuple[Tensor, Tensor]:
    """The ``k`` largest elements along ``axis`` in descending order, and their indices (int64).

    Of equal elements the first comes first; nan counts as the largest.

    Args:
        smallest: whether to take the smallest instead, in ascending order.

    Raises:
        ShapeError: when there are fewer than ``k``.

    >>> print(*tl.top_k([3.0, 1.0, 2.0], 2))
    [3. 2.] [0 2]
    """
    node = as_tensor(x)
    place = normalize_axis(axis, node.ndim)
    count = as_count("top_k: k", k)
    if count > node.shape[place]:
        raise ShapeError(f"top_k({node.type}): there are no {count} elements along axis {place}")
    order = argsort(node, place, descending=not smallest)
    indices = getitem(order, (*[slice(None)] * place, slice(count)))
    return take_along_axis(node, indices, place), indices


@function
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Tensor:
    """Where each ``v`` belongs in the ascending vector ``a``, as int64: before equal elements, or after (``"right"``).

    Each ``v`` is compared with every element of ``a``; nan is the largest number, as for ``sort``.

    Args:
        sorter: the indices that sort ``a``, of ``argsort``, where it is not ascending itself.

    >>> print(tl.searchsorted([1.0, 2.0, 2.0, 3.0], [2.0, 9.0]))
    [1 4]
    """
    table, values = operands(a, v)
    if table.ndim != 1 or side not in ("left", "right"):
        wrong = (
            f"a is {table.type}, and is to be a vector"
            if table.ndim != 1
            else f"side is 'left' or 'right', not {side!r}"
        )
        raise UsageError(f"searchsorted: {wrong}")
    if sorter is not None:
        table = take(table, sorter, 0)
    columns = expand_dims(values, -1)
    before = less(table, columns) if side == "left" else less_equal(table, columns)
    if table.dtype.is_float:
        before = before | isnan(columns) & (invert(isnan(table)) if side == "left" else True)
    return sum(before, axis=-1)


@function
def unique(x: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Refused: how many different elements there are is known only from their values, and a graph has fixed shapes.

    Raises:
        UsageError: always; sort instead, or call ``numpy.unique(x.numpy())``.

    >>> try:
    ...     tl.unique([1.0, 1.0])
    ... except tl.errors.UsageError as error:
    ...     print(str(error).partition(";")[0])
    unique(f32[2]): the shape of the result depends on values
    """
    raise UsageError(
        f"unique({as_tensor(x).type}): the shape of the result depends on values; "
        "sort it with tl.sort, or take numpy.unique(x.numpy())"
    )
