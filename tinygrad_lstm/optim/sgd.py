"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.cells import Cell, Parameter
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.optim.optimizer import Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent with momentum: ``v ← μ·v + g``, ``p ← p − lr·v``.

    >>> import tinygrad_lstm as tl
    >>> p = tl.Parameter(1.0)
    >>> opt = tl.optim.SGD([p], lr=0.1)
    >>> (p * p).backward()
    >>> opt.step()
    >>> print(p)
    0.8
    """

    def __init__(self, parameters: Iterable[Parameter], lr: float, momentum: float = 0.0) -> None:
        super().__init__(parameters, lr)
        if not 0 <= momentum < 1:
            raise UsageError(f"SGD: the momentum is in [0, 1), not {momentum}")
        self.momentum = momentum
        self.velocity = self._moments("velocity") if momentum else []

    def _update(self, k: int, p: Parameter, g: Tensor) -> list[tuple[Cell, Any]]:
        rate = self.rate.astype(p.dtype)
        if not self.momentum:
            return [(p, p - rate * g)]
        v = self.momentum * self.velocity[k] + g
        return [(self.velocity[k], v), (p, p - rate * v)]
