"""Time this package beside its peers on LSTM layers: ``make bench``, or in parts

    python -m benchmarks.run --systems ours-c,hand,torch --shapes 50,16,32,64 --modes training --rounds 30

Each system has a process of its own for each problem, and the systems take turns: in a round each of them runs for a
moment while the others are stopped, in the opposite order every other round. A round's time is the median of its steps;
a ratio is that of two times of the same round; what is reported are medians over the rounds. Before anything is timed,
loss and gradients are held against those of this package's interpreter in float64.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.machine import machine
from benchmarks.problems import LENGTHS, MODES, SHAPES, WIDTHS, WORDS
from benchmarks.processes import GoneError, Process
from benchmarks.report import markdown, summary
from benchmarks.systems import SYSTEMS

Shape = tuple[int, int, int, int]
NAMED = {"six": SHAPES, "lengths": LENGTHS, "widths": WIDTHS}
FEWEST = 3
TOLERANCE = 1e-4
"""The largest difference allowed between a result and that in float64, as a part of its largest number."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks; returns 1 when a system computes something else."""
    options = _options(argv)
    systems = [name for name in options.systems if _installed(name)]
    cases = []
    interrupted = False
    try:
        for mode, shape in _cases(options.modes, options.shapes):
            case = measure(mode, shape, systems, options)
            cases.append(case)
            print(summary(case, options.references), flush=True)
    except KeyboardInterrupt:
        interrupted = True
        print("interrupted; only what was measured before is written", file=sys.stderr)
    except GoneError as gone:
        print(f"there is nothing to hold results against: the interpreter says {gone}", file=sys.stderr)
        return 2
    turns = f"{options.rounds} rounds, each turn of at least {options.seconds:g} s; {FEWEST} rounds where short of time"
    facts = machine(options.threads, systems) | {"rounds": turns}
    found = {"machine": facts, "references": options.references, "cases": cases}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(markdown(found), encoding="utf-8")
    return 130 if interrupted else int(any("wrong" in entry for case in cases for entry in case["systems"].values()))


def measure(mode: str, shape: Shape, systems: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """The entries of one problem: for each system its measurements, or why there are none."""
    entries: dict[str, dict[str, Any]] = {}
    running: dict[str, Process] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))

        def started(name: str) -> tuple[Process, dict[str, Any], dict[str, Any]]:
            """A worker that is ready, its report on getting ready, and the results of its first steps."""
            path = folder / f"{name}.npz"
            process = Process(name, mode, shape, options.threads, path, options.limit)
            stack.callback(process.end)
            facts = process.answer()
            with np.load(path) as results:
                return process, facts, dict(results)

        reference, _, expected = started("reference")
        reference.end()
        for name in systems:
            if mode in SYSTEMS[name].modes:
                with noted(name, entries):
                    running[name], facts, found = started(name)
                    far = error(found, expected)
                    if far > TOLERANCE:
                        raise GoneError("wrong", f"differs by {far:.1e} of the largest number")
                    entries[name] = facts | {"error": far, "rounds": [], "steps": 0}
        began = time.monotonic()
        for k in range(options.rounds):
            if k >= FEWEST and time.monotonic() - began > options.budget:
                break
            for name in list(running)[:: 1 if k % 2 == 0 else -1]:
                if "rounds" in entries[name]:
                    with noted(name, entries):
                        report = running[name].ask(options.seconds)
                        entries[name]["rounds"].append(report["seconds"])
                        entries[name]["steps"] += report["steps"]
                        entries[name]["peak"] = report["peak"]
    return {"mode": mode, "shape": list(shape), "systems": entries}


@contextmanager
def noted(name: str, entries: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Note why a system dropped out, in place of measurements."""
    try:
        yield
    except GoneError as gone:
        entries[name] = {gone.why: str(gone)}
        print(f"{name}: {gone}", file=sys.stderr)


def error(results: dict[str, Any], expected: dict[str, Any]) -> float:
    """The largest difference of any result, as a part of that result's largest number; inf where one is missing."""
    if results.keys() != expected.keys() or any(results[name].shape != expected[name].shape for name in expected):
        return float("inf")
    differences = [np.abs(results[name] - wanted).max() / np.abs(wanted).max() for name, wanted in expected.items()]
    return float(max(differences)) if np.isfinite(differences).all() else float("inf")


def _cases(modes: list[str], shapes: list[Shape]) -> list[tuple[str, Shape]]:
    """Layers of every shape; the word model has one of its own."""
    cases = [(mode, shape) for mode in modes if mode != "words" for shape in shapes]
    return [*cases, ("words", WORDS)] if "words" in modes else cases


def _installed(name: str) -> bool:
    package = SYSTEMS[name].packages[0]
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        print(f"{name}: {package} is not installed; pip install -e .[bench] has the peers", file=sys.stderr)
        return False
    return True


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line, parsed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Time LSTM layers beside peers.")
    parser.add_argument("--systems", type=_systems, default=list(SYSTEMS), help=f"of {', '.join(SYSTEMS)} (all)")
    parser.add_argument(
        "--shapes", type=_shapes, default=SHAPES, help="T,B,I,H; several are joined by ;, and six, lengths and widths "
        "are those of benchmarks/problems.py (six)"
    )  # fmt: skip
    parser.add_argument("--modes", type=_modes, default=list(MODES), help=f"of {', '.join(MODES)} (all)")
    parser.add_argument("--rounds", type=_positive, default=20, help="turns of each system (20)")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a turn (0.3); it has at least one step")
    parser.add_argument(
        "--budget", type=float, default=120, help=f"seconds for a problem, after which {FEWEST} rounds are enough (120)"
    )
    parser.add_argument("--threads", type=_positive, default=2, help="processors of each system (2)")
    parser.add_argument("--limit", type=float, default=300, help="seconds after which a system is given up (300)")
    parser.add_argument(
        "--references",
        type=_systems,
        default=["hand", "torch"],
        help="ratios are to the first of these that has the mode (hand,torch)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="all numbers, those of every round too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the tables")
    return parser.parse_args(argv)


def _systems(text: str) -> list[str]:
    return _of("system", text, SYSTEMS)


def _modes(text: str) -> list[str]:
    return _of("mode", text, MODES)


def _of(what: str, text: str, known: Any) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is no {what}; there are {', '.join(known)}")
    return names


def _shapes(text: str) -> list[Shape]:
    shapes: list[Shape] = []
    for part in text.split(";"):
        sizes = part.split(",")
        if part in NAMED:
            shapes += NAMED[part]
        elif len(sizes) == 4 and all(size.isdigit() and int(size) > 0 for size in sizes):
            shapes.append((int(sizes[0]), int(sizes[1]), int(sizes[2]), int(sizes[3])))
        else:
            raise argparse.ArgumentTypeError(f"{part!r} is neither T,B,I,H nor one of {', '.join(NAMED)}")
    return shapes


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"an integer of at least 1 is wanted, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
