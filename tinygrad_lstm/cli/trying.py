"""The command ``task``: trials of a task, and their table."""

import argparse
import shlex
import sys
from pathlib import Path

from tqdm import tqdm

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.runtime.backend import get_backend, use_backend
from tinygrad_lstm.runtime.threads import blas_threads
from tinygrad_lstm.tasks.catalogue import make_task
from tinygrad_lstm.tasks.definition import Protocol, Task
from tinygrad_lstm.tasks.learning import CellResult, run_trials
from tinygrad_lstm.tasks.results import machine_name, results_page, results_table

__all__ = ["run_task"]


def run_task(arguments: argparse.Namespace) -> int:
    """Run the trials of a task for each cell, and print the table."""
    given = vars(arguments)
    task = make_task(arguments.name, given.get("length"))
    name = given.get("protocol") or next(iter(task.protocols))
    protocol = task.protocol(name)
    page = given.get("output")
    if page is not None and not Path(page).parent.is_dir():
        raise UsageError(f"there is no folder {Path(page).parent}; make it, or name a file elsewhere with -o")
    print(f"{task.title} ({task.source})\n\n{task.about}\n\n{task.shown}\n\nprotocol {name}: {protocol}", flush=True)
    with use_backend(arguments.backend or get_backend()), blas_threads(arguments.threads):
        results = [_tried(task, protocol, cell, arguments) for cell in arguments.cells]
        note = _note(arguments)
    print(f"\n{results_table(protocol, results)}\n\n{note}")
    if page is not None:
        Path(page).write_text(results_page(task, name, results, _command(arguments), note), encoding="utf-8")
        print(page)
    return 0


def _tried(task: Task, protocol: Protocol, cell: str, arguments: argparse.Namespace) -> CellResult:
    limit = vars(arguments).get("limit", protocol.limit)
    with tqdm(total=limit, desc=cell, unit=" sequences", disable=not sys.stderr.isatty(), leave=False) as bar:

        def watch(seen: int, solved: int) -> None:
            bar.set_postfix_str(f"{solved} of {arguments.trials} trials done", refresh=False)
            bar.update(seen - bar.n)

        return run_trials(task, protocol, cell, arguments.trials, arguments.seed, limit, watch)


def _note(arguments: argparse.Namespace) -> str:
    trials = "the trial 0" if arguments.trials == 1 else f"the trials 0 to {arguments.trials - 1}"
    return (
        f"{trials.capitalize()} of the seed {arguments.seed}, side by side in one program, on the backend "
        f"{get_backend()}, {machine_name()}."
    )


def _command(arguments: argparse.Namespace) -> str:
    words = ["tinygrad-lstm", "task", arguments.name]
    for option in ("length", "protocol", "limit", "trials", "seed", "backend"):
        if vars(arguments).get(option) is not None:
            words += [f"--{option}", str(vars(arguments)[option])]
    words += ["--cells", ",".join(arguments.cells), "-o", arguments.output]
    return shlex.join(words)
