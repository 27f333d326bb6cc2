"""Vocabularies: the characters or the words that a model knows, as numbers and back."""

from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.errors import DataError, UsageError
from tinygrad_lstm.reflexes import answering

__all__ = ["SENTENCE_END", "UNKNOWN", "Indices", "TokenVocabulary", "Vocabulary", "WordVocabulary"]

Indices = NDArray[np.int32]
UNKNOWN: Final = "<unk>"
"""The word that stands for all that a vocabulary of words does not have."""
SENTENCE_END: Final = "<eos>"
"""The word that stands for the end of a line."""


@answering
class TokenVocabulary(ABC):
    """The tokens that a model reads and predicts: the base of :class:`Vocabulary` and :class:`WordVocabulary`.

    Attributes:
        unit: what a token is called, ``character`` or ``word``.
    """

    unit: ClassVar[str]

    @property
    @abstractmethod
    def tokens(self) -> Sequence[str]:
        """The tokens in the order of their numbers."""

    @property
    @abstractmethod
    def start(self) -> int:
        """The number of the token behind which a text begins."""

    @abstractmethod
    def encode(self, text: str) -> Indices:
        """The numbers of a text, ``int32``."""

    @abstractmethod
    def written(self, index: int) -> str:
        """What one number adds to a text."""

    def decode(self, indices: Iterable[Any]) -> str:
        """The text of these numbers.

        Raises:
            DataError: for a number that the vocabulary does not have.
        """
        if isinstance(indices, str):
            raise DataError(f"decode takes numbers, such as encode gives, not the text {indices!r:.40}")
        numbers = [int(i) for i in indices]
        if any(not 0 <= i < len(self) for i in numbers):
            raise DataError(f"a vocabulary of {len(self):,} {self.unit}s has the numbers 0 to {len(self) - 1:,}")
        return "".join([self.written(i) for i in numbers])

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.tokens == other.tokens

    def __hash__(self) -> int:
        return hash(self.tokens)


class Vocabulary(TokenVocabulary):
    """The characters that a model knows, numbered in the order of their code points.

    Args:
        characters: each once, sorted; :meth:`of` finds them in a text.

    Raises:
        UsageError: when they are not sorted, one comes twice, or there is none.

    >>> v = Vocabulary.of("hello")
    >>> v.characters, v.encode("hole").tolist(), v.decode([1, 0, 2, 3])
    ('ehlo', [1, 3, 2, 0], 'helo')
    """

    unit = "character"

    def __init__(self, characters: str) -> None:
        if not isinstance(characters, str):
            raise UsageError(f"a vocabulary is made of characters, not {characters!r}; write Vocabulary.of(text)")
        self.characters = characters
        self._points = _code_points(characters)
        if not characters or not bool(np.all(self._points[1:] > self._points[:-1])):
            raise UsageError("a vocabulary wants at least one character, each once and sorted; use Vocabulary.of(text)")

    @classmethod
    def of(cls, text: str) -> "Vocabulary":
        """The vocabulary of all characters of ``text``.

        Raises:
            DataError: when the text is empty.
        """
        if not text:
            raise DataError("a text without characters has no vocabulary; give a longer one")
        return cls("".join(sorted(set(text))))

    @property
    def tokens(self) -> str:
        """The characters."""
        return self.characters

    @property
    def start(self) -> int:
        """The number of the line break, or of the first character where there is none."""
        return max(0, self.characters.find("\n"))

    def encode(self, text: str) -> Indices:
        """The numbers of the characters of ``text``, ``int32``.

        Raises:
            DataError: for a character that is not in the vocabulary.
        """
        numbers: Indices = self._numbers[np.minimum(_code_points(text), len(self._numbers) - 1)]
        if len(numbers) and numbers.min() < 0:
            raise DataError(
                f"the character {text[int(np.argmin(numbers))]!r} is none of the {len(self)} that the model was "
                f"trained on; leave it out, or train on a text that has it"
            )
        return numbers

    @cached_property
    def _numbers(self) -> Indices:
        """The number of each code point, −1 for those that are not known, as are all beyond the last one."""
        numbers = np.full(int(self._points[-1]) + 2, -1, np.int32)
        numbers[self._points] = np.arange(len(self._points), dtype=np.int32)
        return numbers

    def written(self, index: int) -> str:
        """The character."""
        return self.characters[index]

    def __repr__(self) -> str:
        return f"Vocabulary({self.characters!r})"


