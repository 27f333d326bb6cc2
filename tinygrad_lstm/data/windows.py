"""Windows of a text as numbers, for truncated backpropagation through time."""

from collections.abc import Iterator
from typing import NamedTuple

from tinygrad_lstm.data.vocabulary import Indices
from tinygrad_lstm.errors import DataError, UsageError

__all__ = ["Window", "Windows", "held_out_windows", "split"]


class Window(NamedTuple):
    """Inputs and targets ``(time, batch)``: each target is the token after its input.

    ``first``: no window comes before it, so the state starts from zeros.
    """

    inputs: Indices
    targets: Indices
    first: bool


def split(indices: Indices) -> tuple[Indices, Indices]:
    """The first nine tenths, to train on, and the last tenth, which is held out.

    >>> [len(part) for part in split(np.arange(25, dtype=np.int32))]
    [22, 3]
    """
    cut = len(indices) * 9 // 10
    return indices[:cut], indices[cut:]


class Windows:
    """A text as ``batch`` streams that are read side by side, ``window`` tokens at a time, again and again.

    Window ``k + 1`` goes on where window ``k`` ended, so the state of stream ``b`` can be carried from one to the
    next; after ``len()`` windows it begins again at the start. The end of a stream that fills no window is left out.

    Raises:
        DataError: when the text is too short for one window.

    >>> windows = Windows(np.arange(13, dtype=np.int32), window=3, batch=2)
    >>> len(windows), windows[0].inputs.T.tolist(), windows[1].inputs.T.tolist()
    (2, [[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]])
    >>> windows[1].targets.T.tolist(), windows[2].first
    ([[4, 5, 6], [10, 11, 12]], True)
    """

    def __init__(self, indices: Indices, window: int, batch: int, unit: str = "character") -> None:
        if window < 1 or batch < 1:
            raise UsageError(f"windows and batches hold at least 1 {unit}, not {window} and {batch}")
        needed = window * batch + 1
        if len(indices) < needed:
            raise DataError(
                f"there are {len(indices):,} {unit}s to train on, and {batch} streams of one window of {window} "
                f"need {needed:,}; give more text, or a smaller batch or window (--batch, --window)"
            )
        self.window, self.batch = window, batch
        self._inputs, self._targets = _streams(indices, batch)

    def __len__(self) -> int:
        return len(self._inputs) // self.window

    def __getitem__(self, k: int) -> Window:
        at = k % len(self)
        rows = slice(at * self.window, (at + 1) * self.window)
        return Window(self._inputs[rows], self._targets[rows], at == 0)


def held_out_windows(indices: Indices, window: int, batch: int, unit: str = "character") -> Iterator[Window]:
    """The held-out text once from start to end, in at most ``batch`` streams; the last window may be shorter.

    Fewer than ``batch`` tokens at the end are left out.

    Raises:
        DataError: when there are fewer than two tokens.

    >>> [w.inputs.T.tolist() for w in held_out_windows(np.arange(6, dtype=np.int32), window=3, batch=1)]
    [[[0, 1, 2]], [[3, 4]]]
    """
    if len(indices) < 2:
        raise DataError(f"the held-out text has {len(indices)} {unit}s and wants 2; give more text")
    inputs, targets = _streams(indices, max(1, min(batch, (len(indices) - 1) // window)))
    for at in range(0, len(inputs), window):
        yield Window(inputs[at : at + window], targets[at : at + window], at == 0)


def _streams(indices: Indices, batch: int) -> tuple[Indices, Indices]:
    """Inputs and targets, ``(time, batch)``."""
    length = (len(indices) - 1) // batch
    inputs, targets = indices[: length * batch], indices[1 : length * batch + 1]
    return inputs.reshape(batch, length).T, targets.reshape(batch, length).T
