"""Adam, and with weight decay AdamW."""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions.filling import full
from tinygrad_lstm.graph.dtypes import float64
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter, State, Variable
from tinygrad_lstm.ops.elementwise import sqrt
from tinygrad_lstm.optim.optimizer import Optimizer, at_least_0, fractions

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps of bounded size from running means of the gradient and of its square::

        m ← β₁·m + (1 − β₁)·g      v ← β₂·v + (1 − β₂)·g²
        p ← p − lr · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)

    Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015.

    Args:
        weight_decay: λ of a penalty ``λ/2·p²``: ``λ·p`` is added to the gradient. AdamW keeps it apart from the means.

    >>> p = tl.Parameter(1.0)
    >>> opt = tl.optim.Adam([p], lr=0.1)
    >>> (p * p).backward()
    >>> opt.step()
    >>> print(f"{p:.4f}")
    0.9000
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        kind = type(self).__name__
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise UsageError(f"{type(self).__name__}: betas are a pair of numbers, such as (0.9, 0.99), not {betas!r}")
        fractions(kind, "betas", *betas)
        at_least_0(kind, eps=eps, weight_decay=weight_decay)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self._coupled = weight_decay
        # The step count is float64, since in float32 1 − β₂ᵗ would lose five digits at the first steps.
        self.count = State(full((), 0, float64, self._device), "count")
        self.mean, self.square = self._moments("mean"), self._moments("square")

    def _before(self) -> list[tuple[Variable, Any]]:
        return [(self.count, self.count + 1)]

    def _update(self, k: int, p: Tensor, g: Tensor) -> tuple[Tensor, list[tuple[Variable, Any]]]:
        b1, b2 = self.betas
        if self._coupled:
            g = g + self._coupled * p
        count = self.count + 1
        m = b1 * self.mean[k] + (1 - b1) * g
        v = b2 * self.square[k] + (1 - b2) * (g * g)
        rate = self.rate.astype(p.dtype) / (1 - b1**count).astype(p.dtype)
        step = rate * m / (sqrt(v / (1 - b2**count).astype(p.dtype)) + self.eps)
        return p - step, [(self.mean[k], m), (self.square[k], v)]


class AdamW(Adam):
    """Adam that also pulls each parameter towards 0, ``p ← p − lr·λ·p``, without changing the gradient's means.

    Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2019.

    Args:
        weight_decay: λ.

    >>> p = tl.Parameter(1.0)
    >>> opt = tl.optim.AdamW([p], lr=0.1, weight_decay=0.5)
    >>> (p * p).backward()
    >>> opt.step()
    >>> print(f"{p:.4f}")  # 1 − 0.1·0.5 − 0.1
    0.8500
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, lr, betas, eps)
        at_least_0("AdamW", weight_decay=weight_decay)
        self.weight_decay = weight_decay

    def _update(self, k: int, p: Tensor, g: Tensor) -> tuple[Tensor, list[tuple[Variable, Any]]]:
        new, moments = super()._update(k, p, g)
        return new - self.rate.astype(p.dtype) * self.weight_decay * p, moments
