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
from tests.faults.ranks import KilledRanks, mpiexec
from tests.faults.training import FullDisk, Killed, RenamedFolder
from tests.faults.vectors import Vectors

__all__ = ["HARNESSES", "main"]

HARNESSES: dict[str, Callable[[Path], Harness]] = {
    "killed": Killed,
    "ranks": KilledRanks,
    "disk": FullDisk,
    "renamed": RenamedFolder,
    "damaged": Damaged,
    "names": Names,
    "vectors": Vectors,
    "poisoned": Poisoned,
}
FULL = {
    "killed": {"SIGKILL survived": 100, "SIGTERM survived": 30, "SIGINT survived": 30},
    "ranks": {"SIGKILL of ranks survived": 10},
    "disk": {"full disks survived": 10},
    "renamed": {"renamed folders survived": 10},
    "damaged": {"damaged files refused": 300, "forged headers refused": 100},
    "names": {"hostile names that were names": 40},
    "vectors": {"vectors refused": 100, "vectors that ran": 30},
    "poisoned": {"poisoned caches survived": 12},
}
"""How often --full tries at least what each harness counts."""
FULL_SECONDS = 3600.0
TOLD_EVERY = 30.0


@dataclass
class _Turn:
    """A harness, how far it is, and how long it has worked."""

    name: str
    number: int
    harness: Harness | None = None
    spent: float = 0.0
    notes: Notes = field(default_factory=Notes)

    def lacking(self) -> list[str]:
        """What --full wants of it and it has not tried so often."""
        wanted, counts = FULL[self.name], self.notes.counts
        return [f"{counts[what]} of {number} {what}" for what, number in wanted.items() if counts[what] < number]


class _Tool:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        names = options.only or [name for name in HARNESSES if name != "ranks" or mpiexec()]
        self.turns = [_Turn(name, options.first) for name in names]
        self.begun = self.told = time.monotonic()

    def run(self) -> None:
        """Give each harness the same time, until there is none left or each has made its attempts.

        With --full those that have tried all have no more turns, and a fault ends the turns of its harness.
        """
        most = self.options.first + self.options.count if self.options.count else sys.maxsize
        while time.monotonic() - self.begun < self.options.seconds:
            left = [turn for turn in self.turns if turn.number < most]
            if self.options.full:
                left = [turn for turn in left if turn.lacking() and not turn.notes.faults]
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
        faults = short = 0
        for turn in self.turns:
            for what, number in sorted(turn.notes.counts.items()):
                print(f"{turn.name:10} {number:7,} {what}")
            faults += len(turn.notes.faults)
            if self.options.full and turn.lacking():
                print(f"{turn.name:10} not reached: {', '.join(turn.lacking())}")
                short += 1
        print(f"{time.monotonic() - self.begun:.0f} s, seed {self.options.seed}: {faults} faults")
        return 1 if faults or short else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns 1 when there was a fault."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Kills training runs, fills their disk, renames their folder, damages their files; poisons the "
        "cache; tries hostile names and arguments. Every choice follows from the seed.",
    )
    parser.add_argument("--seconds", type=float, help=f"how long (default: 60, with --full {FULL_SECONDS:.0f})")
    parser.add_argument(
        "--full",
        action="store_true",
        help="until each harness has tried as much as is published, in about 20 minutes",
    )
    parser.add_argument("--seed", type=int, default=0, help="which choices (default: 0)")
    parser.add_argument("--only", action="append", choices=list(HARNESSES), help="this one; may be given again")
    parser.add_argument("--first", type=int, default=0, help="the number of the first attempt (default: 0)")
    parser.add_argument("--count", type=int, default=0, help="attempts of each (default: as many as time allows)")
    options = parser.parse_args(arguments)
    if options.seconds is None:
        options.seconds = FULL_SECONDS if options.full else 60.0
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        # What is tried here must not meet the user's own cache.
        os.environ["TINYGRAD_LSTM_CACHE"] = str(Path(folder) / "cache")
        tool = _Tool(options, Path(folder))
        with contextlib.suppress(KeyboardInterrupt):
            tool.run()
        return tool.summary()
