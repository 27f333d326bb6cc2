"""The command ``task``: trials of a task, and their table."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tinygrad_lstm.cli.agreeing import checked_folder, command_of, note_of, run_agreement
from tinygrad_lstm.draw.output import write_picture
from tinygrad_lstm.errors import UsageError, printable
from tinygrad_lstm.runtime.backend import get_backend, use_backend
from tinygrad_lstm.runtime.threads import blas_threads
from tinygrad_lstm.tasks.catalogue import make_task
from tinygrad_lstm.tasks.definition import Protocol, Task
from tinygrad_lstm.tasks.learning import CellResult, run_trials
from tinygrad_lstm.tasks.results import results_page, results_table
from tinygrad_lstm.train.progress import bar_on

__all__ = ["run_task"]


def run_task(arguments: argparse.Namespace) -> int:
    """Run the trials of a task for each cell, and print the table."""
    given = vars(arguments)
    _check_options(given)
    arguments.trials = given.get("trials", 5 if arguments.name == "agreement" else 10)
    if arguments.name == "agreement":
        return run_agreement(arguments)
    task = make_task(arguments.name, given.get("length"))
    name = given.get("protocol") or next(iter(task.protocols))
    protocol = task.protocol(name)
    page = checked_folder(given.get("output"))
    print(f"{task.title} ({task.source})\n\n{task.about}\n\n{task.shown}\n\nprotocol {name}: {protocol}", flush=True)
    with use_backend(arguments.backend or get_backend()), blas_threads(arguments.threads):
        results = [_tried(task, protocol, cell, arguments) for cell in arguments.cells]
        note = note_of(arguments)
    print(f"\n{results_table(protocol, results)}\n\n{note}")
    if page is not None:
        write_picture(Path(page), results_page(task, name, results, command_of(arguments), note).encode("utf-8"))
        print(printable(page))
    return 0


def _tried(task: Task, protocol: Protocol, cell: str, arguments: argparse.Namespace) -> CellResult:
    limit = vars(arguments).get("limit", protocol.limit)
    with bar_on(sys.stderr, total=limit, desc=cell, unit=" sequences", leave=False) as bar:

        def watch(seen: int, solved: int) -> None:
            bar.set_postfix_str(f"{solved} of {arguments.trials} trials done", refresh=False)
            bar.update(seen - bar.n)

        return run_trials(task, protocol, cell, arguments.trials, arguments.seed, limit, watch)


def _check_options(given: dict[str, Any]) -> None:
    """Raise for an option that the task does not take."""
    alone = ("objective", "steps", "corpus", "picture")
    absent = ("protocol", "limit", "length") if given["name"] == "agreement" else alone
    if unknown := [option for option in absent if option in given]:
        others = "which has --" + ", --".join(alone) if given["name"] == "agreement" else "which only agreement has"
        raise UsageError(f"the task {given['name']} has no --{unknown[0]}, {others}")
