"""A warning for arrays that a program copies from host memory to a device at every step."""

import sys
import warnings
import weakref
from collections import OrderedDict
from typing import Any, Final

from tinygrad_lstm.errors import CopyWarning

__all__ = ["Copies"]

_RECENT: Final = 32
"""An array is forgotten when this many other arrays were copied since."""
_OFTEN: Final = 8
_SMALL: Final = 1024
"""Smaller copies, in bytes, are not counted: they cost no more than a launch."""


class Copies:
    """Warns once about an array that is copied again and again, though it could stay on the device.

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
        """Count a copy of a NumPy array to ``device``."""
        if array.nbytes < _SMALL:
            return
        key = (id(array), device)
        known, times = self._known.pop(key, (None, 0))
        if known is None or known() is not array:
            # The array of this id is gone, and this is another one at its address.
            known, times = weakref.ref(array), 0
        times += 1
        self._known[key] = known, times
        if len(self._known) > _RECENT:
            self._known.popitem(last=False)
        if times == _OFTEN:
            _warn(array, device)


def _warn(array: Any, device: str) -> None:
    message = (
        f"the same array, {array.dtype}{list(array.shape)}, was copied to {device} {_OFTEN} times; unless its values "
        f"change, copy it once, with tl.tensor(x, device={device!r}) before the loop"
    )
    frame = sys._getframe(1)
    # Backends, whose packages are named tinygrad_lstm_…, are skipped too: the warning is about a line of the user.
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("tinygrad_lstm"):
        frame = frame.f_back
    warnings.warn_explicit(message, CopyWarning, frame.f_code.co_filename, frame.f_lineno)
