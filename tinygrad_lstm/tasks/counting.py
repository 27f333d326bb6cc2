"""Tasks of counting and of brackets: parity, aⁿbⁿ, aⁿbⁿcⁿ, and the Dyck language with two kinds of brackets."""

from typing import Final

import numpy as np

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.tasks.definition import Data, OnTest, Recent, Task, endless, modern
from tinygrad_lstm.tasks.sequence_data import Floats, Generator, Sequences, one_hot_rows

__all__ = ["count_sequences", "counted", "dyck", "dyck_sequences", "parity", "parity_bits"]

_GERS: Final = (
    'F. Gers, J. Schmidhuber, "LSTM recurrent networks learn simple context-free and context-sensitive languages", 2001'
)


def parity_bits(random: Generator, count: int, length: int) -> Sequences:
    """Bits 0 and 1, as −1 and 1; the target at the last of ``length/2`` to ``length`` steps is whether the 1s are odd.

    >>> some = parity_bits(np.random.default_rng(0), 3, 10)
    >>> odd = (some.inputs[..., 0] > 0).sum(axis=0) % 2
    >>> bool((some.targets.sum(axis=(0, 2)) == odd).all())
    True
    """
    last = random.integers(length // 2, length + 1, count) - 1
    inside = np.arange(length)[:, None] <= last
    bits = random.integers(2, size=(length, count)) * inside
    targets, weights = np.zeros((length, count, 1), np.float32), np.zeros((length, count), np.float32)
    rows = np.arange(count)
    targets[last, rows, 0], weights[last, rows] = bits.sum(axis=0) % 2, 1
    inputs = ((2 * bits - 1) * inside)[..., None].astype(np.float32)
    return Sequences(inputs, targets, weights)


def parity(length: int = 10) -> Task:
    """The parity of up to ``length`` bits."""
    return Task(
        "parity",
        "Parity",
        f"{length // 2} to {length} bits; after the last one the network says whether the number of 1s is odd.",
        "M. Minsky, S. Papert, Perceptrons, 1969, for the function",
        "1 0 0 1 1 0 1 … 0   → odd",
        1,
        1,
        "bits",
        0.5,
        endless(lambda random, count: parity_bits(random, count, length)),
        {
            "modern": modern(16, batch=32, limit=400_000, success=Recent(2000, 1), start=1.0),
        },
    )


def count_sequences(numbers: Floats, kinds: int, longest: int) -> Sequences:
    """For each number n the string ``S aⁿ bⁿ T`` or ``S aⁿ bⁿ cⁿ T``; the targets are all symbols that may follow.

    Args:
        kinds: 2 for aⁿbⁿ, 3 for aⁿbⁿcⁿ.
        longest: the largest n that there is room for.

    >>> one = count_sequences(np.array([2]), 2, 3)
    >>> [[" abT"[k] for k in np.flatnonzero(row)] for row in one.targets[:5, 0]]  # after S, a, a, b, b
    [['a', 'T'], ['a', 'b'], ['a', 'b'], ['b'], ['T']]
    """
    steps, size = 1 + kinds * longest, kinds + 2
    symbols, allowed = np.full((steps, len(numbers)), -1), np.zeros((steps, len(numbers), size), np.float32)
    for k, n in enumerate(numbers):
        text = [0, *np.repeat(np.arange(1, kinds + 1), n)]
        symbols[: len(text), k] = text
        for t, symbol in enumerate(text):
            left = symbol * n - t
            following = [1, kinds + 1] if t == 0 else [1, 2] if symbol == 1 else [symbol if left else symbol + 1]
            allowed[t, k, following] = 1
    return Sequences(one_hot_rows(symbols, size), allowed, (symbols >= 0).astype(np.float32))


def counted(kinds: int, longest: int) -> Task:
    """aⁿbⁿ or aⁿbⁿcⁿ, with n up to ``longest`` in training and up to twice that in the test."""
    name = "aⁿbⁿcⁿ"[: 2 * kinds]

    def data(random: Generator) -> Data:
        known = count_sequences(np.arange(1, longest + 1), kinds, 2 * longest)
        test = count_sequences(np.arange(1, 2 * longest + 1), kinds, 2 * longest)
        return Data(lambda count: known.at(random.integers(longest, size=count)), lambda: test)

    return Task(
        "abc"[:kinds],
        name,
        f"Strings S {name} T, with n from 1 to {longest} in training. At each symbol the network says all that may "
        f"follow: while the b's are read these are b's alone, until there were as many as a's. The test has n from 1 "
        f"to {2 * longest}, so that the network has to count and not to remember the strings.",
        _GERS,
        {2: "S a a a b b b   → a|T a|b a|b a|b b b T", 3: "S a a b b c c   → a|T a|b a|b b c c T"}[kinds],
        kinds + 2,
        kinds + 2,
        "bits",
        0.5,
        data,
        {
            "modern": modern(4, batch=1, limit=60_000, success=OnTest(1.0, 500), start=1.0, forget_bias=10.0),
        },
    )


def dyck_sequences(random: Generator, count: int, length: int, deepest: int) -> Sequences:
    """Strings of well nested brackets of two kinds; the targets are all symbols that may follow.

    Each string has ``length`` symbols, is never open more than ``deepest`` times, and is closed at the end. The symbols
    are ``( [ ) ]`` and, as a target alone, the end.

    Raises:
        UsageError: for an odd length.

    >>> some = dyck_sequences(np.random.default_rng(3), 2, 6, 4)
    >>> ["".join("([)]"[k] for k in some.inputs[:, n].argmax(axis=-1)) for n in range(2)]
    ['()[[]]', '[([])]']
    """
    if length % 2:
        raise UsageError(f"dyck: a string of brackets has an even length, not {length}; give {length + 1}")
    symbols, allowed = np.zeros((length, count), int), np.zeros((length, count, 5), np.float32)
    waiting, depth, rows = np.zeros((count, deepest + 1), int), np.zeros(count, int), np.arange(count)
    for t in range(length):
        room = min(deepest, length - t - 1)
        opens = (depth == 0) | ((depth < room) & (random.random(count) < 0.5))
        kind = np.where(opens, random.integers(2, size=count), waiting[rows, depth])
        depth += np.where(opens, 1, -1)
        waiting[rows[opens], depth[opens]] = kind[opens]
        symbols[t] = np.where(opens, kind, 2 + kind)
        allowed[t, :, :2] = (depth < deepest)[:, None]
        allowed[t, rows, np.where(depth > 0, 2 + waiting[rows, depth], 4)] = 1
    return Sequences(one_hot_rows(symbols, 4), allowed, np.ones((length, count), np.float32))


def dyck(length: int = 40) -> Task:
    """The Dyck language of two kinds of brackets, nested up to 6 deep."""
    deepest = 6
    return Task(
        "dyck",
        "Dyck-2",
        f"Strings of {length} well nested brackets of two kinds, at most {deepest} deep. At each symbol the network "
        "says all that may follow: an opening bracket while there is room, and the one bracket that closes what was "
        "opened last, or the end where nothing is open.",
        'N. Chomsky, M. Schützenberger, "The algebraic theory of context-free languages", 1963, for the language',
        "( [ ] ( ) )   → ([) ([] ([) ([) ([) ([⊣",
        4,
        5,
        "bits",
        0.5,
        endless(lambda random, count: dyck_sequences(random, count, length, deepest), tested=512),
        {
            "modern": modern(32, batch=32, limit=100_000, success=Recent(2000, 20)),
        },
    )
