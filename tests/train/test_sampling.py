import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.train.conftest import make
from tinygrad_lstm.data import Vocabulary
from tinygrad_lstm.errors import DataError, UsageError
from tinygrad_lstm.train import LanguageModel, ModelConfig, sample, sampling

VOCABULARY = Vocabulary("\nabc")


def model(cell="lstm"):
    return LanguageModel(4, ModelConfig(cell, hidden=6, embedding=3, layers=2), key=tl.random.key(0))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_likeliest_character_is_that_of_the_whole_text_so_far(cell):
    network, text = model(cell), "ab"
    for character in sample(network, VOCABULARY, text, length=12, temperature=0):
        logits, _ = network(tl.tensor(VOCABULARY.encode(text)[:, None]), network.zeros(1))
        assert character == VOCABULARY.characters[int(logits[-1, 0].numpy().argmax())]
        text += character
    assert len(text) == 14


def test_the_seed_decides_and_a_longer_text_begins_with_the_shorter(monkeypatch):
    monkeypatch.setattr(sampling, "_AHEAD", 16)

    def write(length, seed):
        return "".join(sample(model(), VOCABULARY, "a", length=length, temperature=1.0, seed=seed))

    assert write(50, 1) == write(50, 1)
    assert write(50, 1)[:20] == write(20, 1)
    assert write(50, 1) != write(50, 2)


def test_characters_come_as_often_as_their_probabilities_say():
    scores = np.log(np.array([0.5, 0.25, 0.25, 0.0], dtype=np.float32) + np.float32(1e-30))
    draws = (np.arange(1000) + 0.5) / 1000
    counts = np.bincount([sampling._choose(scores, d, 1.0) for d in draws], minlength=4)
    assert counts.tolist() == [500, 250, 250, 0]
    sharper = np.bincount([sampling._choose(scores, d, 0.5) for d in draws], minlength=4)
    assert abs(sharper[0] - 667) <= 1


@given(
    scores=st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=5),
    temperature=st.one_of(st.just(0.0), st.floats(0, 1e300)),
    draw=st.floats(0, 1, exclude_max=True, width=32),
)
def test_every_temperature_chooses_a_character(scores, temperature, draw):
    with np.errstate(over="ignore"):
        assert 0 <= sampling._choose(np.array(scores, dtype=np.float32), draw, temperature) < len(scores)


def test_without_a_prompt_the_text_starts_as_after_a_line_break():
    free = list(sample(model(), VOCABULARY, length=10, seed=3))
    assert free == list(sample(model(), VOCABULARY, "\n", length=10, seed=3))
    assert len(list(sample(LanguageModel(1), Vocabulary("a"), length=3))) == 3


def test_a_length_of_zero_is_no_text():
    assert list(sample(model(), VOCABULARY, "a", length=0)) == []


def test_mistakes_are_told_before_the_first_character():
    for wrong in ({"length": -1}, {"length": 1.5}, {"temperature": -1}, {"temperature": math.nan}, {"seed": -1}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            sample(model(), VOCABULARY, "a", **wrong)
    with pytest.raises(UsageError, match="as load_model gives them, not Vocabulary and LanguageModel"):
        sample(VOCABULARY, model(), "a")
    with pytest.raises(DataError, match="'x' is none of the 4"):
        sample(model(), VOCABULARY, "abx")


def test_a_trained_model_writes_what_it_was_trained_on(corpus):
    trainer = make(corpus, steps=1)
    trainer.run()
    text = "".join(sample(trainer.model, trainer.vocabulary, "To ", length=40))
    assert len(text) == 40
    assert set(text) <= set(corpus.text)
