"""The first form of a program: operations on arrays, and references that read an array through strides.

Views are no operations here. A reference sees its operation's result, row-major, as a strided array of another shape,
so that any chain of transposes, slices, reversals and broadcasts is one reference. Nothing has a place in memory yet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any, Literal

from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.tensor import Node
from tinygrad_lstm.graph.types import Shape

__all__ = [
    "Block",
    "Carried",
    "Operation",
    "OperationKind",
    "Operations",
    "Readers",
    "Reference",
    "Region",
    "row_major",
    "wanted",
    "whole_result",
]

OperationKind = Literal[
    "input", "array", "constant", "map", "reduce", "join", "pad", "contract", "gather", "scatter", "call", "loop",
    "carry", "last", "stack",
]  # fmt: skip


@lru_cache(maxsize=4096)
def row_major(shape: Shape) -> tuple[int, ...]:
    """The strides, in elements, of a row-major array without gaps."""
    strides = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Where operations stand: the whole graph, or the body of a loop.

    Attributes:
        number: that of the loop.
        length: how many steps the loop has.
        reverse: whether it runs from the last step to the first.
        depth: how many loops the block lies in, its own among them.
        conditional: whether each step is made only if the first carry of the region is true; then ``length`` is the
            most steps that there may be.
    """

    parent: "Block | None" = None
    number: int = -1
    length: int = 1
    reverse: bool = False
    depth: int = 0
    conditional: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Operation:
    """One result: of an elementwise function, a reduction, a product, a loop, …

    Attributes:
        name: of a map its elementwise op, ``copy`` or ``arange``; of a reduction how it combines.
        attr: of a constant or an array its value; of a reduction the positions of the reduced axes in its argument; of
            a contract its letters; of a join its axis and the spans of its parts; of a pad where its second part
            lies in the first (start and step of each axis, shape); of a loop the block of its body, and of its
            results the loop.
        after: operations that must run before, although their results are not read.
        rowwise: whether it is a reduction over the trailing axes: one value for each row.
    """

    kind: OperationKind
    shape: Shape
    dtype: DType
    block: Block
    args: "tuple[Reference, ...]" = ()
    name: str = ""
    attr: Any = None
    node: Node | None = None
    after: "tuple[Operation, ...]" = ()
    rowwise: bool = False

    @property
    def size(self) -> int:
        """The number of elements of the result."""
        return prod(self.shape)

    @property
    def fusible(self) -> bool:
        """Whether it can be a member of a kernel."""
        return self.kind == "map" or self.kind == "reduce"

    @property
    def combining(self) -> bool:
        """Whether it is a reduction over other axes than the trailing ones."""
        return self.kind == "reduce" and not self.rowwise


@dataclass(frozen=True, slots=True)
class Reference:
    """A read of an operation's result, taken as row-major, through strides; ``loops`` as in a program's View."""

    operation: Operation
    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0
    loops: tuple[tuple[int, int], ...] = ()


def whole_result(operation: Operation) -> Reference:
    """The reference that reads the result as it is."""
    return Reference(operation, operation.shape, row_major(operation.shape))


@dataclass(frozen=True, eq=False, slots=True)
class Carried:
    """One carry of a loop: its start, the carry in the body, and its new value.

    Attributes:
        initial: the operation, before the loop, that writes the start into the carry's place.
        symbol: the carry in the body.
        updated: the operation, in the body, that writes the new carry.
        last: the result of the loop: the carry after the last step.
        stack: the result of the loop that holds all new carries, if one does.
        before: a join that holds all old carries, if the graph has one.
    """

    initial: Operation
    symbol: Operation
    updated: Operation
    last: Operation
    stack: Operation | None = None
    before: Operation | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Region:
    """The operations of a block, arguments before what reads them.

    Attributes:
        stacks: pairs of a stack, in the parent block, and the operation of this region that writes its rows.
    """

    block: Block
    operations: tuple[Operation, ...]
    carried: tuple[Carried, ...] = ()
    stacks: tuple[tuple[Operation, Operation], ...] = ()


Readers = Mapping[Operation, list[tuple[Operation, Reference]]]
"""The readers of each operation, each with its reference."""


@dataclass(frozen=True, eq=False, slots=True)
class Operations:
    """All operations of a graph.

    Attributes:
        top: the block of the whole graph.
        inputs: for each input of the graph its operation.
        outputs: for each output the operation that writes it.
        lengths: the number of steps of each loop.
    """

    regions: Mapping[Block, Region]
    top: Block
    inputs: tuple[Operation, ...]
    outputs: tuple[Operation, ...]
    lengths: Mapping[int, int]

    def readers(self) -> dict[Operation, list[tuple[Operation, Reference]]]:
        """The readers of each operation, each with its reference."""
        result: dict[Operation, list[tuple[Operation, Reference]]] = {}
        for region in self.regions.values():
            for op in region.operations:
                for ref in op.args:
                    result.setdefault(ref.operation, []).append((op, ref))
        return result


def wanted(form: Operations) -> Operations:
    """``form`` without operations, stacks and loops that no output depends on."""
    needed: set[Operation] = set(form.inputs)
    writes = {stack: write for region in form.regions.values() for stack, write in region.stacks}
    pending = list(form.outputs)
    while pending:
        op = pending.pop()
        if op in needed:
            continue
        needed.add(op)
        pending += [ref.operation for ref in op.args]
        pending += op.after
        if op.kind in ("last", "stack"):
            pending.append(op.attr)
            pending += [writes[op]] if op.kind == "stack" else []
        elif op.kind == "loop":
            pending += [x.updated for x in form.regions[op.attr].carried]
    regions = {}
    for block in _reached(form, needed):
        region = form.regions[block]
        carried = [
            replace(
                x, stack=x.stack if x.stack in needed else None, before=x.before if x.before in needed else None
            )
            for x in region.carried
        ]  # fmt: skip
        stacks = [pair for pair in region.stacks if pair[0] in needed]
        operations = [op for op in region.operations if op in needed]
        regions[block] = Region(block, tuple(operations), tuple(carried), tuple(stacks))
    return replace(form, regions=regions)


def _reached(form: Operations, needed: set[Operation]) -> Iterator[Block]:
    """The blocks whose loops are among ``needed``, each after the one that it lies in."""
    pending = [form.top]
    while pending:
        block = pending.pop()
        yield block
        inner = [op.attr for op in form.regions[block].operations if op.kind == "loop" and op in needed]
        pending += reversed(inner)
