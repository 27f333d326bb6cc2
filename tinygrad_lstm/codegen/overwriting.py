"""Lets loops write their stacks over arrays that they read for the last time.

A step that reads a row of one array and writes a row of another, of the same size, moves half as much memory when the
second takes the place of the first. So the gates of a layer lie where its hoisted sums lay, and their gradients where
the gates did.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from math import prod
from typing import Final

from tinygrad_lstm.codegen.bodies import Draft
from tinygrad_lstm.codegen.fusing import Fused
from tinygrad_lstm.codegen.operations import Operation, Reference, Region, row_major
from tinygrad_lstm.codegen.ordering import Unit
from tinygrad_lstm.codegen.references import Axis, Place, Storage, canonical, coordinates, seen_at
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.types import Shape

__all__ = ["Layout", "overwritten"]

_OWN: Final = frozenset(("map", "reduce", "contract", "gather", "call", "stack"))


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """Where results lie.

    Attributes:
        places: the place of each result.
        over: for storages that use the memory of another one, that one.
        overlaid: results that were moved over memory that is no longer read.
    """

    places: Mapping[Operation, Place]
    over: Mapping[Storage, Storage]
    overlaid: frozenset[Operation]


def overwritten(layout: Layout, fused: Fused, region: Region, units: Sequence[Unit]) -> Layout:
    """The layout with stacks of a loop moved over arrays that only the loop's kernels read.

    Args:
        layout: the loop must be the first to write each of its stacks.
        region: the body of the loop.
        units: the units of the body.
    """
    if region.block.length == 1:
        return layout
    return _Overwriting(layout, fused, region, units).layout()


class _Overwriting:
    def __init__(self, layout: Layout, fused: Fused, region: Region, units: Sequence[Unit]) -> None:
        self.places, self.over, self.overlaid = dict(layout.places), dict(layout.over), set(layout.overlaid)
        self.placed, self.region, self.units = fused.placed, region, units
        self.lengths = fused.placed.form.lengths
        self.number = region.block.number
        self.written: dict[Operation, list[Operation]] = {op: [] for op in region.operations}
        for op, writer in self.placed.written_by.items():
            if writer in self.written:
                self.written[writer].append(op)

    def layout(self) -> Layout:
        """The layout after all moves."""
        reading = Counter(op for unit in self.units for op in set(unit.reads))
        writing_to: dict[Storage, set[Unit]] = {}
        for unit in self.units:
            for op in self.within(unit):
                if op in self.places:
                    writing_to.setdefault(self.places[op].storage, set()).add(unit)
        for unit in self.units:
            if unit.draft is None:
                continue
            free = self.last_reads(unit.draft, {op for op in unit.reads if reading[op] == 1})
            loose: dict[tuple[Shape, DType], list[tuple[Operation, Operation]]] = {}
            for stack, writing in self.stacks(unit, unit.draft, writing_to):
                if self.over_whole(stack, writing, free) or not self.movable(stack, writing):
                    continue
                if not self.over_rows(stack, writing[0], free):
                    loose.setdefault((stack.shape, stack.dtype), []).append((stack, writing[0]))
            for group in loose.values():
                if len(group) > 1 and group[0][1].shape:
                    self.side_by_side(group)
        return Layout(self.places, self.over, frozenset(self.overlaid))

    def within(self, unit: Unit) -> Iterator[Operation]:
        """The operations of a unit, with those in loops."""
        pending = list(unit.operations)
        while pending:
            op = pending.pop()
            yield op
            if op.kind == "loop":
                pending += self.placed.form.regions[op.attr].operations

    def memory(self, storage: Storage) -> Storage:
        while storage in self.over:
            storage = self.over[storage]
        return storage

    def stacks(
        self, unit: Unit, draft: Draft, writing_to: Mapping[Storage, set[Unit]]
    ) -> list[tuple[Operation, list[Operation]]]:
        """The stacks that only this kernel writes, and the operations that write them, in the order of their values."""
        written = []
        for stack, _ in self.region.stacks:
            storage = self.places[stack].storage
            if storage.owner is not stack or storage in self.over or writing_to.get(storage) != {unit}:
                continue
            writing = [op for op in unit.operations if op in self.places and self.places[op].storage is storage]
            if not any(len(op.shape) != len(draft.space) for op in writing):
                written.append((stack, writing))
        return sorted(written, key=lambda pair: draft.values[pair[1][0]])

    def last_reads(self, draft: Draft, alone: Set[Operation]) -> dict[Place, Operation]:
        """The places whose elements a kernel loads once, and that nothing reads later, with their operations.

        Args:
            alone: operations that no other unit of the region reads.
        """
        loads: dict[Operation, list[Reference]] = {}
        for ref in draft.reads:
            loads.setdefault(ref.operation, []).append(ref)
        last: dict[Place, Operation] = {}
        for op, refs in loads.items():
            if op not in alone or op.block is not self.region.block.parent or op.kind not in _OWN:
                continue
            place = self.places[op]
            if place.loops or (place.storage.owner is not self.placed.writer(op) and op not in self.overlaid):
                continue
            if any(reader.block is not self.region.block for reader, _ in self.placed.readers[op]):
                continue
            axes = [coordinates(ref, op.shape, self.lengths) for ref in refs]
            if all(a is not None and _once(a, ref, self.number) for a, ref in zip(axes, refs, strict=True)) and all(
                _disjoint(a or [], b or [], refs[0].shape, self.region.block.length)
                for k, a in enumerate(axes)
                for b in axes[:k]
            ):
                places = [seen_at(ref, place, self.lengths) for ref in refs]
                last.update({at: op for at in places if at is not None})
        return last

    def over_whole(self, stack: Operation, writing: list[Operation], free: dict[Place, Operation]) -> bool:
        """Move the whole stack over another array; False if one of its parts is not written where the kernel loads."""
        storage = self.places[stack].storage
        for other in {self.memory(at.storage): None for at in free}:
            if other.size != storage.size or other.dtype is not storage.dtype:
                continue
            targets = []
            for op in writing:
                at = self.places[op]
                targets.append(Place(other, canonical(op.shape, at.strides)[1], at.offset, at.loops))
            if all(at in free for at in targets):
                self.over[storage] = other
                self.overlaid.add(stack)
                for at in targets:
                    del free[at]
                return True
        return False

    def movable(self, stack: Operation, writing: list[Operation]) -> bool:
        """Whether each row is written as one piece, and the readers do not need the rows to be adjacent."""
        (first, *others), shape = writing, stack.shape[1:]
        natural = canonical(first.shape, self.places[first].strides) == canonical(shape, row_major(shape))
        # Results that the same operation writes would have to move as well.
        known = any(self.placed.readers.get(x) for x in self.written[first])
        return natural and not others and not known and all(x.fusible for x, _ in self.placed.readers.get(stack, ()))

    def over_rows(self, stack: Operation, write: Operation, free: dict[Place, Operation]) -> bool:
        """Move each row of the stack over a row that the kernel loads; False if there is none. Rows may have gaps."""
        for at, op in free.items():
            if op.dtype is stack.dtype and len(at.strides) == len(write.shape):
                ((_, step),) = at.loops
                if self.move(stack, write, Place(at.storage, at.strides, at.offset), step):
                    del free[at]
                    return True
        return False

    def side_by_side(self, group: list[tuple[Operation, Operation]]) -> None:
        """Put the rows of several stacks side by side into one array, which a later loop may write over."""
        stack, write = group[0]
        n = write.shape[-1]
        shape = (*write.shape[:-1], n * len(group))
        storage = Storage(stack.size * len(group), stack.dtype, stack.block)
        for k, (one, writing) in enumerate(group):
            self.move(one, writing, Place(storage, row_major(shape), k * n), prod(shape))

    def move(self, stack: Operation, write: Operation, row: Place, step: int) -> bool:
        """Place a stack by its first row and the distance between rows; False if a reader cannot read it there."""
        strides = iter(row.strides)
        over = Place(row.storage, (step, *[next(strides) if n != 1 else 0 for n in stack.shape[1:]]), row.offset)
        if any(seen_at(ref, over, self.lengths) is None for _, ref in self.placed.readers.get(stack, ())):
            return False
        self.places[write] = Place(row.storage, row.strides, row.offset, ((self.number, step),))
        self.places[stack] = over
        self.overlaid.add(stack)
        return True


def _once(axes: list[Axis], ref: Reference, loop: int) -> bool:
    """Whether each element is read once: each axis of the reference, and the time, moves a coordinate of its own."""
    if [number for number, _ in ref.loops] != [loop]:
        return False
    moving = [k for k, n in enumerate(ref.shape) if n > 1] + [-1]
    along = [[k for k, s in enumerate(axis.strides) if s] + [-1 for _ in axis.loops] for axis in axes]
    return all(len(one) <= 1 for one in along) and sorted(k for one in along for k in one) == sorted(moving)


def _disjoint(a: list[Axis], b: list[Axis], shape: tuple[int, ...], length: int) -> bool:
    """Whether two reads have no element in common, at any two times."""

    def reach(axis: Axis) -> tuple[int, int]:
        ends = [s * (n - 1) for s, n in zip(axis.strides, shape, strict=True)]
        ends += [s * (length - 1) for _, s in axis.loops]
        return axis.offset + sum(e for e in ends if e < 0), axis.offset + sum(e for e in ends if e > 0)

    for one, other in zip(a, b, strict=True):
        (low, high), (least, most) = reach(one), reach(other)
        if high < least or most < low:
            return True
    return False
