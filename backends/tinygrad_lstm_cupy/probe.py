"""CuPy, once it is known to work here; otherwise one sentence that says what is missing and how to get it.

``import cupy`` succeeds without a driver, and ``cupy.is_available()`` asks the driver only: that kernels compile and
that cuBLAS loads is known when one of each has run.
"""

import importlib
from importlib.metadata import distributions
from typing import Any, Final

from tinygrad_lstm.errors import BackendError

__all__ = ["working_cupy"]

_INSTALL: Final = "pip install 'tinygrad-lstm[cuda12]', or [cuda13] for a driver of CUDA 13"
_INSUFFICIENT_DRIVER: Final = 35
"""``cudaErrorInsufficientDriver``, which the runtime also returns without any driver."""


def working_cupy() -> Any:
    """The module ``cupy``.

    Raises:
        BackendError: saying whether the package, the driver, a device, or a part of the CUDA toolkit is missing.
    """
    cupy = _imported()
    _require_a_device(cupy)
    try:
        # exp needs NVRTC and the CUDA headers, the product cuBLAS; reading the result waits for both.
        x = cupy.arange(4, dtype="float32").reshape(2, 2)
        float((cupy.exp(x - x) @ x).sum())
    except Exception as error:
        raise BackendError(
            f"backend 'cupy': CuPy {cupy.__version__} finds a GPU but cannot compute on it, for a part of the CUDA "
            f"toolkit is missing or broken ({_short(error)}); install it beside CuPy: {_INSTALL}"
        ) from error
    return cupy


def _imported() -> Any:
    try:
        return importlib.import_module("cupy")
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise _not_importable(error) from error
        raise BackendError(f"backend 'cupy': CuPy is not installed; {_INSTALL}") from None
    except Exception as error:
        raise _not_importable(error) from error


def _not_importable(error: Exception) -> BackendError:
    wheels = sorted({d.name for d in distributions() if (d.name or "").lower().startswith("cupy")})
    if len(wheels) > 1:
        why = f"the wheels {' and '.join(wheels)} overwrite each other's files; uninstall all of them"
    else:
        why = f"its installation is broken ({_short(error)}); uninstall it"
    return BackendError(f"backend 'cupy': CuPy is installed but cannot be imported: {why}, then {_INSTALL}")


def _require_a_device(cupy: Any) -> None:
    """Raise, with the reason, unless there are a driver and a GPU that this CuPy can use."""
    runtime = cupy.cuda.runtime
    driver = int(runtime.driverGetVersion())
    if not driver:
        raise BackendError(
            f"backend 'cupy': CuPy {cupy.__version__} is installed, but there is no NVIDIA driver on this machine; "
            "install the driver of your GPU (https://www.nvidia.com/drivers), or use the backend 'numpy'"
        )
    try:
        count = int(runtime.getDeviceCount())
    except Exception as error:
        if getattr(error, "status", None) == _INSUFFICIENT_DRIVER:
            raise BackendError(
                f"backend 'cupy': the NVIDIA driver is of CUDA {driver // 1000}.{driver % 1000 // 10}, too old for "
                f"CuPy {cupy.__version__}; update the driver, or install the CuPy that fits it: {_INSTALL}"
            ) from error
        count = 0
    if not count:
        raise BackendError(
            "backend 'cupy': there is an NVIDIA driver but no GPU that it can use; see what nvidia-smi lists, and "
            "whether CUDA_VISIBLE_DEVICES hides the GPU, or use the backend 'numpy'"
        )


def _short(error: Exception) -> str:
    """The class of an error and the first line of its message."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
