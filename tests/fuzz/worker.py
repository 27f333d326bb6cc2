"""One process of the fuzz: ``python -m tests.fuzz.worker``, started by the tool, tells what it finds line by line.

A line is a JSON object: ``{"begun": number}``, ``{"done": count, "rejected": count}``, or ``{"failure": …}``. A process
that dies is thereby known to have died of the program that it began last.
"""

import argparse
import gc
import json
import sys
import time
from collections import Counter
from typing import Any

from tests.fuzz.comparing import RejectedError, difference
from tests.fuzz.generator import generated
from tests.fuzz.program import Program, program_text
from tests.fuzz.shrinking import shrunk
from tests.fuzz.signature import signature

__all__ = ["main", "reduced", "tell"]

SHRUNK_ALIKE = 4
"""Of failures whose unshrunk signature was met so often, no more are shrunk."""


def tell(**what: Any) -> None:
    """One line to the tool."""
    print(json.dumps(what), flush=True)


def reduced(program: Program, backend: str, kind: str) -> Program:
    """The program shrunk as long as it fails in the same way; for C first on NumPy, which takes less time."""
    if backend != "numpy" and (faster := _fault(program, "numpy")) is not None:
        small = reduced(program, "numpy", faster)
        if _fault(small, backend) is not None:
            program, kind = small, str(_fault(small, backend))

    tries = 1500 if backend == "numpy" else 150
    return shrunk(program, lambda candidate: _fault(candidate, backend) == kind, tries)


def _fault(program: Program, backend: str) -> str | None:
    try:
        found = difference(program, backend)
    except RejectedError:
        return None
    return found.kind if found is not None else None


def _report(number: int, program: Program, backend: str, kind: str, detail: str) -> None:
    small = reduced(program, backend, kind)
    try:
        found = difference(small, backend)
    except RejectedError:  # pragma: no cover - a failure that comes and goes
        found = None
    tell(
        failure=number,
        kind=kind,
        signature=signature(kind, small),
        detail=found.detail if found else detail,
        text=program_text(small, backend),
        lines=len(small.steps),
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--until", type=float, required=True, help="the time, as of time.time()")
    parser.add_argument("--count", type=int, default=sys.maxsize)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--shrink", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args(arguments)
    done = rejected = 0
    reported: Counter[str] = Counter()
    told = time.time()
    # Graphs are freed by their counts of references; looking for cycles is left to the end of each hundred.
    gc.disable()
    number = given.first
    for _ in range(given.count):
        if time.time() > given.until:
            break
        print(f'{{"begun": {number}}}', flush=True)
        program = generated(given.seed, number)
        try:
            found = difference(program, given.backend)
        except RejectedError:
            rejected += 1
            found = None
        if found is not None:
            rough = signature(found.kind, program)
            if given.shrink and reported[rough] < SHRUNK_ALIKE:
                _report(number, program, given.backend, found.kind, found.detail)
            else:
                tell(failure=number, kind=found.kind, signature=f"not shrunk: {found.kind}", detail=found.detail)
            reported[rough] += 1
        done += 1
        number += given.step
        if time.time() > told + 2:
            tell(done=done, rejected=rejected)
            done = rejected = 0
            told = time.time()
            gc.collect()
    tell(done=done, rejected=rejected)
    tell(ended=True)


if __name__ == "__main__":
    main()
