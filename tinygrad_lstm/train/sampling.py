"""Text written by a trained model: ``sample`` and ``beam_search``."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np

from tinygrad_lstm.data.vocabulary import Indices, TokenVocabulary
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.dtypes import int32
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.nn.stochastic import deterministic
from tinygrad_lstm.ops.source import symbol
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.runtime.evaluation import evaluate, evaluated
from tinygrad_lstm.train.checkpoint import Array
from tinygrad_lstm.train.language_model import LanguageModel

__all__ = ["beam_search", "sample"]


def sample(
    model: LanguageModel,
    vocabulary: TokenVocabulary,
    prompt: str = "",
    *,
    length: int = 500,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float = 1.0,
    seed: int = 0,
) -> Iterator[str]:
    """``length`` characters or words, one by one, that go on from ``prompt``.

    Each is drawn with probability ``softmax(logits / temperature)``, given all before it through the state; at
    temperature 0 it is the likeliest. The same seed gives the same text, and a longer text begins with the shorter one.
    Without a prompt the model starts as after a line break.

    Args:
        top_k: draw among so many of the likeliest.
        top_p: draw among the likeliest whose probabilities sum to this number at least (A. Holtzman et al., "The
            curious case of neural text degeneration", 2020).

    Raises:
        UsageError: for a number out of its range, or what is no model and vocabulary; at once, not at the first
            character.
        DataError: for a character of the prompt that the vocabulary does not have.

    >>> from tinygrad_lstm.train.language_model import ModelConfig
    >>> model = LanguageModel(3, ModelConfig(hidden=4, embedding=3), key=tl.random.key(0))
    >>> text = "".join(sample(model, tl.data.Vocabulary("abc"), "ab", length=20, seed=1))
    >>> len(text), set(text) <= set("abc")
    (20, True)
    """
    _check("sample", model, vocabulary, length)
    if not 0 <= temperature < math.inf:
        raise UsageError(f"temperature is a number of at least 0, not {temperature}")
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
        raise UsageError(f"top_k is an integer of at least 1, not {top_k!r}")
    if not 0 < top_p <= 1:
        raise UsageError(f"top_p is a probability above 0, not {top_p}")
    key = random.key(seed)
    choose = partial(_choose, temperature=temperature, top_k=top_k, top_p=top_p)
    return _drawn(_Writer(model, _begun(vocabulary, prompt)), vocabulary, key, length, choose)


def beam_search(
    model: LanguageModel, vocabulary: TokenVocabulary, prompt: str = "", *, length: int = 50, width: int = 5
) -> str:
    """The likeliest text of ``length`` characters or words behind ``prompt``, as far as a beam finds it.

    At each step the ``width`` likeliest beginnings are kept.

    Raises:
        UsageError: for a number out of its range, or what is no model and vocabulary.
        DataError: for a character of the prompt that the vocabulary does not have.

    >>> from tinygrad_lstm.train.language_model import ModelConfig
    >>> model = LanguageModel(3, ModelConfig(hidden=4, embedding=3), key=tl.random.key(0))
    >>> vocabulary = tl.data.Vocabulary("abc")
    >>> greedy = "".join(sample(model, vocabulary, "ab", length=8, temperature=0))
    >>> beam_search(model, vocabulary, "ab", length=8, width=1) == greedy
    True
    """
    _check("beam_search", model, vocabulary, length)
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise UsageError(f"width is an integer of at least 1, not {width!r}")
    writer = _Writer(model, np.repeat(_begun(vocabulary, prompt)[:, None], width, axis=1))
    totals = np.full(width, -math.inf)
    totals[0] = 0.0  # all rows are the same at first
    texts = np.zeros((width, 0), np.int32)
    for _ in range(length):
        scores = writer.scores.astype(np.float64)
        largest = scores.max(axis=1, keepdims=True)
        logs = scores - largest - np.log(np.exp(scores - largest).sum(axis=1, keepdims=True))
        sums = (totals[:, None] + logs).ravel()
        best = np.argsort(-sums, kind="stable")[:width]
        rows, tokens = np.divmod(best, logs.shape[1])
        totals, texts = sums[best], np.concatenate([texts[rows], tokens[:, None].astype(np.int32)], axis=1)
        writer.write(tokens, rows)
    return vocabulary.decode(texts[0])


def _check(what: str, model: Any, vocabulary: Any, length: Any) -> None:
    if not isinstance(model, Module) or not isinstance(vocabulary, TokenVocabulary):
        kinds = f"{type(model).__name__} and {type(vocabulary).__name__}"
        raise UsageError(f"{what} takes a model and its vocabulary, as load_model gives them, not {kinds}")
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise UsageError(f"length is an integer of at least 0, not {length!r}")


def _begun(vocabulary: TokenVocabulary, prompt: str) -> Indices:
    """The numbers of the prompt; that of the start where it has none."""
    found = vocabulary.encode(prompt)
    return found if len(found) else np.array([vocabulary.start], np.int32)


class _Writer:
    """A model that goes on with texts, a token for each at a time; its step is traced once.

    Attributes:
        scores: of the next tokens, ``(batch, tokens)``.
    """

    def __init__(self, model: LanguageModel, indices: Indices) -> None:
        still: Any = deterministic(model)
        begun = indices if indices.ndim == 2 else indices[:, None]
        batch = begun.shape[1]
        logits, state = still(tensor(begun), still.zeros(batch))
        leaves, structure = flatten(state)
        self._take(evaluate(logits[-1], *leaves))
        self._index = symbol("index", (1, batch), int32)
        self._before = [symbol("state", leaf.shape, leaf.dtype) for leaf in leaves]
        logits, after = still(self._index, unflatten(structure, self._before))
        self._step = (logits[0], *flatten(after)[0])

    def write(self, tokens: Any, rows: Any = None) -> None:
        """Go on with these tokens, each behind the text of that number; behind its own by default."""
        values: Any = self._values if rows is None else [value.numpy()[:, rows] for value in self._values]
        read = {self._index: np.asarray(tokens, np.int32)[None], **dict(zip(self._before, values, strict=True))}
        self._take(evaluated(self._step, read))

    def _take(self, results: Any) -> None:
        scores, *self._values = results
        self.scores = scores.numpy()


_AHEAD: Final = 4096
"""Random numbers are drawn for this many tokens at a time."""


def _drawn(
    writer: _Writer, vocabulary: TokenVocabulary, key: Tensor, length: int, choose: Callable[[Array, float], int]
) -> Iterator[str]:
    """Yield what the tokens write, one step of the model for each."""
    for n in range(length):
        if n % _AHEAD == 0:
            draws = random.uniform(random.fold_in(key, n // _AHEAD), _AHEAD).numpy()
        chosen = choose(writer.scores[0], float(draws[n % _AHEAD]))
        yield vocabulary.written(chosen)
        writer.write([chosen])


def _choose(scores: Array, draw: float, temperature: float, top_k: int | None = None, top_p: float = 1.0) -> int:
    """The first index at which the summed probabilities exceed ``draw``, a number from [0, 1)."""
    # In 64 bits, and with 0 as the largest, so that no temperature, however small, gives inf − inf.
    shifted = scores.astype(np.float64) - scores.max()
    if temperature == 0:
        return int(shifted.argmax())
    weights = np.exp(shifted / temperature)
    if top_k is not None or top_p < 1:
        falling = np.argsort(-weights, kind="stable")
        before = np.cumsum(weights[falling]) - weights[falling]
        kept = before < top_p * weights.sum()
        weights[falling[~kept]] = 0
        if top_k is not None:
            weights[falling[top_k:]] = 0
    totals = np.cumsum(weights)
    return int(np.searchsorted(totals, draw * totals[-1], side="right"))
