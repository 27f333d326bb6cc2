"""The command in a process of its own, or a function in a forked one, and what is wrong with how they end."""

import importlib
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LIMIT", "Ended", "Forked", "command", "commanded", "environment", "finished", "forked", "started", "wrong"]

ROOT = Path(__file__).parent.parent.parent
LIMIT = 120.0
"""Seconds after which a process is said to hang. The machine may be busy with other things."""
MEMORY = 3 * 2**30
"""Bytes of address space that a forked process may take beyond what it was forked with."""
STATUSES = (0, 2, 141)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its status, what it wrote, and whether it had to be killed since it did not end."""

    status: int
    out: str
    err: str
    hung: bool = False


def _entry() -> tuple[str, str]:
    """Module and function of the command, as pip would install them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["tinygrad-lstm"].partition(":")
    return module, function


def commanded(words: Sequence[str]) -> Callable[[], Any]:
    """The command with these arguments, to be called in a forked process, with the package imported already."""
    module, function = _entry()
    importlib.import_module("tinygrad_lstm.cli")
    called = getattr(importlib.import_module(module), function)

    def call() -> Any:
        sys.argv = ["tinygrad-lstm", *words]
        os.write(2, b".")
        return called()

    return call


def command() -> list[str]:
    """The words that start the command. It writes a point to stderr as soon as its function is entered."""
    module, function = _entry()
    text = f"import os, sys; from {module} import {function} as f; os.write(2, b'.'); sys.exit(f())"
    return [sys.executable, "-c", text]


def environment(**more: str) -> dict[str, str]:
    """The environment of the processes: this source, one thread, and no coverage, whose tracer signals can stop."""
    left_out = ("COVERAGE", "TINYGRAD_LSTM_BACKEND", "TINYGRAD_LSTM_VERIFY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    paths = [str(ROOT), str(ROOT / "backends"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1", **more}


def started(words: Sequence[str], folder: Path, **more: str) -> "subprocess.Popen[str]":
    """The command with these arguments, running in ``folder``."""
    return subprocess.Popen(
        [*command(), *words],
        cwd=folder,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        # Who runs this in the background hands on that signals are ignored.
        preexec_fn=_listen,
    )


def _listen() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def finished(process: "subprocess.Popen[str] | Forked", seconds: float = LIMIT) -> Ended:
    """Wait for a process; kill it when it does not end."""
    if isinstance(process, Forked):
        return process.ended(seconds=seconds)
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return Ended(process.returncode, out, err, hung=True)
    return Ended(process.returncode, out, err)


class Forked:
    """A function in a forked process with a bound on its memory; what it returns is the status.

    Args:
        work: returns an integer, or None for 0. What it raises is printed with its traceback, for status 1.
        folder: where it runs.
    """

    def __init__(self, work: Callable[[], Any], folder: Path) -> None:
        self._texts = [tempfile.TemporaryFile(), tempfile.TemporaryFile()]  # noqa: SIM115
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _child(work, folder, [text.fileno() for text in self._texts])

    def send_signal(self, number: int) -> None:
        """Send a signal; the process may have ended, but nobody has waited for it yet."""
        os.kill(self.pid, number)

    def entered(self) -> None:
        """Wait until :func:`commanded` has entered the function of the command."""
        until = time.monotonic() + LIMIT
        while not os.fstat(self._texts[1].fileno()).st_size and time.monotonic() < until:
            time.sleep(0.002)

    def ended(self, *, interrupt: float | None = None, seconds: float = LIMIT) -> Ended:
        """Wait for the end.

        Args:
            interrupt: after so many seconds the process gets Ctrl-C.
            seconds: after so many more it is killed.
        """
        begun, interrupted, hung = time.monotonic(), False, False
        while True:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                break
            spent = time.monotonic() - begun
            if interrupt is not None and not interrupted and spent > interrupt:
                self.send_signal(signal.SIGINT)
                interrupted = True
            if spent > seconds + (interrupt or 0) and not hung:
                self.send_signal(signal.SIGKILL)
                hung = True
            time.sleep(0.005)
        said = []
        for text in self._texts:
            text.seek(0)
            said.append(text.read().decode("utf-8", "replace"))
            text.close()
        return Ended(os.waitstatus_to_exitcode(status), said[0], said[1], hung)


def forked(work: Callable[[], Any], folder: Path, *, interrupt: float | None = None, seconds: float = LIMIT) -> Ended:
    """Call ``work`` in a forked process, and wait for its end."""
    return Forked(work, folder).ended(interrupt=interrupt, seconds=seconds)


def _child(work: Callable[[], Any], folder: Path, texts: Sequence[int]) -> None:
    status = 1
    try:
        _listen()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, text in enumerate(texts, 1):
            os.dup2(text, number)
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        os.chdir(folder)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        status = work() or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


_RAW = re.compile(
    r"Traceback \(most recent call last\)|Exception ignored|Fatal Python error|^\w*Warning:", re.MULTILINE
)


def wrong(ended: Ended, statuses: Collection[int] = STATUSES) -> str | None:
    """What is wrong with how the command ended, in a line and with what it said, or None.

    It has to end by itself, with one of ``statuses``, without a traceback, and an error has to be one line.
    """
    said = f"\n{ended.err[-1500:]}" if ended.err else ""
    if ended.hung:
        return f"hangs{said}"
    if found := _RAW.search(ended.err):
        return f"{found[0]}{said}"
    if ended.status not in statuses:
        return f"status {ended.status}{said}"
    lines = [line for line in ended.err.lstrip(".").splitlines() if line.strip()]
    if ended.status == 2 and lines and not lines[-1].startswith(("tinygrad-lstm: error: ", "usage: ", "  ")):
        return f"its last line is no error of the command{said}"
    if ended.status == 2 and not lines:
        return "status 2, and not a word why"
    return None
