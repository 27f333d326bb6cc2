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
    """Lines of text, indented by what they stand in."""

    indent: str = ""
    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """One more line."""
        self.lines.append(self.indent + line)


@dataclass(slots=True)
class Open:
    """A loop that is being printed.

    Attributes:
        written: the buffers that its steps write to.
        rows: by the views that are rows: the array that the loop steps through, and the row's name.
        before: statements that stand before it.
        copies: by the views that were copied before it: the copy's name.
    """

    loop: Loop
    written: frozenset[int]
    rows: dict[View, tuple[str, str]] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    copies: dict[View, str] = field(default_factory=dict)


class Names:
    """Makes each view once, as far out as it can be made: with the program, with the call, or by a loop's header."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.once = Lines()
        """What is made with the program."""
        self.each = Lines("    ")
        """What is made with each call."""
        self.values: dict[str, Any] = {}
        """What the text reads and does not make: the constants, for one."""
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
        """A name that is not in use: the stem, with a number from the second time on."""
        self._count[stem] = self._count.get(stem, 0) + 1
        return stem if self._count[stem] == 1 else f"{stem}_{self._count[stem]}"

    def constant(self, value: Any, dtype: str) -> str:
        """The name of a 0-d array."""
        text = repr(value) if value == value and value not in (float("inf"), -float("inf")) else f'float("{value}")'
        return self.shared("c", f"array({text}, {dtype!r})")

    def shared(self, stem: str, made: str) -> str:
        """The name of the value of an expression that is computed once, when the program is made."""
        name = self._shared.get(made)
        if name is None:
            name = self._shared[made] = self.fresh(stem)
            self.once.add(f"{name} = {made}")
        return name

    def view(self, view: View) -> str:
        """The variable that holds a view, within the loops ``open``."""
        if not view.shape:
            # Rows of an array with one axis would be numbers, which cannot be written to.
            view = replace(view, shape=(1,), strides=(1,))
        return self._at(view, len(self.open))

    def copied(self, view: View) -> str | None:
        """A row-major copy of a view that no open loop changes or moves, made before all of them; None if one does."""
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
        moving = dict(view.loops)
        for at in range(depth - 1, -1, -1):
            entered = self.open[at]
            loop = entered.loop
            if loop.number not in moving:
                continue
            found = entered.rows.get(view)
            if found is None:
                step, length = moving[loop.number], loop.length
                others = tuple((n, s) for n, s in view.loops if n != loop.number)
                offset = view.offset + (max(length - 1, 0) * step if loop.reverse else 0)
                strides = (-step if loop.reverse else step, *view.strides)
                whole = replace(view, shape=(length, *view.shape), strides=strides, offset=offset, loops=others)
                found = entered.rows[view] = (self._at(whole, at), self.fresh(f"{self._memory[view.buffer]}t"))
            return found[1]
        name = self._made.get(view)
        if name is None:
            name = self._made[view] = self._make(view)
        return name

    def _make(self, view: View) -> str:
        buffer = self.program.buffers[view.buffer]
        memory = self._memory[view.buffer]
        name = self.fresh(f"{memory}_")
        mine = buffer.role in ("input", "output")
        offset = view.offset
        if buffer.role == "constant":
            self.values[memory] = np.ascontiguousarray(buffer.value, buffer.dtype.name).reshape(-1)
        elif not mine:
            memory = "arena"
            offset += buffer.offset // buffer.dtype.itemsize
        if mine and view.offset == 0 and prod(view.shape) == buffer.size and view.strides == dense(view.shape):
            made = f"{memory}.reshape({view.shape})"
        else:
            made = f"view({memory}, {buffer.dtype.name!r}, {view.shape}, {view.strides}, {offset})"
        (self.each if mine else self.once).add(f"{name} = {made}")
        return name


def dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of an array without gaps."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))
