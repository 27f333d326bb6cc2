"""A program as NumPy statements: Python text, straight but for its loops, whose calls write into memory given to them.

Names: ``x0`` is the first input, ``y0`` the first output, ``k3`` and ``b4`` are buffers 3 and 4 of the program, a
constant and a temporary; ``b4_`` is a view of one, ``b4t`` the part of one that belongs to a step of a loop. ``t`` are
pieces of the scratch memory, ``c`` are numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

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
    written_buffers,
)
from tinygrad_lstm.runtime.interpreter import bound
from tinygrad_lstm_numpy.functions import FUNCTIONS
from tinygrad_lstm_numpy.kernels import KernelPrinter
from tinygrad_lstm_numpy.views import Lines, Names, Open, dense

__all__ = ["Statements", "numpy_statements"]

_TURNS = 8
"""A transposed operand is copied if it is read at least this often; the copy takes about as long as one product."""


@dataclass(frozen=True, slots=True)
class Statements:
    """Generated text, which defines ``run(inputs, outputs)`` over flat arrays.

    Attributes:
        values: the objects that the text names, besides the byte arrays ``arena`` and ``scratch``.
        scratch: the size of ``scratch`` in bytes.
    """

    text: str
    values: Mapping[str, Any]
    scratch: int


def numpy_statements(program: Program, kernels: Mapping[str, Callable[..., Any]]) -> Statements:
    """``program`` as NumPy statements.

    Args:
        kernels: the op table, for ops that are no single call of NumPy's.
    """
    return _Printer(program, kernels).printed()


class _Printer:
    def __init__(self, program: Program, kernels: Mapping[str, Callable[..., Any]]) -> None:
        self.program, self.table = program, kernels
        self.names = Names(program)
        self.kernels = KernelPrinter(program, self.names, kernels)
        self.print_step: dict[type, Callable[[Any, Lines], None]] = {
            Kernel: self._kernel, Gemm: self._gemm, Gather: self._gather, Scatter: self._scatter, Call: self._call,
            Loop: self._loop,
        }  # fmt: skip

    def printed(self) -> Statements:
        body = Lines("    ")
        self._steps(self.program.steps, body)
        names = self.names
        lines = ["# Made once, with the program.", *names.once.lines, "", "", "def run(inputs, outputs):"]
        for what, count in (("x", len(self.program.inputs)), ("y", len(self.program.outputs))):
            if count:
                listed = "".join(f"{what}{k}, " for k in range(count))
                lines.append(f"    {listed.rstrip()} = {'inputs' if what == 'x' else 'outputs'}")
        lines += [*names.each.lines, *(body.lines or ["    pass"])]
        return Statements("\n".join(lines) + "\n", {**FUNCTIONS, **names.values}, self.kernels.scratch)

    def _steps(self, steps: tuple[Step, ...], block: Lines) -> None:
        for step in steps:
            self.print_step[type(step)](step, block)

    def _kernel(self, step: Kernel, block: Lines) -> None:
        if step.scope:
            block.add(f"# {step.scope}")
        self.kernels.print(step, block)

    def _gemm(self, step: Gemm, block: Lines) -> None:
        if step.scope:
            block.add(f"# {step.scope}")
        left, right, out = self._factor(step.left), self._factor(step.right), self.names.view(step.out)
        product = "dot" if len(step.out.shape) == 2 and step.out.strides == dense(step.out.shape) else "matmul"
        if not step.accumulate:
            block.add(f"{product}({left}, {right}, out={out})")
            return
        dtype = self.program.buffers[step.out.buffer].dtype
        self.kernels.scratch = max(self.kernels.scratch, prod(step.out.shape) * dtype.itemsize)
        part = self.kernels.temporary(0, dtype, step.out.shape)
        block.add(f"{'dot' if len(step.out.shape) == 2 else 'matmul'}({left}, {right}, out={part})")
        block.add(f"add({out}, {part}, out={out})")

    def _factor(self, view: View) -> str:
        """The name of an operand of a product. A transposed one may be copied: BLAS is slower on it if rows are few."""
        transposed = view.strides[-1] != 1 and view.shape[-1] > 1
        turns = prod(entered.loop.length for entered in self.names.open)
        copy = self.names.copied(view) if transposed and turns >= _TURNS else None
        return copy or self.names.view(view)

    def _gather(self, step: Gather, block: Lines) -> None:
        source, indices, out = (self.names.view(v) for v in (step.source, step.indices, step.out))
        block.add(f"gather({source}, {indices}, {out}, {self._value('node', step.node)})")

    def _scatter(self, step: Scatter, block: Lines) -> None:
        updates, indices, out = (self.names.view(v) for v in (step.updates, step.indices, step.out))
        block.add(f"scatter_add({updates}, {indices}, {out}, {self._value('node', step.node)})")

    def _call(self, step: Call, block: Lines) -> None:
        f = bound(self.table[step.node.op], step.node)
        name = self._value(f"op_{step.node.op}", f)
        out = self.names.view(step.out)
        block.add(f"copyto({out}, {name}({', '.join(map(self._operand, step.reads))}))")

    def _operand(self, view: View) -> str:
        """The name of a view in its own shape, even if it has no axes."""
        return self.names.view(view) if view.shape else f"{self.names.view(view)}[0:1].reshape(())"

    def _loop(self, step: Loop, block: Lines) -> None:
        """Append a loop, with its rows as variables of the loop if it steps through arrays."""
        entered = Open(step, frozenset(written_buffers(step)))
        inner = Lines(block.indent + "    ")
        self.names.open.append(entered)
        self._steps(step.steps, inner)
        self.names.open.pop()
        scope = f": {step.scope}" if step.scope else ""
        if step.condition is not None:
            block.add(f"# {'if the condition holds' if step.length == 1 else 'while the condition holds'}{scope}")
        else:
            block.add(f"# {step.length} steps{', from the last to the first' if step.reverse else ''}{scope}")
        for line in entered.before:
            block.add(line)
        wholes = [whole for whole, _ in entered.rows.values()]
        rows = [row for _, row in entered.rows.values()]
        if not rows:
            block.add(f"for _ in range({step.length}):")
        elif len(rows) == 1:
            block.add(f"for {rows[0]} in {wholes[0]}:")
        else:
            block.add(f"for {', '.join(rows)} in zip({', '.join(wholes)}):")
        if step.condition is not None:
            block.lines += [f"{inner.indent}if not {self.names.view(step.condition)}[0]:", f"{inner.indent}    break"]
        block.lines += inner.lines or [inner.indent + "pass"]

    def _value(self, stem: str, value: Any) -> str:
        name = self.names.fresh(stem)
        self.names.values[name] = value
        return name
