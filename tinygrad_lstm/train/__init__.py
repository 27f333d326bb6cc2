"""Training of any module; language models: training one, saving it, and writing text with it."""

from tinygrad_lstm.reflexes import TRAIN, answer
from tinygrad_lstm.train.checkpoint import load_model
from tinygrad_lstm.train.config import TextConfig, TrainConfig, learning_rate
from tinygrad_lstm.train.journal import Journal, read_journal, save_curve
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig
from tinygrad_lstm.train.language_model_trainer import LanguageModelTrainer
from tinygrad_lstm.train.measuring import Evaluation, bits, evaluate_text
from tinygrad_lstm.train.parallel import ParallelTrainer
from tinygrad_lstm.train.progress import Progress
from tinygrad_lstm.train.sampling import beam_search, sample
from tinygrad_lstm.train.settings import Settings, read_settings, shipped_settings
from tinygrad_lstm.train.trainer import Trainer

__all__ = [
    "Evaluation",
    "Journal",
    "LanguageModel",
    "LanguageModelTrainer",
    "ModelConfig",
    "ParallelTrainer",
    "Progress",
    "Settings",
    "TextConfig",
    "TrainConfig",
    "Trainer",
    "beam_search",
    "bits",
    "evaluate_text",
    "learning_rate",
    "load_model",
    "read_journal",
    "read_settings",
    "sample",
    "save_curve",
    "shipped_settings",
]

answer(__name__, "tl.train", TRAIN)
