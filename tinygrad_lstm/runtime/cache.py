"""Compiled programs on disk, so that each is compiled only once and not by every process.

An entry is one file, ``<key>-<checksum>`` and a suffix, and is put into place by a rename. It is used only if its
content has that checksum and nobody but the user could have written it. Beyond 512 MiB those are deleted that were not
used for the longest time.
"""

import atexit
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from tinygrad_lstm.runtime.leftovers import sweep

__all__ = ["LIMIT", "CachedFile", "cached", "cached_files", "configured", "directory"]

LIMIT: Final = 512 * 2**20
"""The most bytes that entries may have together."""
_NAME: Final = re.compile(r"[0-9a-f]{64}-[0-9a-f]{64}\.\w+")
# Names that nobody else gives to a folder, since such folders are deleted when they are old.
_BUILD: Final = ".tinygrad_lstm-build-"
_TEMPORARY: Final = "tinygrad_lstm-cache-"
_RANDOM: Final = "[a-z0-9_]{8}"
"""How the names end that ``tempfile`` makes."""


@dataclass(frozen=True, slots=True, order=True)
class CachedFile:
    """A file in the cache.

    Attributes:
        used: when it was last used, in nanoseconds since 1970.
        size: in bytes.
    """

    used: int
    size: int
    path: Path


def _private(path: Path) -> bool:
    """Whether a directory is the user's own and nobody else may write to it."""
    try:
        status = path.lstat()
    except OSError:
        return False
    owned = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return stat.S_ISDIR(status.st_mode) and owned and not status.st_mode & 0o022


@lru_cache(maxsize=1)
def _made_by(process: int) -> Path:
    """A temporary directory of a process, deleted when it ends."""
    sweep(Path(tempfile.gettempdir()), _TEMPORARY + _RANDOM)
    path = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
    atexit.register(_delete, path, process)
    return path


def _delete(path: Path, process: int) -> None:
    # A forked process inherits what its parent does at its end.
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)


def _temporary() -> Path:
    """The temporary directory of this process; another one if that was deleted meanwhile."""
    if not _private(_made_by(os.getpid())):
        _made_by.cache_clear()
    return _made_by(os.getpid())


def configured() -> Path | None:
    """Where compiled programs should lie: ``TINYGRAD_LSTM_CACHE``, or ``tinygrad_lstm`` in the user's cache directory.

    None where the user has no home.
    """
    named = os.environ.get("TINYGRAD_LSTM_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base and os.path.isabs(base) else Path.home() / ".cache") / "tinygrad_lstm"
    except RuntimeError:
        return None


def directory() -> Path:
    """Where compiled programs lie: in the :func:`configured` directory.

    A directory that others could write to, or that cannot be made, is not used: then the programs of this process go
    to a temporary one.
    """
    path = configured()
    try:
        if path is not None:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, ValueError):  # a ValueError is that of a NUL character
        return _temporary()
    return path if path is not None and _private(path) and os.access(path, os.W_OK) else _temporary()


def cached_files(place: Path, named: re.Pattern[str] = _NAME) -> list[CachedFile]:
    """The compiled programs in ``place``, or files with other names; those used last come last."""
    found = []
    with suppress(OSError), os.scandir(place) as files:
        for file in files:
            if named.fullmatch(file.name):
                # Another process may have deleted it.
                with suppress(OSError):
                    status = file.stat(follow_symlinks=False)
                    found.append(CachedFile(status.st_atime_ns, status.st_size, Path(file.path)))
    return sorted(found)


def _sound(path: Path) -> bool:
    """Whether an entry is complete, and no other user could have written it."""
    try:
        # Without O_NONBLOCK a named pipe would wait for a writer.
        flags = [getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")]
        descriptor = os.open(path, os.O_RDONLY | sum(flags))
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
        return _entry(_temporary(), key, suffix, build)


def _entry(place: Path, key: str, suffix: str, build: Callable[[Path, Path], None]) -> Path:
    """The entry of ``key`` in the directory ``place``, built if there is no sound one."""
    for entry in sorted(place.glob(f"{key}-*{suffix}")):
        if _sound(entry):
            with suppress(OSError):
                # Most disks are mounted so that reading does not say when it was.
                os.utime(entry, ns=(time.time_ns(), entry.stat().st_mtime_ns))
            return entry
        entry.unlink(missing_ok=True)
    sweep(place, _BUILD + _RANDOM)
    with tempfile.TemporaryDirectory(prefix=_BUILD, dir=place) as temporary:
        made = Path(temporary) / f"made{suffix}"
        build(Path(temporary), made)
        made.chmod(0o700)
        entry = place / f"{key}-{hashlib.sha256(made.read_bytes()).hexdigest()}{suffix}"
        made.replace(entry)
    _prune(place, entry)
    return entry


def _prune(place: Path, kept: Path) -> None:
    """Delete the entries that were not used for the longest time, ``kept`` excepted, until the rest is in the limit."""
    found = cached_files(place)
    size = sum(entry.size for entry in found)
    for entry in found:
        if size <= LIMIT:
            return
        if entry.path != kept:
            with suppress(OSError):
                entry.path.unlink()
            size -= entry.size
