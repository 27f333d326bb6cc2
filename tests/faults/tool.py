"""The command ``python -m tests.faults``: all harnesses in turn, for so many seconds, and what they found."""

import argparse
import contextlib
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.damaging import Damaged
from tests.faults.naming import Names
from tests.faults.notes import Harness, Notes
from tests.faults.poisoning import Poisoned
from tests.faults.training import FullDisk, Killed, RenamedFolder
from tests.faults.vectors import Vectors

__all__ = ["HARNESSES", "main"]

HARNESSES: dict[str, Callable[[Path], Harness]] = {
    "killed": Killed,
    "disk": FullDisk,
    "renamed": RenamedFolder,
    "damaged": Damaged,
    "names": Names,
    "vectors": Vectors,
    "poisoned": Poisoned,
}
TOLD_EVERY = 30.0


@dataclass
class _Turn:
    """A harness, how far it is, and how long it has worked."""

    name: str
    number: int
    harness: Harness | None = None
    spent: float = 0.0
    notes: Notes = field(default_factory=Notes)


class _Tool:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.turns = [_Turn(name, options.first) for name in options.only or HARNESSES]
        self.begun = self.told = time.monotonic()

    def run(self) -> None:
        """Give each harness the same time, until there is none left or each has made its attempts."""
        most = self.options.first + self.options.count if self.options.count else sys.maxsize
        while time.monotonic() - self.begun < self.options.seconds:
            left = [turn for turn in self.turns if turn.number < most]
            if not left:
                return
            turn = min(left, key=lambda turn: turn.spent)
            begun = time.monotonic()
            self._attempt(turn)
            turn.spent += time.monotonic() - begun
            if time.monotonic() > self.told + TOLD_EVERY:
                self.told = time.monotonic()
                done = ", ".join(f"{turn.name} {turn.number - self.options.first}" for turn in self.turns)
                print(f"{self.told - self.begun:.0f} s; attempts: {done}", file=sys.stderr, flush=True)

    def _attempt(self, turn: _Turn) -> None:
        own = self.folder / turn.name
        if turn.harness is None:
            own.mkdir()
            turn.harness = HARNESSES[turn.name](own)
        known = len(turn.notes.faults)
        with tempfile.TemporaryDirectory(prefix=f"{turn.number}-", dir=own) as folder:
            try:
                # Random takes a text as it is, so that an attempt depends on nothing else.
                random = Random(f"{self.options.seed} {turn.name} {turn.number}")
                turn.harness.attempt(random, Path(folder), turn.notes)
            except Exception:
                turn.notes.fault(traceback.format_exc())
        for fault in turn.notes.faults[known:]:
            again = f"python -m tests.faults --only {turn.name} --seed {self.options.seed} --first {turn.number}"
            print(f"\n{turn.name}: {fault}\n  {again} --count 1", flush=True)
        turn.number += 1

    def summary(self) -> int:
        """Print what was tried; returns the exit status."""
        faults = 0
        for turn in self.turns:
            for what, number in sorted(turn.notes.counts.items()):
                print(f"{turn.name:10} {number:7,} {what}")
            faults += len(turn.notes.faults)
        print(f"{time.monotonic() - self.begun:.0f} s, seed {self.options.seed}: {faults} faults")
        return 1 if faults else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns 1 when there was a fault."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Kills training runs, fills their disk, renames their folder, damages their files; poisons the "
        "cache; tries hostile names and arguments. Every choice follows from the seed.",
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="which choices (default: 0)")
    parser.add_argument("--only", action="append", choices=list(HARNESSES), help="this one; may be given again")
    parser.add_argument("--first", type=int, default=0, help="the number of the first attempt (default: 0)")
    parser.add_argument("--count", type=int, default=0, help="attempts of each (default: as many as time allows)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        # What is tried here must not meet the user's own cache.
        os.environ["TINYGRAD_LSTM_CACHE"] = str(Path(folder) / "cache")
        tool = _Tool(options, Path(folder))
        with contextlib.suppress(KeyboardInterrupt):
            tool.run()
        return tool.summary()
