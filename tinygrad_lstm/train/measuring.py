"""``evaluate_text``: how well a model predicts a text."""

import math
from dataclasses import dataclass
from typing import Any

from tinygrad_lstm.data.vocabulary import TokenVocabulary
from tinygrad_lstm.data.windows import TokenSequence, held_out_windows
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.nn.stochastic import deterministic
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.train.language_model import LanguageModel

__all__ = ["Evaluation", "bits", "evaluate_text", "evaluate_tokens"]


def bits(nats: float) -> float:
    """Nats as bits.

    >>> bits(math.log(8))
    3.0
    """
    return nats / math.log(2)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What it costs to predict a text.

    Attributes:
        nats: per token, the mean of ``−log p`` of each token given all before it.
        tokens: how many were predicted; all but the first.
        words: how many words the text has.
        unit: what a token is, ``character`` or ``word``.

    >>> found = Evaluation(math.log(2), tokens=10, words=2, unit="character")
    >>> found.perplexity, found.bits, round(found.per_word, 3) == round(5 * math.log(2), 3)
    (2.0, 1.0, True)
    """

    nats: float
    tokens: int
    words: int
    unit: str

    @property
    def perplexity(self) -> float:
        """``e^nats``: among so many equal possibilities the model chooses at each token."""
        return math.exp(min(self.nats, 700.0))

    @property
    def bits(self) -> float:
        """Per token."""
        return bits(self.nats)

    @property
    def per_word(self) -> float:
        """Nats for a word, with the blanks and line breaks between words."""
        return self.nats * self.tokens / max(1, self.words)


def evaluate_text(
    model: LanguageModel, vocabulary: TokenVocabulary, text: str, *, window: int = 256, batch: int = 1
) -> Evaluation:
    """How well ``model`` predicts ``text``, without dropout.

    Args:
        window: tokens that a compiled program reads at once; the state goes on from one window to the next.
        batch: streams side by side, each of which begins without knowing what comes before it. With 1 each token is
            predicted from all before it.

    Raises:
        DataError: for a character that the vocabulary does not have, and a text of fewer than two tokens.
        UsageError: for a window or batch below 1.

    >>> from tinygrad_lstm.train.language_model import ModelConfig
    >>> model = LanguageModel(3, ModelConfig(hidden=4, embedding=3), key=tl.random.key(0))
    >>> found = evaluate_text(model, tl.data.Vocabulary("abc"), "abcabcab")
    >>> found.tokens, found.words, 1 < found.perplexity < 9
    (7, 1, True)
    """
    words = len(text.split())
    return evaluate_tokens(model, vocabulary.encode(text), words, vocabulary.unit, window=window, batch=batch)


def evaluate_tokens(
    model: LanguageModel, tokens: TokenSequence, words: int, unit: str, *, window: int, batch: int
) -> Evaluation:
    """As :func:`evaluate_text`, of tokens that may lie in a file.

    Args:
        words: how many words the text has.
        unit: what a token is, ``character`` or ``word``.
    """
    if window < 1 or batch < 1:
        raise UsageError(f"windows and batches hold at least 1 {unit}, not {window} and {batch}")
    still: Any = deterministic(model)

    @jit
    def score(inputs: Tensor, targets: Tensor, state: object) -> tuple[Tensor, object]:
        logits, after = still(inputs, state)
        return cross_entropy(logits, targets), after

    total, count, state = 0.0, 0, None
    for piece in held_out_windows(tokens, window, batch, unit):
        state = still.zeros(piece.inputs.shape[1]) if state is None else state
        loss, state = score(tensor(piece.inputs), tensor(piece.targets), state)
        leaves, structure = flatten(state)
        state = unflatten(structure, [leaf.detach() for leaf in leaves])
        total, count = total + float(loss) * piece.inputs.size, count + piece.inputs.size
    return Evaluation(total / count, count, words, unit)
