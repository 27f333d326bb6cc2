"""Sources of text: the reference that comes with every Python, and files."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from typing import Protocol

from tinygrad_lstm.data.reading import text_pieces
from tinygrad_lstm.data.vocabulary import TokenVocabulary
from tinygrad_lstm.data.windows import TokenSequence, split
from tinygrad_lstm.errors import DataError, UsageError

__all__ = ["Corpus", "Reading", "Texts", "default_corpus", "read_corpus"]


class Reading(Protocol):
    """What is read of a text; see :class:`tinygrad_lstm.train.TextConfig`."""

    @property
    def level(self) -> str:
        """``char`` or ``word``."""

    @property
    def vocabulary(self) -> int | None:
        """The most words that are known."""

    @property
    def min_count(self) -> int:
        """How often a word comes that is known."""

    def vocabulary_of(self, text: str) -> TokenVocabulary:
        """The vocabulary of a text."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A corpus as numbers.

    Attributes:
        vocabulary: of the text to train on.
        training: the tokens to train on.
        held_out: those that are held out.
        test: those for the end, or None.
        test_words: how many words the text for the end has.
        sha256: of all texts.
    """

    vocabulary: TokenVocabulary
    training: TokenSequence
    held_out: TokenSequence
    test: TokenSequence | None
    test_words: int
    sha256: str

    @classmethod
    def of(
        cls,
        vocabulary: TokenVocabulary,
        training: TokenSequence,
        held_out: TokenSequence | None,
        test: TokenSequence | None,
        test_words: int,
        sha256: str,
    ) -> "Texts":
        """The texts, of which the last part of ``training`` is held out if nothing else is."""
        if held_out is None:
            training, held_out = split(training)
        return cls(vocabulary, training, held_out, test, test_words, sha256)


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

    @property
    def characters(self) -> int:
        """Of the text to train on."""
        return len(self.text)

    def texts(self, reading: Reading) -> Texts:
        """The texts as numbers.

        Raises:
            DataError: when one has a character that the text to train on does not have.

        >>> texts = Corpus("to be or not to be", "a question").texts(tl.train.TextConfig("word", min_count=2))
        >>> texts.vocabulary.tokens, texts.training.tolist(), texts.held_out.tolist()
        (('<eos>', '<unk>', 'to', 'be'), [2, 3, 1, 1, 2], [3])
        """
        vocabulary = reading.vocabulary_of(self.text)
        held_out, test = (None if text is None else vocabulary.encode(text) for text in (self.valid, self.test))
        words = 0 if self.test is None else len(self.test.split())
        return Texts.of(vocabulary, vocabulary.encode(self.text), held_out, test, words, self.sha256)

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
    texts, sizes = [], [0]
    for path in [*paths, *[path for path in (valid, test) if path is not None]]:
        try:
            texts.append("".join(text_pieces(Path(path), lambda piece: sizes.append(len(piece)), sum(sizes))))
        except MemoryError:
            raise DataError(f"{path} does not fit into the memory; name a smaller text") from None
    last = None if test is None else texts.pop()
    held_out = None if valid is None else texts.pop()
    return Corpus("".join(texts), ", ".join(str(Path(path)) for path in paths), held_out, last)
