"""A program as text, and counts of its steps and bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from tinygrad_lstm.codegen.program import Call, Gather, Gemm, Kernel, Loop, Program, Scatter, Step, View

__all__ = ["Counts", "counts", "printed_program", "printed_step", "printed_view"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many steps of each kind a program has, or one step of a loop.

    Attributes:
        bytes_moved: the bytes that its steps read and write, each element of a view once, all steps of a loop included;
            of a loop with a condition one step.
        arena: bytes of memory for temporaries.
        loops: for each loop the counts of one step.
    """

    gemms: int
    kernels: int
    calls: int
    bytes_moved: int
    arena: int
    loops: "tuple[Counts, ...]" = ()


def counts(program: Program) -> Counts:
    """How many steps of each kind a program has, outside loops and in one step of each loop.

    >>> from tinygrad_lstm.codegen.lowering import lower
    >>> from tinygrad_lstm.graph.function import Graph
    >>> x = tl.symbol("x", (2, 2))
    >>> found = counts(lower(Graph((x,), (tl.tanh(x @ x) + 1,))))
    >>> found.gemms, found.kernels, found.loops
    (1, 1, ())
    """
    return _counted(program, program.steps)


def _counted(program: Program, steps: Sequence[Step]) -> Counts:
    loops = tuple([_counted(program, step.steps) for step in steps if isinstance(step, Loop)])
    lengths = [step.length if step.condition is None else 1 for step in steps if isinstance(step, Loop)]
    moved = sum([prod(view.shape) * _width(program, view) for step in steps for view in _views(step)])
    moved += sum([inner.bytes_moved * length for inner, length in zip(loops, lengths, strict=True)])
    return Counts(
        sum(isinstance(step, Gemm) for step in steps),
        sum(isinstance(step, Kernel) for step in steps),
        sum(isinstance(step, Call | Gather | Scatter) for step in steps),
        moved,
        program.arena,
        loops,
    )


def _views(step: Step) -> Iterator[View]:
    """The views that a step reads and writes, with axes of stride 0 at size 1."""
    if isinstance(step, Kernel):
        views = [*step.reads, *[s.view for s in step.stores]]
    elif isinstance(step, Gemm):
        views = [step.left, step.right, step.out]
    elif isinstance(step, Gather):
        views = [step.out, step.indices, step.out]
    elif isinstance(step, Scatter):
        views = [step.updates, step.indices, step.out]
    elif isinstance(step, Call):
        views = [*step.reads, step.out]
    else:
        views = []
    for view in views:
        kept = tuple([n for n, s in zip(view.shape, view.strides, strict=True) if s])
        yield View(view.buffer, kept, (1,) * len(kept))


def _width(program: Program, view: View) -> int:
    return program.buffers[view.buffer].dtype.itemsize


def printed_program(program: Program) -> str:
    """A program as text: one line for each buffer, each step, and each value of a kernel.

    >>> from tinygrad_lstm.codegen.lowering import lower
    >>> from tinygrad_lstm.graph.function import Graph
    >>> x = tl.symbol("x", (2, 3))
    >>> print(printed_program(lower(Graph((x,), (tl.tanh(x) * x,)))))
    arena 0 bytes
    b0: input f32[6]
    b1: output f32[6]
    kernel [6]
      v0 = b0[6]
      v1 = tanh(v0)
      v2 = multiply(v1, v0)
      b1[6] = v2
    return b1 as [2,3]
    """
    lines = [f"arena {program.arena} bytes"]
    for number, buffer in enumerate(program.buffers):
        where = f" at {buffer.offset}" if buffer.role == "temporary" else ""
        lines.append(f"b{number}: {buffer.role} {buffer.dtype.short}[{buffer.size}]{where}")
    lines += _lines(program.steps, "")
    results = [f"b{k} as [{_list(shape)}]" for k, shape in zip(program.outputs, program.output_shapes, strict=True)]
    lines.append("return " + ", ".join(results))
    return "\n".join(lines)


def _lines(steps: Sequence[Step], indent: str) -> list[str]:
    lines: list[str] = []
    pending: list[tuple[Step | str, str]] = [(step, indent) for step in reversed(steps)]
    while pending:
        step, space = pending.pop()
        if isinstance(step, str):
            lines.append(space + step)
        elif isinstance(step, Loop):
            lines.append(f"{space}{_head(step)}{_scope(step.scope)}")
            pending += [(inner, space + "  ") for inner in reversed(step.steps)]
        else:
            lines += [space + line for line in printed_step(step)]
    return lines


def _head(loop: Loop) -> str:
    """How often a loop runs its steps."""
    if loop.condition is not None:
        return f"{'if' if loop.length == 1 else 'while'} {printed_view(loop.condition)}"
    return f"for t{loop.number} = " + (f"{loop.length - 1} … 0" if loop.reverse else f"0 … {loop.length - 1}")


def printed_step(step: Step) -> list[str]:
    """The text of one step that is no loop."""
    if isinstance(step, Kernel):
        return _kernel(step)
    if isinstance(step, Gemm):
        sign = "+=" if step.accumulate else "="
        product = f"{printed_view(step.left)} @ {printed_view(step.right)}"
        return [f"{printed_view(step.out)} {sign} {product}{_scope(step.scope)}"]
    if isinstance(step, Gather):
        return [f"{printed_view(step.out)} = take {printed_view(step.source)} at {printed_view(step.indices)}"]
    if isinstance(step, Scatter):
        return [f"{printed_view(step.out)} = scatter {printed_view(step.updates)} at {printed_view(step.indices)}"]
    if isinstance(step, Call):
        return [f"{printed_view(step.out)} = {step.node.op}({', '.join(map(printed_view, step.reads))})"]
    raise AssertionError(f"no line for a {type(step).__name__}")


def _kernel(kernel: Kernel) -> list[str]:
    """The lines of a kernel: its space, the values of its body, and its stores."""
    outer = len(kernel.shape) - kernel.reduced
    shape = _list(kernel.shape[:outer]) + (f" | {_list(kernel.shape[outer:])}" if kernel.reduced else "")
    lines = [f"kernel [{shape}]{_scope(kernel.scope)}"]
    for number, s in enumerate(kernel.body):
        args = ", ".join([f"v{k}" for k in s.args])
        if s.op == "load":
            text = printed_view(kernel.reads[s.attr])
        elif s.op == "constant":
            text = f"{s.dtype.short} {s.attr}"
        elif s.op == "index":
            text = f"index {s.attr}"
        elif s.op == "reduce":
            text = f"reduce {s.attr}({args})"
        else:
            text = f"{s.op}({args})" + (f" to {s.dtype.short}" if s.op == "cast" else "")
        lines.append(f"  v{number} = {text}")
    for store in kernel.stores:
        sign = f"{store.combine}=" if store.combine else "="
        lines.append(f"  {printed_view(store.view)} {sign} v{store.value}")
    return lines


def printed_view(view: View) -> str:
    """``b3[16,64 step 256,1 from 64 + 100·t0]``; the steps are left out where there are no gaps."""
    text = _list(view.shape)
    step = 1
    dense = []
    for n in reversed(view.shape):
        dense.append(step)
        step *= n
    if view.strides != tuple(reversed(dense)):
        text += f" step {_list(view.strides)}"
    start = [str(view.offset)] if view.offset or view.loops else []
    start += [f"{stride}·t{loop}" for loop, stride in view.loops]
    if start and start[0] == "0":
        del start[0]
    return f"b{view.buffer}[{text}{' from ' + ' + '.join(start) if start else ''}]"


def _list(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _scope(scope: str) -> str:
    return f"  ; {scope}" if scope else ""
