"""The memory of a program that the verifier runs: every cell knows which step wrote it."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.codegen.meaning import COMBINE, IDENTITY, Numbers, Values, elements
from tinygrad_lstm.codegen.program import Combine, Program, View

__all__ = ["Memory", "Read"]

_PART: Final = np.uint64(0xD1B54A32D192ED03)
_UNWRITTEN, _GIVEN = -1, -2


@dataclass(frozen=True, slots=True)
class Read:
    """The numbers that were read, and the step that wrote each: -1 for none, -2 for what was there before the run."""

    found: Numbers
    writers: NDArray[np.int64]


class Memory:
    """Cells of the size of the smallest element; a larger element fills several cells, each with a part of it."""

    def __init__(self, program: Program, values: Values) -> None:
        self.program, self.values = program, values
        widths = [b.dtype.itemsize for b in program.buffers]
        self.unit = min(widths, default=1)
        end = -(-program.arena // self.unit)
        self.starts: list[int] = []
        for b in program.buffers:
            if b.role == "temporary":
                self.starts.append(b.offset // self.unit)
            else:
                self.starts.append(end)
                end += b.size * b.dtype.itemsize // self.unit
        # Cells that no step has written are random, so that none is by chance what a step should read.
        self.cells = np.random.default_rng(1).integers(0, 2**64, max(end, 1), np.uint64)
        self.writers = np.full(max(end, 1), _UNWRITTEN, np.int64)
        for k, b in enumerate(program.buffers):
            if b.role == "constant":
                self.fill(k, values.array(b.value, b.size))

    def fill(self, buffer: int, numbers: Numbers) -> None:
        """Fill a buffer before the program runs."""
        if numbers.size:
            self.write(View(buffer, numbers.shape, (1,)), numbers, _GIVEN)

    def parts(self, view: View) -> int:
        return self.program.buffers[view.buffer].dtype.itemsize // self.unit

    def where(self, view: View) -> NDArray[np.int64]:
        """The number of the first cell of each element."""
        start = self.values.start(view.offset, view.loops)
        return self.starts[view.buffer] + (elements(view.shape, view.strides) + start) * self.parts(view)

    def read(self, view: View) -> Read:
        """The numbers that a view holds; a wrong number where it reads parts of different elements as one."""
        at = self.where(view)
        found = self.cells[at]
        for part in range(1, self.parts(view)):
            torn = self.cells[at + part] != found + np.uint64(part) * _PART
            found = np.where(torn, ~found, found)
        return Read(found, self.writers[at])

    def write(self, view: View, numbers: Numbers, step: int, combine: Combine | None = None) -> None:
        at = self.where(view)
        if combine is not None:
            cells, inverse = np.unique(at, return_inverse=True)
            total = np.full(cells.shape, IDENTITY[combine], np.uint64)
            COMBINE[combine].at(total, inverse.ravel(), np.ravel(numbers))
            at, numbers = cells, total
        for part in range(self.parts(view)):
            self.cells[at + part] = numbers + np.uint64(part) * _PART
            self.writers[at + part] = step

    def overlap(self, a: View, b: View) -> bool:
        """Whether two views have a cell in common at the present step."""
        if not self.near(a, b):
            return False
        return bool(np.intersect1d(self.all_cells(a), self.all_cells(b)).size)

    def clash(self, store: View, load: View, outer: int, combined: bool) -> bool:
        """Whether a kernel writes a cell at one point and reads it at another.

        Args:
            outer: how many axes are not reduced. A row is written after all of it was read.
        """
        if not self.near(store, load):
            return False
        written, read = self.where(store), self.where(load)
        if np.array_equal(written, read) and self.parts(store) == self.parts(load) and not combined:
            # Each element is written where it is read; that clashes only if several points share it.
            return np.unique(written).size != written.size and not self.by_row(store, outer)
        points = np.full(self.cells.shape, -1, np.int64)
        shape = store.shape
        rows = shape[:outer] if self.by_row(store, outer) else shape
        count: Any = np.arange(int(np.prod(rows))).reshape((*rows, *(1,) * (len(shape) - len(rows))))
        point = np.broadcast_to(count, shape)
        for part in range(self.parts(store)):
            points[written + part] = point
        for part in range(self.parts(load)):
            writers = points[read + part]
            if np.any((writers != -1) & ((writers != point) | combined)):
                return True
        return False

    def by_row(self, view: View, outer: int) -> bool:
        return outer < len(view.shape) and not any(view.strides[outer:])

    def near(self, a: View, b: View) -> bool:
        one, other = self.program.buffers[a.buffer], self.program.buffers[b.buffer]
        if 0 in a.shape or 0 in b.shape:
            return False
        return a.buffer == b.buffer or (one.role == other.role == "temporary")

    def all_cells(self, view: View) -> NDArray[np.int64]:
        at = self.where(view).ravel()
        return np.unique(at[:, None] + np.arange(self.parts(view)))
