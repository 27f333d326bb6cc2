"""``Vocabulary``: characters as numbers, and back."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.errors import DataError, UsageError

__all__ = ["Indices", "Vocabulary"]

Indices = NDArray[np.int32]


class Vocabulary:
    """The characters that a model knows, numbered in the order of their code points.

    Args:
        characters: each once, sorted; :meth:`of` finds them in a text.

    Raises:
        UsageError: when they are not sorted, one comes twice, or there is none.

    >>> v = Vocabulary.of("hello")
    >>> v.characters, v.encode("hole").tolist(), v.decode([1, 0, 2, 3])
    ('ehlo', [1, 3, 2, 0], 'helo')
    """

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

    def encode(self, text: str) -> Indices:
        """The numbers of the characters of ``text``, ``int32``.

        Raises:
            DataError: for a character that is not in the vocabulary.
        """
        points = _code_points(text)
        numbers = np.searchsorted(self._points, points)
        known = self._points[np.minimum(numbers, len(self) - 1)] == points
        if not known.all():
            raise DataError(
                f"the character {text[int(np.argmin(known))]!r} is none of the {len(self)} that the model was "
                f"trained on; leave it out, or train on a text that has it"
            )
        return numbers.astype(np.int32)

    def decode(self, indices: Iterable[Any]) -> str:
        """The characters of these numbers.

        Raises:
            DataError: for a number that no character has.
        """
        numbers = [int(i) for i in indices]
        if any(not 0 <= i < len(self) for i in numbers):
            raise DataError(f"a vocabulary of {len(self)} characters has the numbers 0 to {len(self) - 1}")
        return "".join([self.characters[i] for i in numbers])

    def __len__(self) -> int:
        return len(self.characters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.characters == other.characters

    def __hash__(self) -> int:
        return hash(self.characters)

    def __repr__(self) -> str:
        return f"Vocabulary({self.characters!r})"


def _code_points(text: str) -> NDArray[np.uint32]:
    # Text from a command line may hold a lone surrogate, which no vocabulary has; ``encode`` raises for it.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
