import re
import shlex

import pytest

from tinygrad_lstm.tasks import TASKS
from tinygrad_lstm.tasks.trial_network import TRIAL_CELLS
from tinygrad_lstm_command import main
from tinygrad_lstm_command.task_parser import TASK_NAMES, TRIED_CELLS


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """The status of a command in an empty folder, and what it printed on stdout and on stderr."""
    monkeypatch.chdir(tmp_path)

    def run(line):
        capsys.readouterr()
        status = main(shlex.split(line))
        return status, *capsys.readouterr()

    return run


def test_the_parser_knows_the_tasks():
    assert (*TASKS, "agreement") == TASK_NAMES
    assert tuple(TRIAL_CELLS) == TRIED_CELLS


def test_a_task_prints_its_table_and_writes_its_page(run, tmp_path):
    line = "task adding --length 20 --trials 2 --limit 64 --cells lstm,rnn --protocol 1997 -o page.md --backend numpy"
    status, out, err = run(line)
    assert (status, err) == (0, "")
    assert "The adding problem (S. Hochreiter" in out
    assert "protocol 1997: SGD with rate 0.5, 1 sequence an update, first weights between ±0.1; success: of the" in out
    assert re.search(r"^\| LSTM of 1997, 2 × 2 +\| 93 .*\n\| RNN, 8 units +\| 97 ", out, re.MULTILINE)
    assert out.count("0 of 2 ") == out.count("> 64") == 2
    assert "Trials 0 to 1 of the seed 0, side by side in one program, on the backend numpy" in out
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert out.endswith("page.md\n")
    assert page.startswith("# The adding problem, as in 1997\n")
    command = re.findall(r"```bash\n(.*)\n```", page)[0]
    assert shlex.split(command)[:4] == ["tinygrad-lstm", "task", "adding", "--length"]
    assert run(shlex.join(shlex.split(command)[1:]))[0] == 0
    tables = [re.sub(r"\d+ s ", "", text) for text in (page, (tmp_path / "page.md").read_text(encoding="utf-8"))]
    assert tables[0] == tables[1]


def test_the_published_numbers_stand_in_the_table(run):
    status, out, _ = run("task order-2 --trials 1 --limit 2 --cells lstm")
    assert status == 0
    assert re.search(r"\| LSTM of 1997, 2 × 2 \| 156 +\| – +\| 31,390 +\| 1 of 2,560 +\| 0 of 1", out)
    assert "Trial 0 of the seed 0" in out


def test_agreement_prints_its_tables_and_writes_page_and_picture(run, tmp_path):
    pytest.importorskip("matplotlib", reason="the picture of a unit is drawn by matplotlib")
    line = "task agreement --steps 3 --trials 2 --cells lstm,rnn --objective language -o page.md --picture unit.svg"
    status, out, err = run(line)
    assert (status, err) == (0, "")
    assert "Errors of language models:" in out
    assert re.search(r"^\| LSTM, 24 units \| [\d,]+ +\| \d+\.\d % \(", out, re.MULTILINE)
    assert "by how many units are clamped:" in out
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "![Gates and state of the unit along two sentences](unit.svg)" in page
    assert "tinygrad-lstm task agreement --objective language --steps 3 --trials 2 --seed 0 --cells lstm,rnn" in page
    assert (tmp_path / "unit.svg").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("task additon", "argument NAME: invalid choice: 'additon'"),
        ("task adding --cells lstm,cnn", "cells are lstm, gru, rnn, with commas between them, not 'cnn'"),
        ("task parity --protocol 1997", "the task parity has the protocols modern, not '1997'"),
        ("task reber --length 9", "the task reber has no --length"),
        ("task dyck --length 9 --trials 1", "a string of brackets has an even length, not 9; give 10"),
        ("task adding -o no/page.md", "there is no folder no; make it, or name a file elsewhere"),
        ("task adding --steps 9", "the task adding has no --steps, which only agreement has"),
        ("task agreement --length 9", "the task agreement has no --length, which has --objective, --steps"),
        ("task agreement --cells rnn --picture x.svg", "--picture shows a unit of the LSTM"),
        ("task agreement --corpus none.tsv", "there is no file of sentences none.tsv"),
        ("task adding --trials 0", "argument --trials: an integer from 1 to a billion is wanted, not '0'"),
    ],
)
def test_mistakes_are_told_in_one_line(run, line, message):
    status, out, err = run(line)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1
    assert "|" not in out
