"""Clipping: bounds for gradients."""

from collections.abc import Iterable

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter, settled
from tinygrad_lstm.ops.elementwise import maximum, minimum, sqrt
from tinygrad_lstm.optim.optimizer import at_least_float32, listed_parameters

__all__ = ["clip_grad_norm", "clip_grad_value"]


def clip_grad_norm(parameters: Iterable[Parameter], max_norm: float) -> Tensor:
    """Scale all gradients by one factor so that their common norm ``√Σ g²`` is at most ``max_norm``.

    Returns:
        The norm before clipping.

    Raises:
        UsageError: when no parameter has a gradient.

    >>> p = tl.Parameter([3.0, 4.0])
    >>> (p * p).sum().backward()
    >>> print(tl.optim.clip_grad_norm([p], 5.0), p.grad.numpy().round(4))
    10.0 [3. 4.]
    """
    if not max_norm > 0:
        raise UsageError(f"clip_grad_norm: the bound is above 0, not {max_norm}")
    graded, grads = _graded("clip_grad_norm", parameters)
    # The square of a float16 number above 256 is inf.
    wide = [at_least_float32(g) for g in grads]
    total = (wide[0] * wide[0]).sum()
    for g in wide[1:]:
        total = total + (g * g).sum().astype(total.dtype)
    norm = sqrt(total)
    factor = minimum(max_norm / (norm + 1e-6), 1.0)
    clipped = [g * factor.astype(g.dtype) for g in grads]
    before, *after = settled((norm, *clipped))
    for p, g in zip(graded, after, strict=True):
        p.grad = g
    return before


def clip_grad_value(parameters: Iterable[Parameter], max_value: float) -> None:
    """Bring every number of every gradient to ``−max_value … max_value``; the direction changes.

    Raises:
        UsageError: when no parameter has a gradient, or the bound is not above 0.

    >>> p = tl.Parameter([3.0, -0.5])
    >>> (p * p).sum().backward()
    >>> tl.optim.clip_grad_value([p], 2.0)
    >>> print(p.grad)
    [ 2. -1.]
    """
    if not max_value > 0:
        raise UsageError(f"clip_grad_value: the bound is above 0, not {max_value}")
    graded, grads = _graded("clip_grad_value", parameters)
    clipped = [minimum(maximum(g, -max_value), max_value) for g in grads]
    for p, g in zip(graded, settled(clipped), strict=True):
        p.grad = g


def _graded(name: str, parameters: Iterable[Parameter]) -> tuple[list[Parameter], list[Tensor]]:
    """The parameters that have a gradient, and the gradients."""
    pairs = [(p, p.grad) for p in listed_parameters(name, parameters) if p.grad is not None]
    if not pairs:
        raise UsageError(f"{name}: no parameter has a gradient; call loss.backward() first")
    return [p for p, _ in pairs], [g for _, g in pairs]
