"""Kernels of linear algebra that a library does: eigenvalues, singular values, the pseudoinverse.

The parts of a decomposition are one array, since an op has one result. A matrix that is not finite gives nan.
"""

from typing import Any

__all__ = ["eigh", "pinv", "svd"]


def _finite(xp: Any, x: Any) -> tuple[Any, Any]:
    """Whether each matrix is finite, and the matrices with 0 in place of those that are not: libraries raise there."""
    good = xp.isfinite(x).all(axis=(-2, -1), keepdims=True)
    return good, xp.where(good, x, x.dtype.type(0))


def eigh(xp: Any, x: Any) -> Any:
    """``[w | V]``: the eigenvalues as a column, and the eigenvectors as the other columns."""
    good, x = _finite(xp, x)
    values, vectors = xp.linalg.eigh(x)
    return xp.where(good, xp.concatenate([values[..., None], vectors], axis=-1), x.dtype.type(xp.nan))


def svd(xp: Any, x: Any) -> Any:
    """``[Uᵀ | s | Vᵀ]``: a row for each singular value."""
    good, x = _finite(xp, x)
    u, s, vt = xp.linalg.svd(x, full_matrices=False)
    joined = xp.concatenate([xp.swapaxes(u, -1, -2), s[..., None], vt], axis=-1)
    return xp.where(good, joined, x.dtype.type(xp.nan))


def pinv(xp: Any, x: Any, *, rtol: float) -> Any:
    """``V·s⁺·Uᵀ`` with ``1/s`` where ``s`` is above ``rtol`` times the largest, 0 elsewhere."""
    good, x = _finite(xp, x)
    u, s, vt = xp.linalg.svd(x, full_matrices=False)
    kept = s > rtol * s.max(axis=-1, keepdims=True, initial=0)
    inverse = xp.where(kept, 1 / xp.where(kept, s, 1), 0).astype(x.dtype)
    product = xp.matmul(xp.swapaxes(vt, -1, -2) * inverse[..., None, :], xp.swapaxes(u, -1, -2))
    return xp.where(good, product, x.dtype.type(xp.nan))
