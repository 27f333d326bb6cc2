"""The order of the steps of a region, and which carries are rewritten in place."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from tinygrad_lstm.codegen.expressions import Draft, NotSeparableError, draft
from tinygrad_lstm.codegen.fusing import awaited, clusters, mark_inline, outer_reads
from tinygrad_lstm.codegen.operations import Carried, Operation, Region, row_major
from tinygrad_lstm.codegen.placing import Readers
from tinygrad_lstm.codegen.references import canonical, is_whole

__all__ = ["Unit", "schedule"]

_STEPS = frozenset(("contract", "gather", "scatter", "call", "loop"))


@dataclass(eq=False, slots=True)
class Unit:
    """What runs in one go: a kernel, or one other operation.

    Attributes:
        draft: the kernel; None for another operation.
        reads: what it reads from memory, of its region or of one outside.
        position: its place in the graph's order, by its last operation.
    """

    operations: list[Operation]
    draft: Draft | None
    reads: list[Operation]
    position: int
    after: set["Unit"] = field(default_factory=set)


def schedule(region: Region, readers: Readers, lengths: Mapping[int, int]) -> list[Unit]:
    """The units of a region in an order in which they can run, and with as many carries in place as possible."""
    units = _units(region, readers, lengths)
    writers = {op: unit for unit in units for op in unit.operations}
    for unit in units:
        wanted = [*unit.reads, *[x for op in unit.operations for x in awaited(op)]]
        unit.after = {w for x in wanted for w in _writers(x, writers) if w is not unit}
    for carried in region.carried:
        if carried.updated.dead:
            continue
        # A step that reads the old value comes before those that write the new one over it.
        writing = _writers(carried.updated, writers)
        reading = [u for u in units if carried.symbol in u.reads]
        if _apart(reading, writing, carried) and not _depend(reading, writing):
            for w in writing:
                w.after |= {r for r in reading if r is not w}
        else:
            assert carried.updated.place is not None
            carried.updated.place.storage.alias = None
    return _sorted(units)


def _units(region: Region, readers: Readers, lengths: Mapping[int, int]) -> list[Unit]:
    """The units in the order of the graph; an operation that can not stay inline is stored, and all is done again."""
    order = {op: k for k, op in enumerate(region.operations)}
    mark_inline(region, readers, lengths)
    while True:
        try:
            drafts = [draft(group, lengths) for group in clusters(region, readers)]
            break
        except NotSeparableError as error:
            error.operation.inline = False
    units = []
    for x in drafts:
        members = list(x.members)
        units.append(Unit(members, x, [ref.operation for ref in x.reads], order[members[-1]]))
    for op in region.living():
        if op.kind in _STEPS:
            reads = [ref.operation for ref in op.args]
            if op.kind == "loop":
                reads += [ref.operation for ref in outer_reads(op.attr)]
            for read in reads:
                read.stored = True
            units.append(Unit([op], None, reads, order[op]))
    return units


def _writers(op: Operation, writers: Mapping[Operation, Unit]) -> set[Unit]:
    """The units that write a result of this region, piece by piece or whole."""
    found: set[Unit] = set()
    pending = [op]
    while pending:
        x = pending.pop()
        if x.onto is not None:
            pending.append(x.onto)
        if x in writers:
            found.add(writers[x])
        elif x.kind == "join" and x.args:
            pending += [ref.operation for ref in x.args]
        elif x.kind in ("join", "stack", "last"):
            pending.append(x.attr)
        elif x.inline:
            pending += [ref.operation for ref in x.args]
    return found


def _apart(reading: list[Unit], writing: set[Unit], carried: Carried) -> bool:
    """Whether a unit that both reads the old carry and writes the new one does so point by point."""
    assert carried.updated.place is not None
    storage = carried.updated.place.storage
    for unit in reading:
        if unit not in writing:
            continue
        if unit.draft is None or any(r.operation is carried.symbol and not is_whole(r) for r in unit.draft.reads):
            return False
        for op in unit.draft.values:
            if op.place is not None and op.place.storage is storage:
                own = canonical(op.shape, op.place.strides)
                if own != (unit.draft.space, row_major(unit.draft.space)) or op.place.offset:
                    return False
    return True


def _depend(late: list[Unit], early: set[Unit]) -> bool:
    """Whether one of ``late`` waits for one of ``early``, itself apart."""
    seen: set[Unit] = set()
    pending = [x for unit in late for x in unit.after]
    while pending:
        unit = pending.pop()
        if unit in seen:
            continue
        seen.add(unit)
        pending += unit.after
    return bool(seen & early)


def _sorted(units: list[Unit]) -> list[Unit]:
    waiting = {unit: len(unit.after) for unit in units}
    followers: dict[Unit, list[Unit]] = {}
    for unit in units:
        for x in unit.after:
            followers.setdefault(x, []).append(unit)
    number = {unit: k for k, unit in enumerate(units)}
    ready = [(unit.position, number[unit]) for unit in units if not unit.after]
    heapq.heapify(ready)
    result = []
    while ready:
        unit = units[heapq.heappop(ready)[1]]
        result.append(unit)
        for x in followers.get(unit, ()):
            waiting[x] -= 1
            if not waiting[x]:
                heapq.heappush(ready, (x.position, number[x]))
    if len(result) != len(units):
        raise AssertionError("steps wait for each other in a circle")
    return result
