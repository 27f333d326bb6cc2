"""Windows of a text as numbers, for truncated backpropagation through time."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np

from tinygrad_lstm.data.vocabulary import Indices
from tinygrad_lstm.errors import DataError, UsageError

__all__ = ["TokenSequence", "Window", "Windows", "held_out_windows", "split"]

_MOST_HELD_OUT: Final = 2_000_000
"""Tokens that show the loss of a model to four digits."""


class TokenSequence(Protocol):
    """The numbers of a text: an array, or part of a file, of which a slice is read by ``np.asarray``."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Any:
        """Some of them, one after the other."""


_Sequence = TypeVar("_Sequence", bound=TokenSequence)


class Window(NamedTuple):
    """Inputs and targets ``(time, batch)``: each target is the token after its input.

    ``first``: no window comes before it, so the state starts from zeros.
    """

    inputs: Indices
    targets: Indices
    first: bool


def split(indices: _Sequence) -> tuple[_Sequence, _Sequence]:
    """The first nine tenths, to train on, and the last tenth, which is held out: 2 million tokens of it at most.

    >>> [len(part) for part in split(np.arange(25, dtype=np.int32))]
    [22, 3]
    """
    cut = max(len(indices) * 9 // 10, len(indices) - _MOST_HELD_OUT)
    return indices[:cut], indices[cut:]


class Windows:
    """A text as ``batch`` streams that are read side by side, ``window`` tokens at a time, again and again.

    Window ``k + 1`` goes on where window ``k`` ended, so the state of stream ``b`` can be carried from one to the
    next; after ``len()`` windows it begins again at the start. The end of a stream that fills no window is left out.

    Args:
        own: the streams that are read; the others are those of other processes.

    Raises:
        DataError: when the text is too short for one window.

    >>> windows = Windows(np.arange(13, dtype=np.int32), window=3, batch=2)
    >>> len(windows), windows[0].inputs.T.tolist(), windows[1].inputs.T.tolist()
    (2, [[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]])
    >>> windows[1].targets.T.tolist(), windows[2].first
    ([[4, 5, 6], [10, 11, 12]], True)
    """

    def __init__(
        self, indices: TokenSequence, window: int, batch: int, unit: str = "character", own: slice = slice(None)
    ) -> None:
        if window < 1 or batch < 1:
            raise UsageError(f"windows and batches hold at least 1 {unit}, not {window} and {batch}")
        needed = window * batch + 1
        if len(indices) < needed:
            raise DataError(
                f"there are {len(indices):,} {unit}s to train on, and {batch} streams of one window of {window} "
                f"need {needed:,}; give more text, or a smaller batch or window (--batch, --window)"
            )
        self.window, self.batch = window, batch
        self._indices, self._length = indices, (len(indices) - 1) // batch
        self._starts = [stream * self._length for stream in range(batch)[own]]

    def __len__(self) -> int:
        return self._length // self.window

    def __getitem__(self, k: int) -> Window:
        at = k % len(self)
        return _window(self._indices, self._starts, at * self.window, self.window)


def held_out_windows(indices: TokenSequence, window: int, batch: int, unit: str = "character") -> Iterator[Window]:
    """The held-out text once from start to end, in at most ``batch`` streams; the last window may be shorter.

    Fewer than ``batch`` tokens at the end are left out.

    Raises:
        DataError: when there are fewer than two tokens.

    >>> [w.inputs.T.tolist() for w in held_out_windows(np.arange(6, dtype=np.int32), window=3, batch=1)]
    [[[0, 1, 2]], [[3, 4]]]
    """
    if len(indices) < 2:
        raise DataError(f"the held-out text has {len(indices)} {unit}s and wants 2; give more text")
    streams = max(1, min(batch, (len(indices) - 1) // window))
    length = (len(indices) - 1) // streams
    starts = [stream * length for stream in range(streams)]
    for at in range(0, length, window):
        yield _window(indices, starts, at, min(window, length - at))


def _window(indices: TokenSequence, starts: list[int], at: int, count: int) -> Window:
    """``count`` tokens of each stream, from ``at`` on, and those that follow on them."""
    rows = np.stack([np.asarray(indices[start + at : start + at + count + 1], np.int32) for start in starts])
    return Window(rows[:, :-1].T, rows[:, 1:].T, at == 0)
