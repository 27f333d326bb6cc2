"""The steps of a block, in an order in which they can run.

A carry is rewritten in place if every unit that reads the old value can come before those that write the new one, and
if a unit that does both reads and writes point by point. Otherwise the new value has a place of its own, and is copied
at the end of each step of the loop.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tinygrad_lstm.codegen.bodies import Draft
from tinygrad_lstm.codegen.fusing import Fused
from tinygrad_lstm.codegen.operations import Carried, Operation, Region, row_major
from tinygrad_lstm.codegen.references import canonical, is_whole

__all__ = ["STEPS", "Unit", "ordered"]

STEPS: Final = frozenset(("contract", "gather", "scatter", "call", "loop"))
"""The kinds of operations that become a step by themselves."""


@dataclass(frozen=True, eq=False, slots=True)
class Unit:
    """The operations of one step: those of a kernel, or one other operation.

    Attributes:
        draft: the kernel; None for another operation.
        reads: the operations, of its block or of an outer one, that it reads from memory.
        position: the position of its last operation in the order of the graph.
    """

    operations: tuple[Operation, ...]
    draft: Draft | None
    reads: tuple[Operation, ...]
    position: int


def ordered(fused: Fused, region: Region) -> tuple[tuple[Unit, ...], set[Carried]]:
    """The units of a region in an order in which they can run, and the carries that cannot be rewritten in place."""
    placed = fused.placed
    units = _units(fused, region)
    writers = {op: unit for unit in units for op in unit.operations}
    after: dict[Unit, set[Unit]] = {}
    for unit in units:
        waited = [*unit.reads, *[x for op in unit.operations for x in _awaited(fused, op)]]
        after[unit] = {w for x in waited for w in _writers(fused, x, writers) if w is not unit}
    copied = set()
    for carried in region.carried:
        if carried in placed.in_stack:
            continue
        # Units that read the old value come before those that write the new one over it.
        writing = _writers(fused, carried.updated, writers)
        reading = [u for u in units if carried.symbol in u.reads]
        if _pointwise(fused, reading, writing, carried) and not _depend(reading, writing, after):
            for w in writing:
                after[w] |= {r for r in reading if r is not w}
        else:
            copied.add(carried)
    return _sorted(units, after), copied


def _units(fused: Fused, region: Region) -> list[Unit]:
    """The units in the order of the graph."""
    order = {op: k for k, op in enumerate(region.operations)}
    units = []
    for x in fused.kernels[region.block]:
        units.append(Unit(x.members, x, tuple([ref.operation for ref in x.reads]), order[x.members[-1]]))
    for op in region.operations:
        if op.kind in STEPS:
            reads = [ref.operation for ref in op.args]
            if op.kind == "loop":
                reads += [ref.operation for ref in fused.outer_reads(op.attr)]
            units.append(Unit((op,), None, tuple(reads), order[op]))
    return units


def _awaited(fused: Fused, op: Operation) -> list[Operation]:
    """What an operation waits for besides what it reads; a loop also for what must be written before its stacks."""
    stacks = [stack for stack, _ in fused.placed.form.regions[op.attr].stacks] if op.kind == "loop" else []
    return [x for one in (op, *stacks) for x in fused.placed.after.get(one, ())]


def _writers(fused: Fused, op: Operation, writers: Mapping[Operation, Unit]) -> set[Unit]:
    """The units that write a result of this block, or pieces of it."""
    units: set[Unit] = set()
    pending = [op]
    while pending:
        x = fused.placed.writer(pending.pop())
        addition = fused.placed.additions.get(x)
        if addition is not None:
            pending.append(addition.onto)
        if x in writers:
            units.add(writers[x])
        elif x.kind in ("join", "pad") or x in fused.inline:
            pending += [ref.operation for ref in x.args]
        elif x.kind in ("stack", "last"):
            pending.append(x.attr)
    return units


def _pointwise(fused: Fused, reading: list[Unit], writing: set[Unit], carried: Carried) -> bool:
    """Whether a unit that both reads the old carry and writes the new one does so point by point."""
    places = fused.placed.places
    storage = places[carried.updated].storage
    for unit in reading:
        if unit not in writing:
            continue
        if unit.draft is None or any(r.operation is carried.symbol and not is_whole(r) for r in unit.draft.reads):
            return False
        for op in unit.draft.values:
            if op in places and places[op].storage is storage:
                own = canonical(op.shape, places[op].strides)
                if own != (unit.draft.space, row_major(unit.draft.space)) or places[op].offset:
                    return False
    return True


def _depend(late: list[Unit], early: set[Unit], after: Mapping[Unit, set[Unit]]) -> bool:
    """Whether one of ``late`` waits for one of ``early`` other than itself."""
    seen: set[Unit] = set()
    pending = [x for unit in late for x in after[unit]]
    while pending:
        unit = pending.pop()
        if unit in seen:
            continue
        seen.add(unit)
        pending += after[unit]
    return bool(seen & early)


def _sorted(units: Sequence[Unit], after: Mapping[Unit, set[Unit]]) -> tuple[Unit, ...]:
    """The units in topological order, as near to the order of the graph as possible."""
    waiting = {unit: len(after[unit]) for unit in units}
    followers: dict[Unit, list[Unit]] = {}
    for unit in units:
        for x in after[unit]:
            followers.setdefault(x, []).append(unit)
    number = {unit: k for k, unit in enumerate(units)}
    ready = [(unit.position, number[unit]) for unit in units if not after[unit]]
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
    return tuple(result)
