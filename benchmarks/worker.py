"""One system on one problem, in a process of its own: ``python -m benchmarks.worker SYSTEM MODE T B I H``.

It prepares the problem, takes the first steps and writes what they gave to ``--results``. Then it answers each line on
stdin, a number of seconds, with a line of JSON: the median time of the steps that fitted into them.
"""

import argparse
import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.problems import MissingError, problem
from benchmarks.systems import REFERENCE, SYSTEMS

FIRST_STEPS = {"training": 1, "inference": 1, "words": 3}
"""Updates before results are compared: the loss of the third one depends on everything that two updates do."""


def main() -> None:
    """Prepare the problem, then answer questions until stdin ends."""
    # The driver handles Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parser = argparse.ArgumentParser()
    parser.add_argument("system")
    parser.add_argument("mode")
    parser.add_argument("shape", type=int, nargs=4)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--results", type=Path, required=True)
    arguments = parser.parse_args()
    confine(arguments.threads)
    with protocol() as answers:
        try:
            step, facts = prepared(arguments)
        except Exception as error:
            answer(answers, {"missing" if isinstance(error, MissingError) else "failed": one_line(error)})
            return
        answer(answers, facts)
        for line in sys.stdin:
            times = timed(step, float(line))
            answer(answers, {"seconds": statistics.median(times), "steps": len(times), "peak": peak_memory()})


@contextlib.contextmanager
def protocol() -> Iterator[IO[str]]:
    """The real stdout, for answers; prints of libraries are redirected to stderr."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        yield answers


def answer(answers: IO[str], content: dict[str, Any]) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


def one_line(error: Exception) -> str:
    """An error on one line."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, MissingError) else f"{type(error).__name__}: {text}"


def confine(threads: int) -> None:
    """Restrict this process to as many processors as threads, since not every library has an option for threads."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:threads])


def prepared(arguments: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """A step that was taken already, and what preparing took."""
    module, function = (SYSTEMS | {"reference": REFERENCE})[arguments.system].prepare.split(":")
    start = time.perf_counter()
    prepare = getattr(importlib.import_module(f"benchmarks.systems.{module}"), function)
    imported, before = time.perf_counter(), peak_memory()
    step, read = prepare(problem(arguments.mode, tuple(arguments.shape)))
    made = time.perf_counter()
    first = step()
    taken = time.perf_counter()
    results = dict(read(first))
    for k in range(1, FIRST_STEPS[arguments.mode]):
        results |= {f"{name} of step {k + 1}": value for name, value in read(step()).items()}
    np.savez(arguments.results, **results)
    facts = {"import": imported - start, "prepare": made - imported, "first": taken - made, "start": before}
    return step, facts


def timed(step: Any, seconds: float) -> list[float]:
    """The time of each step, after one that is not counted; at least one."""
    gc.collect()
    step()
    times: list[float] = []
    start = time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    return times


def peak_memory() -> int:
    """The most bytes that this process has had in memory."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage is not used: on Linux its maximum begins with that of the parent.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


if __name__ == "__main__":
    main()
