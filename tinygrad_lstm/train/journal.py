"""``Journal``: a run as lines of JSON, as a curve, and for TensorBoard."""

import importlib
import io
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any, Final

from tinygrad_lstm.errors import CheckpointError, UsageError
from tinygrad_lstm.runtime.files import as_path, regular_file, write_whole
from tinygrad_lstm.train.loop import TrainingLoop

__all__ = ["Journal", "check_curve", "read_journal", "save_curve"]

_EVERY: Final = 50
"""Steps between two lines on the loss of training."""


class Journal:
    """Writes what happens in a run, a line of JSON for each 50 steps and each validation.

    Each line has ``step``, ``epoch``, ``seconds`` since the run began, ``loss`` (the mean since the last line, for a
    text in nats per token) and ``lr``; that of a validation ``held_out`` besides. A run that is resumed goes on in its
    file: lines behind the step from which it goes on are left out.

    Args:
        path: of the file.
        tensorboard: a folder for TensorBoard's event files; it needs the package tensorboardX.

    Raises:
        UsageError: when the file cannot be written, or tensorboardX is not installed.

    >>> from tempfile import TemporaryDirectory
    >>> corpus, config = tl.data.Corpus("abc " * 50, "abc"), tl.train.TrainConfig(steps=2, window=4, batch=2)
    >>> trainer = tl.train.LanguageModelTrainer(corpus, config=config)
    >>> with TemporaryDirectory() as folder:
    ...     with Journal(trainer, f"{folder}/log.jsonl") as journal:
    ...         trainer.run(journal)
    ...     [(line["step"], sorted(line)) for line in read_journal(f"{folder}/log.jsonl")]
    [(2, ['epoch', 'held_out', 'loss', 'lr', 'seconds', 'step'])]
    """

    def __init__(
        self, trainer: TrainingLoop, path: str | os.PathLike[str] | None = None, tensorboard: str | None = None
    ) -> None:
        self._started, self._written, self._told = time.monotonic(), trainer.at, len(trainer.validations)
        self._file: IO[str] | None = None
        self._board: Any = None
        if tensorboard is not None:
            self._board = _imported("tensorboardX", "tensorboard").SummaryWriter(tensorboard)
        if path is not None:
            # A validation that is due at this step is not made yet.
            last = trainer.at if any(step == trainer.at for step, _ in trainer.validations) else trainer.at - 1
            before = [line for line in _lines(path) if line["step"] <= last] if trainer.at else []
            try:
                self._file = open(path, "w", encoding="utf-8", opener=_opener)  # noqa: SIM115  # closed in __exit__
            except OSError as error:
                raise UsageError(f"the log {path} cannot be written ({error.strerror}); name another file") from None
            for line in before:
                self._put(line)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._file, self._board):
            if stream is not None:
                stream.close()

    def __call__(self, trainer: TrainingLoop) -> None:
        """Note the progress of ``trainer``."""
        looked, self._told = len(trainer.validations) > self._told, len(trainer.validations)
        due = trainer.at - self._written >= _EVERY
        if not (looked or due):
            return
        recent = trainer.losses[self._written : trainer.at] or trainer.losses[-1:]
        line = {
            "step": trainer.at,
            "epoch": trainer.epoch,
            "seconds": round(time.monotonic() - self._started, 3),
            "loss": sum(recent) / len(recent),
            "lr": trainer.optimizer.lr,
        }
        if looked:
            line["held_out"] = trainer.validations[-1][1]
        self._written = trainer.at
        if self._file is not None:
            self._put(line)
        if self._board is not None:
            for name in ("loss", "lr", "held_out"):
                if name in line:
                    self._board.add_scalar(name, line[name], trainer.at)

    def _put(self, line: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


def _opener(path: str, flags: int) -> int:
    """Open a log. A pipe that nobody reads is an error and not waited for."""
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    os.set_blocking(handle, True)
    return handle


def read_journal(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of a :class:`Journal`.

    Raises:
        UsageError: when there is no such file, or it is no journal.
    """
    try:
        with regular_file(path, "log", UsageError).open(encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.strip()]
        if all(isinstance(line, dict) and isinstance(line["step"], int) for line in lines):
            return lines
    except OSError as error:
        raise UsageError(f"the log {path} cannot be read ({error.strerror})") from None
    except UsageError:
        raise
    except (ValueError, KeyError):
        pass
    raise UsageError(f"{path} is no log of a training, which has a line of JSON with a step for each 50 steps")


def _lines(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of a journal, none where there is no such file yet."""
    # A pipe or a device holds no lines of an earlier run.
    if not os.path.isfile(path):
        return []
    with suppress(UsageError):
        return read_journal(path)
    raise UsageError(f"{path} is no log of a training; name another file")


def check_curve(path: str | os.PathLike[str]) -> None:
    """Raise before a training what would be wrong with its curve behind it.

    Raises:
        UsageError: when matplotlib is not installed, for a file of another kind, and where its folder is missing.
    """
    given = as_path(path, UsageError)
    folder = given.parent
    if given.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise UsageError(f"a curve is drawn as .svg, .png or .pdf; end {os.fspath(path)!r} in one of these")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} for the curve; make it, or name another file")
    _imported("matplotlib.figure", "plots")


def save_curve(trainer: TrainingLoop, path: str | os.PathLike[str]) -> None:
    """Draw the loss of training, and that over the held-out text, over the steps, into an SVG, PNG or PDF file.

    Raises:
        UsageError: when matplotlib is not installed, or for a file of another kind.
        CheckpointError: when there is no step to draw.
    """
    if not trainer.losses:
        raise CheckpointError("there is no curve before the first step")
    check_curve(path)
    figure = _imported("matplotlib.figure", "plots").Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    steps, losses = _smoothed(trainer.losses)
    axes.plot(steps, losses, color="#4c78a8", linewidth=1.2, label="training")
    if trainer.validations:
        at, held_out = zip(*trainer.validations, strict=True)
        label = "held-out text" if trainer.unit else "held-out data"
        axes.plot(at, held_out, color="#c2185b", marker="o", markersize=3, linewidth=1.2, label=label)
    axes.set_xlabel("step")
    axes.set_ylabel(f"nats per {trainer.unit}" if trainer.unit else "loss")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    held = io.BytesIO()
    figure.savefig(held, format=as_path(path, UsageError).suffix.lower()[1:])
    try:
        write_whole(as_path(path, UsageError), held.getvalue())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the curve {path} cannot be written ({reason}); name another file") from None


def _imported(module: str, extra: str) -> Any:
    """A module of a library that comes with an extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"{module.partition('.')[0]} cannot be imported ({error}): pip install 'tinygrad-lstm[{extra}]'"
        ) from None


def _smoothed(losses: Any, most: int = 150) -> tuple[list[float], list[float]]:
    """Means over stretches of equal length, so that a long run is a line and no cloud."""
    size = max(1, len(losses) // most)
    parts = [losses[k : k + size] for k in range(0, len(losses), size)]
    return [min(k * size + size, len(losses)) for k in range(len(parts))], [sum(p) / len(p) for p in parts]
