"""From C text to functions in this process."""

import ctypes
import os
from pathlib import Path

from tinygrad_lstm.errors import BackendError
from tinygrad_lstm.runtime.cache import cached
from tinygrad_lstm_c.toolchain import find_compiler, processor

__all__ = ["shared_object"]


def shared_object(source: str, *flags: str) -> ctypes.CDLL:
    """The shared object of a C text, from the disk cache if it was compiled before.

    Raises:
        BackendError: when there is no C compiler, or it fails.
    """
    compiler = find_compiler()
    every = (*compiler.flags, *flags)

    def build(folder: Path, target: Path) -> None:
        text = folder / "program.c"
        text.write_text(source, encoding="utf-8")
        compiler.shared_object(text, target, every)

    path = cached((source, compiler.identity, *compiler.command, *every, processor()), ".so", build)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        advice = (
            "name a directory that programs may be loaded from in the environment variable TINYGRAD_LSTM_CACHE"
            if _forbids_programs(path)
            else "delete it to have it compiled again; if that gives the same, "
            f"{' '.join(compiler.command)} makes no programs for this Python"
        )
        raise BackendError(f"the compiled program {path} cannot be loaded: {error}; {advice}") from error


def _forbids_programs(path: Path) -> bool:
    """Whether a file lies on a disk that forbids to load programs from it."""
    return hasattr(os, "ST_NOEXEC") and bool(os.statvfs(path).f_flag & os.ST_NOEXEC)
