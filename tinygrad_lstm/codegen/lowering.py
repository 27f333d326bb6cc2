"""From a graph to a program: ``lower``."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import prod
from typing import Any, Final

from tinygrad_lstm.codegen.arena import arranged
from tinygrad_lstm.codegen.expressions import Draft, over_something, simplified, store
from tinygrad_lstm.codegen.operations import Operation, Place, Reference, Region, Storage, row_major
from tinygrad_lstm.codegen.overwriting import overwrite_rows
from tinygrad_lstm.codegen.placing import Readers, fresh, place, readers_of
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
    identity,
)
from tinygrad_lstm.codegen.program import Store as KernelStore
from tinygrad_lstm.codegen.references import canonical, placed, regrouped
from tinygrad_lstm.codegen.regions import Built
from tinygrad_lstm.codegen.scheduling import schedule
from tinygrad_lstm.codegen.translation import build
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Node
from tinygrad_lstm.graph.types import Shape

__all__ = ["lower"]


def lower(graph: Graph, halves: bool = False) -> Program:
    """The program that computes the outputs of ``graph`` from its inputs.

    Args:
        halves: whether kernels and products may be of float16; else its ops are calls of the backend's own kernels.

    >>> import tinygrad_lstm as tl
    >>> from tinygrad_lstm.codegen.program import Kernel
    >>> x = tl.symbol("x", (2, 3))
    >>> program = lower(Graph((x,), (tl.tanh(x) * 2 + 1,)))
    >>> [type(step).__name__ for step in program.steps], program.arena
    (['Kernel'], 0)

    Raises:
        GraphError: for a graph that reads a symbol which is not among its inputs.
    """
    built = build(graph, halves)
    readers = readers_of(built)
    place(built, readers)
    emission = _Emission(built)
    steps = emission.region(built.region, readers)
    return emission.program(graph, steps)


class _Emission:
    def __init__(self, built: Built) -> None:
        self.built = built
        self.lengths = built.lengths
        self.clock = 0
        self.storages: dict[Storage, int] = {}
        self.values: dict[Storage, Any] = {}
        self.intervals: dict[Storage, tuple[int, int]] = {}
        self.touched: list[set[Storage]] = [set()]
        for number, op in enumerate(built.inputs):
            op.place = fresh(op)
            op.place.storage.fixed = number
        for op in (*built.inputs, *built.outputs):
            assert op.place is not None
            self.storages[op.place.storage] = len(self.storages)

    def program(self, graph: Graph, steps: tuple[Step, ...]) -> Program:
        offsets, size = arranged({s: i for s, i in self.intervals.items() if s.fixed is None and s not in self.values})
        buffers = []
        count = len(self.built.inputs)
        for number, storage in enumerate(self.storages):
            if number < count + len(self.built.outputs):
                buffers.append(Buffer(storage.size, storage.dtype, "input" if number < count else "output"))
            elif storage in self.values:
                buffers.append(Buffer(storage.size, storage.dtype, "constant", value=self.values[storage]))
            else:
                buffers.append(Buffer(storage.size, storage.dtype, "temporary", offsets[storage]))
        outputs = tuple(range(count, count + len(self.built.outputs)))
        shapes = tuple([y.shape for y in graph.outputs])
        return Program(tuple(buffers), steps, tuple(range(count)), outputs, shapes, size)

    # Places

    def place_of(self, op: Operation) -> Place:
        if op.place is None:
            op.place = fresh(op)
            if op.kind == "array":
                self.values[op.place.storage] = op.attr
        return op.place

    def touch(self, storage: Storage) -> int:
        storage = storage.final()
        first, last = self.intervals.get(storage, (self.clock, self.clock))
        self.intervals[storage] = (min(first, self.clock), max(last, self.clock))
        self.touched[-1].add(storage)
        return self.storages.setdefault(storage, len(self.storages))

    def view(self, at: Place, shape: Shape) -> View:
        return View(self.touch(at.storage), shape, at.strides, at.offset, at.loops)

    def read(self, ref: Reference, region: Region, before: list[Step]) -> tuple[Place, Shape]:
        """Where a reference lies; what no strides reach is copied first."""
        at = placed(ref, self.place_of(ref.operation), self.lengths)
        if at is None:
            op = ref.operation
            own = Place(Storage(op.size, op.dtype, region), row_major(op.shape))
            before += self.copied(self.place_of(op), own, op.shape, op.dtype)
            at = placed(ref, own, self.lengths)
            assert at is not None
        return at, ref.shape

    def copied(self, source: Place, target: Place, shape: Shape, dtype: DType, added: bool = False) -> list[Step]:
        """A kernel that copies, or adds to what is there."""
        if 0 in shape:
            return []
        space, read = canonical(shape, source.strides)
        _, write = canonical(shape, target.strides)
        self.clock += 1
        views = [
            self.view(replace(source, strides=read), space), self.view(replace(target, strides=write), space)
        ]  # fmt: skip
        body: tuple[Scalar, ...] = (Scalar("load", (), dtype, 0),)
        if added:
            body = (*body, Scalar("load", (), dtype, 1), Scalar("add", (1, 0), dtype))
            return [simplified(Kernel(space, 0, tuple(views), body, (KernelStore(2, views[1]),)))]
        return [simplified(Kernel(space, 0, (views[0],), body, (KernelStore(0, views[1]),)))]

    # Steps

    def region(self, region: Region, readers: Readers) -> tuple[Step, ...]:
        steps: list[Step] = []
        units = schedule(region, readers, self.lengths)
        if region.loop is not None:
            overwrite_rows(region, units, readers, self.lengths)
        for unit in units:
            self.clock += 1
            op = unit.operations[0]
            if unit.draft is not None:
                steps += self.kernel(unit.draft, region)
            elif op.kind == "loop":
                steps += self.loop(op, readers)
            elif op.size:
                steps += _EMITTERS[op.kind](self, op, region)
        for carried in region.carried:
            new, old = carried.updated.place, carried.symbol.place
            if not carried.updated.dead and new is not None and old is not None and new.storage.alias is None:
                # The one is laid out as the other, whatever the order of the axes.
                size = new.storage.size
                steps += self.copied(Place(new.storage, (1,)), Place(old.storage, (1,)), (size,), carried.symbol.dtype)
        return tuple(steps)

    def loop(self, op: Operation, readers: Readers) -> list[Step]:
        body: Region = op.attr
        start = self.clock
        self.touched.append(set())
        steps = self.region(body, readers)
        self.clock += 1
        for storage in self.touched.pop():
            if storage.region is not body:
                first, last = self.intervals[storage]
                self.intervals[storage] = (min(first, start), max(last, self.clock))
                self.touched[-1].add(storage)
        scope = _scope([op])
        return [Loop(body.number, body.length, body.reverse, steps, scope)] if steps else []

    def kernel(self, draft: Draft, region: Region) -> list[Step]:
        stored = [op for op in draft.members if (op.stored or op.place is not None) and op.size]
        if not stored:
            return []
        before: list[Step] = []
        if 0 in draft.space[len(draft.space) - draft.reduced :]:
            for op in [op for op in stored if op.combining]:
                before += self.filled(self.place_of(op), op, identity(op.name, op.dtype))
                stored.remove(op)
            if not stored:
                return before
        lying = [self.read(ref, region, before) for ref in draft.reads]
        self.clock += 1
        reads = [self.view(*at) for at in lying]
        stores = []
        for op in stored:
            target = self.view(self.place_of(op), op.shape)
            stores.append(store(op, draft.values[op], target, draft.space))
        kernel = Kernel(
            draft.space, draft.reduced, tuple(reads), tuple(draft.body), tuple(stores), _scope(draft.members)
        )
        return [*before, simplified(over_something(kernel))]

    def contract(self, op: Operation, region: Region) -> list[Step]:
        letters = op.attr
        refs = op.args
        sizes = {x: n for ref, names in zip(refs, letters, strict=False) for x, n in zip(names, ref.shape, strict=True)}
        out = self.place_of(op)
        if prod(sizes.values()) == 0:
            return self.filled(out, op) if op.onto is None else []
        steps: list[Step] = []
        sides = [self.read(ref, region, steps)[0] for ref in refs]
        axes = [Axes(names, side.strides) for names, side in zip(letters, sides, strict=False)]
        target, result = out, Axes(letters[2], out.strides)
        for _ in range(4):
            group = grouped(axes[0], axes[1], result, sizes)
            if not group.copies:
                break
            for side in group.copies:
                if side == 2:
                    result = _packed(group.kept, sizes)
                    target = Place(Storage(op.size, op.dtype, region), result.strides)
                else:
                    sides[side], axes[side] = self.packed(
                        sides[side], axes[side], group, sizes, op.dtype, region, steps
                    )
        assert not group.copies
        self.clock += 1
        a, b = (sides[1], sides[0]) if group.swapped else (sides[0], sides[1])
        lead, m, n, k = group.batch, group.m, group.n, group.k
        steps.append(
            Gemm(
                self.view(replace(a, strides=group.left), (*lead, m, k)),
                self.view(replace(b, strides=group.right), (*lead, k, n)),
                self.view(replace(target, strides=group.out), (*lead, m, n)),
                accumulate=op.onto is not None and target is out,
                scope=_scope([op]),
            )
        )
        if target is not out:
            seen = tuple([result.stride(x) for x in letters[2]])
            steps += self.copied(replace(target, strides=seen), out, op.shape, op.dtype, added=op.onto is not None)
        return steps

    def packed(
        self, side: Place, axes: Axes, group: Grouping, sizes: dict[str, int], dtype: DType, region: Region,
        steps: list[Step],
    ) -> tuple[Place, Axes]:  # fmt: skip
        """A copy of an operand with its letters in an order in which they merge."""
        order = [x for x in group.kept if x in axes.letters] + [x for x in group.summed if x in axes.letters]
        result = _packed("".join(order), sizes)
        own = Place(Storage(prod([sizes[x] for x in order]), dtype, region), result.strides)
        source = replace(side, strides=tuple([axes.stride(x) for x in order]))
        steps += self.copied(source, own, tuple([sizes[x] for x in order]), dtype)
        return own, result

    def filled(self, at: Place, op: Operation, value: float = 0) -> list[Step]:
        """A kernel that writes one number everywhere."""
        space, strides = canonical(op.shape, at.strides)
        body = (Scalar("constant", (), op.dtype, value),)
        view = self.view(replace(at, strides=strides), space)
        return [simplified(Kernel(space, 0, (), body, (KernelStore(0, view),)))]

    def joined(self, ref: Reference, shape: Shape, region: Region, steps: list[Step]) -> tuple[Place, Shape]:
        """A reference with axes joined to ``shape``, copied where it has to be."""
        at, full = self.read(ref, region, steps)
        strides = regrouped(full, at.strides, shape)
        if strides is None:
            own = Place(Storage(prod(full), ref.operation.dtype, region), row_major(full))
            steps += self.copied(at, own, full, ref.operation.dtype)
            at, strides = own, row_major(shape)
        return replace(at, strides=strides), shape

    def indexed(self, op: Operation, region: Region) -> list[Step]:
        """Gather and scatter."""
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
        source = self.joined(values, shape, region, steps)
        picked = self.joined(indices, (count,), region, steps)
        out = self.place_of(op)
        strides = regrouped(op.shape, out.strides, result)
        target = out if strides is not None else Place(Storage(op.size, op.dtype, region), row_major(op.shape))
        self.clock += 1
        written = self.view(replace(target, strides=strides or row_major(result)), result)
        step: Any = Gather if op.kind == "gather" else Scatter
        steps.append(step(self.view(*source), self.view(*picked), written, op.node))
        if target is not out:
            steps += self.copied(target, out, op.shape, op.dtype)
        return steps

    def call(self, op: Operation, region: Region) -> list[Step]:
        assert op.node is not None
        steps: list[Step] = []
        lying = [self.read(ref, region, steps) for ref in op.args]
        self.clock += 1
        reads = [self.view(*at) for at in lying]
        steps.append(Call(op.node, op.node.attrs, tuple(reads), self.view(self.place_of(op), op.shape)))
        return steps


_EMITTERS: Final[dict[str, Callable[[_Emission, Operation, Region], list[Step]]]] = {
    "contract": _Emission.contract,
    "gather": _Emission.indexed,
    "scatter": _Emission.indexed,
    "call": _Emission.call,
}


def _packed(letters: str, sizes: dict[str, int]) -> Axes:
    return Axes(letters, row_major(tuple([sizes[x] for x in letters])))


def _scope(operations: Iterable[Operation]) -> str:
    """Whose work a step does: the scope of its last operation that has one."""
    found: Node | None = None
    for op in operations:
        if op.node is not None and op.node.scope is not None:
            found = op.node
    return str(found.scope) if found is not None else ""
