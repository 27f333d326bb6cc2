"""Which operations share a kernel.

Each operation has a level: one above every level that it has to read from memory, and the same as that of what it can
take from the same kernel, at the same point of the same space. The operations of one space and level are one kernel.
Between two kernels the level rises strictly, so that none can wait for another in a circle.
"""

from collections.abc import Mapping
from math import prod
from typing import Final

from tinygrad_lstm.codegen.operations import Operation, Reference, Region, row_major
from tinygrad_lstm.codegen.placing import Readers
from tinygrad_lstm.codegen.references import coordinates, is_whole
from tinygrad_lstm.graph.types import Shape

__all__ = ["awaited", "clusters", "mark_inline", "outer_reads"]

_MOST: Final = 256
"""Members of a kernel: a compiler's time grows faster than the length of a function."""

Key = tuple[int, Shape]
Edges = dict[Operation, list[tuple[Operation, Reference | None]]]


def mark_inline(region: Region, readers: Readers, lengths: Mapping[int, int]) -> None:
    """Find the maps that are computed where they are read, and never stored.

    They are those that need no operand from memory, and those that other maps read through views, no element more
    often than once: the four slices of one sum, or what a loop reads one row of at each step.
    """
    made_up: set[Operation] = set()
    for op in region.living():
        if op.kind == "constant" or (op.kind == "map" and all(ref.operation in made_up for ref in op.args)):
            made_up.add(op)
    demand: dict[Operation, int] = {}
    for op in reversed(region.operations):
        if op.dead or op.kind != "map" or op.place is not None:
            continue
        reading = [(x, ref) for x, ref in readers.get(op, ()) if not x.dead]
        if not reading or any(not x.fusible for x, _ in reading):
            continue
        if op in made_up:
            wanted = all(x.region is region for x, _ in reading)
            demand[op] = op.size
        else:
            wanted = all(_through_view(x, ref, region) for x, ref in reading)
            demand[op] = sum([_demanded(x, ref, region, demand) for x, ref in reading]) if wanted else 0
        if wanted and demand[op] <= op.size:
            op.inline = all(coordinates(ref, op.shape, lengths) is not None for _, ref in reading)


def _through_view(reader: Operation, ref: Reference, region: Region) -> bool:
    if reader.region is region and reader.inline:
        return ref.shape == reader.shape and is_whole(ref)
    return reader.region is not region or not is_whole(ref)


def _demanded(reader: Operation, ref: Reference, region: Region, demand: Mapping[Operation, int]) -> int:
    """How many elements a reader asks for, in all steps of the loops that it is in."""
    size = prod(ref.shape)
    if reader.region is region:
        return max(size, demand[reader]) if reader.inline else size
    at = reader.region
    while at is not region and at.parent is not None:
        size *= at.length
        at = at.parent
    return size


def clusters(region: Region, readers: Readers) -> list[list[Operation]]:
    """The operations of each kernel, arguments before what reads them."""
    members = [op for op in region.living() if op.kind != "constant" and not op.inline]
    edges: Edges = {op: _sources(op, region) for op in members}
    members = _ordered(members, edges)
    count: dict[Key, int] = {}
    reduced: dict[Key, int] = {}
    for op in members:
        _rise(op, edges, count, reduced)
    _sink(members, edges, count, reduced, region)
    groups: dict[Key, list[Operation]] = {}
    for op in members:
        if op.fusible:
            groups.setdefault((op.level, op.space), []).append(op)
    if region.loop is not None:
        return list(groups.values())
    return [part for group in groups.values() for part in _connected(group, edges)]


def _ordered(members: list[Operation], edges: Edges) -> list[Operation]:
    """What an operation waits for before it; a product may wait for a sum that the graph computes later."""
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


def _sources(op: Operation, region: Region) -> list[tuple[Operation, Reference | None]]:
    """What an operation of a region reads there: directly, with the reference, or through what is inline."""
    found: list[tuple[Operation, Reference | None]] = []
    pending: list[tuple[Reference, bool]] = [(ref, True) for ref in op.args]
    if op.kind == "loop":
        pending += [(ref, False) for ref in outer_reads(op.attr)]
    elif op.kind in ("stack", "last") or (op.kind == "join" and not op.args):
        found.append((op.attr, None))
    while pending:
        ref, direct = pending.pop()
        source = ref.operation
        if source.region is not region or source.kind == "constant":
            continue
        if source.inline:
            pending += [(inner, False) for inner in source.args]
            found += [(x, None) for x in source.after]
        else:
            found.append((source, ref if direct else None))
    found += [(x, None) for x in awaited(op)]
    return found


def awaited(op: Operation) -> list[Operation]:
    """What an operation waits for besides what it reads; a loop also for what its stacks are written into."""
    stacks = [stack for stack, _ in op.attr.stacks] if op.kind == "loop" else []
    return [x for one in (op, *stacks) for x in one.after]


