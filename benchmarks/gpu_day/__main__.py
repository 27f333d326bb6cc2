"""The first minutes on a GPU: ``python -m benchmarks.gpu_day``

What is here, whether each op and an LSTM are right, whether programs are recorded as CUDA graphs, whether training
falls as on the CPU, and how fast it is beside cuDNN and beside what the published figures of the GPU allow: in order of
what it teaches, each part in a process of its own with a limit to its time. A failure is written down and never stops
it. ``gpu.jsonl`` grows with each finding, ``gpu.md`` with each part.

It needs Python, CuPy, the checkout, and a folder of wheels for what is not installed; see ``make gpu-wheels``.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.gpu_day.children import run_part
from benchmarks.gpu_day.parts import PARTS, limit
from benchmarks.gpu_day.record import Record
from benchmarks.gpu_day.summary import failures, summary, unusable
from benchmarks.gpu_day.wheels import search_path, unpacked

CHECKOUT: Final = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Run all parts; returns 0 when all is well, 1 when something failed, 2 when there is no GPU."""
    options = _options(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    record = Record(options.out / "gpu.jsonl")
    for old in (record.path, *options.out.glob("*.log")):
        old.unlink(missing_ok=True)
    with TemporaryDirectory() as folder:
        return _day(options, record, Path(folder))


def _day(options: argparse.Namespace, record: Record, site: Path) -> int:
    """Run the parts one after the other, within the time; returns the exit status."""
    until = time.monotonic() + options.seconds
    wheels = unpacked(options.wheels, site)
    known = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*search_path(CHECKOUT, site), *([known] if known else [])]),
        # The verifier runs in the test suites; here it would only cost time.
        "TINYGRAD_LSTM_VERIFY": "0",
        "PYTHONFAULTHANDLER": "1",
    }
    parts = [part for part in PARTS if not options.parts or part.name in options.parts]
    for k, part in enumerate(parts):
        size = "small" if options.small else "whole"
        command = [sys.executable, "-m", options.through, part.name, str(record.path), size]
        seconds = max(limit(parts[k:], until - time.monotonic()), 1.0)
        print(f"{part.name}: {part.teaches}; at most {seconds:.0f} s", flush=True)
        run_part(part.name, command, seconds, record, options.out, {**environment, **part.environment})
        (options.out / "gpu.md").write_text(summary(record.lines(), wheels), encoding="utf-8")
        missing = unusable(record.lines())
        if missing:
            print(f"there is no GPU to measure: {missing}", file=sys.stderr)
            return 2
    wrong = failures(record.lines())
    print((options.out / "gpu.md").read_text(encoding="utf-8"))
    print(f"{len(wrong)} checks failed; all findings are in {record.path}, a summary in {options.out / 'gpu.md'}")
    return 1 if wrong else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_day", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=390, help="all the time there is (default: 390)")
    parser.add_argument("--out", type=Path, default=Path("out/gpu"), help="a folder for the findings")
    parser.add_argument("--wheels", type=Path, default=Path("wheels"), help="a folder of wheels for what is missing")
    parser.add_argument("--parts", nargs="+", choices=[part.name for part in PARTS], help="these alone")
    parser.add_argument("--small", action="store_true", help="small sizes and few repetitions")
    parser.add_argument(
        "--through", default="benchmarks.gpu_day.part", help="a module that runs the parts, instead of the usual one"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
