"""The driver's side of a worker, a process that is stopped while others have their turn."""

import json
import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class GoneError(Exception):
    """A worker has dropped out; ``why`` is ``missing``, ``failed``, ``slow`` or ``wrong``."""

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why


class Process:
    """A worker, which runs only between a question and its answer, so that no thread of it spins beside others."""

    def __init__(
        self, system: str, mode: str, shape: tuple[int, ...], threads: int, results: Path, limit: float
    ) -> None:
        self.limit = limit
        command = [sys.executable, "-m", "benchmarks.worker", system, mode, *map(str, shape)]
        self.process = subprocess.Popen(
            [*command, "--threads", str(threads), "--results", str(results)],
            cwd=ROOT,
            env=os.environ | {name: str(threads) for name in THREADS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, seconds: float) -> dict[str, Any]:
        """The answer to a turn of ``seconds``: the median time of its steps, and the rest of the worker's report."""
        assert self.process.stdin is not None
        self._signal("SIGCONT")
        try:
            self.process.stdin.write(f"{seconds}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The next line that the worker writes; then it is stopped.

        Raises:
            GoneError: when there is none within the limit, or it says why not.
        """
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            ready = selector.select(self.limit)
        if not ready:
            self.end()
            raise GoneError("slow", f"no answer within {self.limit:g} s")
        line = self.process.stdout.readline()
        if not line:
            raise self._ended()
        report: dict[str, Any] = json.loads(line)
        for why in ("missing", "failed"):
            if why in report:
                self.end()
                raise GoneError(why, report[why])
        self._signal("SIGSTOP")
        return report

    def end(self) -> None:
        """Kill it, stopped or not."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def _ended(self) -> GoneError:
        self.end()
        return GoneError("failed", f"its process ended with status {self.process.returncode}")

    def _signal(self, name: str) -> None:
        if hasattr(signal, name):
            self.process.send_signal(getattr(signal, name))
