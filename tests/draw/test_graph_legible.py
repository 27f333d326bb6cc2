"""Pictures of graphs can be read: titles, names, values and gradients in the vertices, runs of blocks folded."""

import json
import struct

import numpy as np
import pygraphviz
import pytest

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig

KEY = tl.random.key(0)


def labels(drawing):
    return [dot.shown(look) for look in dot.nodes(drawing).values()]


def cell(kind, **options):
    made = kind(3, 4, key=KEY, **options)
    return draw.graph(made, tl.ones((1, 3)), made.zeros(1))


def layer(kind, **options):
    made = kind(3, 4, key=KEY, **options)
    return draw.graph(lambda x: made(x)[0], tl.ones((6, 1, 3)))


def loss_of_a_model(characters, following):
    model = LanguageModel(8, ModelConfig(hidden=4, embedding=3), key=KEY)
    logits, _ = model(characters, model.zeros(1))
    return nn.cross_entropy(logits, following)


def gradient_of_a_cell(x, h, c):
    made = nn.LSTMCell(3, 4, key=KEY)
    h, _ = made(x, nn.LSTMState(h, c))
    return tl.gradients((h * h).sum(), made.forget.weight)


def crossed_titles(drawing):
    """The titles of clusters that an edge runs over, as Graphviz lays them out; and how many there are."""
    laid = json.loads(pygraphviz.AGraph(string=drawing.dot).draw(format="json0", prog="dot"))
    titles = {}
    for thing in laid["objects"]:
        if thing.get("class") == "title":
            (x, y), w, h = map(float, thing["pos"].split(",")), 36 * float(thing["width"]), 36 * float(thing["height"])
            titles[thing["name"]] = (x - w, y - h, x + w, y + h)
    crossed = set()
    for edge in laid["edges"]:
        for x, y in dot.curve(edge):
            inside = (n for n, (left, low, right, high) in titles.items() if left < x < right and low < y < high)
            crossed.update(inside)
    return crossed, len(titles)


CROWDED = {
    "lstm": lambda: cell(nn.LSTMCell),
    "peephole": lambda: cell(nn.LSTMCell, peephole=True),
    "gru": lambda: cell(nn.GRUCell),
    "loop": lambda: layer(nn.LSTM),
    "two loops": lambda: layer(nn.LSTM, num_layers=2),
    "loss": lambda: draw.graph(loss_of_a_model, *[tl.zeros((5, 1), dtype=tl.int32)] * 2),
    "gradient": lambda: draw.graph(gradient_of_a_cell, tl.ones((1, 3)), tl.ones((1, 4)), tl.ones((1, 4))),
}


@pytest.mark.parametrize("name", CROWDED)
def test_no_edge_crosses_a_title(name):
    crossed, count = crossed_titles(CROWDED[name]())
    assert count > 4
    assert not crossed


@pytest.mark.parametrize("name", [name for name in CROWDED if name != "gradient"])
def test_no_words_float_beside_the_edges(name):
    assert not [look for _, _, look in dot.edges(CROWDED[name]()) if "label" in look]


def test_a_thing_has_one_name():
    found = labels(cell(nn.LSTMCell))
    assert {"x_t f32[1,3]", "h_t−1 f32[1,4]", "C_t−1 f32[1,4]"} <= set(found)
    paths = dot.clusters(cell(nn.LSTMCell))
    assert not [path for path in paths if len(path) > 1 and path[-1] == path[-2].split(" ")[0]]
    assert ("LSTMCell", "candidate") in paths
    x, X = tl.symbol("x"), tl.symbol("X")
    found = labels(draw.graph(x.named("x_t") * X.named("x_t")))
    assert len(set(found)) == len(found), "two symbols with one name stay apart"


def test_a_single_number_is_shown_as_it_is():
    assert "0.5" in labels(draw.graph(tl.symbol("x") * tl.tensor(0.5)))
    assert "−3 i64[]" in labels(draw.graph(tl.symbol("x") * tl.tensor(-3)))
    assert "data f32[2]" in labels(draw.graph(tl.symbol("x") * tl.tensor([1.0, 2.0])))


