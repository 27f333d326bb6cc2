"""A fused kernel as parts that a GPU runs one after the other.

Threads of different blocks cannot wait for each other inside of a kernel, and additions in the order in which threads
come would give other last digits in every run. So a kernel falls into

* ``sums``: what is combined over some axes into places in memory, each by threads of one block in a fixed order;
* ``rows``: reductions over the trailing axes and what rests on them, the threads of one block for each row;
* ``points``: everything else, one thread for each point.

Few long rows would leave most of the GPU idle: their reductions are ``sums`` too, kept in scratch memory.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from tinygrad_lstm.codegen.c_family.loop_nest import LoopNest
from tinygrad_lstm.codegen.operations import row_major
from tinygrad_lstm.codegen.program import Buffer, Kernel, Scalar, Store, View
from tinygrad_lstm.graph.dtypes import DType, float32

__all__ = ["KernelPart", "LaunchMemory", "RowNest", "kernel_parts"]

_FEW_ROWS: Final = 64
_LONG_ROW: Final = 2048
_LONGEST_ROW: Final = 1 << 18
"""Several blocks reduce each row that is longer than this, or longer than ``_LONG_ROW`` if there are few rows."""


class RowNest(LoopNest):
    """The loops of a kernel whose later passes compute all values again, as threads have no rows of scratch memory."""

    def comes_from_scratch(self, k: int, earlier: Sequence[set[int]]) -> bool:
        """Always False: a part stores nothing from one pass for the next."""
        return False


class LaunchMemory:
    """Memory behind the arena for values between the parts of one step; each step starts at its beginning again."""

    def __init__(self, buffers: Sequence[Buffer], arena: int) -> None:
        self.buffers = list(buffers)
        self._start = self._next = self.end = -(-arena // 256) * 256

    def begin(self) -> None:
        """Start a new step, which no longer needs the buffers of the last one."""
        self._next = self._start

    def buffer(self, size: int, dtype: DType) -> int:
        """The number of a new buffer."""
        self.buffers.append(Buffer(size, dtype, "temporary", self._next))
        self._next += -(-size * dtype.itemsize // 256) * 256
        self.end = max(self.end, self._next)
        return len(self.buffers) - 1


@dataclass(frozen=True, slots=True)
class KernelPart:
    """A part of a kernel that becomes one CUDA kernel; ``kind`` says how threads share the space."""

    kind: Literal["points", "rows", "sums"]
    kernel: Kernel


def kernel_parts(kernel: Kernel, scratch: LaunchMemory, overlap: Callable[[int, int], bool]) -> list[KernelPart]:
    """The parts of a kernel, in order. Combining stores come first, as plain stores may overwrite what these read."""
    nest = RowNest(kernel, overlap)
    if not nest.reduces:
        return [*_sums(kernel, kernel.stores), *_plain("points", kernel, kernel.stores)]
    staged = [s for s in kernel.stores if s.combine is not None and nest.stage[s.value]]
    border = len(kernel.shape) - kernel.reduced
    rows, row = math.prod(kernel.shape[:border]), math.prod(kernel.shape[border:])
    if not staged and row <= _LONGEST_ROW and (rows >= _FEW_ROWS or row <= _LONG_ROW):
        return [*_sums(kernel, kernel.stores), *_plain("rows", kernel, kernel.stores)]
    found, flat = _reductions(kernel, nest, scratch)
    within = [s for s in kernel.stores if nest.within(s)]
    once = [s for s in kernel.stores if not nest.within(s)]
    short = _collapsed(flat, border)
    found += [*_sums(flat, within), *_sums(short, _shortened(once, short))]
    # A store over the whole space overwrites only what its own points read; a store of rows may overwrite more.
    return [*found, *_plain("points", flat, within), *_plain("points", short, _shortened(once, short))]


def _plain(kind: Literal["points", "rows"], kernel: Kernel, stores: Sequence[Store]) -> list[KernelPart]:
    plain = tuple([s for s in stores if s.combine is None])
    return [KernelPart(kind, replace(kernel, stores=plain))] if plain else []


def _sums(kernel: Kernel, stores: Sequence[Store]) -> list[KernelPart]:
    """The parts of combining stores: one part for all that combine over the same axes."""
    groups: dict[tuple[bool, ...], list[Store]] = {}
    for s in stores:
        if s.combine is not None:
            own = tuple([stride != 0 or n == 1 for stride, n in zip(s.view.strides, kernel.shape, strict=True)])
            groups.setdefault(own, []).append(s)
    return [KernelPart("sums", replace(kernel, reduced=0, stores=tuple(group))) for group in groups.values()]


def _reductions(kernel: Kernel, nest: LoopNest, scratch: LaunchMemory) -> tuple[list[KernelPart], Kernel]:
    """Parts that write every reduction to scratch memory, and the kernel that loads the results from there."""
    border = len(kernel.shape) - kernel.reduced
    outer = kernel.shape[:border]
    strides = (*row_major(outer), *[0] * kernel.reduced)
    body, reads = list(kernel.body), list(kernel.reads)
    parts: list[KernelPart] = []
    for stage in range(1, max(nest.stage) + 1):
        own = [k for k, s in enumerate(kernel.body) if s.op == "reduce" and nest.stage[k] == stage and nest.live[k]]
        stores, loads = [], {}
        for k in own:
            s = kernel.body[k]
            dtype = float32 if s.dtype.name == "float16" else s.dtype
            view = View(scratch.buffer(math.prod(outer), dtype), kernel.shape, strides)
            stores.append(Store(s.args[0], view, s.attr))
            loads[k] = Scalar("load", (), dtype, len(reads))
            reads.append(view)
        so_far = replace(kernel, reduced=0, reads=tuple(reads), body=tuple(body), stores=tuple(stores))
        parts += _sums(so_far, stores)
        for k, load in loads.items():
            body[k] = load
    return parts, replace(kernel, reduced=0, reads=tuple(reads), body=tuple(body))


def _collapsed(kernel: Kernel, border: int) -> Kernel:
    """The kernel over its outer axes only, so that each row is one point."""
    shape = (*kernel.shape[:border], *[1] * (len(kernel.shape) - border))
    return replace(kernel, shape=shape, reads=tuple([replace(v, shape=shape) for v in kernel.reads]))


def _shortened(stores: Sequence[Store], kernel: Kernel) -> list[Store]:
    return [replace(s, view=replace(s.view, shape=kernel.shape)) for s in stores]
