"""The command ``task agreement``, and what all tasks say of how their numbers were made."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from tinygrad_lstm.draw.output import check_folder, write_picture
from tinygrad_lstm.errors import UsageError, printable
from tinygrad_lstm.runtime.backend import get_backend, use_backend
from tinygrad_lstm.runtime.threads import blas_threads
from tinygrad_lstm.tasks.agreement import (
    Agreement,
    AgreementCorpus,
    agreement_page,
    agreement_table,
    clamp_unit,
    errors_by_attractors,
    find_number_unit,
    from_grammar,
    picture_of_unit,
    read_dependencies,
    train_sentences,
    unit_lines,
)
from tinygrad_lstm.tasks.agreement.report import ABOUT
from tinygrad_lstm.tasks.results import machine_name
from tinygrad_lstm.train.progress import bar_on

__all__ = ["checked_folder", "command_of", "note_of", "run_agreement"]

_STEPS = 3000


def run_agreement(arguments: argparse.Namespace) -> int:
    """Train the cells on sentences, print their errors by attractors, and what carries the number in the LSTM."""
    given = vars(arguments)
    page, picture = checked_folder(given.get("output")), checked_folder(given.get("picture"))
    if picture is not None and ("lstm" not in arguments.cells or "corpus" in given):
        raise UsageError(
            "--picture shows a unit of the LSTM along sentences of the grammar; it goes with the cell lstm, "
            "and without --corpus"
        )
    objective = given.get("objective", "number")
    corpus = read_dependencies(given["corpus"]) if "corpus" in given else from_grammar()
    print(f"{ABOUT}\n", flush=True)
    lines: list[str] = []
    with use_backend(arguments.backend or get_backend()), blas_threads(arguments.threads):
        trained = [_trained(corpus, cell, objective, arguments) for cell in arguments.cells]
        table = agreement_table(trained, [errors_by_attractors(one) for one in trained])
        print(f"Errors of {_told(objective)}:\n\n{table}", flush=True)
        for one in trained:
            if one.cell == "lstm" and corpus.training is None:
                found = find_number_unit(one)
                lines = unit_lines(found, clamp_unit(one, found))
                print("\n" + "\n".join(lines))
                if picture is not None:
                    print(picture_of_unit(one, found).save(picture))
        note = note_of(arguments)
    print(f"\n{note}")
    if page is not None:
        shown = "" if picture is None else os.path.relpath(picture, Path(page).parent)
        text = agreement_page(objective, table, lines, command_of(arguments), note, shown)
        write_picture(Path(page), text.encode("utf-8"))
        print(printable(page))
    return 0


def _told(objective: str) -> str:
    return "networks trained to predict the number" if objective == "number" else "language models"


def _trained(corpus: AgreementCorpus, cell: str, objective: str, arguments: argparse.Namespace) -> Agreement:
    steps = vars(arguments).get("steps", _STEPS)
    with bar_on(sys.stderr, total=steps, desc=cell, unit=" updates", leave=False) as bar:

        def watch(at: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            bar.update(at - bar.n)

        return train_sentences(corpus, cell, objective, arguments.trials, arguments.seed, steps, watch=watch)


def checked_folder(path: str | None) -> str | None:
    """A path, if its folder is there and a file there can be replaced.

    Raises:
        UsageError: when the folder is not there.
        DrawingError: when something else than a regular file is in its place.
    """
    if path is not None and not Path(path).parent.is_dir():
        raise UsageError(f"there is no folder {Path(path).parent}; make it, or name a file elsewhere")
    if path is not None:
        check_folder(Path(path))
    return path


def note_of(arguments: argparse.Namespace) -> str:
    """Seed, trials, backend and machine, in a sentence."""
    trials = "Trial 0" if arguments.trials == 1 else f"Trials 0 to {arguments.trials - 1}"
    return (
        f"{trials} of the seed {arguments.seed}, side by side in one program, on the backend {get_backend()}, "
        f"{machine_name()}."
    )


def command_of(arguments: argparse.Namespace) -> str:
    """The command that makes these numbers again."""
    given, words = vars(arguments), ["tinygrad-lstm", "task", arguments.name]
    for option in ("length", "protocol", "objective", "corpus", "limit", "steps", "trials", "seed", "backend"):
        if given.get(option) is not None:
            words += [f"--{option}", str(given[option])]
    words += ["--cells", ",".join(arguments.cells)]
    for option in ("picture", "output"):
        if given.get(option) is not None:
            words += [f"--{option}", given[option]]
    return shlex.join(words)
