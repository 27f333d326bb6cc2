"""The step of a cell, explained: what each stage lights, its equations, and its numbers."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.equations import equations
from tinygrad_lstm.draw.cells.timestep import trace_step
from tinygrad_lstm.errors import DrawingError, Error, UsageError

GREY = "#c4c4c4"
TITLES = ["What to throw away", "What to store", "Update the state", "What to output"]
RENEWED = ["How much to renew", *TITLES[1:3]]


def lit(drawing):
    """The labels of what is not grey: inputs, states, layers, operations; and of the names on lit wires."""
    found = [look for name, look in dot.nodes(drawing).items() if name != "cell" and not name.startswith("join")]
    return sorted(dot.shown(look) for look in found if "fontcolor" not in look)


def lit_wires(drawing):
    labels = {name: dot.shown(look) for name, look in dot.nodes(drawing).items()}
    return sorted((labels[a], labels[b]) for a, b, look in dot.edges(drawing) if look.get("color") != GREY)


@pytest.fixture(scope="module")
def lstm():
    return nn.LSTMCell(3, 4, key=tl.random.key(0))


def test_the_four_stages_light_what_the_textbook_lights(lstm):
    stages = draw.walkthrough(lstm, tl.ones((1, 3)))
    assert [stage.title for stage in stages] == TITLES
    forget, store, update, output = (stage.drawing for stage in stages)
    assert lit(forget) == sorted(["x_t", "h_t−1", "σ", "f_t"])
    assert lit_wires(forget) == sorted([("x_t", ""), ("h_t−1", ""), ("", "σ"), ("σ", "×")])
    assert lit(store) == sorted(["x_t", "h_t−1", "σ", "tanh", "i_t", "C̃_t"])
    assert lit(update) == sorted(["C_t−1", "×", "×", "+", "C_t", "f_t", "i_t", "C̃_t"])
    conveyor = [("C_t−1", "×"), ("×", "+"), ("×", "+"), ("+", "C_t"), ("σ", "×"), ("σ", "×"), ("tanh", "×")]
    assert lit_wires(update) == sorted(conveyor)
    assert lit(output) == sorted(["x_t", "h_t−1", "σ", "tanh", "×", "h_t", "h_t", "o_t"])


def test_grey_is_painted_first(lstm):
    for stage in draw.walkthrough(lstm, tl.ones((1, 3))):
        order = list(dot.nodes(stage.drawing))
        heads = {}
        for a, b, look in dot.edges(stage.drawing):
            if look.get("penwidth") != "3":
                heads.setdefault(a, []).append((order.index(b), look.get("color") != GREY))
        for painted in heads.values():
            assert [bright for _, bright in sorted(painted)] == sorted(bright for _, bright in painted)


def test_each_stage_has_its_equations_and_values(lstm):
    x, state = tl.random.normal(tl.random.key(1), (2, 3)), (tl.ones((2, 4)), tl.full((2, 4), 0.5))
    stages = draw.walkthrough(lstm, x, state)
    assert [[e.text for e in stage.equations] for stage in stages] == [
        ["f_t = σ(W_f·[h_{t−1}, x_t] + b_f)"],
        ["i_t = σ(W_i·[h_{t−1}, x_t] + b_i)", "C̃_t = tanh(W_C·[h_{t−1}, x_t] + b_C)"],
        ["C_t = f_t∘C_{t−1} + i_t∘C̃_t"],
        ["o_t = σ(W_o·[h_{t−1}, x_t] + b_o)", "h_t = o_t∘tanh(C_t)"],
    ]
    assert stages[2].equations[0].latex == r"C_{t} = f_{t} \odot C_{t-1} + i_{t} \odot \tilde{C}_{t}"
    gates = lstm.gates(x, state)
    wanted = {"f_t": gates.forget, "i_t": gates.input, "C̃_t": gates.candidate}
    wanted |= {"C_t": gates.cell, "o_t": gates.output, "h_t": gates.hidden}
    found = {name: value for stage in stages for name, value in stage.values.items()}
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name].numpy(), value.numpy())


def test_it_prints_and_shows(lstm):
    steps = draw.walkthrough(lstm, tl.ones((1, 3)))
    assert len(steps) == 4
    text = str(steps)
    assert text.startswith("1. What to throw away\n    f_t = σ(W_f·[h_{t−1}, x_t] + b_f)\n    f_t = [[0.")
    page = steps._repr_html_()
    assert page.count("<img ") == 4
    assert r"$$ h_{t} = o_{t} \odot \tanh" in page
    for stage in steps:
        ET.fromstring(stage.drawing.svg())
        assert stage.drawing.description.startswith(f"{stage.title}: ")


def test_it_is_saved_as_a_page_or_as_a_picture_of_each_stage(lstm, tmp_path):
    steps = draw.walkthrough(lstm, tl.ones((1, 3)))
    assert steps.save(tmp_path / "walk.html") == [tmp_path / "walk.html"]
    page = (tmp_path / "walk.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert "<h2>3. Update the state</h2>" in page
    assert "<p>C<sub>t</sub> = f<sub>t</sub>∘C<sub>t−1</sub> + i<sub>t</sub>∘C̃<sub>t</sub></p>" in page
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>', "", page)
    paths = [tmp_path / f"walk-{k}.svg" for k in (1, 2, 3, 4)]
    assert steps.save(str(tmp_path / "walk.svg")) == paths
    assert [path.read_text(encoding="utf-8") for path in paths] == [stage.drawing.svg() for stage in steps]
    small, usual = (steps.save(tmp_path / "walk.png", dpi=dpi)[0].read_bytes() for dpi in (20, None))
    assert len(small) < len(usual)
    for name in ("walk", "walk.json", ""):
        with pytest.raises(UsageError, match=r"end it in \.html for one page"):
            steps.save(name)
    with pytest.raises(DrawingError, match="there is no folder"):
        steps.save(tmp_path / "none" / "walk.svg")


def test_a_title_of_a_page_is_text(tmp_path):
    class Cell(nn.RNNCell):
        pass

    Cell.__name__ = "<script>"
    page = draw.walkthrough(Cell(3, 4), tl.ones((1, 3))).page().html
    assert "<script>" not in page
    assert "<title>&lt;script&gt;: one step, explained</title>" in page


@pytest.mark.parametrize(
    ("cell", "titles", "last"),
    [
        (nn.GRUCell(3, 4), RENEWED, "h_t = (1 − z_t)∘h_{t−1} + z_t∘h̃_t"),
        (nn.GRUCell(3, 4, reset_after=True), RENEWED, "h_t = (1 − z_t)∘h_{t−1} + z_t∘h̃_t"),
        (nn.RNNCell(3, 4), TITLES[3:], "h_t = tanh(W_h·[h_{t−1}, x_t] + b_h)"),
        (nn.LSTMCell(3, 4, layer_norm=True), TITLES, "h_t = o_t∘tanh(LN(C_t))"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_cells_have_the_stages_that_their_graphs_have(cell, titles, last):
    steps = draw.walkthrough(cell, tl.ones((1, 3)))
    assert [stage.title for stage in steps] == titles
    assert steps[-1].equations[-1].text == last


def test_every_part_is_told_of_once():
    for cell in (nn.LSTMCell(3, 4, peephole=True), nn.LSTMCell(3, 4, coupled=True), nn.GRUCell(3, 4)):
        steps = draw.walkthrough(cell, tl.ones((1, 3)))
        told = [e.text for stage in steps for e in stage.equations]
        assert sorted(told) == sorted(e.text for e in equations(dissect(trace_step(cell))))


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        (nn.LSTMCell(3, 4, peephole=True), "o_t = σ(W_o·[h_{t−1}, x_t] + p_o∘C_t + b_o)"),
        (nn.LSTMCell(3, 4, coupled=True), "i_t = 1 − f_t"),
        (nn.LSTMCell(3, 4, layer_norm=True), "f_t = σ(LN(W_f·[h_{t−1}, x_t]) + b_f)"),
        (nn.GRUCell(3, 4), "h̃_t = tanh(W_h·[r_t∘h_{t−1}, x_t] + b_h)"),
    ],
    ids=["peephole", "coupled", "layer norm", "gru"],
)
def test_the_variants_have_the_equations_of_their_docstrings(cell, wanted):
    assert wanted in [e.text for e in equations(dissect(trace_step(cell)))]


def test_equations_are_true():
    """The text, read as Python, computes what the cell computes."""
    cell = nn.LSTMCell(3, 4, peephole=True, key=tl.random.key(2))
    x, h, c = (tl.random.normal(tl.random.key(k), (1, n)).numpy() for k, n in ((3, 3), (4, 4), (5, 4)))
    known = {"h1": h, "c1": c, "x": x, "σ": lambda v: 1 / (1 + np.exp(-v)), "tanh": np.tanh}
    for letter, layer in zip("fiCo", (cell.forget, cell.input, cell.candidate, cell.output), strict=True):
        known |= {f"W_{letter}": layer.weight.numpy(), f"b_{letter}": layer.bias.numpy()}
        if letter != "C":
            known[f"p_{letter}"] = layer.peephole.weight.numpy()
    for equation in equations(dissect(trace_step(cell))):
        name, _, said = equation.text.partition(" = ")
        for old, new in {"·[h_{t−1}, x_t]": "@hx", "C_{t−1}": "c1", "∘": "*", "C̃_t": "G_t"}.items():
            said = said.replace(old, new)
        for letter in "fiCo":
            said = said.replace(f"W_{letter}@hx", f"(np.concatenate([h1, x], 1) @ W_{letter})")
        known["G_t" if name == "C̃_t" else name] = eval(said, {"np": np, **known})
    new = cell(tl.tensor(x), (tl.tensor(h), tl.tensor(c)))
    np.testing.assert_allclose(known["h_t"], new.h.numpy(), rtol=1e-5)
    np.testing.assert_allclose(known["C_t"], new.c.numpy(), rtol=1e-5)


def test_numbers_come_from_arrays(lstm):
    with pytest.raises(UsageError, match="give x and state as arrays"):
        draw.walkthrough(lstm, tl.symbol("x", (1, 3)))
    with pytest.raises(Error, match=r"expected \[batch, 3\]"):
        draw.walkthrough(lstm, tl.ones((1, 5)))


def test_a_cell_that_is_in_columns_is_explained_too():
    def deep(x, h):
        for _ in range(30):
            h = tl.tanh(h * x.sum())
        return h

    steps = draw.walkthrough(deep, tl.ones((1, 3)), tl.ones((1, 4)))
    assert lit_wires(steps[0].drawing)


class TwoConveyors(nn.Module):
    """C as in an LSTM, and a memory M that reads the new C."""

    role = "cell"
    input_size = 3

    def __init__(self):
        keys = tl.random.split(tl.random.key(0), 4)
        self.forget, self.input, self.candidate, self.output = (nn.Linear(11, 4, key=key) for key in keys)

    def zeros(self, batch):
        return (tl.zeros((batch, 4)),) * 3

    def forward(self, x, state):
        h, C, M = state
        z = tl.concatenate([h, M, x], axis=-1)
        gates = {}
        for name, role in (("forget", "gate"), ("input", "gate"), ("candidate", "layer"), ("output", "gate")):
            with tl.scope(name, role=role):
                activation = tl.tanh if name == "candidate" else tl.sigmoid
                gates[name] = activation(getattr(self, name)(z)).named(f"{name[0]}_t")
        C = (gates["forget"] * C + gates["input"] * gates["candidate"]).named("C_t")
        M = (gates["output"] * M + C).named("M_t")
        return (gates["output"] * tl.tanh(C)).named("h_t"), C, M


def test_each_of_two_conveyors_is_explained():
    assert [(s.title, [e.text.partition(" ")[0] for e in s.equations]) for s in draw.walkthrough(TwoConveyors())] == [
        ("What to throw away of C", ["f_t"]),
        ("What to store in C", ["i_t", "c_t"]),
        ("Update C", ["C_t"]),
        ("What to throw away of M", ["o_t"]),
        ("Update M", ["M_t"]),
        ("What to output", ["h_t"]),
    ]


@pytest.mark.parametrize("options", [{}, {"reset_after": True}])
def test_the_update_gate_of_a_gru_says_how_much_to_renew(options):
    stages = draw.walkthrough(nn.GRUCell(3, 4, **options))
    assert [stage.title for stage in stages] == ["How much to renew", "What to store", "Update the state"]
    assert [list(stage.values) for stage in stages] == [["z_t"], ["r_t", "h̃_t"], ["h_t"]]


def test_a_coupled_gate_says_what_to_throw_away():
    assert list(draw.walkthrough(nn.LSTMCell(3, 4, coupled=True))[0].values) == ["f_t"]


@given(st.lists(st.tuples(st.sampled_from(["×", "+", "−"]), st.booleans(), st.booleans()), min_size=1, max_size=5))
@settings(max_examples=25)
def test_no_stage_is_empty_and_every_equation_has_one(ops):
    """Random conveyors: products and sums with gates that have a name or none."""
    weights = [nn.Linear(7, 4, key=tl.random.key(k)) for k in range(len(ops))]

    def cell(x, state):
        h, C = state
        z = tl.concatenate([h, x], axis=-1)
        for k, (sign, named, layered) in enumerate(ops):
            with tl.scope(f"g{k}", role="gate"):
                gate = tl.sigmoid(weights[k](z)) if layered else tl.sigmoid(h)
            gate = gate.named(f"g{k}_t") if named else gate
            C = C * gate if sign == "×" else C + gate if sign == "+" else C - gate
        C = C.named("C_t")
        return tl.tanh(C).named("h_t"), C

    stages = draw.walkthrough(cell, tl.ones((1, 3)), (tl.ones((1, 4)), tl.ones((1, 4))))
    names = [e.text.partition(" ")[0] for stage in stages for e in stage.equations]
    assert all(stage.equations for stage in stages)
    assert sorted(names) == sorted({"C_t", "h_t", *(f"g{k}_t" for k, (_, named, _) in enumerate(ops) if named)})


def test_numbers_are_broken_on_a_phone_and_no_words_are_small():
    page = tl.draw.walkthrough(tl.nn.LSTMCell(3, 4), tl.ones((1, 3))).page().html
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert "white-space: pre-wrap" in style
    assert float(re.search(r"pre {[^}]*font: ([0-9.]+)rem", style)[1]) * 16 >= 14
