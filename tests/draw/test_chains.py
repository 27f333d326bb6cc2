"""Layers over time: rolled, unrolled, and the chain."""

import xml.etree.ElementTree as ET

import pytest

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.errors import UsageError


def boxes(drawing):
    return {name: look for name, look in dot.nodes(drawing).items() if name.startswith("A")}


def arrows(drawing):
    return sorted((a, b) for a, b, _ in dot.edges(drawing))


@pytest.mark.parametrize(("layer", "states"), [(nn.RNN(3, 4), 1), (nn.GRU(3, 4), 1), (nn.LSTM(3, 4), 2)])
def test_a_rolled_layer_has_an_arrow_back_for_each_state(layer, states):
    drawing = draw.rolled(layer)
    assert arrows(drawing) == sorted(
        [*[("A0_rolled", "A0_rolled")] * states, ("x_rolled", "A0_rolled"), ("A0_rolled", "h_rolled")]
    )
    assert dot.shown(dot.nodes(drawing)["x_rolled"]) == "x_t"
    assert drawing.engine == "nop2"


def test_an_unrolled_layer_has_its_steps_from_left_to_right():
    drawing = draw.unrolled(nn.RNN(3, 4), steps=3)
    found = dot.nodes(drawing)
    keys = ["0", "1", "2", "last"]
    assert [dot.shown(found[f"x_{key}"]) for key in keys] == ["x_0", "x_1", "x_2", "x_t"]
    assert [dot.shown(found[f"h_{key}"]) for key in keys] == ["h_0", "h_1", "h_2", "h_t"]
    across = [dot.place(found[f"A0_{key}"])[0] for key in keys]
    assert across == sorted(across)
    assert len({dot.place(found[f"A0_{key}"])[1] for key in keys}) == 1
    for key in keys:
        x, box, h = (dot.place(found[f"{name}_{key}"]) for name in ("x", "A0", "h"))
        assert x[0] == box[0] == h[0]
        assert x[1] < box[1] < h[1]
    dashed = [(a, b) for a, b, look in dot.edges(drawing) if look.get("style") == "dashed"]
    assert dashed == [("A0_2", "A0_last")]


def test_rolled_equals_unrolled():
    drawing = draw.unrolled(nn.LSTM(3, 4), beside_rolled=True)
    found = dot.nodes(drawing)
    assert dot.shown(found["equals"]) == "="
    row = [dot.place(found[name])[0] for name in ("A0_rolled", "equals", "A0_0")]
    assert row == sorted(row)
    assert sorted(dot.shown(look) for name, look in found.items() if name.startswith("s")) == ["C", "C", "h", "h"]


def test_both_directions_are_read_off_the_graph():
    drawing = draw.unrolled(nn.GRU(3, 4, bidirectional=True), steps=2)
    edges = arrows(drawing)
    assert ("A0_0", "A0_1") in edges
    assert ("A1_1", "A1_0") in edges
    assert {("x_0", "A0_0"), ("x_0", "A1_0"), ("A0_0", "h_0"), ("A1_0", "h_0")} <= set(edges)
    assert {dot.shown(look) for look in boxes(drawing).values()} == {"A", "A′"}


def test_upper_layers_read_lower_ones():
    edges = arrows(draw.unrolled(nn.LSTM(3, 4, num_layers=2), steps=1))
    assert {("x_0", "A0_0"), ("A0_0", "A1_0"), ("A1_0", "h_0")} <= set(edges)
    assert ("x_0", "A1_0") not in edges
    assert ("A0_0", "h_0") not in edges
    both = arrows(draw.rolled(nn.LSTM(3, 4, num_layers=2, bidirectional=True)))
    assert {(f"A{a}_rolled", f"A{b}_rolled") for a in (0, 1) for b in (2, 3)} <= set(both)


def test_the_chain_has_the_cell_between_two_closed_ones():
    drawing = draw.chain(nn.LSTM(3, 4), legend=True)
    found = dot.nodes(drawing)
    across = [dot.place(found[name])[0] for name in ("before", "cell", "after")]
    assert across == sorted(across)
    assert len({(dot.place(found[n])[1], found[n]["height"]) for n in ("before", "cell", "after")}) == 1
    assert [found[name]["label"] for name in ("before", "after")] == ["A", "A"]
    shown = [dot.shown(look) for look in found.values()]
    assert {"h_t−1", "h_t", "h_t+1", "x_t−1", "x_t", "x_t+1"} <= set(shown)
    inside = arrows(draw.cell(nn.LSTMCell(3, 4)))
    ends = {"state1": "before", "state2": "before", "next1": "after", "next2": "after"}
    assert {(ends.get(a, a), ends.get(b, b)) for a, b in inside} <= set(arrows(drawing))
    bold = [(a, b) for a, b, look in dot.edges(drawing) if look.get("penwidth") == "3"]
    assert [bold[0][0], bold[-1][1]] == ["before", "after"]
    assert "Concatenate" in drawing.svg()


