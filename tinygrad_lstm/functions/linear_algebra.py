"""``tl.linalg``: linear algebra under the names of ``numpy.linalg``."""

from tinygrad_lstm.functions.arrangement import diagonal, trace
from tinygrad_lstm.functions.decomposition import eigh, eigvalsh, matrix_rank, pinv, qr, svd, svdvals
from tinygrad_lstm.functions.einsum import outer, tensordot
from tinygrad_lstm.functions.elimination import cholesky, det, inv, slogdet, solve
from tinygrad_lstm.functions.norms import matrix_norm, norm, vector_norm
from tinygrad_lstm.functions.turning import matrix_transpose
from tinygrad_lstm.functions.vectors import cross, matrix_power, vecdot
from tinygrad_lstm.ops.linalg import matmul

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
