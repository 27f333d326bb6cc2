"""``Task`` and ``Protocol``: what is to be learned, and how it is tried."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.tasks.sequence_data import Generator, Sequences
from tinygrad_lstm.tasks.trial_cells import Blocks

__all__ = ["Data", "OnTest", "Protocol", "Published", "Recent", "Task", "endless", "modern"]

ANSWERS: Final = ("number", "class", "bits")


class Data(NamedTuple):
    """Where the sequences of one trial come from.

    Attributes:
        draw: gives so many sequences for training.
        test: gives those of the test, the same at each call.
    """

    draw: Callable[[int], Sequences]
    test: Callable[[], Sequences]


def endless(make: Callable[[Generator, int], Sequences], tested: int = 2560) -> Callable[[Generator], Data]:
    """The data of a task whose sequences are all drawn anew; ``tested`` of them, drawn before, are the test.

    >>> data = endless(lambda random, n: Sequences(*[random.uniform(size=(3, n, 1))] * 2, np.ones((3, n))), tested=4)
    >>> data(np.random.default_rng(0)).test().count
    4
    """

    def data(random: Generator) -> Data:
        (kept,) = random.spawn(1)
        state = kept.bit_generator.state

        def test() -> Sequences:
            kept.bit_generator.state = state
            return make(kept, tested)

        return Data(lambda count: make(random, count), test)

    return data


@dataclass(frozen=True)
class Recent:
    """A trial succeeds when the last ``window`` sequences, before the update by each, had fewer than ``wrong`` wrong
    answers, and a mean absolute error below ``error``."""

    window: int = 2000
    wrong: int = 1
    error: float = float("inf")

    def __str__(self) -> str:
        bad = "all right" if self.wrong == 1 else f"fewer than {self.wrong} wrong"
        error = "" if self.error == float("inf") else f", mean absolute error below {self.error:g}"
        return f"of the last {self.window:,} sequences {bad}{error}"


@dataclass(frozen=True)
class OnTest:
    """A trial succeeds when a ``share`` of the test is right; it is asked after each ``every`` sequences."""

    share: float = 1.0
    every: int = 500

    def __str__(self) -> str:
        whole = "all" if self.share == 1 else f"{100 * self.share:g} %"
        return f"{whole} of the test right, asked after each {self.every:,} sequences"


@dataclass(frozen=True)
class Published:
    """What a paper says of a cell: the share of successful trials, and the sequences needed."""

    success: str
    needed: str
    wrong: str = ""


@dataclass(frozen=True)
class Protocol:
    """How a task is tried.

    Attributes:
        hidden: units of each cell, or the memory cell blocks of 1997. A cell that is missing has as many units as give
            it as many weights as the ``lstm`` has.
        rate: the learning rate.
        limit: sequences after which a trial has failed.
        batch: sequences for each update.
        optimizer: ``sgd`` or ``adam``.
        start: the first weights lie between ±start; None for ``1/√hidden``.
        clip: bound on the norm of each trial's gradient.
        forget_bias: where the biases of the forget gates start; the state halves in ``ln 2·exp(forget_bias)`` steps.
        lag: instead, about how many steps lie between what belongs together: the units of an LSTM and of a GRU start
            with memories of all lengths up to it, see :func:`tinygrad_lstm.tasks.trial_cells.memory_biases`.
        squared: the loss is half the sum of the squared errors, as in 1997. Otherwise it is the mean squared error of
            numbers, and the negative log-likelihood of classes and bits.
        logistic: with ``squared``, whether the outputs are logistic or linear.
        direct: whether the outputs see the inputs besides the hidden state.
        alone: with ``direct``, the first sequences, from which the outputs learn by the inputs alone; then the hidden
            layer is added, so that it is left with the errors that need a memory.
        biased: whether the outputs have biases.
        success: when a trial has learned its task.
        published: what papers say, by cell.

    Raises:
        UsageError: for another optimizer, without an ``lstm``, for a lag of no step, or for outputs that are to learn
            alone from nothing.
    """

    hidden: Mapping[str, int | Blocks]
    rate: float
    limit: int
    batch: int = 1
    optimizer: str = "sgd"
    start: float | None = None
    clip: float | None = None
    forget_bias: float = 1.0
    lag: int | None = None
    squared: bool = False
    logistic: bool = True
    direct: bool = False
    alone: int = 0
    biased: bool = True
    success: Recent | OnTest = field(default_factory=Recent)
    published: Mapping[str, Published] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.optimizer not in ("sgd", "adam"):
            raise UsageError(f"Protocol: optimizer is sgd or adam, not {self.optimizer!r}")
        if "lstm" not in self.hidden:
            raise UsageError("Protocol: hidden has no lstm; give its units, such as hidden={'lstm': 16}")
        if self.lag is not None and self.lag < 1:
            raise UsageError(f"Protocol: lag is at least 1 step, not {self.lag}")
        if self.alone and not self.direct:
            raise UsageError("Protocol: alone needs outputs that see the inputs; give direct=True")

    def __str__(self) -> str:
        method = "SGD" if self.optimizer == "sgd" else "Adam"
        size = "1 sequence" if self.batch == 1 else f"{self.batch} sequences"
        clip = "" if self.clip is None else f", gradient clipped to {self.clip:g}"
        start = "" if self.start is None else f", first weights between ±{self.start:g}"
        gates = "" if self.forget_bias == 1 else f", forget gates that start with a bias of {self.forget_bias:g}"
        if self.lag is not None:
            gates = f", gates that start with memories of 1 to {self.lag:,} steps"
        alone = f", hidden units after {self.alone:,} sequences" if self.alone else ""
        return f"{method} with rate {self.rate:g}, {size} an update{clip}{start}{gates}{alone}; success: {self.success}"


def modern(
    units: int,
    *,
    batch: int,
    limit: int,
    success: Recent | OnTest,
    rate: float = 0.01,
    **options: Any,
) -> Protocol:
    """The protocol of today: Adam, mini-batches, and the gradient of each trial clipped to 1.

    Args:
        units: of the LSTM.
        options: the other attributes of :class:`Protocol`, such as ``lag`` and ``start``.

    >>> str(modern(16, batch=32, limit=10_000, success=OnTest()))
    'Adam with rate 0.01, 32 sequences an update, gradient clipped to 1; success: all of the test right, ...'
    """
    return Protocol(
        {"lstm": units},
        rate,
        limit,
        batch=batch,
        optimizer="adam",
        clip=1.0,
        success=success,
        **options,
    )


@dataclass(frozen=True)
class Task:
    """A task: sequences, what an answer is, and how it is tried.

    Attributes:
        title: its name in full.
        about: what the network sees and should say, in a few sentences.
        source: where the task comes from.
        shown: an example in one or more lines.
        answers: ``number``, ``class`` (exactly one output is 1) or ``bits`` (any may be 1).
        tolerance: see :meth:`Sequences.judge`.
        data: the sequences of one trial, from its generator.
        protocols: by name, the default first.

    Raises:
        UsageError: for other answers.
    """

    name: str
    title: str
    about: str
    source: str
    shown: str
    inputs: int
    outputs: int
    answers: str
    tolerance: float | None
    data: Callable[[Generator], Data]
    protocols: Mapping[str, Protocol]

    def __post_init__(self) -> None:
        if self.answers not in ANSWERS:
            raise UsageError(f"Task: answers are one of {', '.join(ANSWERS)}, not {self.answers!r}")

    def protocol(self, name: str | None = None) -> Protocol:
        """The protocol of this name; the first one by default.

        Raises:
            UsageError: when the task has none of this name.
        """
        chosen: Any = next(iter(self.protocols)) if name is None else name
        if chosen not in self.protocols:
            raise UsageError(f"the task {self.name} has the protocols {', '.join(self.protocols)}, not {chosen!r}")
        return self.protocols[chosen]
