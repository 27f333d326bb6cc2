"""Layers over time: a cell in a scan, in both directions, stacked."""

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from tinygrad_lstm.errors import ArgumentError, DTypeError, IndexingError, ShapeError, StructureError, UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.functions.arrangement import expand_dims, stack, swapaxes
from tinygrad_lstm.functions.filling import arange, zeros_like
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.scopes import Role, scope
from tinygrad_lstm.graph.structure import Structure, flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Parameter, Variable
from tinygrad_lstm.nn.cells import GRUCell, LSTMCell, RNNCell
from tinygrad_lstm.nn.layers import sizes
from tinygrad_lstm.nn.module import Module, beside, expect_width
from tinygrad_lstm.nn.stochastic import Dropout
from tinygrad_lstm.ops.index import take
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.shape import broadcast_to, concatenate, reshape
from tinygrad_lstm.reflexes import instead

__all__ = ["GRU", "LSTM", "RNN", "Recurrent"]

C = TypeVar("C", bound=Module)


class Recurrent(Module, Generic[C]):
    """Layers of cells over time: each cell in a ``scan``; the outputs of one layer are the inputs of the next.

    ``outputs, state = layer(x, state)`` with x ``(time, batch, …)``. Any cell does that is called as
    ``cell(x, state)`` and has ``zeros(batch)``, its state before the first step: a tensor, or tensors in any nested
    structure, whose first axes are the batch. It gives the next state, whose ``h``, or else its first tensor, is the
    output of the step; or the pair (next state, output). :class:`RNN`, :class:`LSTM` and :class:`GRU` are such layers.

    Args:
        cells: a cell, or a list of cells for layers one above the other, from the lowest to the highest. All have
            states of one structure and of the same shapes and element types.
        reverse_cells: for each cell a second one, which goes from the last step to the first; the outputs of both
            stand side by side, joined along their last axis.
        batch_first: whether inputs and outputs are ``(batch, time, …)`` instead of ``(time, batch, …)``.
        dropout: probability of dropping a number between two layers; a new mask for each call.
            :func:`tinygrad_lstm.nn.deterministic` gives the layer without it.
        variational: one mask for all steps (Y. Gal, Z. Ghahramani, 2016).
        learn_initial: the states before the first step are Parameters, one for each tensor of the state, such as
            ``initial.h``; they start as the cells' ``zeros``.
        key: for dropout; the generator of ``tl.seed`` by default.

    The states of all cells lie along a new first axis of each tensor: ``(layers, batch, …)``, with two directions
    ``(2·layers, batch, …)``: first layer forward, first layer backward, second layer forward, …

    Raises:
        UsageError: when a cell is none, or dropout is asked for between layers where there is one.
        ShapeError, StructureError: when the states of two cells differ.

    The minimal gated unit (G. Zhou et al., "Minimal gated unit for recurrent neural networks", 2016), both ways:

    >>> class MinimalGatedUnit(tl.nn.Module):
    ...     def __init__(self, input_size, hidden_size):
    ...         self.input_size, self.hidden_size = input_size, hidden_size
    ...         self.forget = tl.nn.Linear(hidden_size + input_size, hidden_size)
    ...         self.candidate = tl.nn.Linear(hidden_size + input_size, hidden_size)
    ...
    ...     def zeros(self, batch):
    ...         return tl.zeros((batch, self.hidden_size))
    ...
    ...     def forward(self, x, h):
    ...         f = tl.sigmoid(self.forget(tl.concatenate([h, x], axis=-1))).named("f_t")
    ...         new = tl.tanh(self.candidate(tl.concatenate([f * h, x], axis=-1))).named("h̃_t")
    ...         return ((1 - f) * h + f * new).named("h_t")
    >>> layer = tl.nn.Recurrent(MinimalGatedUnit(3, 4), MinimalGatedUnit(3, 4))
    >>> outputs, h = layer(tl.ones((5, 2, 3)), lengths=tl.tensor([5, 2]))
    >>> outputs.shape, h.shape
    ((5, 2, 8), (2, 2, 4))
    """

    role: ClassVar[Role | None] = "layer"

    def __init__(
        self,
        cells: C | Sequence[C],
        reverse_cells: C | Sequence[C] | None = None,
        *,
        batch_first: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        learn_initial: bool = False,
        key: Any = None,
    ) -> None:
        kind = type(self).__name__
        self.cells: list[C] = _listed(kind, "cells", cells)
        self.reverse_cells: list[C] = [] if reverse_cells is None else _listed(kind, "reverse_cells", reverse_cells)
        self.num_layers, self.bidirectional, self.batch_first = len(self.cells), bool(self.reverse_cells), batch_first
        if self.bidirectional and len(self.reverse_cells) != self.num_layers:
            raise UsageError(
                f"{kind}: {self.num_layers} cells go forward and {len(self.reverse_cells)} backward; "
                "give one reverse cell for each cell"
            )
        if (dropout or variational) and self.num_layers == 1:
            raise UsageError(f"{kind}: dropout works between layers, and there is one; put a tl.nn.Dropout behind it")
        self.dropout = Dropout(dropout, key if dropout else None, same_along=0 if variational else ())
        first, structure = _first_states(kind, self._stack)
        self.dtype = next((s.dtype for s in first if s.dtype.is_float), float32)
        self.input_size: int | None = getattr(self.cells[0], "input_size", None)
        self.initial: dict[str, Parameter] = {}
        if learn_initial:
            states = [_zeros(cell, 1)[0] for cell in self._stack]
            self.initial = {
                name: Parameter(stack([leaves[k] for leaves in states]))
                for k, name in enumerate(_names(structure))
                if first[k].dtype.is_float
            }

    @property
    def _title(self) -> str:
        # A plain Recurrent says in pictures and errors what is in it.
        return type(self.cells[0] if type(self) is Recurrent else self).__name__

    @property
    def _stack(self) -> list[C]:
        """All cells in the order of their states."""
        pairs = zip(self.cells, self.reverse_cells, strict=True) if self.bidirectional else zip(self.cells, strict=True)
        return [cell for layer in pairs for cell in layer]

    def zeros(self, batch: int) -> Any:
        """The states of all cells before the first step, if none is learned; for most cells zeros."""
        sizes(type(self).__name__, batch=batch)
        states = [_zeros(cell, batch) for cell in self._stack]
        return unflatten(states[0][1], [stack(leaves) for leaves in zip(*[s for s, _ in states], strict=True)])

    def start(self, batch: int) -> Any:
        """The states before the first step if the caller gives none: the learned ones, or :meth:`zeros`."""
        leaves, structure = flatten(self.zeros(batch))
        names = _names(structure)
        return unflatten(
            structure,
            [
                broadcast_to(self.initial[name], z.shape) if name in self.initial else z
                for name, z in zip(names, leaves, strict=True)
            ],
        )

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """The outputs of the last layer at all steps, and the last states of all cells.

        Args:
            x: ``(time, batch, …)``, or ``(batch, time, …)`` with ``batch_first``; ``(time, batch, input_size)`` where
                the cell has an ``input_size``.
            state: initial states, ``(layers, batch, …)`` each; see :meth:`start` for the default.
            lengths: how many steps of each sequence are valid, integers ``(batch,)`` in 0 … time. Steps
                behind them are not read, and their outputs are 0; the last state is that of the last valid step, where
                the backward direction starts.

        Raises:
            ShapeError: when a shape differs.
            DTypeError: when x holds no floats where the cell has an ``input_size``, or lengths no integers.
            IndexingError: when a length is out of range; under ``jit`` when the program runs.
        """
        sequence = self._checked_sequence(x)
        if isinstance(lengths, Tensor | Variable) and lengths.dtype.is_float:
            kind = type(self).__name__
            raise ArgumentError(f"{kind}: lengths are integers; a state of two parts is one argument, (h, c)")
        if self.batch_first:
            sequence = swapaxes(sequence, 0, 1)
        steps, batch = sequence.shape[:2]
        valid = None if lengths is None else self._valid(lengths, steps, batch)
        if valid is not None:
            # Numbers behind the end of a sequence, even nan, must reach neither a result nor a gradient.
            sequence = where(_spread(valid, sequence.ndim), sequence, zeros_like(sequence))
        finals, directions = [], 2 if self.bidirectional else 1
        cells, entering, structure = self._stack, *self._entering(state, batch)
        for k, cell in enumerate(cells):
            reverse = k % directions == 1
            first = unflatten(structure, entering[k])
            if valid is None:
                final, outputs = scan(partial(_step, cell), first, sequence, reverse=reverse)
            else:
                final, outputs = scan(partial(_ragged_step, cell), first, (sequence, valid), reverse=reverse)
            finals.append(flatten(final)[0])
            if self.bidirectional and not reverse:
                ahead = outputs
                continue
            sequence = concatenate([ahead, outputs], axis=-1) if reverse else outputs
            if k + 1 < len(cells):
                sequence = self.dropout(sequence)
        last = unflatten(structure, [stack(layers) for layers in zip(*finals, strict=True)])
        return (swapaxes(sequence, 0, 1) if self.batch_first else sequence), last

    def _checked_sequence(self, x: Any) -> Tensor:
        kind, size = type(self).__name__, self.input_size
        order = "batch, time" if self.batch_first else "time, batch"
        sequence = beside(self, x)
        if size is None:
            if sequence.ndim < 2:
                raise ShapeError(f"{kind}: x has the shape {list(sequence.shape)}, expected [{order}, …]")
            return sequence
        if sequence.ndim != 3 or sequence.shape[2] != size:
            raise ShapeError(f"{kind}: x has the shape {list(sequence.shape)}, expected [{order}, {size}]")
        if not sequence.dtype.is_float:
            raise DTypeError(f"{kind}: x is {sequence.type}; embed it, or convert it with .astype(tl.float32)")
        expect_width(self, "x", x, sequence)
        return sequence

    def _entering(self, state: Any, batch: int) -> tuple[list[list[Tensor]], Structure]:
        """For each cell the tensors of its first state; raises where a given state does not fit."""
        cells = self._stack
        own = [_zeros(cell, batch) for cell in cells]
        structure = own[0][1]
        if state is None:
            learned = [self.initial.get(name) for name in _names(structure)]
            return [
                [z if p is None else broadcast_to(p[k], z.shape) for p, z in zip(learned, leaves, strict=True)]
                for k, (leaves, _) in enumerate(own)
            ], structure
        kind = type(self).__name__
        given = [beside(self, v) for v in flatten(state)[0]]
        if len(given) != len(own[0][0]):
            names = _names(structure)
            wanted = f"({', '.join(names)})" if len(names) > 1 else names[0]
            kinds = "one array" if isinstance(state, Tensor) or hasattr(state, "shape") else f"{len(given)} arrays"
            raise StructureError(f"{kind}: the state is {wanted}, not {kinds}; zeros(batch) makes one")
        for leaf, like in zip(given, own[0][0], strict=True):
            expected = (len(cells), *like.shape)
            if leaf.shape != expected:
                axes = "[layers, batch, hidden]" if like.ndim == 2 else "[layers, batch, …]"
                raise ShapeError(f"{kind}: a state has the shape {list(leaf.shape)}, expected {list(expected)}: {axes}")
        return [[leaf[k] for leaf in given] for k in range(len(cells))], structure

    def _valid(self, lengths: Any, steps: int, batch: int) -> Tensor:
        """Bools ``(time, batch)``: whether each step is within its sequence."""
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
        return expand_dims(times[:-1], 1) < counts


