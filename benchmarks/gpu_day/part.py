"""The checks of one part, in a process of their own: ``python -m benchmarks.gpu_day.part PART RECORD SIZE SECONDS``.

A check that is in the record already is not made again, so that a new process goes on where another one ended.
"""

import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.gpu_day.children import AGAIN, START
from benchmarks.gpu_day.parts import PARTS
from benchmarks.gpu_day.record import Record

__all__ = ["Check", "Context", "FailedError", "SpoiltError", "limited", "main", "spoilt"]


@dataclass(frozen=True, slots=True)
class Context:
    """The settings of a part.

    Attributes:
        small: whether sizes are small and repetitions few, for a machine that stands in for a GPU.
        until: the time, of ``time.monotonic``, at which no further check begins.
    """

    part: str
    record: Record
    small: bool
    until: float

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.until - time.monotonic()


@dataclass(frozen=True, slots=True)
class Check:
    """One check: ``run`` returns what to write down, and raises when something is wrong."""

    name: str
    run: Callable[[], dict[str, Any]]
    limit: float = 25.0
    """After this many seconds the check counts as hanging, and a new process goes on without it."""


class SpoiltError(Exception):
    """The GPU no longer computes anything in this process, and the check has to go on in another one."""


class FailedError(Exception):
    """An error with more to write down."""

    def __init__(self, message: str, **found: Any) -> None:
        super().__init__(message)
        self.found = found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks of a part; 0 when none is left, 75 when a new process should go on."""
    name, record, size, seconds = sys.argv[1:] if arguments is None else arguments
    context = Context(name, Record(Path(record)), size == "small", time.monotonic() + float(seconds))
    part = next(part for part in PARTS if part.name == name)
    context.record.begin(START)
    try:
        made: Iterable[Check] = import_module(f"benchmarks.gpu_day.{part.module}").checks(context)
        return run(made, context)
    except Exception as error:
        context.record.add(name, START, False, **_message(error))
        return 0


def run(checks: Iterable[Check], context: Context) -> int:
    """Make the checks that are not in the record; whatever one of them raises, the next one follows."""
    known = {line["check"] for line in context.record.lines() if line["part"] == context.part}
    for check in checks:
        if check.name in known:
            continue
        if context.left <= 0:
            context.record.add(context.part, check.name, False, error="not begun: the time of this part was over")
            return 0
        context.record.begin(check.name)
        start = time.monotonic()
        try:
            with limited(check.limit, context, check.name):
                found, ok = check.run(), True
        except SpoiltError:
            return AGAIN
        except Exception as error:
            found, ok = _message(error), False
        context.record.add(context.part, check.name, ok, seconds=round(time.monotonic() - start, 3), **found)
        if not ok and spoilt():
            return AGAIN
    return 0


@contextmanager
def limited(seconds: float, context: Context, check: str) -> Iterator[None]:
    """End this process if the block takes longer: code that waits for a GPU cannot be interrupted otherwise."""

    def end() -> None:
        context.record.add(context.part, check, False, error=f"it hangs: not done after {seconds:g} s; see the log")
        faulthandler.dump_traceback()
        os._exit(AGAIN)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def spoilt() -> bool:
    """Whether the GPU no longer computes anything in this process, as after an address out of range."""
    cupy = sys.modules.get("cupy")
    if cupy is None:
        return False
    try:
        if not cupy.cuda.runtime.getDeviceCount():
            return False
    except Exception:  # there is no GPU, so none is spoilt
        return False
    try:
        return bool(float(cupy.ones(2).sum()) != 2)
    except Exception:
        return True


def _message(error: Exception) -> dict[str, Any]:
    found = error.found if isinstance(error, FailedError) else {}
    message = str(error).strip() or type(error).__name__
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    return {"error": f"{type(error).__name__}: {message}", "where": where, **found}


if __name__ == "__main__":
    sys.exit(main())
