"""``ParallelTrainer``: one training on several processes, each with its share of the streams."""

import os
import sys
from collections.abc import Callable
from typing import Any

from tinygrad_lstm.data.large import LargeCorpus
from tinygrad_lstm.data.text import Corpus, Texts
from tinygrad_lstm.errors import CheckpointError, DataError, Error
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.variables import State
from tinygrad_lstm.train.checkpoint import Array
from tinygrad_lstm.train.config import TextConfig, TrainConfig
from tinygrad_lstm.train.language_model import ModelConfig
from tinygrad_lstm.train.language_model_trainer import LanguageModelTrainer
from tinygrad_lstm.train.loop import Callback
from tinygrad_lstm.train.ranks import Ranks
from tinygrad_lstm.train.updating import whole_state

__all__ = ["ParallelTrainer"]


class ParallelTrainer(LanguageModelTrainer):
    """A :class:`LanguageModelTrainer` for programs that ``mpiexec`` starts.

    ``mpiexec -n 4 tinygrad-lstm train … --data-parallel`` is one.

    The streams of a batch are shared by the ranks. After each backward pass the gradients are averaged over them, so
    that all make the same step, which is that of one process with the whole batch, to rounding. Dropout has masks of
    its own on each rank. Rank 0 writes the checkpoints, which hold the state of all streams: a run may go on with
    another number of ranks, or with one process.

    Attributes:
        ranks: the processes.

    Raises:
        UsageError: when the batch is no multiple of the number of ranks, or MPI is missing.
    """

    def __init__(
        self, corpus: Corpus | LargeCorpus, model: ModelConfig, config: TrainConfig, reading: TextConfig
    ) -> None:
        self.ranks = Ranks()
        self.ranks.share(config.batch)
        self._own = self.ranks.share(config.batch * config.accumulate)
        self._means = self.ranks.averaged
        super().__init__(corpus, model, config, reading)

    def _read(self) -> Texts:
        # One rank writes the tokens of a large text, and the others find them.
        return self.ranks.in_turn(super()._read) if isinstance(self.corpus, LargeCorpus) else super()._read()

    def _take_state(self, state: Any) -> None:
        super()._take_state(state)
        if self.ranks.rank:
            for name, variable in self.model.named_variables():
                if isinstance(variable, State) and name.endswith("key") and not variable.leaf.symbolic:
                    variable.assign(random.fold_in(variable, self.ranks.rank))

    def run(
        self,
        report: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        *,
        keep: int = 1,
        save_every: float | None = None,
        time_limit: float | None = None,
    ) -> None:
        """As :meth:`LanguageModelTrainer.run`; a signal to one rank ends all of them after the same step, and saves.

        A rank that fails ends all, after a sentence; the checkpoint stays as it was written last.
        """
        file: Any = None if checkpoint is None else _Follower() if self.ranks.rank else self._file(checkpoint, keep)
        try:
            with self.ranks.listening():
                self._run(report if not self.ranks.rank else None, file, save_every, time_limit)
        except DataError as error:
            # A file of tokens is damaged in the part that this rank reads.
            self._end(str(error))
        except Error:
            # It is raised on all ranks: they have seen the same numbers, and the same checkpoint.
            raise
        except Exception as error:
            self._end(repr(error))

    def _end(self, why: str) -> None:
        """End all ranks with a sentence."""
        message = f"tinygrad-lstm: rank {self.ranks.rank} failed, and ends all: {why}"
        print(message, file=sys.__stderr__, flush=True)
        self.ranks.end()

    def _is_over(self, since: float, seconds: float | None) -> bool:
        # Clocks differ.
        return seconds is not None and bool(self.ranks.agreed(super()._is_over(since, seconds)))

    def _state_to_save(self) -> list[Array]:
        return [self.ranks.gathered(leaf, 1) for leaf in whole_state(self.state)]  # type: ignore[misc]

    def save(self, path: str | os.PathLike[str]) -> None:
        """As :meth:`LanguageModelTrainer.save`, on rank 0; all ranks call it.

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

    def save(self, write: Callable[[str], None], step: int, best: int | None = None) -> None:
        """Have ``write`` send what it would write."""
        write("")
