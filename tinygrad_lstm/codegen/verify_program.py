"""The verifier of programs: whether a program computes what its operations say. An error is a bug of the lowering.

Three things are checked. Every view lies inside its buffer. No two temporaries that share bytes are in use at the same
time. And, for programs that are small enough to be run here: each step finds in memory, element by element, exactly the
values that it has to read, and leaves those that it has to write. For that the program runs over numbers that differ
for different values (:mod:`~tinygrad_lstm.codegen.meaning`), and its operations are evaluated beside it, without
memory.
"""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, Final

import numpy as np

from tinygrad_lstm.codegen.emission import Emitted
from tinygrad_lstm.codegen.lifetimes import in_use
from tinygrad_lstm.codegen.meaning import (
    COMBINE,
    IDENTITY,
    Numbers,
    Values,
    applied,
    meaning_of_call,
    meaning_of_constant,
    picked,
    trips,
)
from tinygrad_lstm.codegen.operations import Operations, Reference
from tinygrad_lstm.codegen.program import Call, Gather, Gemm, Kernel, Loop, Program, Scatter, Step, View
from tinygrad_lstm.codegen.program_text import printed_step, printed_view
from tinygrad_lstm.codegen.simulated_memory import Memory
from tinygrad_lstm.errors import ProgramError

__all__ = ["verify_program"]

_LIMIT: Final = 200_000
"""Programs run up to this many points of kernels and products, in all steps of all loops."""


def verify_program(form: Operations, emitted: Emitted, limit: int = _LIMIT) -> None:
    """Raise unless the program does what its operations say.

    Args:
        limit: how many points of kernels and products a program may have to be run.

    Raises:
        ProgramError: naming the first step that reads or writes other bytes than it should.
    """
    program = emitted.program
    steps = list(_numbered(program.steps))
    for k, (step, loops) in enumerate(steps):
        for view in views_of(step):
            _inside(program, view, loops, k, step)
    for one, other in in_use(program):
        raise ProgramError(f"buffers b{one} and b{other} share bytes and are in use at the same time")
    if sum(_points(step) * prod(n for _, n in loops) for step, loops in steps) <= limit:
        with np.errstate(over="ignore"):
            _Run(form, emitted).run()


def views_of(step: Step) -> list[View]:
    """The views that a step reads and writes, those of steps in a loop left out."""
    if isinstance(step, Kernel):
        return [*step.reads, *[s.view for s in step.stores]]
    if isinstance(step, Gemm):
        return [step.left, step.right, step.out]
    if isinstance(step, Gather):
        return [step.source, step.indices, step.out]
    if isinstance(step, Scatter):
        return [step.updates, step.indices, step.out]
    if isinstance(step, Loop):
        return [step.condition] if step.condition is not None else []
    return [*step.reads, step.out] if isinstance(step, Call) else []


def _numbered(steps: Sequence[Step]) -> Iterator[tuple[Step, tuple[tuple[int, int], ...]]]:
    """All steps in the order in which they print, each with the numbers and lengths of the loops around it."""
    pending: list[tuple[Step, tuple[tuple[int, int], ...]]] = [(step, ()) for step in reversed(steps)]
    while pending:
        step, loops = pending.pop()
        yield step, loops
        if isinstance(step, Loop):
            count = trips(step.length, step.condition is not None)
            pending += [(inner, (*loops, (step.number, count))) for inner in reversed(step.steps)]


def _points(step: Step) -> int:
    if isinstance(step, Gemm):
        return prod(step.left.shape) * step.out.shape[-1]
    return max([prod(v.shape) for v in views_of(step)], default=0)


def _inside(program: Program, view: View, loops: Sequence[tuple[int, int]], k: int, step: Step) -> None:
    """Raise where a view reaches out of its buffer, or moves with a loop that it is not in."""
    if 0 in view.shape:
        return
    lengths = dict(loops)
    reaches = [s * (n - 1) for n, s in zip(view.shape, view.strides, strict=True)]
    for loop, stride in view.loops:
        if loop not in lengths:
            raise ProgramError(f"step {k}: {printed_view(view)} moves with loop {loop}, outside of it: {_first(step)}")
        reaches.append(stride * (lengths[loop] - 1))
    low = view.offset + sum(r for r in reaches if r < 0)
    high = view.offset + sum(r for r in reaches if r > 0)
    size = program.buffers[view.buffer].size
    if low < 0 or high >= size:
        raise ProgramError(
            f"step {k}: {printed_view(view)} reaches from element {low} to {high} of {size}: {_first(step)}"
        )


def _first(step: Step) -> str:
    return printed_step(step)[0]


