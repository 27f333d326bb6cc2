"""Runs a part in a process of its own, since it may hang, crash, or lose its GPU."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.gpu_day.record import Record

__all__ = ["AGAIN", "START", "run_part"]

AGAIN: Final = 75
"""The exit status of a part that needs a new process for its other checks: an error has spoilt the GPU's context."""
START: Final = "the start"
"""The name of the work before the first check."""
_MOST_STARTS: Final = 30
_LOG: Final = 25_000
"""The bytes that are kept of the output of a part."""


def run_part(
    part: str,
    command: Sequence[str],
    limit: float,
    record: Record,
    folder: Path,
    environment: Mapping[str, str],
) -> None:
    """Run a part to its end, or to the end of its time; a process that dies is reported, and followed by another.

    Args:
        command: the command that runs it; the seconds that are left are appended.
        folder: where the end of its output is kept, as ``<part>.log``.
        environment: the environment of the process.
    """
    until = time.monotonic() + limit
    printed = folder / f"{part.replace(', ', '_')}.log"
    try:
        _run(part, command, until, record, printed, environment)
    finally:
        if printed.exists():
            printed.write_bytes(printed.read_bytes()[-_LOG:])


def _run(
    part: str, command: Sequence[str], until: float, record: Record, printed: Path, environment: Mapping[str, str]
) -> None:
    """Run processes of a part until its checks are made, its time is over, or too many have died."""
    limit = until - time.monotonic()
    for _ in range(_MOST_STARTS):
        left = until - time.monotonic()
        if left < 0.5:
            record.add(part, "the time", False, error=f"its {limit:.0f} s were over before all its checks were made")
            return
        with printed.open("ab") as log:
            process = subprocess.Popen(
                [*command, f"{left:.2f}"], stdout=log, stderr=log, env=dict(environment), start_new_session=True
            )
            try:
                status = process.wait(left + 1)
            except subprocess.TimeoutExpired:
                _end(process)
                message = f"not done when the {limit:.0f} s of this part were over"
                record.add(part, record.current or START, False, error=message, log=_tail(printed))
                return
            except BaseException:
                _end(process)
                raise
        if status == 0:
            return
        if status != AGAIN:
            why = f"died of {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
            message = f"the process {why}"
            record.add(part, record.current or START, False, error=message, log=_tail(printed))
            if record.current == START:
                return
    record.add(part, "the starts", False, error=f"{_MOST_STARTS} processes did not suffice")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(path: Path) -> str:
    return path.read_bytes()[-3000:].decode("utf-8", "replace")
