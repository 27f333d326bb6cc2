"""C text to functions in this process."""

import ctypes
from pathlib import Path

from tinygrad_lstm.errors import BackendError
from tinygrad_lstm.runtime.cache import cached
from tinygrad_lstm_c.toolchain import find_compiler, processor

__all__ = ["compiled"]


def compiled(source: str, *flags: str) -> ctypes.CDLL:
    """The shared object of a C text, from the disk cache where it was compiled before.

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
        raise BackendError(
            f"a compiled program can not be loaded: {error}; name a directory that programs may be loaded from in the "
            "environment variable TINYGRAD_LSTM_CACHE"
        ) from None
