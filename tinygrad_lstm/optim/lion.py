"""Lion: the sign of an interpolated momentum as step."""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter, Variable
from tinygrad_lstm.ops.elementwise import sign
from tinygrad_lstm.optim.optimizer import Optimizer, at_least_0, fractions

__all__ = ["Lion"]


class Lion(Optimizer):
    """Steps of one size, in the direction of the sign of a running mean::

        p ← p − lr·(sign(β₁·m + (1 − β₁)·g) + λ·p)      m ← β₂·m + (1 − β₂)·g

    Source: X. Chen et al., "Symbolic discovery of optimization algorithms", 2023.

    Args:
        weight_decay: λ.

    >>> p = tl.Parameter([1.0, -3.0])
    >>> opt = tl.optim.Lion([p], lr=0.25)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> print(p)
    [ 0.75 -2.75]
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        *,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise UsageError(f"{type(self).__name__}: betas are a pair of numbers, such as (0.9, 0.99), not {betas!r}")
        fractions("Lion", "betas", *betas)
        at_least_0("Lion", weight_decay=weight_decay)
        self.betas, self.weight_decay = betas, weight_decay
        self.mean = self._moments("mean")

    def _update(self, k: int, p: Tensor, g: Tensor) -> tuple[Tensor, list[tuple[Variable, Any]]]:
        b1, b2 = self.betas
        direction = sign(b1 * self.mean[k] + (1 - b1) * g)
        step = direction + self.weight_decay * p if self.weight_decay else direction
        return p - self.rate.astype(p.dtype) * step, [(self.mean[k], b2 * self.mean[k] + (1 - b2) * g)]
