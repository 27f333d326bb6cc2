"""``SentenceModel`` and its training: the number of the coming verb, or the next word, for many trials at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions.activations import softmax
from tinygrad_lstm.functions.arrangement import expand_dims, squeeze
from tinygrad_lstm.functions.indexing import take_along_axis
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.ops.elementwise import sigmoid, softplus
from tinygrad_lstm.ops.index import take
from tinygrad_lstm.ops.linalg import matmul
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.reduce import logsumexp
from tinygrad_lstm.optim.adam import Adam
from tinygrad_lstm.optim.schedules import one_cycle
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.tasks.agreement.sentences import AgreementCorpus, Encoded
from tinygrad_lstm.tasks.learning import clipped_each_trial
from tinygrad_lstm.tasks.sequence_data import Floats, Generator
from tinygrad_lstm.tasks.trial_cells import drawn_per_trial
from tinygrad_lstm.tasks.trial_network import TRIAL_CELLS

__all__ = ["OBJECTIVES", "Agreement", "SentenceModel", "errors_by_attractors", "train_sentences"]

OBJECTIVES: Final = ("number", "language")
_UNITS: Final = {"lstm": 24, "gru": 28, "rnn": 50}
"""About 4,000 weights each, besides embedding and output."""
_ASKED: Final = 100
_POOL: Final = 8
"""Batches that are drawn at a time, and sorted by length."""
_ROUNDED: Final = 8
"""Lengths are rounded up to a multiple of this, so that few programs are compiled."""


class SentenceModel(Module):
    """An embedding, a recurrent layer and a linear one, for many trials: scores at each word.

    Shapes: indices ``(time, trials, batch)``; scores ``(time, trials, batch, outputs)``.

    Args:
        outputs: 1 for the number of the verb, or one for each word.
    """

    def __init__(
        self, cell: str, hidden: int, words: int, embedding: int, outputs: int, randoms: Sequence[Generator]
    ) -> None:
        self.words, self.trials = words, len(randoms)
        start = 1 / np.sqrt(hidden)
        vectors = np.stack([random.normal(0, 0.5, (words, embedding)) for random in randoms])
        self.embedding = Parameter(vectors.reshape(-1, embedding).astype(np.float32))
        self.cell = TRIAL_CELLS[cell](embedding, hidden, randoms, start)
        self.weight = Parameter(drawn_per_trial(randoms, start, hidden, outputs))
        self.bias = Parameter(np.zeros((len(randoms), 1, outputs), np.float32))

    def embedded(self, words: Tensor) -> Tensor:
        """The vectors of words; each trial has its own."""
        own = np.arange(self.trials, dtype=np.int32)[None, :, None] * self.words
        return take(self.embedding, words + tensor(own), axis=0)

    def forward(self, words: Tensor) -> Tensor:
        """The scores after each word."""
        _, h = scan(lambda state, x: self.cell(x, state), self.cell.nothing(words.shape[2]), self.embedded(words))
        return self.scores(h)

    def scores(self, h: Tensor) -> Tensor:
        """The linear layer."""
        return matmul(h, self.weight) + self.bias


@dataclass(frozen=True)
class Agreement:
    """A trained model with what it was trained for."""

    cell: str
    objective: str
    model: SentenceModel
    corpus: AgreementCorpus

    def chances(self, scores: Tensor) -> Tensor:
        """The probability of a plural verb, from scores ``(…, outputs)``; of a language model among all verbs known."""
        if self.objective == "number":
            return sigmoid(scores[..., 0])
        shares = softmax(scores, axis=-1)
        plural = shares[..., list(self.corpus.plural)].sum(axis=-1)
        return plural / (plural + shares[..., list(self.corpus.singular)].sum(axis=-1))


def train_sentences(
    corpus: AgreementCorpus,
    cell: str,
    objective: str = "number",
    trials: int = 5,
    seed: int = 0,
    steps: int = 2000,
    batch: int = 32,
    embedding: int = 16,
    hidden: int | None = None,
    rate: float = 0.01,
    watch: Callable[[int, float], None] | None = None,
) -> Agreement:
    """Train models side by side, by Adam with a learning rate that rises and falls once.

    Args:
        objective: ``number``: after the last word before the verb say whether it will be plural. ``language``: say the
            next word after each.
        watch: called now and then with the step and the mean loss.

    Raises:
        UsageError: for another objective, or a language model of a corpus whose verbs are not known.
    """
    if objective not in OBJECTIVES:
        raise UsageError(f"the objective is one of {', '.join(OBJECTIVES)}, not {objective!r}")
    if objective == "language" and not corpus.plural:
        raise UsageError(
            "a language model is asked for verbs of both numbers, which this corpus does not pair; "
            "train it for the number instead"
        )
    units = _UNITS[cell] if hidden is None else hidden
    outputs = 1 if objective == "number" else len(corpus.words)
    randoms = [np.random.default_rng([seed, k, 1]) for k in range(trials)]
    model = SentenceModel(cell, units, len(corpus.words), embedding, outputs, randoms)
    parameters = model.parameters()
    optimizer, schedule = Adam(parameters), one_cycle(rate, steps)

    @jit
    def update(words: Tensor, targets: Tensor, weights: Tensor) -> Any:
        scores = model(words)
        if objective == "number":
            losses = softplus(scores[..., 0]) - scores[..., 0] * targets
        else:
            chosen = squeeze(take_along_axis(scores, expand_dims(targets, -1), axis=-1), -1)
            losses = logsumexp(scores, axis=-1) - chosen
        each: Any = (losses * weights).sum(axis=(0, 2)) / weights.sum(axis=(0, 2))
        optimizer.zero_grad()
        each.sum().backward()
        clipped = [p for p in parameters if p is not model.embedding]
        for p, slope in zip(clipped, clipped_each_trial([p.grad for p in clipped], 1.0), strict=True):
            p.grad = slope
        optimizer.step()
        return each.mean()

    sources = [np.random.default_rng([seed, k, 0]) for k in range(trials)]
    lessons = _lessons(corpus, objective, sources, batch)
    for at in range(steps):
        optimizer.lr = schedule(at)
        loss = update(*map(tensor, next(lessons)))
        if watch is not None and (at % 50 == 49 or at + 1 == steps):
            watch(at + 1, loss.item())
    return Agreement(cell, objective, model, corpus)


def _lessons(
    corpus: AgreementCorpus, objective: str, sources: Sequence[Generator], batch: int
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Batches without end. Sentences of like lengths are together, so that little is filled up."""
    while True:
        ordered = []
        for source in sources:
            drawn = corpus.draw(source, _POOL * batch)
            ordered.append(drawn.at(np.argsort(drawn.length(objective), kind="stable")))
        for k in np.random.default_rng(sources[0].integers(2**32)).permutation(_POOL):
            some = [drawn.at(np.arange(k * batch, (k + 1) * batch)) for drawn in ordered]
            steps = max(int(one.length(objective).max()) for one in some)
            steps = min(-(-steps // _ROUNDED) * _ROUNDED, corpus.steps)
            yield _lesson([replace(one, words=one.words[:steps]) for one in some], objective)


def _lesson(drawn: Sequence[Encoded], objective: str) -> tuple[Floats, Floats, Floats]:
    """Words, targets and weights ``(time, trials, batch)``."""
    words = np.stack([some.words for some in drawn], axis=1)
    times = np.arange(len(words))[:, None, None]
    if objective == "number":
        weights = times == np.stack([some.last for some in drawn])
        targets = np.broadcast_to(np.stack([some.plural for some in drawn]), words.shape).astype(np.float32)
        return words, targets, weights.astype(np.float32)
    weights = times[1:] < np.stack([some.ends for some in drawn])
    return words[:-1], words[1:], weights.astype(np.float32)


def errors_by_attractors(trained: Agreement) -> dict[int, Floats]:
    """The share of verbs of the wrong number, ``(trials,)``, by the number of attractors."""
    answer = jit(lambda words: trained.chances(trained.model(words)))
    errors = {}
    for attractors, asked in trained.corpus.asked.items():
        count = asked.words.shape[1]
        wrong = []
        for at in range(0, count, _ASKED):
            some = asked.at(np.arange(at, at + _ASKED) % count)
            words = np.repeat(some.words[:, None], trained.model.trials, axis=1)
            chances = answer(tensor(words)).numpy()[some.last, :, np.arange(_ASKED)]
            wrong.append((chances > 0.5) != some.plural[:, None])
        errors[attractors] = np.concatenate(wrong)[:count].mean(axis=0)
    return errors
