"""How far the training is: a bar in a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import IO

from tqdm import tqdm

from tinygrad_lstm.train.loop import Trainer, bits

__all__ = ["Progress"]

_RECENT = 50
"""The loss that is shown is the mean over so many steps."""


class Progress:
    """Reports a run on ``stream``: in a terminal a bar, else one line for each validation.

    Both tell the mean loss of the last steps, the held-out loss in nats and in bits per character, characters
    trained on in a second, and the time left.

    >>> import sys
    >>> from tinygrad_lstm.data.text import Corpus
    >>> from tinygrad_lstm.train.loop import TrainConfig
    >>> trainer = Trainer(Corpus("abc " * 50, "abc"), config=TrainConfig(steps=1, window=4, batch=2))
    >>> with Progress(trainer, sys.stdout) as progress:
    ...     trainer.run(progress)
    step 1 of 1: loss ..., held-out ... nats (... bits per character), ... characters/s, 0 s left
    """

    def __init__(self, trainer: Trainer, stream: IO[str]) -> None:
        self._stream = stream
        self._started, self._from = time.monotonic(), trainer.at
        self._told = len(trainer.validations)
        self._bar = tqdm(
            total=trainer.config.steps,
            initial=trainer.at,
            file=stream,
            disable=not stream.isatty(),
            unit="step",
            dynamic_ncols=True,
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} {elapsed}<{remaining}{postfix}",
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def __call__(self, trainer: Trainer) -> None:
        """Tell how far ``trainer`` is."""
        if not self._bar.disable:
            parts = [f"loss {self._loss(trainer):.3f}"]
            if trainer.validations:
                held_out = trainer.validations[-1][1]
                parts.append(f"held-out {held_out:.3f} nats, {bits(held_out):.3f} bits/char")
            self._bar.set_postfix_str(", ".join([*parts, f"{self._rate(trainer):,.0f} chars/s"]), refresh=False)
            self._bar.update(trainer.at - self._bar.n)
        elif len(trainer.validations) > self._told:
            self._told = len(trainer.validations)
            step, held_out = trainer.validations[-1]
            rate, config = self._rate(trainer), trainer.config
            left = (config.steps - step) * config.window * config.batch / rate if rate else 0.0
            print(
                f"step {step:,} of {config.steps:,}: loss {self._loss(trainer):.3f}, held-out {held_out:.3f} nats "
                f"({bits(held_out):.3f} bits per character), {rate:,.0f} characters/s, {left:.0f} s left",
                file=self._stream,
                flush=True,
            )

    def _loss(self, trainer: Trainer) -> float:
        recent = trainer.losses[-_RECENT:]
        return sum(recent) / len(recent)

    def _rate(self, trainer: Trainer) -> float:
        """Characters trained on in a second of this run."""
        count = (trainer.at - self._from) * trainer.config.window * trainer.config.batch
        return count / max(time.monotonic() - self._started, 1e-9)