class _Run:
    """A run of a program over numbers, compared with the values of its operations.

    Attributes:
        numbers: for each step its position in the order in which a program prints.
    """

    def __init__(self, form: Operations, emitted: Emitted) -> None:
        self.emitted, self.program = emitted, emitted.program
        self.values = Values(form)
        self.memory = Memory(self.program, self.values)
        self.numbers = {id(step): k for k, (step, _) in enumerate(_numbered(self.program.steps))}

    def run(self) -> None:
        for op, buffer in zip(self.emitted.inputs, self.program.inputs, strict=True):
            self.memory.fill(buffer, self.values.of(op).ravel())
        self.steps(self.program.steps)
        for op, buffer in zip(self.emitted.outputs, self.program.outputs, strict=True):
            whole = View(buffer, (op.size,), (1,))
            if op.size and not np.array_equal(self.memory.read(whole).found, self.values.of(op).ravel()):
                raise ProgramError(f"output b{buffer} does not hold what the graph says when the program has run")

    def steps(self, steps: Sequence[Step]) -> None:
        """Run steps, and compare what each reads and writes with what it has to."""
        for step in steps:
            k = self.numbers[id(step)]
            if isinstance(step, Loop):
                times = range(trips(step.length, step.condition is not None))
                for t in reversed(times) if step.reverse else times:
                    self.values.clock[step.number] = t
                    self.steps(step.steps)
                del self.values.clock[step.number]
                continue
            meant = self.emitted.meant[k]
            for ref, view in meant.reads:
                self.compare(ref, view, k, step, "reads")
            self.step(step, k)
            for ref, view in meant.writes:
                self.compare(ref, view, k, step, "writes")

    def compare(self, ref: Reference, view: View, k: int, step: Step, verb: str) -> None:
        """Raise where a view does not hold what a reference reads."""
        if 0 in view.shape:
            return
        expected, read = self.values.at(ref), self.memory.read(view)
        if np.array_equal(read.found, expected):
            return
        wrong = np.flatnonzero(np.ravel(read.found != expected))
        at = np.unravel_index(wrong[0], view.shape)
        writer = int(np.ravel(read.writers)[wrong[0]])
        source = f"step {writer} wrote it" if writer >= 0 else "no step wrote it" if writer == -1 else "it is an input"
        op = ref.operation
        raise ProgramError(
            f"step {k} {verb} wrong bytes: {printed_view(view)} at {[int(i) for i in at]} is not "
            f"{op.name or op.kind} {list(op.shape)} ({source}; {wrong.size} of {read.found.size} differ)"
            f"{self.when()}: {_first(step)}"
        )

    def when(self) -> str:
        clock = self.values.clock
        return " at " + ", ".join(f"t{loop} = {t}" for loop, t in clock.items()) if clock else ""

    def step(self, step: Step, k: int) -> None:
        """Run a step that is no loop, and raise where it writes over what it reads."""
        memory = self.memory
        if not isinstance(step, Kernel | Loop):
            *given, out = views_of(step)
            if any(memory.overlap(out, view) for view in given):
                raise ProgramError(f"step {k} writes over what it is computed from: {_first(step)}")
        if isinstance(step, Kernel):
            self.kernel(step, k)
        elif isinstance(step, Gemm):
            result = np.matmul(memory.read(step.left).found, memory.read(step.right).found)
            memory.write(step.out, result + memory.read(step.out).found if step.accumulate else result, k)
        elif isinstance(step, Gather):
            source = memory.read(step.source).found
            indices = picked(memory.read(step.indices).found, source.shape[1])
            memory.write(step.out, source[:, indices], k)
        elif isinstance(step, Scatter):
            result = np.zeros(step.out.shape, np.uint64)
            indices = picked(memory.read(step.indices).found, step.out.shape[1])
            np.add.at(result.transpose(1, 0, 2), indices, memory.read(step.updates).found.transpose(1, 0, 2))
            memory.write(step.out, result, k)
        elif isinstance(step, Call):
            args = [memory.read(view).found for view in step.reads]
            memory.write(step.out, meaning_of_call(id(step.node), step.out.shape, args), k)

    def kernel(self, kernel: Kernel, k: int) -> None:
        """Run a kernel, and raise where it writes at one point what it reads at another."""
        outer = len(kernel.shape) - kernel.reduced
        for store in kernel.stores:
            for view in kernel.reads:
                if self.memory.clash(store.view, view, outer, store.combine is not None):
                    what = f"{printed_view(store.view)} is written where {printed_view(view)} is read"
                    raise ProgramError(f"step {k}: {what} at another point{self.when()}: {_first(kernel)}")
        body: list[Numbers] = []
        inner = tuple(range(outer, len(kernel.shape)))
        for s in kernel.body:
            args = [body[a] for a in s.args]
            value: Any
            if s.op == "load":
                value = self.memory.read(kernel.reads[s.attr]).found
            elif s.op == "constant":
                value = np.full((1,) * len(kernel.shape), meaning_of_constant(s.attr, s.dtype))
            elif s.op == "index":
                shape = [n if axis == s.attr else 1 for axis, n in enumerate(kernel.shape)]
                value = np.arange(kernel.shape[s.attr], dtype=np.uint64).reshape(shape)
            elif s.op == "reduce":
                value = COMBINE[s.attr].reduce(
                    np.broadcast_to(args[0], kernel.shape), axis=inner, keepdims=True, initial=IDENTITY[s.attr]
                )
            else:
                value = applied(s.op, s.dtype, args)
            body.append(value)
        # As in the generated code, the target of a combining store starts with the neutral element.
        for store in kernel.stores:
            value = np.broadcast_to(body[store.value], kernel.shape)
            self.memory.write(store.view, value, k, store.combine)
