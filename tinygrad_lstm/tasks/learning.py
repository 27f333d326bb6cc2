"""``run_trials``: many trials of one task with one cell, in one program."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tinygrad_lstm.functions.activations import log_softmax, softmax
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.ops.elementwise import minimum, sigmoid, softplus, sqrt
from tinygrad_lstm.optim.adam import Adam
from tinygrad_lstm.optim.optimizer import Optimizer
from tinygrad_lstm.optim.sgd import SGD
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.tasks.definition import Data, Protocol, Recent, Task
from tinygrad_lstm.tasks.sequence_data import Floats, Generator, Judgement, Sequences
from tinygrad_lstm.tasks.trial_cells import Blocks
from tinygrad_lstm.tasks.trial_network import TrialNetwork, comparable_hidden

__all__ = ["CellResult", "Trial", "make_network", "run_trials"]

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
    rounding, whatever other trials run. The weights of a trial are kept, and tested at the end, as they were at most
    256 sequences after it met the criterion.

    Args:
        cell: ``lstm``, ``gru`` or ``rnn``.
        limit: sequences after which a trial has failed; that of the protocol by default.
        watch: called now and then with the sequences so far and the number of trials that have succeeded.
    """
    started, limit = time.perf_counter(), protocol.limit if limit is None else limit
    sources = [task.data(np.random.default_rng([seed, k, 0])) for k in range(trials)]
    network = make_network(task, protocol, cell, [np.random.default_rng([seed, k, 1]) for k in range(trials)])
    learner = _Learner(task, protocol, network)
    needed: list[int | None] = [None] * trials
    kept = [p.numpy().copy() for p in network.parameters()]
    recent = _RecentRun(protocol.success, trials) if isinstance(protocol.success, Recent) else None
    asked, seen = 0, 0
    while seen < limit and None in needed:
        judged, drawn = learner.learn(sources, limit - seen)
        news: list[int | None] = [None] * trials
        if recent is not None:
            news = recent.met(judged, seen, protocol.batch)
        seen += drawn
        if not isinstance(protocol.success, Recent) and (seen - asked >= protocol.success.every or seen >= limit):
            asked, share = seen, protocol.success.share
            news = [seen if j.right.mean() >= share else None for j in learner.test(sources)]
        fresh = [k for k, at in enumerate(news) if at is not None and at <= limit and needed[k] is None]
        for values, p in zip(kept, network.parameters(), strict=True):
            for k in fresh:
                values[k] = p.numpy()[k]
        for k in fresh:
            needed[k] = news[k]
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


class _Learner:
    """Updates the networks of all trials at once, and asks them."""

    def __init__(self, task: Task, protocol: Protocol, network: TrialNetwork) -> None:
        self.task, self.protocol, self.network = task, protocol, network
        self.updates: int | None = None
        parameters = network.parameters()
        kind: type[Optimizer] = SGD if protocol.optimizer == "sgd" else Adam
        optimizer = kind(parameters, lr=protocol.rate)

        @jit
        def update(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
            scores = network(x)
            loss = self._loss(scores, y, w)
            optimizer.zero_grad()
            loss.backward()
            if protocol.clip is not None:
                _clip_each_trial(parameters, protocol.clip)
            optimizer.step()
            return self._answers(scores)

        self.update = update
        self.answer = jit(lambda x: self._answers(network(x)))

    def _answers(self, scores: Tensor) -> Tensor:
        if self.protocol.squared:
            return sigmoid(scores) if self.protocol.logistic else scores
        if self.task.answers == "bits":
            return sigmoid(scores)
        return softmax(scores, axis=-1) if self.task.answers == "class" else scores

    def _loss(self, scores: Tensor, y: Tensor, w: Tensor) -> Tensor:
        """The sum over the trials of each trial's loss. Inputs are ``(time, trials, batch, …)``."""
        if self.protocol.squared:
            gap = self._answers(scores) - y
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
        x, y, w = _beside(drawn)
        found = []
        for at in range(0, count, batch):
            now = slice(at, at + batch)
            found.append(self.update(tensor(x[:, :, now]), tensor(y[:, :, now]), tensor(w[:, :, now])).numpy())
        answers = np.concatenate(found, axis=2)
        return [s.judge(answers[:, k], self.task.tolerance) for k, s in enumerate(drawn)], count

    def test(self, sources: Sequence[Data]) -> list[Judgement]:
        """How each trial's network answers its test."""
        tests = [source.test() for source in sources]
        parts: list[list[Judgement]] = []
        for places in _chunks(tests[0].count):
            some = [test.at(places) for test in tests]
            answers = self.answer(tensor(_beside(some)[0])).numpy()
            parts.append([s.judge(answers[:, k], self.task.tolerance) for k, s in enumerate(some)])
        count = tests[0].count
        return [
            Judgement(*[np.concatenate([part[k][field] for part in parts])[:count] for field in (0, 1)])
            for k in range(len(tests))
        ]


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


def _clip_each_trial(parameters: Sequence[Any], bound: float) -> None:
    """Scale the gradients of each trial by one factor, so that their common norm is at most ``bound``."""
    total = sum((p.grad * p.grad).sum(axis=(1, 2), keepdims=True) for p in parameters)
    factor = minimum(bound / (sqrt(total) + 1e-6), 1.0)
    for p in parameters:
        p.grad = p.grad * factor
