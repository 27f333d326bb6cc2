"""``Batches``: examples in arrays as batches, in another order in each epoch."""

from typing import Any

import numpy as np

from tinygrad_lstm.errors import DataError, UsageError
from tinygrad_lstm.graph.structure import flatten, unflatten

__all__ = ["Batches"]


class Batches:
    """Examples as a sequence of batches; the last one may be smaller.

    ``batches(epoch)`` is the same in the order of that epoch, which the seed decides, so that a training that is
    resumed reads what it would have read. Arrays on a disk (``np.load(…, mmap_mode="r")``) are read batch by batch.

    Args:
        examples: an array, or a container of arrays, which hold an example at each place of their first axis.
        size: examples in a batch.
        seed: of the order; without one it is that of the arrays, in all epochs.
        drop_last: whether to leave out a last batch that is smaller.

    Raises:
        DataError: for arrays of different lengths, and where there is no batch.
        UsageError: for a size below 1.

    >>> x = np.arange(5)
    >>> batches = Batches((x, 10 * x), 2, seed=0)
    >>> len(batches), [y.tolist() for _, y in Batches((x, 10 * x), 2)]
    (3, [[0, 10], [20, 30], [40]])
    >>> [x.tolist() for x, _ in batches(1)] == [x.tolist() for x, _ in batches(1)]
    True
    """

    def __init__(
        self, examples: Any, size: int, *, seed: int | None = None, drop_last: bool = False, epoch: int = 0
    ) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise UsageError(f"Batches: size is an integer of at least 1, not {size!r}")
        leaves, self._structure = flatten(examples)
        self._arrays = [leaf if isinstance(leaf, np.ndarray) else np.asarray(leaf) for leaf in leaves]
        lengths = [len(array) if array.ndim else 0 for array in self._arrays]
        if len(set(lengths)) > 1:
            raise DataError(
                f"Batches: the arrays hold {', '.join(f'{length:,}' for length in lengths)} examples along their first "
                "axes; give arrays of one length"
            )
        self._count, self._size, self._drop_last, self.epoch = (lengths or [0])[0], size, drop_last, epoch
        if not len(self):
            raise DataError(
                f"Batches: {self._count:,} examples make no batch of {size:,}; give more, or a smaller size"
            )
        self._order = None
        if seed is not None:
            if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
                raise UsageError(f"Batches: seed is an integer of at least 0, not {seed!r}")
            self._order = np.random.default_rng((seed, epoch)).permutation(self._count)
        self._seed = seed

    def __call__(self, epoch: int) -> "Batches":
        """The batches of an epoch; the first one is 0."""
        examples = unflatten(self._structure, self._arrays)
        return Batches(examples, self._size, seed=self._seed, drop_last=self._drop_last, epoch=epoch)

    def __len__(self) -> int:
        return self._count // self._size if self._drop_last else -(-self._count // self._size)

    def __getitem__(self, k: int) -> Any:
        if not isinstance(k, int | np.integer):
            raise UsageError(f"Batches: a batch is read by its number, not by {type(k).__name__}; slice the arrays")
        if not -len(self) <= k < len(self):
            raise IndexError(k)
        at = k % len(self) * self._size
        part: Any = slice(at, at + self._size)
        rows = part if self._order is None else self._order[part]
        return unflatten(self._structure, [array[rows] for array in self._arrays])
