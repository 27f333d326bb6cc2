"""Training a language model: truncated backpropagation through time over the windows of a text."""

import contextlib
import math
import os
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from tinygrad_lstm.data.large import LargeCorpus
from tinygrad_lstm.data.text import Corpus, Texts
from tinygrad_lstm.data.windows import TokenSequence, Window, Windows, held_out_windows
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
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.train.checkpoint import (
    Array,
    described,
    is_sound,
    part,
    read_checkpoint,
    restored_model,
    write_checkpoint,
)
from tinygrad_lstm.train.checkpoint_file import CheckpointFile
from tinygrad_lstm.train.config import TextConfig, TrainConfig, learning_rate
from tinygrad_lstm.train.description import Description
from tinygrad_lstm.train.earlier import earlier
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig
from tinygrad_lstm.train.measuring import Evaluation, evaluate_tokens
from tinygrad_lstm.train.progress import Progress, draws_bars
from tinygrad_lstm.train.resuming import resumed_config
from tinygrad_lstm.train.updating import Means, Updates, detached, parted, whole_state

__all__ = ["LanguageModelTrainer"]


_MODEL: Final = ModelConfig()
_TRAINING: Final = TrainConfig()
_READING: Final = TextConfig()


class LanguageModelTrainer:
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
    >>> config = TrainConfig(steps=30, window=8, batch=4)
    >>> trainer = LanguageModelTrainer(text, ModelConfig(hidden=8, embedding=4), config)
    >>> trainer.run()
    >>> trainer.at, trainer.losses[-1] < trainer.losses[0]
    (30, True)
    """

    _own: slice = slice(None)
    """The streams of this process."""
    _means: Means | None = None

    def __init__(
        self,
        corpus: Corpus | LargeCorpus,
        model: ModelConfig = _MODEL,
        config: TrainConfig = _TRAINING,
        reading: TextConfig = _READING,
    ) -> None:
        if not isinstance(corpus, Corpus | LargeCorpus):
            raise UsageError(
                f"LanguageModelTrainer takes a Corpus, not {type(corpus).__name__}; "
                "write tl.data.Corpus(text, name), or tl.data.read_corpus([path])"
            )
        self.corpus, self.config, self.reading = corpus, config, reading
        self._texts = self._read()
        self.vocabulary = self._texts.vocabulary
        self._windows = Windows(self._texts.training, config.window, self.batch, self.vocabulary.unit, self._own)
        next(iter(self._held_out))
        key, dtype = random.key(config.seed), as_dtype(config.precision)
        self.model = LanguageModel(len(self.vocabulary), model, key=key, dtype=dtype)
        self.optimizer = config.optimizer_of(self.model.parameters())
        self._updates = Updates(self.model, self.optimizer, config, self._means)
        self._take_state(self.model.zeros(self.batch))
        self.at = 0
        self.losses = array("d")
        self.validations: list[tuple[int, float]] = []
        self.best: dict[str, Tensor] = {}
        self.saved_at: int | None = None
        self.saved_to: str | None = None
        self._still = deterministic(self.model)
        self._score = jit(self._judging)

    def _read(self) -> Texts:
        """The texts as numbers."""
        return self.corpus.texts(self.reading)

    def _take_state(self, state: Any) -> None:
        """Go on from this state of all streams."""
        self.state = parted(state, self._own, self.config.accumulate)

    @property
    def batch(self) -> int:
        """Streams that are read side by side: those of a batch, as often as gradients are accumulated."""
        return self.config.batch * self.config.accumulate

    @property
    def _held_out(self) -> Iterator[Window]:
        return held_out_windows(self._texts.held_out, self.config.window, self.config.batch, self.vocabulary.unit)

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
                window = self._windows[at]
                error.args = (f"{error}{self._updates.fault(window, self._entering(window, state))}",)
                assign_all(before)
            raise
        finally:
            self.model.zero_grad()
        return loss

    def _entering(self, window: Window, states: list[Any]) -> list[Any]:
        """The state of each part in which a window is read."""
        size = window.inputs.shape[1] // len(states)
        return [self.model.zeros(size) for _ in states] if window.first else states

    def _update(self, window: Window) -> float:
        self.optimizer.lr = learning_rate(self.config, self.at, self.epoch, self.steps)
        loss, norm, states = self._updates(window, self._entering(window, self.state))
        # Guessing costs the logarithm of the number of tokens. At a hundred times that the training has diverged.
        bound = 100 * math.log(max(2, len(self.vocabulary)))
        if not loss <= bound or not math.isfinite(norm):
            raise EvaluationError(
                f"training diverged at step {self.at + 1}: the loss is {loss:.4g} and its gradient has the norm "
                f"{norm:.4g}; take a smaller lr or clip (--lr, --clip)"
            )
        self.state = states
        return loss

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
        state: Any = None
        for window in self._held_out:
            state = self.model.zeros(window.inputs.shape[1]) if window.first else state
            loss, state = self._score(tensor(window.inputs), tensor(window.targets), state)
            state = detached(state)
            total, count = total + float(loss) * window.inputs.size, count + window.inputs.size
        if not math.isfinite(total):
            raise EvaluationError(
                f"training diverged: the loss over the held-out text at step {self.at:,} is {total / count}; take a "
                "smaller lr or clip (--lr, --clip)"
            )
        return total / count

    def evaluate(self, text: str) -> Evaluation:
        """How well the best weights predict ``text``, read in streams as the held-out text is."""
        return self._evaluate(self.vocabulary.encode(text), len(text.split()))

    def test(self) -> Evaluation | None:
        """How well the best weights predict the text for the end; None where the corpus has none."""
        return None if self._texts.test is None else self._evaluate(self._texts.test, self._texts.test_words)

    def _evaluate(self, tokens: TokenSequence, words: int) -> Evaluation:
        model = self.model
        if self.best:
            with undrawn():
                model = LanguageModel(len(self.vocabulary), model.config, dtype=as_dtype(self.config.precision))
            model.load_state_dict(self.best)
        window, batch = self.config.window, self.config.batch
        return evaluate_tokens(model, tokens, words, self.vocabulary.unit, window=window, batch=batch)

    def run(
        self,
        report: "Callable[[LanguageModelTrainer], None] | None" = None,
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
        report: "Callable[[LanguageModelTrainer], None] | None",
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
                        file.save(self.save, self.at, self.lowest[0])
                        saved = time.monotonic()
                elif file is not None and self._is_over(saved, save_every):
                    file.save(self.save, self.at, self.lowest[0])
                    saved = time.monotonic()
                if self.at >= self.steps:
                    return
                if self._is_over(started, time_limit):
                    if file is not None and self.saved_at != self.at:
                        file.save(self.save, self.at, self.lowest[0])
                    return
                self.step()
                if report:
                    report(self)
        except KeyboardInterrupt:
            if file is not None:
                file.save(self.save, self.at, self.lowest[0])
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
        self._write(path, whole_state(self.state))

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
            self._texts.sha256,
            self.at,
            tuple(self.validations),
        )
        write_checkpoint(path, arrays, description)
        self.saved_at, self.saved_to = self.at, os.fspath(path)

    @classmethod
    def resume(
        cls, path: str | os.PathLike[str], corpus: Corpus | LargeCorpus, wanted: Mapping[str, Any] | None = None
    ) -> "LanguageModelTrainer":
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
        try:
            arrays, saved = read_checkpoint(path)
            model, vocabulary = restored_model(path, arrays, saved)
        except CheckpointError as error:
            for before in earlier(path):
                if is_sound(before):
                    message = f"the one before it is whole: --resume {before} --checkpoint {os.fspath(path)}"
                    raise CheckpointError(f"{error}; {message}") from None
            raise
        config = resumed_config(path, saved, corpus, wanted or {})
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
            leaves, structure = flatten(trainer.model.zeros(trainer.batch))
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
