"""Sentences in which the verb agrees with a noun over other nouns, as a small grammar makes them.

::

    sentence = [preposition noun ","] phrase verb "."
    phrase   = noun | phrase preposition phrase | phrase "that" phrase verb | phrase "that" verb phrase

A noun has "the" and at most two adjectives before it. What follows a noun belongs to it; the verbs that are still owed
come last, the innermost first, so that several numbers have to be kept at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tinygrad_lstm.tasks.sequence_data import Generator

__all__ = ["INDEX", "MOST_NOUNS", "PAIR", "PLURAL", "SINGULAR", "STEPS", "WORDS", "Clause", "asked_clauses", "clause"]

_NOUNS: Final = (
    ("dog", "dogs"),
    ("cat", "cats"),
    ("bird", "birds"),
    ("girl", "girls"),
    ("boy", "boys"),
    ("horse", "horses"),
)
_OUTER: Final = (("barks", "bark"), ("sleeps", "sleep"), ("runs", "run"), ("sings", "sing"))
_INNER: Final = (("sees", "see"), ("hears", "hear"), ("likes", "like"))
_ADJECTIVES: Final = ("old", "small", "red", "quiet", "happy")
_PREPOSITIONS: Final = ("near", "behind", "with")
WORDS: Final = (
    ".",
    ",",
    "the",
    "that",
    *_PREPOSITIONS,
    *_ADJECTIVES,
    *(word for pair in (*_NOUNS, *_OUTER, *_INNER) for word in pair),
)
"""All words; the full stop, which fills up short sentences, is the first."""
INDEX: Final = {word: k for k, word in enumerate(WORDS)}
SINGULAR, PLURAL = ([INDEX[pair[number]] for pair in _OUTER] for number in (0, 1))
"""The verbs of main clauses, as the places of the words."""
MOST_NOUNS: Final = 6
"""Nouns besides the subject in a sentence of the training, at most."""
STEPS: Final = 6 + 4 * (MOST_NOUNS + 1) + 2 * MOST_NOUNS + 2
"""The words of the longest sentence."""
PAIR: Final = tuple(
    f"the {subject} that the cats near the bird that the girls hear see".split() for subject in ("dog", "dogs")
)
"""Two sentences up to their verbs that differ in the number of the subject."""


@dataclass(frozen=True)
class Clause:
    """A sentence up to its verb.

    Attributes:
        words: up to the verb.
        plural: whether the subject is plural.
        attractors: nouns between subject and verb that have the other number.
        nouns: all nouns between them.
        subject: the place of the subject among the words.
        verbs: of all verbs, the main one too, which comes behind the words: place, and whether it is plural.
    """

    words: tuple[str, ...]
    plural: bool
    attractors: int
    nouns: int
    subject: int
    verbs: tuple[tuple[int, bool], ...]


def clause(random: Generator, numbers: Sequence[int]) -> Clause:
    """A clause whose nouns have these numbers, 0 for singular and 1 for plural, the subject's first.

    >>> one = clause(np.random.default_rng(1), [1, 0])
    >>> " ".join(one.words), one.plural, one.attractors
    ('the dogs near the horse', True, 1)
    """
    words: list[str] = []
    if random.random() < 0.3:
        words += [_PREPOSITIONS[random.integers(len(_PREPOSITIONS))], *_noun(random, int(random.integers(2))), ","]
    owed: list[int] = []
    verbs: list[tuple[int, bool]] = []
    subject = 0
    for k, number in enumerate(numbers):
        way = random.random()
        if k and way < 0.35:
            words.append("that")
            owed.append(number)
        elif k and way < 0.6:
            verbs.append((len(words) + 1, bool(numbers[k - 1])))
            words += ["that", _INNER[random.integers(len(_INNER))][numbers[k - 1]]]
        elif k:
            words.append(_PREPOSITIONS[random.integers(len(_PREPOSITIONS))])
        words += _noun(random, number)
        subject = subject or len(words) - 1
    for number in owed[::-1]:
        verbs.append((len(words), bool(number)))
        words.append(_INNER[random.integers(len(_INNER))][number])
    verbs.append((len(words), bool(numbers[0])))
    other = sum(number != numbers[0] for number in numbers)
    return Clause(tuple(words), bool(numbers[0]), other, len(numbers) - 1, subject, tuple(verbs))


def _noun(random: Generator, number: int) -> list[str]:
    """A noun with its article and adjectives."""
    adjectives = [_ADJECTIVES[random.integers(len(_ADJECTIVES))] for _ in range(random.integers(3))]
    return ["the", *adjectives, _NOUNS[random.integers(len(_NOUNS))][number]]


def free_clause(random: Generator) -> Clause:
    """A clause of the training: few nouns more often than many, and each of any number."""
    return clause(random, random.integers(2, size=1 + min(random.geometric(0.4) - 1, MOST_NOUNS)).tolist())


def verb_of(random: Generator, plural: bool) -> str:
    """A verb of a main clause."""
    return _OUTER[random.integers(len(_OUTER))][plural]


def asked_clauses(attractors: int, count: int, seed: int = 0) -> list[Clause]:
    """Clauses of the test: all nouns between subject and verb have the other number.

    >>> [one.attractors for one in asked_clauses(4, 2)]
    [4, 4]
    """
    random = np.random.default_rng([seed, attractors])
    subjects = random.integers(2, size=count)
    return [clause(random, [number] + [1 - number] * attractors) for number in subjects.tolist()]
