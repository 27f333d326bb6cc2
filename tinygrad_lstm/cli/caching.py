"""The command ``cache``: what was compiled before, and how to delete it."""

import argparse
import os
from contextlib import suppress

from tinygrad_lstm.runtime.cache import LIMIT, CachedFile, cached_files, configured, directory

__all__ = ["run_cache"]


def run_cache(arguments: argparse.Namespace) -> int:
    """Say what the cache of compiled programs holds, or delete it."""
    place, named = directory(), configured()
    if place != named:
        reason = (
            f"{named}: it cannot be made or written, or others may write to it" if named else "none: there is no home"
        )
        print(f"no program is kept in {reason}")
        return 0
    found, deleted = cached_files(place), []
    if arguments.clear:
        for entry in found:
            with suppress(OSError):
                os.unlink(entry.path)
                deleted.append(entry)
        print(f"deleted {_counted(deleted)} in {place}")
        return 0
    print(f"folder: {place}")
    print(f"holds: {_counted(found)}; beyond {LIMIT / 2**20:.0f} MiB those go that were not used for the longest time")
    return 0


def _counted(found: list[CachedFile]) -> str:
    size = sum(entry.size for entry in found) / 2**20
    return f"{len(found):,} compiled program{'s' * (len(found) != 1)}, {size:.1f} MiB"
