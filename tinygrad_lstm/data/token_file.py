"""``TokenFile``: the tokens of a text in a file that is mapped into memory, so that a window reads only its own part.

The file is in the safetensors format: ``tokens``, unsigned integers of one to four bytes, and ``sums``, a CRC-32 for
each block of 64 KiB of them, which is checked when the block is first read. The header holds a :class:`Contents` as
JSON.
"""

import hashlib
import json
import mmap
import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from tinygrad_lstm.data.vocabulary import Indices, TokenVocabulary, Vocabulary, WordVocabulary
from tinygrad_lstm.errors import CheckpointError, DataError
from tinygrad_lstm.runtime.files import read_texts, write_whole

__all__ = ["Contents", "TokenFile", "Tokens", "write_tokens"]

_KEY: Final = "tinygrad_lstm.tokens"
_CHECKED: Final = "tinygrad_lstm.checked"
_BLOCK: Final = 2**16
_RELEASED: Final = 2**25
"""After so many bytes what was read is given back: a mapped page counts as memory of the process."""
_TYPES: Final = (np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"))
_NAMES: Final = {1: "U8", 2: "U16", 4: "U32"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a token file says of its text.

    Attributes:
        name: of the text.
        sha256: of the texts, as that of a Corpus.
        level: ``char`` or ``word``.
        vocabulary: the most words that were to be known, or None.
        min_count: how often a word had to come.
        tokens: the characters or words of the vocabulary.
        counts: how many tokens there are to train on, to hold out, and for the end; None for a text that is not there.
        characters: of the text to train on.
        words: of the text for the end.
        files: path, bytes and time of change in nanoseconds of each file of the text.
    """

    name: str
    sha256: str
    level: str
    vocabulary: int | None
    min_count: int
    tokens: str | list[str]
    counts: tuple[int, int | None, int | None]
    characters: int
    words: int
    files: tuple[tuple[str, int, int], ...]

    def vocabulary_of(self) -> TokenVocabulary:
        """The vocabulary."""
        return Vocabulary(self.tokens) if isinstance(self.tokens, str) else WordVocabulary(self.tokens)


class TokenFile:
    """A token file that is open.

    Attributes:
        contents: what it says of its text.
        path: of the file.

    Raises:
        DataError: when there is none, or it is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            texts = read_texts(path, "token file")
            if _KEY not in texts:
                raise DataError(f"{path} holds no tokens; name a file that --tokens has written")
            with open(path, "rb") as file:
                size = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(size))
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            fields = json.loads(texts[_KEY])
            self.contents = Contents(
                **{
                    **fields,
                    "counts": tuple(fields["counts"]),
                    "files": tuple(tuple(file) for file in fields["files"]),
                }
            )
            start, end = header["tokens"]["data_offsets"]
            self._at, self._dtype = 8 + size + start, _type(self.contents)
            at, until = (8 + size + offset for offset in header["sums"]["data_offsets"])
            self._sums = np.frombuffer(self._map[at:until], "<u4")
            whole = end - start == sum(filter(None, self.contents.counts)) * self._dtype.itemsize
            if not whole or texts[_CHECKED] != _digest(texts[_KEY], self._sums):
                raise ValueError(path)
        except DataError:
            raise
        except CheckpointError as error:
            raise DataError(str(error)) from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise DataError(f"the token file {path} is damaged; delete it, and it is made again") from None
        self._bytes = end - start
        self._sound = np.zeros(len(self._sums), bool)
        self._read = 0

    def parts(self) -> "list[Tokens | None]":
        """The tokens to train on, those that are held out, and those for the end; None where there are none."""
        found: list[Tokens | None] = []
        at = 0
        for count in self.contents.counts:
            found.append(None if count is None else Tokens(self, at, at + count))
            at += count or 0
        return found

    def read(self, start: int, stop: int) -> Indices:
        """Some of the tokens, as ``int32``.

        Raises:
            DataError: when the file is damaged there.
        """
        size = self._dtype.itemsize
        first, last = start * size // _BLOCK, -(-stop * size // _BLOCK)
        for block in first + np.flatnonzero(~self._sound[first:last]):
            content = self._map[self._at + block * _BLOCK : self._at + min((block + 1) * _BLOCK, self._bytes)]
            if zlib.crc32(content) != self._sums[block]:
                raise DataError(f"the token file {self.path} has changed since it was written; delete it")
            self._sound[block] = True
            self._read += _BLOCK
        found = np.frombuffer(self._map[self._at + start * size : self._at + stop * size], self._dtype)
        # The system maps the pages around those that are read, too.
        self._read += 2**16
        if self._read > _RELEASED and hasattr(self._map, "madvise"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0
        return found.astype(np.int32)


class Tokens:
    """Tokens of a :class:`TokenFile` from ``start`` to ``stop``, none of them read: ``np.asarray`` reads them.

    >>> from tempfile import TemporaryDirectory
    >>> contents = Contents("a", "", "char", None, 1, "abc", (5, None, None), 5, 0, ())
    >>> with TemporaryDirectory() as folder:
    ...     write_tokens(Path(folder, "a"), contents, lambda: [np.array([0, 1, 2]), np.array([1, 0])])
    ...     training, _, _ = TokenFile(Path(folder, "a")).parts()
    ...     len(training), np.asarray(training[2:4]).tolist()
    (5, [2, 1])
    """

    def __init__(self, file: TokenFile, start: int, stop: int) -> None:
        self._file, self._start, self._stop = file, start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, part: slice, /) -> "Tokens":
        start, stop, _ = part.indices(len(self))
        return Tokens(self._file, self._start + start, self._start + max(start, stop))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Indices:
        return self._file.read(self._start, self._stop).astype(dtype or np.int32, copy=False)


def write_tokens(path: Path, contents: Contents, pieces: Callable[[], Iterable[Indices]]) -> None:
    """Write a token file, as a whole or not at all.

    Args:
        pieces: gives the tokens one after the other, as many as ``contents`` says; it may be called again.

    Raises:
        DataError: when it cannot be written, or when there are more or fewer tokens.
    """
    dtype, count = _type(contents), sum(filter(None, contents.counts))

    def fill(file: IO[bytes]) -> None:
        size = count * dtype.itemsize
        sums = np.zeros(-(-size // _BLOCK), "<u4")
        described = json.dumps(asdict(contents), ensure_ascii=False)

        def header() -> bytes:
            arrays = {
                "__metadata__": {_KEY: described, _CHECKED: _digest(described, sums)},
                "tokens": {"dtype": _NAMES[dtype.itemsize], "shape": [count], "data_offsets": [0, size]},
                "sums": {"dtype": "U32", "shape": [len(sums)], "data_offsets": [size, size + sums.nbytes]},
            }
            text = json.dumps(arrays, ensure_ascii=False).encode("utf-8")
            text += b" " * (-len(text) % 8)
            return len(text).to_bytes(8, "little") + text

        file.write(header())
        left, written, block = b"", 0, 0
        for piece in pieces():
            left += piece.astype(dtype).tobytes()
            whole = len(left) // _BLOCK * _BLOCK
            for at in range(0, whole, _BLOCK):
                if block < len(sums):
                    sums[block] = zlib.crc32(left[at : at + _BLOCK])
                block += 1
            file.write(left[:whole])
            written, left = written + whole, left[whole:]
        if left and block < len(sums):
            sums[block] = zlib.crc32(left)
        if written + len(left) != size:
            raise DataError(f"the text of {contents.name} has changed while it was read; start again")
        file.write(left)
        file.write(sums.tobytes())
        # The sums are known now; the header stays as long as it was.
        file.seek(0)
        file.write(header())

    try:
        write_whole(path, fill)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"the token file {path} cannot be written: {reason}; name another with --tokens") from None


def _type(contents: Contents) -> np.dtype[Any]:
    """The smallest element type that holds the numbers of all tokens."""
    return next(dtype for dtype in _TYPES if len(contents.tokens) <= 256**dtype.itemsize)


def _digest(described: str, sums: Any) -> str:
    return hashlib.sha256(described.encode("utf-8") + sums.tobytes()).hexdigest()
