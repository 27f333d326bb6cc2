"""The adding problem and the multiplication problem: numbers that have to be kept exactly over a long time."""

import numpy as np

from tinygrad_lstm.tasks.definition import Protocol, Published, Recent, Task, endless, modern
from tinygrad_lstm.tasks.sequence_data import Generator, Sequences
from tinygrad_lstm.tasks.trial_cells import Blocks

__all__ = ["adding", "marked_pairs", "multiplication"]

PAPER = 'S. Hochreiter, J. Schmidhuber, "Long short-term memory", 1997'


def marked_pairs(random: Generator, count: int, length: int, product: bool) -> Sequences:
    """Sequences of ``length`` to ``1.1·length`` pairs of a number and a marker.

    Two pairs are marked by 1: one of the first ten, and one of the first ``length/2 − 1`` others. The first and the
    last marker are −1. The target at the last step is ``0.5 + (X₁ + X₂)/4`` with numbers in [−1, 1], or the
    ``product`` ``X₁·X₂`` with numbers in [0, 1]. Where the first pair is chosen, its marker stays −1, and its number
    counts as 0, or as 1 in a product.

    >>> some = marked_pairs(np.random.default_rng(0), 3, 20, product=False)
    >>> some.inputs.shape, (some.inputs[..., 1] == 1).sum(axis=0).tolist()
    ((22, 3, 2), [2, 1, 2])
    """
    steps, rows = length + length // 10, np.arange(count)
    last = random.integers(length, steps + 1, count) - 1
    numbers = random.uniform(0 if product else -1, 1, (steps, count))
    first = random.integers(10, size=count)
    second = random.integers(length // 2 - 1, size=count)
    second += second >= first
    neutral = 1.0 if product else 0.0
    one, two = [np.where(at == 0, neutral, numbers[at, rows]) for at in (first, second)]
    markers = np.zeros((steps, count))
    for at, mark in ((first, 1), (second, 1), (0, -1), (last, -1)):
        markers[at, rows] = mark
    inputs = np.stack([numbers, markers], axis=-1).astype(np.float32)
    inputs[np.arange(steps)[:, None] > last] = 0
    targets, weights = np.zeros((steps, count, 1), np.float32), np.zeros((steps, count), np.float32)
    targets[last, rows, 0] = one * two if product else 0.5 + (one + two) / 4
    weights[last, rows] = 1
    return Sequences(inputs, targets, weights)


def adding(length: int = 100) -> Task:
    """The adding problem with sequences of ``length`` to ``1.1·length`` steps."""
    blocks = Blocks(2, 2, input_bias=(-3, -6))
    published = {"lstm": Published("", f"{_ADDING[length]:,}", _WRONG[length])} if length in _ADDING else {}
    return Task(
        "adding",
        "The adding problem",
        f"Each step brings a number between −1 and 1 and a marker, over {length} to {length + length // 10} steps. Two "
        "steps are marked by 1, one of the first ten and one in the first half; at the end the network says "
        "0.5 + (X₁ + X₂)/4 of their numbers, to within 0.04.",
        f"{PAPER}, experiment 4",
        "number   0.31  −0.82   0.55  …  −0.13   0.64\nmarker     −1      0      1  …      1     −1   → 0.605",
        2,
        1,
        "number",
        0.04,
        endless(lambda random, count: marked_pairs(random, count, length, product=False)),
        {
            "1997": Protocol(
                {"lstm": blocks},
                rate=0.5,
                limit=300_000,
                start=0.1,
                squared=True,
                logistic=False,
                success=Recent(2000, 1, 0.01),
                published=published,
            ),
            "modern": modern(
                16,
                batch=16,
                limit=300_000,
                rate=0.005,
                success=Recent(2000, 1, 0.006),
                lag=length,
                published=published,
            ),
        },
    )


_ADDING = {100: 74_000, 500: 209_000, 1000: 853_000}
_WRONG = {100: "1 of 2,560", 500: "0 of 2,560", 1000: "1 of 2,560"}


def multiplication(length: int = 100) -> Task:
    """The multiplication problem with sequences of ``length`` to ``1.1·length`` steps."""
    blocks = Blocks(2, 2, input_bias=(-3, -6))
    published = {"lstm": Published("", "482,000", "139 of 2,560")} if length == 100 else {}
    return Task(
        "multiplication",
        "The multiplication problem",
        f"Each step brings a number between 0 and 1 and a marker, over {length} to {length + length // 10} steps. Two "
        "steps are marked by 1, one of the first ten and one in the first half; at the end the network says the "
        "product of their numbers, to within 0.04.",
        f"{PAPER}, experiment 5",
        "number   0.31   0.82   0.55  …   0.13   0.64\nmarker     −1      0      1  …      1     −1   → 0.0715",
        2,
        1,
        "number",
        0.04,
        endless(lambda random, count: marked_pairs(random, count, length, product=True)),
        {
            "1997": Protocol(
                {"lstm": blocks},
                rate=0.1,
                limit=1_000_000,
                start=0.1,
                squared=True,
                logistic=False,
                success=Recent(2000, 140),
                published=published,
            ),
            "modern": modern(
                16,
                batch=16,
                limit=300_000,
                rate=0.005,
                success=Recent(2000, 7),
                lag=length,
                published=published,
            ),
        },
    )
