"""The fourth form: units in the order in which they run, and for each result its final place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tinygrad_lstm.codegen.fusing import Fused
from tinygrad_lstm.codegen.operations import Block, Carried, Operation
from tinygrad_lstm.codegen.ordering import STEPS, Unit, ordered
from tinygrad_lstm.codegen.overwriting import Layout, overwritten
from tinygrad_lstm.codegen.references import Place, Storage, fresh
from tinygrad_lstm.codegen.replacing import replaced

__all__ = ["Scheduled", "schedule"]


@dataclass(frozen=True, eq=False, slots=True)
class Scheduled:
    """The units of each block in order, and the place of every result that is stored. Nothing moves after this.

    Attributes:
        places: where each stored result lies.
        over: for storages that use the memory of another one, that one.
        copied: carries whose new value has a place of its own, and is copied over the old one at the end of a step.
    """

    fused: Fused
    units: Mapping[Block, tuple[Unit, ...]]
    places: Mapping[Operation, Place]
    over: Mapping[Storage, Storage]
    copied: frozenset[Carried]

    def memory(self, storage: Storage) -> Storage:
        """The storage whose memory ``storage`` uses: its own, or that of another one."""
        while storage in self.over:
            storage = self.over[storage]
        return storage


def schedule(fused: Fused) -> Scheduled:
    """Order the units of each block, with as many carries in place as possible, and give all results their places."""
    placed = fused.placed
    units: dict[Block, tuple[Unit, ...]] = {}
    over: dict[Storage, Storage] = {}
    copied: set[Carried] = set()
    for block, region in placed.form.regions.items():
        units[block], elsewhere = ordered(fused, region)
        copied |= elsewhere
        for x in region.carried:
            if x not in placed.in_stack and x not in elsewhere:
                over[placed.places[x.updated].storage] = placed.places[x.symbol].storage
    places = {**placed.places, **{op: fresh(op) for op in _loose(fused)}}
    layout = Layout(places, over, frozenset())
    for block in _in_order(placed.form.top, units):
        layout = overwritten(layout, fused, placed.form.regions[block], units[block])
    for block, region in placed.form.regions.items():
        layout = replaced(layout, fused, region, units[block])
    return Scheduled(fused, units, layout.places, layout.over, frozenset(copied))


def _loose(fused: Fused) -> Iterator[Operation]:
    """The stored operations that may lie anywhere."""
    for region in fused.placed.form.regions.values():
        for op in region.operations:
            if op in fused.placed.places or op in fused.inline or op.kind in ("constant", "loop"):
                continue
            if op in fused.stored or op.kind in STEPS:
                yield op


def _in_order(top: Block, units: Mapping[Block, tuple[Unit, ...]]) -> Iterator[Block]:
    """The bodies of loops in the order in which they run, each before those within it."""
    pending = [top]
    while pending:
        block = pending.pop()
        if block is not top:
            yield block
        pending += [op.attr for unit in reversed(units[block]) for op in unit.operations if op.kind == "loop"]
