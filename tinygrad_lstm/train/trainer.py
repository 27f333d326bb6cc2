"""Training a language model: truncated backpropagation through time over the windows of a text."""

import contextlib
import math
import os
import sys
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np

from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.data.text import Corpus
from tinygrad_lstm.data.windows import Window, Windows, held_out_windows, split
from tinygrad_lstm.errors import AnomalyError, CheckpointError, EvaluationError, UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.dtypes import as_dtype
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Variable, assign_all
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.nn.saving import undrawn
from tinygrad_lstm.nn.stochastic import deterministic
from tinygrad_lstm.optim.clipping import clip_grad_norm
from tinygrad_lstm.runtime.anomaly import detect_anomaly
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.runtime.evaluation import evaluate
from tinygrad_lstm.train.checkpoint import (
    Array,
    described,
    part,
    read_checkpoint,
    restored_model,
    write_checkpoint,
)
from tinygrad_lstm.train.checkpoint_file import CheckpointFile
from tinygrad_lstm.train.config import TextConfig, TrainConfig, learning_rate
from tinygrad_lstm.train.description import Description
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig
from tinygrad_lstm.train.measuring import Evaluation, evaluate_text
from tinygrad_lstm.train.progress import Progress, draws_bars

__all__ = ["Trainer"]


_MODEL: Final = ModelConfig()
_TRAINING: Final = TrainConfig()
_READING: Final = TextConfig()
_MAY_CHANGE: Final = frozenset(("steps", "epochs", "validate_every"))


