"""Where values live: the names of devices, and that of new leaves."""

import re
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

from tinygrad_lstm.errors import DeviceError
from tinygrad_lstm.graph.dtypes import is_dtype
from tinygrad_lstm.graph.registry import apply

__all__ = ["as_device", "current_device", "default_device"]

default_device: Final[ContextVar[str | None]] = ContextVar("default_device", default=None)
"""The device of the backend that a ``with`` block has chosen; None leaves it to the choice for the process."""


def current_device() -> str:
    """The device of leaves that are made here: that of the backend in use."""
    device: str = default_device.get() or apply("session_device")
    return device


def as_device(device: Any) -> str:
    """The full name of a device; None is the current one.

    >>> as_device("cpu"), as_device("cuda"), as_device("cuda:1")
    ('cpu', 'cuda:0', 'cuda:1')

    Raises:
        DeviceError: for anything but a kind and a number.
    """
    if device is None:
        return current_device()
    if not isinstance(device, str):
        hint = ""
        if is_dtype(device):
            hint = "; another element type is x.astype(dtype), or dtype= where a module is made"
        elif hasattr(device, "device"):
            hint = "; that of another tensor is y.device"
        shown = type(device).__name__ if hasattr(device, "device") else repr(device)
        raise DeviceError(f"a device is called cpu, cuda or cuda:1, not {shown}{hint}")
    return _full(device)


@lru_cache
def _full(device: str) -> str:
    if not re.fullmatch(r"[a-z]+(:\d+)?", device):
        raise DeviceError(f"a device is called cpu, cuda or cuda:1, not {device!r}")
    kind, _, number = device.partition(":")
    if kind in ("gpu", "cupy"):
        raise DeviceError(f"a device is called cpu, cuda or cuda:1, not {device!r}; write 'cuda{_}{number}'")
    if kind == "cpu" and number:
        raise DeviceError(f"the CPU has no number: the device is called cpu, not {device!r}")
    return device if kind == "cpu" or number else f"{kind}:0"
