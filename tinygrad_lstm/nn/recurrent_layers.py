"""The recurrent layers of one kind of cell: ``RNN``, ``LSTM`` and ``GRU``."""

import inspect
from typing import Any, ClassVar, TypeVar

from tinygrad_lstm.errors import ArgumentError
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.nn.cells import GRUCell, LSTMCell, RNNCell
from tinygrad_lstm.nn.layers import sizes
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.nn.recurrent import Recurrent
from tinygrad_lstm.reflexes import instead

__all__ = ["GRU", "LSTM", "RNN"]

C = TypeVar("C", bound=Module)


def _named(kind: type[Any]) -> list[str]:
    """The arguments of a constructor that can be given by name."""
    return [p.name for p in inspect.signature(kind).parameters.values() if p.kind is not p.VAR_KEYWORD]


class _OfOneKind(Recurrent[C]):
    """The base of :class:`RNN`, :class:`LSTM` and :class:`GRU`: makes its cells, all of one kind and size.

    Args:
        input_size: numbers in each input.
        hidden_size: units of each cell.
        num_layers: layers, one above the other.
        bidirectional: beside each cell a second one, in ``reverse_cells``, goes from the last step to the first.
        key: for the initial values and for dropout; the generator of ``tl.seed`` by default.
        options: further options of the cell.
    """

    cell_type: ClassVar[type[Any]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        batch_first: bool = False,
        bidirectional: bool = False,
        reverse: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        learn_initial: bool = False,
        key: Any = None,
        dtype: Any = float32,
        **options: Any,
    ) -> None:
        kind = type(self).__name__
        sizes(kind, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        own: list[str] = _named(type(self).cell_type)
        if unknown := [name for name in options if name not in own]:
            raise ArgumentError(
                f"{kind} has no argument {unknown[0]!r}: "
                f"{instead(unknown[0], options[unknown[0]], [*_named(_OfOneKind), *own])}"
            )
        chosen = random.next_key() if key is None else key
        directions = 2 if bidirectional else 1
        made: list[Any] = []
        for row, k in enumerate(random.split(chosen, num_layers * directions)):
            size = input_size if row < directions else directions * made[0].output_size
            made.append(self.cell_type(size, hidden_size, key=k, dtype=dtype, **options))
        super().__init__(
            made[::directions],
            made[1::2] if bidirectional else None,
            reverse=reverse,
            batch_first=batch_first,
            dropout=dropout,
            variational=variational,
            learn_initial=learn_initial,
            key=random.fold_in(chosen, 0) if dropout else None,
        )
        self.hidden_size = hidden_size


class RNN(_OfOneKind[RNNCell]):
    """A plain recurrent network over time: :class:`RNNCell` at each step.

    ``outputs, h = rnn(x, h)`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)`` and h
    ``(num_layers, batch, hidden_size)``. Besides the options of :class:`Recurrent` there are ``num_layers`` and
    ``bidirectional``; ``bias``, ``nonlinearity``, ``layer_norm`` and ``recurrent_dropout`` are the cell's.

    >>> outputs, h = tl.nn.RNN(3, 4, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    cell_type = RNNCell


class LSTM(_OfOneKind[LSTMCell]):
    """A long short-term memory over time: :class:`LSTMCell` at each step.

    ``outputs, (h, c) = lstm(x, (h, c))`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)``
    and h, c ``(num_layers, batch, hidden_size)``. Besides the options of :class:`Recurrent` there are ``num_layers``
    and ``bidirectional``; ``bias``, ``forget_bias`` (1, where PyTorch starts near 0), ``peephole``, ``coupled``,
    ``layer_norm``, ``proj_size``, ``cell_clip``, ``proj_clip``, ``recurrent_dropout`` and ``candidate_dropout`` are the
    cell's. With ``proj_size`` outputs and h have ``proj_size`` numbers, c has ``hidden_size``.

    >>> outputs, (h, c) = tl.nn.LSTM(3, 4, num_layers=2, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    >>> both = tl.nn.LSTM(3, 4, bidirectional=True, peephole=True, key=tl.random.key(0))
    >>> outputs, (h, c) = both(tl.ones((5, 2, 3)), lengths=tl.tensor([5, 1]))
    >>> outputs.shape, h.shape, float(tl.max(tl.abs(outputs[1:, 1])))
    ((5, 2, 8), (2, 2, 4), 0.0)
    >>> outputs, (h, c) = tl.nn.LSTM(3, 4, proj_size=2, cell_clip=3.0)(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape, c.shape
    ((5, 2, 2), (1, 2, 2), (1, 2, 4))
    """

    cell_type = LSTMCell


class GRU(_OfOneKind[GRUCell]):
    """A gated recurrent unit over time: :class:`GRUCell` at each step.

    ``outputs, h = gru(x, h)`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)`` and h
    ``(num_layers, batch, hidden_size)``. Besides the options of :class:`Recurrent` there are ``num_layers`` and
    ``bidirectional``; ``bias``, ``reset_after``, ``layer_norm``, ``recurrent_dropout`` and ``candidate_dropout`` are
    the cell's.

    >>> outputs, h = tl.nn.GRU(3, 4, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    cell_type = GRUCell
