"""Training a language model: truncated backpropagation through time over the windows of a text."""

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tinygrad_lstm.data.large import LargeCorpus
from tinygrad_lstm.data.text import Corpus, Texts
from tinygrad_lstm.data.windows import TokenSequence, Window, Windows, held_out_windows
from tinygrad_lstm.errors import CheckpointError, UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.dtypes import as_dtype
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.nn.saving import undrawn
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
from tinygrad_lstm.train.config import TextConfig, TrainConfig, learning_rate
from tinygrad_lstm.train.description import Description
from tinygrad_lstm.train.earlier import earlier
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig
from tinygrad_lstm.train.loop import TrainingLoop
from tinygrad_lstm.train.measuring import Evaluation, evaluate_tokens
from tinygrad_lstm.train.resuming import resumed_config
from tinygrad_lstm.train.updating import Means, parted, parts_of

__all__ = ["LanguageModelTrainer"]


_MODEL: Final = ModelConfig()
_TRAINING: Final = TrainConfig()
_READING: Final = TextConfig()


class LanguageModelTrainer(TrainingLoop):
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

    model: LanguageModel
    _advice = "take a smaller lr or clip (--lr, --clip)"
    _held_out_data = "held-out text"
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
        made = LanguageModel(len(self.vocabulary), model, key=key, dtype=dtype)
        super().__init__(made, config.optimizer_of(made.parameters()), config.clip, self._means)
        self.unit, self.tokens = self.vocabulary.unit, config.window * self.batch
        # Guessing costs the logarithm of the number of tokens. At a hundred times that the training has diverged.
        self._bound = 100 * math.log(max(2, len(self.vocabulary)))
        self._take_state(made.zeros(self.batch))

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

    def _batches(self) -> tuple[list[Any], list[Any], list[float] | None]:
        window, parts = self._windows[self.at], len(self.state)
        size = window.inputs.shape[1] // parts
        states = [self.model.zeros(size) for _ in range(parts)] if window.first else self.state
        return list(parts_of(window, parts)), states, None

    def _loss(self, model: Any, batch: Any, state: Any) -> tuple[Tensor, Tensor, Any]:
        inputs, targets = batch
        logits, state = model(inputs, state)
        loss = cross_entropy(logits, targets)
        return loss, loss * inputs.shape[0] if self.config.sum_over_time else loss, state

    def _rate(self) -> float:
        return learning_rate(self.config, self.at, self.epoch, self.steps)

    def _held_out_batches(self) -> Iterator[tuple[Any, Any, int]]:
        for window in self._held_out:
            state = self.model.zeros(window.inputs.shape[1]) if window.first else None
            yield (tensor(window.inputs), tensor(window.targets)), state, window.inputs.size

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

    @property
    def _every(self) -> int:
        usual = min(250, 25 * len(self._windows)) if self.config.epochs is None else len(self._windows)
        return self.config.validate_every or usual

    def _store(self, path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
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
            losses, kept = arrays["losses"].tolist(), part(arrays, "best")
            fits = [s.type for s in state] == [leaf.type for leaf in leaves]
            if not fits or len(losses) != saved.step or bool(saved.validations) != bool(kept):
                raise CheckpointError(f"{path} is damaged: its state does not fit its settings")
        trainer._take_state(unflatten(structure, state))
        best = model.state_dict() if saved.validations else {}
        trainer._go_to(path, saved.step, losses, saved.validations, best)
        return trainer
