"""From the times of rounds to medians, ratios and tables."""

import math
import statistics
from typing import Any

from benchmarks.systems import SYSTEMS

Case = dict[str, Any]


def milliseconds(case: Case, name: str) -> float | None:
    """The median over the rounds in milliseconds; None if the system was not timed."""
    rounds = case["systems"].get(name, {}).get("rounds")
    return 1e3 * float(statistics.median(rounds)) if rounds else None


def ratio(case: Case, name: str, reference: str) -> float | None:
    """The median over the rounds of the time of a system by that of the reference in the same round."""
    pair = [case["systems"].get(n, {}).get("rounds") for n in (name, reference)]
    if not all(pair):
        return None
    return float(statistics.median(a / b for a, b in zip(*pair, strict=True)))


def reference_of(mode: str, references: list[str]) -> str:
    """The first of the references that has this mode; empty when none has."""
    return next((name for name in references if mode in SYSTEMS[name].modes), "")


def title(case: Case) -> str:
    """Mode and shape of a case."""
    return f"{case['mode']} {tuple(case['shape'])}"


def summary(case: Case, references: list[str]) -> str:
    """A case on the terminal: a line for each system."""
    reference = reference_of(case["mode"], references)
    lines = [f"{title(case)}   {'ms':>9} {'ratio':>7} {'first s':>8} {'peak MiB':>9} {'error':>8}"]
    width = lines[0].index("   ") + 3
    for name, entry in case["systems"].items():
        time, by = milliseconds(case, name), ratio(case, name, reference)
        if time is None:
            lines.append(f"{name:<{width}}{_why_not(entry)}")
            continue
        relative = f"{by:7.2f}" if by is not None else " " * 7
        first, peak = entry["prepare"] + entry["first"], entry["peak"] / 2**20
        lines.append(f"{name:<{width}}{time:9.3f} {relative} {first:8.2f} {peak:9.0f} {entry['error']:8.0e}")
    return "\n".join(lines) + "\n"


def markdown(found: dict[str, Any]) -> str:
    """The page: the machine, and for each mode a table of times and ratios, of first calls, and of memory."""
    parts = [
        "# Speed",
        "",
        "Written by `make bench`; [problems.py](../benchmarks/problems.py) says what is computed, and sizes are",
        "T, B, I, H. Each system ran in a process of its own, in turns with the others; all times are medians over the",
        "rounds, and smaller is faster.",
        "",
        *(f"- {name}: {value}" for name, value in found["machine"].items()),
        "",
        *(f"- `{name}`: {system.what}" for name, system in SYSTEMS.items() if name in _names(found["cases"])),
    ]
    for mode in dict.fromkeys(case["mode"] for case in found["cases"]):
        cases = [case for case in found["cases"] if case["mode"] == mode]
        mean, reference = len(cases) > 1, reference_of(mode, found["references"])
        head = [", ".join(map(str, case["shape"])) for case in cases] + ["ratio, geometric mean"] * mean
        parts += ["", f"## {mode.capitalize()}", ""]
        parts += [f"Milliseconds a step, in brackets as a multiple of `{reference}` in the same rounds:", ""]
        parts += _table(head, cases, reference, mean)
        parts += ["", "Seconds until the first step was done, without imports:", ""]
        parts += _facts(cases, lambda entry: f"{entry['prepare'] + entry['first']:.2f}")
        parts += ["", "Peak memory in MiB, and in brackets what of it came after the imports:", ""]
        parts += _facts(
            cases, lambda entry: f"{entry['peak'] / 2**20:.0f} ({(entry['peak'] - entry['start']) / 2**20:.0f})"
        )
    return "\n".join(parts) + "\n"


def _names(cases: list[Case]) -> list[str]:
    return [name for name in SYSTEMS if any(name in case["systems"] for case in cases)]


def _table(head: list[str], cases: list[Case], reference: str, mean: bool) -> list[str]:
    rows = []
    for name in _names(cases):
        ratios = [ratio(case, name, reference) for case in cases]
        row = [
            _cell(case["systems"].get(name, {}), milliseconds(case, name), by)
            for case, by in zip(cases, ratios, strict=True)
        ]
        known = [by for by in ratios if by is not None]
        if mean:
            whole = len(known) == len(cases)
            row.append(f"{math.exp(statistics.fmean(map(math.log, known))):.2f}" if whole else "")
        rows.append([f"`{name}`", *row])
    return _lines(["", *head], rows)


def _facts(cases: list[Case], show: Any) -> list[str]:
    head = ["", *(", ".join(map(str, case["shape"])) for case in cases)]
    timed = [[case["systems"].get(name, {}) for case in cases] for name in _names(cases)]
    rows = [
        [f"`{name}`", *(show(entry) if entry.get("rounds") else "" for entry in entries)]
        for name, entries in zip(_names(cases), timed, strict=True)
    ]
    return _lines(head, rows)


def _cell(entry: dict[str, Any], time: float | None, by: float | None) -> str:
    if time is None:
        return next((why for why in ("missing", "failed", "slow", "wrong") if why in entry), "")
    digits = max(0, 2 - math.floor(math.log10(time)))
    return f"{time:.{digits}f}" + (f" ({by:.2f})" if by is not None else "")


def _lines(head: list[str], rows: list[list[str]]) -> list[str]:
    dashes = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in (head, dashes, *rows)]


def _why_not(entry: dict[str, Any]) -> str:
    return "; ".join(f"{why}: {entry[why]}" for why in ("missing", "failed", "slow", "wrong") if why in entry)
