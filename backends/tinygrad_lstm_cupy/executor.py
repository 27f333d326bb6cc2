"""The executor: the shared kernels on CuPy arrays. CuPy is imported when the first array is wanted."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from tinygrad_lstm.errors import DeviceError
from tinygrad_lstm.kernels.table import Kernel, kernels
from tinygrad_lstm_cupy.probe import working_cupy
from tinygrad_lstm_cupy.rows import rows

__all__ = ["CupyBackend", "backend"]


class CupyBackend:
    """Executes graphs op by op on an NVIDIA GPU."""

    name = "cupy"
    device_kind = "cuda"

    def __init__(self) -> None:
        self.kernels: Mapping[str, Kernel] = _Kernels(self)

    @cached_property
    def cupy(self) -> Any:
        """The module; raises BackendError where it can not work."""
        return working_cupy()

    def default_device(self) -> str:
        """The GPU that CUDA has selected, at first ``cuda:0``."""
        return f"cuda:{int(self.cupy.cuda.runtime.getDevice())}"

    def devices(self) -> list[str]:
        """``cuda:0`` and so on."""
        return [f"cuda:{k}" for k in range(int(self.cupy.cuda.runtime.getDeviceCount()))]

    def describe(self) -> str:
        """CuPy's version and the names of the GPUs."""
        cp = self.cupy
        runtime = cp.cuda.runtime
        names = [runtime.getDeviceProperties(k)["name"].decode() for k in range(int(runtime.getDeviceCount()))]
        driver = int(runtime.driverGetVersion())
        return f"CuPy {cp.__version__} on {', '.join(names)}, driver of CUDA {driver // 1000}.{driver % 1000 // 10}"

    def put(self, array: Any, device: str) -> Any:
        """A copy of a NumPy array on the GPU.

        Raises:
            DeviceError: when there is no such GPU.
        """
        with self.running(device):
            return self.cupy.array(array, order="C")

    def get(self, array: Any) -> Any:
        """A copy in host memory."""
        return self.cupy.asnumpy(array)

    def finished(self, array: Any) -> Any:
        """The array itself: CuPy has no scalars of its own."""
        return self.cupy.asarray(array)

    def empty(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        """An array of undefined content."""
        with self.running(device):
            return self.cupy.empty(shape, dtype=dtype.name)

    def arange(self, length: int, dtype: Any, device: str) -> Any:
        """The integers from 0."""
        with self.running(device):
            return self.cupy.arange(length, dtype=dtype.name)

    def running(self, device: str) -> AbstractContextManager[Any]:
        """Selects the GPU. Overflow, division by zero and invalid values are silent on it anyway.

        Raises:
            DeviceError: when there is no such GPU.
        """
        if device not in self.devices():
            raise DeviceError(f"the cupy backend has {', '.join(self.devices())}, not {device!r}")
        context: AbstractContextManager[Any] = self.cupy.cuda.Device(int(device.partition(":")[2]))
        return context


class _Kernels(Mapping[str, Kernel]):
    """The op table, made when the first kernel is asked for."""

    def __init__(self, owner: CupyBackend) -> None:
        self._owner = owner

    @cached_property
    def _table(self) -> Mapping[str, Kernel]:
        return kernels(self._owner.cupy, rows(self._owner.cupy))

    def __getitem__(self, name: str) -> Kernel:
        return self._table[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def backend() -> CupyBackend:
    """The entry point that the package finds this backend by."""
    return CupyBackend()
