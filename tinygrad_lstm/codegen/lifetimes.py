"""When the temporaries of a program are in use, computed from its steps, to check the plan of the arena."""

from collections.abc import Iterator, Sequence

from tinygrad_lstm.codegen.program import Call, Gather, Gemm, Kernel, Loop, Program, Scatter, Step, View

__all__ = ["in_use"]


def in_use(program: Program) -> Iterator[tuple[int, int]]:
    """Pairs of temporaries that share bytes and are both in use at some step.

    A buffer is in use from the first step that touches it to the last. A buffer that a loop touches is in use in all
    its steps, unless each step writes it before reading it: then it is in use only within a step.
    """
    spans: dict[int, tuple[int, int]] = {}
    _Clock(spans).steps(program.steps)
    temporaries = [k for k in spans if program.buffers[k].role == "temporary" and program.buffers[k].size]
    temporaries.sort(key=lambda k: program.buffers[k].offset)
    active: list[int] = []
    for k in temporaries:
        start = program.buffers[k].offset
        active = [x for x in active if program.buffers[x].offset + _bytes(program, x) > start]
        for x in active:
            if spans[x][0] <= spans[k][1] and spans[k][0] <= spans[x][1]:
                yield x, k
        active.append(k)


def _bytes(program: Program, buffer: int) -> int:
    return program.buffers[buffer].size * program.buffers[buffer].dtype.itemsize


class _Clock:
    def __init__(self, spans: dict[int, tuple[int, int]]) -> None:
        self.spans = spans
        self.now = 0

    def steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.now += 1
            if isinstance(step, Loop):
                self.loop(step)
            else:
                for view in (*_reads(step), *_writes(step)):
                    self.touch(view.buffer)

    def touch(self, buffer: int) -> None:
        first, _ = self.spans.get(buffer, (self.now, self.now))
        self.spans[buffer] = (first, self.now)

    def loop(self, loop: Loop) -> None:
        before, start = dict(self.spans), self.now
        inner: dict[int, tuple[int, int]] = {}
        clock = _Clock(inner)
        clock.now = start
        if loop.condition is not None:
            clock.touch(loop.condition.buffer)
        clock.steps(loop.steps)
        self.now = clock.now + 1
        for buffer, (first, last) in inner.items():
            asked = loop.condition is not None and loop.condition.buffer == buffer
            if asked or buffer in before or not _written_first(loop.steps, buffer, loop.number):
                first, last = start, self.now
            known = self.spans.get(buffer, (first, last))
            self.spans[buffer] = (min(known[0], first), max(known[1], last))


def _written_first(steps: Sequence[Step], buffer: int, loop: int) -> bool:
    """Whether the first of the steps that touches a buffer writes it, at the same place in each step of the loop."""
    for step in _flat(steps):
        if any(v.buffer == buffer for v in _reads(step)):
            return False
        written = [v for v in _writes(step) if v.buffer == buffer]
        if written:
            return all(loop not in dict(v.loops) for v in written)
    return False


def _flat(steps: Sequence[Step]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Loop):
            yield from _flat(step.steps)
        else:
            yield step


def _reads(step: Step) -> list[View]:
    if isinstance(step, Kernel):
        return list(step.reads)
    if isinstance(step, Gemm):
        return [step.left, step.right, *([step.out] if step.accumulate else [])]
    if isinstance(step, Gather):
        return [step.source, step.indices]
    if isinstance(step, Scatter):
        return [step.updates, step.indices]
    return list(step.reads) if isinstance(step, Call) else []


def _writes(step: Step) -> list[View]:
    if isinstance(step, Kernel):
        return [s.view for s in step.stores]
    return [step.out] if isinstance(step, Gemm | Gather | Scatter | Call) else []
