"""NumPy standing in for CuPy: what the backend calls, without what CuPy lacks, and a GPU that can be taken away."""

import time
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

__all__ = ["CUDAError", "FakeCupy"]


class CUDAError(RuntimeError):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class FakeCupy(ModuleType):
    """``cupy`` as the backend sees it. Settings: the driver's version, the number of GPUs, and errors to raise."""

    __version__ = "14.2.0"

    def __init__(
        self,
        driver: int = 12080,
        gpus: int = 1,
        count_error: Exception | None = None,
        exp_error: Exception | None = None,
    ) -> None:
        super().__init__("cupy")
        self.selected = 0

        def count() -> int:
            if count_error is not None:
                raise count_error
            return gpus

        def properties(k: int) -> dict[str, bytes]:
            return {"name": f"Abacus {k}".encode()}

        runtime = SimpleNamespace(
            driverGetVersion=lambda: driver,
            getDeviceCount=count,
            getDevice=lambda: 0,
            getDeviceProperties=properties,
            memGetInfo=lambda: (3 << 30, 8 << 30),
            runtimeGetVersion=lambda: driver,
        )
        self.cuda = SimpleNamespace(
            runtime=runtime,
            Device=lambda k=0: self._device(k),
            Event=_Event,
            get_elapsed_time=lambda start, end: 1e3 * (end.at - start.at),
            nvrtc=SimpleNamespace(getVersion=lambda: (12, 9), getSupportedArchs=lambda: [80, 90]),
        )
        self.get_default_memory_pool = lambda: SimpleNamespace(free_bytes=lambda: 1 << 29)
        self.asnumpy = np.array
        self.floor_divide, self.remainder = _floor_divide, _remainder
        if exp_error is not None:

            def exp(*_: Any) -> None:
                raise exp_error

            self.exp = exp

    def _device(self, k: int) -> Any:
        self.selected = k
        return _Device()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "errstate":
            raise AttributeError(f"module 'cupy' has no attribute {name!r}")
        found = getattr(np, name)
        return _WithoutReduceat(found) if name == "add" else found


class _Device:
    """A device in use: a GPU warns of nothing."""

    compute_capability = "90"

    def __init__(self) -> None:
        self._silent = np.errstate(all="ignore")

    def __enter__(self) -> None:
        self._silent.__enter__()

    def __exit__(self, *_: Any) -> None:
        self._silent.__exit__(*_)

    def synchronize(self) -> None:
        """Nothing is left to wait for."""


class _Event:
    """The time at which it was recorded."""

    at = 0.0

    def record(self, stream: Any = None) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        """It has been recorded when ``record`` returns."""


class _WithoutReduceat:
    """CuPy's ``add`` has the method, but it raises."""

    def __init__(self, ufunc: Any) -> None:
        self._ufunc = ufunc
        self.nin = ufunc.nin

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._ufunc(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f"`cupy.ufunc.{name}` is not supported yet")


def _floor_divide(a: Any, b: Any) -> Any:
    """As CuPy computes it: of floats, the rounding of the division may reach the next whole number."""
    return np.floor(a / b) if a.dtype.kind == "f" else np.floor_divide(a, b)


def _remainder(a: Any, b: Any) -> Any:
    return a - _floor_divide(a, b) * b if a.dtype.kind == "f" else np.remainder(a, b)
