"""Names for parts of a computation, and the characters that every text takes. Scopes and lines change no result."""

import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final, Literal, get_args

from tinygrad_lstm.errors import UsageError

__all__ = [
    "ROLES",
    "Line",
    "Role",
    "Scope",
    "around_functions",
    "at_line",
    "current_scope",
    "in_scope",
    "inside",
    "legal_text",
    "scope",
    "user_line",
    "warn",
]

Role = Literal["cell", "layer", "gate", "pointwise", "state", "function"]
ROLES: Final[tuple[str, ...]] = get_args(Role)
Line = tuple[str, int]

_PACKAGE: Final = str(Path(__file__).parent.parent) + os.sep
_is_ours: dict[str, bool] = {}


class Scope:
    """One named part of a computation, inside its parent. Entering a name twice makes two scopes.

    Attributes:
        role: what the part is in pictures.
        note: how a function was called, such as ``axis=0``.
    """

    __slots__ = ("name", "note", "parent", "role")

    def __init__(self, name: str, role: Role | None = None, parent: "Scope | None" = None, note: str = "") -> None:
        self.name = name
        self.role = role
        self.parent = parent
        self.note = note

    @property
    def path(self) -> tuple["Scope", ...]:
        """The scopes from the outermost to this one."""
        chain = []
        at: Scope | None = self
        while at is not None:
            chain.append(at)
            at = at.parent
        return tuple(reversed(chain))

    def __str__(self) -> str:
        return "/".join(s.name for s in self.path)

    def __repr__(self) -> str:
        return f"Scope({str(self)!r}, role={self.role!r})"


_current: ContextVar[Scope | None] = ContextVar("scope", default=None)


def current_scope() -> Scope | None:
    """The innermost scope that is open here."""
    return _current.get()


@contextmanager
def scope(name: str, role: Role | None = None) -> Iterator[Scope]:
    """Name the part of a computation that is built in the ``with`` block.

    Args:
        name: any text; pictures and errors show it.
        role: what the part is in the textbook's picture: ``cell``, ``layer``, ``gate``, ``pointwise`` or ``state``; or
            ``function``, which pictures of graphs draw as one operation of this name.

    Raises:
        UsageError: for a role outside the six.

    >>> x = tl.symbol("x")
    >>> with tl.scope("forget gate", role="gate"):
    ...     f = tl.sigmoid(x)
    >>> str(f.scope), f.scope.role
    ('forget gate', 'gate')
    """
    if not isinstance(name, str):
        raise UsageError(f"a scope's name is a string, not {name!r}")
    if role is not None and role not in ROLES:
        raise UsageError(f"scope {name!r}: role {role!r} is not one of {', '.join(ROLES)}")
    with inside(Scope(name, role, _current.get())) as entered:
        yield entered


def around_functions(scope: Scope | None) -> Scope | None:
    """``scope``, or the nearest one around it that is no function."""
    while scope is not None and scope.role == "function":
        scope = scope.parent
    return scope


@contextmanager
def inside(entered: Scope | None) -> Iterator[Scope]:
    """Enter a scope that exists already."""
    token = _current.set(entered)
    try:
        yield entered  # type: ignore[misc]  # None is yielded only where nobody reads it
    finally:
        _current.reset(token)


_warned: Final[dict[str, dict[str | tuple[str, type[Warning], int], int]]] = {}
"""For each file what it was warned of, in the form that ``warnings`` keeps."""


def in_scope(scope: Scope | None) -> str:
    """`` in 'outer/inner'``, as errors say it."""
    return f" in {str(scope)!r}" if scope is not None else ""


def at_line(line: Line | None) -> str:
    """`` [file:line]``, as errors end; nothing where the line is not known.

    >>> at_line(("lstm.py", 12))
    ' [lstm.py:12]'
    """
    return f" [{line[0]}:{line[1]}]" if line is not None else ""


def user_line() -> Line | None:
    """File and line of the innermost frame outside this package; never the frame itself, which would keep it alive."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        ours = _is_ours.get(name)
        if ours is None:
            ours = _is_ours[name] = name.startswith(_PACKAGE)
        if not ours:
            return name, frame.f_lineno
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None


def warn(message: str) -> None:
    """Give a warning on the user's present line, however deep in this package the cause was found.

    As with ``warnings.warn``, Python shows it once for a line unless its filters say otherwise.
    """
    filename, line = user_line() or ("<unknown>", 1)
    warnings.warn_explicit(message, UserWarning, filename, line, registry=_warned.setdefault(filename, {}))


# The characters that XML 1.0 forbids (https://www.w3.org/TR/xml/#charsets), such as NUL and lone surrogates.
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legal_text(text: str) -> str:
    r"""Replace each character that neither XML nor UTF-8 can hold by U+FFFD.

    >>> legal_text("a\x00b") == "a\ufffdb"
    True
    """
    return _ILLEGAL.sub("\ufffd", text)
