"""``TrainingLoop``: what every training does: steps, looks at held-out data, reports and checkpoints."""

import contextlib
import math
import os
import sys
import time
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lstm.errors import AnomalyError, EvaluationError
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Variable, assign_all
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.nn.stochastic import deterministic
from tinygrad_lstm.optim.optimizer import Optimizer
from tinygrad_lstm.reflexes import answering
from tinygrad_lstm.train.checkpoint import Array
from tinygrad_lstm.train.checkpoint_file import CheckpointFile
from tinygrad_lstm.train.progress import Progress, draws_bars
from tinygrad_lstm.train.updating import Means, Updates, detached, whole_state

__all__ = ["Callback", "TrainingLoop"]

Callback = Callable[[Any], object]
"""``callback(trainer)``."""


@answering
class TrainingLoop(ABC):
    """The loop of :class:`Trainer` and :class:`LanguageModelTrainer`, who say what is read, and what is the loss.

    Updates and validations are compiled by ``jit`` for the backend in use, once for each shape of a batch.

    Attributes:
        model: the model.
        optimizer: its optimiser.
        at: the number of updates made.
        losses: the loss of each update.
        validations: pairs of a step and the loss over the held-out data.
        best: the weights at the lowest of these losses, as a state dict; empty before the first.
        saved_at: the step of the last checkpoint that was written or read.
        saved_to: the path of that checkpoint.
        callbacks: called with the trainer after each update and each validation.
        state: what is carried from batch to batch, for each part of an update.
        unit: what a loss is per, where that is a token: ``character`` or ``word``.
        tokens: how many of them a step reads; 1 where it reads none.
    """

    unit: str | None = None
    tokens: int = 1
    _bound: float = sys.float_info.max
    """A loss above it has diverged."""
    _advice: str = "take a smaller lr, or clip"
    _held_out_data: str = "held-out data"

    def __init__(self, model: Module, optimizer: Optimizer, clip: float, means: Means | None = None) -> None:
        self.model, self.optimizer = model, optimizer
        self.state: list[Any] = [None]
        self.at = 0
        self.losses = array("d")
        self.validations: list[tuple[int, float]] = []
        self.best: dict[str, Tensor] = {}
        self.saved_at: int | None = None
        self.saved_to: str | None = None
        self.callbacks: tuple[Callback, ...] = ()
        self._stopped = False
        self._updates = Updates(model, optimizer, self._loss, clip, means)
        self._still = deterministic(model)
        self._score = jit(self._judging)

    @property
    @abstractmethod
    def steps(self) -> int:
        """Updates in all."""

    @property
    @abstractmethod
    def epoch(self) -> int:
        """The rounds over the data that are over."""

    @property
    @abstractmethod
    def _every(self) -> int:
        """Steps between two looks at the held-out data."""

    @property
    def _validates(self) -> bool:
        """Whether there are held-out data."""
        return True

    @abstractmethod
    def _loss(self, model: Any, batch: Any, state: Any) -> tuple[Tensor, Tensor, Any]:
        """The loss, that of which the gradient is taken, and the state after the batch."""

    @abstractmethod
    def _batches(self) -> tuple[list[Any], list[Any], list[float] | None]:
        """The batches of the next update, the states in which they are read, and how much each counts."""

    @abstractmethod
    def _held_out_batches(self) -> Iterator[tuple[Any, Any, int]]:
        """Held-out batches, each with the state in which it is read, None for that after the last, and its size."""

    @abstractmethod
    def _rate(self) -> float | None:
        """The learning rate of the next update; None to leave it."""

    @abstractmethod
    def _store(self, path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
        """Write the arrays of a checkpoint and all that belongs to them."""

    @property
    def lowest(self) -> tuple[int, float]:
        """The step with the lowest loss over the held-out data, and that loss; inf before the first look at them."""
        return min(self.validations, key=lambda pair: pair[1], default=(self.at, math.inf))

    def step(self) -> float:
        """One update on the next batch; returns the loss before it.

        An exception during the update, such as Ctrl-C, leaves everything as it was before.

        Raises:
            EvaluationError: when the loss or the gradient is no finite number; it names the step, and the first
                parameter, node and line at which that happened.
        """
        batches, states, shares = self._batches()
        at, state = self.at, self.state
        before: list[tuple[Variable, Any]] = [(variable, variable.leaf) for variable in self._variables()]
        try:
            loss = self._update(batches, states, shares)
            self.losses.append(loss)
            self.at = at + 1
        except BaseException as error:
            assign_all(before)
            self.state, self.at = state, at
            del self.losses[at:]
            if isinstance(error, EvaluationError) and not isinstance(error, AnomalyError):
                error.args = (f"{error}{self._updates.fault(batches, states)}",)
                assign_all(before)
            raise
        finally:
            self.model.zero_grad()
        return loss

    def _update(self, batches: list[Any], states: list[Any], shares: list[float] | None) -> float:
        rate = self._rate()
        if rate is not None:
            self.optimizer.lr = rate
        loss, norm, states = self._updates(batches, states, shares)
        if not loss <= self._bound or not math.isfinite(norm):
            raise EvaluationError(
                f"training diverged at step {self.at + 1}: the loss is {loss:.4g} and its gradient has the norm "
                f"{norm:.4g}; {self._advice}"
            )
        self.state = states
        return loss

    def _judging(self, batch: Any, state: Any) -> tuple[Tensor, Any]:
        """The loss of a batch without dropout, and the state after it."""
        loss, _, state = self._loss(self._still, batch, state)
        return loss, state

    def validate(self) -> float:
        """The loss over the held-out data, without dropout; nothing is changed.

        Raises:
            EvaluationError: when it is no finite number.
        """
        total, count = 0.0, 0
        after: Any = None
        for batch, state, size in self._held_out_batches():
            loss, after = self._score(batch, after if state is None else state)
            after = detached(after)
            total, count = total + float(loss) * size, count + size
        if not math.isfinite(total):
            raise EvaluationError(
                f"training diverged: the loss over the {self._held_out_data} at step {self.at:,} is {total / count}; "
                f"{self._advice}"
            )
        return total / count

    def run(
        self,
        report: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        *,
        keep: int = 1,
        save_every: float | None = None,
        time_limit: float | None = None,
    ) -> None:
        """Train up to :attr:`steps`, validating every so often and at the end.

        Args:
            report: called after each update and each validation; by default a bar in a terminal and in Jupyter, and
                nothing elsewhere. ``lambda trainer: None`` is nothing everywhere.
            checkpoint: where to save after each validation, and when Ctrl-C ends the run. If its folder goes away
                meanwhile, the run saves in the working directory, and warns.
            keep: how many checkpoints stay: that at ``checkpoint``, which is the newest, and earlier ones beside it,
                ``model.step-250.safetensors``. That with the lowest held-out loss stays besides.
            save_every: seconds after which to save besides, at the next step.
            time_limit: seconds after which the run ends, saving, at the next step.

        Raises:
            CheckpointError: when the checkpoint cannot be written; that is found out before the first step.
            KeyboardInterrupt: at Ctrl-C, after saving; nothing of the step under way is left.
        """
        file = None if checkpoint is None else self._file(checkpoint, keep)
        with contextlib.ExitStack() as stack:
            if report is None and draws_bars(sys.stderr):
                report = stack.enter_context(Progress(self, sys.stderr))
            self._run(report, file, save_every, time_limit)

    def _file(self, path: str | os.PathLike[str], keep: int) -> CheckpointFile:
        return CheckpointFile(path, keep, self.saved_at, self.saved_at if self.saved_to == os.fspath(path) else None)

    def _run(
        self,
        report: Callback | None,
        file: CheckpointFile | None,
        save_every: float | None,
        time_limit: float | None,
    ) -> None:
        started = saved = time.monotonic()
        listeners = self.callbacks if report is None else (*self.callbacks, report)
        self._stopped = False
        try:
            while True:
                validated = self._validation_is_due()
                if validated:
                    held_out = self.validate()
                    # The best weights are stored first: after a Ctrl-C in between, this validation is repeated.
                    if held_out < self.lowest[1]:
                        self.best = self.model.state_dict()
                    self.validations.append((self.at, held_out))
                    for listener in listeners:
                        listener(self)
                if file is not None and (validated or self._saving_is_due() or self._is_over(saved, save_every)):
                    file.save(self.save, self.at, self.lowest[0])
                    saved = time.monotonic()
                if self.at >= self.steps:
                    return
                if self._stopped or self._is_over(started, time_limit):
                    if file is not None and self.saved_at != self.at:
                        file.save(self.save, self.at, self.lowest[0])
                    return
                self.step()
                for listener in listeners:
                    listener(self)
        except KeyboardInterrupt:
            if file is not None:
                file.save(self.save, self.at, self.lowest[0])
            raise

    def _is_over(self, since: float, seconds: float | None) -> bool:
        return seconds is not None and time.monotonic() > since + seconds

    def _validation_is_due(self) -> bool:
        return self._validates and self._is_due(self.validations[-1][0] if self.validations else 0)

    def _saving_is_due(self) -> bool:
        """Where there is nothing to validate on, a checkpoint is written when one would."""
        return not self._validates and self._is_due(self.saved_at or 0)

    def _is_due(self, seen: int) -> bool:
        return self.at > seen and (self.at % self._every == 0 or self.at >= self.steps)

    def _variables(self) -> list[Variable]:
        return [variable for part in (self.model, self.optimizer) for _, variable in part.named_variables()]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that it needs to go on as if there had been no interruption.

        Raises:
            CheckpointError: when it cannot be written; then the path holds what it held.
        """
        self._write(path, whole_state(self.state))

    def _write(self, path: str | os.PathLike[str], state: Sequence[Array]) -> None:
        """Write a checkpoint with the state of all streams."""
        arrays = {f"model.{name}": value.numpy() for name, value in self.model.state_dict().items()}
        arrays |= {f"best.{name}": value.numpy() for name, value in self.best.items()}
        arrays |= {f"optimizer.{name}": value.numpy() for name, value in self.optimizer.state_dict().items()}
        arrays |= {f"state.{k}": array for k, array in enumerate(state)}
        arrays["losses"] = np.array(self.losses)
        self._store(path, arrays)
        self.saved_at, self.saved_to = self.at, os.fspath(path)

    def _go_to(
        self,
        path: str | os.PathLike[str],
        step: int,
        losses: Sequence[float],
        validations: Sequence[tuple[int, float]],
        best: dict[str, Tensor],
    ) -> None:
        """Be where a checkpoint was written, whose model, optimiser and state were taken."""
        self.at = self.saved_at = step
        self.saved_to = os.fspath(path)
        self.losses, self.validations, self.best = array("d", losses), list(validations), best
