"""Copies from host memory to a device, and those of them that a program makes at every step."""

import sys
import warnings
import weakref
from collections import OrderedDict
from typing import Any, Final

from tinygrad_lstm.errors import CopyWarning

__all__ = ["Copies"]

_RECENT: Final = 32
"""Copies between two of the same array up to which they count as one step after the other."""
_OFTEN: Final = 8
_SMALL: Final = 1024
"""Bytes below which a copy costs no more than a launch."""


class Copies:
    """Warns once of an array that is copied again and again, though it could stay on the device.

    Whether its values have changed in between is not known, so the warning only says what to do if they have not.
    Another part of a larger array at each step is another array.

    >>> copies, x = Copies(), np.zeros(1000)
    >>> with warnings.catch_warnings(record=True, action="always") as caught:
    ...     for _ in range(20):
    ...         copies.note(x, "cuda:0")
    >>> len(caught)
    1
    """

    def __init__(self) -> None:
        self._known: OrderedDict[Any, tuple[weakref.ref[Any], int]] = OrderedDict()

    def note(self, array: Any, device: str) -> None:
        """A copy of a NumPy array to ``device`` begins."""
        if array.nbytes < _SMALL:
            return
        key = (id(array), device)
        known, times = self._known.pop(key, (None, 0))
        if known is None or known() is not array:
            # Another array in the place of one that is gone.
            known, times = weakref.ref(array), 0
        times += 1
        self._known[key] = known, times
        if len(self._known) > _RECENT:
            self._known.popitem(last=False)
        if times == _OFTEN:
            _warn(array, device)


def _warn(array: Any, device: str) -> None:
    told = (
        f"the same array, {array.dtype}{list(array.shape)}, was copied to {device} {_OFTEN} times; unless its values "
        f"change, copy it once, with tl.tensor(x, device={device!r}) before the loop"
    )
    frame = sys._getframe(1)
    # Backends are no part of this package, and no place of the user's either.
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("tinygrad_lstm"):
        frame = frame.f_back
    warnings.warn_explicit(told, CopyWarning, frame.f_code.co_filename, frame.f_lineno)