def test_value_and_gradient_stand_in_each_vertex():
    """As in micrograd (https://github.com/karpathy/micrograd)."""
    a, b, c = (tl.symbol(name) for name in "abc")
    e = (a * b).named("e")
    loss = tl.tanh(e + c).named("L")
    drawing = draw.graph(loss, at={a: 2.0, b: -3.0, c: 6.5}, values="gradients")
    slope = 1 - np.tanh(0.5) ** 2
    wanted = [f"a 2 ∂ −{3 * slope:.3g}", f"b −3 ∂ {2 * slope:.3g}", f"c 6.5 ∂ {slope:.3g}", f"× e −6 ∂ {slope:.3g}"]
    assert {*wanted, f"+ 0.5 ∂ {slope:.3g}", f"tanh L {np.tanh(0.5):.3g} ∂ 1"} <= set(labels(drawing))
    assert "∂: the gradient of the summed results by the value above it" in drawing.dot


def test_gradients_of_parameters_and_in_loops_are_shown_too():
    w = tl.Parameter([1.0, 2.0], name="w")
    drawing = draw.graph(lambda x: (w * x).sum(), tl.ones(2), values="gradients")
    assert "w f32[2] 1, 2 ∂ 1, 1" in labels(drawing)

    def product(x):
        return tl.scan(lambda c, v: (c * v, None), tl.tensor(1.0), x)[0]

    # In a loop at every step.
    assert "× 2, 4, 8 ∂ 4, 2, 1" in labels(draw.graph(product, 2 * tl.ones(3), values="gradients"))


def test_the_flow_out_of_a_loop_goes_on_inside():
    def sines(x):
        return tl.scan(lambda c, v: (c, tl.sin(v)), tl.tensor(0.0), x)[1].sum()

    drawing = draw.graph(sines, tl.ones(3), flow=True)
    found = {name: dot.shown(look) for name, look in dot.nodes(drawing).items()}
    widths = {look["penwidth"] for a, b, look in dot.edges(drawing) if "all steps" in (found[a], found[b])}
    assert len(widths) == 1


def test_a_legend_says_what_is_in_the_picture_and_no_more():
    small = draw.graph(tl.tanh(tl.symbol("x")), legend=True)
    assert "elementwise operation (ellipse)" in small.dot
    assert "Parameter" not in small.dot
    whole = draw.graph(lambda x: tl.gradients(nn.LSTM(3, 4, key=KEY)(x)[0].sum(), x), tl.ones((2, 1, 3)), legend=True)
    for words in (
        "Parameter (cylinder)",
        "carried from step to step (house)",
        "result (thick ellipse)",
        "gate (frame)",
    ):
        assert words in whole.dot
    assert "helps to compute a gradient (dashed outline)" in whole.dot
    steps = draw.graph(nn.LSTM(3, 4, key=KEY), tl.ones((2, 1, 3)), loops="unrolled", legend=True)
    assert "input (double ellipse)" in steps.svg()
    with pytest.raises(UsageError, match="legend is True or False, not 'yes'"):
        draw.graph(tl.symbol("x") * 2, legend="yes")


def by_sequential(layers):
    return nn.Sequential(*[part for each in layers for part in (each, tl.tanh)])


def by_a_loop(layers):
    def f(x):
        for each in layers:
            x = tl.tanh(each(x))
        return x

    return f


def of_plain_operations(layers):
    def f(x):
        for each in layers:
            x = tl.tanh(x @ each.weight)
        return x

    return f


def forked(layers):
    def f(x):
        for _ in layers:
            x = tl.tanh(x @ x.T @ x)
        return x

    return f


@pytest.mark.parametrize("build", [by_sequential, by_a_loop, of_plain_operations, forked])
def test_a_hundred_layers_fit_a_screen(build):
    drawing = draw.graph(build([nn.Linear(8, 8, key=KEY) for _ in range(100)]), tl.ones((2, 8)))
    width, height = struct.unpack(">II", drawing.png()[16:24])
    assert width <= (1250 if build is forked else 1200)
    assert height <= 600
    assert any("×98" in label or "×97" in label for label in labels(drawing))
    # Ten layers are shown as they are.
    assert "folded" not in draw.graph(build([nn.Linear(8, 8, key=KEY) for _ in range(10)]), tl.ones((2, 8))).dot
