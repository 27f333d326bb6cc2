"""A backend of one's own: the shared kernels on NumPy arrays, and a count of how often each of them ran.

::

    import tinygrad_lstm as tl

    with tl.use_backend("counting") as backend:
        tl.tanh(tl.ones(3) @ tl.ones((3, 4))).numpy()
        print(backend.calls)                     # Counter({'reshape': 2, 'broadcast_to': 2, 'matmul': 1, 'tanh': 1})
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_lstm.kernels.table import kernels
from tinygrad_lstm.runtime.host import HostArrays

__all__ = ["CountingBackend"]


class CountingBackend(HostArrays):
    """The methods that the engine needs; those that move arrays come from `HostArrays`, for NumPy's arrays."""

    name = "counting"

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
        """The device of new leaves."""
        return "cpu"

    def devices(self) -> list[str]:
        """All devices of this backend."""
        return ["cpu"]

    def describe(self) -> str:
        """One line for ``tinygrad-lstm backends``."""
        return f"NumPy {np.__version__}, counting"
