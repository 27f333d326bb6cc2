"""Reports on the progress of training: a bar in a terminal, plain lines elsewhere."""

import math
import os
import time
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final

from tqdm import tqdm

from tinygrad_lstm.train.measuring import bits

if TYPE_CHECKING:
    from tinygrad_lstm.train.loop import TrainingLoop

__all__ = ["Progress", "bar_on", "draws_bars"]

_RECENT: Final = 50
"""The reported loss is the mean over this many steps."""
_PATIENCE: Final = 10.0
"""A line is written after this many seconds without a validation."""
_SHORT: Final = {"character": "char", "word": "word", None: "step"}
"""A line of a terminal has 80 columns."""
_RISEN: Final = 1.01
"""A held-out loss of this many times the lowest one counts as rising."""


def draws_bars(stream: Any) -> bool:
    """Whether a bar on ``stream`` is drawn anew in its place: in a terminal, and in a cell of Jupyter."""
    return bool(stream is not None and (stream.isatty() or type(stream).__module__.startswith("ipykernel.")))


def bar_on(stream: Any, **options: Any) -> Any:
    """A bar of tqdm with these options; it shows nothing where :func:`draws_bars` says no.

    It is as wide as the terminal, and has 80 columns in one that does not tell its size, such as a console behind a
    serial line: that one says 0 columns, which leave no room for a bar.
    """
    try:
        known = all(os.get_terminal_size(stream.fileno()))
    except (AttributeError, OSError, ValueError):
        known = True
    room = {"dynamic_ncols": True} if known else {"ncols": 80, "nrows": 24}
    return tqdm(file=stream, disable=not draws_bars(stream), **room, **options)


class Progress:
    """Reports a run on ``stream``: in a terminal and in Jupyter a bar, else lines, for the first step, each validation,
    and each 10 seconds without one.

    Both show the mean loss of the last steps, the held-out loss, in bits per character or as perplexity too where it is
    that of a text, characters or words (else steps) in a second, and the time left; and once, that the held-out loss
    rises.

    >>> import sys
    >>> from tinygrad_lstm.data.text import Corpus
    >>> from tinygrad_lstm.train import TrainConfig, LanguageModelTrainer
    >>> trainer = LanguageModelTrainer(Corpus("abc " * 50, "abc"), config=TrainConfig(steps=1, window=4, batch=2))
    >>> with Progress(trainer, sys.stdout) as progress:
    ...     trainer.run(progress)
    step 1 of 1: loss ...
    step 1 of 1: loss ..., held-out ... nats (... bits per character), ... characters/s, 0 s left
    """

    def __init__(self, trainer: "TrainingLoop", stream: IO[str]) -> None:
        self._stream = stream
        self._started, self._from = time.monotonic(), trainer.at
        self._told, self._warned = len(trainer.validations), False
        self._last_line: float | None = None
        self._bar = bar_on(
            stream,
            total=trainer.steps,
            initial=trainer.at,
            unit="step",
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} {elapsed}<{remaining}{postfix}",
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def __call__(self, trainer: "TrainingLoop") -> None:
        """Report the progress of ``trainer``."""
        looked, self._told = len(trainer.validations) > self._told, len(trainer.validations)
        if self._bar.disable:
            self._lines(trainer, looked)
        else:
            parts = [f"loss {self._loss(trainer):.3f}"]
            if trainer.validations:
                held_out = trainer.validations[-1][1]
                also = f" nats, {_also(trainer, held_out, '/')}" if trainer.unit else ""
                parts.append(f"held-out {held_out:.3f}{also}")
            parts.append(f"{_rounded(self._rate(trainer))} {_SHORT[trainer.unit]}s/s")
            self._bar.set_postfix_str(", ".join(parts), refresh=False)
            self._bar.update(trainer.at - self._bar.n)
        if looked and not self._warned and trainer.validations[-1][1] > _RISEN * trainer.lowest[1]:
            self._warned = True
            (best, lowest), (step, held_out) = trainer.lowest, trainer.validations[-1]
            nats, what = (" nats", "the text") if trainer.unit else ("", "its data")
            tqdm.write(
                f"the held-out loss has risen from {lowest:.3f}{nats} at step {best:,} to {held_out:.3f} at step "
                f"{step:,}: the model learns {what} by heart; the one of step {best:,} is kept",
                file=self._stream,
            )

    def _lines(self, trainer: "TrainingLoop", looked: bool) -> None:
        now = time.monotonic()
        if not looked and self._last_line is not None and now < self._last_line + _PATIENCE:
            return
        parts = [f"step {trainer.at:,} of {trainer.steps:,}: loss {self._loss(trainer):.3f}"]
        if looked:
            held_out = trainer.validations[-1][1]
            also = f" nats ({_also(trainer, held_out, ' per ')})" if trainer.unit else ""
            parts.append(f"held-out {held_out:.3f}{also}")
        # The time of the first step is mostly that of compiling.
        if looked or self._last_line is not None:
            rate = self._rate(trainer)
            left = (trainer.steps - trainer.at) * trainer.tokens / rate if rate else 0.0
            parts.append(f"{_rounded(rate)} {trainer.unit or 'step'}s/s, {left:.0f} s left")
        self._last_line = now
        print(", ".join(parts), file=self._stream, flush=True)

    def _loss(self, trainer: "TrainingLoop") -> float:
        recent = trainer.losses[-_RECENT:]
        return sum(recent) / len(recent)

    def _rate(self, trainer: "TrainingLoop") -> float:
        """Tokens per second in this run; steps where no tokens are read."""
        count = (trainer.at - self._from) * trainer.tokens
        return count / max(time.monotonic() - self._started, 1e-9)


def _rounded(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _also(trainer: "TrainingLoop", nats: float, per: str) -> str:
    """A loss as people who model characters, or words, compare it."""
    if trainer.unit == "word":
        return f"perplexity {math.exp(min(nats, 700.0)):,.1f}"
    return f"{bits(nats):.3f} bits{per}{'char' if per == '/' else 'character'}"
