"""What the array API standard asks a namespace of arrays: its version, and what it can do."""

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from tinygrad_lstm.errors import BackendError, DeviceError, UsageError
from tinygrad_lstm.functions.element_types import isdtype
from tinygrad_lstm.graph.device import as_device, current_device
from tinygrad_lstm.graph.dtypes import DTYPES, DType, float32, int64
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.runtime.backend import backend_names, load_backend

__all__ = ["NamespaceInfo", "array_namespace", "array_namespace_info", "standard_version"]

standard_version: Final = "2024.12"
"""The version of the array API standard that ``tl`` follows, as far as arrays that never change allow."""

_EARLIER: Final = ("2021.12", "2022.12", "2023.12")


class NamespaceInfo:
    """What the arrays of this package can do, in the words of the array API standard."""

    def capabilities(self) -> Mapping[str, Any]:
        """What depends on the library: shapes do not depend on values, and NumPy bounds the number of axes."""
        return {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}

    def default_device(self) -> str:
        """Where new arrays live: on the device of the backend in use."""
        return current_device()

    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType | None]:
        """The element types of Python's numbers, and of indices; there are no complex numbers."""
        self._checked(device)
        return {"real floating": float32, "complex floating": None, "integral": int64, "indexing": int64}

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, DType]:
        """The element types by name.

        Args:
            kind: those of a kind, or of one of several, as :func:`isdtype` takes it.
        """
        self._checked(device)
        return {name: dtype for name, dtype in DTYPES.items() if kind is None or isdtype(dtype, kind)}

    def devices(self) -> list[str]:
        """The devices that an installed backend works on here."""
        found: list[str] = []
        for name in backend_names():
            try:
                found += load_backend(name).devices()
            except (BackendError, DeviceError):
                continue  # not installed, or without a device
        return list(dict.fromkeys(found))

    def _checked(self, device: str | None) -> None:
        """Raise for what is no name of a device; all have the same element types."""
        if device is not None:
            as_device(device)


def array_namespace_info() -> NamespaceInfo:
    """What the arrays here can do: devices, element types, capabilities.

    >>> info = tl.__array_namespace_info__()
    >>> info.default_dtypes()["real floating"], list(info.dtypes(kind="real floating"))
    (tl.float32, ['float16', 'float32', 'float64'])
    """
    return NamespaceInfo()


@function
def array_namespace(x: Any, api_version: str | None = None) -> ModuleType:
    """The namespace with the functions for ``x``: ``tl`` itself, as libraries ask for it by the array API standard.

    Raises:
        UsageError: for a version that is not followed.
    """
    if api_version not in (None, standard_version, *_EARLIER):
        raise UsageError(
            f"version {api_version!r} of the array API standard is not followed here, "
            f"but {standard_version} and those before"
        )
    return sys.modules[__name__.partition(".")[0]]
