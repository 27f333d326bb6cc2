"""The executor: the shared kernels on CuPy arrays. CuPy is imported when it is first needed."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.errors import DeviceError, EvaluationError
from tinygrad_lstm.kernels.table import ArrayFunction, kernels
from tinygrad_lstm.runtime.copies import Copies
from tinygrad_lstm.runtime.locks import once
from tinygrad_lstm_cupy.cuda import print_cuda
from tinygrad_lstm_cupy.device import Device
from tinygrad_lstm_cupy.executable import CupyExecutable, unrecordable
from tinygrad_lstm_cupy.model import estimated
from tinygrad_lstm_cupy.probe import working_cupy
from tinygrad_lstm_cupy.rows import check_known, rows

__all__ = ["CupyBackend", "backend"]


class CupyBackend:
    """Executes graphs on an NVIDIA GPU: op by op with CuPy, and programs as CUDA."""

    name = "cupy"
    device_kind = "cuda"
    halves = True
    """Programs compute float16 in kernels, and its products with sums in float32."""

    def __init__(self) -> None:
        self.kernels: Mapping[str, ArrayFunction] = _Kernels(self)
        self._devices: dict[int, Device] = {}
        self._copies = Copies()

    @once
    def cupy(self) -> Any:
        """The module; raises BackendError where it cannot work."""
        return working_cupy()

    def default_device(self) -> str:
        """The GPU that is selected in CUDA, initially ``cuda:0``."""
        return f"cuda:{int(self.cupy.cuda.runtime.getDevice())}"

    def devices(self) -> list[str]:
        """``cuda:0`` and so on."""
        return [f"cuda:{k}" for k in range(int(self.cupy.cuda.runtime.getDeviceCount()))]

    def describe(self) -> str:
        """CuPy's version, the names of the GPUs and their memory."""
        cp = self.cupy
        runtime = cp.cuda.runtime
        gpus = []
        for k in range(int(runtime.getDeviceCount())):
            name = runtime.getDeviceProperties(k)["name"].decode()
            with cp.cuda.Device(k):
                free, total = (int(n) / 2**30 for n in runtime.memGetInfo())
                # CuPy keeps memory for later arrays. It is free too, although the driver counts it as used.
                free += int(cp.get_default_memory_pool().free_bytes()) / 2**30
            gpus.append(f"{name} ({free:.1f} of {total:.1f} GiB free)")
        driver = int(runtime.driverGetVersion())
        return f"CuPy {cp.__version__} on {', '.join(gpus)}, driver of CUDA {driver // 1000}.{driver % 1000 // 10}"

    def compile(self, program: Program) -> CupyExecutable:
        """The program as CUDA, for the GPU that is selected.

        Raises:
            BackendError: when cuBLAS or NVRTC fails.
            EvaluationError: when its memory does not fit on the GPU.
        """
        number = int(self.cupy.cuda.runtime.getDevice())
        if number not in self._devices:
            self._devices[number] = Device(self.cupy, number)
        with _fitting(f"a program whose temporary results take {program.arena / 2**30:.3g} GiB"):
            return CupyExecutable(program, self.kernels, self._devices[number])

    def estimate(self, program: Program) -> list[str]:
        """Lines on the least time that the program should take on the selected GPU, part by part."""
        printed = print_cuda(program)
        fallback = unrecordable(printed)
        lines = estimated(printed, self.device_name(), not fallback, os.environ.get("CUPY_TF32") == "1").lines()
        return [*lines, f"  launched one by one: {fallback}"] if fallback else lines

    def device_name(self) -> str:
        """The driver's name of the selected GPU."""
        runtime = self.cupy.cuda.runtime
        name: str = runtime.getDeviceProperties(int(runtime.getDevice()))["name"].decode()
        return name

    def put(self, array: Any, device: str) -> Any:
        """A copy of a NumPy array on the GPU; warns when the same array is copied at every step.

        Raises:
            DeviceError: when there is no such GPU.
            EvaluationError: when its memory does not suffice.
        """
        check_known(array.dtype.name)
        self._copies.note(array, device)
        with self.running(device), _fitting(f"a copy of {array.nbytes / 2**30:.3g} GiB"):
            return self.cupy.array(array, order="C")

    def borrow(self, array: Any) -> Any:
        """A CuPy array on the memory of another library's array on the GPU."""
        return self.cupy.from_dlpack(array)

    def get(self, array: Any) -> Any:
        """A copy in host memory."""
        return self.cupy.asnumpy(array)

    def finished(self, array: Any) -> Any:
        """The array itself: CuPy has no scalars of its own."""
        return self.cupy.asarray(array)

    def empty(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        """An array of undefined content."""
        check_known(dtype.name)
        with self.running(device), _fitting(f"an array of {math.prod(shape) * dtype.itemsize / 2**30:.3g} GiB"):
            return self.cupy.empty(shape, dtype=dtype.name)

    def arange(self, length: int, dtype: Any, device: str) -> Any:
        """The integers from 0."""
        with self.running(device):
            return self.cupy.arange(length, dtype=dtype.name)

    def running(self, device: str) -> AbstractContextManager[Any]:
        """A context that selects the GPU, on which overflow, division by zero and invalid values never warn.

        Raises:
            DeviceError: when there is no such GPU.
        """
        if device not in self.devices():
            raise DeviceError(f"the cupy backend has {', '.join(self.devices())}, not {device!r}")
        context: AbstractContextManager[Any] = self.cupy.cuda.Device(int(device.partition(":")[2]))
        return context


@contextmanager
def _fitting(what: str) -> Iterator[None]:
    """A context in which an error of memory says what did not fit; earlier arrays stay as they are."""
    try:
        yield
    except MemoryError as error:
        raise EvaluationError(
            f"the cupy backend: out of memory on the GPU: {what} does not fit; make a batch, a window or a layer "
            "smaller, or let go of tensors"
        ) from error


class _Kernels(Mapping[str, ArrayFunction]):
    """The op table, made at the first look-up, since it needs CuPy."""

    def __init__(self, owner: CupyBackend) -> None:
        self._owner = owner

    @once
    def _table(self) -> Mapping[str, ArrayFunction]:
        return kernels(self._owner.cupy, rows(self._owner.cupy))

    def __getitem__(self, name: str) -> ArrayFunction:
        return self._table[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def backend() -> CupyBackend:
    """The entry point by which the package finds this backend."""
    return CupyBackend()
