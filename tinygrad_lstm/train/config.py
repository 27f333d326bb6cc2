"""How a language model is trained: ``TextConfig``, ``TrainConfig``, and the learning rate over time."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final

from tinygrad_lstm.data.vocabulary import TokenVocabulary, Vocabulary, WordVocabulary
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.optim.adam import Adam, AdamW
from tinygrad_lstm.optim.adaptive import Adadelta, Adagrad, RMSprop
from tinygrad_lstm.optim.lion import Lion
from tinygrad_lstm.optim.optimizer import Optimizer
from tinygrad_lstm.optim.sgd import SGD
from tinygrad_lstm.train.language_model import at_least_one

__all__ = ["LEVELS", "OPTIMIZERS", "PRECISIONS", "SCHEDULES", "TextConfig", "TrainConfig", "learning_rate"]

LEVELS: Final = ("char", "word")
OPTIMIZERS: Final[dict[str, Callable[..., Optimizer]]] = {
    "adam": Adam,
    "adamw": AdamW,
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adadelta": Adadelta,
    "lion": Lion,
}
SCHEDULES: Final = ("inverse", "constant", "epochs", "cosine")
PRECISIONS: Final = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class TextConfig:
    """What a model reads of a text.

    Attributes:
        level: ``char`` or ``word``.
        vocabulary: how many words are known at most, ``<eos>`` and ``<unk>`` included; all by default.
        min_count: how often a word comes at least, to be known.

    Raises:
        UsageError: for another level, a number out of its range, or one that goes with words for characters.
    """

    level: str = "char"
    vocabulary: int | None = None
    min_count: int = 1

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise UsageError(f"level is one of {', '.join(LEVELS)}, not {self.level!r}")
        at_least_one(self, "min_count")
        if self.vocabulary is not None:
            at_least_one(self, "vocabulary")
        if self.level == "char" and (self.vocabulary is not None or self.min_count != 1):
            raise UsageError("vocabulary and min_count are of words; leave them out, or set level to word")

    def vocabulary_of(self, text: str) -> TokenVocabulary:
        """The vocabulary of a text.

        >>> len(TextConfig("word", vocabulary=4).vocabulary_of("a rose is a rose"))
        4
        """
        if self.level == "char":
            return Vocabulary.of(text)
        return WordVocabulary.of(text, self.vocabulary, self.min_count)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How a model is trained.

    Attributes:
        steps: updates in all, those before a resumption included.
        epochs: rounds over the text in all, in place of ``steps``.
        window: tokens that an update looks back over.
        batch: streams read side by side.
        accumulate: so many batches, of further streams, make one update, with the mean of their gradients: that of a
            batch so many times as large, to rounding, in the memory of one.
        optimizer: ``adam``, ``adamw``, ``sgd``, ``rmsprop``, ``adagrad``, ``adadelta`` or ``lion``.
        momentum: of ``sgd`` and ``rmsprop``.
        weight_decay: of ``adam``, ``adamw``, ``sgd`` and ``lion``.
        lr: the learning rate at the start.
        schedule: how it changes: ``inverse``, ``constant``, ``epochs`` or ``cosine``; see :func:`learning_rate`.
        decay: of ``inverse``: steps after which it has halved.
        hold: of ``epochs``: rounds over the text before it falls.
        divide: of ``epochs``: by what it is divided in each round from then on.
        clip: bound on the norm of all gradients together.
        sum_over_time: the gradient is that of the losses summed over the window, which is ``window`` times as large; so
            it is in many papers, with their rates and bounds.
        seed: for the initial weights and dropout.
        precision: the element type of the weights, ``float32`` or ``float64``.
        validate_every: steps between two looks at the held-out text, each with a checkpoint. By default 250, or 25
            rounds of a text so short that these are fewer: such a text is soon known by heart. With ``epochs`` a round.

    Raises:
        UsageError: for a number out of its range.
    """

    steps: int = 1500
    epochs: int | None = None
    window: int = 64
    batch: int = 32
    accumulate: int = 1
    optimizer: str = "adam"
    momentum: float = 0.0
    weight_decay: float = 0.0
    lr: float = 1e-2
    schedule: str = "inverse"
    decay: int = 500
    hold: int = 4
    divide: float = 2.0
    clip: float = 1.0
    sum_over_time: bool = False
    seed: int = 0
    precision: str = "float32"
    validate_every: int | None = None

    def __post_init__(self) -> None:
        at_least_one(self, "steps", "window", "batch", "accumulate", "decay", "hold")
        for name in ("validate_every", "epochs"):
            if getattr(self, name) is not None:
                at_least_one(self, name)
        for name in ("lr", "clip", "divide"):
            number = _number(getattr(self, name))
            if not 0 < number < math.inf:
                raise UsageError(f"{name} is a finite number above 0, not {getattr(self, name)!r}")
            object.__setattr__(self, name, number)
        for name in ("momentum", "weight_decay"):
            number = _number(getattr(self, name))
            if not 0 <= number < math.inf:
                raise UsageError(f"{name} is a finite number of at least 0, not {getattr(self, name)!r}")
            object.__setattr__(self, name, number)
        for name, allowed in (("optimizer", tuple(OPTIMIZERS)), ("schedule", SCHEDULES), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name} is one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        for name, optimizers in _HAVE.items():
            if getattr(self, name) and self.optimizer not in optimizers:
                raise UsageError(f"{name} is of {', '.join(optimizers)}, not of {self.optimizer}; leave it out")
        if not isinstance(self.sum_over_time, bool):
            raise UsageError(f"sum_over_time is True or False, not {self.sum_over_time!r}")
        random.check_seed(self.seed)
        object.__setattr__(self, "seed", int(self.seed))

    def optimizer_of(self, parameters: Any) -> Optimizer:
        """The optimiser of these parameters."""
        options = {name: getattr(self, name) for name, optimizers in _HAVE.items() if self.optimizer in optimizers}
        return OPTIMIZERS[self.optimizer](parameters, lr=self.lr, **options)


