"""A graph on its way to a program: operations on arrays, and references that read an array through strides.

Views are no operations here. A reference sees its operation's result, row-major, as a strided array of another shape,
so that any chain of transposes, slices, reversals and broadcasts is one reference.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any, Literal

from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.tensor import Node
from tinygrad_lstm.graph.types import Shape

__all__ = ["Carried", "Kind", "Operation", "Place", "Reference", "Region", "Storage", "row_major", "whole"]

Kind = Literal[
    "input", "array", "constant", "map", "reduce", "join", "contract", "gather", "scatter", "call", "loop", "carry",
    "last", "stack",
]  # fmt: skip


@lru_cache(maxsize=4096)
def row_major(shape: Shape) -> tuple[int, ...]:
    """The strides, in elements, of an array without gaps."""
    strides = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


@dataclass(eq=False, slots=True)
class Storage:
    """Memory that the plan has to find a place for.

    Attributes:
        fixed: the buffer of the program, where that is settled: an input, an output or a constant.
        alias: the storage whose memory it shares, when a carry is written in place.
        owner: the operation that it was made for, if its place is of no concern to others.
    """

    size: int
    dtype: DType
    region: "Region"
    fixed: int | None = None
    alias: "Storage | None" = None
    owner: "Operation | None" = None

    def final(self) -> "Storage":
        """The storage that stands for it."""
        return self.alias.final() if self.alias is not None else self


@dataclass(frozen=True, slots=True)
class Place:
    """Where a result lies: one stride for each axis of its operation, in elements of the storage."""

    storage: Storage
    strides: tuple[int, ...]
    offset: int = 0
    loops: tuple[tuple[int, int], ...] = ()


@dataclass(eq=False, slots=True)
class Operation:
    """One result: of an elementwise function, a reduction, a product, a loop, …

    Attributes:
        name: of a map its elementwise op, ``copy`` or ``arange``; of a reduction how it combines.
        attr: of a constant its value; of a reduction the positions of the reduced axes in its argument; of a
            contraction its letters; of a join where its parts lie; of a loop its body, and of its results the loop.
        after: operations that must have run before, for another reason than that their results are read.
        onto: of a product what its place holds before, to which it is added.
        place: where the result has to be written; None until it is known, and for ever where it is never stored.
        stored: whether its result is read from memory.
        dead: whether nobody wants it.
        overlaid: whether it lies, alone, over what another operation has left.
        inline: whether it is computed where it is read.
        level: kernels of a region run in the order of their levels.
        space: the axes of the kernel that it belongs to.
        row: whether it has one value for all points along the reduced axes of its kernel.
    """

    kind: Kind
    shape: Shape
    dtype: DType
    region: "Region"
    args: list["Reference"] = field(default_factory=list)
    name: str = ""
    attr: Any = None
    node: Node | None = None
    after: list["Operation"] = field(default_factory=list)
    onto: "Operation | None" = None
    place: Place | None = None
    stored: bool = False
    dead: bool = False
    overlaid: bool = False
    inline: bool = False
    level: int = 0
    space: Shape = ()
    row: bool = False

    @property
    def size(self) -> int:
        """How many elements the result has."""
        return prod(self.shape)

    @property
    def fusible(self) -> bool:
        """Whether it can be part of a kernel."""
        return self.kind == "map" or self.kind == "reduce"

    @property
    def combining(self) -> bool:
        """Whether it is a reduction that does not run over the trailing axes."""
        return self.kind == "reduce" and not self.row


@dataclass(frozen=True, slots=True)
class Reference:
    """An operation's result, taken as row-major and seen through strides; ``loops`` as in a program's View."""

    operation: Operation
    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0
    loops: tuple[tuple[int, int], ...] = ()


def whole(operation: Operation) -> Reference:
    """The result as it is."""
    return Reference(operation, operation.shape, row_major(operation.shape))


@dataclass(eq=False, slots=True)
class Carried:
    """One carry of a loop: what it starts from, what it is in the body, and what it becomes.

    Attributes:
        initial: the operation, before the loop, that writes the start into the carry's place.
        symbol: the carry in the body.
        updated: the operation, in the body, that writes the new carry.
        stack: the result of the loop that holds all new carries, if one does.
        before: a join that holds all old carries, if the graph has one.
    """

    initial: Operation
    symbol: Operation
    updated: Operation
    last: Operation
    value: Reference
    stack: Operation | None = None
    before: Operation | None = None


@dataclass(eq=False, slots=True)
class Region:
    """The operations of the whole graph, or of the body of a loop, arguments before what reads them."""

    parent: "Region | None" = None
    loop: Operation | None = None
    number: int = -1
    length: int = 1
    reverse: bool = False
    depth: int = 0
    operations: list[Operation] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    stacks: list[tuple[Operation, Operation]] = field(default_factory=list)
    """Pairs of a stack, in the parent, and the operation that writes its rows."""

    def living(self) -> Iterator[Operation]:
        """The operations that are still wanted."""
        return (x for x in self.operations if not x.dead)
