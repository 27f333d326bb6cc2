"""A function that counts its runs."""

from collections.abc import Callable
from typing import Any

__all__ = ["Counted"]


class Counted:
    """A function that counts how often Python runs it."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f, self.count = f, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        return self.f(*args, **kwargs)
