"""``LargeCorpus``: texts larger than memory, which are read in pieces, and whose tokens lie in a file."""

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from tinygrad_lstm.data.reading import text_pieces
from tinygrad_lstm.data.text import Reading, Texts
from tinygrad_lstm.data.token_file import Contents, TokenFile, write_tokens
from tinygrad_lstm.data.vocabulary import Indices, TokenVocabulary, Vocabulary, WordVocabulary
from tinygrad_lstm.data.windows import TokenSequence
from tinygrad_lstm.errors import DataError, UsageError
from tinygrad_lstm.runtime.cache import directory

__all__ = ["LARGE", "TOKENS", "LargeCorpus", "is_large", "tokens_of"]

LARGE: Final = 2**25
"""Bytes beyond which a text is not read into memory, where its tokens take several times as much."""
TOKENS: Final = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}\.tokens")
"""The names of token files in the cache: of the paths, and of what is read."""
_Note = Callable[[bytes], object]
_Report = Callable[[str, float], object]
_Read = tuple[str, int | None, int]
"""Level, most words and least count."""


def is_large(paths: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether these files have more bytes together than a text in memory should."""
    size = 0
    for path in paths:
        # A missing file is told when it is read.
        with suppress(OSError, ValueError):
            status = os.stat(path)
            size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size > LARGE


class LargeCorpus:
    """A text as :class:`Corpus` has it, in files that need not fit into memory.

    It is read twice, piece by piece: for its vocabulary, and to write its tokens into a file, which training maps into
    memory. The file is used again as long as the texts have the same size and time of change. Training has the same
    bits as with a Corpus.

    Args:
        paths: files to train on; none, if ``tokens`` names a file that was written before.
        valid: a file that is held out; without it the last tenth of the text, at most 2 million tokens.
        test: a file for the end.
        tokens: where the tokens are written, or lie; by default in the cache.
        report: called with what is done and the share of it that is done, now and then.

    Attributes:
        name: of the text.
        characters: of the text to train on; 0 before :meth:`texts`.
        files: path, bytes and time of change of each file.

    Raises:
        DataError: for a file that is missing, or a pipe.
        UsageError: when there is neither a text nor a file of tokens.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "poem.txt")
    ...     _ = path.write_text("to be or not to be " * 10)
    ...     corpus = LargeCorpus([path], tokens=Path(folder, "poem.tokens"))
    ...     texts = corpus.texts(tl.train.TextConfig("word"))
    ...     len(texts.training), len(texts.held_out), len(texts.vocabulary)
    (54, 6, 6)
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        valid: str | os.PathLike[str] | None = None,
        test: str | os.PathLike[str] | None = None,
        *,
        tokens: str | os.PathLike[str] | None = None,
        report: _Report | None = None,
    ) -> None:
        if not paths and (tokens is None or valid is not None or test is not None):
            raise UsageError("a text to train on is wanted; name its files, or a file of tokens alone")
        self._parts: list[list[Path] | None]
        self._parts = [[Path(path) for path in paths], *[None if p is None else [Path(p)] for p in (valid, test)]]
        self._tokens, self._report = None if tokens is None else Path(tokens), report
        self.name = ", ".join(map(str, self._parts[0] or [])) or str(tokens)
        self.characters = 0
        self._texts: tuple[_Read, Texts] | None = None
        self.files = tuple(_status(path) for path in chain.from_iterable(part or [] for part in self._parts))

    @property
    def sha256(self) -> str:
        """The SHA-256 of the texts in UTF-8, as that of a Corpus."""
        known = [self._texts[1].sha256] if self._texts else [found.contents.sha256 for found in self._current()]
        if known:
            return known[0]
        digest = hashlib.sha256()
        for k, part in enumerate(part for part in self._parts if part is not None):
            digest.update(b"\xff" if k else b"")
            for _ in self._pieces(part, "reading", digest.update):
                pass
        return digest.hexdigest()

    def texts(self, reading: Reading) -> Texts:
        """The texts as tokens, as :meth:`Corpus.texts` gives them.

        Raises:
            DataError: when they cannot be read, or their tokens not be written.
            UsageError: when the tokens were made otherwise, and there is no text to make them from.
        """
        read = (reading.level, reading.vocabulary, reading.min_count)
        if self._texts is None or self._texts[0] != read:
            self._texts = read, self._opened(read)
        return self._texts[1]

    def _opened(self, reading: _Read) -> Texts:
        path = self._path(reading)
        found = [file for file in self._current(path) if _reading(file.contents) == reading]
        if not found and not self.files:
            made = _reading(TokenFile(path).contents)
            raise UsageError(
                f"{path} holds {made[0]} tokens (vocabulary {made[1]}, min_count {made[2]}), and {reading[0]} tokens "
                f"({reading[1]}, {reading[2]}) are wanted; name the texts besides, or give --level {made[0]}"
            )
        if not found:
            self._write(path, reading)
            found = [TokenFile(path)]
        contents = found[0].contents
        training, held_out, test = found[0].parts()
        assert training is not None
        self.characters = contents.characters
        return Texts.of(contents.vocabulary_of(), training, held_out, test, contents.words, contents.sha256)

    def _path(self, reading: _Read) -> Path:
        if self._tokens is not None:
            return self._tokens
        return directory() / f"{self._key()}-{hashlib.sha256(repr(reading).encode()).hexdigest()[:16]}.tokens"

    def _key(self) -> str:
        parts = [None if part is None else [os.path.abspath(path) for path in part] for part in self._parts]
        return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _current(self, path: Path | None = None) -> list[TokenFile]:
        """The token files of these texts, as they are now."""
        if path is not None or self._tokens is not None:
            paths = [path or self._tokens or Path()]
        else:
            paths = sorted(directory().glob(f"{self._key()}-*.tokens"))
        if not self.files:
            return [TokenFile(each) for each in paths]
        found = []
        for each in paths:
            # What is missing or damaged, or of another text, is made anew.
            with suppress(DataError):
                found.append(TokenFile(each))
        return [file for file in found if file.contents.files == self.files]

    def _write(self, path: Path, reading: _Read) -> None:
        """Count, then write."""
        if path.exists() and self._tokens is not None:
            self._check_replaced(path)
        level, most, least = reading
        digest = hashlib.sha256()
        counted = [_Counted(level, words=k == 2) for k in range(3)]
        for k, part in enumerate(self._parts):
            if part is not None:
                digest.update(b"\xff" if k else b"")
                for piece in self._pieces(part, "counting", digest.update):
                    counted[k].take(piece)
        vocabulary = counted[0].vocabulary(most, least)
        counts = [None if part is None else counted[k].tokens for k, part in enumerate(self._parts)]
        contents = Contents(
            self.name,
            digest.hexdigest(),
            *reading,
            vocabulary.tokens if isinstance(vocabulary.tokens, str) else list(vocabulary.tokens),
            (counts[0] or 0, counts[1], counts[2]),
            counted[0].characters,
            counted[2].words,
            self.files,
        )

        def pieces() -> Iterator[Indices]:
            for part in self._parts:
                for piece in self._pieces(part or [], "writing tokens"):
                    yield vocabulary.encode(piece)

        write_tokens(path, contents, pieces)

    def _check_replaced(self, path: Path) -> None:
        """Raise DataError where something else than older tokens of these texts would be replaced."""
        try:
            held = TokenFile(path).contents
        except DataError:
            raise DataError(f"{path} exists and is no whole file of tokens; delete it, or name another") from None
        if [file[0] for file in held.files] != [file[0] for file in self.files]:
            raise DataError(f"{path} holds the tokens of another text, {held.name}; name another file (--tokens)")

    def _pieces(self, paths: Sequence[Path], what: str, note: _Note | None = None) -> Iterator[str]:
        return _whole_words(paths, what, self._report, note)

    def __repr__(self) -> str:
        return f"<LargeCorpus {self.name!r}>"


