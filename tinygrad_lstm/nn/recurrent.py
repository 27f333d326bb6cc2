"""Layers over time: a cell in a scan, stacked."""

from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from tinygrad_lstm.errors import DTypeError, ShapeError, StructureError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.scopes import Role
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.cells import GRUCell, LSTMCell, RNNCell
from tinygrad_lstm.nn.layers import sizes
from tinygrad_lstm.nn.module import Module, device_of
from tinygrad_lstm.ops import random
from tinygrad_lstm.ops.composite import zeros
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.shape import stack, swapaxes

__all__ = ["GRU", "LSTM", "RNN"]

C = TypeVar("C", LSTMCell, GRUCell, RNNCell)


class _Recurrent(Module, Generic[C]):
    """Cells of one kind, one above the other; the hidden states of one layer are the inputs of the next."""

    role: ClassVar[Role | None] = "layer"
    cell_type: type[Any]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        batch_first: bool = False,
        *,
        key: Any = None,
        dtype: Any = float32,
    ) -> None:
        sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first = batch_first
        keys = random.split(random.next_key() if key is None else key, num_layers)
        self.cells: list[C] = [
            self.cell_type(hidden_size if k else input_size, hidden_size, key=keys[k], dtype=dtype)
            for k in range(num_layers)
        ]

    def zeros(self, batch: int) -> Any:
        """The state before the first step, for all layers."""
        sizes(type(self).__name__, batch=batch)
        first = self.cells[0]
        leaves, structure = flatten(first.zeros(1))
        shape = (self.num_layers, batch, self.hidden_size)
        return unflatten(structure, [zeros(shape, first.dtype, device_of(first)) for _ in leaves])

    def forward(self, x: Any, state: Any = None) -> tuple[Tensor, Any]:
        """The hidden states of the last layer at all steps, and the last states of all layers.

        Args:
            x: ``(time, batch, input_size)``, or ``(batch, time, input_size)`` with ``batch_first``.
            state: initial states, ``(num_layers, batch, hidden_size)`` each; zeros by default.

        Raises:
            ShapeError: when a shape differs.
        """
        kind = type(self).__name__
        sequence = as_tensor(x)
        if sequence.ndim != 3 or sequence.shape[2] != self.input_size:
            order = "batch, time" if self.batch_first else "time, batch"
            raise ShapeError(f"{kind}: x has the shape {list(sequence.shape)}, wanted is [{order}, {self.input_size}]")
        if not sequence.dtype.is_float:
            raise DTypeError(f"{kind}: x is {sequence.type}; embed it, or convert it with .astype(tl.float32)")
        if self.batch_first:
            sequence = swapaxes(sequence, 0, 1)
        initial = self._checked_state(state, sequence.shape[1])
        finals = []
        for k, cell in enumerate(self.cells):
            leaves, structure = flatten(initial)
            entering = unflatten(structure, [leaf[k] for leaf in leaves])
            final, sequence = scan(partial(_step, cell), entering, sequence)
            finals.append(flatten(final)[0])
        outputs = swapaxes(sequence, 0, 1) if self.batch_first else sequence
        return outputs, unflatten(structure, [stack(layers) for layers in zip(*finals, strict=True)])

    def _checked_state(self, state: Any, batch: int) -> Any:
        expected = self.zeros(batch) if batch else self._empty()
        if state is None:
            return expected
        kind = type(self).__name__
        wanted, structure = flatten(expected)
        leaves = [as_tensor(v) for v in flatten(state)[0]]
        if len(leaves) != len(wanted):
            names = "(h, c)" if len(wanted) == 2 else "h"
            raise StructureError(f"{kind}: the state is {names}, got {flatten(state)[1]}")
        for given, like in zip(leaves, wanted, strict=True):
            if given.shape != like.shape:
                raise ShapeError(
                    f"{kind}: a state has the shape {list(given.shape)}, wanted is {list(like.shape)}: "
                    "[layers, batch, hidden]"
                )
        return unflatten(structure, leaves)

    def _empty(self) -> Any:
        leaves, structure = flatten(self.cells[0].zeros(1))
        shape = (self.num_layers, 0, self.hidden_size)
        return unflatten(structure, [zeros(shape, leaf.dtype, leaf.device) for leaf in leaves])


def _step(cell: Any, state: Any, x_t: Tensor) -> tuple[Any, Tensor]:
    """One step of a cell: its new state, and the hidden state as what the layer puts out."""
    new = cell(x_t, state)
    return new, flatten(new)[0][0]


class RNN(_Recurrent[RNNCell]):
    """A plain recurrent network over time: :class:`RNNCell` at each step.

    ``outputs, h = rnn(x, h)`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)`` and h
    ``(num_layers, batch, hidden_size)``.

    >>> import tinygrad_lstm as tl
    >>> outputs, h = tl.nn.RNN(3, 4, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    cell_type = RNNCell


class LSTM(_Recurrent[LSTMCell]):
    """A long short-term memory over time: :class:`LSTMCell` at each step.

    ``outputs, (h, c) = lstm(x, (h, c))`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)``
    and h, c ``(num_layers, batch, hidden_size)``.

    >>> import tinygrad_lstm as tl
    >>> outputs, (h, c) = tl.nn.LSTM(3, 4, num_layers=2, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    """

    cell_type = LSTMCell


class GRU(_Recurrent[GRUCell]):
    """A gated recurrent unit over time: :class:`GRUCell` at each step.

    ``outputs, h = gru(x, h)`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)`` and h
    ``(num_layers, batch, hidden_size)``.

    >>> import tinygrad_lstm as tl
    >>> outputs, h = tl.nn.GRU(3, 4, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    cell_type = GRUCell
