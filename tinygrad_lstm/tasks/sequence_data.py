"""``Sequences``: the data of a task, many sequences side by side, and whether a network's answers are right."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from tinygrad_lstm.errors import ShapeError

__all__ = ["Floats", "Generator", "Judgement", "Sequences", "one_hot_rows"]

Floats: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Generator: TypeAlias = np.random.Generator

_NAMES: Final = ("inputs", "targets", "weights", "legal")


class Judgement(NamedTuple):
    """For each sequence whether all its answers are right, and the mean absolute error of its outputs; ``(count,)``."""

    right: Floats
    error: Floats


@dataclass(frozen=True)
class Sequences:
    """Sequences of a task. Short ones are filled up with zeros at their ends, where their weights are 0.

    Attributes:
        inputs: ``(time, count, inputs)``.
        targets: ``(time, count, outputs)``: what the network should say at each step.
        weights: ``(time, count)``: how much the error at a step counts, 0 where the network may say anything.
        legal: ``(time, count, outputs)`` of bools, where several answers are right: those that are. Without it the
            targets that are not 0 are.

    Raises:
        ShapeError: when these differ in time or count.

    >>> one = Sequences(np.ones((5, 1, 2)), np.ones((5, 1, 1)), np.ones((5, 1)))
    >>> one.count, one.steps
    (1, 5)
    """

    inputs: Floats
    targets: Floats
    weights: Floats
    legal: Floats | None = None

    def __post_init__(self) -> None:
        for name in _NAMES:
            value = getattr(self, name)
            if value is not None and value.shape[:2] != self.inputs.shape[:2]:
                raise ShapeError(
                    f"Sequences: {name} start with the sizes {list(value.shape[:2])}, expected "
                    f"{list(self.inputs.shape[:2])}, those of the inputs: [time, count]"
                )

    @property
    def steps(self) -> int:
        """The length of the longest sequence."""
        return int(self.inputs.shape[0])

    @property
    def count(self) -> int:
        """How many sequences these are."""
        return int(self.inputs.shape[1])

    def at(self, places: Any) -> "Sequences":
        """The sequences at these places, integers or a slice."""
        legal = None if self.legal is None else self.legal[:, places]
        return Sequences(self.inputs[:, places], self.targets[:, places], self.weights[:, places], legal)

    def judge(self, answers: Floats, tolerance: float | None) -> Judgement:
        """Whether ``answers``, of the shape of the targets, are right.

        Args:
            tolerance: at each step with a weight all outputs have to be nearer to their targets than this. None: all
                legal outputs have to be larger than all others.
        """
        counts = self.weights > 0
        gaps = np.abs(answers - self.targets)
        if tolerance is None:
            legal = self.targets > 0 if self.legal is None else self.legal
            least = np.where(legal, answers, np.inf).min(axis=-1)
            right = least > np.where(legal, -np.inf, answers).max(axis=-1)
        else:
            right = gaps.max(axis=-1) < tolerance
        error = np.where(counts, gaps.mean(axis=-1), 0).sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
        return Judgement((right | ~counts).all(axis=0), error)


def one_hot_rows(symbols: Floats, size: int) -> Floats:
    """Integers ``(time, count)`` as rows with a single 1, ``(time, count, size)``; those below 0 become zeros.

    >>> one_hot_rows(np.array([[1], [-1]]), 3).tolist()
    [[[0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0]]]
    """
    rows: Floats = (symbols[..., None] == np.arange(size)).astype(np.float32)
    return rows