@pytest.mark.parametrize("layer", [nn.RNN(3, 4), nn.GRU(3, 4, reset_after=True), nn.LSTM(3, 4, peephole=True)])
def test_chains_of_all_layers_draw_what_the_cell_draws(layer):
    chain = draw.chain(layer)
    assert chain.engine == "nop2"
    assert draw.cell(layer.cells[0]).description == chain.description
    ET.fromstring(chain.svg())


class Recall(nn.Module):
    """A user's own model: a cell in a loop, and an output."""

    def __init__(self):
        self.cell = nn.GRUCell(2, 4)
        self.output = nn.Linear(4, 1)

    def forward(self, x):
        def step(h, x_t):
            h = self.cell(x_t, h)
            return h, None

        last, _ = tl.scan(step, self.cell.zeros(x.shape[1]), x)
        return self.output(last)


def test_a_model_of_ones_own_is_drawn_on_an_input():
    x = tl.symbol("x", (5, 1, 2))
    assert draw.chain(Recall(), x=x).description == draw.cell(nn.GRUCell(2, 4)).description
    assert ("A0_rolled", "A0_rolled") in arrows(draw.rolled(Recall(), x=x))
    assert arrows(draw.rolled(Recall()(tl.ones((5, 1, 2))))) == arrows(draw.rolled(Recall(), x=x))


def test_a_cell_is_put_into_a_loop():
    assert arrows(draw.unrolled(nn.LSTMCell(3, 4))) == arrows(draw.unrolled(nn.LSTM(3, 4)))
    assert arrows(draw.chain(nn.LSTMCell(3, 4))) == arrows(draw.chain(nn.LSTM(3, 4)))


def test_a_cell_that_does_not_fit_is_chained_in_columns():
    class Deep(nn.Module):
        input_size = 3

        def zeros(self, batch):
            return tl.zeros((batch, 4))

        def forward(self, x, h):
            for _ in range(30):
                h = tl.tanh(h * x.sum())
            return h

    drawing = draw.chain(Deep(), legend=True)
    assert any(a == "before" and b.startswith("op") for a, b in arrows(drawing))
    assert [a for a, b in arrows(drawing) if b == "after"]
    ET.fromstring(drawing.svg())


def test_a_gate_made_of_a_parameter_alone_stays_a_gate_in_a_loop():
    decay = tl.Parameter(tl.zeros(4), name="decay")

    def step(h, x_t):
        with tl.scope("decay", role="gate"):
            d = tl.sigmoid(decay)
        h = d * h + x_t
        return h, h

    _, outputs = tl.scan(step, tl.zeros((1, 4)), tl.ones((5, 1, 4)))
    drawing = draw.chain(outputs)
    (gate,) = [name for name, look in dot.nodes(drawing).items() if look.get("class") == "layer"]
    assert [a for a, b, _ in dot.edges(drawing) if b == gate] == []


@pytest.mark.parametrize(
    ("what", "options", "said"),
    [
        (nn.LSTM, {}, "LSTM is a class"),
        (nn.Linear(3, 4), {}, "does not tell what it is called with"),
        (nn.Linear(3, 4), {"x": tl.ones((1, 3))}, "no loop over time"),
        (tl.ones(3), {}, "no loop over time"),
        (3, {}, "is no layer, model or cell"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_loop_is_refused(what, options, said):
    for show in (draw.rolled, draw.unrolled, draw.chain):
        with pytest.raises(UsageError, match=said):
            show(what, **options)


def test_wrong_numbers_are_refused():
    for steps in (0, 51, 2.0, True):
        with pytest.raises(UsageError, match="steps is an integer from 1 to 50"):
            draw.unrolled(nn.RNN(3, 4), steps)
    with pytest.raises(UsageError, match="loop is an integer from 0 to 1"):
        draw.chain(nn.RNN(3, 4, num_layers=2), loop=2)


def test_the_same_layer_gives_the_same_bytes():
    for show in (draw.rolled, draw.unrolled, draw.chain):
        assert show(nn.LSTM(3, 4)).dot == show(nn.LSTM(3, 4)).dot