def _listed(kind: str, what: str, cells: Any) -> list[Any]:
    """The cells as a list; raises for what is no cell."""
    found = list(cells) if isinstance(cells, list | tuple) else [cells]
    if not found:
        raise UsageError(f"{kind}: {what} is a cell, or a list of at least one")
    for cell in found:
        name = type(cell).__name__
        if isinstance(cell, type):
            raise UsageError(f"{kind}: {cell.__name__} is a class; give it a cell that was made of it")
        if isinstance(cell, Recurrent):
            raise UsageError(f"{kind}: {name} is a layer over time already; give it a cell, such as {name}.cells[0]")
        if not callable(cell) or not callable(getattr(cell, "zeros", None)):
            raise UsageError(
                f"{kind}: {what} holds {name if callable(cell) else repr(cell)}, and a cell is called as "
                "cell(x, state) and has a method zeros(batch), its state before the first step"
            )
    return found


def _zeros(cell: Any, batch: int) -> tuple[list[Tensor], Structure]:
    """The tensors of a cell's state before the first step."""
    # A cell may refuse a batch of 0; what it gives for 1 has the other sizes.
    leaves, structure = flatten(cell.zeros(max(batch, 1)))
    states = [as_tensor(v) for v in leaves]
    return [s if batch else s[:0] for s in states], structure


