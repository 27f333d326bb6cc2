"""Keeping gradients in bounds."""

from collections.abc import Iterable

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.cells import Parameter
from tinygrad_lstm.graph.slots import slots
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.elementwise import minimum, sqrt

__all__ = ["clip_grad_norm"]


def clip_grad_norm(parameters: Iterable[Parameter], max_norm: float) -> Tensor:
    """Scale all gradients by one factor so that their common norm ``√Σ g²`` is at most ``max_norm``.

    Returns:
        The norm before clipping.

    Raises:
        UsageError: when no parameter has a gradient.

    >>> import tinygrad_lstm as tl
    >>> p = tl.Parameter([3.0, 4.0])
    >>> (p * p).sum().backward()
    >>> print(tl.optim.clip_grad_norm([p], 5.0), p.grad.numpy().round(4))
    10.0 [3. 4.]
    """
    if not max_norm > 0:
        raise UsageError(f"clip_grad_norm: the bound is above 0, not {max_norm}")
    graded = [p for p in parameters if p.grad is not None]
    grads = [p.grad for p in graded if p.grad is not None]
    if not grads:
        raise UsageError("clip_grad_norm: no parameter has a gradient; call loss.backward() first")
    total = (grads[0] * grads[0]).sum()
    for g in grads[1:]:
        total = total + (g * g).sum().astype(total.dtype)
    norm = sqrt(total)
    factor = minimum(max_norm / (norm + 1e-6), 1.0)
    clipped = [g * factor.astype(g.dtype) for g in grads]
    slots.evaluate((norm, *clipped), None)
    for p, g in zip(graded, clipped, strict=True):
        p.grad = g.detach()
    return norm.detach()
