"""The copy task: repeat symbols after a long wait."""

import numpy as np

from tinygrad_lstm.tasks.definition import Recent, Task, endless, modern
from tinygrad_lstm.tasks.sequence_data import Generator, Sequences, one_hot_rows

__all__ = ["copy_memory", "copy_sequences"]

_SYMBOLS, _COPIED = 4, 4


def copy_sequences(random: Generator, count: int, wait: int) -> Sequences:
    """Symbols, ``wait`` blanks, a signal, and blanks during which the symbols are to be repeated in order.

    >>> one = copy_sequences(np.random.default_rng(0), 1, 3)
    >>> one.inputs[:, 0].argmax(axis=-1).tolist()  # 4 is the blank, 5 the signal
    [3, 2, 2, 1, 4, 4, 4, 5, 4, 4, 4, 4]
    >>> (one.targets[8:, 0].argmax(axis=-1)).tolist()
    [3, 2, 2, 1]
    """
    blank, signal = _SYMBOLS, _SYMBOLS + 1
    shown = random.integers(_SYMBOLS, size=(_COPIED, count))
    steps = 2 * _COPIED + wait + 1
    symbols, targets = np.full((steps, count), blank), np.full((steps, count), blank)
    symbols[:_COPIED], symbols[_COPIED + wait] = shown, signal
    targets[-_COPIED:] = shown
    weights = np.ones((steps, count), np.float32)
    return Sequences(one_hot_rows(symbols, _SYMBOLS + 2), one_hot_rows(targets, _SYMBOLS + 1), weights)


def copy_memory(length: int = 30) -> Task:
    """The copy task with so many blanks."""
    return Task(
        "copy",
        "Copy memory",
        f"{_COPIED} symbols of {_SYMBOLS} kinds, {length} blanks, a signal, and then the same symbols again, one at "
        "each step; before that the network says blank. All steps have to be right.",
        'M. Arjovsky et al., "Unitary evolution recurrent neural networks", 2016, in small',
        "d b b a _ _ _ … _ ! _ _ _ _   → _ _ … _ d b b a",
        _SYMBOLS + 2,
        _SYMBOLS + 1,
        "class",
        None,
        endless(lambda random, count: copy_sequences(random, count, length)),
        {
            "modern": modern(32, batch=32, limit=300_000, success=Recent(2000, 20), start=1.0, lag=length + 10),
        },
    )
