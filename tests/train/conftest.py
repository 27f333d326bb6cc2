import pytest

from tinygrad_lstm.data import Corpus
from tinygrad_lstm.train import LanguageModelTrainer, ModelConfig, TrainConfig

TEXT = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n" * 6


@pytest.fixture
def corpus():
    return Corpus(TEXT, "Hamlet")


@pytest.fixture
def trainer(corpus):
    """A trainer of a small model, its window so short that the text is read more than once."""
    return make(corpus)


def make(corpus, cell="lstm", layers=1, **training):
    settings = {"steps": 20, "window": 8, "batch": 5, "validate_every": 8, "decay": 10, **training}
    return LanguageModelTrainer(
        corpus, ModelConfig(cell, hidden=6, embedding=5, layers=layers), TrainConfig(**settings)
    )
