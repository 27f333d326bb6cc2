"""The command ``draw``: looks, variants, the standard output, and files of the user's."""

import io
import json
import shlex

import pytest
from PIL import Image

from tests.draw.test_gallery import ENTRIES
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.themes import THEMES
from tinygrad_lstm_command import main

CELL = """
import tinygrad_lstm as tl
from beside import SIZE

class MyCell(tl.nn.Module):
    role = "cell"

    def __init__(self, input_size, hidden_size, *, key):
        self.input_size, self.hidden_size = input_size, hidden_size
        self.gate = tl.nn.Linear(input_size + hidden_size, hidden_size, key=key)

    def zeros(self, batch):
        return tl.zeros((batch, self.hidden_size))

    def forward(self, x, h):
        g = tl.sigmoid(self.gate(tl.concatenate([h, x], axis=-1))).named("g_t")
        return (g * h).named("h_t")

class Odd:
    def __init__(self, names):
        for name in names:
            pass

cell = MyCell(5, SIZE, key=tl.random.key(0))
layer = tl.nn.LSTM(3, 4, key=tl.random.key(0))
picture = tl.draw.cell(cell)
page = tl.draw.page(lambda x: x * 2, 1.0)
y = tl.sin(tl.symbol("x")) * 2
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_cell.py").write_text(CELL, encoding="utf-8")
    (tmp_path / "beside.py").write_text("SIZE = 6\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("x = 1\n\ny = z\n", encoding="utf-8")
    (tmp_path / "unfinished.py").write_text("def f(:\n", encoding="utf-8")


@pytest.fixture
def run(capfdbinary):
    """The status of a command, and what it printed on stdout and on stderr, as bytes and as text."""

    def run(line):
        capfdbinary.readouterr()
        status = main(shlex.split(line))
        out, err = capfdbinary.readouterr()
        return status, out, err.decode()

    return run


@pytest.mark.parametrize("what", ["lstm", "chain", "rolled", "unrolled", "walkthrough", "gates", "loss"])
def test_every_picture_has_the_look_that_was_asked_for(what, run, tmp_path):
    status, _, err = run(f"draw {what} --theme dark -o dark.svg")
    assert (status, err) == (0, "")
    (name,) = {path.name for path in tmp_path.glob("dark*.svg")} & {"dark.svg", "dark-1.svg"}
    assert THEMES["dark"].background in (tmp_path / name).read_text(encoding="utf-8")
    assert run(f"draw {what} --transparent -o clear.png")[0] == 0
    name = name.replace("dark", "clear").replace("svg", "png")
    assert Image.open(io.BytesIO((tmp_path / name).read_bytes())).convert("RGBA").getpixel((0, 0))[3] == 0


def test_pages_have_a_theme(run, tmp_path):
    for what in ("lstm", "loss"):
        assert run(f"draw {what} --theme dark -o page.html")[0] == 0
        assert 'data-begin="dark"' in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("what", "variants", "name"),
    [
        ("lstm", ["peephole"], "lstm_peephole"),
        ("lstm", ["coupled"], "lstm_coupled"),
        ("lstm", ["layer_norm"], "lstm_layer_norm"),
        ("gru", ["reset_after"], "gru_reset_after"),
        ("lstm", ["projection"], "lstm_projection"),
    ],
)
def test_variants_are_those_of_the_cells(what, variants, name, run, tmp_path):
    options = " ".join(f"--variant {v}" for v in variants)
    assert run(f"draw {what} {options} -o cell.dot") == (0, b"cell.dot\n", "")
    assert (tmp_path / "cell.dot").read_text(encoding="utf-8") == ENTRIES[name].make().dot


def test_layers_have_variants_too(run, tmp_path):
    assert run("draw chain --cell gru --variant reset_after --variant layer_norm -o chain.dot")[0] == 0
    wanted = draw.chain(nn.GRU(3, 4, reset_after=True, layer_norm=True))
    assert (tmp_path / "chain.dot").read_text(encoding="utf-8").count("\n") == wanted.dot.count("\n")


def test_dots_an_inch(run, tmp_path):
    run("draw lstm --dpi 96 -o small.png")
    run("draw lstm --dpi 288 -o large.png")
    small, large = (Image.open(io.BytesIO((tmp_path / f"{n}.png").read_bytes())) for n in ("small", "large"))
    assert large.size == pytest.approx([3 * n for n in small.size], abs=4)
    assert large.info["dpi"] == pytest.approx((288, 288), abs=0.1)
    assert run("draw walkthrough --dpi 48 -o walk.gif")[0] == 0
    assert Image.open(io.BytesIO((tmp_path / "walk.gif").read_bytes())).size[0] < small.size[0]


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("draw lstm -o -", b"<svg "),
        ("draw lstm -o - --format png", b"\x89PNG"),
        ("draw lstm -o - --format tex", b"% LSTMCell"),
        ("draw lstm -o - --format html", b"<!DOCTYPE"),
        ("draw walkthrough -o - --format gif", b"GIF89a"),
        ("draw gradient_over_time -o - --format pdf", b"%PDF"),
    ],
)
def test_the_standard_output_is_the_picture_alone(line, start, run):
    status, out, err = run(line)
    assert (status, err) == (0, "")
    assert out.startswith(start)


def test_a_graph_on_the_standard_output_is_json(run):
    assert json.loads(run("draw loss -o - --format json")[1])


def test_gates_of_chosen_units_along_a_text(run, tmp_path):
    assert run("draw gates --text 'to be' --unit 1 --unit 3 -o gates.svg")[0] == 0
    svg = (tmp_path / "gates.svg").read_text(encoding="utf-8")
    assert svg.count(">3</text>") == 4
    assert ">2</text>" not in svg


def test_gates_of_a_trained_model(run, tmp_path):
    (tmp_path / "text.txt").write_text("to be or not to be\n" * 30, encoding="utf-8")
    small = "--hidden 6 --embedding 5 --window 8 --batch 5 --validate-every 8"
    assert run(f"train text.txt {small} --steps 3 --checkpoint model")[0] == 0
    assert run("draw gates --checkpoint model --text 'not to' -o gates.svg")[0] == 0
    assert (tmp_path / "gates.svg").read_text(encoding="utf-8").count(">5</text>") == 4


@pytest.mark.parametrize("name", ["MyCell", "cell"])
def test_a_cell_of_ones_own(name, run, tmp_path):
    assert run(f"draw my_cell.py:{name} -o my.svg") == (0, b"my.svg\n", "")
    assert "MyCell: one step" in (tmp_path / "my.svg").read_text(encoding="utf-8")
    assert run(f"draw my_cell.py:{name} --theme dark -o my.html")[0] == 0


@pytest.mark.parametrize("what", ["chain", "unrolled", "walkthrough", "gates"])
def test_layers_of_a_cell_of_ones_own(what, run):
    status, out, err = run(f"draw {what} --cell my_cell.py:MyCell -o - --format {'html' * (what[0] == 'w') or 'svg'}")
    assert (status, err) == (0, "")
    assert b"MyCell" in out


@pytest.mark.parametrize(
    ("name", "file"), [("picture", "a.tex"), ("page", "a.html"), ("y", "a.mmd"), ("layer", "a.pdf")]
)
def test_other_things_of_ones_own(name, file, run, tmp_path):
    assert run(f"draw my_cell.py:{name} -o {file}") == (0, f"{file}\n".encode(), "")
    assert (tmp_path / file).stat().st_size > 100


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("draw none.py:Cell -o a.svg", "there is no file none.py"),
        ("draw my_cell.py:Cell -o a.svg", "my_cell.py has no Cell; there are MyCell, Odd"),
        ("draw my_cell.py -o a.svg", "invalid choice: 'my_cell.py'"),
        ("draw broken.py:x -o a.svg", "broken.py cannot be run: NameError: name 'z' is not defined (line 3)"),
        ("draw unfinished.py:f -o a.svg", "unfinished.py cannot be run: SyntaxError: invalid syntax (line 1)"),
        ("draw my_cell.py:Odd -o a.svg", "Odd cannot be made here (TypeError: 'int' object is not iterable); write"),
        ("draw my_cell.py:page -o a.svg", "my_cell.py:page is drawn as .html"),
        ("draw rnn --variant peephole -o a.svg", "of rnn are layer_norm and relu; leave out --variant peephole"),
        ("draw gru --variant coupled -o a.svg", "the variants of gru are reset_after and layer_norm"),
        ("draw loss --variant coupled -o a.svg", "--variant goes with lstm, gru and rnn, not with loss"),
        ("draw lstm --variant big -o a.svg", "argument --variant: invalid choice: 'big'"),
        ("draw lstm --unit 3 -o a.svg", "--unit goes with gates, not with lstm"),
        ("draw gates --unit 99 -o a.svg", "units is a list of integers from 0 to 7"),
        ("draw gates --checkpoint none -o a.svg", "there is no checkpoint none"),
        ("draw gates --checkpoint none --cell gru -o a.svg", "leave out --cell"),
        ("draw gates --text '' -o a.svg", "a text without characters has no vocabulary"),
        ("draw lstm --dpi 300 -o a.svg", "--dpi goes with .png, .zip, .gif, .webp and .apng"),
        ("draw lstm --dpi 0 -o a.png", "argument --dpi"),
        ("draw lstm --theme grey -o a.svg", "argument --theme: invalid choice: 'grey'"),
        ("draw lstm --transparent -o a.html", "--transparent goes with pictures"),
        ("draw lstm --format png -o a.png", "--format goes with -o -"),
        ("draw chain -o - --format html", "chain is drawn as .svg, .png, .pdf, .tex or .dot; end '--format html'"),
        ("draw walkthrough -o -", "as .svg each stage is a file of its own"),
    ],
)
def test_what_does_not_go_is_one_sentence(line, said, run, tmp_path):
    status, out, err = run(line)
    assert (status, out) == (2, b"")
    assert err.startswith("tinygrad-lstm: error: ")
    assert err.count("\n") == 1
    assert said in err
    assert not list(tmp_path.glob("a.*"))
