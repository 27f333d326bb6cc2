"""Training runs of two ranks of which one, or all, are killed; each has to end with the same bits."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.faults.notes import Notes
from tests.faults.processes import LIMIT, Ended, command, environment, finished, wrong
from tests.faults.training import Training
from tinygrad_lstm.train import load_model

__all__ = ["KilledRanks", "mpiexec"]


def mpiexec() -> str | None:
    """The program that starts several processes, or None where it or mpi4py is missing."""
    if importlib.util.find_spec("mpi4py") is None or not Path("/proc").is_dir():
        return None
    # The programs of this environment come before those of the system.
    return shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")


class KilledRanks(Training):
    """Runs of two ranks that get SIGKILL, one of them or all that mpiexec has started, until they are through."""

    MORE = ("--batch", "6", "--data-parallel")

    def run(self, words: list[str], folder: Path) -> Ended:
        """A run of two ranks that nothing disturbs."""
        return finished(self._started(words, folder))

    def attempt(self, random: Random, folder: Path, notes: Notes) -> None:
        """One run, killed up to three times."""
        for _ in range(random.randint(1, 3)):
            words = ["--resume"] if (folder / "a").exists() else []
            process = self._started([*self.words, "--checkpoint", "a", *words], folder)
            time.sleep(random.uniform(0, 1.1 * self.seconds))
            ranks = sorted(_ranks(folder))
            killed = ranks if random.random() < 0.3 else ranks[-random.randint(1, 2) :][:1]
            for number in killed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            if not killed:
                process.kill()
            ended = finished(process)
            if not self._is_over(folder):
                notes.fault("a rank goes on a minute after another one was killed")
                return
            if ended.hung or "Traceback" in ended.err:
                notes.fault(f"after a rank was killed: {wrong(ended, (ended.status,))}")
                return
            if (folder / "a").exists():
                load_model(folder / "a")
            if ended.status == 0:
                notes.count("runs that were through before the signal came")
                break
            notes.count("SIGKILL of ranks survived")
        self.go_on(folder, "a", notes)

    def _started(self, words: list[str], folder: Path) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [mpiexec() or "mpiexec", "-n", "2", *command(), *words],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )

    def _is_over(self, folder: Path) -> bool:
        """Whether all ranks end soon; those that do not are killed."""
        until = time.monotonic() + LIMIT / 2
        while time.monotonic() < until:
            if not list(_ranks(folder)):
                return True
            time.sleep(0.02)
        for number in _ranks(folder):
            os.kill(number, signal.SIGKILL)
        return False


def _ranks(folder: Path) -> Iterator[int]:
    """The processes of ranks that work in ``folder``."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                inside = os.readlink(entry / "cwd") == os.path.realpath(folder)
                if inside and words[0] == sys.executable.encode() and b"--data-parallel" in words:
                    yield int(entry.name)
