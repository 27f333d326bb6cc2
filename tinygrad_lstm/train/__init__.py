"""Training a language model, saving it, and writing text with it."""

from tinygrad_lstm.reflexes import TRAIN, answer
from tinygrad_lstm.train.checkpoint import load_model
from tinygrad_lstm.train.config import TrainConfig, learning_rate
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig
from tinygrad_lstm.train.progress import Progress, bits
from tinygrad_lstm.train.sampling import sample
from tinygrad_lstm.train.trainer import Trainer

__all__ = [
    "LanguageModel",
    "ModelConfig",
    "Progress",
    "TrainConfig",
    "Trainer",
    "bits",
    "learning_rate",
    "load_model",
    "sample",
]

answer(__name__, "tl.train", TRAIN)
