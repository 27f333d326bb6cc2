"""``run_trials``: many trials of one task with one cell, in one program."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import numpy as np

from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.functions.activations import log_softmax, softmax
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import assign_all
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.ops.elementwise import minimum, sigmoid, softplus, sqrt
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.optim.adam import Adam
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.tasks.definition import Data, Protocol, Recent, Task
from tinygrad_lstm.tasks.sequence_data import Floats, Generator, Judgement, Sequences
from tinygrad_lstm.tasks.trial_cells import Blocks
from tinygrad_lstm.tasks.trial_network import TrialNetwork, comparable_hidden

__all__ = ["CellResult", "Learner", "Trial", "clipped_each_trial", "make_network", "run_trials"]

Update: TypeAlias = Callable[[Floats, Floats, Floats, Floats], Floats]
"""Several updates, with inputs, targets and weights ``(updates, time, trials, batch, …)``, and for each update the
share of the hidden state that the outputs see; gives the answers."""

_DRAWN: Final = 256
"""Sequences that a trial draws at a time."""

_FLOATS: Final = 1 << 20
"""Inputs that a trial draws at a time, at most."""

_TESTED: Final = 128


@dataclass(frozen=True)
class Trial:
    """What came of one trial: the sequences needed, None if it failed; how many of the test were wrong; the error."""

    needed: int | None
    wrong: int
    tested: int
    error: float


@dataclass(frozen=True)
class CellResult:
    """The trials of one cell: its units, the weights of one network, and the time that all of them took."""

    cell: str
    hidden: int | Blocks
    size: int
    limit: int
    trials: tuple[Trial, ...]
    seconds: float

    @property
    def solved(self) -> tuple[Trial, ...]:
        """The successful trials."""
        return tuple(trial for trial in self.trials if trial.needed is not None)


def make_network(task: Task, protocol: Protocol, cell: str, randoms: Sequence[Generator]) -> TrialNetwork:
    """The networks of the trials, with the cell's units as the protocol has them."""

    def made(kind: str, hidden: int | Blocks, randoms: Sequence[Generator]) -> TrialNetwork:
        units = hidden.cells if isinstance(hidden, Blocks) else hidden
        start = 1 / np.sqrt(units) if protocol.start is None else protocol.start
        return TrialNetwork(
            kind,
            hidden,
            task.inputs,
            task.outputs,
            randoms,
            start,
            direct=protocol.direct,
            biased=protocol.biased,
            forget_bias=protocol.forget_bias,
            lag=protocol.lag,
        )

    if cell in protocol.hidden:
        return made(cell, protocol.hidden[cell], randoms)
    weights = made("lstm", protocol.hidden["lstm"], randoms[:1]).size
    options = {"direct": protocol.direct, "biased": protocol.biased}
    return made(cell, comparable_hidden(cell, weights, task.inputs, task.outputs, **options), randoms)