_HAVE: Final = {"momentum": ("sgd", "rmsprop"), "weight_decay": ("adam", "adamw", "sgd", "lion")}
"""Options of optimisers, and those that have them."""


def _number(value: Any) -> float:
    """A number as a float; nan for what is none, inf for an integer beyond all floats."""
    try:
        return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return math.inf


def learning_rate(config: TrainConfig, step: int, epoch: int = 0, steps: int | None = None) -> float:
    """The learning rate of the update after ``step`` updates, in the round ``epoch`` over the text.

    ``inverse``: ``lr / (1 + step / decay)``; ``constant``: ``lr``; ``epochs``: ``lr``, and from the round ``hold`` on
    ``lr / divide^(epoch + 1 − hold)``; ``cosine``: half a cosine from ``lr`` to 0 over all ``steps``.

    Only the last depends on how many steps there are to be, so in the others a run that is prolonged goes on as if it
    had been planned so long.

    Args:
        epoch: rounds over the text before this one.
        steps: updates in all; those of ``config`` by default.

    >>> config = TrainConfig(lr=1.0, decay=100)
    >>> [learning_rate(config, step) for step in (0, 100, 900)]
    [1.0, 0.5, 0.1]
    >>> config = TrainConfig(lr=1.0, schedule="epochs", hold=2, divide=2)
    >>> [learning_rate(config, 0, epoch) for epoch in range(4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    if config.schedule == "inverse":
        return config.lr / (1 + step / config.decay)
    if config.schedule == "epochs":
        return config.lr / config.divide ** max(0, epoch + 1 - config.hold)
    if config.schedule == "cosine":
        share = min(1.0, step / (steps or config.steps))
        return config.lr * (1 + math.cos(math.pi * share)) / 2
    return config.lr
