"""Where results lie: storages, which later get memory, and places in them."""

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
        block: the storage is in use within one step of this block.
        fixed: the number of its buffer, for an input or an output of the program.
        owner: the operation that it was made for, if this may still be moved; else None.
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
    """A place without gaps in a new storage."""
    return Place(Storage(op.size, op.dtype, op.block, owner=op), row_major(op.shape))


def seen_at(ref: Reference, place: Place, lengths: Mapping[int, int]) -> Place | None:
    """Where the elements that ``ref`` reads lie, one stride for each of its axes; None where no strides describe that.

    Args:
        place: the place of the result that is read.
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
