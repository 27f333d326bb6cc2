"""Loss scaling, for gradients that are too small for float16."""

import functools
from typing import Any, Final

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions.elementary import clip
from tinygrad_lstm.functions.filling import full
from tinygrad_lstm.functions.predicates import isfinite, logical_and
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import float32, int32
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import State, Tracer, assign_all, settled, tracer
from tinygrad_lstm.nn.module import Holder
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.optim.optimizer import Optimizer, at_least_float32

__all__ = ["GradScaler"]

_LARGEST: Final = 2.0**24


class GradScaler(Holder):
    """Multiplies the loss, so that small gradients do not become 0 in float16, and divides the gradients again::

        loss′ = s·loss      g = g′ / s, in float32

    A gradient that overflowed is inf or nan. Then the step is left out, with parameters, moments and counts as they
    were, and s becomes smaller. After many steps without that, s grows. s stays between 1 and 2²⁴.

    Source: P. Micikevicius et al., "Mixed precision training", 2018.

    Args:
        init_scale: s at the start.
        growth_factor: what s is multiplied by after ``growth_interval`` good steps in a row.
        backoff_factor: what s is multiplied by after an overflow.
        growth_interval: how many.

    Raises:
        UsageError: for a number out of range.

    >>> p = tl.Parameter(tl.tensor([1.0], dtype="float16"))
    >>> opt = tl.optim.SGD([p], lr=2.0**24)
    >>> scaler = tl.optim.GradScaler(init_scale=1024.0)
    >>> scaler.scale((p * 2.0**-13 * 2.0**-13).sum()).backward()  # alone, 2⁻²⁶ would be 0
    >>> scaler.step(opt)
    >>> scaler.update()
    >>> print(p)
    [0.75]
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
    ) -> None:
        if not 1 <= init_scale <= _LARGEST:
            raise UsageError(f"GradScaler: init_scale is between 1 and 2**24, not {init_scale}")
        if not growth_factor >= 1:
            raise UsageError(f"GradScaler: growth_factor is at least 1, not {growth_factor}")
        if not 0 < backoff_factor < 1:
            raise UsageError(f"GradScaler: backoff_factor is above 0 and below 1, not {backoff_factor}")
        if growth_interval < 1:
            raise UsageError(f"GradScaler: growth_interval is at least 1, not {growth_interval}")
        self.growth_factor, self.backoff_factor, self.growth_interval = growth_factor, backoff_factor, growth_interval
        self.factor = State(full((), float(init_scale), float32), "scale")
        self.good = State(full((), 0, int32), "good")
        self._unscaled: dict[int, tuple[Tracer | None, Tensor]] = {}

    def scale(self, loss: Any) -> Tensor:
        """The loss times s, in float32; call ``backward()`` on it."""
        return at_least_float32(as_tensor(loss)) * self.factor

    def unscale(self, optimizer: Optimizer) -> None:
        """Divide the gradients by s; ``step`` does it, so call this only to clip them or to look at them before.

        Raises:
            UsageError: when no parameter has a gradient, or they have been divided since the last ``update``.
        """
        if self._finite(optimizer) is not None:
            raise UsageError("GradScaler.unscale: these gradients are unscaled already; call update() after each step")
        graded = [(p, p.grad) for p in optimizer.parameters_to_update if p.grad is not None]
        if not graded:
            raise UsageError("GradScaler: no parameter has a gradient; call scaler.scale(loss).backward() first")
        grads = [at_least_float32(g) / self.factor.astype(at_least_float32(g).dtype) for _, g in graded]
        finite = functools.reduce(logical_and, [isfinite(g).all() for g in grads])
        *grads, finite = settled([*grads, finite])
        for (p, _), g in zip(graded, grads, strict=True):
            p.grad = g
        self._unscaled[id(optimizer)] = tracer.get(), finite

    def step(self, optimizer: Optimizer) -> None:
        """A step of the optimiser; if the gradients are not finite, nothing changes."""
        if self._finite(optimizer) is None:
            self.unscale(optimizer)
        finite = self._finite(optimizer)
        assign_all([(variable, where(finite, new, variable)) for variable, new in optimizer.updates()])

    def update(self) -> None:
        """Choose s for the next step; call it after the steps of all optimisers.

        Raises:
            UsageError: when no step was made since the last call.
        """
        checks = [finite for made, finite in self._unscaled.values() if made is tracer.get()]
        self._unscaled = {}
        if not checks:
            raise UsageError("GradScaler.update: no step was made since the last update; call step(optimizer) first")
        finite = functools.reduce(logical_and, checks)
        good = where(finite, self.good + 1, 0)
        grown = good == self.growth_interval
        factor = where(
            finite, where(grown, self.factor * self.growth_factor, self.factor), self.factor * self.backoff_factor
        )
        assign_all([(self.factor, clip(factor, 1, _LARGEST)), (self.good, where(grown, 0, good))])

    def _finite(self, optimizer: Optimizer) -> Tensor | None:
        """Whether all gradients are finite, after dividing them if that was not done."""
        made, finite = self._unscaled.get(id(optimizer), (None, None))
        # A trace that failed may have left entries, which must not count in the next one.
        return finite if made is tracer.get() else None
