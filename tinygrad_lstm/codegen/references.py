"""References, as views change them; places, which are references in storages; and the arena that the storages share."""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tinygrad_lstm.codegen.operations import Block, Operation, Reference, row_major
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.types import Shape

__all__ = [
    "Axis",
    "Place",
    "Storage",
    "arranged",
    "at_time",
    "axis_order",
    "broadcast",
    "canonical",
    "coordinates",
    "flipped",
    "fresh",
    "is_whole",
    "regrouped",
    "reshaped",
    "seen_at",
    "sliced",
    "through",
    "transposed",
]

Strides = tuple[int, ...]
Loops = tuple[tuple[int, int], ...]


def transposed(ref: Reference, axes: Sequence[int]) -> Reference:
    """The reference with its axes in another order: axis ``i`` of the result is axis ``axes[i]``."""
    return replace(ref, shape=tuple([ref.shape[a] for a in axes]), strides=tuple([ref.strides[a] for a in axes]))


def sliced(ref: Reference, start: Shape, shape: Shape, step: Shape) -> Reference:
    """The elements from ``start`` on, ``step`` apart, ``shape`` of them."""
    offset = ref.offset + sum([a * s for a, s in zip(start, ref.strides, strict=True)])
    strides = tuple([s * k for s, k in zip(ref.strides, step, strict=True)])
    return replace(ref, shape=shape, strides=strides, offset=offset)


def flipped(ref: Reference, axes: Sequence[int]) -> Reference:
    """The reference with the elements along ``axes`` in reversed order."""
    strides = list(ref.strides)
    offset = ref.offset
    for a in axes:
        offset += max(ref.shape[a] - 1, 0) * strides[a]
        strides[a] = -strides[a]
    return replace(ref, strides=tuple(strides), offset=offset)


def broadcast(ref: Reference, shape: Shape) -> Reference:
    """The reference repeated to a larger shape, by NumPy's rules."""
    if shape == ref.shape:
        return ref
    lead = len(shape) - len(ref.shape)
    strides = [0] * lead + [0 if n == 1 else s for n, s in zip(ref.shape, ref.strides, strict=True)]
    return Reference(ref.operation, shape, tuple(strides), ref.offset, ref.loops)


def at_time(ref: Reference, loop: int) -> Reference:
    """The slice of the first axis at the present step of a loop."""
    return replace(
        ref, shape=ref.shape[1:], strides=ref.strides[1:], loops=joined_loops(ref.loops, ((loop, ref.strides[0]),))
    )


def joined_loops(a: Loops, b: Loops) -> Loops:
    """The movements with loops of ``a`` and ``b`` added together."""
    if not b:
        return a
    total = dict(a)
    for loop, stride in b:
        total[loop] = total.get(loop, 0) + stride
    return tuple(sorted((loop, stride) for loop, stride in total.items() if stride))


def canonical(shape: Shape, strides: Strides) -> tuple[Shape, Strides]:
    """A shape and strides without the axes of size 1."""
    if 1 not in shape:
        return shape, strides
    kept = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    return tuple([n for n, _ in kept]), tuple([s for _, s in kept])


def is_whole(ref: Reference) -> bool:
    """Whether a reference reads every element of the result once, in row-major order, in whatever shape."""
    if ref.offset or ref.loops:
        return False
    shape, strides = canonical(ref.shape, ref.strides)
    return strides == row_major(shape) and ref.operation.size == _size(shape)


def _size(shape: Shape) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def regrouped(shape: Shape, strides: Strides, target: Shape) -> Strides | None:
    """The strides that give an array of ``shape`` and ``strides`` the shape ``target``; None where there are none."""
    if _size(shape) == 0:
        return row_major(target)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    result = [0] * len(target)
    new = [k for k, n in enumerate(target) if n != 1]
    i = j = 0
    while i < len(old):
        last_old, last_new = i, j
        a, b = old[i][0], target[new[j]]
        while a != b:
            if a < b:
                last_old += 1
                a *= old[last_old][0]
            else:
                last_new += 1
                b *= target[new[last_new]]
        for k in range(i, last_old):
            if old[k][1] != old[k + 1][1] * old[k + 1][0]:
                return None
        step = old[last_old][1]
        for k in range(last_new, j - 1, -1):
            result[new[k]] = step
            step *= target[new[k]]
        i, j = last_old + 1, last_new + 1
    return tuple(result)


