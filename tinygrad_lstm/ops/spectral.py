"""Decompositions of matrices that a library computes; ``functions/decomposition.py`` has the functions for users.

Each op has one result, so that the parts of a decomposition are joined to one array.
"""

from typing import Any

from tinygrad_lstm.errors import DTypeError, ShapeError
from tinygrad_lstm.graph.dtypes import int64
from tinygrad_lstm.graph.registry import define
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.kernels.decompositions import eigh as eigh_kernel
from tinygrad_lstm.kernels.decompositions import pinv as pinv_kernel
from tinygrad_lstm.kernels.decompositions import svd as svd_kernel
from tinygrad_lstm.ops.linalg import turned
from tinygrad_lstm.ops.logic import equal, less, where
from tinygrad_lstm.ops.shape import reshape
from tinygrad_lstm.ops.source import arange_node

__all__: list[str] = []


def _matrices(x: TensorType) -> tuple[int, int]:
    """The sizes of the last two axes."""
    if not x.dtype.is_float or x.dtype.is_half:
        raise DTypeError(f"float32 or float64 is expected, not {x.dtype}; convert with .astype(tl.float32)")
    if len(x.shape) < 2:
        raise ShapeError(f"matrices are expected, at least two axes, got {x}")
    return x.shape[-2], x.shape[-1]


def _eigh(x: TensorType) -> TensorType:
    rows, columns = _matrices(x)
    if rows != columns:
        raise ShapeError("square matrices are expected, the last two axes of one size")
    return TensorType((*x.shape[:-1], columns + 1), x.dtype, x.device)


def _svd(x: TensorType) -> TensorType:
    rows, columns = _matrices(x)
    return TensorType((*x.shape[:-2], min(rows, columns), rows + 1 + columns), x.dtype, x.device)


def _pinv(x: TensorType, *, rtol: float) -> TensorType:
    rows, columns = _matrices(x)
    return TensorType((*x.shape[:-2], columns, rows), x.dtype, x.device)


def _column(x: Tensor) -> Tensor:
    return reshape(x, (*x.shape, 1))


def _row(x: Tensor) -> Tensor:
    return reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _places(x: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers of the rows and of the columns of the square matrices ``x``."""
    numbers = arange_node(x.shape[-1], int64, x.device)
    return _column(numbers), numbers


def _inverse(x: Tensor) -> Tensor:
    """``1/x``, and 0 where ``x`` is 0: there is no derivative where two eigenvalues are one."""
    none = equal(x, 0)
    return where(none, 0, 1 / where(none, 1, x))


def _eigh_gradient(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """``V (diag ḡ_w + F∘VᵀḠ_V) Vᵀ`` with ``F_ij = 1/(w_j − w_i)``, as of the lower triangle, which is all that is read.

    Source: M. Giles, "Collected matrix derivative results for forward and reverse mode", 2008.
    """
    values, vectors = y[..., 0], y[..., 1:]
    inner = _inverse(_row(values) - _column(values)) * (turned(vectors) @ g[..., 1:])
    rows, columns = _places(inner)
    full = vectors @ where(equal(rows, columns), _row(g[..., 0]), inner) @ turned(vectors)
    return where(less(columns, rows), full + turned(full), where(equal(rows, columns), full, 0))


def _svd_gradient(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """J. Townsend, "Differentiating the singular value decomposition", 2016, with ``F_ij = 1/(s_j² − s_i²)``."""
    rows, columns = x.shape[-2:]
    ut, s, vt = y[..., :rows], y[..., rows], y[..., rows + 1 :]
    gut, gs, gvt = g[..., :rows], g[..., rows], g[..., rows + 1 :]
    u, v = turned(ut), turned(vt)
    gaps = _inverse(_row(s * s) - _column(s * s))
    left, right = gaps * (ut @ turned(gut)), gaps * (vt @ turned(gvt))
    inner = (left + turned(left)) * _row(s) + _column(s) * (right + turned(right))
    down, across = _places(inner)
    total = u @ where(equal(down, across), _row(gs), inner) @ vt
    if rows > columns:
        total = total + ((turned(gut) - u @ (ut @ turned(gut))) * _row(_inverse(s))) @ vt
    if columns > rows:
        total = total + u @ (_column(_inverse(s)) * (gvt - (gvt @ v) @ vt))
    return total


def _pinv_gradient(g: Tensor, y: Tensor, x: Tensor, *, rtol: Any) -> Tensor:
    """G. Golub, V. Pereyra, "The differentiation of pseudo-inverses", 1973; where the rank stays as it is."""
    gt, yt = turned(g), turned(y)
    beside = gt - x @ (y @ gt)
    below = gt - (gt @ y) @ x
    return beside @ (y @ yt) + (yt @ y) @ below - yt @ g @ yt


define("eigh", _eigh, eigh_kernel, _eigh_gradient, batch=lambda count, _, x: make("eigh", x), label="eigh")
define("svd", _svd, svd_kernel, _svd_gradient, batch=lambda count, _, x: make("svd", x), label="svd")
define(
    "pinv", _pinv, pinv_kernel, _pinv_gradient,
    batch=lambda count, _, x, rtol: make("pinv", x, rtol=rtol), label="x⁺", latex="^+",
)  # fmt: skip
