"""Where the sentences come from: the grammar, or the tab-separated files of Linzen et al. 2016."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tinygrad_lstm.errors import DataError
from tinygrad_lstm.runtime.files import regular_file
from tinygrad_lstm.tasks.agreement.grammar import (
    INDEX,
    PLURAL,
    SINGULAR,
    STEPS,
    WORDS,
    Clause,
    asked_clauses,
    free_clause,
    verb_of,
)
from tinygrad_lstm.tasks.sequence_data import Floats, Generator

__all__ = ["AgreementCorpus", "Encoded", "encode", "from_grammar", "read_dependencies", "word_numbers"]

_COLUMNS: Final = ("sentence", "verb_pos", "subj_index", "verb_index", "n_intervening", "n_diff_intervening")
_NUMBERS: Final = {"VBZ": False, "VBP": True}
_UNKNOWN: Final = "<unk>"


@dataclass(frozen=True)
class Encoded:
    """Sentences as integers.

    Attributes:
        words: ``(time, count)``, filled up with the word 0.
        last: ``(count,)``: the place of the last word before the verb.
        plural: ``(count,)`` of bools.
        ends: ``(count,)``: words of the sentence, with its verb and what follows.
    """

    words: Floats
    last: Floats
    plural: Floats
    ends: Floats

    def length(self, objective: str) -> Floats:
        """How many words of each sentence are read."""
        return self.last + 1 if objective == "number" else self.ends

    def at(self, places: Floats) -> "Encoded":
        """The sentences at these places."""
        return Encoded(self.words[:, places], self.last[places], self.plural[places], self.ends[places])


@dataclass(frozen=True)
class AgreementCorpus:
    """Sentences for training, and those to be asked, by the number of attractors.

    Attributes:
        words: the vocabulary.
        singular: places of verbs in the singular; empty where no verbs are known.
        plural: likewise in the plural.
        training: a fixed set, or None where the grammar makes new ones.
        asked: by the number of attractors.
        steps: the words of the longest sentence.
    """

    words: tuple[str, ...]
    singular: tuple[int, ...]
    plural: tuple[int, ...]
    training: Encoded | None
    asked: dict[int, Encoded]
    steps: int

    def draw(self, random: Generator, count: int) -> Encoded:
        """Sentences to train on."""
        if self.training is not None:
            return self.training.at(random.integers(self.training.words.shape[1], size=count))
        clauses = [free_clause(random) for _ in range(count)]
        full = [[*one.words, verb_of(random, one.plural), "."] for one in clauses]
        verbs = [one.verbs[random.integers(len(one.verbs))] for one in clauses]
        return encode(verbs, full, INDEX, self.steps)


def word_numbers(sentences: Sequence[Sequence[str]], index: dict[str, int], steps: int) -> Floats:
    """Words as integers ``(steps, count)``, short sentences filled up with the word 0; unknown words are ``<unk>``.

    >>> word_numbers([["a", "b"], ["b"]], {"a": 1, "b": 2}, 3).T.tolist()
    [[1, 2, 0], [2, 0, 0]]
    """
    numbers = np.zeros((steps, len(sentences)), np.int32)
    unknown = index.get(_UNKNOWN, 0)
    for k, sentence in enumerate(sentences):
        numbers[: len(sentence), k] = [index.get(word, unknown) for word in sentence]
    return numbers


def encode(
    verbs: Sequence[tuple[int, bool]], full: Sequence[Sequence[str]], index: dict[str, int], steps: int
) -> Encoded:
    """Sentences as integers, each with place and number of the verb that is asked for."""
    words = word_numbers(full, index, steps)
    last, plural = np.array([place - 1 for place, _ in verbs]), np.array([number for _, number in verbs])
    return Encoded(words, last, plural, np.array([len(sentence) for sentence in full]))


def from_grammar(count: int = 500, most: int = 6) -> AgreementCorpus:
    """The corpus of the grammar; ``count`` sentences are asked for each number of attractors up to ``most``.

    >>> corpus = from_grammar(count=2)
    >>> corpus.draw(np.random.default_rng(0), 3).words.shape, list(corpus.asked)
    ((48, 3), [0, 1, 2, 3, 4, 5, 6])
    """
    asked = {}
    for attractors in range(most + 1):
        clauses = asked_clauses(attractors, count)
        asked[attractors] = encode([one.verbs[-1] for one in clauses], [one.words for one in clauses], INDEX, STEPS)
    return AgreementCorpus(WORDS, tuple(SINGULAR), tuple(PLURAL), None, asked, STEPS)


def _dependencies(path: Path) -> Iterator[tuple[list[str], Clause]]:
    """The words of each line's sentence, and what stands before its verb; raises DataError for other lines."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
            raise DataError(
                f"{path} has no column {missing[0]!r}; a file of Linzen et al. 2016 begins with a line of the names "
                f"{', '.join(_COLUMNS)} and others, with tabs between them"
            )
        for number, row in enumerate(rows, 2):
            try:
                sentence, verb = row["sentence"].split(), int(row["verb_index"]) - 1
                plural = _NUMBERS[row["verb_pos"]]
                yield (
                    sentence,
                    Clause(
                        tuple(sentence[:verb]),
                        plural,
                        int(row["n_diff_intervening"]),
                        int(row["n_intervening"]),
                        int(row["subj_index"]) - 1,
                        ((verb, plural),),
                    ),
                )
            except (KeyError, ValueError, AttributeError, TypeError):
                raise DataError(
                    f"{path}, line {number}: verb_pos is VBZ or VBP, and indices and counts are integers; mend the line"
                ) from None


def read_dependencies(
    path: str | Path, vocabulary: int = 10_000, longest: int = 50, tested: float = 0.1
) -> AgreementCorpus:
    """The corpus of a file as T. Linzen et al. published them: a header line, then a dependency a line, tab-separated.

    Asked are sentences of the last ``tested`` part in which all nouns between subject and verb have the other number,
    by how many they are, as in the paper. The column ``sentence`` is read; words that are not among the most frequent
    are ``<unk>``, and sentences that are longer than ``longest`` words are left out.

    Source: T. Linzen, E. Dupoux, Y. Goldberg, "Assessing the ability of LSTMs to learn syntax-sensitive dependencies",
    2016.

    Raises:
        DataError: when there is no such file, it has no such columns, or a line does not fit them.
    """
    clauses, full = [], []
    real = regular_file(path, "file of sentences", DataError)
    try:
        for sentence, one in _dependencies(real):
            if 0 < one.verbs[0][0] < len(sentence) <= longest:
                clauses.append(one)
                full.append(sentence)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; name another file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no tab-separated text in UTF-8: {error}; name another file") from None
    held = int(len(clauses) * tested)
    if not held or held == len(clauses):
        raise DataError(f"{path} has {len(clauses)} sentences of at most {longest} words, too few to train and to test")
    counts = Counter(word for sentence in full[:-held] for word in sentence)
    words = (_UNKNOWN, *(word for word, _ in counts.most_common(vocabulary)))
    index = {word: k for k, word in enumerate(words)}
    training = encode([one.verbs[0] for one in clauses[:-held]], full[:-held], index, longest)
    asked = {}
    for attractors in range(5):
        some = [c for c in clauses[-held:] if c.attractors == c.nouns == attractors]
        if some:
            asked[attractors] = encode([c.verbs[0] for c in some], [c.words for c in some], index, longest)
    return AgreementCorpus(words, (), (), training, asked, longest)
