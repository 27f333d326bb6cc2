"""``ParallelTrainer``: one training on several processes, each with its share of the streams."""

import os
import sys
from collections.abc import Callable
from typing import Any

from tinygrad_lstm.data.text import Corpus
from tinygrad_lstm.data.windows import Window
from tinygrad_lstm.errors import CheckpointError, Error
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import State
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.optim.clipping import clip_grad_norm
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.train.checkpoint import Array
from tinygrad_lstm.train.checkpoint_file import CheckpointFile
from tinygrad_lstm.train.config import TextConfig, TrainConfig
from tinygrad_lstm.train.language_model import ModelConfig
from tinygrad_lstm.train.ranks import Ranks
from tinygrad_lstm.train.trainer import Trainer

__all__ = ["ParallelTrainer"]


class ParallelTrainer(Trainer):
    """A :class:`Trainer` for programs that ``mpiexec`` starts: ``mpiexec -n 4 tinygrad-lstm train … --data-parallel``.

    The streams of a batch are shared by the ranks. After each backward pass the gradients are averaged over them, so
    that all make the same step, which is that of one process with the whole batch, to rounding. Dropout has masks of
    its own on each rank. Rank 0 writes the checkpoints, which hold the state of all streams: a run may go on with
    another number of ranks, or with one process.

    Attributes:
        ranks: the processes.

    Raises:
        UsageError: when the batch is no multiple of the number of ranks, or MPI is missing.
    """

    def __init__(self, corpus: Corpus, model: ModelConfig, config: TrainConfig, reading: TextConfig) -> None:
        self.ranks = Ranks()
        self._share = self.ranks.share(config.batch)
        super().__init__(corpus, model, config, reading)
        self._slopes, self._apply = jit(self._deriving), jit(self._applying)

    def _take_state(self, state: Any) -> None:
        leaves, structure = flatten(state)
        self.state = unflatten(structure, [leaf[:, self._share] for leaf in leaves])
        if self.ranks.rank:
            for name, variable in self.model.named_variables():
                if isinstance(variable, State) and name.endswith("key") and not variable.leaf.symbolic:
                    variable.assign(random.fold_in(variable, self.ranks.rank))

    def _learned(self, window: Window, state: Any) -> tuple[float, float, Any]:
        own = self._share
        batch = own.stop - own.start
        state = self.model.zeros(batch) if window.first else state
        loss, slopes, state = self._slopes(tensor(window.inputs[:, own]), tensor(window.targets[:, own]), state)
        mean, *means = self.ranks.means([loss.numpy(), *[slope.numpy() for slope in slopes]])
        return float(mean), float(self._apply([tensor(slope) for slope in means])), state

    def _deriving(self, inputs: Tensor, targets: Tensor, state: Any) -> tuple[Tensor, list[Any], Any]:
        """The loss of this rank's streams, its gradients, and the state after the window."""
        logits, state = self.model(inputs, state)
        loss = cross_entropy(logits, targets)
        self.optimizer.zero_grad()
        (loss * inputs.shape[0] if self.config.sum_over_time else loss).backward()
        slopes = [p.grad for p in self.model.parameters()]
        self.optimizer.zero_grad()
        return loss, slopes, state

    def _applying(self, slopes: list[Tensor]) -> Tensor:
        """One update by these gradients; returns their norm."""
        for p, slope in zip(self.model.parameters(), slopes, strict=True):
            p.grad = slope
        norm = clip_grad_norm(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return norm

    def run(
        self,
        report: "Callable[[Trainer], None] | None" = None,
        checkpoint: str | os.PathLike[str] | None = None,
        *,
        save_every: float | None = None,
        time_limit: float | None = None,
    ) -> None:
        """As :meth:`Trainer.run`; a signal to one rank ends all of them after the same step, and saves.

        A rank that fails ends all, after a sentence; the checkpoint stays as it was written last.
        """
        file: Any = None if checkpoint is None else CheckpointFile(checkpoint) if not self.ranks.rank else _Follower()
        try:
            with self.ranks.listening():
                self._run(report if not self.ranks.rank else None, file, save_every, time_limit)
        except Error:
            # It is raised on all ranks: they have seen the same numbers, and the same checkpoint.
            raise
        except Exception as error:
            print(
                f"tinygrad-lstm: rank {self.ranks.rank} failed, and ends all: {error!r}",
                file=sys.__stderr__,
                flush=True,
            )
            self.ranks.end()

    def _is_over(self, since: float, seconds: float | None) -> bool:
        # Clocks differ.
        return seconds is not None and bool(self.ranks.agreed(super()._is_over(since, seconds)))

    def _first_fault(self, window: Window, state: Any) -> str:
        own = self._share
        return super()._first_fault(Window(window.inputs[:, own], window.targets[:, own], window.first), state)

    def _state_to_save(self) -> list[Array]:
        return [self.ranks.gathered(leaf.numpy(), 1) for leaf in flatten(self.state)[0]]  # type: ignore[misc]

    def save(self, path: str | os.PathLike[str]) -> None:
        """As :meth:`Trainer.save`, on rank 0; all ranks call it.

        Raises:
            CheckpointError: on all ranks, when it cannot be written.
        """
        state, error = self._state_to_save(), None
        if not self.ranks.rank:
            try:
                self._write(path, state)
            except CheckpointError as failed:
                error = failed
        told = self.ranks.agreed(None if error is None else str(error))
        if error is not None:
            raise error
        if told is not None:
            raise CheckpointError(told)


class _Follower:
    """The checkpoint file on ranks that write none: they only send their part of the state."""

    def save(self, write: Callable[[str], None], step: int) -> None:
        """Have ``write`` send what it would write."""
        write("")
