"""The table of a task: what papers say, and what came out here; and the page that shows it."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from tinygrad_lstm.tasks.definition import Protocol, Task
from tinygrad_lstm.tasks.learning import CellResult
from tinygrad_lstm.tasks.trial_cells import Blocks

__all__ = ["machine_name", "markdown_table", "results_page", "results_table", "written_page"]

_HEAD: Final = (
    "cell",
    "weights",
    "paper: success",
    "paper: sequences",
    "paper: wrong",
    "here: success",
    "sequences (mean, range)",
    "wrong (mean)",
    "time",
)


def machine_name() -> str:
    """The processor and how many of its cores this process may use."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        name = models[0] if models else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{name}, {cores} core{'s' if cores > 1 else ''}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown whose columns are as wide as their longest entry.

    >>> print(markdown_table(["cell", "wrong"], [["LSTM", "0"], ["RNN", "12"]]))
    | cell | wrong |
    |------|-------|
    | LSTM | 0     |
    | RNN  | 12    |
    """
    rows = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def written_page(title: str, *parts: str, command: str, note: str) -> str:
    """A page of results in Markdown: its parts, then the command that makes them again, and a note on the machine.

    >>> written_page("Parity", "| cell |", command="tinygrad-lstm task parity", note="Two cores.").splitlines()[0]
    '# Parity'
    """
    return "\n\n".join([f"# {title}", *parts, f"```bash\n{command}\n```", note]) + "\n"


def results_table(protocol: Protocol, results: Sequence[CellResult]) -> str:
    """One row for each cell: published success, sequences and wrong answers of the test, and those of the trials.

    Sequences are those until the criterion was met, over the successful trials; wrong answers are the mean over the
    successful trials, or over all of them where none was successful.
    """
    return markdown_table(_HEAD, [_row(protocol, result) for result in results])


def _row(protocol: Protocol, result: CellResult) -> tuple[str, ...]:
    paper, solved = protocol.published.get(result.cell), result.solved
    known = ["", "", ""] if paper is None else [paper.success, paper.needed, paper.wrong]
    if solved:
        needed = [trial.needed for trial in solved if trial.needed is not None]
        sequences = f"{np.mean(needed):,.0f} ({min(needed):,} … {max(needed):,})"
    else:
        sequences = f"> {result.limit:,}"
    wrong = np.mean([trial.wrong for trial in solved or result.trials])
    share = f"{len(solved)} of {len(result.trials)}"
    tested = f"{wrong:,.1f} of {result.trials[0].tested:,}"
    return (
        _cell_name(result),
        f"{result.size:,}",
        *[text or "–" for text in known],
        share,
        sequences,
        tested,
        f"{result.seconds:.0f} s",
    )


def _cell_name(result: CellResult) -> str:
    kind, hidden = result.cell.upper(), result.hidden
    if isinstance(hidden, Blocks):
        return f"{kind} of 1997, {hidden.count} × {hidden.size}"
    return f"{kind}, {hidden} unit{'s' if hidden > 1 else ''}"


def results_page(task: Task, protocol: str, results: Sequence[CellResult], command: str, note: str) -> str:
    """A page in Markdown: the task, the settings of a protocol, and its table.

    Args:
        protocol: its name.
        results: of each cell.
        command: what made them.
        note: the machine, the backend, and what else belongs to the numbers.
    """
    rules = task.protocol(protocol)
    return written_page(
        f"{task.title}, {_HEADINGS.get(protocol, protocol)}",
        task.about,
        f"```text\n{task.shown}\n```",
        f"Source: {task.source}.",
        f"{rules}.",
        results_table(rules, results),
        command=command,
        note=note,
    )


_HEADINGS: Final = {"1997": "as in 1997", "modern": "today's way"}