def reshaped(ref: Reference, shape: Shape) -> Reference | None:
    """The reference to the same elements in another shape; None where no strides give that."""
    strides = regrouped(ref.shape, ref.strides, shape)
    return None if strides is None else replace(ref, shape=shape, strides=strides)


class Axis(NamedTuple):
    """A coordinate as ``offset + Σ strides_j·i_j + Σ stride·t`` over axes of a space and loops."""

    offset: int
    strides: tuple[int, ...]
    loops: Loops


def coordinates(ref: Reference, shape: Shape, lengths: Mapping[int, int]) -> list[Axis] | None:
    """For each axis of ``shape``, the operation's, its coordinate by the reference's axes; None if one has none."""
    rank = len(ref.shape)
    if 0 in ref.shape or 0 in shape:
        # No element is read, so any coordinates will do.
        return [Axis(0, (0,) * rank, ())] * len(shape)
    terms = [(k, s, n) for k, (s, n) in enumerate(zip(ref.strides, ref.shape, strict=True)) if s and n > 1]
    terms += [(-1 - loop, s, lengths[loop]) for loop, s in ref.loops if s and lengths[loop] > 1]
    offset = ref.offset
    result: list[Axis] = []
    for k in range(len(shape) - 1, -1, -1):
        n = shape[k]
        here: list[tuple[int, int]] = []
        above: list[tuple[int, int, int]] = []
        low = high = 0
        for key, stride, count in terms:
            up, rest = int(stride / n) if k else 0, 0
            rest = stride - up * n
            if up:
                above.append((key, up, count))
            if rest:
                here.append((key, rest))
                reach = rest * (count - 1)
                low, high = (low + reach, high) if reach < 0 else (low, high + reach)
        start = offset % n if k else offset
        offset = offset // n
        if start + low < 0 or start + high >= n:
            return None
        terms = above
        strides = [0] * rank
        loops = []
        for key, stride in here:
            if key >= 0:
                strides[key] = stride
            else:
                loops.append((-1 - key, stride))
        result.append(Axis(start, tuple(strides), tuple(sorted(loops))))
    result.reverse()
    return result


def through(outer: Sequence[Axis], shape: Shape, inner: Reference) -> Reference:
    """The reference over ``shape`` that reads what ``inner`` reads at the coordinates ``outer``."""
    offset, loops = inner.offset, inner.loops
    strides = [0] * len(shape)
    for axis, stride in zip(outer, inner.strides, strict=True):
        if stride:
            offset += axis.offset * stride
            for k, s in enumerate(axis.strides):
                strides[k] += s * stride
            if axis.loops:
                loops = joined_loops(loops, tuple([(loop, s * stride) for loop, s in axis.loops]))
    return Reference(inner.operation, shape, tuple(strides), offset, loops)


def axis_order(ref: Reference) -> list[int] | None:
    """For each axis of the operation the axis of ``ref`` along it; None unless ``ref`` reads each element once."""
    if ref.offset or ref.loops or 0 in ref.shape:
        return None
    by_stride = {s: k for k, (n, s) in enumerate(zip(ref.shape, ref.strides, strict=True)) if n != 1}
    axes = []
    for n, s in zip(ref.operation.shape, row_major(ref.operation.shape), strict=True):
        if n == 1:
            axes.append(-1)
        elif s in by_stride and ref.shape[by_stride[s]] == n:
            axes.append(by_stride.pop(s))
        else:
            return None
    return None if by_stride else axes


