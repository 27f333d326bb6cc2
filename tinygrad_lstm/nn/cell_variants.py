"""The variants of the cells: the code for cells that were made with an option. The plain cells use none of this.

Sources: F. Gers, J. Schmidhuber, "Recurrent nets that time and count", 2000, for peepholes; K. Greff et al., "LSTM: a
search space odyssey", 2017, for the coupled gates; J. Ba et al., "Layer normalization", 2016; H. Sak et al., "Long
short-term memory based recurrent neural network architectures for large vocabulary speech recognition", 2014, for the
projection and the bounds; Y. Gal, Z. Ghahramani, 2016, and S. Semeniuta et al., 2016, for dropout on the state and on
the candidate. In cuDNN and PyTorch the reset gate of a GRU is applied after the product.
"""

import math
from typing import Any

from tinygrad_lstm.functions import random
from tinygrad_lstm.functions.elementary import clip
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.scopes import scope
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter
from tinygrad_lstm.nn.composing import Identity, LayerNorm
from tinygrad_lstm.nn.inputs import expect_last
from tinygrad_lstm.nn.layers import Linear
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.nn.stochastic import Dropout
from tinygrad_lstm.ops.elementwise import sigmoid, tanh
from tinygrad_lstm.ops.shape import concatenate

__all__ = ["CellLayer", "Peephole", "candidate_reset_after", "dropped", "varied_gates"]


class Peephole(Module):
    """A connection from the cell state to a gate: it adds ``p∘C``, with one weight for each unit."""

    def __init__(self, hidden_size: int, *, key: Any = None, dtype: Any = float32) -> None:
        bound = 1 / math.sqrt(hidden_size)
        chosen = random.next_key() if key is None else key
        self.weight = Parameter(random.uniform(chosen, hidden_size, -bound, bound, dtype))

    def forward(self, y: Tensor, c: Tensor) -> Tensor:
        """``y + p∘C``."""
        return y + self.weight * c


class CellLayer(Linear):
    """A layer inside a cell, ``W·[h, x] + b`` when it is plain.

    Args:
        bias: whether to add b.
        layer_norm: ``LN(W·[h, x]) + b``, where LN has a weight for each unit.
        peephole: ``W·[h, x] + p∘C + b``.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        layer_norm: bool = False,
        peephole: bool = False,
        key: Any = None,
        dtype: Any = float32,
    ) -> None:
        super().__init__(in_features, out_features, bias, key=key, dtype=dtype)
        self.norm = LayerNorm(out_features, bias=False, dtype=dtype) if layer_norm else Identity()
        chosen = random.fold_in(key, 0) if peephole and key is not None else None
        self.peephole = Peephole(out_features, key=chosen, dtype=dtype) if peephole else Identity()

    def forward(self, hx: Any, *c: Any) -> Tensor:
        """The layer at ``hx``, and at the cell state where it has a peephole."""
        y: Tensor = self.peephole(self.norm(expect_last(self, hx, self.in_features) @ self.weight), *c)
        return y if self.bias is None else y + self.bias


def dropped(dropout: Dropout, value: Tensor, key: Any = None) -> Tensor:
    """``value`` with some places 0; one step of a picture."""
    with scope("dropout", role="layer"):
        kept: Tensor = dropout(value, key)
    return kept


def _clipped(value: Tensor, bound: float | None) -> Tensor:
    return value if bound is None else clip(value, -bound, bound)


def varied_gates(cell: Any, x: Tensor, h: Tensor, c: Tensor, key: Any) -> tuple[Tensor, ...]:
    """The six values of an LSTM's step that has any of the options, in the textbook's order.

    The output gate is computed after the cell state, since its peephole reads it.
    """
    h = h.named("h_{t-1}")
    hx = concatenate([h if cell.recurrent_dropout is None else dropped(cell.recurrent_dropout, h), x.named("x_t")], -1)
    with scope("forget gate", role="gate"):
        f = sigmoid(cell.forget(hx, c)).named("f_t")
    if cell.coupled:
        i = (1 - f).named("i_t")
    else:
        with scope("input gate", role="gate"):
            i = sigmoid(cell.input(hx, c)).named("i_t")
    with scope("candidate", role="layer"):
        candidate = tanh(cell.candidate(hx)).named("C̃_t")
    new = candidate if cell.candidate_dropout is None else dropped(cell.candidate_dropout, candidate, key)
    with scope("cell state", role="state"):
        c = _clipped(f * c.named("C_{t-1}") + i * new, cell.cell_clip).named("C_t")
    with scope("output gate", role="gate"):
        o = sigmoid(cell.output(hx, c)).named("o_t")
    with scope("hidden state", role="state"):
        h = o * tanh(cell.norm(c))
        if cell.projection is not None:
            with scope("projection", role="layer"):
                h = cell.projection(h)
            h = _clipped(h, cell.proj_clip)
        h = h.named("h_t")
    return f, i, candidate, o, c, h


def candidate_reset_after(cell: Any, r: Tensor, h: Tensor, x: Tensor) -> Tensor:
    """The candidate with the reset gate behind the product: ``tanh(W_h·x_t + b_h + r_t∘(U_h·h_{t−1} + b_u))``."""
    with scope("recurrent", role="layer"):
        past = cell.recurrent(h)
    reset = r * past
    with scope("candidate", role="layer"):
        return tanh(cell.candidate(x) + reset).named("h̃_t")
