"""``Nccl``: means over ranks of arrays that lie on GPUs. The one place where cupyx is imported."""

import importlib
from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.runtime.exchange import from_dlpack

__all__ = ["Nccl"]


class Nccl:
    """The ranks of a run, each with a GPU of its own, which NCCL connects; MPI introduces them to each other.

    Raises:
        UsageError: when CuPy or NCCL is missing.
    """

    def __init__(self, rank: int, size: int) -> None:
        try:
            self._cupy: Any = importlib.import_module("cupy")
            self._group: Any = importlib.import_module("cupyx.distributed").init_process_group(size, rank, use_mpi=True)
        except (ImportError, RuntimeError) as error:
            raise UsageError(
                f"--data-parallel on GPUs needs NCCL ({error}): pip install nvidia-nccl-cu12, or take another --backend"
            ) from None
        self._size = size

    def means(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The mean of each tensor over all ranks; all have one dtype, and are summed as one array."""
        own = self._cupy.concatenate([self._cupy.from_dlpack(t).ravel() for t in tensors])
        total = self._cupy.empty_like(own)
        self._group.all_reduce(own, total, "sum")
        total /= self._size
        found, at = [], 0
        for t in tensors:
            found.append(from_dlpack(total[at : at + t.size].reshape(t.shape)))
            at += t.size
        return found
