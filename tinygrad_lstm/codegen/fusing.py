"""The third form: which operations share a kernel, and which are computed where they are read.

Each operation has a level. It is higher than the level of each argument that it reads from memory, and not lower than
that of an argument which the same kernel computes at the same point of the same space. The operations of one space and
level are one kernel. From a kernel to one that reads its results the level rises, so that kernels cannot wait for each
other in a circle.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from math import prod
from typing import Final

from tinygrad_lstm.codegen.bodies import Draft, NotSeparableError, draft
from tinygrad_lstm.codegen.operations import Block, Operation, Reference, Region, row_major
from tinygrad_lstm.codegen.placing import Placed
from tinygrad_lstm.codegen.references import coordinates, is_whole
from tinygrad_lstm.graph.types import Shape

__all__ = ["Fused", "fuse"]

_MOST: Final = 256
"""The most members of a kernel: the time of a compiler grows faster than the length of a function."""
_LARGE: Final = 1 << 16
"""The least number of points of a kernel that is rather computed by all workers than read once less."""

Key = tuple[int, Shape]
Edges = dict[Operation, list[tuple[Operation, Reference | None]]]


@dataclass(frozen=True, eq=False, slots=True)
class Fused:
    """Placed operations, and the kernels that compute them.

    Attributes:
        inline: operations that are computed where they are read, and never stored.
        kernels: the kernels of each block, arguments before what reads them.
        stored: operations that a kernel or another step reads from memory.
    """

    placed: Placed
    inline: frozenset[Operation]
    kernels: Mapping[Block, tuple[Draft, ...]]
    stored: frozenset[Operation]

    def outer_reads(self, body: Block) -> list[Reference]:
        """What the body of a loop, with the loops in it, reads from outside."""
        return _outer_reads(self.placed, body, self.inline)


def fuse(placed: Placed) -> Fused:
    """Choose the kernels. Where an operation turns out not to be separable, it is stored and all is chosen again."""
    alone: set[Operation] = set()
    while True:
        try:
            return _fused(placed, alone)
        except NotSeparableError as error:
            alone.add(error.operation)


def _fused(placed: Placed, alone: Set[Operation]) -> Fused:
    """The third form in which the operations in ``alone`` are stored; raises NotSeparableError for a further one."""
    inline: set[Operation] = set()
    kernels: dict[Block, tuple[Draft, ...]] = {}
    stored: set[Operation] = set()
    for region in placed.form.regions.values():
        # Operations that are stored after all still count as inline where the demand for others is added up.
        inline |= _inline(placed, region) - alone
    for block, region in placed.form.regions.items():
        kernels[block] = tuple([
            draft(members, space, rows, inline, placed.form.lengths)
            for members, space, rows in _Levels(placed, region, inline).clusters()
        ])  # fmt: skip
        stored.update(ref.operation for one in kernels[block] for ref in one.reads)
        for op in region.operations:
            if op.kind == "loop":
                stored.update(ref.operation for ref in _outer_reads(placed, op.attr, inline))
            if not op.fusible:
                stored.update(ref.operation for ref in op.args)
    stored.update(placed.form.inputs)
    return Fused(placed, frozenset(inline), kernels, frozenset(stored))


def _inline(placed: Placed, region: Region) -> set[Operation]:
    """The maps of a region that are computed where they are read, and never stored.

    These are maps that read nothing from memory, and maps that others read through views, as long as these
    together ask for no more elements than there are: the four slices of one sum, or a value of which a loop reads one
    row at each step.
    """
    from_constants: set[Operation] = set()
    for op in region.operations:
        if op.kind == "constant" or (op.kind == "map" and all(ref.operation in from_constants for ref in op.args)):
            from_constants.add(op)
    inline: set[Operation] = set()
    demand: dict[Operation, int] = {}
    for op in reversed(region.operations):
        if op.kind != "map" or op in placed.places:
            continue
        reading = placed.readers.get(op, ())
        if not reading or any(not x.fusible for x, _ in reading):
            continue
        if op in from_constants:
            inlined = all(x.block is region.block for x, _ in reading)
            demand[op] = op.size
        else:
            inlined = all(_through_view(x, ref, region.block, inline) for x, ref in reading)
            demand[op] = sum([_demanded(x, ref, region.block, inline, demand) for x, ref in reading]) if inlined else 0
        lengths = placed.form.lengths
        if (
            inlined
            and demand[op] <= op.size
            and all(coordinates(ref, op.shape, lengths) is not None for _, ref in reading)
        ):
            inline.add(op)
    return inline


def _through_view(reader: Operation, ref: Reference, block: Block, inline: Set[Operation]) -> bool:
    if reader.block is block and reader in inline:
        return ref.shape == reader.shape and is_whole(ref)
    return reader.block is not block or not is_whole(ref)


def _demanded(
    reader: Operation, ref: Reference, block: Block, inline: Set[Operation], demand: Mapping[Operation, int]
) -> int:
    """How many elements a reader reads, in all steps of the loops that it is in."""
    size = prod(ref.shape)
    if reader.block is block:
        return max(size, demand[reader]) if reader in inline else size
    at = reader.block
    while at is not block and at.parent is not None:
        size *= at.length
        at = at.parent
    return size


def _outer_reads(placed: Placed, body: Block, inline: Set[Operation]) -> list[Reference]:
    """As :meth:`Fused.outer_reads`; what an inline operation reads counts as read by its reader."""
    reads = []
    pending = [body]
    while pending:
        block = pending.pop()
        for op in placed.form.regions[block].operations:
            reads += [ref for ref in op.args if ref.operation.block.depth < body.depth]
            if op.kind == "loop":
                pending.append(op.attr)
    opened: set[Operation] = set()
    for ref in reads:
        if ref.operation in inline and ref.operation not in opened:
            opened.add(ref.operation)
            reads += ref.operation.args
    return reads


class _Levels:
    """The levels of the operations of one region.

    Attributes:
        members: the operations that the region computes and stores, each after those that it waits for.
        edges: for each of them the members that it waits for, with the reference where it reads one directly.
        level: for each operation its level; kernels run in this order.
        space: the axes of the kernel that an operation belongs to.
        rows: operations that have one value for all points along the reduced axes of their kernel.
        count: the members of each kernel so far.
        reduced: how many trailing axes a kernel reduces.
    """

    def __init__(self, placed: Placed, region: Region, inline: Set[Operation]) -> None:
        self.placed, self.region, self.inline = placed, region, inline
        members = [op for op in region.operations if op.kind != "constant" and op not in inline]
        self.edges: Edges = {op: self.sources(op) for op in members}
        self.members = _ordered(members, self.edges)
        self.level: dict[Operation, int] = {}
        self.space: dict[Operation, Shape] = {}
        self.rows: set[Operation] = set()
        self.count: dict[Key, int] = {}
        self.reduced: dict[Key, int] = {}

    def clusters(self) -> list[tuple[list[Operation], Shape, Set[Operation]]]:
        """For each kernel: its operations, arguments before what reads them; its space; which operations are rows."""
        for op in self.members:
            self.rise(op)
        self.sink()
        groups: dict[Key, list[Operation]] = {}
        for op in self.members:
            if op.fusible:
                groups.setdefault((self.level[op], self.space[op]), []).append(op)
        if self.region.block.parent is not None:
            parts = list(groups.values())
        else:
            parts = [part for group in groups.values() for part in self.connected(group)]
        return [(part, self.space[part[0]], self.rows) for part in parts]

    def sources(self, op: Operation) -> list[tuple[Operation, Reference | None]]:
        """The edges of an operation: what it waits for in the region, with the reference where it reads it directly."""
        edges: list[tuple[Operation, Reference | None]] = []
        pending: list[tuple[Reference, bool]] = [(ref, True) for ref in op.args]
        waited = list(self.placed.after.get(op, ()))
        if op.kind == "loop":
            pending += [(ref, False) for ref in _outer_reads(self.placed, op.attr, self.inline)]
            # A loop also waits for what has to be written before its stacks, such as the zeros around them.
            for stack, _ in self.placed.form.regions[op.attr].stacks:
                waited += self.placed.after.get(stack, ())
        elif op.kind in ("stack", "last"):
            edges.append((op.attr, None))
        while pending:
            ref, direct = pending.pop()
            source = ref.operation
            writer = self.placed.writer(source)
            if writer.block is not self.region.block or source.kind == "constant":
                continue
            if source in self.inline:
                pending += [(inner, False) for inner in source.args]
                edges += [(x, None) for x in self.placed.after.get(source, ())]
            else:
                edges.append((writer, ref if direct and writer is source else None))
        return edges + [(x, None) for x in waited if x is not op]

    def rise(self, op: Operation) -> None:
        """Give an operation its space and the lowest level that its arguments allow."""
        sources = self.edges[op]
        if not op.fusible:
            self.level[op] = max([self.level[x] + (not _passes_on(op)) for x, _ in sources], default=0)
            return
        if op.kind == "map":
            home = None
            for x, ref in sources:
                direct = ref is not None and x in self.rows and ref.shape == x.shape == op.shape and is_whole(ref)
                if direct and (home is None or self.level[x] > self.level[home]):
                    home = x
            if home is not None:
                self.space[op] = self.space[home]
                self.rows.add(op)
                level = self.lowest(op, sources)
                if level == self.level[home] and self.count[level, self.space[op]] < _MOST:
                    self.level[op] = level
                    self.count[level, self.space[op]] += 1
                    return
                self.rows.discard(op)
            self.space[op] = op.shape
        else:
            self.space[op] = op.args[0].shape
            if op.rowwise:
                self.rows.add(op)
        level, space = self.lowest(op, sources), self.space[op]
        trailing = self.trailing(op)
        while self.count.get((level, space), 0) >= _MOST or (
            trailing and self.reduced.get((level, space), trailing) != trailing
        ):
            level += 1
        self.level[op] = level
        self.count[level, space] = self.count.get((level, space), 0) + 1
        if trailing:
            self.reduced[level, space] = trailing

    def trailing(self, op: Operation) -> int:
        """How many axes of its kernel a row runs over."""
        return len(self.space[op]) - len(op.shape) if op in self.rows else 0

    def lowest(self, op: Operation, sources: list[tuple[Operation, Reference | None]]) -> int:
        return max([self.level[x] + (not self.in_register(op, x, ref)) for x, ref in sources], default=0)

    def in_register(self, op: Operation, source: Operation, ref: Reference | None) -> bool:
        """Whether a kernel that computes both has the argument's value at the point where it is read."""
        if ref is None or not source.fusible or source.combining or self.space[source] != self.space.get(op):
            return False
        if source not in self.rows:
            joins = is_whole(ref) and ref.shape == self.space[op] and (op not in self.rows or op.kind == "reduce")
            return joins and not self.apart(op, source)
        if ref.shape == source.shape and op in self.rows and op.kind == "map":
            return is_whole(ref)
        strides = (*row_major(source.shape), *(0,) * self.trailing(source))
        return ref.shape == self.space[op] and ref.strides == strides and not ref.offset and not ref.loops

    def apart(self, op: Operation, source: Operation) -> bool:
        """Whether a reduction over leading axes does better in a kernel of its own than in one with rows.

        Such a kernel adds to the same places in each row, so that workers cannot share its rows. This costs more than
        to read the argument once more, provided that it is stored in any case.
        """
        if not op.combining or prod(self.space[op]) < _LARGE:
            return False
        stored = any(not x.fusible for x, _ in self.placed.readers.get(source, ()))
        return stored and (self.level[source], self.space[source]) in self.reduced

    def sink(self) -> None:
        """Move operations up to the level where they are first read, so that they need not be stored for it.

        One stays where it is if moving it would force one of its arguments to be stored.
        """
        users: dict[Operation, list[Operation]] = {}
        for op in self.members:
            for x, _ in self.edges[op]:
                users.setdefault(x, []).append(op)
        highest: dict[Shape, int] = {}
        for op in self.members:
            if op.fusible:
                highest[self.space[op]] = max(highest.get(self.space[op], 0), self.level[op])
        limit: dict[Operation, int] = {}
        for op in reversed(self.members):
            if op.fusible:
                space = self.space[op]
                target = limit.get(op, highest[space])
                trailing = self.trailing(op)
                fits = not trailing or self.reduced.get((target, space)) == trailing
                room = 0 < self.count.get((target, space), 0) < _MOST
                held = any(self.held(x, op, users[x]) for x, _ in self.edges[op])
                if target > self.level[op] and fits and room and not held:
                    self.count[self.level[op], space] -= 1
                    self.count[target, space] += 1
                    self.level[op] = target
            for x, ref in self.edges[op]:
                below = self.level[op] - (not _passes_on(op) and not self.in_register(op, x, ref))
                limit[x] = min(limit.get(x, below), below)

    def held(self, source: Operation, op: Operation, users: list[Operation]) -> bool:
        """Whether others in the kernel of ``op`` use the source, so that it would have to be stored if ``op`` moved."""
        if not source.fusible or source in self.placed.places:
            return False
        if self.level[source] != self.level[op] or self.space[source] != self.space[op]:
            return False
        levels = [self.level[x] for x in users if x is not op]
        return self.level[source] in levels and max(levels) == self.level[source]

    def connected(self, group: list[Operation]) -> list[list[Operation]]:
        """The parts of a group that share neither a value nor an array that both read; each becomes a kernel."""
        parent: dict[Operation, Operation] = {op: op for op in group}

        def root(op: Operation) -> Operation:
            while parent[op] is not op:
                parent[op] = parent[parent[op]]
                op = parent[op]
            return op

        size = prod(self.space[group[0]])
        for op in group:
            shared = [ref.operation for ref in op.args]
            for x in [x for x, _ in self.edges[op]] + shared:
                if x in parent:
                    parent[root(x)] = root(op)
                elif x.kind != "constant" and x not in self.inline and x.size >= size:
                    parent[x] = x
                    parent[root(x)] = root(op)
        parts: dict[Operation, list[Operation]] = {}
        for op in group:
            parts.setdefault(root(op), []).append(op)
        return list(parts.values())


def _passes_on(op: Operation) -> bool:
    """Whether an operation does no work: its result is complete when its arguments are."""
    return op.kind in ("join", "pad", "stack", "last")


def _ordered(members: list[Operation], edges: Edges) -> list[Operation]:
    """The members, each after those that it waits for: a product may wait for a sum that comes later in the graph."""
    order: list[Operation] = []
    done: set[Operation] = set()
    opened: set[Operation] = set()
    pending = members[::-1]
    while pending:
        op = pending[-1]
        if op in opened or op in done:
            pending.pop()
            if op not in done:
                done.add(op)
                order.append(op)
        else:
            opened.add(op)
            pending += [x for x, _ in reversed(edges[op]) if x in edges and x not in done]
    return order