def _first_states(kind: str, cells: Sequence[Any]) -> tuple[list[TensorType], Structure]:
    """The types of the state of all cells, for a batch of 1; raises where it is none, or two cells differ."""
    first, structure = _zeros(cells[0], 1)
    types = [s.type for s in first]
    name = type(cells[0]).__name__
    if not types or any(t.shape[:1] != (1,) for t in types):
        given = ", ".join(map(str, types)) or "nothing"
        raise ShapeError(f"{kind}: zeros(1) of {name} gives {given}; each tensor of a state starts with the batch")
    for cell in cells[1:]:
        leaves, other = _zeros(cell, 1)
        mine, others = ([str(t) for t in found] for found in (types, [s.type for s in leaves]))
        if not structure.fits(other) or mine != others:
            raise StructureError(
                f"{kind}: the state of one cell is {structure.filled(mine)} and that of another is "
                f"{other.filled(others)}, which cannot lie side by side; put one Recurrent behind the other"
            )
    return types, structure


def _names(structure: Structure) -> list[str]:
    """What the tensors of a state are called: by their fields or keys, else h and c, or s0, s1, …"""
    found = [path.rpartition(".")[2].rpartition("[")[2].rstrip("]").strip("'\"") for path in paths(structure)]
    if all(name.isidentifier() for name in found) and len(set(found)) == len(found):
        return found
    return ["h", "c"][: len(found)] if len(found) <= 2 else [f"s{k}" for k in range(len(found))]


