"""Compiled programs on disk, so that each is compiled only once and not by every process.

An entry is one file, ``<key>-<checksum>`` and a suffix, and is put into place by a rename. It is used only if its
content has that checksum and nobody but the user could have written it.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

__all__ = ["cached", "directory"]

_KEPT: Final = 1000
"""When there are more entries than this, the oldest are deleted."""


def _private(path: Path) -> bool:
    """Whether a directory is the user's own and nobody else may write to it."""
    try:
        status = path.lstat()
    except OSError:
        return False
    owned = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return stat.S_ISDIR(status.st_mode) and owned and not status.st_mode & 0o022


@lru_cache(maxsize=1)
def _of_this_process() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinygrad_lstm-", ignore_cleanup_errors=True)


def directory() -> Path:
    """Where compiled programs lie: ``TINYGRAD_LSTM_CACHE``, or ``tinygrad_lstm`` in the user's cache directory.

    A directory that others could write to, or that cannot be made, is not used: then the programs of this process go
    to a temporary one.
    """
    named = os.environ.get("TINYGRAD_LSTM_CACHE")
    if named:
        path = Path(named)
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        path = (Path(base) if base and os.path.isabs(base) else Path.home() / ".cache") / "tinygrad_lstm"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return Path(_of_this_process().name)
    return path if _private(path) and os.access(path, os.W_OK) else Path(_of_this_process().name)


def _sound(path: Path) -> bool:
    """Whether an entry is complete, and no other user could have written it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        owned = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        if not stat.S_ISREG(status.st_mode) or not owned or status.st_mode & 0o022:
            return False
        return path.stem.partition("-")[2] == hashlib.sha256(file.read()).hexdigest()


def cached(parts: tuple[str, ...], suffix: str, build: Callable[[Path, Path], None]) -> Path:
    """The file that ``build`` makes, taken from the cache if it is there.

    Args:
        parts: everything that the file depends on.
        build: ``(directory, file)`` writes the file, and may use the directory for its work.
    """
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    try:
        return _entry(directory(), key, suffix, build)
    except OSError:  # the disk is full, or a folder has the name of an entry
        return _entry(Path(_of_this_process().name), key, suffix, build)


def _entry(place: Path, key: str, suffix: str, build: Callable[[Path, Path], None]) -> Path:
    """The entry of ``key`` in the directory ``place``, built if there is no sound one."""
    for entry in sorted(place.glob(f"{key}-*{suffix}")):
        if _sound(entry):
            return entry
        entry.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=place) as temporary:
        made = Path(temporary) / f"made{suffix}"
        build(Path(temporary), made)
        made.chmod(0o700)
        entry = place / f"{key}-{hashlib.sha256(made.read_bytes()).hexdigest()}{suffix}"
        made.replace(entry)
    _prune(place, suffix)
    return entry


def _prune(place: Path, suffix: str) -> None:
    """Delete the oldest entries."""
    entries = list(place.glob(f"*{suffix}"))
    if len(entries) <= _KEPT:
        return
    made = []
    for entry in entries:
        try:
            made.append((entry.stat().st_mtime, entry))
        except OSError:  # another process has deleted it
            continue
    for _, entry in sorted(made)[:-_KEPT]:
        with suppress(OSError):
            entry.unlink()
