"""Where an LSTM keeps the number of the subject: a linear probe, the best single unit, and the verb when it is clamped.

The method is that of Y. Lakretz et al., "The emergence of number and syntax units in LSTM language models", 2019: look
for units that tell singular from plural at each word between subject and verb, and change them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.ops.elementwise import tanh
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.tasks.agreement.grammar import INDEX, STEPS, Clause, clause
from tinygrad_lstm.tasks.agreement.sentence_model import Agreement
from tinygrad_lstm.tasks.agreement.sentences import word_numbers
from tinygrad_lstm.tasks.sequence_data import Floats
from tinygrad_lstm.tasks.trial_cells import LSTMTrials

__all__ = ["Clamped", "NumberUnit", "clamp_unit", "find_number_unit", "threshold_share", "values_along"]


@dataclass(frozen=True)
class NumberUnit:
    """The unit of the cell state that shows the number of the subject best.

    Attributes:
        trial: of which network.
        unit: its number.
        share: at how many of the words between subject and verb one threshold tells singular from plural.
        probe: the same of the best linear function of all units, on sentences that it was not fitted to.
        singular: mean value of the unit at these words behind singular subjects.
        plural: behind plural ones.
        order: all units, those with the largest share first.
    """

    trial: int
    unit: int
    share: float
    probe: float
    singular: float
    plural: float
    order: tuple[int, ...]


@dataclass(frozen=True)
class Clamped:
    """What becomes of the verb when units are held, from the subject on, at their means behind the other number.

    Attributes:
        free: the share of wrong numbers without a clamp.
        best: the share that another number comes out, by how many of the best units are held.
        other: the mean of it for each other unit held alone.
    """

    free: float
    best: dict[int, float]
    other: float


def values_along(trained: Agreement, sentences: Sequence[Sequence[str]], trial: int) -> dict[str, Floats]:
    """What the cell of one network computes at each word of sentences of the grammar.

    Returns:
        ``forget``, ``input``, ``candidate``, ``output``, ``cell`` and ``hidden``, each ``(time, sentences, units)``.

    Raises:
        UsageError: for another cell than the LSTM.
    """
    model, cell = trained.model, _lstm(trained)

    def step(state: Any, x: Tensor) -> tuple[Any, Any]:
        gates = cell.gates(x, state)
        return (gates.hidden, gates.cell), gates._asdict()

    @jit
    def along(words: Tensor) -> Any:
        return scan(step, cell.nothing(words.shape[2]), model.embedded(words))[1]

    words = _for_all_trials(trained, sentences, max(map(len, sentences)))
    return {name: value.numpy()[:, trial] for name, value in along(tensor(words)).items()}


def find_number_unit(trained: Agreement, count: int = 200, nouns: int = 3, seed: int = 2) -> NumberUnit:
    """The best unit of all networks, asked on ``count`` sentences with so many nouns besides the subject.

    Each word from behind the subject up to the verb counts. The probe is fitted by least squares on half of the
    sentences and asked on the others.
    """
    clauses = _mixed(count, nouns, seed)
    best: NumberUnit | None = None
    for trial in range(trained.model.trials):
        states, plural = _between(values_along(trained, [c.words for c in clauses], trial)["cell"], clauses)
        shares = np.array([threshold_share(unit, plural) for unit in states.T])
        unit = int(shares.argmax())
        if best is None or shares[unit] > best.share:
            low, high = (float(states[plural == number, unit].mean()) for number in (False, True))
            order = tuple((-shares).argsort(kind="stable").tolist())
            best = NumberUnit(trial, unit, float(shares[unit]), _probe(states, plural), low, high, order)
    assert best is not None
    return best


def clamp_unit(trained: Agreement, found: NumberUnit, attractors: int = 2, count: int = 200, seed: int = 3) -> Clamped:
    """What the network says of the verb when units are held, in sentences with so many attractors.

    Held are the best unit, the two best, the four best, …, and for comparison each other unit alone.
    """
    random = np.random.default_rng([seed, attractors])
    clauses = [clause(random, [k % 2] + [1 - k % 2] * attractors) for k in range(count)]
    states, plural = _between(values_along(trained, [c.words for c in clauses], found.trial)["cell"], clauses)
    means = np.stack([states[plural == number].mean(axis=0) for number in (False, True)])
    subjects = np.array([c.plural for c in clauses])
    opposite = means[1 - subjects.astype(int)]
    held = _holding(trained, clauses, found.trial, opposite)
    free = held(())
    best, units = {}, 1
    while units < len(found.order):
        best[units] = float((held(found.order[:units]) != free).mean())
        units *= 2
    changes = [(held((unit,)) != free).mean() for unit in found.order[1:]]
    return Clamped(float((free != subjects).mean()), best, float(np.mean(changes)))


def _holding(trained: Agreement, clauses: Sequence[Clause], trial: int, values: Floats) -> Any:
    """A function of the units that are held at ``values``, ``(count, units)``: whether each verb is plural."""
    model, cell = trained.model, _lstm(trained)
    words = _for_all_trials(trained, [one.words for one in clauses], STEPS)
    behind = np.zeros((STEPS, 1, len(clauses), 1), bool)
    for k, one in enumerate(clauses):
        behind[one.subject :, 0, k] = True
    last = np.array([len(one.words) - 1 for one in clauses])

    @jit
    def answer(words: Tensor, behind: Tensor, chosen: Tensor, values: Tensor) -> Tensor:
        def step(state: Any, now: tuple[Tensor, Tensor]) -> tuple[Any, Tensor]:
            x, late = now
            gates = cell.gates(x, state)
            c = where(late & chosen, values, gates.cell)
            h = gates.output * tanh(c)
            return (h, c), h

        _, h = scan(step, cell.nothing(words.shape[2]), (model.embedded(words), behind))
        return trained.chances(model.scores(h))

    def held(units: Sequence[int]) -> Floats:
        chosen = np.isin(np.arange(cell.hidden), units)
        given = [words, behind, chosen, values[None].astype(np.float32)]
        chances: Floats = answer(*map(tensor, given)).numpy()
        plural: Floats = chances[last, trial, np.arange(len(clauses))] > 0.5
        return plural

    return held


def _for_all_trials(trained: Agreement, sentences: Sequence[Sequence[str]], steps: int) -> Floats:
    """Words as integers ``(steps, trials, count)``, the same for each trial."""
    return np.repeat(word_numbers(sentences, INDEX, steps)[:, None], trained.model.trials, axis=1)


def _lstm(trained: Agreement) -> LSTMTrials:
    cell = trained.model.cell
    if not isinstance(cell, LSTMTrials):
        raise UsageError(f"number units are looked for in the cell state of an lstm, which a {trained.cell} has not")
    return cell


def _mixed(count: int, nouns: int, seed: int) -> list[Clause]:
    """Clauses with nouns of any number."""
    random = np.random.default_rng(seed)
    return [clause(random, random.integers(2, size=nouns + 1).tolist()) for _ in range(count)]


def _between(states: Floats, clauses: Sequence[Clause]) -> tuple[Floats, Floats]:
    """The states ``(words, units)`` from behind the subject up to the verb, and whether each subject is plural."""
    chosen, plural = [], []
    for k, one in enumerate(clauses):
        chosen.append(states[one.subject : len(one.words), k])
        plural.append(np.full(len(chosen[-1]), one.plural))
    return np.concatenate(chosen), np.concatenate(plural)


def threshold_share(values: Floats, plural: Floats) -> float:
    """The share of words that the best threshold puts on the right side, both numbers counted alike.

    Args:
        values: of one unit, ``(words,)``.
        plural: bools ``(words,)``, whether the subject of each is plural.

    >>> threshold_share(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True]))
    0.75
    """
    signs = np.where(plural, 0.5 / max(plural.sum(), 1), -0.5 / max((~plural).sum(), 1))
    above = np.cumsum(signs[values.argsort()])
    return float(0.5 + np.abs(above).max())


def _probe(states: Floats, plural: Floats) -> float:
    """The share of words that a linear function puts on the right side, fitted on the first half of them."""
    rows = np.concatenate([states, np.ones((len(states), 1))], axis=1)
    half = len(rows) // 2
    weights = np.linalg.lstsq(rows[:half], np.where(plural[:half], 1.0, -1.0), rcond=None)[0]
    return float(((rows[half:] @ weights > 0) == plural[half:]).mean())
