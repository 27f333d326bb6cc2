"""``sample``: text written by a trained model."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from tinygrad_lstm.data.vocabulary import Indices, Vocabulary
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.dtypes import int32
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.ops.source import symbol
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.runtime.evaluation import evaluate, evaluated
from tinygrad_lstm.train.checkpoint import Array
from tinygrad_lstm.train.language_model import LanguageModel

__all__ = ["sample"]


def sample(
    model: LanguageModel,
    vocabulary: Vocabulary,
    prompt: str = "",
    *,
    length: int = 500,
    temperature: float = 0.8,
    seed: int = 0,
) -> Iterator[str]:
    """``length`` characters, one by one, that go on from ``prompt``.

    Each is drawn with probability ``softmax(logits / temperature)``, given all characters before it through the
    state; at temperature 0 it is the likeliest. The same seed gives the same text, and a longer text begins with the
    shorter one. Without a prompt the model starts as after a line break.

    Raises:
        UsageError: for a length or temperature below 0, a seed out of range, or what is no model and vocabulary; at
            once, not at the first character.
        DataError: for a character of the prompt that the vocabulary does not have.

    >>> from tinygrad_lstm.train.language_model import ModelConfig
    >>> model = LanguageModel(3, ModelConfig(hidden=4, embedding=3), key=tl.random.key(0))
    >>> text = "".join(sample(model, Vocabulary("abc"), "ab", length=20, seed=1))
    >>> len(text), set(text) <= set("abc")
    (20, True)
    """
    if not isinstance(model, Module) or not isinstance(vocabulary, Vocabulary):
        kinds = f"{type(model).__name__} and {type(vocabulary).__name__}"
        raise UsageError(f"sample takes a model and its vocabulary, as load_model gives them, not {kinds}")
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise UsageError(f"length is an integer of at least 0, not {length!r}")
    if not 0 <= temperature < math.inf:
        raise UsageError(f"temperature is a number of at least 0, not {temperature}")
    key = random.key(seed)
    start = "\n" if "\n" in vocabulary.characters else vocabulary.characters[0]
    indices = vocabulary.encode(prompt or start)
    return _characters(model, vocabulary, indices, key, length, temperature)


_AHEAD: Final = 4096
"""Random numbers are drawn for this many characters at a time."""


def _characters(
    model: LanguageModel, vocabulary: Vocabulary, indices: Indices, key: Tensor, length: int, temperature: float
) -> Iterator[str]:
    """Yield the characters, one step of the model for each."""
    logits, state = model(tensor(indices[:, None]), model.zeros(1))
    leaves, structure = flatten(state)
    scores, *values = evaluate(logits[-1, 0], *leaves)
    # One step, traced once and evaluated for each character.
    index = symbol("index", (1, 1), int32)
    before = [symbol("state", leaf.shape, leaf.dtype) for leaf in leaves]
    logits, after = model(index, unflatten(structure, before))
    step = (logits[0, 0], *flatten(after)[0])
    for n in range(length):
        if n % _AHEAD == 0:
            draws = random.uniform(random.fold_in(key, n // _AHEAD), _AHEAD).numpy()
        chosen = _choose(scores.numpy(), temperature, float(draws[n % _AHEAD]))
        yield vocabulary.characters[chosen]
        scores, *values = evaluated(step, {index: [[chosen]], **dict(zip(before, values, strict=True))})


def _choose(scores: Array, temperature: float, draw: float) -> int:
    """The first index at which the summed probabilities exceed ``draw``, a number from [0, 1)."""
    # In 64 bits, and with 0 as the largest, so that no temperature, however small, gives inf − inf.
    shifted = scores.astype(np.float64) - scores.max()
    if temperature == 0:
        return int(shifted.argmax())
    totals = np.cumsum(np.exp(shifted / temperature))
    return int(np.searchsorted(totals, draw * totals[-1], side="right"))
