"""The command ``cache``: what was compiled before, and how to delete it."""

import argparse
import os
from contextlib import suppress

from tinygrad_lstm.data.large import TOKENS
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
    found, texts = cached_files(place), cached_files(place, TOKENS)
    if arguments.clear:
        print(f"deleted {_counted(_deleted(found))} in {place}")
        if texts:
            print(f"deleted {_counted(_deleted(texts), 'file of tokens', 'files of tokens')} there")
        return 0
    print(f"folder: {place}")
    print(f"holds: {_counted(found)}; beyond {LIMIT / 2**20:.0f} MiB those go that were not used for the longest time")
    if texts:
        print(f"holds: {_counted(texts, 'file of tokens', 'files of tokens')} of large texts; these stay")
    return 0


def _deleted(found: list[CachedFile]) -> list[CachedFile]:
    """Delete entries; returns those that could be."""
    deleted = []
    for entry in found:
        with suppress(OSError):
            os.unlink(entry.path)
            deleted.append(entry)
    return deleted


def _counted(found: list[CachedFile], one: str = "compiled program", several: str = "compiled programs") -> str:
    size = sum(entry.size for entry in found) / 2**20
    return f"{len(found):,} {one if len(found) == 1 else several}, {size:.1f} MiB"
