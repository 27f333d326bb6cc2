"""Layers over time: a cell in a scan, in both directions, stacked."""

import inspect
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from tinygrad_lstm.errors import DTypeError, IndexingError, ShapeError, StructureError, UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.functions.arrangement import expand_dims, stack, swapaxes
from tinygrad_lstm.functions.filling import arange, zeros
from tinygrad_lstm.graph.dtypes import as_dtype, float32
from tinygrad_lstm.graph.scopes import Role, scope
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter
from tinygrad_lstm.nn.cells import GRUCell, LSTMCell, RNNCell
from tinygrad_lstm.nn.layers import sizes
from tinygrad_lstm.nn.module import Module, beside, device_of
from tinygrad_lstm.nn.stochastic import Dropout
from tinygrad_lstm.ops.index import take
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.shape import broadcast_to, concatenate

__all__ = ["GRU", "LSTM", "RNN", "Recurrent"]

C = TypeVar("C", LSTMCell, GRUCell, RNNCell)


class Recurrent(Module, Generic[C]):
    """Layers of cells of one kind over time; the hidden states of one layer are the inputs of the next.

    Base of :class:`RNN`, :class:`LSTM` and :class:`GRU`.

    Args:
        input_size: numbers in each input.
        hidden_size: units of each cell.
        num_layers: layers, one above the other.
        batch_first: whether inputs and outputs are ``(batch, time, …)`` instead of ``(time, batch, …)``.
        bidirectional: beside each cell a second one, in ``reverse_cells``, goes from the last step to the first; the
            hidden states of both stand side by side in the outputs. States are then ``(2·num_layers, batch, hidden)``:
            first layer forward, first layer backward, second layer forward, …
        dropout: probability of dropping a number between two layers; a new mask for each call.
            :func:`tinygrad_lstm.nn.deterministic` gives the layer without it.
        variational: one mask for all steps (Y. Gal, Z. Ghahramani, 2016).
        learn_initial: the states before the first step are Parameters, ``initial.h`` and ``initial.c``, zeros at first.
        key: for the initial values and for dropout; the generator of ``tl.seed`` by default.
        options: further options of the cell.
    """

    role: ClassVar[Role | None] = "layer"
    cell_type: ClassVar[type[Any]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        batch_first: bool = False,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        learn_initial: bool = False,
        key: Any = None,
        dtype: Any = float32,
        **options: Any,
    ) -> None:
        kind = type(self).__name__
        sizes(kind, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if (dropout or variational) and num_layers == 1:
            raise UsageError(f"{kind}: dropout works between layers, and there is one; put a tl.nn.Dropout behind it")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.bidirectional, self.dtype = batch_first, bidirectional, as_dtype(dtype)
        own: list[str] = _keywords(type(self).cell_type)
        if unknown := [name for name in options if name not in own]:
            offered = ", ".join(sorted({*_keywords(Recurrent), *own}))
            raise UsageError(f"{kind} has no option {unknown[0]!r}; its options are {offered}")
        chosen = random.next_key() if key is None else key
        directions = 2 if bidirectional else 1
        made = [
            self.cell_type(
                input_size if row < directions else directions * hidden_size, hidden_size, key=k, dtype=dtype, **options
            )
            for row, k in enumerate(random.split(chosen, num_layers * directions))
        ]
        self.cells: list[C] = made[::directions]
        self.reverse_cells: list[C] = made[1::2] if bidirectional else []
        if dropout:
            self.dropout = Dropout(dropout, random.fold_in(chosen, 0), same_along=0 if variational else ())
        else:
            self.dropout = Dropout(0.0)
        names = ("h", "c")[: len(flatten(self.cells[0].zeros(1))[0])] if learn_initial else ()
        shape = (num_layers * directions, 1, hidden_size)
        self.initial = {name: Parameter(zeros(shape, dtype)) for name in names}

    @property
    def _stack(self) -> list[C]:
        """All cells in the order of their states."""
        pairs = zip(self.cells, self.reverse_cells, strict=True) if self.bidirectional else zip(self.cells, strict=True)
        return [cell for layer in pairs for cell in layer]

    def zeros(self, batch: int) -> Any:
        """A state of zeros, for all layers and directions."""
        sizes(type(self).__name__, batch=batch)
        return self._filled(batch)

    def start(self, batch: int) -> Any:
        """The state before the first step if the caller gives none: the learned one, or zeros."""
        nothing = self._filled(batch)
        if not self.initial:
            return nothing
        leaves, structure = flatten(nothing)
        learned = [broadcast_to(p, z.shape) for p, z in zip(self.initial.values(), leaves, strict=True)]
        return unflatten(structure, learned)

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """The hidden states of the last layer at all steps, and the last states of all layers.

        Args:
            x: ``(time, batch, input_size)``, or ``(batch, time, input_size)`` with ``batch_first``.
            state: initial states, ``(layers, batch, hidden_size)`` each; see :meth:`start` for the default.
            lengths: how many steps of each sequence are valid, integers ``(batch,)`` in 0 … time. Steps
                behind them are not read, and their outputs are 0; the last state is that of the last valid step, where
                the backward direction starts.

        Raises:
            ShapeError: when a shape differs.
            DTypeError: when x holds no floats, or lengths no integers.
            IndexingError: when a length is out of range; under ``jit`` when the program runs.
        """
        kind = type(self).__name__
        sequence = beside(self, x)
        if sequence.ndim != 3 or sequence.shape[2] != self.input_size:
            order = "batch, time" if self.batch_first else "time, batch"
            raise ShapeError(f"{kind}: x has the shape {list(sequence.shape)}, expected [{order}, {self.input_size}]")
        if not sequence.dtype.is_float:
            raise DTypeError(f"{kind}: x is {sequence.type}; embed it, or convert it with .astype(tl.float32)")
        if self.batch_first:
            sequence = swapaxes(sequence, 0, 1)
        steps, batch, _ = sequence.shape
        leaves, structure = flatten(self._checked_state(state, batch))
        valid = None if lengths is None else self._valid(lengths, steps, batch)
        if valid is not None:
            # Numbers behind the end of a sequence, even nan, must reach neither a result nor a gradient.
            sequence = where(valid, sequence, 0)
        finals, directions = [], 2 if self.bidirectional else 1
        cells = self._stack
        for k, cell in enumerate(cells):
            reverse = k % directions == 1
            entering = unflatten(structure, [leaf[k] for leaf in leaves])
            if valid is None:
                final, outputs = scan(partial(_step, cell), entering, sequence, reverse=reverse)
            else:
                final, outputs = scan(partial(_ragged_step, cell), entering, (sequence, valid), reverse=reverse)
            finals.append(flatten(final)[0])
            if self.bidirectional and not reverse:
                ahead = outputs
                continue
            sequence = concatenate([ahead, outputs], axis=-1) if reverse else outputs
            if k + 1 < len(cells):
                sequence = self.dropout(sequence)
        last = unflatten(structure, [stack(layers) for layers in zip(*finals, strict=True)])
        return (swapaxes(sequence, 0, 1) if self.batch_first else sequence), last

    def _filled(self, batch: int) -> Any:
        first = self.cells[0]
        leaves, structure = flatten(first.zeros(1))
        shape = (len(self._stack), batch, self.hidden_size)
        return unflatten(structure, [zeros(shape, first.dtype, device_of(first)) for _ in leaves])

    def _checked_state(self, state: Any, batch: int) -> Any:
        """The initial state as tensors, by default that of :meth:`start`; raises where it does not fit."""
        if state is None:
            return self.start(batch)
        kind = type(self).__name__
        expected, structure = flatten(self._filled(batch))
        leaves = [beside(self, v) for v in flatten(state)[0]]
        if len(leaves) != len(expected):
            names = "(h, c)" if len(expected) == 2 else "h"
            kinds = "one array" if isinstance(state, Tensor) or hasattr(state, "shape") else f"{len(leaves)} arrays"
            raise StructureError(f"{kind}: the state is {names}, not {kinds}; zeros(batch) makes one")
        for leaf, like in zip(leaves, expected, strict=True):
            if leaf.shape != like.shape:
                raise ShapeError(
                    f"{kind}: a state has the shape {list(leaf.shape)}, expected {list(like.shape)}: "
                    "[layers, batch, hidden]"
                )
        return unflatten(structure, leaves)

    def _valid(self, lengths: Any, steps: int, batch: int) -> Tensor:
        """Bools ``(time, batch, 1)``: whether each step is within its sequence."""
        kind = type(self).__name__
        counts = beside(self, lengths)
        if counts.dtype.kind not in "iu":
            raise DTypeError(f"{kind}: lengths are integers, got {counts.type}; convert them with .astype(tl.int64)")
        if counts.shape != (batch,):
            raise ShapeError(f"{kind}: lengths have the shape {list(counts.shape)}, expected [{batch}], the batch")
        times = arange(steps + 1, dtype=counts.dtype, device=counts.device)
        if counts.symbolic:
            # The look-up raises, when it is evaluated, for a length that is out of range.
            with scope(f"lengths, each 0 … {steps}"):
                counts = take(times, where(counts < 0, steps + 1, counts))
        else:
            values = counts.numpy()
            if ((values < 0) | (values > steps)).any():
                raise IndexingError(f"{kind}: lengths are {values.tolist()}, but x has {steps} steps; give 0 … {steps}")
        return expand_dims(expand_dims(times[:-1], 1) < counts, 2)


def _keywords(kind: type[Any]) -> list[str]:
    """The options of a constructor that are given by name and have a default."""
    parameters = inspect.signature(kind).parameters.values()
    return [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.default is not p.empty]


def _step(cell: Any, state: Any, x_t: Tensor) -> tuple[Any, Tensor]:
    """One step of a cell: its new state, and the hidden state, which is the output."""
    new = cell(x_t, state)
    return new, flatten(new)[0][0]


def _ragged_step(cell: Any, state: Any, now: tuple[Tensor, Tensor]) -> tuple[Any, Tensor]:
    """A step that keeps the state of each sequence that has ended."""
    x_t, valid = now
    old, structure = flatten(state)
    new = flatten(cell(x_t, state))[0]
    kept = [where(valid, after, before) for after, before in zip(new, old, strict=True)]
    return unflatten(structure, kept), where(valid, new[0], 0)


class RNN(Recurrent[RNNCell]):
    """A plain recurrent network over time: :class:`RNNCell` at each step.

    ``outputs, h = rnn(x, h)`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)`` and h
    ``(num_layers, batch, hidden_size)``; :class:`Recurrent` describes the options, and ``bias`` and ``layer_norm`` are
    the cell's.

    >>> outputs, h = tl.nn.RNN(3, 4, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    cell_type = RNNCell


class LSTM(Recurrent[LSTMCell]):
    """A long short-term memory over time: :class:`LSTMCell` at each step.

    ``outputs, (h, c) = lstm(x, (h, c))`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)``
    and h, c ``(num_layers, batch, hidden_size)``; :class:`Recurrent` describes the options, and ``bias``,
    ``forget_bias`` (1, where PyTorch starts near 0), ``peephole``, ``coupled`` and ``layer_norm`` are the cell's.

    >>> outputs, (h, c) = tl.nn.LSTM(3, 4, num_layers=2, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    >>> both = tl.nn.LSTM(3, 4, bidirectional=True, peephole=True, key=tl.random.key(0))
    >>> outputs, (h, c) = both(tl.ones((5, 2, 3)), lengths=tl.tensor([5, 1]))
    >>> outputs.shape, h.shape, float(tl.max(tl.abs(outputs[1:, 1])))
    ((5, 2, 8), (2, 2, 4), 0.0)
    """

    cell_type = LSTMCell


class GRU(Recurrent[GRUCell]):
    """A gated recurrent unit over time: :class:`GRUCell` at each step.

    ``outputs, h = gru(x, h)`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)`` and h
    ``(num_layers, batch, hidden_size)``; :class:`Recurrent` describes the options, and ``bias``, ``reset_after`` and
    ``layer_norm`` are the cell's.

    >>> outputs, h = tl.nn.GRU(3, 4, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    cell_type = GRUCell
