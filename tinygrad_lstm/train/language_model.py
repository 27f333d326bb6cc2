"""``LanguageModel``: predicts the next character of a text."""

from dataclasses import dataclass
from typing import Any, Final

from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.layers import Embedding, Linear
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.nn.recurrent import GRU, LSTM, RNN

__all__ = ["CELLS", "LanguageModel", "ModelConfig", "at_least_one"]

CELLS: Final[dict[str, type[LSTM | GRU | RNN]]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}


def at_least_one(config: Any, *names: str) -> None:
    """Check that counts of a configuration are integers ≥ 1.

    Raises:
        UsageError: when one is not.
    """
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"{name} is an integer of at least 1, not {value!r}")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The architecture of a :class:`LanguageModel`.

    Attributes:
        cell: ``lstm``, ``gru`` or ``rnn``.
        hidden: units in each recurrent layer.
        embedding: length of the vector that stands for a character.
        layers: recurrent layers, one above the other.

    Raises:
        UsageError: for another cell, or a number below 1.
    """

    cell: str = "lstm"
    hidden: int = 128
    embedding: int = 64
    layers: int = 1

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise UsageError(f"cell is one of {', '.join(CELLS)}, not {self.cell!r}")
        at_least_one(self, "hidden", "embedding", "layers")


_DEFAULT: Final = ModelConfig()
_ENCODE: Final = "for one text they are vocabulary.encode(text)[:, None]"


class LanguageModel(Module):
    """Embedding, recurrent layers, and a linear layer that scores each character as the next one.

    Shapes: indices ``(time, batch)`` of integers, logits ``(time, batch, characters)``, the state as the recurrent
    layers have it: ``(layers, batch, hidden)``, for the LSTM a pair of them.

    Args:
        characters: how many characters there are.
        key: for the initial values; the generator of ``tl.seed`` by default.

    >>> model = LanguageModel(10, ModelConfig(hidden=4, embedding=3), key=tl.random.key(0))
    >>> logits, (h, c) = model(tl.tensor([[1, 2], [3, 4], [5, 6]]))
    >>> logits.shape, h.shape
    ((3, 2, 10), (1, 2, 4))
    """

    def __init__(self, characters: int, config: ModelConfig = _DEFAULT, *, key: Any = None) -> None:
        self.config = config
        k_embedding, k_recurrent, k_output = random.split(random.next_key() if key is None else key, 3)
        self.embedding = Embedding(characters, config.embedding, key=k_embedding)
        self.recurrent = CELLS[config.cell](config.embedding, config.hidden, config.layers, key=k_recurrent)
        self.output = Linear(config.hidden, characters, key=k_output)

    def zeros(self, batch: int) -> Any:
        """The state before the first character."""
        return self.recurrent.zeros(batch)

    def forward(self, indices: Any, state: Any = None) -> tuple[Tensor, Any]:
        """The scores of every character as the next one at each step, and the last state.

        Args:
            indices: the characters' numbers, ``(time, batch)``.
            state: that before the first of them; zeros by default.

        Raises:
            DTypeError: for a text, and for numbers that are no integers.
            ShapeError: for another number of axes.
        """
        if isinstance(indices, str):
            raise DTypeError(f"LanguageModel: characters come as numbers, not as a text; {_ENCODE}")
        numbers = as_tensor(indices)
        if numbers.dtype.kind not in "iu":
            raise DTypeError(f"LanguageModel: indices are integers, not {numbers.type}; {_ENCODE}")
        if numbers.ndim != 2:
            raise ShapeError(
                f"LanguageModel: indices have the shape {list(numbers.shape)}, expected [time, batch]; {_ENCODE}"
            )
        outputs, last = self.recurrent(self.embedding(numbers), state)
        return self.output(outputs), last