class Trainer:
    """Trains a model on a text.

    Updates and validations are compiled by ``jit`` for the backend in use, once for each shape of a window.

    Attributes:
        model: the model.
        vocabulary: the characters or words of the text.
        at: the number of updates made.
        losses: the loss of each update, in nats per token.
        validations: pairs of a step and the loss over the held-out text.
        best: the weights at the lowest of these losses, as a state dict; empty before the first.
        saved_at: the step of the last checkpoint that was written or read.
        saved_to: the path of that checkpoint.

    Raises:
        DataError: when the text is too short.
        UsageError: when it is no Corpus.

    >>> text = Corpus("to be or not to be, that is the question: " * 20, "a question")
    >>> trainer = Trainer(text, ModelConfig(hidden=8, embedding=4), TrainConfig(steps=30, window=8, batch=4))
    >>> trainer.run()
    >>> trainer.at, trainer.losses[-1] < trainer.losses[0]
    (30, True)
    """

    def __init__(
        self,
        corpus: Corpus,
        model: ModelConfig = _MODEL,
        config: TrainConfig = _TRAINING,
        reading: TextConfig = _READING,
    ) -> None:
        if not isinstance(corpus, Corpus):
            raise UsageError(
                f"Trainer takes a Corpus, not {type(corpus).__name__}; write tl.data.Corpus(text, name), or "
                "tl.data.read_corpus([path])"
            )
        self.corpus, self.config, self.reading = corpus, config, reading
        self.vocabulary = reading.vocabulary_of(corpus.text)
        training = self.vocabulary.encode(corpus.text)
        if corpus.valid is None:
            training, held_out = split(training)
        else:
            held_out = self.vocabulary.encode(corpus.valid)
        unit = self.vocabulary.unit
        self._windows = Windows(training, config.window, config.batch, unit)
        self._held_out = list(held_out_windows(held_out, config.window, config.batch, unit))
        key, dtype = random.key(config.seed), as_dtype(config.precision)
        self.model = LanguageModel(len(self.vocabulary), model, key=key, dtype=dtype)
        self.optimizer = config.optimizer_of(self.model.parameters())
        self._take_state(self.model.zeros(config.batch))
        self.at = 0
        self.losses = array("d")
        self.validations: list[tuple[int, float]] = []
        self.best: dict[str, Tensor] = {}
        self.saved_at: int | None = None
        self.saved_to: str | None = None
        self._still = deterministic(self.model)
        self._learn, self._score = jit(self._learning), jit(self._judging)

    def _take_state(self, state: Any) -> None:
        """Go on from this state of all streams."""
        self.state = state

    @property
    def steps(self) -> int:
        """Updates in all."""
        epochs = self.config.epochs
        return self.config.steps if epochs is None else epochs * len(self._windows)

    @property
    def epoch(self) -> int:
        """The rounds over the text that are over."""
        return self.at // len(self._windows)

    @property
    def lowest(self) -> tuple[int, float]:
        """The step with the lowest loss over the held-out text, and that loss; inf before the first look at it."""
        return min(self.validations, key=lambda pair: pair[1], default=(self.at, math.inf))

    def step(self) -> float:
        """One update on the next window; returns the loss before it, in nats per token.

        An exception during the update, such as Ctrl-C, leaves everything as it was before.

        Raises:
            EvaluationError: when the loss or the gradient is no finite number.
        """
        at, state = self.at, self.state
        before: list[tuple[Variable, Any]] = [(variable, variable.leaf) for variable in self._variables()]
        try:
            loss = self._update(self._windows[at])
            self.losses.append(loss)
            self.at = at + 1
        except BaseException as error:
            assign_all(before)
            self.state, self.at = state, at
            del self.losses[at:]
            if isinstance(error, EvaluationError) and not isinstance(error, AnomalyError):
                error.args = (f"{error}{self._first_fault(self._windows[at], state)}",)
                assign_all(before)
            raise
        finally:
            self.model.zero_grad()
        return loss

    def _first_fault(self, window: Window, state: Any) -> str:
        """Where the first number of an update that is not finite comes from, found op by op; nothing if all are."""
        parameters = dict(self.model.named_parameters())
        entering = self.model.zeros(window.inputs.shape[1]) if window.first else state
        logits, _ = self.model(tensor(window.inputs), entering)
        loss = cross_entropy(logits, tensor(window.targets))
        try:
            with detect_anomaly():
                evaluate(loss, *gradients(loss, list(parameters.values())))
        except AnomalyError as anomaly:
            spoilt = [name for name, p in parameters.items() if not np.isfinite(p.numpy()).all()]
            weights = f"{', '.join(spoilt[:3])} held such numbers before; " if spoilt else ""
            return f". The first that is not finite: {weights}{anomaly}"
        return ""

    def _update(self, window: Window) -> float:
        self.optimizer.lr = learning_rate(self.config, self.at, self.epoch, self.steps)
        loss, norm, state = self._learned(window, self.state)
        # Guessing costs the logarithm of the number of tokens. At a hundred times that the training has diverged.
        bound = 100 * math.log(max(2, len(self.vocabulary)))
        if not loss <= bound or not math.isfinite(norm):
            raise EvaluationError(
                f"training diverged at step {self.at + 1}: the loss is {loss:.4g} and its gradient has the norm "
                f"{norm:.4g}; take a smaller lr or clip (--lr, --clip)"
            )
        self.state = _detached(state)
        return loss

    def _learned(self, window: Window, state: Any) -> tuple[float, float, Any]:
        """One update: the loss before it, the norm of its gradient, and the state after the window."""
        state = self.model.zeros(window.inputs.shape[1]) if window.first else state
        loss, norm, state = self._learn(tensor(window.inputs), tensor(window.targets), state)
        return float(loss), float(norm), state

    def _learning(self, inputs: Tensor, targets: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
        """One update: the loss before it, the norm of its gradient, and the state after the window."""
        logits, state = self.model(inputs, state)
        loss = cross_entropy(logits, targets)
        self.optimizer.zero_grad()
        (loss * inputs.shape[0] if self.config.sum_over_time else loss).backward()
        norm = clip_grad_norm(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss, norm, state

    def _judging(self, inputs: Tensor, targets: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The loss over a window without dropout, and the state after it."""
        logits, state = self._still(inputs, state)
        return cross_entropy(logits, targets), state

    def validate(self) -> float:
        """The loss over the held-out text in nats per token; nothing is changed.

        Raises:
            EvaluationError: when it is no finite number.
        """
        total, count = 0.0, 0
        state = self.model.zeros(self._held_out[0].inputs.shape[1])
        for window in self._held_out:
            loss, state = self._score(tensor(window.inputs), tensor(window.targets), state)
            state = _detached(state)
            total, count = total + float(loss) * window.inputs.size, count + window.inputs.size
        if not math.isfinite(total):
            raise EvaluationError(
                f"training diverged: the loss over the held-out text at step {self.at:,} is {total / count}; take a "
                "smaller lr or clip (--lr, --clip)"
            )
        return total / count

    def evaluate(self, text: str) -> Evaluation:
        """How well the best weights predict ``text``, read in streams as the held-out text is."""
        model = self.model
        if self.best:
            with undrawn():
                model = LanguageModel(len(self.vocabulary), model.config, dtype=as_dtype(self.config.precision))
            model.load_state_dict(self.best)
        return evaluate_text(model, self.vocabulary, text, window=self.config.window, batch=self.config.batch)

    def run(
        self,
        report: "Callable[[Trainer], None] | None" = None,
        checkpoint: str | os.PathLike[str] | None = None,
        *,
        save_every: float | None = None,
        time_limit: float | None = None,
    ) -> None:
        """Train up to :attr:`steps`, validating every so often and at the end.

        Args:
            report: called after each update and each validation; by default a bar in a terminal and in Jupyter, and
                nothing elsewhere. ``lambda trainer: None`` is nothing everywhere.
            checkpoint: where to save after each validation, and when Ctrl-C ends the run. If its folder goes away
                meanwhile, the run saves in the working directory, and warns.
            save_every: seconds after which to save besides, at the next step.
            time_limit: seconds after which the run ends, saving, at the next step.

        Raises:
            CheckpointError: when the checkpoint cannot be written; that is found out before the first step.
            KeyboardInterrupt: at Ctrl-C, after saving; nothing of the step under way is left.
        """
        file = None if checkpoint is None else CheckpointFile(checkpoint)
        with contextlib.ExitStack() as stack:
            if report is None and draws_bars(sys.stderr):
                report = stack.enter_context(Progress(self, sys.stderr))
            self._run(report, file, save_every, time_limit)

    def _run(
        self,
        report: "Callable[[Trainer], None] | None",
        file: CheckpointFile | None,
        save_every: float | None,
        time_limit: float | None,
    ) -> None:
        started = saved = time.monotonic()
        try:
            while True:
                if self._validation_is_due():
                    held_out = self.validate()
                    # The best weights are stored first: after a Ctrl-C in between, this validation is repeated.
                    if held_out < self.lowest[1]:
                        self.best = self.model.state_dict()
                    self.validations.append((self.at, held_out))
                    if report:
                        report(self)
                    if file is not None:
                        file.save(self.save, self.at)
                        saved = time.monotonic()
                elif file is not None and self._is_over(saved, save_every):
                    file.save(self.save, self.at)
                    saved = time.monotonic()
                if self.at >= self.steps:
                    return
                if self._is_over(started, time_limit):
                    if file is not None and self.saved_at != self.at:
                        file.save(self.save, self.at)
                    return
                self.step()
                if report:
                    report(self)
        except KeyboardInterrupt:
            if file is not None:
                file.save(self.save, self.at)
            raise

    def _is_over(self, since: float, seconds: float | None) -> bool:
        return seconds is not None and time.monotonic() > since + seconds

    def _validation_is_due(self) -> bool:
        seen = self.validations[-1][0] if self.validations else 0
        usual = min(250, 25 * len(self._windows)) if self.config.epochs is None else len(self._windows)
        every = self.config.validate_every or usual
        return self.at > seen and (self.at % every == 0 or self.at >= self.steps)

    def _variables(self) -> list[Variable]:
        return [variable for part in (self.model, self.optimizer) for _, variable in part.named_variables()]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that :meth:`resume` needs to go on as if there had been no interruption.

        Raises:
            CheckpointError: when it cannot be written; then the path holds what it held.
        """
        self._write(path, [leaf.numpy() for leaf in flatten(self.state)[0]])

    def _write(self, path: str | os.PathLike[str], state: Sequence[Array]) -> None:
        """Write a checkpoint with the state of all streams."""
        arrays = {f"model.{name}": value.numpy() for name, value in self.model.state_dict().items()}
        arrays |= {f"best.{name}": value.numpy() for name, value in self.best.items()}
        arrays |= {f"optimizer.{name}": value.numpy() for name, value in self.optimizer.state_dict().items()}
        arrays |= {f"state.{k}": array for k, array in enumerate(state)}
        arrays["losses"] = np.array(self.losses)
        description = Description(
            self.model.config,
            self.config,
            self.reading,
            self.vocabulary,
            self.corpus.name,
            self.corpus.sha256,
            self.at,
            tuple(self.validations),
        )
        write_checkpoint(path, arrays, description)
        self.saved_at, self.saved_to = self.at, os.fspath(path)

    @classmethod
    def resume(cls, path: str | os.PathLike[str], corpus: Corpus, wanted: Mapping[str, Any] | None = None) -> "Trainer":
        """The trainer as it was when it was saved to ``path``; it goes on bit for bit.

        Args:
            corpus: the text that the checkpoint was trained on.
            wanted: fields of the configurations that the caller has in mind. ``steps``, ``epochs`` and
                ``validate_every`` replace those of the checkpoint; others must be equal to them.

        Raises:
            CheckpointError: when there is no checkpoint to be read, or it is of another text, another vocabulary, or
                other settings.
            UsageError: when more steps are done than are wanted.
        """
        arrays, saved = read_checkpoint(path)
        model, vocabulary = restored_model(path, arrays, saved)
        settings = {**asdict(saved.model), **asdict(saved.training), **asdict(saved.reading)}
        for key, value in (wanted or {}).items():
            if key not in _MAY_CHANGE and settings[key] != value:
                raise CheckpointError(
                    f"{path} was trained with {key} {settings[key]}, not {value}; "
                    f"leave that out to go on, or train a new model"
                )
        if saved.sha256 != corpus.sha256:
            raise CheckpointError(
                f"{path} was trained on another text, {saved.text} with SHA-256 {saved.sha256[:12]}…, and this is "
                f"{corpus.name} with {corpus.sha256[:12]}…; name the files it was trained on"
            )
        changes = {key: value for key, value in (wanted or {}).items() if key in _MAY_CHANGE}
        config = replace(saved.training, **changes)
        with described(path), undrawn():
            trainer = cls(corpus, saved.model, config, saved.reading)
        if saved.step > trainer.steps:
            raise UsageError(
                f"{path} is at step {saved.step:,} already, and steps, which counts from the start, is "
                f"{trainer.steps:,}; give a larger number (--steps or --epochs), or leave it out"
            )
        with described(path):
            if trainer.vocabulary != vocabulary:
                raise CheckpointError(f"{path} has another vocabulary than the text it names; train a new model")
            trainer.model.load_state_dict(part(arrays, "model"))
            trainer.optimizer.load_state_dict(part(arrays, "optimizer"))
            leaves, structure = flatten(trainer.model.zeros(saved.training.batch))
            state = [tensor(arrays[f"state.{k}"]) for k in range(len(leaves))]
            losses, best = array("d", arrays["losses"].tolist()), part(arrays, "best")
            fits = [s.type for s in state] == [leaf.type for leaf in leaves]
            if not fits or len(losses) != saved.step or bool(saved.validations) != bool(best):
                raise CheckpointError(f"{path} is damaged: its state does not fit its settings")
        trainer._take_state(unflatten(structure, state))
        trainer.at = trainer.saved_at = saved.step
        trainer.saved_to = os.fspath(path)
        trainer.losses, trainer.validations = losses, list(saved.validations)
        trainer.best = model.state_dict() if saved.validations else {}
        return trainer


def _detached(state: Any) -> Any:
    """The state as leaves without a graph, for the next window."""
    leaves, structure = flatten(state)
    return unflatten(structure, [leaf.detach() for leaf in leaves])
