"""A program as CUDA text, and the launches that run it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinygrad_lstm.codegen.program import (
    Buffer,
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
)
from tinygrad_lstm.graph.dtypes import int64
from tinygrad_lstm_cupy.cuda_kernel import Function, part_functions
from tinygrad_lstm_cupy.cuda_parts import LaunchMemory, kernel_parts
from tinygrad_lstm_cupy.cuda_prelude import PRELUDE
from tinygrad_lstm_cupy.cuda_steps import Product, gather_functions, product_launches, scatter_functions

__all__ = ["CudaFunction", "Launch", "PrintedCuda", "Product", "Repeat", "RunItem", "print_cuda", "turns"]


@dataclass(frozen=True, slots=True)
class CudaFunction:
    """A function of the text: its name, its parameter list in brackets, and whether its threads wait for each other."""

    name: str
    parameters: str
    waits: bool


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of a function. Its arguments are addresses: where each view begins, at the present time indices."""

    name: str
    grid: tuple[int, int]
    threads: int
    views: tuple[View, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Runs ``items`` once for each time index of the loop ``number``.

    Attributes:
        condition: what is read before each step, and ends the loop if it is false.
    """

    number: int
    length: int
    reverse: bool
    items: "tuple[RunItem, ...]"
    condition: View | None


RunItem = Launch | Product | Call | Repeat


@dataclass(frozen=True, slots=True)
class PrintedCuda:
    """A program as CUDA.

    Attributes:
        prelude: the text that every program begins with.
        source: the program's own text.
        functions: those of the text.
        items: what to run, in order, each after the one before has ended.
        buffers: the program's buffers, and behind them more temporaries.
        arena: the bytes that all temporaries together take.
        fault: the buffer for an index out of range: the number of the step in ``checked``, from 1, and the index.
        checked: the steps with indices.
        launches: how many launches and products one run takes, with one step of each loop that a condition ends.
    """

    prelude: str
    source: str
    functions: tuple[CudaFunction, ...]
    items: tuple[RunItem, ...]
    buffers: tuple[Buffer, ...]
    arena: int
    fault: int
    checked: tuple[Gather | Scatter, ...]
    launches: int


def print_cuda(program: Program) -> PrintedCuda:
    """The CUDA text of a program. Its size does not depend on the lengths of the loops."""
    return _Printer(program).printed()


class _Printer:
    def __init__(self, program: Program) -> None:
        self.program = program
        start = -(-program.arena // 256) * 256
        self.fault = len(program.buffers)
        self.scratch = LaunchMemory((*program.buffers, Buffer(2, int64, "temporary", start)), start + 16)
        self.functions: dict[tuple[str, str], CudaFunction] = {}
        self.checked: list[Gather | Scatter] = []

    def printed(self) -> PrintedCuda:
        """The whole text, with its launches and buffers."""
        items = self._items(self.program.steps)
        source = "\n".join(
            f'extern "C" __global__ void {f.name}{parameters} {body}'
            for (parameters, body), f in self.functions.items()
        )
        return PrintedCuda(
            PRELUDE,
            source,
            tuple(self.functions.values()),
            items,
            tuple(self.scratch.buffers),
            self.scratch.end,
            self.fault,
            tuple(self.checked),
            _launches(items),
        )

    def _items(self, steps: Sequence[Step]) -> tuple[RunItem, ...]:
        items: list[RunItem] = []
        for step in steps:
            self.scratch.begin()
            match step:
                case Loop():
                    items.append(
                        Repeat(step.number, step.length, step.reverse, self._items(step.steps), step.condition)
                    )
                case Call():
                    items.append(step)
                case Kernel():
                    for part in kernel_parts(step, self.scratch, self._overlap):
                        items += map(self._launch, part_functions(part, self.scratch, self._overlap))
                case _:
                    items += [f if isinstance(f, Product) else self._launch(f) for f in self._other(step)]
        return tuple(items)

    def _other(self, step: Gemm | Gather | Scatter) -> Sequence[Function | Product]:
        dtype = self.program.buffers[step.out.buffer].dtype
        if isinstance(step, Gemm):
            return product_launches(step, dtype)
        self.checked.append(step)
        indices = self.program.buffers[step.indices.buffer].dtype
        fault = View(self.fault, (2,), (1,))
        if isinstance(step, Gather):
            return gather_functions(step, dtype, indices, fault, len(self.checked))
        return scatter_functions(step, dtype, indices, fault, len(self.checked))

    def _launch(self, f: Function) -> Launch:
        key = (f.parameters, f.body)
        if key not in self.functions:
            self.functions[key] = CudaFunction(f"step_{len(self.functions)}", f.parameters, f.waits)
        return Launch(self.functions[key].name, f.grid, f.threads, f.views)

    def _overlap(self, a: int, b: int) -> bool:
        return a == b or share_bytes(self.scratch.buffers[a], self.scratch.buffers[b])


def _launches(items: Sequence[RunItem]) -> int:
    return sum(turns(i) * _launches(i.items) if isinstance(i, Repeat) else 1 for i in items)


def turns(loop: Repeat) -> int:
    """How many steps a loop makes, as far as that is known before: one where a condition ends it."""
    return loop.length if loop.condition is None else 1
