"""What to train on: batches of examples; corpora of text, vocabularies and windows; music as piano rolls."""

from tinygrad_lstm.data.batches import Batches
from tinygrad_lstm.data.large import LargeCorpus
from tinygrad_lstm.data.piano_rolls import PianoRolls, piano_roll, read_piano_rolls, write_midi
from tinygrad_lstm.data.text import Corpus, default_corpus, read_corpus
from tinygrad_lstm.data.vocabulary import Indices, Vocabulary, WordVocabulary
from tinygrad_lstm.data.windows import Window, Windows, held_out_windows, split
from tinygrad_lstm.reflexes import DATA, answer

__all__ = [
    "Batches",
    "Corpus",
    "Indices",
    "LargeCorpus",
    "PianoRolls",
    "Vocabulary",
    "Window",
    "Windows",
    "WordVocabulary",
    "default_corpus",
    "held_out_windows",
    "piano_roll",
    "read_corpus",
    "read_piano_rolls",
    "split",
    "write_midi",
]

answer(__name__, "tl.data", DATA)