def run_trials(
    task: Task,
    protocol: Protocol,
    cell: str = "lstm",
    trials: int = 10,
    seed: int = 0,
    limit: int | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> CellResult:
    """Train the networks of several trials side by side, until all have learned the task or the limit is reached.

    Trial k has its sequences and first weights from the generator ``[seed, k]``, so that it is the same, up to
    rounding, whatever other trials run. The weights of a trial are kept, and tested at the end, as they were when it
    met the criterion; by gradient descent, whose updates are turns of one loop, at most 256 sequences later.

    Args:
        cell: ``lstm``, ``gru`` or ``rnn``.
        limit: sequences after which a trial has failed; that of the protocol by default.
        watch: called now and then with the sequences so far and the number of trials that have succeeded.
    """
    started, limit = time.perf_counter(), protocol.limit if limit is None else limit
    sources = [task.data(np.random.default_rng([seed, k, 0])) for k in range(trials)]
    network = make_network(task, protocol, cell, [np.random.default_rng([seed, k, 1]) for k in range(trials)])
    learner = Learner(task, protocol, network)
    needed: list[int | None] = [None] * trials
    kept = [p.numpy().copy() for p in network.parameters()]
    recent = _RecentRun(protocol.success, trials) if isinstance(protocol.success, Recent) else None
    asked, seen = 0, 0
    while seen < limit and None in needed:
        judged, drawn = learner.learn(sources, limit - seen)
        news: list[int | None] = [None] * trials
        if recent is not None:
            news = recent.met(judged, seen, protocol.batch)
        before, seen = seen, seen + drawn
        if not isinstance(protocol.success, Recent) and (seen - asked >= protocol.success.every or seen >= limit):
            asked, share = seen, protocol.success.share
            news = [seen if j.right.mean() >= share else None for j in learner.test(sources)]
        fresh = [k for k, at in enumerate(news) if at is not None and at <= limit and needed[k] is None]
        for k in fresh:
            at = needed[k] = cast(int, news[k])
            for values, now in zip(kept, learner.weights_after((at - before) // protocol.batch), strict=True):
                values[k] = now[k]
        if watch is not None:
            watch(min(seen, limit), trials - needed.count(None))
    for k in range(trials):
        if needed[k] is None:
            for values, p in zip(kept, network.parameters(), strict=True):
                values[k] = p.numpy()[k]
    for values, p in zip(kept, network.parameters(), strict=True):
        p.assign(values)
    tests = learner.test(sources)
    outcomes = tuple(
        Trial(at, int((~j.right).sum()), len(j.right), float(j.error.mean()))
        for at, j in zip(needed, tests, strict=True)
    )
    hidden = network.cell.blocks if hasattr(network.cell, "blocks") else network.cell.hidden
    return CellResult(cell, hidden, network.size, limit, outcomes, time.perf_counter() - started)


class _RecentRun:
    """Finds when the last sequences of a trial were good enough."""

    def __init__(self, rule: Recent, trials: int) -> None:
        self.rule = rule
        self.right = [np.zeros(0, bool) for _ in range(trials)]
        self.error = [np.zeros(0) for _ in range(trials)]

    def met(self, judged: list[Judgement], seen: int, batch: int) -> list[int | None]:
        """For each trial the sequences after which it met the rule first, counted in whole batches."""
        return [self._met(k, judgement, seen, batch) for k, judgement in enumerate(judged)]

    def _met(self, k: int, judgement: Judgement, seen: int, batch: int) -> int | None:
        window = self.rule.window
        right = np.concatenate([self.right[k], judgement.right])
        error = np.concatenate([self.error[k], judgement.error])
        before = len(self.right[k])
        self.right[k], self.error[k] = right[-window:], error[-window:]
        if len(right) < window:
            return None
        wrong = np.convolve(~right, np.ones(window, int), "valid")
        mean = np.cumsum(np.insert(error, 0, 0.0))
        mean = (mean[window:] - mean[:-window]) / window
        # Entry m is the window that ends at the sequence m + window of the joined ones.
        good = np.flatnonzero((wrong < self.rule.wrong) & (mean < self.rule.error))
        ends = [m + window for m in good if m + window > before]
        if not ends:
            return None
        at = seen + int(ends[0]) - before
        return -(-at // batch) * batch


class Learner:
    """Updates the networks of all trials at once, and asks them."""

    def __init__(self, task: Task, protocol: Protocol, network: TrialNetwork) -> None:
        self.task, self.protocol, self.network = task, protocol, network
        self.updates: int | None = None
        self.seen = 0
        self.history: list[list[Floats]] = []
        self.update = _descent(network, self) if protocol.optimizer == "sgd" else _adam(network, self)
        self.answer = jit(lambda x, share: self.answers(network(x, share=self.shared(share))))

    def answers(self, scores: Tensor) -> Tensor:
        """What the network says, from its scores."""
        if self.protocol.squared:
            return sigmoid(scores) if self.protocol.logistic else scores
        if self.task.answers == "bits":
            return sigmoid(scores)
        return softmax(scores, axis=-1) if self.task.answers == "class" else scores

    def loss(self, scores: Tensor, y: Tensor, w: Tensor) -> Tensor:
        """The sum over the trials of each trial's loss. Inputs are ``(time, trials, batch, …)``."""
        if self.protocol.squared:
            gap = self.answers(scores) - y
            return 0.5 * ((gap * gap).sum(axis=-1) * w).sum() / y.shape[2]
        if self.task.answers == "number":
            gap = scores - y
            losses = (gap * gap).sum(axis=-1)
        elif self.task.answers == "class":
            losses = -(log_softmax(scores, axis=-1) * y).sum(axis=-1)
        else:
            losses = (softplus(scores) - scores * y).sum(axis=-1)
        each: Tensor = (losses * w).sum(axis=(0, 2)) / w.sum(axis=(0, 2))
        return each.sum()

    def learn(self, sources: Sequence[Data], most: int) -> tuple[list[Judgement], int]:
        """Several updates, with about ``most`` sequences or fewer.

        Returns:
            What each trial's answers were before the updates, and the sequences that a trial saw.
        """
        batch = self.protocol.batch
        if self.updates is None:
            self.updates = 1
            per_sequence = sources[0].test().inputs[:, 0].size
            self.updates = max(1, min(_DRAWN, _FLOATS // per_sequence) // batch)
        count = min(self.updates, -(-most // batch)) * batch
        drawn = [source.draw(count) for source in sources]
        x, y, w = [np.stack(np.split(value, count // batch, axis=2)) for value in _beside(drawn)]
        answers = self.update(x, y, w, self._shares(np.arange(self.seen, self.seen + count, batch)))
        self.seen += count
        answers = np.concatenate(list(answers), axis=2)
        return [s.judge(answers[:, k], self.task.tolerance) for k, s in enumerate(drawn)], count

    def weights_after(self, updates: int) -> list[Floats]:
        """The weights after so many of the last :meth:`learn`'s updates, where they were kept, else after all."""
        return self.history[updates - 1] if self.history else [p.numpy() for p in self.network.parameters()]

    def shared(self, share: Tensor) -> Tensor | None:
        """The share where it can be 0: a product with 1 at each step would cost time."""
        return share if self.protocol.alone else None

    def _shares(self, seen: Floats) -> Floats:
        """What the outputs see of the hidden state after so many sequences, 0 or 1."""
        return (seen >= self.protocol.alone).astype(np.float32)

    def test(self, sources: Sequence[Data]) -> list[Judgement]:
        """How each trial's network answers its test."""
        tests = [source.test() for source in sources]
        parts: list[list[Judgement]] = []
        share = tensor(self._shares(np.array(self.seen)))
        for places in _chunks(tests[0].count):
            some = [test.at(places) for test in tests]
            answers = self.answer(tensor(_beside(some)[0]), share).numpy()
            parts.append([s.judge(answers[:, k], self.task.tolerance) for k, s in enumerate(some)])
        count = tests[0].count
        return [
            Judgement(*[np.concatenate([part[k][field] for part in parts])[:count] for field in (0, 1)])
            for k in range(len(tests))
        ]


def _descent(network: TrialNetwork, learner: Learner) -> Update:
    """Gradient descent: all updates are turns of one loop, so that a small one costs no call from Python."""
    names, parameters = zip(*network.named_parameters(), strict=True)

    @jit
    def updates(x: Tensor, y: Tensor, w: Tensor, shares: Tensor) -> Tensor:
        def update(values: tuple[Tensor, ...], lesson: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Any, Tensor]:
            now, targets, weights, share = lesson
            scores = network(now, dict(zip(names, values, strict=True)), learner.shared(share))
            slopes = gradients(learner.loss(scores, targets, weights), list(values))
            slopes = clipped_each_trial(slopes, learner.protocol.clip)
            after = tuple(v - learner.protocol.rate * slope for v, slope in zip(values, slopes, strict=True))
            return after, learner.answers(scores)

        last, answers = scan(update, tuple(p.leaf for p in parameters), (x, y, w, shares))
        assign_all(list(zip(parameters, last, strict=True)))
        return cast(Tensor, answers)

    return lambda x, y, w, shares: updates(tensor(x), tensor(y), tensor(w), tensor(shares)).numpy()


def _adam(network: TrialNetwork, learner: Learner) -> Update:
    """Adam, one call for each update."""
    parameters = network.parameters()
    optimizer = Adam(parameters, learner.protocol.rate)

    @jit
    def update(x: Tensor, y: Tensor, w: Tensor, share: Tensor) -> Tensor:
        scores = network(x, share=learner.shared(share))
        optimizer.zero_grad()
        learner.loss(scores, y, w).backward()
        slopes = clipped_each_trial([p.grad for p in parameters], learner.protocol.clip)
        for p, slope in zip(parameters, slopes, strict=True):
            p.grad = slope
        optimizer.step()
        return learner.answers(scores)

    def updates(*lessons: Floats) -> Floats:
        answers, learner.history = [], []
        for lesson in zip(*lessons, strict=True):
            answers.append(update(*map(tensor, lesson)).numpy())
            if isinstance(learner.protocol.success, Recent):
                learner.history.append([p.numpy().copy() for p in parameters])
        return np.stack(answers)

    return updates


def _chunks(count: int) -> Iterator[Floats]:
    """Places in parts of one size, so that one program serves for all; the last part repeats the first places."""
    size = min(count, _TESTED)
    for at in range(0, count, size):
        yield np.arange(at, at + size) % count


def _beside(drawn: Sequence[Sequences]) -> tuple[Floats, Floats, Floats]:
    """Inputs, targets and weights of several trials side by side, ``(time, trials, count, …)``."""
    fields: Any = ([s.inputs for s in drawn], [s.targets for s in drawn], [s.weights for s in drawn])
    x, y, w = [np.stack(values, axis=1).astype(np.float32) for values in fields]
    return x, y, w


def clipped_each_trial(slopes: Sequence[Any], bound: float | None) -> list[Any]:
    """The gradients of each trial, scaled by one factor so that their common norm is at most ``bound``, if given."""
    if bound is None:
        return list(slopes)
    total = sum((slope * slope).sum(axis=(1, 2), keepdims=True) for slope in slopes)
    factor = minimum(bound / (sqrt(total) + 1e-6), 1.0)
    return [slope * factor for slope in slopes]
