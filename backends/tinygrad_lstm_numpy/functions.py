"""Functions that the generated NumPy statements call besides those of NumPy."""

from typing import Any

import numpy as np

from tinygrad_lstm.codegen.program import Node
from tinygrad_lstm.kernels import casts
from tinygrad_lstm.runtime.failures import out_of_bounds

__all__ = ["FUNCTIONS", "gather", "scatter_add", "truncate", "view"]


def view(memory: Any, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
    """Part of a contiguous array, seen through strides; these and the offset are in elements of ``dtype``.

    >>> view(np.arange(6.0), "float64", (2, 2), (3, -1), 2)
    array([[2., 1.],
           [5., 4.]])
    """
    if 0 in shape:
        return np.empty(shape, dtype)
    size = np.dtype(dtype).itemsize
    return np.ndarray(shape, dtype, memory, offset * size, tuple([s * size for s in strides]))


def gather(source: Any, indices: Any, out: Any, node: Node) -> None:
    """``out[i, j, k] = source[i, indices[j], k]``.

    Raises:
        IndexingError: for an index out of range.
    """
    _check(indices, source.shape[1], node)
    # Indices are in range, and those below 0 count from the end: with mode="wrap" `take` needs no buffer for its
    # result.
    np.take(source, indices, axis=1, out=out, mode="wrap")


def scatter_add(updates: Any, indices: Any, out: Any, node: Node) -> None:
    """``out[i, indices[j], k] = Σ updates[i, j, k]``, summed in the order of ``j``.

    Raises:
        IndexingError: for an index out of range.
    """
    size = out.shape[1]
    _check(indices, size, node)
    out.fill(0)
    if indices.size and out.size:
        order = np.argsort(np.where(indices < 0, indices + size, indices), kind="stable")
        ordered = indices[order] % size
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        out[:, ordered[starts]] = np.add.reduceat(updates[:, order], starts, axis=1)


def truncate(x: Any, out: Any) -> None:
    """Floats ``x`` cut off towards 0 as the integers ``out``: out of range the nearest one, and 0 for nan.

    >>> out = np.empty(3, "uint32")
    >>> truncate(np.array([2.7, -1.0, np.inf]), out)
    >>> out
    array([         2,          0, 4294967295], dtype=uint32)
    """
    name = out.dtype.name
    if casts.fits(x, name):
        np.copyto(out, x, casting="unsafe")
    else:
        np.copyto(out, casts.truncated(np, x, name))


def _check(indices: Any, size: int, node: Node) -> None:
    if not indices.size:
        return
    low, high = int(indices.min()), int(indices.max())
    if not -size <= low <= high < size:
        raise out_of_bounds(node, low if low < -size else high, size)


FUNCTIONS = {
    **{name: getattr(np, name) for name in (
        "absolute", "add", "arange", "arctan2", "array", "bitwise_and", "bitwise_or", "broadcast_to", "copyto", "cos",
        "divide", "dot", "empty", "equal", "exp", "expm1", "floor_divide", "invert", "less", "less_equal", "log",
        "log1p", "logaddexp", "matmul", "maximum", "minimum", "multiply", "negative", "power", "reciprocal",
        "remainder", "right_shift", "sign", "sin", "sqrt", "square", "subtract", "tanh",
    )},
    "gather": gather,
    "scatter_add": scatter_add,
    "truncate": truncate,
    "view": view,
}  # fmt: skip
"""These functions, by their names in the statements."""