@dataclass(frozen=True, eq=False, slots=True)
class Storage:
    """Memory for a number of elements.

    Attributes:
        block: the storage is in use within one step of this block.
        fixed: the number of its buffer, for an input or an output of the program.
        owner: the operation that it was made for, if this may still be moved; else None.
    """

    size: int
    dtype: DType
    block: Block
    fixed: int | None = None
    owner: Operation | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a result lies: one stride for each axis of its operation, in elements of the storage."""

    storage: Storage
    strides: tuple[int, ...]
    offset: int = 0
    loops: tuple[tuple[int, int], ...] = ()


def fresh(op: Operation) -> Place:
    """A place without gaps in a new storage."""
    return Place(Storage(op.size, op.dtype, op.block, owner=op), row_major(op.shape))


def seen_at(ref: Reference, place: Place, lengths: Mapping[int, int]) -> Place | None:
    """Where the elements that ``ref`` reads lie, one stride for each of its axes; None where no strides describe that.

    Args:
        place: the place of the result that is read.
    """
    below = ref.operation.shape
    plain = row_major(below)
    if place.strides == plain or canonical(below, place.strides) == canonical(below, plain):
        return Place(place.storage, ref.strides, place.offset + ref.offset, joined_loops(place.loops, ref.loops))
    axes = coordinates(ref, below, lengths)
    if axes is None:
        return None
    inner = Reference(ref.operation, below, place.strides, place.offset, place.loops)
    seen = through(axes, ref.shape, inner)
    return Place(place.storage, seen.strides, seen.offset, seen.loops)


_ALIGNMENT = 64


def arranged(intervals: Mapping[Storage, tuple[int, int]]) -> tuple[dict[Storage, int], int]:
    """A byte offset for each storage that lives from one step to another, both included, and the arena's size.

    In the order of their first steps, each takes the smallest gap that it fits into, or else the end of the arena.
    """
    offsets: dict[Storage, int] = {}
    gaps = _Gaps()
    ending: list[tuple[int, int, int, int]] = []
    for order, (storage, (first, last)) in enumerate(sorted(intervals.items(), key=lambda item: item[1])):
        while ending and ending[0][0] < first:
            _, _, offset, size = ending.pop(0)
            gaps.give(offset, size)
        size = -(-storage.size * storage.dtype.itemsize // _ALIGNMENT) * _ALIGNMENT
        offsets[storage] = gaps.take(size)
        if size:
            bisect.insort(ending, (last, order, offsets[storage], size))
    return offsets, gaps.end


class _Gaps:
    """The free stretches below ``end``, sorted by start and by size."""

    def __init__(self) -> None:
        self.end = 0
        self.starts: list[int] = []
        self.sizes: dict[int, int] = {}
        self.by_size: list[tuple[int, int]] = []

    def take(self, size: int) -> int:
        """The offset of ``size`` bytes, which are free no longer."""
        if not size:
            return 0
        k = bisect.bisect_left(self.by_size, (size, -1))
        if k < len(self.by_size):
            found, start = self.by_size[k]
            self.remove(start)
            if found > size:
                self.add(start + size, found - size)
            return start
        start = self.end
        if self.starts and self.starts[-1] + self.sizes[self.starts[-1]] == self.end:
            start = self.starts[-1]
            self.remove(start)
        self.end = start + size
        return start

    def give(self, start: int, size: int) -> None:
        """Make a stretch free again, and join it with the free ones beside it."""
        k = bisect.bisect_left(self.starts, start)
        if k < len(self.starts) and self.starts[k] == start + size:
            after = self.starts[k]
            size += self.sizes[after]
            self.remove(after)
        if k > 0 and self.starts[k - 1] + self.sizes[self.starts[k - 1]] == start:
            before = self.starts[k - 1]
            size += self.sizes[before]
            start = before
            self.remove(before)
        self.add(start, size)

    def add(self, start: int, size: int) -> None:
        bisect.insort(self.starts, start)
        self.sizes[start] = size
        bisect.insort(self.by_size, (size, start))

    def remove(self, start: int) -> None:
        size = self.sizes.pop(start)
        del self.starts[bisect.bisect_left(self.starts, start)]
        del self.by_size[bisect.bisect_left(self.by_size, (size, start))]
