"""The names under which generated NumPy statements read and write memory."""

from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from tinygrad_lstm.codegen.program import Loop, Program, View

__all__ = ["Lines", "Names", "Open", "dense"]

_LETTER = {"input": "x", "output": "y", "constant": "k", "temporary": "b"}


@dataclass(slots=True)
class Lines:
    """Lines of text, indented by the loops that they stand in."""

    indent: str = ""
    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Append a line."""
        self.lines.append(self.indent + line)


@dataclass(slots=True)
class Open:
    """A loop that is being printed.

    Attributes:
        written: the buffers that its steps write to.
        rows: for views that are rows of an array: the array that the loop steps through, and the row's name.
        before: the lines before the loop.
        copies: the names of copies that were made before the loop, by view.
    """

    loop: Loop
    written: frozenset[int]
    rows: dict[View, tuple[str, str]] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    copies: dict[View, str] = field(default_factory=dict)


class Names:
    """Makes each view once, as early as possible: with the program, at the start of a call, or in a loop's header."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.once = Lines()
        """The lines that run once, when the program is made."""
        self.each = Lines("    ")
        """The lines that run at the start of each call."""
        self.values: dict[str, Any] = {}
        """The objects that the text reads and does not make, such as constants."""
        self.open: list[Open] = []
        self._made: dict[View, str] = {}
        self._count: dict[str, int] = {}
        self._shared: dict[str, str] = {}
        self._memory = self._named_buffers()

    def _named_buffers(self) -> list[str]:
        names = []
        inputs = {b: k for k, b in enumerate(self.program.inputs)}
        outputs = {b: k for k, b in enumerate(self.program.outputs)}
        for number, buffer in enumerate(self.program.buffers):
            position = {"input": inputs, "output": outputs}.get(buffer.role, {}).get(number, number)
            names.append(f"{_LETTER[buffer.role]}{position}")
        return names

    def fresh(self, stem: str) -> str:
        """A new name: the stem, followed by a number from the second time on."""
        self._count[stem] = self._count.get(stem, 0) + 1
        return stem if self._count[stem] == 1 else f"{stem}_{self._count[stem]}"

    def constant(self, value: Any, dtype: str) -> str:
        """The name of a 0-d array with this value."""
        text = repr(value) if value == value and value not in (float("inf"), -float("inf")) else f'float("{value}")'
        return self.shared("c", f"array({text}, {dtype!r})")

    def shared(self, stem: str, made: str) -> str:
        """The name of the value of the expression ``made``, which is computed once, when the program is made."""
        name = self._shared.get(made)
        if name is None:
            name = self._shared[made] = self.fresh(stem)
            self.once.add(f"{name} = {made}")
        return name

    def view(self, view: View) -> str:
        """The name of the variable that holds a view, inside the open loops."""
        if not view.shape:
            # Rows of an array with one axis would be numbers, and numbers cannot be written to.
            view = replace(view, shape=(1,), strides=(1,))
        return self._at(view, len(self.open))

    def copied(self, view: View) -> str | None:
        """The name of a row-major copy of a view, made before all open loops; None if one of them changes the view."""
        moving = {number for number, _ in view.loops}
        if not self.open or any(o.loop.number in moving or view.buffer in o.written for o in self.open):
            return None
        outermost = self.open[0]
        name = outermost.copies.get(view)
        if name is None:
            name = outermost.copies[view] = self.fresh("w")
            dtype = self.program.buffers[view.buffer].dtype.name
            self.once.add(f"{name} = empty({view.shape}, {dtype!r})")
            outermost.before.append(f"copyto({name}, {self._at(view, 0)})")
        return name

    def _at(self, view: View, depth: int) -> str:
        """The name of a view inside the first ``depth`` open loops; a row of the innermost one that moves the view."""
        moving = dict(view.loops)
        for at in range(depth - 1, -1, -1):
            entered = self.open[at]
            loop = entered.loop
            if loop.number not in moving:
                continue
            row = entered.rows.get(view)
            if row is None:
                step, length = moving[loop.number], loop.length
                others = tuple((n, s) for n, s in view.loops if n != loop.number)
                offset = view.offset + (max(length - 1, 0) * step if loop.reverse else 0)
                strides = (-step if loop.reverse else step, *view.strides)
                whole = replace(view, shape=(length, *view.shape), strides=strides, offset=offset, loops=others)
                row = entered.rows[view] = (self._at(whole, at), self.fresh(f"{self._memory[view.buffer]}t"))
            return row[1]
        name = self._made.get(view)
        if name is None:
            name = self._made[view] = self._make(view)
        return name

    def _make(self, view: View) -> str:
        """Make a view where it is first possible, and return its name."""
        buffer = self.program.buffers[view.buffer]
        memory = self._memory[view.buffer]
        name = self.fresh(f"{memory}_")
        callers = buffer.role in ("input", "output")
        offset = view.offset
        if buffer.role == "constant":
            self.values[memory] = np.ascontiguousarray(buffer.value, buffer.dtype.name).reshape(-1)
        elif not callers:
            memory = "arena"
            offset += buffer.offset // buffer.dtype.itemsize
        if callers and view.offset == 0 and prod(view.shape) == buffer.size and view.strides == dense(view.shape):
            made = f"{memory}.reshape({view.shape})"
        else:
            made = f"view({memory}, {buffer.dtype.name!r}, {view.shape}, {view.strides}, {offset})"
        (self.each if callers else self.once).add(f"{name} = {made}")
        return name


def dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of an array without gaps."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))
