"""Noise-free long time lags: a symbol at the start decides the last one, with nothing, or with noise, between them."""

import numpy as np

from tinygrad_lstm.tasks.arithmetic import PAPER
from tinygrad_lstm.tasks.definition import OnTest, Protocol, Published, Recent, Task, endless, modern
from tinygrad_lstm.tasks.sequence_data import Generator, Sequences, one_hot_rows
from tinygrad_lstm.tasks.trial_cells import Blocks

__all__ = ["distracted_lag", "long_lag_a", "long_lag_c", "noise_free_lag"]

_MOST_EXTRA = 90


def noise_free_lag(random: Generator, count: int, length: int) -> Sequences:
    """Predict the next symbol of ``y a₁ a₂ … a_{p−1} y`` or ``x a₁ a₂ … a_{p−1} x``, with p the ``length``.

    >>> some = noise_free_lag(np.random.default_rng(0), 2, 4)
    >>> some.inputs.argmax(axis=-1).T.tolist(), some.targets.argmax(axis=-1).T.tolist()
    ([[4, 0, 1, 2], [4, 0, 1, 2]], [[0, 1, 2, 4], [0, 1, 2, 4]])
    """
    symbols = np.tile(np.arange(-1, length)[:, None], (1, count))
    symbols[[0, -1]] = length - 1 + random.integers(2, size=count)
    rows = one_hot_rows(symbols, length + 1)
    return Sequences(rows[:-1], rows[1:], np.ones((length, count), np.float32))


def long_lag_a(length: int = 100) -> Task:
    """Task 2a: nothing but the first symbol differs between the two sequences.

    The paper adds the memory cell "once the error has stopped decreasing". After 1000 sequences with the inputs alone
    all outputs but those of the last step are within 0.04 of their targets.
    """
    net = Blocks(1, 1, biased="none", output_gate=False, recurrent=False, ranges=None)
    paper = {"lstm": Published("100 %", "5,040"), "rnn": Published("0 %", "> 5,000,000")} if length == 100 else {}
    return Task(
        "lag-a",
        "Noise-free sequences with long time lags",
        f"There are two sequences of {length + 1} symbols, x a₁ a₂ … a_{length - 1} x and y a₁ a₂ … a_{length - 1} y. "
        "At each step the network predicts the next symbol, all outputs to within 0.25. For the last one it has to "
        f"keep the first for {length} steps.",
        f"{PAPER}, experiment 2a",
        f"x a₁ a₂ a₃ … a_{length - 1}   → a₁ a₂ a₃ a₄ … x",
        length + 1,
        length + 1,
        "class",
        0.25,
        endless(lambda random, count: noise_free_lag(random, count, length), tested=100),
        {
            "1997": Protocol(
                {"lstm": net, "gru": 1, "rnn": 1},
                rate=1.0,
                limit=60_000,
                start=0.2,
                squared=True,
                direct=True,
                alone=1000,
                biased=False,
                success=OnTest(1.0, 500),
                published=paper,
            ),
            "modern": modern(
                32,
                batch=2,
                limit=100_000,
                rate=0.03,
                start=1.0,
                lag=10 * length,
                direct=True,
                alone=1000,
                success=OnTest(1.0, 500),
                published=paper,
            ),
        },
    )


def distracted_lag(random: Generator, count: int, lag: int, distractors: int) -> Sequences:
    """Sequences ``b y a_i a_j … e y`` and ``b x a_i a_j … e x``: say y or x at the end, which is seen behind b alone.

    Between them stand ``lag`` random symbols of as many kinds as there are ``distractors``, and more: each further one
    with probability 9/10 (at most 90 more, which cuts one sequence in 13,000).

    >>> some = distracted_lag(np.random.default_rng(0), 3, 10, 4)
    >>> some.inputs.shape, some.weights.sum(axis=0).tolist()
    ((103, 3, 8), [1.0, 1.0, 1.0])
    """
    e, b, x = distractors, distractors + 1, distractors + 2
    steps, rows = lag + _MOST_EXTRA + 3, np.arange(count)
    end = 2 + lag + np.minimum(random.geometric(0.1, count) - 1, _MOST_EXTRA)
    which = random.integers(2, size=count)
    symbols = random.integers(distractors, size=(steps, count))
    symbols[0], symbols[1], symbols[end, rows] = b, x + which, e
    symbols[np.arange(steps)[:, None] > end] = -1
    targets, weights = np.zeros((steps, count, 2), np.float32), np.zeros((steps, count), np.float32)
    targets[end, rows, which], weights[end, rows] = 1, 1
    return Sequences(one_hot_rows(symbols, distractors + 4), targets, weights)


def long_lag_c(length: int = 50) -> Task:
    """Task 2c: as many kinds of distractors as the lag has steps, at random places.

    The paper's text gives g the range ±2 and h ±1, and its table 10 the other way round; the cells learn this task
    more surely as the table has them.
    """
    needed = {50: "30,000", 100: "31,000", 200: "33,000", 500: "38,000", 1000: "49,000"}
    paper = {"lstm": Published("", needed[length])} if length in needed else {}
    return Task(
        "lag-c",
        "Long time lags with distractors",
        f"A sequence is b, then x or y, then at least {length} random symbols of {length} kinds, then e. At e the "
        f"network says which of x and y it saw, both outputs to within 0.2. It never sees a lag of fewer than "
        f"{length + 1} steps.",
        f"{PAPER}, experiment 2c",
        "b x a₇ a₁ a₂₉ … a₁₃ e   → x",
        length + 4,
        2,
        "class",
        0.2,
        endless(lambda random, count: distracted_lag(random, count, length, length)),
        {
            "1997": Protocol(
                {"lstm": Blocks(2, 1, biased="none", ranges=(1.0, 2.0))},
                rate=0.01,
                limit=200_000,
                start=0.2,
                squared=True,
                biased=False,
                success=Recent(10_000, 1),
                published=paper,
            ),
            "modern": modern(8, batch=16, limit=100_000, success=Recent(10_000, 1), lag=2 * length, published=paper),
        },
    )
