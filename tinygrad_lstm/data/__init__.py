"""Text to train on: corpora, vocabularies and windows."""

from tinygrad_lstm.data.text import Corpus, default_corpus, read_corpus
from tinygrad_lstm.data.vocabulary import Indices, Vocabulary, WordVocabulary
from tinygrad_lstm.data.windows import Window, Windows, held_out_windows, split
from tinygrad_lstm.reflexes import DATA, answer

__all__ = [
    "Corpus",
    "Indices",
    "Vocabulary",
    "Window",
    "Windows",
    "WordVocabulary",
    "default_corpus",
    "held_out_windows",
    "read_corpus",
    "split",
]

answer(__name__, "tl.data", DATA)
