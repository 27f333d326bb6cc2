"""The nonlinearities of neural networks; all are composed of other operations."""

import math
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import as_tensor, float_operands
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.elementwise import maximum, minimum, sigmoid, softplus, tanh
from tinygrad_lstm.ops.exponential import erf, expm1
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.reduce import logsumexp, max
from tinygrad_lstm.ops.source import stop_gradient

__all__ = [
    "elu",
    "gelu",
    "hard_sigmoid",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu",
    "silu",
    "softmax",
]


@function
@composition()
def relu(x: Any) -> Tensor:
    """``max(x, 0)``; the derivative at 0 is 0, as in PyTorch.

    >>> print(tl.relu([3.0, -2.0]))
    [3. 0.]
    """
    node = as_tensor(x)
    return where(node <= 0, 0, node)


@function
@composition()
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """``x`` where it is positive, ``negative_slope · x`` elsewhere, at 0 too.

    >>> print(tl.leaky_relu([3.0, -2.0], 0.5))
    [ 3. -1.]
    """
    (node,) = float_operands(x)
    return where(node <= 0, node * negative_slope, node)


@function
@composition()
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """``x`` where it is positive, ``α·(eˣ − 1)`` elsewhere (Clevert, Unterthiner, Hochreiter, 2015).

    >>> print(f"{tl.elu(-1.0):.4f}")
    -0.6321
    """
    (node,) = float_operands(x)
    # Only negative numbers reach the exponential: for large positive ones its inf would make the gradient nan.
    return where(node > 0, node, expm1(where(node > 0, 0, node)) * alpha)


@function
@composition()
def gelu(x: Any, approximate: bool | str = False) -> Tensor:
    """``x·Φ(x) = x·(1 + erf(x/√2))/2`` with the normal distribution Φ (Hendrycks, Gimpel, 2016).

    Args:
        approximate: True, or "tanh" as in PyTorch, for ``x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2``.

    Raises:
        UsageError: for another ``approximate``; "none" is False.

    >>> print(f"{tl.gelu(1.0):.4f} {tl.gelu(1.0, approximate=True):.4f}")
    0.8413 0.8412
    """
    if approximate not in (True, False, "tanh", "none"):
        raise UsageError(f"gelu: approximate is True, False, 'tanh' or 'none', not {approximate!r}")
    (node,) = float_operands(x)
    if approximate in (True, "tanh"):
        inner = node * (1 + 0.044715 * (node * node)) * math.sqrt(2 / math.pi)
        return node * (tanh(inner) + 1) * 0.5
    return node * (erf(node * math.sqrt(0.5)) + 1) * 0.5


@function
@composition()
def silu(x: Any) -> Tensor:
    """``x·σ(x)``, also called swish.

    >>> print(f"{tl.silu(1.0):.4f}")
    0.7311
    """
    (node,) = float_operands(x)
    return node * sigmoid(node)


@function
@composition()
def hard_sigmoid(x: Any) -> Tensor:
    """``x/6 + 1/2``, cut off below 0 and above 1: a sigmoid of straight lines, as in PyTorch.

    >>> print(tl.hard_sigmoid([-3.0, 0.0, 6.0]))
    [0.  0.5 1. ]
    """
    (node,) = float_operands(x)
    return minimum(maximum(node + 3, 0), 6) / 6


@function
@composition()
def log_sigmoid(x: Any) -> Tensor:
    """``log σ(x) = −log(1 + e⁻ˣ)`` without overflow.

    >>> print(f"{tl.log_sigmoid(0.0):.4f}", tl.log_sigmoid(-100.0))
    -0.6931 -100.0
    """
    return -softplus(-as_tensor(x))


@function
@composition()
def softmax(x: Any, axis: int = -1) -> Tensor:
    """``eˣ / Σ eˣ`` along ``axis``, without overflow: positive numbers that sum to 1.

    >>> print(tl.softmax([0.0, 0.0]))
    [0.5 0.5]
    """
    (node,) = float_operands(x)
    if node.dtype.is_half:
        return softmax(node.astype(float32), axis).astype(node.dtype)
    return log_softmax(node, axis).exp()


@function
@composition()
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """``x − log Σ eˣ`` along ``axis``: the logarithm of softmax, but more accurate.

    >>> print(f"{tl.log_softmax([0.0, 0.0])[0]:.4f}")
    -0.6931
    """
    (node,) = float_operands(x)
    if node.size == 0:
        return node
    if node.dtype.is_half:
        return log_softmax(node.astype(float32), axis).astype(node.dtype)
    # The largest element is subtracted first: near 10,000 a float32 has no digits left for the logarithm.
    shifted = node - stop_gradient(max(node, axis, keepdims=True))
    return shifted - logsumexp(shifted, axis, keepdims=True)
