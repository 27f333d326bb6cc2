"""``tl.linalg``: linear algebra under the names of ``numpy.linalg``."""

from typing import Any

from tinygrad_lstm.functions.arrangement import diagonal as own_diagonal
from tinygrad_lstm.functions.decomposition import eigh, eigvalsh, matrix_rank, pinv, qr, svd, svdvals
from tinygrad_lstm.functions.einsum import outer, tensordot
from tinygrad_lstm.functions.elimination import cholesky, det, inv, slogdet, solve
from tinygrad_lstm.functions.norms import matrix_norm, norm, vector_norm
from tinygrad_lstm.functions.turning import matrix_transpose
from tinygrad_lstm.functions.vectors import cross, matrix_power, vecdot
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.linalg import matmul
from tinygrad_lstm.ops.reduce import sum

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


def diagonal(x: Any, *, offset: int = 0) -> Tensor:
    """The diagonal of each matrix in the last two axes; ``tl.diagonal`` takes it over the first two by default.

    >>> tl.linalg.diagonal(tl.ones((5, 2, 3))).shape
    (5, 2)
    """
    return own_diagonal(x, offset, -2, -1)


def trace(x: Any, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sum of the diagonal of each matrix in the last two axes; ``tl.trace`` takes the first two by default.

    >>> tl.linalg.trace(tl.ones((5, 2, 3))).shape
    (5,)
    """
    return sum(own_diagonal(x, offset, -2, -1), -1, dtype=dtype)
