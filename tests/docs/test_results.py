"""The pages of results: each is of a task, from a command that can be given, with the networks of today."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lstm.tasks import make_task
from tinygrad_lstm.tasks.learning import make_network
from tinygrad_lstm_command.parser import command_parser

FOLDER = Path(__file__).parent.parent.parent / "docs" / "results"


def command_of(page: Path) -> str:
    (command,) = re.findall(r"^```bash\n(.*)\n```$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return command


PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "index.md")
OF_TASKS = [page for page in PAGES if command_of(page).startswith("tinygrad-lstm task ")]

OF_TRAINING = [page for page in PAGES if command_of(page).startswith("tinygrad-lstm train ")]
OF_EXAMPLES = [page for page in PAGES if page not in (*OF_TASKS, *OF_TRAINING)]
TIME = re.compile(r"\d s, .* cores?\.$", re.MULTILINE)


@pytest.mark.parametrize("page", OF_EXAMPLES, ids=lambda page: page.stem)
def test_a_page_of_results_of_an_example_names_its_command(page):
    _, script, *options = shlex.split(command_of(page))
    text = (FOLDER.parent.parent / script).read_text(encoding="utf-8")
    assert all(f'"{option}"' in text for option in options if option.startswith("--"))
    assert {"--seed", "--backend"} <= set(options)
    assert TIME.search(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", OF_TRAINING, ids=lambda page: page.stem)
def test_a_page_of_a_training_run_names_its_command(page):
    arguments = command_parser().parse_args(shlex.split(command_of(page))[1:])
    assert (arguments.command, arguments.seed) == ("train", 0)
    assert TIME.search(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", OF_TASKS, ids=lambda page: page.stem)
def test_a_page_of_results_names_its_command(page):
    text, command = page.read_text(encoding="utf-8"), command_of(page)
    arguments = command_parser().parse_args(shlex.split(command)[1:])
    assert arguments.command == "task"
    assert Path(arguments.output) == Path("docs/results") / page.name
    assert re.search(
        rf"^Trials? 0.* of the seed {arguments.seed}, side by side .* on the backend \w+, .*\.$", text, re.M
    )
    rows = re.findall(r"^\| (LSTM|GRU|RNN)[^|]*\| ([\d,]+) ", text, re.MULTILINE)
    assert [cell.lower() for cell, _ in rows] == arguments.cells
    if arguments.name == "agreement":
        return
    task = make_task(arguments.name, vars(arguments).get("length"))
    protocol = task.protocol(vars(arguments).get("protocol"))
    assert text.startswith(f"# {task.title}, ")
    assert f"\n{protocol}.\n" in text
    for cell, weights in rows:
        network = make_network(task, protocol, cell.lower(), [np.random.default_rng(0)])
        assert f"{network.size:,}" == weights
