"""What the attempts of a harness have shown."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

__all__ = ["Harness", "Notes"]


@dataclass
class Notes:
    """What was tried, how often, and what was wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        """Note that ``what`` happened, as it should."""
        self.counts[what] += number

    def fault(self, what: str) -> None:
        """Note that ``what`` happened, as it should not."""
        self.faults.append(what)


class Harness(Protocol):
    """One kind of fault, tried again and again with random choices.

    It is made with a folder of its own, in which it may prepare what all attempts need.
    """

    def attempt(self, random: Random, folder: Path, notes: Notes) -> None:
        """Try once, in a new folder. All choices come from ``random``."""
