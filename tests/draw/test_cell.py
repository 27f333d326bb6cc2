import xml.etree.ElementTree as ET

import pytest

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.timestep import trace_step
from tinygrad_lstm.errors import UsageError


class Variant(nn.Module):
    """An LSTM from which parts can be taken, and in which others can be put."""

    role = "cell"

    def __init__(self, **options):
        self.input_size, self.hidden = 3, 4
        self.options = options
        for name in ("forget", "input", "candidate", "output"):
            setattr(self, name, nn.Linear(7, 4, key=tl.random.key(1)))

    def zeros(self, batch):
        return (tl.zeros((batch, 4)), tl.zeros((batch, 4)))

    def forward(self, x, state):
        h, c = state
        hx = tl.concatenate([h, x], axis=-1)
        activation = self.options.get("activation", tl.tanh)
        peek = (lambda gate: gate + c) if "peephole" in self.options else (lambda gate: gate)
        with tl.scope("forget gate", role="gate"):
            f = tl.sigmoid(peek(self.forget(hx))).named("f_t")
        with tl.scope("candidate", role="layer"):
            g = activation(self.candidate(hx)).named("C̃_t")
        if "coupled" in self.options:
            i = 1 - f
        else:
            with tl.scope("input gate", role="gate"):
                i = tl.sigmoid(self.input(hx)).named("i_t")
        c = (f + c) * (i * g) if "swapped" in self.options else f * c + i * g
        c = c.named("C_t")
        if "no output gate" in self.options:
            return tl.tanh(c).named("h_t"), c
        with tl.scope("output gate", role="gate"):
            o = tl.sigmoid(self.output(hx)).named("o_t")
        return (o * tl.tanh(c)).named("h_t"), c


class Unscoped(Variant):
    """The same equations from raw weights: no scopes, no names, no concatenation."""

    def forward(self, x, state):
        h, c = state
        layers = [getattr(self, name) for name in ("forget", "input", "candidate", "output")]
        f, i, g, o = (x @ layer.weight[:3] + h @ layer.weight[3:] + layer.bias for layer in layers)
        c = tl.sigmoid(f) * c + tl.sigmoid(i) * tl.relu(g)
        return tl.sigmoid(o) * tl.tanh(c), c


STANDARD = [nn.LSTMCell(3, 4), nn.GRUCell(3, 4), nn.RNNCell(3, 4)]


def layers(drawing):
    """Labels of the layers from left to right."""
    boxes = [look for name, look in dot.nodes(drawing).items() if name.startswith("layer")]
    return [dot.shown(look) for look in sorted(boxes, key=lambda look: dot.place(look)[0])]


def test_the_lstm_has_the_edges_of_its_equations():
    assert dot.pairs(draw.cell(nn.LSTMCell(3, 4))) == sorted(
        [
            ("h_t−1", ""),
            ("x_t", ""),
            *[("", gate) for gate in ("σ", "σ", "tanh", "σ")],
            ("C_t−1", "×"),
            ("σ", "×"),
            ("σ", "×"),
            ("tanh", "×"),
            ("×", "+"),
            ("×", "+"),
            ("+", "tanh"),
            ("σ", "×"),
            ("tanh", "×"),
            ("×", "h_t"),
            ("×", "h_t"),
            ("+", "C_t"),
        ]
    )


@pytest.mark.parametrize("cell", [*STANDARD, Variant(), Variant(peephole=True)], ids=lambda c: type(c).__name__)
def test_every_edge_of_the_anatomy_is_in_the_dot(cell):
    anatomy = dissect(trace_step(cell))
    wanted = sum(len(dict.fromkeys(part.reads)) for part in anatomy.parts)
    assert len(dot.edges(draw.cell(cell))) == wanted


def test_the_conveyor_is_one_straight_thick_line():
    drawing = draw.cell(nn.LSTMCell(3, 4))
    found = dot.nodes(drawing)
    bold = [(a, b) for a, b, look in dot.edges(drawing) if look.get("penwidth") == "3"]
    assert [(dot.shown(found[a]), dot.shown(found[b])) for a, b in bold] == [("C_t−1", "×"), ("×", "+"), ("+", "C_t")]
    assert len({dot.place(found[name])[1] for edge in bold for name in edge}) == 1
    for a, b in bold:
        assert dot.place(found[a])[0] < dot.place(found[b])[0]


def test_layers_stand_in_a_row_in_the_order_of_their_use():
    drawing = draw.cell(nn.LSTMCell(3, 4))
    boxes = [look for name, look in dot.nodes(drawing).items() if name.startswith("layer")]
    boxes.sort(key=lambda look: dot.place(look)[0])
    assert [look["tooltip"].split(":")[0] for look in boxes] == [
        "forget gate",
        "input gate",
        "candidate",
        "output gate",
    ]
    assert len({dot.place(look)[1] for look in boxes}) == 1


