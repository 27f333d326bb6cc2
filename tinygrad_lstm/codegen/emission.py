"""The last stage: the program, made of units in order and of results with places."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final

from tinygrad_lstm.codegen.bodies import Draft, store, with_joined_axes
from tinygrad_lstm.codegen.operations import Block, Operation, Reference, row_major, whole_result
from tinygrad_lstm.codegen.products import Axes, Grouping, grouped
from tinygrad_lstm.codegen.program import (
    Buffer,
    Call,
    Gather,
    Gemm,
    Kernel,
    Loop,
    Program,
    Scalar,
    Scatter,
    Step,
    View,
)
from tinygrad_lstm.codegen.program import Store as KernelStore
from tinygrad_lstm.codegen.references import Place, Storage, arranged, canonical, regrouped, seen_at
from tinygrad_lstm.codegen.scheduling import Scheduled
from tinygrad_lstm.errors import printable
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Node
from tinygrad_lstm.graph.types import Shape

__all__ = ["Emitted", "Meant", "emit"]


@dataclass(frozen=True, eq=False, slots=True)
class Meant:
    """The values that a step has to read and to write: views, and the references whose elements they have to hold."""

    reads: tuple[tuple[Reference, View], ...] = ()
    writes: tuple[tuple[Reference, View], ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Emitted:
    """A program, and the values that its steps have to read and write.

    Attributes:
        meant: these values for each step, in the order in which the program prints; empty unless asked for.
        inputs, outputs: the operations of the program's inputs and outputs.
    """

    program: Program
    meant: tuple[Meant, ...]
    inputs: tuple[Operation, ...]
    outputs: tuple[Operation, ...]


def emit(scheduled: Scheduled, graph: Graph, meant: bool = True) -> Emitted:
    """The program of scheduled units.

    Args:
        meant: whether to note the values that each step has to read and write.
    """
    form = scheduled.fused.placed.form
    emission = _Emission(scheduled, meant)
    steps = emission.block(form.top)
    notes = tuple(emission.meant(steps)) if meant else ()
    return Emitted(emission.program(graph, steps), notes, form.inputs, form.outputs)


class _Emission:
    """Makes the steps of a program, and notes when each storage is in use."""

    def __init__(self, scheduled: Scheduled, noting: bool) -> None:
        self.noting = noting
        self.scheduled, self.placed = scheduled, scheduled.fused.placed
        self.lengths = self.placed.form.lengths
        self.clock = 0
        self.storages: dict[Storage, int] = {}
        self.values: dict[Storage, Any] = {}
        self.intervals: dict[Storage, tuple[int, int]] = {}
        self.touched: list[set[Storage]] = [set()]
        self.meanings: dict[int, Meant] = {}
        for op in (*self.placed.form.inputs, *self.placed.form.outputs):
            self.storages[scheduled.places[op].storage] = len(self.storages)

    def meant(self, steps: Iterable[Step]) -> Iterator[Meant]:
        """The notes on the steps, in the order in which a program prints."""
        pending = [*steps][::-1]
        while pending:
            step = pending.pop()
            yield self.meanings.get(id(step), Meant())
            if isinstance(step, Loop):
                pending += reversed(step.steps)

    def program(self, graph: Graph, steps: tuple[Step, ...]) -> Program:
        """The program of all steps, with a buffer for each storage that they touch."""
        offsets, size = arranged({s: i for s, i in self.intervals.items() if s.fixed is None and s not in self.values})
        form = self.placed.form
        buffers = []
        count = len(form.inputs)
        for number, storage in enumerate(self.storages):
            if number < count + len(form.outputs):
                buffers.append(Buffer(storage.size, storage.dtype, "input" if number < count else "output"))
            elif storage in self.values:
                buffers.append(Buffer(storage.size, storage.dtype, "constant", value=self.values[storage]))
            else:
                buffers.append(Buffer(storage.size, storage.dtype, "temporary", offsets[storage]))
        outputs = tuple(range(count, count + len(form.outputs)))
        shapes = tuple([y.shape for y in graph.outputs])
        return Program(tuple(buffers), steps, tuple(range(count)), outputs, shapes, size)

    # Places

    def place_of(self, op: Operation) -> Place:
        at = self.scheduled.places[op]
        if op.kind == "array":
            self.values[at.storage] = op.attr
        return at

    def own(self, shape: Shape, dtype: DType, block: Block) -> Place:
        """A new place without gaps, for a temporary of the next steps."""
        return Place(Storage(prod(shape), dtype, block), row_major(shape))

    def touch(self, storage: Storage) -> int:
        storage = self.scheduled.memory(storage)
        first, last = self.intervals.get(storage, (self.clock, self.clock))
        self.intervals[storage] = (min(first, self.clock), max(last, self.clock))
        self.touched[-1].add(storage)
        return self.storages.setdefault(storage, len(self.storages))

    def view(self, at: Place, shape: Shape) -> View:
        return View(self.touch(at.storage), shape, at.strides, at.offset, at.loops)

    def read(self, ref: Reference, block: Block, before: list[Step]) -> tuple[Place, Shape]:
        """Where the elements of a reference lie. Where no strides describe that, its operation is copied first."""
        at = seen_at(ref, self.place_of(ref.operation), self.lengths)
        if at is None:
            op = ref.operation
            own = self.own(op.shape, op.dtype, block)
            before += self.copied(self.place_of(op), own, whole_result(op))
            at = seen_at(ref, own, self.lengths)
            assert at is not None
        return at, ref.shape

    def noted(self, step: Step, reads: Sequence[tuple[Reference, View]], *writes: tuple[Reference, View]) -> Step:
        """The step; what it has to read and write is noted if that was asked for."""
        if self.noting:
            self.meanings[id(step)] = Meant(tuple(reads), writes)
        return step

    def copied(self, source: Place, target: Place, ref: Reference, added: bool = False) -> list[Step]:
        """A kernel that copies the values at ``source`` to ``target``, or adds them to those at ``target``.

        Args:
            ref: the values that the target holds afterwards.
        """
        shape, dtype = ref.shape, ref.operation.dtype
        if 0 in shape:
            return []
        space, read = canonical(shape, source.strides)
        _, write = canonical(shape, target.strides)
        self.clock += 1
        views = [
            self.view(replace(source, strides=read), space), self.view(replace(target, strides=write), space)
        ]  # fmt: skip
        body: tuple[Scalar, ...] = (Scalar("load", (), dtype, 0),)
        stored = 0
        if added:
            body = (*body, Scalar("load", (), dtype, 1), Scalar("add", (1, 0), dtype))
            stored = 2
        reads = tuple(views if added else views[:1])
        kernel = with_joined_axes(Kernel(space, 0, reads, body, (KernelStore(stored, views[1]),)))
        return [self.noted(kernel, [] if added else [(_of(ref, space), views[0])], (_of(ref, space), views[1]))]

    # Steps

    def block(self, block: Block) -> tuple[Step, ...]:
        """The steps of a block."""
        steps: list[Step] = []
        for unit in self.scheduled.units[block]:
            self.clock += 1
            op = unit.operations[0]
            if unit.draft is not None:
                steps += self.kernel(unit.draft, block)
            elif op.kind == "loop":
                steps += self.loop(op)
            elif op.size:
                steps += _EMITTERS[op.kind](self, op, block)
        for carried in self.placed.form.regions[block].carried:
            if carried in self.scheduled.copied:
                # Old and new value have the same layout, so they are copied as vectors.
                new, old = (Place(self.place_of(x).storage, (1,)) for x in (carried.updated, carried.symbol))
                steps += self.copied(new, old, Reference(carried.updated, (carried.updated.size,), (1,)))
        return tuple(steps)

    def loop(self, op: Operation) -> list[Step]:
        body: Block = op.attr
        start = self.clock
        self.touched.append(set())
        condition = None
        if body.conditional:
            condition = self.view(self.place_of(self.placed.form.regions[body].carried[0].symbol), ())
        steps = self.block(body)
        self.clock += 1
        for storage in self.touched.pop():
            if storage.block is not body:
                first, last = self.intervals[storage]
                self.intervals[storage] = (min(first, start), max(last, self.clock))
                self.touched[-1].add(storage)
        loop = Loop(body.number, body.length, body.reverse, steps, _scope([op]), condition)
        return [loop] if steps else []

    def kernel(self, draft: Draft, block: Block) -> list[Step]:
        """A fused kernel, after the copies that its reads need; nothing where none of its members is stored."""
        places = self.scheduled.places
        stored = [op for op in draft.members if op in places and op.size]
        if not stored:
            return []
        before: list[Step] = []
        lying = [self.read(ref, block, before) for ref in draft.reads]
        self.clock += 1
        reads = [self.view(*at) for at in lying]
        stores, meant = [], []
        for op in stored:
            target = self.view(self.place_of(op), op.shape)
            stores.append(store(op, draft.values[op], target, draft.space))
            meant.append((whole_result(op), target))
        kernel = Kernel(draft.space, draft.reduced, tuple(reads), draft.body, tuple(stores), _scope(draft.members))
        return [*before, self.noted(with_joined_axes(kernel), list(zip(draft.reads, reads, strict=True)), *meant)]

    def contract(self, op: Operation, block: Block) -> list[Step]:
        """A ``contract`` as a Gemm, with the copies that make matrices of its operands and of its result."""
        letters = op.attr
        refs = list(op.args)
        sizes = {x: n for ref, names in zip(refs, letters, strict=False) for x, n in zip(names, ref.shape, strict=True)}
        addition = self.placed.additions.get(op)
        # Where the product is added to what its place holds, the result is the sum.
        result = whole_result(op) if addition is None else Reference(addition.sum, op.shape, row_major(op.shape))
        out = self.place_of(op)
        if prod(sizes.values()) == 0:
            return self.zeros(out, op) if addition is None else []
        steps: list[Step] = []
        sides = [self.read(ref, block, steps)[0] for ref in refs]
        seen = list(zip(refs, sides, strict=True))
        axes = [Axes(names, side.strides) for names, side in zip(letters, sides, strict=False)]
        target, target_axes = out, Axes(letters[2], out.strides)
        for _ in range(4):
            group = grouped(axes[0], axes[1], target_axes, sizes)
            if not group.copies:
                break
            for side in group.copies:
                if side == 2:
                    target_axes = _packed(group.kept, sizes)
                    target = Place(Storage(op.size, op.dtype, block), target_axes.strides)
                else:
                    seen[side], axes[side] = self.packed(
                        sides[side], axes[side], refs[side], letters[side], group, sizes, block, steps
                    )
                    sides[side] = seen[side][1]
        assert not group.copies
        self.clock += 1
        reads = [(ref, self.view(side, ref.shape)) for ref, side in seen] if self.noting else []
        a, b = (sides[1], sides[0]) if group.swapped else (sides[0], sides[1])
        lead, m, n, k = group.batch, group.m, group.n, group.k
        gemm = Gemm(
            self.view(replace(a, strides=group.left), (*lead, m, k)),
            self.view(replace(b, strides=group.right), (*lead, k, n)),
            self.view(replace(target, strides=group.out), (*lead, m, n)),
            accumulate=addition is not None and target is out,
            scope=_scope([op]),
        )
        if target is out:
            return [*steps, self.noted(gemm, reads, (result, self.view(out, op.shape)))]
        target = replace(target, strides=tuple([target_axes.stride(x) for x in letters[2]]))
        steps.append(self.noted(gemm, reads, (whole_result(op), self.view(target, op.shape))))
        return [*steps, *self.copied(target, out, result, added=addition is not None)]

    def packed(
        self, side: Place, axes: Axes, ref: Reference, letters: str, group: Grouping, sizes: dict[str, int],
        block: Block, steps: list[Step],
    ) -> tuple[tuple[Reference, Place], Axes]:  # fmt: skip
        """Copy an operand, with its letters in an order in which they merge into the axes of a matrix."""
        order = [x for x in group.kept if x in axes.letters] + [x for x in group.summed if x in axes.letters]
        shape = tuple([sizes[x] for x in order])
        result = _packed("".join(order), sizes)
        own = self.own(shape, ref.operation.dtype, block)
        source = replace(side, strides=tuple([axes.stride(x) for x in order]))
        strides = tuple([ref.strides[letters.index(x)] for x in order])
        turned = replace(ref, shape=shape, strides=strides)
        steps += self.copied(source, own, turned)
        return (turned, own), result

    def zeros(self, at: Place, op: Operation) -> list[Step]:
        """A kernel that fills a view with 0, the sum of no terms."""
        space, strides = canonical(op.shape, at.strides)
        body = (Scalar("constant", (), op.dtype, 0),)
        view = self.view(replace(at, strides=strides), space)
        kernel = with_joined_axes(Kernel(space, 0, (), body, (KernelStore(0, view),)))
        return [self.noted(kernel, [], (_of(whole_result(op), space), view))]

    def joined(self, ref: Reference, shape: Shape, block: Block, steps: list[Step]) -> tuple[Place, Place]:
        """Where a reference lies, with axes joined to ``shape`` and as they are; copied if they cannot be joined."""
        at, full = self.read(ref, block, steps)
        strides = regrouped(full, at.strides, shape)
        if strides is None:
            own = self.own(full, ref.operation.dtype, block)
            steps += self.copied(at, own, ref)
            at, strides = own, row_major(shape)
        return replace(at, strides=strides), at

    def indexed(self, op: Operation, block: Block) -> list[Step]:
        """A Gather or Scatter, with the copies that it needs."""
        values, indices = op.args
        assert op.node is not None
        axis, count = op.node.attrs["axis"], prod(indices.shape)
        steps: list[Step] = []
        head, tail = prod(op.shape[:axis]), prod(op.shape[axis + len(indices.shape) :])
        if op.kind == "gather":
            shape, result = (head, values.shape[axis], tail), (head, count, tail)
        else:
            tail = prod(op.shape[axis + 1 :])
            shape, result = (head, count, tail), (head, op.shape[axis], tail)
        source, lying = self.joined(values, shape, block, steps)
        picked, listed = self.joined(indices, (count,), block, steps)
        out = self.place_of(op)
        strides = regrouped(op.shape, out.strides, result)
        target = out if strides is not None else self.own(op.shape, op.dtype, block)
        self.clock += 1
        written = self.view(replace(target, strides=strides or row_major(result)), result)
        make: Any = Gather if op.kind == "gather" else Scatter
        step = make(self.view(source, shape), self.view(picked, (count,)), written, op.node)
        reads = [(values, self.view(lying, values.shape)), (indices, self.view(listed, indices.shape))]
        steps.append(self.noted(step, reads, (whole_result(op), self.view(target, op.shape))))
        if target is not out:
            steps += self.copied(target, out, whole_result(op))
        return steps

    def call(self, op: Operation, block: Block) -> list[Step]:
        assert op.node is not None
        steps: list[Step] = []
        lying = [self.read(ref, block, steps) for ref in op.args]
        self.clock += 1
        reads = [self.view(*at) for at in lying]
        out = self.view(self.place_of(op), op.shape)
        step = Call(op.node, op.node.attrs, tuple(reads), out)
        return [*steps, self.noted(step, list(zip(op.args, reads, strict=True)), (whole_result(op), out))]


_EMITTERS: Final[dict[str, Callable[[_Emission, Operation, Block], list[Step]]]] = {
    "contract": _Emission.contract,
    "gather": _Emission.indexed,
    "scatter": _Emission.indexed,
    "call": _Emission.call,
}


def _of(ref: Reference, space: Shape) -> Reference:
    """A reference without its axes of size 1, over ``space``."""
    return replace(ref, shape=space, strides=canonical(ref.shape, ref.strides)[1])


def _packed(letters: str, sizes: dict[str, int]) -> Axes:
    return Axes(letters, row_major(tuple([sizes[x] for x in letters])))


def _scope(operations: Iterable[Operation]) -> str:
    """The scope of a step, for readers: that of its last operation with a scope, as one printable line."""
    last: Node | None = None
    for op in operations:
        if op.node is not None and op.node.scope is not None:
            last = op.node
    return printable(" ".join(str(last.scope).split())) if last is not None else ""
