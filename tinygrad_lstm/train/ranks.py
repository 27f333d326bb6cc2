"""``Ranks``: the processes of a run over MPI. The one place where mpi4py is imported."""

import importlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TypeVar

import numpy as np

from tinygrad_lstm.errors import DataError, UsageError
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.train.checkpoint import Array
from tinygrad_lstm.train.nccl import Nccl

__all__ = ["Ranks"]

_Result = TypeVar("_Result")
_BUCKET: Final = 1 << 20
"""So many numbers are summed at a time: large enough for the network, small enough for its buffers."""


class Ranks:
    """The processes that ``mpiexec`` has started, of which each is one rank.

    Attributes:
        rank: the number of this process, from 0.
        size: how many there are.

    Raises:
        UsageError: when mpi4py or an MPI library is missing.
    """

    def __init__(self) -> None:
        try:
            self._mpi: Any = importlib.import_module("mpi4py.MPI")
        except (ImportError, RuntimeError) as error:
            raise UsageError(
                f"--data-parallel needs mpi4py and an MPI library ({error}): pip install 'tinygrad-lstm[mpi]'"
            ) from None
        self._world = self._mpi.COMM_WORLD
        self.rank: int = self._world.Get_rank()
        self.size: int = self._world.Get_size()
        self._asked = 0
        self._nccl: Nccl | None = None

    @property
    def local(self) -> int:
        """The number of this process among those of its machine, by which it takes a GPU."""
        return int(self._world.Split_type(self._mpi.COMM_TYPE_SHARED).Get_rank())

    def share(self, count: int) -> slice:
        """The part of ``count`` streams that this rank reads.

        Raises:
            UsageError: when they cannot be shared evenly.
        """
        if count % self.size:
            raise UsageError(f"a batch of {count} cannot be shared by {self.size} ranks; give a multiple (--batch)")
        own = count // self.size
        return slice(self.rank * own, (self.rank + 1) * own)

    def means(self, arrays: Sequence[Array]) -> list[Array]:
        """The mean of each array over all ranks, the same to the bit on each.

        A signal that one rank has received since the last call is told to all with it.

        Raises:
            KeyboardInterrupt: on all ranks, when one has received a signal inside :meth:`listening`.
        """
        kinds = {array.dtype for array in arrays}
        flat = {kind: np.concatenate([a.ravel() for a in arrays if a.dtype == kind]) for kind in kinds}
        for numbers in flat.values():
            for at in range(0, len(numbers), _BUCKET):
                self._world.Allreduce(self._mpi.IN_PLACE, numbers[at : at + _BUCKET], op=self._mpi.SUM)
            numbers /= self.size
        asked = np.array([self._asked], np.int64)
        self._world.Allreduce(self._mpi.IN_PLACE, asked, op=self._mpi.MAX)
        if asked[0]:
            self._asked = 0
            interrupt = KeyboardInterrupt()
            interrupt.status = 128 + int(asked[0])  # type: ignore[attr-defined]  # the exit status of the command
            raise interrupt
        positions = dict.fromkeys(kinds, 0)
        found = []
        for array in arrays:
            at = positions[array.dtype]
            positions[array.dtype] = at + array.size
            found.append(flat[array.dtype][at : at + array.size].reshape(array.shape))
        return found

    def averaged(self, loss: float, slopes: Sequence[Tensor]) -> tuple[float, list[Tensor]]:
        """The mean of a loss and of gradients over all ranks; that of gradients on GPUs without a copy to the host.

        Raises:
            KeyboardInterrupt: as :meth:`means`.
            UsageError: on GPUs, when NCCL is missing.
        """
        number = np.array(loss, slopes[0].dtype.name)
        if all(slope.device == "cpu" for slope in slopes):
            mean, *means = self.means([number, *[slope.numpy() for slope in slopes]])
            return float(mean), [tensor(slope) for slope in means]
        mean = self.means([number])[0]
        self._nccl = self._nccl or Nccl(self.rank, self.size)
        return float(mean), self._nccl.means(slopes)

    def gathered(self, array: Array, axis: int) -> Array | None:
        """The arrays of all ranks, joined along ``axis``, on rank 0; None on the others."""
        parts = self._world.gather(array, root=0)
        return None if parts is None else np.concatenate(parts, axis=axis)

    def agreed(self, value: Any) -> Any:
        """What rank 0 says."""
        return self._world.bcast(value, root=0)

    def in_turn(self, work: Callable[[], _Result]) -> _Result:
        """What ``work`` returns: rank 0 does it first, so that the others may use what it has written.

        Raises:
            DataError: on all ranks, when it does so on rank 0.
        """
        error = found = None
        if not self.rank:
            try:
                found = work()
            except DataError as failed:
                error = failed
        told = self.agreed(None if error is None else str(error))
        if error is not None:
            raise error
        if told is not None:
            raise DataError(told)
        return work() if found is None else found

    def end(self) -> None:
        """End all ranks at once: this one cannot go on, and the others would wait for it."""
        self._world.Abort(2)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside the block a signal ends the run at the next :meth:`means`, on all ranks after the same step."""

        def note(number: int, frame: FrameType | None) -> None:
            self._asked = number

        before = {}
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                if number is not None:
                    before[number] = signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