def test_wires_bear_the_names_and_the_box_is_listed_first():
    drawing = draw.cell(nn.LSTMCell(3, 4))
    found = dot.nodes(drawing)
    assert {dot.shown(look) for name, look in found.items() if name.startswith("name")} == {"f_t", "i_t", "C̃_t", "o_t"}
    assert next(iter(found)) == "cell"
    assert drawing.engine == "nop2"


def test_the_output_crosses_the_conveyor_with_a_gap():
    drawing = draw.cell(nn.LSTMCell(3, 4))
    (up,) = [look for _, b, look in dot.edges(drawing) if b == "out1"]
    assert up["pos"].count(";") == 1


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, ["σ", "σ", "tanh", "σ"]),
        ({"no output gate": True}, ["σ", "σ", "tanh"]),
        ({"coupled": True}, ["σ", "tanh", "σ"]),
        ({"activation": tl.relu}, ["σ", "σ", "relu", "σ"]),
        ({"activation": tl.softplus}, ["σ", "σ", "softplus", "σ"]),
        ({"activation": lambda x: 1 - tl.sigmoid(x)}, ["σ", "σ", "1−σ", "σ"]),
        ({"peephole": True}, ["σ", "σ", "tanh", "σ"]),
    ],
)
def test_the_picture_follows_the_cell(options, wanted):
    drawing = draw.cell(Variant(**options))
    assert sorted(layers(drawing)) == sorted(wanted)
    assert drawing.engine == "nop2"
    assert ("no output gate" in options) == ("output gate" not in drawing.dot + drawing.description)


def test_swapped_operations_show():
    plain = {name for name, look in dot.nodes(draw.cell(Variant())).items() if dot.shown(look) == "+"}
    assert len(plain) == 1
    bold = [b for _, b, look in dot.edges(draw.cell(Variant(swapped=True))) if look.get("penwidth") == "3"]
    found = dot.nodes(draw.cell(Variant(swapped=True)))
    assert [dot.shown(found[name]) for name in bold] == ["+", "×", "C_t"]


def test_peepholes_are_told_apart_by_colour_and_width():
    coloured = [(a, b) for a, b, look in dot.edges(draw.cell(Variant(peephole=True))) if look.get("color") == "#6a1b9a"]
    assert coloured == [("state2", "layer1")]


def test_weights_without_scopes_and_names_are_recognised():
    drawing = draw.cell(Unscoped())
    assert sorted(layers(drawing)) == ["relu", "σ", "σ", "σ"]
    assert {"h_t", "C_t", "h_t−1", "C_t−1"} <= {dot.shown(look) for look in dot.nodes(drawing).values()}


def test_concatenations_of_the_same_vectors_are_one_line():
    class Twice(Variant):
        def forward(self, x, state):
            h, c = state
            with tl.scope("forget gate", role="gate"):
                f = tl.sigmoid(self.forget(tl.concatenate([h, x], axis=-1)))
            with tl.scope("input gate", role="gate"):
                i = tl.sigmoid(self.input(tl.concatenate([h, x], axis=-1)))
            c = f * c + i
            return tl.tanh(c), c

    assert [name for name in dot.nodes(draw.cell(Twice())) if name.startswith("join")] == ["join1"]


def test_a_cell_that_the_arrangement_does_not_fit_stands_in_columns():
    class Deep(Variant):
        def forward(self, x, state):
            h, c = state
            for _ in range(40):
                h = tl.tanh(h + x.sum()) * c
            return h, h * c

    drawing = draw.cell(Deep())
    anatomy = dissect(trace_step(Deep()))
    assert drawing.engine == "nop2"
    assert len(dot.edges(drawing)) == sum(len(dict.fromkeys(part.reads)) for part in anatomy.parts)


def test_a_state_that_is_handed_on_or_constant_is_drawn():
    class Idle(Variant):
        def forward(self, x, state):
            return tl.zeros((1, 4)), state[1]

    assert ET.fromstring(draw.cell(Idle()).svg()).tag.endswith("svg")


def test_a_further_output_goes_up_instead_of_the_hidden_state():
    cell = nn.LSTMCell(3, 4)

    def step(x, state):
        new = cell(x, state)
        return new, (new.h * 2).named("y_t")

    drawing = draw.cell(step, x=tl.ones((1, 3)), state=cell.zeros(1))
    assert dot.shown(dot.nodes(drawing)["out1"]) == "y_t"
    assert ("×2", "y_t") in dot.pairs(drawing)


@pytest.mark.parametrize("name", ['"<script>alert(1)</script>', 'a"];', "a&b", "&lt;\\N", "<b>", "a\\", "]]>"])
def test_hostile_names_come_out_as_that_text(name):
    class Hostile(Variant):
        def forward(self, x, state):
            h, c = state
            with tl.scope(name, role="gate"):
                f = self.forget(tl.concatenate([h, x], axis=-1))
                f = (f * f).named(name)
            c = (f * c).named(name + "c")
            return tl.tanh(c).named(name + "h"), c

    drawing = draw.cell(Hostile())
    root = ET.fromstring(drawing.svg())
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count(name) == 2
    assert {name + "c", name + "h"} <= set(texts)
    assert root[1].text.startswith(f"Layers: {name}")


