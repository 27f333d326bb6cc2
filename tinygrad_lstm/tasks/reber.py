"""The embedded Reber grammar: predict the next symbol of strings, the last but one from the second."""

from typing import Final

import numpy as np

from tinygrad_lstm.tasks.arithmetic import PAPER
from tinygrad_lstm.tasks.definition import Data, OnTest, Protocol, Published, Task, modern
from tinygrad_lstm.tasks.sequence_data import Generator, Sequences, one_hot_rows
from tinygrad_lstm.tasks.trial_cells import Blocks

__all__ = ["embedded_reber", "reber_sequences", "reber_string"]

_SYMBOLS: Final = "BTPSXVE"
_INNER: Final = (
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": 7},
)
"""The states of the Reber grammar: which symbols may follow, and the state that each leads to; 7 is the end."""

_LONGEST: Final = 60
"""No string is longer: of a million, one is."""


def reber_string(random: Generator) -> tuple[str, tuple[str, ...]]:
    """A string of the embedded grammar, and for each symbol but the last those that may follow it.

    >>> string, following = reber_string(np.random.default_rng(1))
    >>> string[1] == string[-2], string[0], string[-1], following[0], following[-1]
    (True, 'B', 'E', 'TP', 'E')
    """
    while True:
        outer = "TP"[random.integers(2)]
        inner, following, state = "", [], 0
        while state < 7:
            legal = "".join(_INNER[state])
            following.append(legal)
            symbol = legal[random.integers(len(legal))]
            inner, state = inner + symbol, _INNER[state][symbol]
        if len(inner) <= _LONGEST - 4:
            return f"B{outer}{inner}{outer}E", ("TP", *following, outer, "E")


def reber_sequences(strings: list[tuple[str, tuple[str, ...]]]) -> Sequences:
    """Strings with their legal successors as the sequences of a task."""
    steps, count = _LONGEST - 1, len(strings)
    symbols = np.full((steps + 1, count), -1)
    legal = np.zeros((steps, count, len(_SYMBOLS)), bool)
    for k, (string, following) in enumerate(strings):
        symbols[: len(string), k] = [_SYMBOLS.index(symbol) for symbol in string]
        for t, allowed in enumerate(following):
            legal[t, k, [_SYMBOLS.index(symbol) for symbol in allowed]] = True
    rows = one_hot_rows(symbols, len(_SYMBOLS))
    return Sequences(rows[:-1] * (symbols[1:] >= 0)[..., None], rows[1:], (symbols[1:] >= 0).astype(np.float32), legal)


def _data(random: Generator) -> Data:
    """256 strings for training, and the test: these and 256 others."""
    training = [reber_string(random) for _ in range(256)]
    known: set[str] = {string for string, _ in training}
    others: list[tuple[str, tuple[str, ...]]] = []
    while len(others) < 256:
        drawn = reber_string(random)
        if drawn[0] not in known:
            others.append(drawn)
    all_strings = reber_sequences(training + others)
    return Data(lambda count: all_strings.at(random.integers(256, size=count)), lambda: all_strings)


def embedded_reber() -> Task:
    """The embedded Reber grammar with 256 strings for training and 256 for the test.

    The ranges of g and h are those of the paper's table 10, with which more trials learn it than with its text's.
    """
    paper = {"lstm": Published("100 %", "8,440"), "rnn": Published("some", "25,000")}
    return Task(
        "reber",
        "The embedded Reber grammar",
        "Strings of a finite automaton are read symbol by symbol, and the network predicts the next one. Where two may "
        "follow, both have to be the likeliest. A string is B, T or P, a string of the Reber grammar, the same T or P, "
        "and E: the last but one has to be remembered from the second. There are 256 strings for training; the test is "
        "these and 256 others.",
        f"{PAPER}, experiment 1",
        "B T B P V V E T E   → T|P B T|P T|V P|V E T E",
        len(_SYMBOLS),
        len(_SYMBOLS),
        "class",
        None,
        _data,
        {
            "1997": Protocol(
                {"lstm": Blocks(3, 2, output_bias=(-1, -2, -3), biased="gates", ranges=(1.0, 2.0))},
                rate=0.5,
                limit=60_000,
                start=0.2,
                squared=True,
                biased=False,
                success=OnTest(1.0, 500),
                published=paper,
            ),
            "modern": modern(16, batch=16, limit=60_000, success=OnTest(1.0, 512), published=paper),
        },
    )
