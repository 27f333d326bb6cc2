"""Elementwise kernels that are no single function of an array module."""

from typing import Any

from tinygrad_lstm.kernels.halves import widened

__all__ = ["sigmoid", "softplus"]


@widened  # for x < −11 exp(−x) overflows in float16, where σ(x) is not 0 yet
def sigmoid(xp: Any, x: Any) -> Any:
    """``1 / (1 + e⁻ˣ)``."""
    # For very negative x exp overflows to inf, and 1/inf is 0, which is right.
    return 1.0 / (1.0 + xp.exp(-x))


def softplus(xp: Any, x: Any) -> Any:
    """``log(1 + eˣ)``."""
    return xp.logaddexp(x, xp.zeros_like(x))
