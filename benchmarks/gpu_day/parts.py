"""The parts of the day, those that teach most first, and how the time is divided among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["PARTS", "Part", "limit"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    Attributes:
        module: where its checks are, in this package.
        share: seconds of 390 that it may take.
        environment: additions to the environment of its process.
    """

    name: str
    module: str
    teaches: str
    share: float
    environment: Mapping[str, str] = field(default_factory=dict)


PARTS: Final = (
    Part("environment", "environment", "what is here, and whether the backend can work", 30),
    Part("smoke", "smoke", "each op once, and an LSTM step, against the CPU", 65),
    Part("suites", "suites", "the conformance suite and the tests that wait for a GPU", 95),
    Part("capture", "capture", "programs recorded, replayed on poisoned memory, and why others are not", 25),
    Part("training", "training", "200 steps of training against the CPU", 35),
    Part("speed", "speed", "a training step beside cuDNN and PyTorch, and beside the model", 90, {"CUPY_TF32": "0"}),
    Part("speed, TF32", "speed", "the same with TF32 on both sides", 20, {"CUPY_TF32": "1"}),
    Part("crossover", "crossover", "below which size the CPU is faster", 30),
)


def limit(parts: Sequence[Part], left: float) -> float:
    """The seconds that the first of ``parts`` may take: its share of those left. Time that it saves goes to the others.

    >>> round(limit(PARTS, 390)), round(limit(PARTS[-2:], 100))
    (30, 40)
    """
    return left * parts[0].share / sum(part.share for part in parts)
