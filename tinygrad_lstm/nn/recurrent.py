"""Layers over time: a cell in a scan, in both directions, stacked."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from tinygrad_lstm.errors import ArgumentError, DTypeError, IndexingError, ShapeError, StructureError, UsageError
from tinygrad_lstm.functions.arrangement import expand_dims, stack, swapaxes
from tinygrad_lstm.functions.filling import arange, zeros_like
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.scopes import Role, scope
from tinygrad_lstm.graph.structure import Structure, flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter, Variable
from tinygrad_lstm.nn.inputs import beside, expect_width
from tinygrad_lstm.nn.layers import sizes
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.nn.stepping import (
    listed_cells,
    spread_over,
    state_names,
    state_types,
    step,
    step_keys,
    step_of_many,
    zero_state,
)
from tinygrad_lstm.nn.stochastic import Dropout
from tinygrad_lstm.ops.index import take
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.shape import broadcast_to, concatenate

__all__ = ["Recurrent"]

C = TypeVar("C", bound=Module)


class Recurrent(Module, Generic[C]):
    """Layers of cells over time: each cell in a ``scan``; the outputs of one layer are the inputs of the next.

    ``outputs, state = layer(x, state)`` with x ``(time, batch, …)``. Any cell does that is called as
    ``cell(x, state)`` and has ``zeros(batch)``, its state before the first step: a tensor, or tensors in any nested
    structure, whose first axes are the batch. It gives the next state, whose ``h``, or else its first tensor, is the
    output of the step; or the pair (next state, output). :class:`RNN`, :class:`LSTM` and :class:`GRU` are such layers.
    A cell that draws random numbers in each step may have ``step_keys(steps)``, which gives a key for each of them, as
    :meth:`Dropout.keys` does, and is called as ``cell(x, state, key)``.

    Args:
        cells: a cell, or a list of cells for layers one above the other, from the lowest to the highest. All have
            states of one structure and of the same shapes and element types.
        reverse_cells: for each cell a second one, which goes from the last step to the first; the outputs of both
            stand side by side, joined along their last axis.
        reverse: all cells go from the last step to the first, and none forward; the outputs stand in the order of the
            inputs, as those of ``scan(…, reverse=True)``.
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
    over_time: ClassVar[bool] = True

    def __init__(
        self,
        cells: C | Sequence[C],
        reverse_cells: C | Sequence[C] | None = None,
        *,
        reverse: bool = False,
        batch_first: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        learn_initial: bool = False,
        key: Any = None,
    ) -> None:
        kind = type(self).__name__
        self.cells: list[C] = listed_cells(kind, "cells", cells)
        self.reverse_cells: list[C] = (
            [] if reverse_cells is None else listed_cells(kind, "reverse_cells", reverse_cells)
        )
        self.num_layers, self.bidirectional, self.batch_first = len(self.cells), bool(self.reverse_cells), batch_first
        if reverse and self.bidirectional:
            raise UsageError(
                f"{kind}: with reverse=True all cells go backward, and with two directions one of each pair; "
                "leave one of the two out"
            )
        self.reverse = reverse
        if self.bidirectional and len(self.reverse_cells) != self.num_layers:
            raise UsageError(
                f"{kind}: {self.num_layers} cells go forward and {len(self.reverse_cells)} backward; "
                "give one reverse cell for each cell"
            )
        if (dropout or variational) and self.num_layers == 1:
            raise UsageError(f"{kind}: dropout works between layers, and there is one; put a tl.nn.Dropout behind it")
        self.dropout = Dropout(dropout, key if dropout else None, same_along=0 if variational else ())
        first, structure = state_types(kind, self._stack)
        self.dtype = next((s.dtype for s in first if s.dtype.is_float), float32)
        self.input_size: int | None = getattr(self.cells[0], "input_size", None)
        self.initial: dict[str, Parameter] = {}
        if learn_initial:
            states = [zero_state(cell, 1)[0] for cell in self._stack]
            self.initial = {
                name: Parameter(stack([leaves[k] for leaves in states]))
                for k, name in enumerate(state_names(structure))
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
        states = [zero_state(cell, batch) for cell in self._stack]
        return unflatten(states[0][1], [stack(leaves) for leaves in zip(*[s for s, _ in states], strict=True)])

    def start(self, batch: int) -> Any:
        """The states before the first step if the caller gives none: the learned ones, or :meth:`zeros`."""
        leaves, structure = flatten(self.zeros(batch))
        names = state_names(structure)
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
            sequence = where(spread_over(valid, sequence.ndim), sequence, zeros_like(sequence))
        finals, directions = [], 2 if self.bidirectional else 1
        cells, entering, structure = self._stack, *self._entering(state, batch)
        for k, cell in enumerate(cells):
            second = k % directions == 1
            first, keys = unflatten(structure, entering[k]), step_keys(cell, steps)
            alone = valid is None and keys is None
            final, outputs = scan(
                partial(step if alone else step_of_many, cell),
                first,
                sequence if alone else (sequence, valid, keys),
                reverse=self.reverse or second,
            )
            finals.append(flatten(final)[0])
            if self.bidirectional and not second:
                ahead = outputs
                continue
            sequence = concatenate([ahead, outputs], axis=-1) if second else outputs
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
        own = [zero_state(cell, batch) for cell in cells]
        structure = own[0][1]
        if state is None:
            learned = [self.initial.get(name) for name in state_names(structure)]
            return [
                [z if p is None else broadcast_to(p[k], z.shape) for p, z in zip(learned, leaves, strict=True)]
                for k, (leaves, _) in enumerate(own)
            ], structure
        kind = type(self).__name__
        given = [beside(self, v) for v in flatten(state)[0]]
        if len(given) != len(own[0][0]):
            names = state_names(structure)
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
