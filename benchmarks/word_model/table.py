"""The table of a run here beside one in PyTorch: ``python -m benchmarks.word_model.table LOG PEER``.

LOG is what ``tinygrad-lstm train --log`` wrote, PEER what :mod:`benchmarks.word_model.peer` printed.
"""

import argparse
import json
import math
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

from tinygrad_lstm.train.journal import read_journal

__all__ = ["rounds", "table"]

HEAD = (
    "| epoch | rate | perplexity here: training | held out | PyTorch: training | held out | ms a step here | PyTorch |",
    "|---|---|---:|---:|---:|---:|---:|---:|",
)


def rounds(lines: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Of each round over the text: the mean loss, that of the held-out text, the rate, the median time of an update.

    >>> lines = [{"step": 50, "epoch": 0, "seconds": 2.0, "loss": 4.0, "lr": 1.0}]
    >>> lines += [{"step": 100, "epoch": 0, "seconds": 3.0, "loss": 3.0, "lr": 1.0}]
    >>> lines += [{"step": 150, "epoch": 1, "seconds": 9.0, "loss": 2.0, "lr": 1.0, "held_out": 2.5}]
    >>> rounds(lines)
    [{'train': 3.0, 'valid': 2.5, 'lr': 1.0, 'seconds_per_step': 0.02}]
    """
    found = []
    first = 0
    for last, line in enumerate(lines):
        if "held_out" not in line:
            continue
        start = lines[first - 1] if first else {"step": 0, "seconds": 0.0}
        pairs = [
            (b["step"] - a["step"], b["loss"], b["seconds"] - a["seconds"])
            for a, b in pairwise([start, *lines[first : last + 1]])
        ]
        # The first pair of all has the compiler in it, and the last one the look at the held-out text.
        times = [seconds / count for count, _, seconds in pairs[not first : -1]]
        found.append({
            "train": sum([count * loss for count, loss, _ in pairs]) / sum([count for count, _, _ in pairs]),
            "valid": line["held_out"],
            "lr": line["lr"],
            "seconds_per_step": statistics.median(times),
        })  # fmt: skip
        first = last + 1
    return found


def table(ours: list[dict[str, float]], peers: list[dict[str, float]]) -> str:
    """The rows of both runs beside each other, as perplexities and milliseconds.

    >>> round_ = {"train": 0.0, "valid": 0.0, "lr": 0.5, "seconds_per_step": 0.04}
    >>> print(table([round_], [round_]).splitlines()[-1])
    | 1 | 0.5 | 1.0 | 1.0 | 1.0 | 1.0 | 40 | 40 |
    """
    rows = [
        f"| {k} | {a['lr']:.4g} | {math.exp(a['train']):.1f} | {math.exp(a['valid']):.1f} "
        f"| {math.exp(b['train']):.1f} | {math.exp(b['valid']):.1f} "
        f"| {1e3 * a['seconds_per_step']:.0f} | {1e3 * b['seconds_per_step']:.0f} |"
        for k, (a, b) in enumerate(zip(ours, peers, strict=False), 1)
    ]
    return "\n".join([*HEAD, *rows])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path, help="what tinygrad-lstm train --log wrote")
    parser.add_argument("peer", type=Path, help="what benchmarks.word_model.peer printed")
    arguments = parser.parse_args()
    peer = [json.loads(line) for line in arguments.peer.read_text(encoding="utf-8").splitlines()]
    print(table(rounds(read_journal(arguments.log)), [line for line in peer if "epoch" in line]))


if __name__ == "__main__":
    main()
