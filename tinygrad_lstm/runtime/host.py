"""What backends share that work on NumPy arrays in host memory."""

import os
import threading
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tinygrad_lstm.errors import DeviceError, UsageError
from tinygrad_lstm.runtime.locks import Lock

__all__ = ["HostArrays", "Turns"]


class HostArrays:
    """The part of the :class:`Backend` protocol that is the same for all backends with NumPy arrays.

    >>> class Mine(HostArrays):
    ...     name = "mine"
    >>> Mine().put([1.0, 2.0], "cpu")
    array([1., 2.])
    """

    name: str
    device_kind = "cpu"

    def put(self, array: Any, device: str) -> Any:
        """A copy of a NumPy array.

        Raises:
            DeviceError: when the device is not the CPU.
        """
        if device != "cpu":
            raise DeviceError(f"the {self.name} backend has the device cpu only, not {device!r}; say .to('cpu')")
        return np.array(array, order="C")

    def get(self, array: Any) -> Any:
        """The array itself: it lives in host memory."""
        return np.asarray(array)

    def finished(self, array: Any) -> Any:
        """A result as an array; for arrays without axes ufuncs return scalars."""
        return np.asarray(array)

    def empty(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        """An array of undefined content."""
        return np.empty(shape, dtype=dtype.name)

    def arange(self, length: int, dtype: Any, device: str) -> Any:
        """The integers from 0."""
        return np.arange(length, dtype=dtype.name)

    def running(self, device: str) -> AbstractContextManager[Any]:
        """A context in which overflow, division by zero and invalid values give inf and nan without warnings."""
        return np.errstate(all="ignore")


class Turns:
    """Lets one run at a time use the memory of a program, so that threads take turns.

    Raises:
        UsageError: when a run begins inside another one, since it would wait for its own end.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: int | None = None
        self._process = os.getpid()

    def __enter__(self) -> None:
        if self._process != os.getpid():
            # In a forked process the other threads, and what ran in them, do not exist.
            self._process, self._owner = os.getpid(), None
        if self._owner == threading.get_ident():
            raise UsageError(
                "a compiled function is called by an operation that it runs itself; call the function that is not "
                "compiled there"
            )
        self._lock.__enter__()
        self._owner = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._owner = None
        self._lock.__exit__()
