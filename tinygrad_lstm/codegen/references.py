"""Arithmetic on references: views as changes of strides, and the coordinates that strides stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from tinygrad_lstm.codegen.operations import Reference, row_major
from tinygrad_lstm.graph.types import Shape

__all__ = [
    "Axis",
    "at_time",
    "axis_order",
    "broadcast",
    "canonical",
    "coordinates",
    "flipped",
    "is_whole",
    "regrouped",
    "reshaped",
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
