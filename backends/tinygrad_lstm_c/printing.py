"""A program as C text: one exported function for each sequence of steps that needs no Python."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tinygrad_lstm.codegen.c_family.scalar import STORAGE
from tinygrad_lstm.codegen.program import (
    Call,
    Gather,
    Gemm,
    Kernel,
    Loop,
    Program,
    Scatter,
    Step,
    View,
    share_bytes,
    written_buffers,
)
from tinygrad_lstm_c.kernel import KernelText, kernel_text
from tinygrad_lstm_c.packed import pack_text, packable, packed_bytes, packed_text
from tinygrad_lstm_c.prelude import PRELUDE
from tinygrad_lstm_c.steps import StepText, gather_text, gemm_text, scatter_text

__all__ = ["Driven", "Printed", "RunItem", "Segment", "print_c"]


@dataclass(frozen=True, slots=True)
class Segment:
    """An exported C function: ``int64_t name(void *const *buffers, const int64_t *times, context *w)``.

    It returns 0, or for an index out of range the number of the step in ``Printed.checked``, counted from 1.

    Attributes:
        shared: whether it has work for more than one worker.
    """

    name: str
    shared: bool


@dataclass(frozen=True, slots=True)
class Driven:
    """A loop with a ``Call`` in it, which Python runs: ``items`` once for each time index ``times[place]``.

    Attributes:
        condition: what is read before each step, and ends the loop if it is false.
    """

    place: int
    length: int
    reverse: bool
    items: "tuple[RunItem, ...]"
    condition: View | None


RunItem = Segment | Driven | Call


@dataclass(frozen=True, slots=True)
class Printed:
    """A program as C.

    Attributes:
        prelude: the text that every program begins with.
        source: the program's own text.
        items: what to run, in order.
        loops: the numbers of the driven loops, by their places in ``times``.
        scratch: bytes of scratch memory that each worker needs.
        packed: bytes of memory that the workers share, for packed operands and for the parts of reductions.
        checked: the steps that can meet an index out of range.
    """

    prelude: str
    source: str
    items: tuple[RunItem, ...]
    loops: tuple[int, ...]
    scratch: int
    packed: int
    checked: tuple[Gather | Scatter, ...]


def print_c(program: Program) -> Printed:
    """The C text of a program. Its size does not depend on the lengths of the loops."""
    return _Printer(program).printed()


def _called(step: Step) -> bool:
    return isinstance(step, Call) or (isinstance(step, Loop) and any(_called(s) for s in step.steps))


@dataclass(slots=True)
class _Lines:
    """The lines of a segment while it is written.

    Attributes:
        last: which workers ran the last step: all, one, or none since the last barrier.
    """

    text: list[str] = field(default_factory=list)
    buffers: set[int] = field(default_factory=set)
    last: Literal["all", "one", "none"] = "none"

    def turn(self, shared: bool, pad: str) -> None:
        """Print a barrier if the next step may depend on what other workers have not finished."""
        if self.last == "all" or (shared and self.last == "one"):
            self.text.append(f"{pad}WAIT")
        self.last = "all" if shared else "one"


class _Printer:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.functions: dict[tuple[str, str], str] = {}
        self.texts: dict[int, KernelText | StepText] = {}
        self.segments: list[str] = []
        self.loops: list[int] = []
        self.checked: list[Gather | Scatter] = []
        self.packs: dict[int, int] = {}
        self.packed = 0

    def printed(self) -> Printed:
        items = self._items(self.program.steps)
        definitions = [f"KERNEL {attributes}void {name}{text}" for (attributes, text), name in self.functions.items()]
        source = "\n".join([*definitions, *self.segments])
        scratch = max((t.scratch for t in self.texts.values() if isinstance(t, KernelText)), default=0)
        return Printed(PRELUDE, source, items, tuple(self.loops), scratch, self.packed, tuple(self.checked))

    def _items(self, steps: Sequence[Step]) -> tuple[RunItem, ...]:
        """What to run for these steps: segments, calls, and the loops with calls in them."""
        items: list[RunItem] = []
        run: list[Step] = []
        for step in steps:
            if not _called(step):
                run.append(step)
                continue
            items += self._segment(run)
            run = []
            if isinstance(step, Call):
                items.append(step)
            elif isinstance(step, Loop):
                place = len(self.loops)
                self.loops.append(step.number)
                items.append(Driven(place, step.length, step.reverse, self._items(step.steps), step.condition))
        return (*items, *self._segment(run))

    def _segment(self, steps: Sequence[Step]) -> list[Segment]:
        if not steps:
            return []
        name = f"segment_{len(self.segments)}"
        lines = _Lines()
        self._steps(steps, lines, 1)
        head = [f"EXPORT int64_t {name}(void *const *buffers, const int64_t *times, context *w) {{"]
        for b in sorted(lines.buffers):
            ctype = STORAGE[self.program.buffers[b].dtype.name]
            head.append(f"  {ctype} *const b{b} = ({ctype} *)buffers[{b}];")
        head += [f"  const int64_t t{number} = times[{place}];" for place, number in enumerate(self.loops)]
        self.segments.append("\n".join([*head, *lines.text, "  return w->fault;", "}", ""]))
        return [Segment(name, any(self._shared(s) for s in steps))]

    def _shared(self, step: Step) -> bool:
        """Whether a step has work for more than one worker."""
        return any(self._shared(s) for s in step.steps) if isinstance(step, Loop) else self._text(step).shared != 0

    def _steps(self, steps: Sequence[Step], lines: _Lines, depth: int) -> None:
        """Append the text of these steps to ``lines``, with the barriers between them."""
        pad = "  " * depth
        for step in steps:
            shared = self._shared(step)
            if isinstance(step, Loop):
                self._pack(step, shared, lines, pad)
            lines.turn(shared, pad)
            if isinstance(step, Kernel | Gemm | Loop) and step.scope:
                lines.text.append(f"{pad}/* {step.scope.replace('*/', '* /')} */")
            if isinstance(step, Loop):
                t, n = f"t{step.number}", step.length
                turns = f"{t} = {n - 1}; {t} >= 0; --{t}" if step.reverse else f"{t} = 0; {t} < {n}; ++{t}"
                alone = "" if shared else "if (w->worker == 0) "
                lines.text.append(f"{pad}{alone}for (int64_t {turns}) {{")
                lines.last = "none" if shared else "one"
                if step.condition is not None:
                    self._ask(step.condition, shared, lines, pad)
                self._steps(step.steps, lines, depth + 1)
                if shared:
                    # No step of the loop begins before every worker has finished the one before.
                    lines.text.append(f"{pad}  WAIT")
                    lines.last = "none"
                lines.text.append(f"{pad}}}")
            else:
                self._step(step, shared, lines, pad)

    def _ask(self, condition: View, shared: bool, lines: _Lines, pad: str) -> None:
        """Print what ends a loop: its condition, or an index out of range, after which the condition may hold for ever.

        All workers read both before one of them begins the step that changes them.
        """
        lines.buffers.add(condition.buffer)
        if shared:
            lines.text.append(f"{pad}  const int go = *({_address(condition)}) && !faulted(w);")
            lines.text += [f"{pad}  WAIT", f"{pad}  if (!go) break;"]
        else:
            lines.text.append(f"{pad}  if (!*({_address(condition)}) || faulted(w)) break;")

    def _pack(self, loop: Loop, shared: bool, lines: _Lines, pad: str) -> None:
        """Print, before a loop, the packing of right operands of its products that its steps do not change."""
        written = [b for step in loop.steps for b in written_buffers(step)]
        for step in loop.steps:
            if not isinstance(step, Gemm) or not packable(step, loop.length):
                continue
            moves = any(number == loop.number and stride for number, stride in step.right.loops)
            if moves or any(self._overlap(step.right.buffer, b) for b in written):
                continue
            dtype = self.program.buffers[step.out.buffer].dtype
            self.packs[id(step)] = self.packed
            self.texts[id(step)] = packed_text(step, dtype, self._text(step).shared)
            lines.turn(shared, pad)
            self._line(pack_text(step, dtype), shared, [f"(void *)(w->packed + {self.packed})"], lines, pad)
            self.packed += -(-packed_bytes(step, dtype) // 64) * 64

    def _step(self, step: Step, shared: bool, lines: _Lines, pad: str) -> None:
        text = self._text(step)
        arguments = []
        if isinstance(text, KernelText):
            if text.common:
                arguments += ["w", f"w->packed + {self.packed}"]
                self.packed += -(-text.common // 64) * 64
            arguments += ["w->scratch"] * (text.scratch > 0)
        elif id(step) in self.packs:
            arguments.append(f"(void *)(w->packed + {self.packs[id(step)]})")
        else:
            arguments.append("w")
        if isinstance(step, Gather | Scatter):
            self.checked.append(step)
            arguments.append(str(len(self.checked)))
        self._line(text, shared, arguments, lines, pad)

    def _line(self, text: KernelText | StepText, shared: bool, own: list[str], lines: _Lines, pad: str) -> None:
        """The call of a step's function."""
        attributes, extent = "", str(text.shared or 1)
        if isinstance(text, StepText):
            attributes, extent = text.attributes, text.extent or extent
        function = (attributes, f"{text.parameters} {text.body}")
        name = self.functions.setdefault(function, f"step_{len(self.functions)}")
        bounds = ["0", extent]
        if shared:
            bounds = [f"share({extent}, w->worker{k}, w->workers)" for k in ("", " + 1")]
        arguments = [*bounds, *own, *[_address(v) for v in text.views]]
        lines.buffers.update(v.buffer for v in text.views)
        alone = "" if shared else "if (w->worker == 0) "
        lines.text.append(f"{pad}{alone}{name}({', '.join(arguments)});")

    def _text(self, step: Step) -> KernelText | StepText:
        if id(step) not in self.texts:
            self.texts[id(step)] = self._new_text(step)
        return self.texts[id(step)]

    def _new_text(self, step: Step) -> KernelText | StepText:
        buffers = self.program.buffers
        match step:
            case Kernel():
                return kernel_text(step, buffers, self._overlap)
            case Gemm():
                return gemm_text(step, buffers[step.out.buffer].dtype)
            case Gather():
                return gather_text(step, buffers[step.out.buffer].dtype, buffers[step.indices.buffer].dtype)
            case Scatter():
                return scatter_text(step, buffers[step.out.buffer].dtype, buffers[step.indices.buffer].dtype)
            case _:
                raise TypeError(f"{type(step).__name__} has no C text")

    def _overlap(self, a: int, b: int) -> bool:
        return a == b or share_bytes(self.program.buffers[a], self.program.buffers[b])


def _address(view: View) -> str:
    terms = [f"b{view.buffer}", *([str(view.offset)] if view.offset else [])]
    terms += [f"t{number} * {stride}" for number, stride in view.loops if stride]
    return " + ".join(terms)
