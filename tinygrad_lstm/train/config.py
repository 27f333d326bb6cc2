"""``TrainConfig``: how a language model is trained."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.train.language_model import at_least_one

__all__ = ["TrainConfig", "learning_rate"]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How a model is trained.

    Attributes:
        steps: updates in all, those before a resumption included.
        window: characters that an update looks back over.
        batch: streams read side by side.
        lr: the learning rate at the start.
        decay: steps after which it has halved; see :func:`learning_rate`.
        clip: bound on the norm of all gradients together.
        seed: for the initial weights.
        validate_every: steps between two looks at the held-out text, each with a checkpoint. By default 250, or 25
            rounds of a text so short that these are fewer: such a text is soon known by heart.

    Raises:
        UsageError: for a number out of its range.
    """

    steps: int = 1500
    window: int = 64
    batch: int = 32
    lr: float = 1e-2
    decay: int = 500
    clip: float = 1.0
    seed: int = 0
    validate_every: int | None = None

    def __post_init__(self) -> None:
        at_least_one(self, "steps", "window", "batch", "decay")
        if self.validate_every is not None:
            at_least_one(self, "validate_every")
        for name in ("lr", "clip"):
            number = _number(getattr(self, name))
            if not 0 < number < math.inf:
                raise UsageError(f"{name} is a finite number above 0, not {getattr(self, name)!r}")
            object.__setattr__(self, name, number)
        random.check_seed(self.seed)
        object.__setattr__(self, "seed", int(self.seed))


def _number(value: Any) -> float:
    """A number as a float; nan for what is none, inf for an integer beyond all floats."""
    try:
        return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return math.inf


def learning_rate(config: TrainConfig, step: int) -> float:
    """The learning rate of the update after ``step`` updates: ``lr / (1 + step / decay)``.

    It does not depend on how many steps there are to be, so a run that is prolonged goes on as if it had been planned
    so long.

    >>> config = TrainConfig(lr=1.0, decay=100)
    >>> [learning_rate(config, step) for step in (0, 100, 900)]
    [1.0, 0.5, 0.1]
    """
    return config.lr / (1 + step / config.decay)
