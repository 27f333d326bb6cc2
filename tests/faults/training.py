"""Training runs that are killed, whose disk is full, or whose folder is renamed; each has to end with the same bits."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import numpy as np

from tests.faults.notes import Notes
from tests.faults.processes import Ended, Forked, commanded, finished, started, wrong
from tinygrad_lstm.runtime.files import read_arrays
from tinygrad_lstm.train import load_model

__all__ = ["FullDisk", "Killed", "RenamedFolder", "difference"]

TEXT = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n" * 6
STEPS = 160
SMALL = ["--hidden", "6", "--embedding", "5", "--window", "8", "--batch", "5", "--validate-every", "10"]
ENDED = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143, signal.SIGINT: 130}
"""The status of a run that such a signal has ended."""


def difference(a: Path, b: Path) -> str | None:
    """What differs between two checkpoints, in bits of arrays or in their descriptions."""
    (arrays, texts), (others, texts_too) = read_arrays(a), read_arrays(b)
    if texts["tinygrad_lstm"] != texts_too["tinygrad_lstm"]:
        return f"the descriptions differ: {texts} and {texts_too}"
    if arrays.keys() != others.keys():
        return f"the arrays differ: {sorted(arrays.keys() ^ others.keys())}"
    for name, array in arrays.items():
        other = others[name]
        if array.dtype != other.dtype or array.shape != other.shape or array.tobytes() != other.tobytes():
            return f"{name} differs in {np.count_nonzero(array != other)} numbers"
    return None


class Training:
    """A training run that nothing disturbs, with which the others are compared."""

    COLD = 0.2
    """The share of runs in a process that is started and imports everything; the others are forked."""
    MORE: tuple[str, ...] = ()
    """Further arguments of all runs."""

    def __init__(self, folder: Path) -> None:
        self.text = folder / "text"
        self.text.write_text(TEXT, encoding="utf-8")
        self.words = ["train", str(self.text), *SMALL, "--steps", str(STEPS), *self.MORE]
        begun = time.monotonic()
        ended = self.run([*self.words, "--checkpoint", "whole"], folder)
        if ended.status:
            raise RuntimeError(f"the training run that is the measure of the others failed:\n{ended.err}")
        self.seconds = time.monotonic() - begun
        self.whole = folder / "whole"

    def begun(self, words: list[str], folder: Path, random: Random | None = None) -> "subprocess.Popen[str] | Forked":
        """A run that has entered the function of the command."""
        if self.COLD == 1 or (random is not None and random.random() < self.COLD):
            process = started(words, folder)
            if process.stderr is None or not process.stderr.read(1):
                raise RuntimeError(f"the command does not start: {finished(process)}")
            return process
        child = Forked(commanded(words), folder)
        child.entered()
        return child

    def run(self, words: list[str], folder: Path) -> Ended:
        """A run that nothing disturbs."""
        return finished(self.begun(words, folder))

    def go_on(self, folder: Path, checkpoint: str, notes: Notes) -> None:
        """Train to the end from what there is, and compare the bits."""
        words = ["--resume"] if (folder / checkpoint).exists() else []
        ended = self.run([*self.words, "--checkpoint", checkpoint, *words], folder)
        if ended.status or (said := wrong(ended)):
            notes.fault(f"the run that was to go on: {said if ended.status == 0 else ended.err[-1500:]}")
        elif said := difference(folder / checkpoint, self.whole):
            notes.fault(f"other bits than without the disturbance: {said}")


class Killed(Training):
    """Runs that get SIGKILL, SIGTERM or SIGINT at any moment, again and again, until they are through."""

    def attempt(self, random: Random, folder: Path, notes: Notes) -> None:
        """One run, with up to eight signals."""
        for _ in range(random.randint(1, 8)):
            words = ["--resume"] if (folder / "a").exists() else []
            number = random.choice([*[signal.SIGKILL] * 3, signal.SIGTERM, signal.SIGINT])
            process = self.begun([*self.words, "--checkpoint", "a", *words], folder, random)
            time.sleep(random.uniform(0, 1.2 * self.seconds) if random.random() < 0.8 else random.uniform(0, 0.3))
            process.send_signal(number)
            ended = finished(process)
            if not self._ended_well(ended, number, folder, notes):
                return
            if ended.status == 0:
                break
        for path in folder.iterdir():
            if path.name != "a":
                # Only old files are deleted, since another process may be writing a new one.
                os.utime(path, (0, 0))
        self.go_on(folder, "a", notes)
        left = sorted(path.name for path in folder.iterdir() if path.name != "a")
        if left:
            notes.fault(f"files are left over: {', '.join(left)}")

    def _ended_well(self, ended: Ended, number: signal.Signals, folder: Path, notes: Notes) -> bool:
        if (folder / "a").exists():
            load_model(folder / "a")
        if number != signal.SIGKILL and ended.status == -number and not ended.out:
            notes.count("signals before the command had begun")
            return True
        if said := wrong(ended, (0, ENDED[number])):
            notes.fault(f"{number.name}: {said}")
            return False
        if ended.status == 0:
            notes.count("runs that were through before the signal came")
        else:
            notes.count(f"{number.name} survived")
        return True


class FullDisk(Training):
    """Runs that may write no file beyond a size below that of a checkpoint, as on a full disk."""

    def attempt(self, random: Random, folder: Path, notes: Notes) -> None:
        """A run that is ended, then one on the full disk, then one without the bound."""
        if random.random() < 0.8:
            steps = str(random.randrange(10, STEPS, 10))
            ended = self.run([*self.words, "--steps", steps, "--checkpoint", "a"], folder)
            if said := wrong(ended, (0,)):
                notes.fault(f"before the disk was full: {said}")
                return
        words = ["--resume"] if (folder / "a").exists() else []
        most = random.randrange(self.whole.stat().st_size)
        process = self.begun([*self.words, "--checkpoint", "a", *words], folder, random)
        # From outside, so that it also holds for what the run starts.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
        ended = finished(process)
        if said := wrong(ended, (2,)):
            notes.fault(f"on a disk with {most} bytes: {said}")
            return
        if left := sorted(path.name for path in folder.iterdir() if path.name != "a"):
            notes.fault(f"on a disk with {most} bytes: files are left over: {', '.join(left)}")
            return
        if (folder / "a").exists():
            load_model(folder / "a")
        notes.count("full disks survived")
        self.go_on(folder, "a", notes)


class RenamedFolder(Training):
    """Runs whose checkpoint's folder is renamed under them; what they trained has to be somewhere."""

    def attempt(self, random: Random, folder: Path, notes: Notes) -> None:
        """A run, a renaming at any moment, and the run that goes on from the newest checkpoint."""
        place, moved = folder / "place", folder / "moved"
        place.mkdir()
        inside = random.random() < 0.5
        path = "a" if inside else str(place / "a")
        words = [*self.words, "--steps", "1000000", "--checkpoint", path]
        process = self.begun(words, place if inside else folder, random)
        self._await(place / "a")
        time.sleep(random.uniform(0, self.seconds / 2))
        place.rename(moved)
        time.sleep(random.uniform(0, self.seconds / 4))
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(random.choice([signal.SIGINT, signal.SIGTERM]))
        ended = finished(process)
        if said := wrong(ended, (2, 130, 143)):
            notes.fault(f"the run in the renamed folder: {said}")
            return
        found = [p for p in sorted(folder.rglob("*")) if p.is_file() and "tmp" not in p.suffix]
        steps: dict[int, Path] = {json.loads(read_arrays(p)[1]["tinygrad_lstm"])["step"]: p for p in found}
        if not steps:
            notes.fault(f"no checkpoint is left: {ended.err[-500:]}")
            return
        newest = steps[max(steps)]
        if not self._as_undisturbed(newest, max(steps), folder, notes):
            return
        notes.count("renamed folders survived")

    def _await(self, path: Path) -> None:
        until = time.monotonic() + 60
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)

    def _as_undisturbed(self, newest: Path, step: int, folder: Path, notes: Notes) -> bool:
        """Go on to a few steps more, and compare with a run that took as many at once."""
        steps = str(step + 7)
        whole = self.run([*self.words, "--steps", steps, "--checkpoint", "whole"], folder)
        resumed = self.run([*self.words, "--steps", steps, "--resume", str(newest)], folder)
        for ended in (whole, resumed):
            if said := wrong(ended, (0,)):
                notes.fault(f"the run that was to go on from {newest.name}: {said}")
                return False
        if said := difference(newest, folder / "whole"):
            notes.fault(f"other bits than in one folder: {said}")
            return False
        return True
