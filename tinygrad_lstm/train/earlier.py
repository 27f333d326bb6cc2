"""``Earlier``: checkpoints of a run that are kept beside the newest one, ``model.step-250.safetensors``."""

import os
import re
from contextlib import suppress
from pathlib import Path

from tinygrad_lstm.runtime.files import write_whole

__all__ = ["Earlier", "earlier"]


class Earlier:
    """The checkpoints of earlier steps of a run that saves to ``path``.

    Args:
        keep: how many checkpoints are kept, that at ``path`` among them; besides, that with the lowest held-out loss.
        step: from which the run goes on; None for a new run, to which no file belongs yet.
    """

    def __init__(self, path: str, keep: int, step: int | None) -> None:
        self._keep = keep
        self._steps = [] if step is None or keep == 1 else [found for found in _found(path) if found <= step]

    def put(self, path: str, step: int) -> None:
        """Keep the checkpoint at ``path``, which is that of ``step``, before another one takes its place."""
        if self._keep == 1:
            return
        aside = _name(path, step)
        # Where its folder is gone there is nothing to keep.
        with suppress(OSError):
            with suppress(FileNotFoundError):
                os.unlink(aside)
            try:
                os.link(path, aside)
            except OSError:
                # Some disks have no links.
                write_whole(Path(aside), Path(path).read_bytes())
            self._steps.append(step)

    def prune(self, path: str, best: int | None) -> None:
        """Delete those that are too many, the oldest first, and never that of the step ``best``."""
        others = sorted(step for step in set(self._steps) if step != best)
        for step in others[: max(0, len(others) - self._keep + 1)]:
            self._steps = [each for each in self._steps if each != step]
            with suppress(OSError):
                os.unlink(_name(path, step))


def earlier(path: str | os.PathLike[str]) -> list[str]:
    """The checkpoints of earlier steps beside that at ``path``, the newest first.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("a.st", "a.step-7.st", "a.step-20.st", "b.step-1.st"):
    ...         Path(folder, name).touch()
    ...     [os.path.basename(found) for found in earlier(Path(folder, "a.st"))]
    ['a.step-20.st', 'a.step-7.st']
    """
    return [_name(os.fspath(path), step) for step in sorted(_found(os.fspath(path)), reverse=True)]


def _name(path: str, step: int) -> str:
    root, suffix = os.path.splitext(path)
    return f"{root}.step-{step}{suffix}"


def _found(path: str) -> list[int]:
    """The steps of the checkpoints of earlier steps beside ``path``."""
    root, suffix = os.path.splitext(os.path.basename(path))
    named = re.compile(rf"{re.escape(root)}\.step-(\d{{1,18}}){re.escape(suffix)}")
    with suppress(OSError):
        return [int(match[1]) for name in os.listdir(os.path.dirname(path) or ".") if (match := named.fullmatch(name))]
    return []
