"""Elementwise kernels that no array module has as one function."""

from typing import Any

from tinygrad_lstm.kernels.halves import widened

__all__ = ["sigmoid", "softplus"]


@widened  # in float16 exp overflows from 11 on, where σ is far from 0 yet
def sigmoid(xp: Any, x: Any) -> Any:
    """``1 / (1 + e⁻ˣ)``."""
    # For very negative x exp overflows to inf, and 1/inf is the 0 that is wanted.
    return 1.0 / (1.0 + xp.exp(-x))


def softplus(xp: Any, x: Any) -> Any:
    """``log(1 + eˣ)``."""
    return xp.logaddexp(x, xp.zeros_like(x))
