"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter, Variable
from tinygrad_lstm.optim.optimizer import Optimizer, at_least_0

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent with momentum: ``v ← μ·v + g``, ``p ← p − lr·v``.

    Args:
        momentum: μ, in [0, 1).
        nesterov: look ahead, ``p ← p − lr·(g + μ·v)`` (I. Sutskever et al., "On the importance of initialization and
            momentum in deep learning", 2013, as PyTorch writes it).
        weight_decay: λ; ``g + λ·p`` takes the place of g.

    >>> p = tl.Parameter(1.0)
    >>> opt = tl.optim.SGD([p], lr=0.1)
    >>> (p * p).backward()
    >>> opt.step()
    >>> print(p)
    0.8
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        if not 0 <= momentum < 1:
            raise UsageError(f"SGD: the momentum is in [0, 1), not {momentum}")
        if nesterov and not momentum:
            raise UsageError("SGD: nesterov looks ahead along the momentum, which is 0; give a momentum too")
        at_least_0("SGD", weight_decay=weight_decay)
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        self.velocity = self._moments("velocity") if momentum else []

    def _update(self, k: int, p: Tensor, g: Tensor) -> tuple[Tensor, list[tuple[Variable, Any]]]:
        rate = self.rate.astype(p.dtype)
        if self.weight_decay:
            g = g + self.weight_decay * p
        if not self.momentum:
            return p - rate * g, []
        v = self.momentum * self.velocity[k] + g
        step = g + self.momentum * v if self.nesterov else v
        return p - rate * step, [(self.velocity[k], v)]