def test_a_name_with_a_line_break_stays_in_its_line():
    class Broken(Variant):
        def forward(self, x, state):
            h, c = state
            return (h * 2).named("a\nb"), (c * 2).named("\t")

    assert "a b" in draw.cell(Broken()).svg()


def test_the_same_cell_gives_the_same_bytes():
    assert draw.cell(nn.GRUCell(3, 4)).dot == draw.cell(nn.GRUCell(3, 4)).dot


def test_the_description_gives_the_equations():
    words = draw.cell(nn.LSTMCell(3, 4)).description
    assert words.startswith("Layers: forget gate (σ), input gate (σ), candidate (tanh), output gate (σ).")
    assert "f_t = σ(W_f·[h_{t−1}, x_t] + b_f)." in words
    assert "C_t = f_t∘C_{t−1} + i_t∘C̃_t. " in words
    assert words.endswith("h_t = o_t∘tanh(C_t).")
    assert "h_t = (1 − z_t)∘h_{t−1} + z_t∘h̃_t." in draw.cell(nn.GRUCell(3, 4)).description


def test_title_and_legend():
    drawing = draw.cell(nn.RNNCell(3, 4), title="mine", legend=True)
    assert drawing.title == "mine"
    assert "Concatenate" in drawing.svg()
    assert "Concatenate" not in draw.cell(nn.RNNCell(3, 4)).dot


@pytest.mark.parametrize("cell", STANDARD, ids=lambda c: type(c).__name__)
def test_standard_cells_render(cell):
    assert draw.cell(cell).png()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("cell", "options", "said"),
    [
        (3, {}, "not callable"),
        (nn.LSTM(3, 4), {}, r"cells\[0\]"),
        (tl.tanh, {}, "no method zeros"),
        (tl.tanh, {"state": tl.zeros((1, 4))}, "no input_size"),
        (lambda x, s: s[0], {"x": tl.ones((1, 4)), "state": (tl.ones((1, 4)), tl.ones((1, 4)))}, "returns 1"),
    ],
)
def test_what_is_no_cell_is_refused(cell, options, said):
    with pytest.raises(UsageError, match=said):
        draw.cell(cell, **options)


WEIGHTS = [tl.Parameter(tl.ones((7, 4)), name=name) for name in "abcde"]


def join(*values):
    return tl.concatenate(values, axis=-1)


def minimal_gated(x, h):
    f = tl.sigmoid(join(h, x) @ WEIGHTS[0])
    g = tl.tanh(join(f * h, x) @ WEIGHTS[1])
    return (1 - f) * h + f * g


def euler(x, h):
    return h + 0.1 * (tl.tanh(join(h, x) @ WEIGHTS[0]) - h)


def two_layers(x, h):
    inner = tl.relu(join(h, x) @ WEIGHTS[0])
    return 0.9 * h + tl.tanh(join(inner, x) @ WEIGHTS[1])


def clipped(x, h):
    return tl.maximum(h**2 + tl.exp(-(join(h, x) @ WEIGHTS[0])), 2.0**h)


def three_states(x, state):
    hx = join(state["h"], x)
    f, i = tl.sigmoid(hx @ WEIGHTS[0]), tl.exp(hx @ WEIGHTS[1])
    c = f * state["c"] + i * tl.tanh(hx @ WEIGHTS[2])
    n = f * state["n"] + i
    return {"c": c, "h": tl.sigmoid(hx @ WEIGHTS[3]) * (c / n), "n": n}


def in_one_product(x, state):
    h, c = state
    z = join(h, x) @ tl.concatenate(WEIGHTS[:4], axis=-1)
    f, i, g, o = (z[:, 4 * k : 4 * k + 4] for k in range(4))
    c = tl.sigmoid(f) * c + tl.sigmoid(i) * tl.tanh(g)
    return tl.sigmoid(o) * tl.tanh(c), c


def looks_at_everything(x, state):
    h, c = state
    f = tl.sigmoid(join(join(c, h), x)[:, :7] @ WEIGHTS[0])
    c = f * c + tl.tanh(join(h, x) @ WEIGHTS[1])
    return tl.sigmoid(join(c, x) @ WEIGHTS[2]) * c, c


ONE, TWO = tl.zeros((1, 4)), (tl.zeros((1, 4)), tl.zeros((1, 4)))


@pytest.mark.parametrize(
    ("step", "state"),
    [
        (minimal_gated, ONE),
        (euler, ONE),
        (two_layers, ONE),
        (clipped, ONE),
        (three_states, {"c": ONE, "h": ONE, "n": ONE}),
        (in_one_product, TWO),
        (looks_at_everything, TWO),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_small_cells_of_other_kinds(step, state):
    drawing = draw.cell(step, x=tl.ones((1, 3)), state=state)
    anatomy = dissect(trace_step(step, tl.ones((1, 3)), state))
    assert len(dot.edges(drawing)) == sum(len(dict.fromkeys(part.reads)) for part in anatomy.parts)
    assert drawing.engine == "nop2"
    drawing.svg()
