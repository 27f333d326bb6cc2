"""Loops that write over what they have just read for the last time.

A step that reads a row of one array and writes a row of another, of the same size, moves half as much memory when the
second takes the place of the first. So the gates of a layer lie where its hoisted sums lay, and their gradients where
the gates did.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod

from tinygrad_lstm.codegen.expressions import Draft
from tinygrad_lstm.codegen.operations import Operation, Place, Reference, Region, Storage, row_major
from tinygrad_lstm.codegen.placing import Readers
from tinygrad_lstm.codegen.references import Axis, canonical, coordinates, placed
from tinygrad_lstm.codegen.scheduling import Unit
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.types import Shape

__all__ = ["overwrite_rows"]

_OWN = frozenset(("map", "reduce", "contract", "gather", "call", "stack"))


def overwrite_rows(region: Region, units: Sequence[Unit], readers: Readers, lengths: Mapping[int, int]) -> None:
    """Place the stacks of a loop, none of which has been written to yet, over arrays that only its kernels read."""
    if region.length == 1:
        return
    reading = Counter(op for unit in units for op in set(unit.reads))
    writing_to: dict[Storage, set[Unit]] = {}
    for unit in units:
        for op in unit.operations:
            if op.place is not None:
                writing_to.setdefault(op.place.storage, set()).add(unit)
    for unit in units:
        if unit.draft is None:
            continue
        alone = {op for op in unit.reads if reading[op] == 1}
        free = _last_reads(unit.draft, region, alone, readers, lengths)
        loose: dict[tuple[Shape, DType], list[tuple[Operation, Operation]]] = {}
        for stack, writing in _stacks(unit, region, writing_to):
            if _over_whole(stack, writing, free) or not _movable(stack, writing, readers):
                continue
            if not _over_rows(stack, writing[0], free, region, readers, lengths):
                loose.setdefault((stack.shape, stack.dtype), []).append((stack, writing[0]))
        for group in loose.values():
            if len(group) > 1 and group[0][1].shape:
                _side_by_side(group, region, readers, lengths)


def _stacks(
    unit: Unit, region: Region, writing_to: Mapping[Storage, set[Unit]]
) -> list[tuple[Operation, list[Operation]]]:
    """The stacks that a kernel alone writes, with the operations that do; in the order in which it computes them."""
    assert unit.draft is not None
    found = []
    for stack, _ in region.stacks:
        place = stack.place
        if place is None or place.storage.owner is not stack or place.storage.alias is not None:
            continue
        if writing_to.get(place.storage) != {unit}:
            continue
        writing = [op for op in unit.operations if op.place is not None and op.place.storage is place.storage]
        if not any(op.row or op.combining for op in writing):
            found.append((stack, writing))
    values = unit.draft.values
    return sorted(found, key=lambda pair: values[pair[1][0]])


def _last_reads(
    draft: Draft, region: Region, alone: set[Operation], readers: Readers, lengths: Mapping[int, int]
) -> dict[Place, Operation]:
    """The places that a kernel loads from and nobody reads later, whose rows it goes through once.

    Args:
        alone: what no other step of the region reads.
    """
    loads: dict[Operation, list[Reference]] = {}
    for ref in draft.reads:
        loads.setdefault(ref.operation, []).append(ref)
    found: dict[Place, Operation] = {}
    for op, refs in loads.items():
        if op not in alone or op.region is not region.parent or op.kind not in _OWN:
            continue
        if op.place is None or op.place.loops:
            continue
        if op.place.storage.owner is not op and not op.overlaid:
            continue
        if any(reader.region is not region for reader, _ in readers[op] if not reader.dead):
            continue
        axes = [coordinates(ref, op.shape, lengths) for ref in refs]
        if all(a is not None and _once(a, ref, region) for a, ref in zip(axes, refs, strict=True)) and all(
            _apart(a or [], b or [], refs[0].shape, region.length) for k, a in enumerate(axes) for b in axes[:k]
        ):
            places = [placed(ref, op.place, lengths) for ref in refs]
            found.update({at: op for at in places if at is not None})
    return found


def _once(axes: list[Axis], ref: Reference, region: Region) -> bool:
    """Whether each element is read at one point of one step: every axis and the time run along a coordinate alone."""
    if [loop for loop, _ in ref.loops] != [region.number]:
        return False
    moving = [k for k, n in enumerate(ref.shape) if n > 1] + [-1]
    along = [[k for k, s in enumerate(axis.strides) if s] + [-1 for _ in axis.loops] for axis in axes]
    return all(len(one) <= 1 for one in along) and sorted(k for one in along for k in one) == sorted(moving)


def _apart(a: list[Axis], b: list[Axis], shape: tuple[int, ...], length: int) -> bool:
    """Whether two sets of coordinates have no element in common, at any two times."""

    def reach(axis: Axis) -> tuple[int, int]:
        ends = [s * (n - 1) for s, n in zip(axis.strides, shape, strict=True)]
        ends += [s * (length - 1) for _, s in axis.loops]
        return axis.offset + sum(e for e in ends if e < 0), axis.offset + sum(e for e in ends if e > 0)

    for one, other in zip(a, b, strict=True):
        (low, high), (least, most) = reach(one), reach(other)
        if high < least or most < low:
            return True
    return False


def _over_whole(stack: Operation, writing: list[Operation], free: dict[Place, Operation]) -> bool:
    """Let the whole stack lie over another array, if each of its parts is written where the kernel loads."""
    assert stack.place is not None
    storage = stack.place.storage
    for other in {at.storage.final() for at in free}:
        if other.size != storage.size or other.dtype is not storage.dtype:
            continue
        wanted = [
            Place(other, canonical(op.shape, op.place.strides)[1], op.place.offset, op.place.loops)
            for op in writing
            if op.place is not None
        ]
        if all(at in free for at in wanted):
            storage.alias = other
            stack.overlaid = True
            for at in wanted:
                del free[at]
            return True
    return False


def _movable(stack: Operation, writing: list[Operation], readers: Readers) -> bool:
    """Whether the rows are written in one piece each, and need not be adjacent for those who read them."""
    (first, *others), shape = writing, stack.shape[1:]
    assert first.place is not None
    natural = canonical(first.shape, first.place.strides) == canonical(shape, row_major(shape))
    return natural and not others and all(x.fusible for x, _ in readers.get(stack, ()) if not x.dead)


def _over_rows(
    stack: Operation,
    write: Operation,
    free: dict[Place, Operation],
    region: Region,
    readers: Readers,
    lengths: Mapping[int, int],
) -> bool:
    """Let each row of the stack lie over one that the kernel loads; the rows need not be adjacent."""
    for at, op in free.items():
        if op.dtype is stack.dtype and len(at.strides) == len(write.shape):
            ((_, step),) = at.loops
            if _move(stack, write, Place(at.storage, at.strides, at.offset), step, region, readers, lengths):
                del free[at]
                return True
    return False


def _side_by_side(
    group: list[tuple[Operation, Operation]], region: Region, readers: Readers, lengths: Mapping[int, int]
) -> None:
    """Put the rows of several stacks into one array, along its last axis: a later loop may write over all at once."""
    stack, write = group[0]
    n = write.shape[-1]
    shape = (*write.shape[:-1], n * len(group))
    storage = Storage(stack.size * len(group), stack.dtype, stack.region)
    for k, (one, writing) in enumerate(group):
        _move(one, writing, Place(storage, row_major(shape), k * n), prod(shape), region, readers, lengths)


def _move(
    stack: Operation, write: Operation, row: Place, step: int, region: Region, readers: Readers,
    lengths: Mapping[int, int],
) -> bool:  # fmt: skip
    """Place a stack by its first row and the distance between rows, if all that read it can do so there."""
    strides = iter(row.strides)
    over = Place(row.storage, (step, *[next(strides) if n != 1 else 0 for n in stack.shape[1:]]), row.offset)
    if any(placed(ref, over, lengths) is None for _, ref in readers.get(stack, ())):
        return False
    write.place = Place(row.storage, row.strides, row.offset, ((region.number, step),))
    stack.place = over
    stack.overlaid = True
    return True
