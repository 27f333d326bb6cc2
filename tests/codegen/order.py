"""Whether the steps of a program find in memory what they read: a second opinion on the order of the lowering.

The steps alone do not say which of two values a read of a place that is written twice is meant to find. The
operations behind them do, so they are looked at here, once the lowering has settled where each result lies.
"""

from typing import Any
from unittest.mock import patch

import numpy as np

from tinygrad_lstm.codegen import lowering
from tinygrad_lstm.codegen.fusing import outer_reads
from tinygrad_lstm.codegen.operations import Operation, Place, Reference, Region
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.codegen.references import placed
from tinygrad_lstm.codegen.scheduling import Unit, schedule
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.types import Shape

__all__ = ["lower_in_order"]

Cell = tuple[int, int]
"""A storage and an element of it."""


def lower_in_order(graph: Graph) -> Program:
    """The program of a graph, after the order of its steps was checked."""
    made: list[tuple[Region, list[Unit], Any]] = []

    def recorded(region: Region, readers: Any, lengths: Any) -> list[Unit]:
        units = schedule(region, readers, lengths)
        made.append((region, units, lengths))
        return units

    with patch.object(lowering, "schedule", recorded):
        program = lowering.lower(graph)
    for region, units, lengths in made:
        _Check(region, lengths).units(units)
    return program


class _Check:
    """One step of a region.

    Attributes:
        holds: for the elements that were written so far, the operation whose result they hold.
    """

    def __init__(self, region: Region, lengths: Any) -> None:
        self.region, self.lengths = region, lengths
        self.holds: dict[Cell, Operation] = {}
        for carried in region.carried:
            self.write(carried.symbol)

    def units(self, units: list[Unit]) -> None:
        for unit in units:
            for ref in self.reads(unit):
                self.read(ref)
            for op in unit.operations:
                for other in (op, *op.after):
                    assert not other.dead or other is op, f"{op.name or op.kind} waits for what is never done"
                if op.onto is not None:
                    self.found(op.onto, self.cells(op.onto.place, op.onto.shape))
            for op in unit.operations:
                self.write(op)
                for made in self.made(op):
                    self.write(made)
        for carried in self.region.carried:
            new = carried.updated
            if not new.dead:
                self.found(new, self.cells(new.place, new.shape))

    def reads(self, unit: Unit) -> list[Reference]:
        if unit.draft is not None:
            return list(unit.draft.reads)
        (op,) = unit.operations
        return [*op.args, *(outer_reads(op.attr) if op.kind == "loop" else ())]

    def made(self, op: Operation) -> list[Operation]:
        """What a loop leaves behind."""
        if op.kind != "loop":
            return []
        body: Region = op.attr
        kept = [x for c in body.carried for x in (c.last, c.before) if x is not None]
        return [*[stack for stack, _ in body.stacks], *kept]

    def read(self, ref: Reference) -> None:
        op = ref.operation
        if op.inline or op.kind in ("constant", "input", "array") or op.place is None:
            return
        at = placed(ref, op.place, self.lengths)
        self.found(op, self.cells(at, ref.shape) if at is not None else self.cells(op.place, op.shape))

    def found(self, op: Operation, cells: set[Cell]) -> None:
        """Check that what lies at some elements belongs to a result."""
        owners = self.owners(op)
        for cell in cells:
            there = self.holds.get(cell)
            # What was made outside the region lies where nothing in it has written yet.
            fine = there in owners.get(cell, ()) if there is not None else op.region is not self.region
            assert fine, f"{op.name or op.kind} is read where {there.name or there.kind if there else 'nothing'} lies"

    def owners(self, op: Operation) -> dict[Cell, list[Operation]]:
        """Which operations write each element of a result: itself, or the last of the parts of a join."""
        found: dict[Cell, list[Operation]] = {}
        pending = [op]
        while pending:
            x = pending.pop()
            if x.kind == "join" and x.args:
                pending += [ref.operation for ref in reversed(x.args)]
            else:
                mine = [x, *_rows(x)] if x.kind in ("stack", "last", "join") else [x]
                found.update(dict.fromkeys(self.cells(x.place, x.shape), mine))
        return found

    def write(self, op: Operation) -> None:
        if not op.dead and not op.inline and op.place is not None:
            for cell in self.cells(op.place, op.shape):
                self.holds[cell] = op

    def cells(self, at: Place | None, shape: Shape) -> set[Cell]:
        """The elements at a place, at the first time index of every loop."""
        assert at is not None
        where = np.asarray(at.offset)
        for n, s in zip(shape, at.strides, strict=True):
            where = where[..., None] + np.arange(n) * s
        return {(id(at.storage.final()), k) for k in where.ravel().tolist()}


def _rows(op: Operation) -> list[Operation]:
    """The other results of a loop that share a buffer with one: the stack of a carry, and what it was last."""
    body: Region = op.attr.attr
    for c in body.carried:
        group = [x for x in (c.initial, c.last, c.stack, c.before) if x is not None]
        if op in group:
            return group
    return []
