"""Sources of text: the reference that comes with every Python, and files."""

import codecs
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

from tinygrad_lstm.errors import DataError

__all__ = ["Corpus", "default_corpus", "read_corpus"]


@dataclass(frozen=True, slots=True)
class Corpus:
    """A text and its name.

    >>> Corpus("abc", "three letters").sha256[:12]
    'ba7816bf8f01'
    """

    text: str
    name: str

    @property
    def sha256(self) -> str:
        """The SHA-256 of the text in UTF-8, in hexadecimal digits."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

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


def read_corpus(paths: Sequence[str | os.PathLike[str]]) -> Corpus:
    """The text of one file, or of several one after the other; each in UTF-8.

    A byte order mark at the beginning of a file is no part of its text.

    Raises:
        DataError: for a path that is missing, no file, or not readable, for a file that is empty, binary, or not
            UTF-8, and when there is no path.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "poem.txt")
    ...     _ = path.write_text("größer\\n", encoding="utf-8")
    ...     read_corpus([path, path]).text
    'größer\\ngrößer\\n'
    """
    if not paths:
        raise DataError("there is no file to read; name one, or take default_corpus()")
    files = [Path(path) for path in paths]
    return Corpus("".join(map(_read, files)), ", ".join(map(str, files)))


def _read(path: Path) -> str:
    """The text of one file; raises DataError where there is none."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise DataError(f"{path} is a folder; name the text files in it")
        # A device may never end. A pipe is what a shell gives for <(command).
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise DataError(f"{path} is no file of text; name one in UTF-8")
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; check its name and folder") from None
    except PermissionError:
        raise DataError(f"{path} may not be read; give yourself the right with chmod, or name another file") from None
    except (OSError, ValueError) as error:
        # A ValueError comes from a path with a NUL character.
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{str(path)!r} cannot be read ({reason}); name another file") from None
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
