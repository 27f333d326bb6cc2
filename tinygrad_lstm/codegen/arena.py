"""One arena for all temporaries: those that are in use at different times share bytes."""

import bisect
from collections.abc import Mapping

from tinygrad_lstm.codegen.places import Storage

__all__ = ["arranged"]

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
