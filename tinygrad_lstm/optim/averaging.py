"""Averages of parameters over training."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tinygrad_lstm.graph.variables import Parameter, State, assign_all
from tinygrad_lstm.nn.module import Holder
from tinygrad_lstm.optim.optimizer import Targets, at_least_float32, fractions

__all__ = ["Average"]


class Average(Holder):
    """An exponential moving average of parameters: ``a ← d·a + (1 − d)·p``, starting at the parameters' values.

    The averages are smoother than the parameters and often the better model. They are in ``state_dict()``.

    Source: B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by averaging", 1992.

    Args:
        parameters: what to average.
        decay: d, in [0, 1).

    Raises:
        UsageError: for a decay out of range, or when there are no parameters.

    >>> p = tl.Parameter(0.0)
    >>> average = tl.optim.Average([p], decay=0.75)
    >>> p.assign(1.0)
    >>> average.update()
    >>> with average.applied():
    ...     print(p)
    0.25
    >>> print(p)
    1.0
    """

    def __init__(self, parameters: Iterable[Parameter], decay: float = 0.999) -> None:
        fractions("Average", "decay", decay)
        self.decay = decay
        # In an object that is no Holder, so that the parameters do not count as variables of the average.
        self.targets = Targets(parameters, "Average")
        self.mean = [State(at_least_float32(p).detach(), f"mean.{k}") for k, p in enumerate(self.targets.parameters)]

    def update(self) -> None:
        """Add the parameters' values to the averages; call it after each step of the optimiser."""
        pairs = zip(self.mean, self.targets.parameters, strict=True)
        assign_all([(a, self.decay * a + (1 - self.decay) * at_least_float32(p)) for a, p in pairs])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the ``with`` block the parameters have their averages as values; afterwards their own values again."""
        before = [(p, p.detach()) for p in self.targets.parameters]
        assign_all([(p, a.detach().astype(p.dtype)) for (p, _), a in zip(before, self.mean, strict=True)])
        try:
            yield
        finally:
            assign_all([(p, value) for p, value in before])
