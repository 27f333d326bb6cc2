"""Where results lie: storages, which the plan finds memory for, and places in them."""

from collections.abc import Mapping
from dataclasses import dataclass

from tinygrad_lstm.codegen.operations import Block, Operation, Reference, row_major
from tinygrad_lstm.codegen.references import canonical, coordinates, joined_loops, through
from tinygrad_lstm.graph.dtypes import DType

__all__ = ["Place", "Storage", "fresh", "seen_at"]


@dataclass(frozen=True, eq=False, slots=True)
class Storage:
    """Memory for a number of elements.

    Attributes:
        block: it lives within one step of this block.
        fixed: the buffer of the program, where that is settled: an input or an output.
        owner: the operation that it was made for, if that may still be moved; else None.
    """

    size: int
    dtype: DType
    block: Block
    fixed: int | None = None
    owner: Operation | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a result lies: one stride for each axis of its operation, in elements of the storage."""

    storage: Storage
    strides: tuple[int, ...]
    offset: int = 0
    loops: tuple[tuple[int, int], ...] = ()


def fresh(op: Operation) -> Place:
    """A place without gaps in a storage of its own."""
    return Place(Storage(op.size, op.dtype, op.block, owner=op), row_major(op.shape))


def seen_at(ref: Reference, place: Place, lengths: Mapping[int, int]) -> Place | None:
    """Where the elements that ``ref`` reads lie, one stride for each of its axes; None if no strides say it.

    Args:
        place: where the result that is read lies.
    """
    below = ref.operation.shape
    plain = row_major(below)
    if place.strides == plain or canonical(below, place.strides) == canonical(below, plain):
        return Place(place.storage, ref.strides, place.offset + ref.offset, joined_loops(place.loops, ref.loops))
    axes = coordinates(ref, below, lengths)
    if axes is None:
        return None
    inner = Reference(ref.operation, below, place.strides, place.offset, place.loops)
    seen = through(axes, ref.shape, inner)
    return Place(place.storage, seen.strides, seen.offset, seen.loops)