def _named(kind: type[Any]) -> list[str]:
    """The arguments of a constructor that can be given by name."""
    return [p.name for p in inspect.signature(kind).parameters.values() if p.kind is not p.VAR_KEYWORD]


def _step(cell: Any, state: Any, x_t: Tensor) -> tuple[Any, Tensor]:
    """One step of a cell: its new state, and its output."""
    new, structure = cell(x_t, state), flatten(state)[1]
    if flatten(new)[1].fits(structure):
        leaves, names = flatten(new)[0], _names(structure)
        return new, as_tensor(leaves[names.index("h") if "h" in names else 0])
    if isinstance(new, tuple) and len(new) == 2 and flatten(new[0])[1].fits(structure):
        return new[0], as_tensor(new[1])
    raise StructureError(
        f"{type(cell).__name__}: a step gives {flatten(new)[1]} where the state is {structure}; return the next state, "
        "or the pair (next state, output)"
    )


def _ragged_step(cell: Any, state: Any, now: tuple[Tensor, Tensor]) -> tuple[Any, Tensor]:
    """A step that keeps the state of each sequence that has ended."""
    x_t, valid = now
    old, structure = flatten(state)
    new, output = _step(cell, state, x_t)
    kept = [
        where(_spread(valid, before.ndim), as_tensor(after, like=before), before)
        for after, before in zip(flatten(new)[0], old, strict=True)
    ]
    return unflatten(structure, kept), where(_spread(valid, output.ndim), output, zeros_like(output))


def _spread(valid: Tensor, rank: int) -> Tensor:
    """``valid`` with axes of size 1 behind its own, to choose between arrays of that rank."""
    return reshape(valid, (*valid.shape, *(1,) * (rank - valid.ndim)))


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
        made = [
            self.cell_type(
                input_size if row < directions else directions * hidden_size, hidden_size, key=k, dtype=dtype, **options
            )
            for row, k in enumerate(random.split(chosen, num_layers * directions))
        ]
        super().__init__(
            made[::directions],
            made[1::2] if bidirectional else None,
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
    ``bidirectional``; ``bias`` and ``layer_norm`` are the cell's.

    >>> outputs, h = tl.nn.RNN(3, 4, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    cell_type = RNNCell


class LSTM(_OfOneKind[LSTMCell]):
    """A long short-term memory over time: :class:`LSTMCell` at each step.

    ``outputs, (h, c) = lstm(x, (h, c))`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)``
    and h, c ``(num_layers, batch, hidden_size)``. Besides the options of :class:`Recurrent` there are ``num_layers``
    and ``bidirectional``; ``bias``, ``forget_bias`` (1, where PyTorch starts near 0), ``peephole``, ``coupled`` and
    ``layer_norm`` are the cell's.

    >>> outputs, (h, c) = tl.nn.LSTM(3, 4, num_layers=2, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    >>> both = tl.nn.LSTM(3, 4, bidirectional=True, peephole=True, key=tl.random.key(0))
    >>> outputs, (h, c) = both(tl.ones((5, 2, 3)), lengths=tl.tensor([5, 1]))
    >>> outputs.shape, h.shape, float(tl.max(tl.abs(outputs[1:, 1])))
    ((5, 2, 8), (2, 2, 4), 0.0)
    """

    cell_type = LSTMCell


class GRU(_OfOneKind[GRUCell]):
    """A gated recurrent unit over time: :class:`GRUCell` at each step.

    ``outputs, h = gru(x, h)`` with x ``(time, batch, input_size)``, outputs ``(time, batch, hidden_size)`` and h
    ``(num_layers, batch, hidden_size)``. Besides the options of :class:`Recurrent` there are ``num_layers`` and
    ``bidirectional``; ``bias``, ``reset_after`` and ``layer_norm`` are the cell's.

    >>> outputs, h = tl.nn.GRU(3, 4, key=tl.random.key(0))(tl.ones((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    cell_type = GRUCell
