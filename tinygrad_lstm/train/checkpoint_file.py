"""``CheckpointFile``: the file that a run saves to, whatever happens to it and to its folder meanwhile."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from tinygrad_lstm.errors import CheckpointError
from tinygrad_lstm.graph.scopes import warn
from tinygrad_lstm.runtime.files import check_writable
from tinygrad_lstm.train.earlier import Earlier

__all__ = ["CheckpointFile"]


class CheckpointFile:
    """Where a run saves: over the file that it found or wrote itself, and over no other.

    Args:
        keep: how many checkpoints are kept, the newest and earlier ones beside it, and that with the lowest loss.
        step: from which the run goes on, or None.
        held: the step of the checkpoint at ``path``, if it is of this run.

    Attributes:
        path: of the file; another one once its folder is gone.

    Raises:
        CheckpointError: when it cannot be written.
    """

    def __init__(
        self, path: str | os.PathLike[str], keep: int = 1, step: int | None = None, held: int | None = None
    ) -> None:
        check_writable(path)
        self.path = os.fspath(path)
        self._earlier, self._held = Earlier(self.path, keep, step), held
        self._found = _identity(self.path)

    def save(self, write: Callable[[str], None], step: int, best: int | None = None) -> None:
        """Have ``write`` write the file.

        Args:
            best: the step with the lowest held-out loss, whose checkpoint is kept.

        A file that was deleted is written again. Where the folder was renamed or deleted, the file goes to the working
        directory, or to that of temporary files, and a warning says so.

        Raises:
            CheckpointError: when it cannot be written, or when another program has written there since: that file is
                kept, and this one is written beside it.
        """
        with uninterrupted():
            if self._held not in (None, step) and _identity(self.path) == self._found is not None:
                self._earlier.put(self.path, self._held or 0)
            self._save(write, step)
            self._held = step
            self._earlier.prune(self.path, best)

    def _save(self, write: Callable[[str], None], step: int) -> None:
        now = _identity(self.path)
        if now not in (None, self._found):
            aside = f"{self.path}.{os.getpid()}"
            write(aside)
            raise CheckpointError(
                f"another program has written {self.path} since this run began; this run stops, and its step {step:,} "
                f"is in {aside}"
            )
        try:
            write(self.path)
        except CheckpointError as error:
            if not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                raise
            self._save_elsewhere(write, error)
        finally:
            self._found = _identity(self.path)

    def _save_elsewhere(self, write: Callable[[str], None], gone: CheckpointError) -> None:
        """Save in the first folder that is still there.

        Raises:
            CheckpointError: ``gone``, when there is none.
        """
        for folder in _folders():
            path = os.path.join(folder, os.path.basename(self.path))
            if os.path.lexists(path):
                path = f"{path}.{os.getpid()}"
            with suppress(CheckpointError):
                write(path)
                before, self.path = self.path, path
                warn(f"the folder of {before} is gone; this run saves in {path} from here on")
                return
        raise gone


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP wait until the block is over, if they would raise an exception in it.

    A file that was put into place, but whose identity is not known yet, would be taken for that of another program.
    """
    received: list[tuple[int, FrameType | None]] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP", "SIGINT"):
            number = getattr(signal, name, None)
            if number is not None and callable(signal.getsignal(number)):
                before[number] = signal.signal(number, lambda *told: received.append(told))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            before[received[0][0]](*received[0])


def _folders() -> list[str]:
    """Where a file may go whose folder is gone."""
    folders = []
    # The working directory may be the folder that is gone.
    with suppress(OSError):
        folders.append(os.getcwd())
    return [*folders, tempfile.gettempdir()]


def _identity(path: str) -> tuple[int, int] | None:
    """An identity of the file at ``path``, by which it differs from a file that replaced it; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
