"""The body of a fused kernel: its operations as functions of scalars, and the references that it loads."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from tinygrad_lstm.codegen.operations import Operation, Reference, row_major
from tinygrad_lstm.codegen.program import Combine, Kernel, Scalar, Store, View
from tinygrad_lstm.codegen.references import coordinates, through
from tinygrad_lstm.graph.dtypes import int64
from tinygrad_lstm.graph.types import Shape

__all__ = ["Draft", "NotSeparableError", "draft", "store", "with_joined_axes"]


class NotSeparableError(Exception):
    """An operation cannot be computed where it is read, since the reader's axes do not run along its own axes."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self.operation = operation


@dataclass(frozen=True, eq=False, slots=True)
class Draft:
    """A kernel whose arrays have no places yet.

    Attributes:
        members: the operations that it computes.
        space: the sizes of its axes.
        reduced: how many trailing axes its reductions run over.
        reads: the references that it loads, each over the axes of the space.
        values: for each member the position of its value in the body.
    """

    members: tuple[Operation, ...]
    space: Shape
    reduced: int
    reads: tuple[Reference, ...]
    body: tuple[Scalar, ...]
    values: Mapping[Operation, int]


def draft(
    members: Sequence[Operation],
    space: Shape,
    rows: Set[Operation],
    inline: Set[Operation],
    lengths: Mapping[int, int],
) -> Draft:
    """The kernel that computes ``members``.

    Args:
        rows: operations that have one value for all points along the reduced axes.
        inline: operations that are computed where they are read.

    Raises:
        NotSeparableError: for an inline operation that has to be stored instead.
    """
    reduced = max([len(space) - len(op.shape) for op in members if op in rows], default=0)
    writing = _Writing(members, space, rows, inline, lengths)
    for op in members:
        writing.member(op)
    return Draft(tuple(members), space, reduced, tuple(writing.reads), tuple(writing.body), writing.values)


class _Writing:
    """Writes the body of one kernel, member by member."""

    def __init__(
        self,
        members: Sequence[Operation],
        space: Shape,
        rows: Set[Operation],
        inline: Set[Operation],
        lengths: Mapping[int, int],
    ) -> None:
        self.space, self.rows, self.inline, self.lengths = space, rows, inline, lengths
        self.block = members[0].block
        self.members = set(members)
        self.reads: list[Reference] = []
        self.body: list[Scalar] = []
        self.values: dict[Operation, int] = {}
        self.scalars: dict[Any, int] = {}
        self.known: dict[Reference, int] = {}

    def emit(self, op: str, args: tuple[int, ...], dtype: Any, attr: Any = None) -> int:
        """The position of a scalar in the body; an equal one is not added twice."""
        key = (op, args, dtype.name, attr.__class__, repr(attr))
        position = self.scalars.get(key)
        if position is None:
            position = self.scalars[key] = len(self.body)
            self.body.append(Scalar(op, args, dtype, attr))
        return position

    def member(self, op: Operation) -> None:
        """Add the value of a member to the body, with all that it is computed from."""
        spread = [self.in_space(ref, op) for ref in op.args]
        for ref in spread:
            self.expand(ref)
        args = tuple([self.known[ref] for ref in spread])
        if op.kind == "map":
            own = self.in_space(Reference(op, op.shape, row_major(op.shape)), op)
            value = self.apply(op, args, own)
        elif op.rowwise:
            value = self.emit("reduce", args, op.dtype, op.name)
        else:
            (value,) = args
        self.values[op] = value
        if not op.combining:
            self.known[self.in_space(Reference(op, op.shape, row_major(op.shape)), op)] = value

    def in_space(self, ref: Reference, op: Operation) -> Reference:
        """A reference over the axes of a member, changed to run over the axes of the kernel."""
        if ref.shape == self.space and not (op in self.rows and op.kind == "map"):
            return ref
        missing = (0,) * (len(self.space) - len(ref.shape))
        return Reference(ref.operation, self.space, (*ref.strides, *missing), ref.offset, ref.loops)

    def expand(self, reference: Reference) -> None:
        """Find a position for the value of a reference: one in the body, or a new one that is computed or loaded."""
        pending = [(reference, reference.operation)]
        while pending:
            ref, reader = pending[-1]
            if ref in self.known:
                pending.pop()
                continue
            source = ref.operation
            if source.kind == "constant":
                self.known[ref] = self.emit("constant", (), source.dtype, source.attr)
            elif source in self.inline:
                axes = coordinates(ref, source.shape, self.lengths)
                if axes is None:
                    # The source may belong to an outer block. Then it stays inline, and its reader is stored instead.
                    raise NotSeparableError(source if source.block is self.block else reader)
                inner = [through(axes, ref.shape, arg) for arg in source.args]
                missing = [arg for arg in inner if arg not in self.known]
                if missing:
                    pending += [(arg, source) for arg in missing]
                    continue
                self.known[ref] = self.apply(source, tuple([self.known[arg] for arg in inner]), ref)
            else:
                if source in self.members and not source.combining:
                    raise AssertionError("a member is read at another point than it is computed at")
                self.known[ref] = self.emit("load", (), source.dtype, len(self.reads))
                self.reads.append(ref)
            pending.pop()

    def apply(self, op: Operation, args: tuple[int, ...], at: Reference) -> int:
        """The position of the value of a map at the point that ``at`` reads."""
        if op.name == "copy":
            return args[0]
        if op.name != "arange":
            return self.emit(op.name, args, op.dtype)
        if at.loops:
            # Kernels know their position in the space, but not the time of the loop.
            raise NotSeparableError(op)
        total = None
        for axis, stride in enumerate(at.strides):
            if stride and at.shape[axis] > 1:
                term = self.emit("index", (), int64, axis)
                if stride != 1:
                    term = self.emit("multiply", (term, self.emit("constant", (), int64, stride)), int64)
                total = term if total is None else self.emit("add", (total, term), int64)
        if total is None or at.offset:
            start = self.emit("constant", (), int64, at.offset)
            total = start if total is None else self.emit("add", (total, start), int64)
        return total if op.dtype is int64 else self.emit("cast", (total,), op.dtype)


