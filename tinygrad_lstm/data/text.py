"""Sources of text: the reference that comes with every Python, and files."""

import codecs
import hashlib
import os
import select
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from typing import Final

from tinygrad_lstm.errors import DataError, UsageError

__all__ = ["Corpus", "default_corpus", "read_corpus"]

_MOST: Final = 2**30
"""The most bytes of a text; its characters become numbers of four bytes, several times over."""
_PATIENCE: Final = 20.0
"""Seconds without a byte after which a pipe is given up."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A text and its name.

    Attributes:
        text: to train on.
        name: of the text.
        valid: the held-out text; without it the last tenth of ``text`` is held out.
        test: a text that is looked at once, when the training is over; or none.

    Raises:
        DataError: for a text that UTF-8 cannot hold.
        UsageError: when text or name is no string.

    >>> Corpus("abc", "three letters").sha256[:12]
    'ba7816bf8f01'
    """

    text: str
    name: str
    valid: str | None = None
    test: str | None = None

    def __post_init__(self) -> None:
        for field in ("text", "name", "valid", "test"):
            value = getattr(self, field)
            if value is None and field in ("valid", "test"):
                continue
            if not isinstance(value, str):
                raise UsageError(f"the {field} of a Corpus is a string, not {type(value).__name__}")
            try:
                value.encode("utf-8")
            except UnicodeEncodeError as error:
                raise DataError(
                    f"character {error.start:,} of the {field} is {value[error.start]!a}, half of a surrogate pair, "
                    "which UTF-8 cannot hold; read the file with its own encoding"
                ) from None

    @property
    def sha256(self) -> str:
        """The SHA-256 of the texts in UTF-8, in hexadecimal digits."""
        # No text in UTF-8 holds the byte 0xff.
        parts = [self.text, *[part for part in (self.valid, self.test) if part is not None]]
        return hashlib.sha256(b"\xff".join(part.encode("utf-8") for part in parts)).hexdigest()

    def __repr__(self) -> str:
        return f"<Corpus {self.name!r}: {len(self.text):,} characters>"


def default_corpus() -> Corpus:
    """The Python language reference that comes with every CPython for ``help()``: about half a million characters.

    It is ``pydoc_data.topics``, all topics joined in the order of their names, so it is the same text wherever the
    Python is the same; another version of Python has another text and another SHA-256.

    >>> corpus = default_corpus()
    >>> len(corpus.text) > 400_000, "lambda" in corpus.text
    (True, True)
    """
    return Corpus("".join(topics[name] for name in sorted(topics)), "the Python language reference")


def read_corpus(
    paths: Sequence[str | os.PathLike[str]],
    valid: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
) -> Corpus:
    """The text of one file, or of several one after the other; each in UTF-8.

    Args:
        paths: files to train on.
        valid: a file that is held out.
        test: a file for the end.

    A byte order mark at the beginning of a file is no part of its text.

    Raises:
        DataError: for a path that is missing, no file, or not readable, for a file that is empty, binary, not UTF-8, or
            without an end, for a pipe that nobody writes to, and when there is no path.
        UsageError: for what is no list of paths.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "poem.txt")
    ...     _ = path.write_text("größer\\n", encoding="utf-8")
    ...     read_corpus([path, path]).text
    'größer\\ngrößer\\n'
    """
    if isinstance(paths, str | os.PathLike):
        raise UsageError(f"read_corpus takes a list of paths; write read_corpus([{os.fspath(paths)!r}])")
    wrong = [path for path in (*paths, valid or "", test or "") if not isinstance(path, str | os.PathLike)]
    if wrong:
        raise UsageError(f"read_corpus: a path is a text or a pathlib.Path, not {wrong[0]!r:.60}")
    if not paths:
        raise DataError("there is no file to read; name one, or take default_corpus()")
    texts, size = [], 0
    for path in [*paths, *[path for path in (valid, test) if path is not None]]:
        content = _content(Path(path), _MOST - size)
        size += len(content)
        texts.append(_decoded(Path(path), content))
    last = None if test is None else texts.pop()
    held_out = None if valid is None else texts.pop()
    return Corpus("".join(texts), ", ".join(str(Path(path)) for path in paths), held_out, last)


def _content(path: Path, most: int) -> bytes:
    """The bytes of a file or pipe, at most ``most``; raises DataError where there are none or more."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) or stat.S_ISFIFO(mode):
            # A pipe is what a shell gives for <(command).
            return b"".join(_chunks(path, most, waiting=stat.S_ISFIFO(mode)))
        reason = f"{path} is no file of text; name one in UTF-8"
        if stat.S_ISDIR(mode):
            reason = f"{path} is a folder; name the text files in it"
    except _RefusedError as refused:
        reason = str(refused)
    except FileNotFoundError:
        reason = f"there is no file {path}; check its name and folder"
    except PermissionError:
        reason = f"{path} may not be read; give yourself the right with chmod, or name another file"
    except MemoryError:
        reason = f"{path} does not fit into the memory; name a smaller text"
    except (OSError, ValueError) as error:
        # A ValueError comes from a path with a NUL character.
        reason = f"{str(path)!r} cannot be read ({getattr(error, 'strerror', None) or error}); name another file"
    raise DataError(reason)


class _RefusedError(Exception):
    """A file that is not read to its end."""


def _chunks(path: Path, most: int, waiting: bool) -> Iterator[bytes]:
    """The content of a file piece by piece; ``waiting`` is said of a pipe, which may have no writer."""
    # Without O_NONBLOCK the pipe would be waited for here, for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        while True:
            if waiting and not select.select([descriptor], [], [], _PATIENCE)[0]:
                raise _RefusedError(
                    f"nobody has written to the pipe {path} for {_PATIENCE:.0f} seconds; name another file"
                )
            chunk = os.read(descriptor, 2**20)
            if not chunk:
                return
            most -= len(chunk)
            if most < 0:
                raise _RefusedError(f"{path} goes on beyond {_MOST / 2**30:g} GiB of text; name a smaller text")
            yield chunk
    finally:
        os.close(descriptor)


def _decoded(path: Path, content: bytes) -> str:
    """The text of a file; raises DataError where it holds none."""
    if not content.removeprefix(codecs.BOM_UTF8):
        raise DataError(f"{path} is empty; name a file with text in it")
    if (at := content.find(b"\0")) >= 0:
        raise DataError(f"{path} is binary: byte {at:,} is NUL; name a text file in UTF-8")
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8: byte {error.start:,} is 0x{content[error.start]:02x}; "
            "convert it, for example with iconv -t UTF-8"
        ) from None
