"""``text_pieces``: a file as text, piece by piece, and what is wrong with a file that holds none."""

import codecs
import math
import os
import select
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tinygrad_lstm.errors import DataError

__all__ = ["text_pieces"]

_MOST: Final = 2**30
"""The most bytes of a text in memory; its characters become numbers of four bytes, several times over."""
_PATIENCE: Final = 20.0
"""Seconds without a byte after which a pipe is given up."""
_PIECE: Final = 2**20


def text_pieces(path: Path, note: Callable[[bytes], object], before: int | None = None) -> Iterator[str]:
    """The text of a file or pipe in UTF-8. A byte order mark at its beginning is no part of it.

    Args:
        note: called with the bytes of each piece, without the mark.
        before: bytes that are in memory already, if the text is to be there: then a large file is refused.

    Raises:
        DataError: for a path that is missing, no file, or not readable, for a file that is empty, binary, not UTF-8, or
            too large, and for a pipe that nobody writes to.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "poem.txt")
    ...     _ = path.write_text("größer", encoding="utf-8-sig")
    ...     list(text_pieces(path, print))
    b'gr\\xc3\\xb6\\xc3\\x9fer'
    ['größer']
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    begin = at = 0
    most = math.inf if before is None else _MOST - before
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            kind = "is a folder; name the text files in it" if stat.S_ISDIR(mode) else None
            raise DataError(f"{path} {kind or 'is no file of text; name one in UTF-8'}")
        # A pipe is what a shell gives for <(command).
        for chunk in _chunks(path, most, waiting=stat.S_ISFIFO(mode)):
            if not at:
                begin = len(codecs.BOM_UTF8) * chunk.startswith(codecs.BOM_UTF8)
            content = chunk[begin if not at else 0 :]
            if (found := content.find(b"\0")) >= 0:
                raise DataError(
                    f"{path} is binary: byte {at + len(chunk) - len(content) + found:,} is NUL; name a text "
                    "file in UTF-8"
                )
            note(content)
            yield _decoded(path, decoder, content, at + len(chunk) - len(content))
            at += len(chunk)
        if at == begin:
            raise DataError(f"{path} is empty; name a file with text in it")
        _decoded(path, decoder, b"", at, final=True)
        return
    except DataError:
        raise
    except FileNotFoundError:
        reason = f"there is no file {path}; check its name and folder"
    except PermissionError:
        reason = f"{path} may not be read; give yourself the right with chmod, or name another file"
    except (OSError, ValueError) as error:
        # A ValueError comes from a path with a NUL character.
        reason = f"{str(path)!r} cannot be read ({getattr(error, 'strerror', None) or error}); name another file"
    raise DataError(reason)


def _chunks(path: Path, most: float, waiting: bool) -> Iterator[bytes]:
    """The content of a file piece by piece; ``waiting`` is said of a pipe, which may have no writer."""
    # Without O_NONBLOCK the pipe would be waited for here, for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        while True:
            if waiting and not select.select([descriptor], [], [], _PATIENCE)[0]:
                raise DataError(f"nobody has written to the pipe {path} for {_PATIENCE:.0f} seconds; name another file")
            chunk = os.read(descriptor, _PIECE)
            if not chunk:
                return
            most -= len(chunk)
            if most < 0:
                raise DataError(f"{path} goes on beyond {_MOST / 2**30:g} GiB of text; name a smaller text")
            yield chunk
    finally:
        os.close(descriptor)


def _decoded(path: Path, decoder: codecs.IncrementalDecoder, content: bytes, at: int, *, final: bool = False) -> str:
    """The text of the bytes that stand at ``at`` in a file; those of a cut character are kept for the next."""
    begun = decoder.getstate()[0]
    try:
        return decoder.decode(content, final)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8: byte {at - len(begun) + error.start:,} is 0x{error.object[error.start]:02x}; "
            "convert it, for example with iconv -t UTF-8"
        ) from None
