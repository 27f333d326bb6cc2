import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lstm.data import Vocabulary
from tinygrad_lstm.errors import DataError, UsageError

TEXTS = st.text(min_size=1)


@given(text=TEXTS)
def test_decoding_undoes_encoding(text):
    vocabulary = Vocabulary.of(text)
    indices = vocabulary.encode(text)
    assert indices.dtype == np.int32
    assert vocabulary.decode(indices) == text
    assert set(indices.tolist()) == set(range(len(vocabulary)))


@given(text=TEXTS, other=TEXTS)
def test_texts_of_the_same_characters_have_the_same_vocabulary(text, other):
    one, two = Vocabulary.of(text), Vocabulary.of(other)
    assert (one == two) == (set(text) == set(other))
    assert hash(one) == hash(Vocabulary.of(text[::-1]))
    assert eval(repr(one)) == one


@given(text=TEXTS, other=TEXTS)
def test_an_unknown_character_is_named(text, other):
    vocabulary = Vocabulary.of(text)
    unknown = [c for c in other if c not in text]
    if unknown:
        with pytest.raises(DataError) as caught:
            vocabulary.encode(other)
        assert repr(unknown[0]) in str(caught.value)
    else:
        assert vocabulary.decode(vocabulary.encode(other)) == other


def test_half_a_surrogate_pair_from_a_command_line_is_unknown_too():
    with pytest.raises(DataError, match=r"'\\udcff'"):
        Vocabulary("ab").encode("a\udcff")


def test_an_empty_text_has_no_vocabulary_but_is_encoded():
    with pytest.raises(DataError, match="has no vocabulary"):
        Vocabulary.of("")
    assert Vocabulary("ab").encode("").shape == (0,)
    assert Vocabulary("ab").decode([]) == ""


@pytest.mark.parametrize("characters", ["", "ba", "aa"])
def test_characters_that_are_no_vocabulary(characters):
    with pytest.raises(UsageError, match="each once and sorted"):
        Vocabulary(characters)


@pytest.mark.parametrize("index", [-1, 2])
def test_a_number_without_a_character(index):
    with pytest.raises(DataError, match="numbers 0 to 1"):
        Vocabulary("ab").decode([index])
