"""Learning rates over time: each function returns a rule ``step -> rate``, where steps count from 0.

They need no optimiser, so that a run can start in the middle: ``optimizer.lr = rule(step)``. Only :class:`Plateau` has
a state.

>>> opt = tl.optim.SGD([tl.Parameter(1.0)], lr=0.1)
>>> rule = warm_up(10, cosine(0.1, 100))
>>> for step in range(3):
...     opt.lr = rule(step)  # before each opt.step()
>>> print(f"{opt.lr:.3f}")
0.030
"""

import math
from collections.abc import Callable

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions.filling import full
from tinygrad_lstm.graph.variables import State
from tinygrad_lstm.nn.module import Holder
from tinygrad_lstm.optim.optimizer import Optimizer, at_least_0
from tinygrad_lstm.reflexes import SCHEDULES, answer, is_function

__all__ = ["Plateau", "Schedule", "cosine", "exponential", "one_cycle", "step_decay", "warm_up"]

Schedule = Callable[[int], float]
"""``rule(step)`` returns the learning rate at a step."""


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """``lr·factor^⌊step / every⌋``: constant, and after each ``every`` steps multiplied by ``factor``.

    >>> rule = step_decay(1.0, every=10, factor=0.5)
    >>> [rule(step) for step in (0, 9, 10, 25)]
    [1.0, 1.0, 0.5, 0.25]
    """
    at_least_0("step_decay", lr=lr, factor=factor)
    _counts("step_decay", every=every)
    return lambda step: float(lr * factor ** (step // every))


def exponential(lr: float, factor: float) -> Schedule:
    """``lr·factor^step``.

    >>> rule = exponential(1.0, 0.5)
    >>> [rule(step) for step in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """
    at_least_0("exponential", lr=lr, factor=factor)
    return lambda step: float(lr * factor**step)


def cosine(lr: float, steps: int, final: float = 0.0) -> Schedule:
    """``final + (lr − final)·(1 + cos(π·step / steps)) / 2``, and ``final`` from then on.

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, without restarts.

    >>> rule = cosine(1.0, 100)
    >>> [round(rule(step), 4) for step in (0, 50, 100, 200)]
    [1.0, 0.5, 0.0, 0.0]
    """
    at_least_0("cosine", lr=lr, final=final)
    _counts("cosine", steps=steps)
    return lambda step: _cosine_between(lr, final, step / steps)


def warm_up(steps: int, after: Schedule) -> Schedule:
    """Rise evenly to ``after(0)`` over ``steps`` steps, then ``after`` from its beginning.

    The first rate is ``after(0) / steps``, not 0, so that no step is lost.

    >>> rule = warm_up(4, exponential(1.0, 0.5))
    >>> [rule(step) for step in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 0.5]
    """
    _counts("warm_up", steps=steps)
    if not is_function(after):
        raise UsageError(f"warm_up: after is a schedule such as cosine(0.1, 1000), not {after!r}")
    return lambda step: float(after(0) * (step + 1) / steps if step < steps else after(step - steps))


def one_cycle(
    peak: float, steps: int, *, rising: float = 0.3, start: float | None = None, final: float | None = None
) -> Schedule:
    """Rise to ``peak`` in the first part of ``steps`` and fall in the rest, both along half a cosine.

    Source: L. Smith, N. Topin, "Super-convergence", 2018; the defaults are PyTorch's.

    Args:
        rising: the share of the steps that goes up, in (0, 1).
        start: the first rate, ``peak / 25`` by default.
        final: the last rate, ``start / 10_000`` by default.

    >>> rule = one_cycle(1.0, 100)
    >>> [round(rule(step), 4) for step in (0, 15, 30, 65, 100)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    at_least_0("one_cycle", peak=peak)
    _counts("one_cycle", steps=steps)
    if not 0 < rising < 1:
        raise UsageError(f"one_cycle: rising is a share in (0, 1), not {rising}")
    first = peak / 25 if start is None else start
    last = first / 10_000 if final is None else final
    at_least_0("one_cycle", start=first, final=last)
    top = rising * steps

    def rule(step: int) -> float:
        if step <= top:
            return _cosine_between(first, peak, step / top)
        return _cosine_between(peak, last, (step - top) / (steps - top))

    return rule


class Plateau(Holder):
    """Multiplies an optimiser's rate by ``factor`` when a loss has not become smaller for a while.

    What it remembers is in ``state_dict()``.

    Args:
        optimizer: the one whose ``lr`` is set.
        factor: in (0, 1).
        patience: how many losses in a row may bring no progress; the next one lowers the rate.
        threshold: progress is a loss that is below the best one by more than this share of it.
        smallest: the rate goes no lower.

    >>> opt = tl.optim.SGD([tl.Parameter(1.0)], lr=1.0)
    >>> plateau = Plateau(opt, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0, 2.0):
    ...     plateau.update(loss)
    ...     print(opt.lr, end=" ")
    1.0 1.0 1.0 0.5 0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 0.1,
        patience: int = 10,
        *,
        threshold: float = 1e-4,
        smallest: float = 0.0,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise UsageError(f"Plateau: an optimiser is wanted, not {type(optimizer).__name__}")
        if not 0 < factor < 1:
            raise UsageError(f"Plateau: factor is in (0, 1), not {factor}")
        at_least_0("Plateau", patience=patience, threshold=threshold, smallest=smallest)
        self.held = _Held(optimizer)
        self.factor, self.patience, self.threshold, self.smallest = factor, patience, threshold, smallest
        self.best = State(full((), math.inf, "float64"))
        self.waited = State(0)

    def update(self, loss: float) -> None:
        """Record a loss, and lower the rate if it is time."""
        value, best = float(loss), float(self.best)
        if value < best - self.threshold * abs(best) if math.isfinite(best) else value < best:
            self.best.assign(value)
            self.waited.assign(0)
            return
        waited = int(self.waited.detach().item()) + 1
        if waited > self.patience:
            optimizer = self.held.optimizer
            optimizer.lr = max(optimizer.lr * self.factor, self.smallest)
            waited = 0
        self.waited.assign(waited)


class _Held:
    """An optimiser, held so that its variables are not found as variables of its holder."""

    __slots__ = ("optimizer",)

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer


def _cosine_between(first: float, last: float, part: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * min(part, 1.0))) / 2


def _counts(kind: str, **named: int) -> None:
    for name, value in named.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"{kind}: {name} is an integer of at least 1, not {value!r}")


answer(__name__, "tl.optim.schedules", SCHEDULES)
