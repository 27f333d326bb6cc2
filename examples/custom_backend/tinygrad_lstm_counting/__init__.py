"""A backend of one's own: the shared kernels on NumPy arrays, and a count of how often each of them ran.

::

    import tinygrad_lstm as tl

    with tl.use_backend("counting") as backend:
        tl.tanh(tl.ones(3) @ tl.ones((3, 4))).numpy()
        print(backend.calls)                     # Counter({'reshape': 2, 'broadcast_to': 2, 'matmul': 1, 'tanh': 1})
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tinygrad_lstm.errors import DeviceError
from tinygrad_lstm.kernels.table import kernels

__all__ = ["CountingBackend"]


class CountingBackend:
    """Everything that the engine asks of a backend."""

    name = "counting"
    device_kind = "cpu"

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        # Ops that `tl.define_op` adds later are in the table too, but not counted.
        shared = kernels(np)
        self.kernels = kernels(np, {name: self._counted(name, f) for name, f in shared.items()})

    def _counted(self, name: str, f: Callable[..., Any]) -> Callable[..., Any]:
        def kernel(*arrays: Any, **attributes: Any) -> Any:
            self.calls[name] += 1
            return f(*arrays, **attributes)

        return kernel

    def default_device(self) -> str:
        """Where new values live."""
        return "cpu"

    def devices(self) -> list[str]:
        """Where values can live."""
        return ["cpu"]

    def describe(self) -> str:
        """One line for ``tinygrad-lstm backends``."""
        return f"NumPy {np.__version__}, counting"

    def put(self, array: Any, device: str) -> Any:
        """A copy of a NumPy array on the device."""
        if device != "cpu":
            raise DeviceError(f"the counting backend has the device cpu only, not {device!r}")
        return np.array(array, order="C")

    def get(self, array: Any) -> Any:
        """A NumPy array of the values."""
        return np.asarray(array)

    def finished(self, array: Any) -> Any:
        """A result as it is kept; NumPy gives scalars for arrays without axes."""
        return np.asarray(array)

    def empty(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        """Memory for the results of a loop."""
        return np.empty(shape, dtype=dtype.name)

    def arange(self, length: int, dtype: Any, device: str) -> Any:
        """The integers from 0."""
        return np.arange(length, dtype=dtype.name)

    def running(self, device: str) -> AbstractContextManager[Any]:
        """Entered round each evaluation: infinities and nans are no warnings."""
        return np.errstate(all="ignore")