def store(op: Operation, value: int, view: View, space: Shape) -> Store:
    """The store that writes a member's value to its place, a view over the member's own axes."""
    combine: Combine | None = op.name if op.combining else None  # type: ignore[assignment]  # a reduction's name
    strides = list(view.strides)
    if op.combining:
        kept = iter(strides)
        strides = [0 if k in op.attr else next(kept) for k in range(len(space))]
    else:
        strides += [0] * (len(space) - len(strides))
    return Store(value, View(view.buffer, space, tuple(strides), view.offset, view.loops), combine)


def with_joined_axes(kernel: Kernel) -> Kernel:
    """The kernel with adjacent axes joined wherever they are one axis, of one stride, in every view."""
    views = [*kernel.reads, *[s.view for s in kernel.stores]]
    counted = {s.attr for s in kernel.body if s.op == "index"}
    rank = len(kernel.shape)
    groups: list[list[int]] = []
    for k in range(rank):
        if groups and k not in counted and k - 1 not in counted and k != rank - kernel.reduced:
            n = kernel.shape[k]
            if all(v.strides[k - 1] == v.strides[k] * n for v in views):
                groups[-1].append(k)
                continue
        groups.append([k])
    if len(groups) == rank:
        return kernel
    shape = []
    for group in groups:
        size = 1
        for k in group:
            size *= kernel.shape[k]
        shape.append(size)
    last = [group[-1] for group in groups]
    place = {k: i for i, group in enumerate(groups) for k in group}

    def joined(view: View) -> View:
        return View(view.buffer, tuple(shape), tuple([view.strides[k] for k in last]), view.offset, view.loops)

    return Kernel(
        tuple(shape),
        sum(1 for group in groups if group[0] >= rank - kernel.reduced),
        tuple([joined(v) for v in kernel.reads]),
        tuple([Scalar(s.op, s.args, s.dtype, place[s.attr]) if s.op == "index" else s for s in kernel.body]),
        tuple([Store(s.value, joined(s.view), s.combine) for s in kernel.stores]),
        kernel.scope,
    )
