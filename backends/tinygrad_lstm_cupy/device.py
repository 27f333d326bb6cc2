"""One GPU for compiled programs: memory, launches, products, and graphs that replay them."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from tinygrad_lstm.errors import EvaluationError
from tinygrad_lstm_cupy.cublas import Cublas
from tinygrad_lstm_cupy.cuda import PrintedCuda, Product
from tinygrad_lstm_cupy.nvrtc import machine_code

__all__ = ["Device"]

_DEVICE_TO_DEVICE: Final = 3
"""``cudaMemcpyDeviceToDevice``"""
_NO_MEMORY: Final = 2
"""``cudaErrorMemoryAllocation`` of the runtime, and ``CUDA_ERROR_OUT_OF_MEMORY`` of the driver."""


class Device:
    """A GPU, and the order in which programs run on it: one after the other, whatever stream each is called on."""

    def __init__(self, cupy: Any, number: int) -> None:
        self.cupy, self.number = cupy, number
        self._lock = threading.RLock()
        with cupy.cuda.Device(number):
            self._cublas = Cublas(cupy)
            self._event = cupy.cuda.Event(disable_timing=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """A context that selects the GPU and CuPy's current stream, which waits for the last program.

        Raises:
            MemoryError: when CUDA lacks memory for something that CuPy's pool does not hold, such as a graph.
        """
        with self._lock, self.cupy.cuda.Device(self.number):
            stream = self.cupy.cuda.get_current_stream()
            # Also where it seems to be the same stream: each thread may have a default stream of its own, all with one
            # handle, and the handle of a stream that was destroyed may be given to another.
            stream.wait_event(self._event)
            self._cublas.use_stream(int(stream.ptr))
            try:
                yield
            except RuntimeError as error:
                if getattr(error, "status", None) == _NO_MEMORY:
                    raise MemoryError(str(error)) from error
                raise
            finally:
                self._event.record(stream)

    def functions(self, printed: PrintedCuda) -> Mapping[str, Any]:
        """The functions of a text, compiled for this GPU."""
        if not printed.functions:
            return {}
        text = f"{printed.prelude}\n{printed.source}"
        module = self.cupy.cuda.function.Module()
        module.load(machine_code(self.cupy, text, int(self.cupy.cuda.Device(self.number).compute_capability)))
        return {f.name: module.get_function(f.name) for f in printed.functions}

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """An array of undefined content."""
        return self.cupy.empty(shape, dtype=dtype)

    def flat(self, array: Any, dtype: str) -> Any:
        """The elements in row-major order, as a copy only if they lie otherwise."""
        return self.cupy.ascontiguousarray(self.cupy.asarray(array, dtype=dtype)).reshape(-1)

    def strided(self, array: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        """A view with strides in bytes."""
        return self.cupy.lib.stride_tricks.as_strided(array, shape, strides)

    def address(self, array: Any) -> int:
        """The address at which an array begins."""
        return int(array.data.ptr)

    def copy(self, target: Any, source: Any) -> None:
        """Copy one flat array into another, in the order of the stream."""
        if target.nbytes:
            stream = self.cupy.cuda.get_current_stream().ptr
            self.cupy.cuda.runtime.memcpyAsync(
                target.data.ptr, source.data.ptr, target.nbytes, _DEVICE_TO_DEVICE, stream
            )

    def launch(self, function: Any, grid: tuple[int, int], threads: int, addresses: Sequence[int]) -> None:
        """Launch a function; all its arguments are pointers."""
        function(grid, (threads,), addresses)

    def product(self, product: Product, addresses: Sequence[int]) -> None:
        """Call cuBLAS."""
        self._cublas.product(product, addresses)

    def record(self, run: Callable[[], None]) -> Any:
        """The launches of ``run`` as a CUDA graph; nothing runs.

        Raises:
            EvaluationError: when it cannot be recorded.
        """
        current = self.cupy.cuda.get_current_stream()
        stream = self.cupy.cuda.Stream(non_blocking=True)
        try:
            # Leaving a ``with`` block would undo the caller's ``stream.use()``.
            stream.use()
            self._cublas.use_stream(int(stream.ptr))
            stream.begin_capture()
            try:
                run()
            finally:
                # After a failure too, since the stream must not stay in capture mode.
                graph = stream.end_capture()
        except (RuntimeError, MemoryError) as error:
            # The first error says why the capture ended.
            first = error.__context__ or error
            reason = str(first).strip().partition("\n")[0]
            raise EvaluationError(f"it cannot be recorded ({type(first).__name__}: {reason})") from error
        finally:
            current.use()
            self._cublas.use_stream(int(current.ptr))
        return graph

    def replay(self, graph: Any) -> None:
        """Launch a graph on CuPy's current stream."""
        graph.launch(self.cupy.cuda.get_current_stream())
