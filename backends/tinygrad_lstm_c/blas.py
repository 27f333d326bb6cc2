"""Products of matrices by the BLAS that NumPy has loaded; a second BLAS would bring a second pool of threads."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_info

from tinygrad_lstm.errors import BackendError

__all__ = ["Blas", "find_blas"]

# The names in the wheels of NumPy come first. The bool: whether integers have 64 bits.
_NAMES: Final = (
    ("scipy_", "64_", True),
    ("", "64_", True),
    ("scipy_", "", False),
    ("", "", False),
)
_ROUTINES: Final = ("cblas_sgemm", "cblas_dgemm", "cblas_sgemv", "cblas_dgemv")


@dataclass(frozen=True, slots=True)
class Blas:
    """Addresses of CBLAS routines.

    Attributes:
        integer: the C type of sizes.
        routines: addresses of sgemm, dgemm, sgemv, dgemv.
        threads: a function that returns how many threads a product may use, which users can change.
        set_threads: a function that changes it.
    """

    path: str
    integer: str
    routines: tuple[int, ...]
    threads: Callable[[], int]
    set_threads: Callable[[int], object]


def _one() -> int:
    return 1


def _nothing(count: int) -> None:
    pass


def _opened(path: str) -> Blas | None:
    try:
        library = ctypes.CDLL(path)
    except OSError:
        return None
    for prefix, suffix, wide in _NAMES:
        routines = [getattr(library, f"{prefix}{name}{suffix}", None) for name in _ROUTINES]
        if all(routines):
            addresses = tuple(ctypes.cast(f, ctypes.c_void_p).value or 0 for f in routines)  # type: ignore[arg-type]
            getter: Any = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", _one)
            setter: Any = getattr(library, f"{prefix}openblas_set_num_threads{suffix}", _nothing)
            return Blas(path, "int64_t" if wide else "int32_t", addresses, getter, setter)
    return None


@lru_cache(maxsize=1)
def find_blas() -> Blas:
    """The BLAS of NumPy, or else that of the ``scipy-openblas32`` wheel.

    Raises:
        BackendError: when there is neither.
    """
    np.dot(np.ones((2, 2)), np.ones((2, 2)))  # NumPy may load its BLAS only now.
    loaded = [info["filepath"] for info in threadpool_info() if info.get("user_api") == "blas"]
    for path in sorted(loaded, key=lambda path: "numpy" not in path):
        if (blas := _opened(path)) is not None:
            return blas
    if find_spec("scipy_openblas32") is not None:
        import scipy_openblas32  # noqa: PLC0415  # an optional dependency

        for path in _libraries(scipy_openblas32.get_lib_dir()):
            if (blas := _opened(path)) is not None:
                return blas
    raise BackendError(
        "the C backend needs a BLAS, and NumPy's has no CBLAS functions; install one: pip install scipy-openblas32"
    )


def _libraries(folder: str) -> list[str]:
    return [str(p) for p in sorted(Path(folder).iterdir()) if ".so" in p.name or p.suffix in (".dylib", ".dll")]
