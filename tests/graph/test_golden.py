"""The printed form, held against files. ``UPDATE_GOLDEN=1 pytest tests/graph/test_golden.py`` writes them anew."""

import os
from pathlib import Path

import pytest

import tinygrad_lstm as tl

W = tl.Parameter(1.0, name="w")
GOLDEN = Path(__file__).parent.parent / "golden"


def lstm_cell():
    cell = tl.nn.LSTMCell(2, 3, key=tl.random.key(0))
    x, h, c = tl.symbol("x", (1, 2)), tl.symbol("h", (1, 3)), tl.symbol("c", (1, 3))
    return cell, x, tl.nn.LSTMState(h, c)


def cell_forward() -> str:
    cell, x, state = lstm_cell()
    return tl.printed(*cell(x, state), scopes=True)


def cell_gradient() -> str:
    cell, x, state = lstm_cell()
    h, _ = cell(x, state)
    return tl.printed(tl.gradients(h.sum(), cell.forget.weight), scopes=True)


def loop():
    a, xs = tl.symbol("a"), tl.symbol("xs", 5)
    c, ys = tl.scan(lambda c, x: (tl.tanh(a * c + x), c * 2.0), tl.tensor(0.5), xs)
    return a, c + ys.sum()


def loop_forward() -> str:
    return tl.printed(loop()[1])


def loop_gradient() -> str:
    a, y = loop()
    return tl.printed(tl.gradients(y, a))


def loop_in_a_loop_gradient() -> str:
    a = tl.symbol("a")

    def inner(c, x):
        return tl.sin(tl.sin(a * c) * x), None

    def outer(c, row):
        return tl.scan(inner, c, row)[0], None

    y, _ = tl.scan(outer, tl.tensor(0.5), tl.symbol("xs", (3, 4)))
    return tl.printed(tl.gradients(y, a))


def all_kinds_of_attributes() -> str:
    x = tl.symbol('a "quoted"\nname', (2, 3))
    y = tl.pad(x[:, ::-1].T, 1).astype(tl.float64) + tl.full((), -0.0, tl.float64)
    return tl.printed(tl.max(y, axis=0, keepdims=True), tl.argmax(y), W.leaf)


GRAPHS = (cell_forward, cell_gradient, loop_forward, loop_gradient, loop_in_a_loop_gradient, all_kinds_of_attributes)


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda f: f.__name__)
def test_golden(graph) -> None:
    path = GOLDEN / f"{graph.__name__}.txt"
    text = graph() + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; see the module's docstring"
    assert text == graph() + "\n"


def test_every_golden_file_has_a_graph() -> None:
    assert {p.stem for p in GOLDEN.glob("*.txt")} == {g.__name__ for g in GRAPHS}


def test_the_printed_form_of_a_traced_body() -> None:
    node = loop()[1].inputs[0].inputs[0]
    assert node.op == "scan"
    assert tl.printed(node.attrs["body"]).startswith('%0: f32[] = symbol "carry"\n%1: f32[] = symbol "x"\n')
