"""Arrays joined and cut along the first three axes, and brought to that many."""

from typing import Any

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions.arrangement import ravel, split
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import normalize_axis, whole
from tinygrad_lstm.ops.shape import concatenate, reshape

__all__ = [
    "append",
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "column_stack",
    "dsplit",
    "dstack",
    "hsplit",
    "unstack",
    "vsplit",
]


@function
def append(x: Any, values: Any, axis: int | None = None) -> Tensor:
    """``values`` behind ``x`` along ``axis``; both are flattened by default. A list of results is better stacked once.

    >>> print(tl.append([1.0, 2.0], 3.0))
    [1. 2. 3.]
    """
    a, b = operands(x, values)
    if axis is None:
        return concatenate([ravel(a), ravel(b)], 0)
    return concatenate([a, b], axis)


@function
def atleast_1d(*arrays: Any) -> Any:
    """Each array with at least one axis; a list of them where several are given.

    >>> tl.atleast_1d(3.0).shape
    (1,)
    """
    return _each(arrays, lambda x: reshape(x, (1,)) if x.ndim == 0 else x)


@function
def atleast_2d(*arrays: Any) -> Any:
    """Each array with at least two axes, vectors as rows; a list of them where several are given.

    >>> tl.atleast_2d([1.0, 2.0]).shape
    (1, 2)
    """
    return _each(arrays, lambda x: reshape(x, (1, x.size)) if x.ndim < 2 else x)


@function
def atleast_3d(*arrays: Any) -> Any:
    """Each array with at least three axes: vectors as ``(1, n, 1)``, matrices as ``(m, n, 1)``.

    >>> tl.atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """
    return _each(arrays, _deep)


def _each(arrays: tuple[Any, ...], f: Any) -> Any:
    results = [f(as_tensor(x)) for x in arrays]
    return results[0] if len(results) == 1 else results


def _deep(x: Tensor) -> Tensor:
    return reshape(x, (1, x.size, 1)) if x.ndim < 2 else reshape(x, (*x.shape, 1)) if x.ndim == 2 else x


@function
def column_stack(arrays: Any) -> Tensor:
    """Vectors side by side as the columns of a matrix; matrices as they are.

    >>> print(tl.column_stack([[1.0, 2.0], [3.0, 4.0]]))
    [[1. 3.]
     [2. 4.]]
    """
    nodes = [as_tensor(x) for x in arrays]
    return concatenate([reshape(x, (x.size, 1)) if x.ndim < 2 else x for x in nodes], 1)


@function
def dstack(arrays: Any) -> Tensor:
    """Arrays behind each other: concatenated along the third axis, as :func:`atleast_3d` makes them.

    >>> tl.dstack([[1.0, 2.0], [3.0, 4.0]]).shape
    (1, 2, 2)
    """
    return concatenate([_deep(as_tensor(x)) for x in arrays], 2)


@function
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """``x`` cut along ``axis`` as by :func:`split`, into parts that are one longer in front where they cannot be equal.

    >>> print(*tl.array_split(tl.arange(5), 2))
    [0 1 2] [3 4]
    """
    node = as_tensor(x)
    count = whole(indices_or_sections)
    if count is None:
        return split(node, indices_or_sections, axis)
    if count < 1:
        raise UsageError(f"array_split: the number of parts is at least 1, not {count}")
    least, longer = divmod(node.shape[normalize_axis(axis, node.ndim)], count)
    return split(node, [k * least + (k if k < longer else longer) for k in range(1, count)], axis)


@function
def vsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """``x`` cut along the first axis; see :func:`split`.

    >>> print(*tl.vsplit([[1.0], [2.0]], 2))
    [[1.]] [[2.]]
    """
    return split(_with_axes(x, 2, "vsplit"), indices_or_sections, 0)


@function
def hsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """``x`` cut along the second axis, a vector along its only one; see :func:`split`.

    >>> print(*tl.hsplit([1.0, 2.0, 3.0], [1]))
    [1.] [2. 3.]
    """
    node = _with_axes(x, 1, "hsplit")
    return split(node, indices_or_sections, 0 if node.ndim == 1 else 1)


@function
def dsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """``x`` cut along the third axis; see :func:`split`.

    >>> print(*tl.dsplit([[[1.0, 2.0]]], 2))
    [[[1.]]] [[[2.]]]
    """
    return split(_with_axes(x, 3, "dsplit"), indices_or_sections, 2)


def _with_axes(x: Any, least: int, name: str) -> Tensor:
    node = as_tensor(x)
    if node.ndim < least:
        raise ShapeError(f"{name}({node.type}): at least {least} {'axis is' if least == 1 else 'axes are'} expected")
    return node


@function
def unstack(x: Any, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of ``x`` along ``axis``, without it: what undoes ``stack``.

    >>> print(*tl.unstack([[1.0, 2.0], [3.0, 4.0]]))
    [1. 2.] [3. 4.]
    """
    node = as_tensor(x)
    place = normalize_axis(axis, node.ndim)
    before = (slice(None),) * place
    return tuple(node[(*before, k)] for k in range(node.shape[place]))
