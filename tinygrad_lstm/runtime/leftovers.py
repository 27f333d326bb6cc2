"""What killed programs leave behind, temporary files and folders: the next program deletes them after an hour."""

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["sweep"]

_AGE: Final = 3600.0
"""Seconds after which what nobody has changed belongs to no running program."""


def sweep(folder: Path, pattern: str) -> None:
    """Delete this user's files and folders in ``folder`` whose whole name matches and that are an hour old.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     for file in ("a.tmp", "b.tmp", "c.txt"):
    ...         Path(name, file).touch()
    ...     for file in ("b.tmp", "c.txt"):
    ...         os.utime(Path(name, file), (0, 0))
    ...     sweep(Path(name), r"\\w\\.tmp")
    ...     sorted(os.listdir(name))
    ['a.tmp', 'c.txt']
    """
    matching, before = re.compile(pattern), time.time() - _AGE
    # Another program may delete the same entry, or the folder.
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not matching.fullmatch(entry.name):
                continue
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if status.st_mtime > before or (hasattr(os, "geteuid") and status.st_uid != os.geteuid()):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)