def outer_reads(body: Region) -> list[Reference]:
    """What the body of a loop, and loops in it, read from outside."""
    found = []
    pending = [body]
    while pending:
        region = pending.pop()
        for op in region.living():
            found += [ref for ref in op.args if ref.operation.region.depth < body.depth]
            if op.kind == "loop":
                pending.append(op.attr)
    opened: set[Operation] = set()
    for ref in found:
        if ref.operation.inline and ref.operation not in opened:
            opened.add(ref.operation)
            found += ref.operation.args
    return found


def _rise(op: Operation, edges: Edges, count: dict[Key, int], reduced: dict[Key, int]) -> None:
    """Set the level: as low as the arguments allow."""
    sources = edges[op]
    if not op.fusible:
        op.level = max([x.level + (not _passes_on(op)) for x, _ in sources], default=0)
        return
    if op.kind == "map":
        op.space, op.row = op.shape, False
        home = None
        for x, ref in sources:
            direct = ref is not None and x.fusible and x.row and ref.shape == x.shape == op.shape and is_whole(ref)
            if direct and (home is None or x.level > home.level):
                home = x
        if home is not None:
            op.space, op.row = home.space, True
            level = _lowest(op, sources)
            if level == home.level and count[level, op.space] < _MOST:
                op.level = level
                count[level, op.space] += 1
                return
            op.space, op.row = op.shape, False
    level = _lowest(op, sources)
    trailing = len(op.space) - len(op.shape) if op.row else 0
    while count.get((level, op.space), 0) >= _MOST or (
        trailing and reduced.get((level, op.space), trailing) != trailing
    ):
        level += 1
    op.level = level
    count[level, op.space] = count.get((level, op.space), 0) + 1
    if trailing:
        reduced[level, op.space] = trailing


def _passes_on(op: Operation) -> bool:
    """Whether an operation does nothing itself: it is there when what it names is."""
    return op.kind in ("join", "stack", "last")


def _lowest(op: Operation, sources: list[tuple[Operation, Reference | None]]) -> int:
    return max([x.level + (not _in_register(op, x, ref)) for x, ref in sources], default=0)


def _in_register(op: Operation, source: Operation, ref: Reference | None) -> bool:
    """Whether a kernel that computes both has the argument at hand at the point where it is read."""
    if ref is None or not source.fusible or source.combining or source.space != op.space:
        return False
    if not source.row:
        return not op.row or op.kind == "reduce" if ref.shape == op.space and is_whole(ref) else False
    if ref.shape == source.shape and op.row and op.kind == "map":
        return is_whole(ref)
    trailing = len(source.space) - len(source.shape)
    strides = (*row_major(source.shape), *(0,) * trailing)
    return ref.shape == op.space and ref.strides == strides and not ref.offset and not ref.loops


def _sink(
    members: list[Operation], edges: Edges, count: dict[Key, int], reduced: dict[Key, int], region: Region
) -> None:
    """Move operations up to the level where they are first read, so that they need not be stored for it.

    One stays where it is if it reads what has to stay there, and would have to be stored in its place.
    """
    users: dict[Operation, list[Operation]] = {}
    for op in members:
        for x, _ in edges[op]:
            users.setdefault(x, []).append(op)
    highest: dict[Shape, int] = {}
    for op in members:
        if op.fusible:
            highest[op.space] = max(highest.get(op.space, 0), op.level)
    limit: dict[Operation, int] = {}
    for op in reversed(members):
        if op.fusible:
            target = limit.get(op, highest[op.space])
            trailing = len(op.space) - len(op.shape) if op.row else 0
            fits = not trailing or reduced.get((target, op.space)) == trailing
            room = 0 < count.get((target, op.space), 0) < _MOST
            if target > op.level and fits and room and not any(_held(x, op, users[x]) for x, _ in edges[op]):
                count[op.level, op.space] -= 1
                count[target, op.space] += 1
                op.level = target
        for x, ref in edges[op]:
            below = op.level - (not _passes_on(op) and not _in_register(op, x, ref))
            limit[x] = min(limit.get(x, below), below)


def _held(source: Operation, op: Operation, users: list[Operation]) -> bool:
    """Whether a source is used in the kernel of ``op`` by others too, and is not stored yet."""
    if not source.fusible or source.level != op.level or source.space != op.space or source.place is not None:
        return False
    levels = [x.level for x in users if x is not op]
    return source.level in levels and max(levels) == source.level


def _connected(group: list[Operation], edges: Edges) -> list[list[Operation]]:
    """The parts of a group that have nothing to do with each other: no value, and no array that both read."""
    parent: dict[Operation, Operation] = {op: op for op in group}

    def root(op: Operation) -> Operation:
        while parent[op] is not op:
            parent[op] = parent[parent[op]]
            op = parent[op]
        return op

    size = prod(group[0].space)
    for op in group:
        shared = [ref.operation for ref in op.args]
        for x in [x for x, _ in edges[op]] + shared:
            if x in parent:
                parent[root(x)] = root(op)
            elif x.kind != "constant" and not x.inline and x.size >= size:
                parent[x] = x
                parent[root(x)] = root(op)
    parts: dict[Operation, list[Operation]] = {}
    for op in group:
        parts.setdefault(root(op), []).append(op)
    return list(parts.values())
