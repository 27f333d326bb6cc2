"""``Rounds``: batches that are read again and again, from any position on."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from tinygrad_lstm.errors import DataError, UsageError
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.runtime.creation import tensor

__all__ = ["Rounds", "as_tensors", "examples_in"]


class Rounds:
    """Batches as updates read them: ``accumulate`` at a time, epoch after epoch.

    Args:
        name: of the argument that they come from.
        batches: a sequence, what can be iterated over again and again and has a length, or a function of the number of
            an epoch that returns one of them.

    Raises:
        UsageError: for anything else, and where there is no batch.
    """

    def __init__(self, name: str, batches: Any, accumulate: int = 1) -> None:
        self._name, self._batches, self._accumulate = name, batches, accumulate
        self._epoch, self._of_epoch = 0, self._checked(batches(0) if callable(batches) else batches)
        self._count = len(self._of_epoch)
        self._iterator: Iterator[Any] | None = None
        self._position = -1
        self._read: tuple[int, list[Any]] = (-1, [])

    def __len__(self) -> int:
        return -(-self._count // self._accumulate)

    def __getitem__(self, at: int) -> list[Any]:
        """The batches of the update ``at``, with tensors for arrays."""
        # A step that was interrupted reads them again.
        if self._read[0] != at:
            epoch, k = divmod(at, len(self))
            first = k * self._accumulate
            count = min(self._accumulate, self._count - first)
            self._read = at, [as_tensors(batch) for batch in self._found(epoch, first, count)]
        return self._read[1]

    def _found(self, epoch: int, first: int, count: int) -> list[Any]:
        if epoch != self._epoch:
            self._iterator = None
            if callable(self._batches):
                self._of_epoch = self._checked(self._batches(epoch))
                if len(self._of_epoch) != self._count:
                    raise DataError(
                        f"{self._name} has {len(self._of_epoch):,} batches in epoch {epoch}, and {self._count:,} in "
                        "epoch 0; give the same number in each"
                    )
            self._epoch = epoch
        if hasattr(type(self._of_epoch), "__getitem__"):
            return [self._of_epoch[k] for k in range(first, first + count)]
        # One that is interrupted while it is read is somewhere, and begun anew.
        iterator, self._iterator = self._iterator, None
        if iterator is None or self._position != first:
            iterator = islice(iter(self._of_epoch), first, None)
        found = list(islice(iterator, count))
        if len(found) < count:
            raise DataError(
                f"{self._name} has a length of {self._count:,} batches, and gave {first + len(found):,}; one that is "
                "over after one round, such as a generator, cannot be read again: give a list, or a function of the "
                "epoch that makes it anew"
            )
        self._iterator, self._position = iterator, first + count
        return found

    def _checked(self, batches: Any) -> Any:
        if isinstance(batches, Iterator):
            raise UsageError(
                f"{self._name} is an iterator, which is over after one round and cannot be resumed in its middle; give "
                f"a list, list({self._name}), or a function of the epoch that returns one"
            )
        kind = type(batches)
        if isinstance(batches, Mapping | str) or not hasattr(kind, "__len__"):
            raise UsageError(
                f"{self._name} is a sequence of batches, not {kind.__name__}; write tl.data.Batches((x, y), size)"
            )
        if not (hasattr(kind, "__getitem__") or hasattr(kind, "__iter__")) or not len(batches):
            raise UsageError(f"{self._name} holds no batch; give at least one")
        return batches


def as_tensors(batch: Any) -> Any:
    """A container with tensors for its arrays and numbers."""
    leaves, structure = flatten(batch)
    return unflatten(structure, [leaf if isinstance(leaf, Tensor) else tensor(leaf) for leaf in leaves])


def examples_in(batch: Any) -> int:
    """How much a batch counts: the length of the first axis of its first array."""
    leaves, _ = flatten(batch)
    return int(leaves[0].shape[0]) if leaves and leaves[0].shape else 1
