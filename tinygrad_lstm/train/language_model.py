"""``LanguageModel``: predicts the next character or word of a text."""

import math
from dataclasses import dataclass
from typing import Any, Final

from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.functions.filling import zeros
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter
from tinygrad_lstm.nn.layers import Embedding, Linear
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.nn.recurrent_layers import GRU, LSTM, RNN
from tinygrad_lstm.nn.stochastic import Dropout
from tinygrad_lstm.ops.index import take
from tinygrad_lstm.ops.shape import transpose

__all__ = ["CELLS", "LanguageModel", "ModelConfig", "at_least_one"]

CELLS: Final[dict[str, type[LSTM | GRU | RNN]]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
_OPTIONS: Final = {
    "lstm": ("peephole", "coupled", "layer_norm", "proj_size", "cell_clip", "proj_clip"),
    "gru": ("reset_after", "layer_norm"),
    "rnn": ("layer_norm", "nonlinearity"),
}
_PLACES: Final = ("embedding", "input", "layers", "output", "recurrent", "candidate")
_DROPOUTS: Final = tuple(f"dropout_{place}" for place in _PLACES)


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
        embedding: length of the vector that stands for a token.
        layers: recurrent layers, one above the other.
        peephole: the gates of the LSTM see the cell state.
        coupled: the input gate of the LSTM is 1 − the forget gate.
        reset_after: the reset gate of the GRU acts behind the product.
        layer_norm: layer normalisation in the cell.
        nonlinearity: of the RNN: ``tanh`` or ``relu``.
        proj_size: the hidden state of the LSTM is a projection to so many numbers; 0 for none.
        cell_clip: bound on the cell state of the LSTM.
        proj_clip: bound on the projected hidden state.
        tied: the output layer has the weights of the embedding; needs ``hidden``, or ``proj_size``, =
            ``embedding``.
        dropout_embedding: probability of dropping a token's vector, wherever it stands in the window.
        dropout_input: of dropping a number of a vector that enters the first layer.
        dropout_layers: of dropping a number between two layers.
        dropout_output: of dropping a number before the output layer.
        dropout_recurrent: of dropping a number of the hidden state on its way to the next step, with one mask for all
            steps of a window.
        dropout_candidate: of dropping a number of the candidate in the LSTM or GRU, with a mask for each step.
        variational: each of these masks is one for all steps of a window.
        init_uniform: all parameters start uniform between ± this number; without it as the layers do.
        forget_bias: at the start added to the bias of the LSTM's forget gate; 1, or 0 with ``init_uniform``.

    Raises:
        UsageError: for another cell, an option that the cell does not have, and a number out of its range.
    """

    cell: str = "lstm"
    hidden: int = 128
    embedding: int = 64
    layers: int = 1
    peephole: bool = False
    coupled: bool = False
    reset_after: bool = False
    layer_norm: bool = False
    nonlinearity: str = "tanh"
    proj_size: int = 0
    cell_clip: float | None = None
    proj_clip: float | None = None
    tied: bool = False
    dropout_embedding: float = 0.0
    dropout_input: float = 0.0
    dropout_layers: float = 0.0
    dropout_output: float = 0.0
    dropout_recurrent: float = 0.0
    dropout_candidate: float = 0.0
    variational: bool = False
    init_uniform: float | None = None
    forget_bias: float | None = None

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise UsageError(f"cell is one of {', '.join(CELLS)}, not {self.cell!r}")
        at_least_one(self, "hidden", "embedding", "layers")
        for name in ("peephole", "coupled", "reset_after", "layer_norm", "tied", "variational"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise UsageError(f"{name} is True or False, not {value!r}")
        for name in _DROPOUTS:
            object.__setattr__(self, name, self._number(name, 0, 1))
        self._check_cell()
        if self.dropout_layers and self.layers == 1:
            raise UsageError("dropout_layers works between layers, and there is one; use dropout_output")
        if self.tied and self.width != self.embedding:
            name = "proj_size" if self.proj_size else "hidden"
            raise UsageError(f"with tied weights {name} and embedding are equal, not {self.width} and {self.embedding}")
        if self.forget_bias is not None and self.cell != "lstm":
            raise UsageError(f"forget_bias is that of the LSTM's forget gate, and the cell is {self.cell}")
        if self.init_uniform is not None:
            object.__setattr__(self, "init_uniform", self._number("init_uniform", 0, math.inf))
        if self.forget_bias is not None:
            object.__setattr__(self, "forget_bias", self._number("forget_bias", -math.inf, math.inf))

    @property
    def width(self) -> int:
        """How many numbers a recurrent layer puts out."""
        return self.proj_size or self.hidden

    def _check_cell(self) -> None:
        """Check the options that only some cells have."""
        own = (*_OPTIONS[self.cell], *(["dropout_candidate"] if self.cell != "rnn" else []))
        for name in ("dropout_candidate", *dict.fromkeys(name for names in _OPTIONS.values() for name in names)):
            value = getattr(self, name)
            if value not in (False, 0, None, "tanh") and name not in own:
                raise UsageError(f"{name} is no option of the cell {self.cell}; leave it out")
        if self.nonlinearity not in ("tanh", "relu"):
            raise UsageError(f"nonlinearity is tanh or relu, not {self.nonlinearity!r}")
        if self.proj_size != 0:
            at_least_one(self, "proj_size")
        if self.proj_clip is not None and not self.proj_size:
            raise UsageError("proj_clip bounds the projected hidden state; give proj_size as well")
        for name in ("cell_clip", "proj_clip"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._number(name, 0, math.inf))
                if not getattr(self, name):
                    raise UsageError(f"{name} is a number above 0, not 0")

    def _number(self, name: str, least: float, below: float) -> float:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < below:
            most = f" and below {below}" if math.isfinite(below) else ""
            bound = f"of at least {least}{most}" if math.isfinite(least) else "that is finite"
            raise UsageError(f"{name} is a number {bound}, not {value!r}")
        return float(value)


_DEFAULT: Final = ModelConfig()
_ENCODE: Final = "for one text they are vocabulary.encode(text)[:, None]"


class LanguageModel(Module):
    """Embedding, recurrent layers, and a linear layer that scores each token as the next one.

    Shapes: indices ``(time, batch)`` of integers, logits ``(time, batch, tokens)``, the state as the recurrent
    layers have it: ``(layers, batch, hidden)``, for the LSTM a pair of them.

    Args:
        tokens: how many characters or words there are.
        key: for the initial values and for dropout; the generator of ``tl.seed`` by default.

    >>> model = LanguageModel(10, ModelConfig(hidden=4, embedding=3), key=tl.random.key(0))
    >>> logits, (h, c) = model(tl.tensor([[1, 2], [3, 4], [5, 6]]))
    >>> logits.shape, h.shape
    ((3, 2, 10), (1, 2, 4))
    """

    def __init__(self, tokens: int, config: ModelConfig = _DEFAULT, *, key: Any = None, dtype: Any = float32) -> None:
        self.config = config
        key = random.next_key() if key is None else key
        k_embedding, k_recurrent, k_output = random.split(key, 3)
        self.embedding = Embedding(tokens, config.embedding, key=k_embedding, dtype=dtype)
        options: dict[str, Any] = {name: getattr(config, name) for name in _OPTIONS[config.cell]}
        options["recurrent_dropout"] = config.dropout_recurrent
        if config.cell != "rnn":
            options["candidate_dropout"] = config.dropout_candidate
        if config.cell == "lstm" and (config.init_uniform is not None or config.forget_bias is not None):
            options["forget_bias"] = config.forget_bias or 0.0
        self.recurrent = CELLS[config.cell](
            config.embedding,
            config.hidden,
            config.layers,
            dropout=config.dropout_layers,
            variational=config.variational and config.layers > 1,
            key=k_recurrent,
            dtype=dtype,
            **options,
        )
        # A tied output layer has the embedding's weights, and a bias of its own.
        self.output = None if config.tied else Linear(config.width, tokens, key=k_output, dtype=dtype)
        self.bias = Parameter(zeros(tokens, dtype)) if config.tied else None
        self._add_dropout(random.fold_in(key, 3))
        if config.init_uniform is not None:
            self._start_uniform(config.init_uniform, random.fold_in(key, 4))

    def _add_dropout(self, key: Tensor) -> None:
        config, keys, same = self.config, random.split(key, 3), 0 if self.config.variational else ()
        # The embedding drops whole rows of its table.
        self.dropped_rows = Dropout(config.dropout_embedding, _if(config.dropout_embedding, keys[0]), same_along=1)
        self.input_dropout = Dropout(config.dropout_input, _if(config.dropout_input, keys[1]), same_along=same)
        self.output_dropout = Dropout(config.dropout_output, _if(config.dropout_output, keys[2]), same_along=same)

    def _start_uniform(self, bound: float, key: Tensor) -> None:
        for k, (name, p) in enumerate(self.named_variables()):
            if isinstance(p, Parameter):
                value = random.uniform(random.fold_in(key, k), p.shape, -bound, bound, p.dtype)
                # The forget gate's bias has been set to what is to be added to it.
                p.assign(value + p if name.endswith("forget.bias") else value)

    def zeros(self, batch: int) -> Any:
        """The state before the first token."""
        return self.recurrent.zeros(batch)

    def forward(self, indices: Any, state: Any = None) -> tuple[Tensor, Any]:
        """The scores of every token as the next one at each step, and the last state.

        Args:
            indices: the tokens' numbers, ``(time, batch)``.
            state: that before the first of them; zeros by default.

        Raises:
            DTypeError: for a text, and for numbers that are no integers.
            ShapeError: for another number of axes.
        """
        if isinstance(indices, str):
            raise DTypeError(f"LanguageModel: a text comes as numbers; {_ENCODE}")
        numbers = as_tensor(indices)
        if numbers.dtype.kind not in "iu":
            raise DTypeError(f"LanguageModel: indices are integers, not {numbers.type}; {_ENCODE}")
        if numbers.ndim != 2:
            raise ShapeError(
                f"LanguageModel: indices have the shape {list(numbers.shape)}, expected [time, batch]; {_ENCODE}"
            )
        if self.config.dropout_embedding:
            vectors = take(self.dropped_rows(self.embedding.weight), numbers, axis=0)
        else:
            vectors = self.embedding(numbers)
        outputs, last = self.recurrent(self.input_dropout(vectors), state)
        outputs = self.output_dropout(outputs)
        if self.output is not None:
            return self.output(outputs), last
        return outputs @ transpose(self.embedding.weight) + self.bias, last


def _if(p: float, key: Tensor) -> Tensor | None:
    return key if p else None
