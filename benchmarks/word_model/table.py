"""The table of a run here beside one in PyTorch: ``python -m benchmarks.word_model.table LOG PEER``.

LOG is what ``tinygrad-lstm train --log`` wrote, PEER what :mod:`benchmarks.word_model.peer` printed.
"""

import argparse
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from tinygrad_lstm.train.journal import read_journal

__all__ = ["rounds", "table"]

HEAD = (
    "| epoch | rate | perplexity here: training | held out | PyTorch: training | held out |",
    "|---|---|---:|---:|---:|---:|",
)


def rounds(lines: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Of each round over the text the mean loss, the loss of the held-out text, and the rate.

    >>> lines = [{"step": 50, "loss": 4.0, "lr": 1.0}, {"step": 100, "loss": 3.0, "lr": 1.0, "held_out": 2.5}]
    >>> rounds(lines)
    [{'train': 3.5, 'valid': 2.5, 'lr': 1.0}]
    """
    found = []
    total, start = 0.0, 0
    for before, line in pairwise([{"step": 0}, *lines]):
        total += (line["step"] - before["step"]) * line["loss"]
        if "held_out" in line:
            found.append({"train": total / (line["step"] - start), "valid": line["held_out"], "lr": line["lr"]})
            total, start = 0.0, line["step"]
    return found


def table(ours: list[dict[str, float]], peers: list[dict[str, float]]) -> str:
    """The rows of both runs beside each other, as perplexities.

    >>> print(table([{"train": 0.0, "valid": 0.0, "lr": 0.5}], [{"train": 0.0, "valid": 0.0}]).splitlines()[-1])
    | 1 | 0.5 | 1.0 | 1.0 | 1.0 | 1.0 |
    """
    rows = [
        f"| {k} | {a['lr']:.4g} | {math.exp(a['train']):.1f} | {math.exp(a['valid']):.1f} "
        f"| {math.exp(b['train']):.1f} | {math.exp(b['valid']):.1f} |"
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
