"""The body of a fused kernel: the scalar form of its members, and the references that it loads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinygrad_lstm.codegen.operations import Operation, Reference, row_major
from tinygrad_lstm.codegen.program import Combine, Kernel, Scalar, Store, View, identity
from tinygrad_lstm.codegen.references import coordinates, through
from tinygrad_lstm.graph.dtypes import int64
from tinygrad_lstm.graph.types import Shape

__all__ = ["Draft", "NotSeparableError", "draft", "over_something", "simplified", "store"]


class NotSeparableError(Exception):
    """An operation can not be computed where it is read, since the reader's axes do not run along its own."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self.operation = operation


@dataclass(eq=False, slots=True)
class Draft:
    """A kernel before its arrays have places.

    Attributes:
        values: for each member the position of its value in the body.
    """

    members: Sequence[Operation]
    space: Shape
    reduced: int
    reads: list[Reference] = field(default_factory=list)
    body: list[Scalar] = field(default_factory=list)
    values: dict[Operation, int] = field(default_factory=dict)


def draft(members: Sequence[Operation], lengths: Mapping[int, int]) -> Draft:
    """The body that computes ``members``; what it loads is marked as stored.

    Raises:
        NotSeparableError: for an inline operation that has to be stored after all.
    """
    space = members[0].space
    reduced = max([len(space) - len(op.shape) for op in members if op.row], default=0)
    result = Draft(members, space, reduced)
    writing = _Writing(result, lengths)
    for op in members:
        writing.member(op)
    return result


class _Writing:
    def __init__(self, result: Draft, lengths: Mapping[int, int]) -> None:
        self.draft = result
        self.lengths = lengths
        self.members = set(result.members)
        self.scalars: dict[Any, int] = {}
        self.loads: dict[Reference, int] = {}
        self.known: dict[Reference, int] = {}

    def emit(self, op: str, args: tuple[int, ...], dtype: Any, attr: Any = None) -> int:
        key = (op, args, dtype.name, attr.__class__, repr(attr))
        position = self.scalars.get(key)
        if position is None:
            position = self.scalars[key] = len(self.draft.body)
            self.draft.body.append(Scalar(op, args, dtype, attr))
        return position

    def member(self, op: Operation) -> None:
        spread = [self.in_space(ref, op) for ref in op.args]
        for ref in spread:
            self.expand(ref)
        args = tuple([self.known[ref] for ref in spread])
        if op.kind == "map":
            own = self.in_space(Reference(op, op.shape, row_major(op.shape)), op)
            value = self.apply(op, args, own)
        elif op.row:
            value = self.emit("reduce", args, op.dtype, op.name)
        else:
            (value,) = args
        self.draft.values[op] = value
        if not op.combining:
            self.known[self.in_space(Reference(op, op.shape, row_major(op.shape)), op)] = value

    def in_space(self, ref: Reference, op: Operation) -> Reference:
        """A reference over the axes of a member as one over the axes of the kernel."""
        space = self.draft.space
        if ref.shape == space and not (op.row and op.kind == "map"):
            return ref
        missing = (0,) * (len(space) - len(ref.shape))
        return Reference(ref.operation, space, (*ref.strides, *missing), ref.offset, ref.loops)

    def expand(self, wanted: Reference) -> None:
        """Give the value of a reference a position: from the body, computed here, or loaded."""
        pending = [(wanted, wanted.operation)]
        while pending:
            ref, reader = pending[-1]
            if ref in self.known:
                pending.pop()
                continue
            source = ref.operation
            if source.kind == "constant":
                self.known[ref] = self.emit("constant", (), source.dtype, source.attr)
            elif source.inline:
                axes = coordinates(ref, source.shape, self.lengths)
                if axes is None:
                    # What an outer region computes nowhere else must stay so: its reader is stored instead.
                    raise NotSeparableError(source if source.region is self.draft.members[0].region else reader)
                inner = [through(axes, ref.shape, arg) for arg in source.args]
                missing = [arg for arg in inner if arg not in self.known]
                if missing:
                    pending += [(arg, source) for arg in missing]
                    continue
                self.known[ref] = self.apply(source, tuple([self.known[arg] for arg in inner]), ref)
            else:
                if source in self.members and not source.combining:
                    raise AssertionError("a member is read at another point than it is computed at")
                source.stored = True
                self.loads[ref] = len(self.draft.reads)
                self.draft.reads.append(ref)
                self.known[ref] = self.emit("load", (), source.dtype, self.loads[ref])
            pending.pop()

    def apply(self, op: Operation, args: tuple[int, ...], at: Reference) -> int:
        """The scalar form of a map at the point that ``at`` reads."""
        if op.name == "copy":
            return args[0]
        if op.name != "arange":
            return self.emit(op.name, args, op.dtype)
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
    """What writes a member's value to its place, given as a view over its own axes."""
    combine: Combine | None = op.name if op.combining else None  # type: ignore[assignment]  # a reduction's name
    strides = list(view.strides)
    if op.combining:
        kept = iter(strides)
        strides = [0 if k in op.attr else next(kept) for k in range(len(space))]
    else:
        strides += [0] * (len(space) - len(strides))
    return Store(value, View(view.buffer, space, tuple(strides), view.offset, view.loops), combine)


def over_something(kernel: Kernel) -> Kernel:
    """The same without its reduced axes, where they hold no point: what is reduced from nothing is known.

    What it stores are results of reductions, and what is computed from such.
    """
    rank = len(kernel.shape) - kernel.reduced
    if 0 not in kernel.shape[rank:]:
        return kernel
    wanted = {s.value for s in kernel.stores}
    for k in range(len(kernel.body) - 1, -1, -1):
        if k in wanted and kernel.body[k].op != "reduce":
            wanted.update(kernel.body[k].args)
    body: list[Scalar] = []
    place: dict[int, int] = {}
    reads: list[View] = []
    for k in sorted(wanted):
        s = kernel.body[k]
        place[k] = len(body)
        if s.op == "reduce":
            body.append(Scalar("constant", (), s.dtype, identity(s.attr, s.dtype)))
        elif s.op == "load":
            body.append(Scalar("load", (), s.dtype, len(reads)))
            reads.append(_without_axes(kernel.reads[s.attr], rank))
        else:
            body.append(Scalar(s.op, tuple([place[a] for a in s.args]), s.dtype, s.attr))
    stores = [Store(place[s.value], _without_axes(s.view, rank)) for s in kernel.stores]
    return Kernel(kernel.shape[:rank], 0, tuple(reads), tuple(body), tuple(stores), kernel.scope)


def _without_axes(view: View, rank: int) -> View:
    return View(view.buffer, view.shape[:rank], view.strides[:rank], view.offset, view.loops)


def simplified(kernel: Kernel) -> Kernel:
    """The same with adjacent axes joined where every view runs through them in one go."""
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
