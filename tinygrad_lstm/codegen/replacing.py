"""Puts the result of a kernel over an array that the kernel reads point by point, and that nothing reads later.

A kernel that writes where it has read moves a third less memory: what it writes is in the processor's cache already.
So the gradient of a softmax over many words lies where the scores lay.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tinygrad_lstm.codegen.fusing import Fused
from tinygrad_lstm.codegen.operations import Operation, Region, row_major
from tinygrad_lstm.codegen.ordering import Unit
from tinygrad_lstm.codegen.overwriting import Layout
from tinygrad_lstm.codegen.references import Storage, canonical, is_whole
from tinygrad_lstm.graph.types import Shape

__all__ = ["replaced"]

_PRODUCERS = frozenset(("map", "reduce", "contract", "gather", "call"))


def replaced(layout: Layout, fused: Fused, region: Region, units: Sequence[Unit]) -> Layout:
    """The layout in which results of the region's kernels take the memory of what these kernels read last.

    Args:
        units: the units of the region.
    """
    return replace(layout, over={**layout.over, **dict(_Replacing(layout, fused, region).pairs(units))})


class _Replacing:
    def __init__(self, layout: Layout, fused: Fused, region: Region) -> None:
        self.layout, self.placed, self.region = layout, fused.placed, region
        self.lying = Counter(place.storage for place in layout.places.values())
        self.under = set(layout.over.values())

    def pairs(self, units: Sequence[Unit]) -> Iterator[tuple[Storage, Storage]]:
        """Storages of results, each with the one whose memory it takes."""
        reading = Counter(op for unit in units for op in set(unit.reads))
        for unit in units:
            if unit.draft is None:
                continue
            space, _ = canonical(unit.draft.space, unit.draft.space)
            free = [op for op in dict.fromkeys(unit.reads) if reading[op] == 1 and self.is_last_read(op, unit, space)]
            for op in unit.operations:
                found = self.alone(op, space)
                fitting = [x for x in free if found is not None and x.dtype is op.dtype]
                if found is not None and fitting:
                    free.remove(fitting[0])
                    yield found, self.layout.places[fitting[0]].storage

    def is_last_read(self, op: Operation, unit: Unit, space: Shape) -> bool:
        """Whether a unit reads each element of a result at its own point of the space, and no other one reads it."""
        refs = [ref for ref in unit.draft.reads if ref.operation is op] if unit.draft is not None else []
        readers = [reader for reader, _ in self.placed.readers.get(op, ())]
        return (
            op.kind in _PRODUCERS
            and self.alone(op, space) is not None
            and all(is_whole(ref) and canonical(ref.shape, ref.strides)[0] == space for ref in refs)
            and all(reader.block is self.region.block for reader in readers)
        )

    def alone(self, op: Operation, space: Shape) -> Storage | None:
        """The storage that a result of this shape has for itself, without gaps; None where it has not."""
        place = self.layout.places.get(op)
        if place is None or op.block is not self.region.block or canonical(op.shape, place.strides)[0] != space:
            return None
        storage = place.storage
        if storage.owner is not op or self.lying[storage] > 1 or storage in self.layout.over or storage in self.under:
            return None
        natural = canonical(op.shape, place.strides)[1] == row_major(space) and not place.offset and not place.loops
        return storage if natural and not op.combining else None
