"""The space of a kernel as arrays: the shape of each value, and which views overlap in memory."""

from dataclasses import dataclass, field, replace

import numpy as np

from tinygrad_lstm.codegen.program import Kernel, Program, Store, View, share_bytes

__all__ = ["Scratch", "Shape", "last_reads", "narrow", "overlap", "resting", "shapes_of", "with_axis", "written"]

Shape = tuple[int, ...]


def overlap(program: Program, a: View, b: View) -> bool:
    """Whether two views may have an element in common; where that depends on the time index, True."""
    if a.buffer != b.buffer:
        return share_bytes(program.buffers[a.buffer], program.buffers[b.buffer])
    if dict(a.loops) != dict(b.loops):
        return True
    return bool(np.shares_memory(np.asarray(_Addresses(a)), np.asarray(_Addresses(b))))


class _Addresses:
    """An array that stands for a buffer, to compare addresses; its memory is never read."""

    def __init__(self, view: View) -> None:
        # An address far from 0, so that no negative stride leads below it.
        data = (1 << 50) + view.offset
        strides = view.strides
        self.__array_interface__ = {
            "version": 3, "typestr": "|i1", "shape": view.shape, "strides": strides, "data": (data, True),
        }  # fmt: skip


def with_axis(kernel: Kernel) -> Kernel:
    """The kernel; if its space has no axes, with one axis of size 1."""

    def one(view: View) -> View:
        return replace(view, shape=(1,), strides=(0,))

    stores = tuple(replace(s, view=one(s.view)) for s in kernel.stores)
    return replace(kernel, shape=(1,), reads=tuple(map(one, kernel.reads)), stores=stores)


def narrow(view: View) -> View:
    """The view with size 1 along axes of stride 0."""
    shape = tuple(n if s else min(n, 1) for n, s in zip(view.shape, view.strides, strict=True))
    return view if shape == view.shape else replace(view, shape=shape)


def written(store: Store, shape: Shape) -> View:
    """The view that a store of a value of this shape writes, with size 1 along the axes that it does not move along."""
    narrowed = list(narrow(store.view).shape)
    for axis, n in enumerate(store.view.shape):
        if n == 0 and not store.view.strides[axis]:
            # A sum of no values is written too.
            narrowed[axis] = 1 if store.combine else shape[axis]
    return replace(store.view, shape=tuple(narrowed))


def shapes_of(kernel: Kernel) -> list[Shape]:
    """The shape of each value, with size 1 along the axes along which it does not change."""
    rank = len(kernel.shape)
    shapes: list[Shape] = []
    for scalar in kernel.body:
        if scalar.op == "load":
            shape = narrow(kernel.reads[scalar.attr]).shape
        elif scalar.op == "index":
            shape = tuple(n if a == scalar.attr else 1 for a, n in enumerate(kernel.shape))
        elif scalar.op == "reduce":
            inner = rank - kernel.reduced
            shape = (*shapes[scalar.args[0]][:inner], *(1,) * kernel.reduced)
        else:
            shape = np.broadcast_shapes((1,) * rank, *[shapes[a] for a in scalar.args])
        shapes.append(shape)
    return shapes


def resting(kernel: Kernel) -> list[bool]:
    """For each value, whether it is computed from the result of a reduction."""
    rests: list[bool] = []
    for scalar in kernel.body:
        rests.append(scalar.op == "reduce" or any(rests[a] for a in scalar.args))
    return rests


def last_reads(kernel: Kernel) -> tuple[list[int], list[bool]]:
    """For each value, where it is read for the last time, and whether a store needs it at all."""
    last, wanted = [-1] * len(kernel.body), [False] * len(kernel.body)
    for store in kernel.stores:
        last[store.value], wanted[store.value] = store.value, True
    for k in range(len(wanted) - 1, -1, -1):
        if wanted[k]:
            for a in kernel.body[k].args:
                last[a], wanted[a] = max(last[a], k), True
    return last, wanted


@dataclass(slots=True)
class Scratch:
    """Memory for the values of one kernel; a place is reused after the last read of its value."""

    size: int = 0
    free: list[tuple[int, int]] = field(default_factory=list)

    def take(self, size: int) -> tuple[int, int]:
        """A place of at least ``size`` bytes, as its offset and its size."""
        size = -(-size // 64) * 64
        for place in self.free:
            if place[1] == size:
                self.free.remove(place)
                return place
        self.size += size
        return self.size - size, size
