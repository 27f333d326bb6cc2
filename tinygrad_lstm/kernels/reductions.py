"""Kernels of reductions over axes."""

from typing import Any

from tinygrad_lstm.kernels.halves import widened

__all__ = ["logsumexp", "total"]


@widened
def total(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """``Σ x``."""
    # The sum of one element is that element, also where it is −0.0, which a sum that starts at 0 would lose.
    if all(x.shape[i] == 1 for i in axis):
        return x.reshape(x.shape if keepdims else [n for i, n in enumerate(x.shape) if i not in axis])
    return x.sum(axis=axis, dtype=x.dtype, keepdims=keepdims)


@widened
def logsumexp(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """``log Σ eˣ``, shifted by the largest element."""
    if x.size == 0:
        return xp.log(x.sum(axis=axis, keepdims=keepdims))
    largest = x.max(axis=axis, keepdims=True)
    # Where the largest element is infinite, subtracting it would give inf − inf = nan.
    shift = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    result = xp.log(xp.exp(x - shift).sum(axis=axis, keepdims=True)) + shift
    return result if keepdims else result.reshape([n for i, n in enumerate(x.shape) if i not in axis])