class _Counted:
    """What a text has, counted piece by piece; its words where they are asked for, or are its tokens."""

    def __init__(self, level: str, *, words: bool) -> None:
        self._level, self._counts_words = level, words or level == "word"
        self.tokens = self.characters = self.words = 0
        self._of_words: Counter[str] = Counter()
        self._seen = np.zeros(0x110000, bool)

    def take(self, piece: str) -> None:
        """Count a piece, in which no word is cut."""
        words = piece.split() if self._counts_words else []
        self.words += len(words)
        self.characters += len(piece)
        if self._level == "word":
            self._of_words.update(words)
            self.tokens += len(words) + piece.count("\n")
        else:
            self._seen[np.frombuffer(piece.encode("utf-32-le"), np.uint32)] = True
            self.tokens += len(piece)

    def vocabulary(self, most: int | None, least: int) -> TokenVocabulary:
        """The vocabulary of the text."""
        if self._level == "word":
            return WordVocabulary.of_counts(self._of_words, most, least)
        return Vocabulary("".join(map(chr, np.flatnonzero(self._seen))))


def tokens_of(
    path: str | os.PathLike[str], vocabulary: TokenVocabulary, tokens: Path, report: _Report | None = None
) -> tuple[TokenSequence, int]:
    """The tokens of a text with a vocabulary that is given, in a file that is written, and how many words it has.

    Raises:
        DataError: when the text cannot be read, or its tokens not be written.
    """
    level = "word" if isinstance(vocabulary, WordVocabulary) else "char"
    counted, texts = _Counted(level, words=True), [Path(path)]
    for piece in _whole_words(texts, "counting", report):
        counted.take(piece)
    known = vocabulary.tokens if isinstance(vocabulary.tokens, str) else list(vocabulary.tokens)
    contents = Contents(
        str(path), "", level, None, 1, known, (counted.tokens, None, None), counted.characters, counted.words, ()
    )
    write_tokens(tokens, contents, lambda: map(vocabulary.encode, _whole_words(texts, "writing tokens", report)))
    found = TokenFile(tokens).parts()[0]
    assert found is not None
    return found, counted.words


def _whole_words(paths: Sequence[Path], what: str, report: _Report | None, note: _Note | None = None) -> Iterator[str]:
    """The texts of files, one after the other, in pieces that end behind a blank or a line break."""
    size, done = sum(path.stat().st_size for path in paths), 0

    def noted(content: bytes) -> None:
        nonlocal done
        done += len(content)
        if note:
            note(content)
        if report:
            report(what, done / max(1, size))

    left: list[str] = []
    for piece in chain.from_iterable(text_pieces(path, noted) for path in paths):
        cut = max(piece.rfind(" "), piece.rfind("\n")) + 1
        if cut:
            yield "".join([*left, piece[:cut]])
            left = []
        left.append(piece[cut:])
    yield "".join(left)


def _status(path: Path) -> tuple[str, int, int]:
    with suppress(OSError):
        status = path.stat()
        if stat.S_ISFIFO(status.st_mode):
            raise DataError(f"{path} is a pipe, which can be read only once; write it into a file")
        if stat.S_ISREG(status.st_mode):
            return os.path.abspath(path), status.st_size, status.st_mtime_ns
    # What is wrong is told as of a smaller text.
    next(text_pieces(path, lambda _: None))
    raise DataError(f"{path} is no file of text; name one in UTF-8")


def _reading(contents: Contents) -> _Read:
    return contents.level, contents.vocabulary, contents.min_count
