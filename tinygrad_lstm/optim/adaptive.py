"""Optimisers that divide each gradient by its size in the past: Adagrad, RMSprop, Adadelta."""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter, Variable
from tinygrad_lstm.ops.elementwise import sqrt
from tinygrad_lstm.optim.optimizer import Optimizer, at_least_0, fractions

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Steps that shrink with all gradients so far: ``s ← s + g²``, ``p ← p − lr·g / (√s + ε)``.

    Source: J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods", 2011.

    Args:
        weight_decay: λ; ``g + λ·p`` takes the place of g.

    >>> p = tl.Parameter(1.0)
    >>> opt = tl.optim.Adagrad([p], lr=0.1)
    >>> (p * p).backward()
    >>> opt.step()
    >>> print(f"{p:.4f}")
    0.9000
    """

    def __init__(
        self, parameters: Iterable[Parameter], lr: float = 1e-2, eps: float = 1e-10, *, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, lr)
        at_least_0("Adagrad", eps=eps, weight_decay=weight_decay)
        self.eps, self.weight_decay = eps, weight_decay
        self.sum = self._moments("sum")

    def _update(self, k: int, p: Tensor, g: Tensor) -> tuple[Tensor, list[tuple[Variable, Any]]]:
        g = g + self.weight_decay * p if self.weight_decay else g
        s = self.sum[k] + g * g
        return p - self.rate.astype(p.dtype) * g / (sqrt(s) + self.eps), [(self.sum[k], s)]


class RMSprop(Optimizer):
    """Steps relative to the recent size of the gradient: ``v ← α·v + (1 − α)·g²``, ``p ← p − lr·g / (√v + ε)``.

    Source: T. Hinton, "Neural networks for machine learning", lecture 6e, 2012.

    Args:
        alpha: how much of the running mean is kept.
        momentum: μ; ``b ← μ·b + g / (√v + ε)``, ``p ← p − lr·b``.
        weight_decay: λ; ``g + λ·p`` takes the place of g.

    >>> p = tl.Parameter(1.0)
    >>> opt = tl.optim.RMSprop([p], lr=0.01)
    >>> (p * p).backward()
    >>> opt.step()
    >>> print(f"{p:.4f}")  # 1 − 0.01 / √0.01
    0.9000
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        fractions("RMSprop", "alpha", alpha)
        fractions("RMSprop", "the momentum", momentum)
        at_least_0("RMSprop", eps=eps, weight_decay=weight_decay)
        self.alpha, self.eps, self.momentum, self.weight_decay = alpha, eps, momentum, weight_decay
        self.square = self._moments("square")
        self.velocity = self._moments("velocity") if momentum else []

    def _update(self, k: int, p: Tensor, g: Tensor) -> tuple[Tensor, list[tuple[Variable, Any]]]:
        rate = self.rate.astype(p.dtype)
        g = g + self.weight_decay * p if self.weight_decay else g
        v = self.alpha * self.square[k] + (1 - self.alpha) * (g * g)
        step = g / (sqrt(v) + self.eps)
        if not self.momentum:
            return p - rate * step, [(self.square[k], v)]
        b = self.momentum * self.velocity[k] + step
        return p - rate * b, [(self.square[k], v), (self.velocity[k], b)]


class Adadelta(Optimizer):
    """Steps in the units of the parameter, from running means of the squares of gradients and of steps::

        v ← ρ·v + (1 − ρ)·g²      d = √(u + ε) / √(v + ε) · g      u ← ρ·u + (1 − ρ)·d²
        p ← p − lr·d

    Source: M. Zeiler, "ADADELTA: an adaptive learning rate method", 2012.

    Args:
        weight_decay: λ; ``g + λ·p`` takes the place of g.

    >>> p = tl.Parameter(1.0)
    >>> opt = tl.optim.Adadelta([p])
    >>> (p * p).backward()
    >>> opt.step()
    >>> print(f"{p:.4f}")  # 1 − √(1e-6 / 0.4)·2
    0.9968
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        *,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        fractions("Adadelta", "rho", rho)
        at_least_0("Adadelta", eps=eps, weight_decay=weight_decay)
        self.rho, self.eps, self.weight_decay = rho, eps, weight_decay
        self.square, self.change = self._moments("square"), self._moments("change")

    def _update(self, k: int, p: Tensor, g: Tensor) -> tuple[Tensor, list[tuple[Variable, Any]]]:
        g = g + self.weight_decay * p if self.weight_decay else g
        v = self.rho * self.square[k] + (1 - self.rho) * (g * g)
        d = sqrt(self.change[k] + self.eps) / sqrt(v + self.eps) * g
        u = self.rho * self.change[k] + (1 - self.rho) * (d * d)
        return p - self.rate.astype(p.dtype) * d, [(self.square[k], v), (self.change[k], u)]