class WordVocabulary(TokenVocabulary):
    """The words that a model knows, the most frequent first; all others are ``<unk>``, and a line ends in ``<eos>``.

    A word is what stands between blanks. ``<eos>`` and ``<unk>`` in a text are these words.

    Args:
        words: each once; :meth:`of` finds them in a text.

    Raises:
        UsageError: when a word comes twice or holds a blank, or when ``<eos>`` or ``<unk>`` is missing.

    >>> v = WordVocabulary.of("the cat sat\\nthe dog sat\\n", size=4)
    >>> v.words, v.encode("the fish sat\\n").tolist(), v.decode([2, 1, 3, 0])
    (('<eos>', '<unk>', 'the', 'sat'), [2, 1, 3, 0], 'the <unk> sat\\n')
    """

    unit = "word"

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)
        if any(not isinstance(word, str) or word.split() != [word] for word in self.words):
            raise UsageError("a vocabulary of words holds texts without blanks; use WordVocabulary.of(text)")
        if len(set(self.words)) != len(self.words) or not {SENTENCE_END, UNKNOWN} <= set(self.words):
            raise UsageError(
                f"a vocabulary of words holds each once, {SENTENCE_END} and {UNKNOWN} among them; use "
                "WordVocabulary.of(text)"
            )

    @classmethod
    def of(cls, text: str, size: int | None = None, min_count: int = 1) -> "WordVocabulary":
        """The vocabulary of the words of ``text``.

        Words of one frequency come in the order of their first appearance.

        Args:
            size: how many words it has at most, ``<eos>`` and ``<unk>`` included.
            min_count: how often a word comes at least.

        Raises:
            DataError: when the text has no words.
            UsageError: for a size below 3 or a count below 1.
        """
        # Line by line: a million words at once take a hundred megabytes.
        counts: Counter[str] = Counter()
        for line in _lines(text):
            counts.update(line.split())
        return cls.of_counts(counts, size, min_count)

    @classmethod
    def of_counts(cls, counts: "Counter[str]", size: int | None = None, min_count: int = 1) -> "WordVocabulary":
        """As :meth:`of`, of words that are counted already, in the order of their first appearance.

        >>> WordVocabulary.of_counts(Counter(the=2, cat=1, sat=2), size=4).words
        ('<eos>', '<unk>', 'the', 'sat')
        """
        if (size is not None and size < 3) or min_count < 1:
            raise UsageError(f"a vocabulary has at least 3 words that come at least once, not {size} and {min_count}")
        if not counts:
            raise DataError("a text without words has no vocabulary; give a longer one")
        counts = counts.copy()
        for word in (SENTENCE_END, UNKNOWN):
            counts.pop(word, None)
        frequent = [word for word, count in counts.most_common() if count >= min_count]
        return cls([SENTENCE_END, UNKNOWN, *frequent[: None if size is None else size - 2]])

    @property
    def tokens(self) -> tuple[str, ...]:
        """The words."""
        return self.words

    @property
    def start(self) -> int:
        """The number of ``<eos>``."""
        return self._numbers[SENTENCE_END]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: k for k, word in enumerate(self.words)}

    def encode(self, text: str) -> Indices:
        """The numbers of the words of ``text``, ``int32``, with that of ``<eos>`` for each line break."""
        numbers, unknown, end = self._numbers, self._numbers[UNKNOWN], self._numbers[SENTENCE_END]
        found = array("i")
        for line in _lines(text):
            found.extend([numbers.get(word, unknown) for word in line.split()])
            if line.endswith("\n"):
                found.append(end)
        return np.array(found, np.int32)

    def written(self, index: int) -> str:
        """The word and a blank; a line break for ``<eos>``."""
        word = self.words[index]
        return "\n" if word == SENTENCE_END else f"{word} "

    def decode(self, indices: Iterable[Any]) -> str:
        """The words of these numbers, with blanks between them."""
        return super().decode(indices).replace(" \n", "\n").removesuffix(" ")

    def __repr__(self) -> str:
        return f"<WordVocabulary of {len(self):,}: {', '.join(self.words[:5])}, …>"


def _lines(text: str) -> Iterator[str]:
    """The lines of a text, each with its line break; ``str.splitlines`` knows other breaks too."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _code_points(text: str) -> NDArray[np.uint32]:
    # Text from a command line may hold a lone surrogate, which no vocabulary has; ``encode`` raises for it.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
