"""Where new leaves live."""

from contextvars import ContextVar
from typing import Final

__all__ = ["current_device", "default_device"]

default_device: Final[ContextVar[str]] = ContextVar("default_device", default="cpu")


def current_device() -> str:
    """The device of leaves that are made here: that of the backend in use."""
    return default_device.get()
