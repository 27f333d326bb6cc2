"""Checks of options that several functions of ``tl.draw`` take."""

from collections.abc import Mapping
from typing import Any, get_args

from tinygrad_lstm.draw.themes import ThemeName
from tinygrad_lstm.errors import UsageError

__all__ = ["check_at", "check_dpi", "check_look", "check_title"]

_FINEST = 9600
"""Dots an inch: more than any printer has."""


def check_title(caller: str, title: Any, **flags: Any) -> None:
    """Find out whether a title is a text or None, and whether each of ``flags`` is true or false.

    Raises:
        UsageError: otherwise.
    """
    if title is not None and not isinstance(title, str):
        raise UsageError(f"{caller}: title is a text, not {title!r}")
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise UsageError(f"{caller}: {name} is True or False, not {value!r}")


def check_look(caller: str, theme: Any, transparent: Any) -> None:
    """Find out whether options say how a picture looks.

    Raises:
        UsageError: otherwise.
    """
    if theme not in get_args(ThemeName):
        raise UsageError(f"{caller}: theme is 'light' or 'dark', not {theme!r}")
    if not isinstance(transparent, bool):
        raise UsageError(f"{caller}: transparent is True or False, not {transparent!r}")


def check_at(caller: str, at: Any) -> None:
    """Find out whether values for symbols come in a dict.

    Raises:
        UsageError: otherwise.
    """
    if at is not None and not isinstance(at, Mapping):
        raise UsageError(f"{caller}: at is a dict from symbols to values, at={{x: 2.0}}, not {at!r}")


def check_dpi(caller: str, dpi: Any) -> None:
    """Find out whether a number of dots an inch is one, or None.

    Raises:
        UsageError: otherwise.
    """
    if dpi is None:
        return
    if isinstance(dpi, bool) or not isinstance(dpi, int | float):
        raise UsageError(f"{caller}: dpi is a number, such as 300; got {dpi!r}.")
    if not 0 < dpi <= _FINEST:
        raise UsageError(f"{caller}: dpi is a number above 0 and at most {_FINEST}; got {dpi!r}.")
