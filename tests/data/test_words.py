import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lstm.data import Corpus, Vocabulary, WordVocabulary, read_corpus
from tinygrad_lstm.errors import DataError, UsageError

WORDS = st.text("abcé§<>", min_size=1, max_size=4)
LINES = st.lists(st.lists(WORDS, max_size=5), min_size=1, max_size=6)
SPECIAL = {"<eos>", "<unk>"}


def joined(lines):
    return "\n".join(" ".join(line) for line in lines)


@given(LINES.filter(lambda lines: any(lines)))
def test_decoding_undoes_encoding_of_known_words(lines):
    text = joined(lines)
    vocabulary = WordVocabulary.of(text)
    indices = vocabulary.encode(text)
    assert indices.dtype == np.int32
    assert len(indices) == len(text.split()) + text.count("\n")
    assert vocabulary.decode(indices) == text
    assert set(vocabulary.words) == set(text.split()) | SPECIAL


@given(LINES.filter(lambda lines: any(lines)), st.integers(3, 8), st.integers(1, 3))
def test_the_most_frequent_words_are_known(lines, size, least):
    text = joined(lines)
    vocabulary = WordVocabulary.of(text, size, least)
    counts = Counter(word for word in text.split() if word not in SPECIAL)
    known = vocabulary.words[2:]
    assert vocabulary.words[:2] == ("<eos>", "<unk>")
    assert len(vocabulary) <= size
    assert all(counts[word] >= least for word in known)
    left_out = [count for word, count in counts.items() if word not in known and count >= least]
    assert not left_out or (len(vocabulary) == size and max(left_out) <= min(counts[word] for word in known))
    for word, index in zip(text.split(), vocabulary.encode(text.replace("\n", " ")), strict=True):
        assert vocabulary.words[index] == (word if word in vocabulary.words else "<unk>")


@pytest.mark.parametrize("words", ["a b|<eos>|<unk>", "<eos>", "<eos>|<unk>|a|a", "<unk>|", ""])
def test_what_is_no_vocabulary_is_refused(words):
    with pytest.raises(UsageError, match=r"WordVocabulary\.of\(text\)"):
        WordVocabulary(words.split("|"))


def test_a_text_is_not_held_as_words() -> None:
    """Half a million words as objects take 30 MB; their numbers take 2."""
    text = "the cat sat on a mat that was not there before it\n" * 40_000
    tracemalloc.start()
    try:
        vocabulary = WordVocabulary.of(text)
        numbers = vocabulary.encode(text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert numbers.size == 520_000
    assert most < 12e6


@given(st.text(" ab\n\r\x0b\x85", max_size=20))
def test_only_line_feeds_end_lines(text):
    vocabulary = WordVocabulary.of("a b ab ba")
    want = [w for line in text.split("\n") for w in [*line.split(), "\n"]][:-1]
    numbers = {word: k for k, word in enumerate(vocabulary.words)}
    assert vocabulary.encode(text).tolist() == [numbers.get("<eos>" if w == "\n" else w, 1) for w in want]


def test_mistakes_are_told():
    with pytest.raises(DataError, match="without words"):
        WordVocabulary.of(" \n ")
    for size, least in ((2, 1), (None, 0)):
        with pytest.raises(UsageError, match="at least 3 words"):
            WordVocabulary.of("a", size, least)
    with pytest.raises(DataError, match="3 words has the numbers 0 to 2"):
        WordVocabulary.of("a").decode([3])


def test_vocabularies_of_two_kinds_differ():
    assert WordVocabulary.of("a b b") == WordVocabulary.of("b a b")
    assert WordVocabulary.of("a") != Vocabulary.of("a")
    assert hash(WordVocabulary.of("a b")) == hash(WordVocabulary(["<eos>", "<unk>", "a", "b"]))
    assert Vocabulary.of("a\nb").start == 0
    assert Vocabulary.of("ab").start == 0
    assert WordVocabulary(["a", "<eos>", "<unk>"]).start == 1


def test_a_corpus_of_three_files(tmp_path):
    for name in ("train", "valid", "test"):
        (tmp_path / name).write_text(f"the text to {name}\n", encoding="utf-8")
    corpus = read_corpus([tmp_path / "train", tmp_path / "train"], tmp_path / "valid", tmp_path / "test")
    assert corpus.text == "the text to train\n" * 2
    assert (corpus.valid, corpus.test) == ("the text to valid\n", "the text to test\n")
    same = Corpus(corpus.text, "another name", corpus.valid, corpus.test)
    others = [Corpus(corpus.text, "a", corpus.test, corpus.valid), Corpus(corpus.text, "a", corpus.valid)]
    assert same.sha256 == corpus.sha256
    assert len({corpus.sha256, *[other.sha256 for other in others], Corpus(corpus.text, "a").sha256}) == 4
    with pytest.raises(DataError, match="there is no file"):
        read_corpus([tmp_path / "train"], tmp_path / "missing")
    with pytest.raises(UsageError, match="the valid of a Corpus is a string"):
        Corpus("a", "b", 5)
