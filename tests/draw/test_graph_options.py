"""What a picture of a graph can show beyond nodes and edges."""

import math
import re
from graphlib import TopologicalSorter

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.themes import THEMES, contrast, luminance
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig

X = tl.symbol("x", (2, 3))


def rnn(steps=6, kind=nn.RNN):
    layer, x = kind(3, 4, key=tl.random.key(0)), tl.symbol("x", (steps, 1, 3))
    loss = (layer(x)[0][-1] ** 2).sum()
    return layer, x, loss, {x: np.random.default_rng(0).normal(size=x.shape)}


def cell_gradient():
    cell = nn.LSTMCell(3, 4, key=tl.random.key(0))
    symbols = tl.symbol("x", (1, 3)), tl.symbol("h", (1, 4)), tl.symbol("c", (1, 4))
    loss = tl.sum(cell(symbols[0], symbols[1:]).h ** 2)
    return [loss, tl.gradients(loss, cell.forget.weight)]


def clusters(drawing):
    return [path[-1] for path in dot.clusters(drawing)]


def shown(drawing):
    return [dot.shown(look) for look in dot.nodes(drawing).values()]


def test_a_loop_as_one_box():
    layer, x, loss, _ = rnn()
    drawing = draw.graph([loss, tl.gradients(loss, x)], loops="box")
    assert {"scan: 6 steps", "scan: 6 steps backwards"} <= {text.split(" of ")[0] for text in shown(drawing)}
    assert "2 loops" in drawing.description
    noted = [dot.said(look) for _, _, look in dot.edges(drawing)]
    assert any(text.startswith("each step") for text in noted)
    assert any(text.startswith("all steps") for text in noted)
    assert len(dot.nodes(drawing)) < len(dot.nodes(draw.graph([loss, tl.gradients(loss, x)])))
    assert layer.parameters()[0].name in drawing.dot


def test_an_unrolled_loop_has_every_step():
    _, _, loss, _ = rnn()
    drawing = draw.graph(loss, loops="unrolled")
    assert [text for text in shown(drawing) if text.startswith("step")] == [f"step {t}" for t in range(6)]
    assert sum(text.startswith("tanh") for text in shown(drawing)) == 6
    assert [text.split()[0] for text in shown(drawing) if text.startswith("x[")] == [f"x[{t}]" for t in range(6)]
    assert not [look for _, _, look in dot.edges(drawing) if look.get("style") == "dashed"]


def test_joined_steps_are_one_stack():
    layer, x = nn.RNN(3, 4, key=tl.random.key(0)), tl.symbol("x", (3, 1, 3))
    drawing = draw.graph(layer(x)[0], loops="unrolled")
    assert shown(drawing).count("stack") == 1
    assert "reshape" not in shown(drawing)


def test_blocks_of_one_structure_are_folded_into_the_first():
    _, _, loss, _ = rnn(12)
    drawing = draw.graph(loss, loops="unrolled", repeats=True)
    (box,) = [text for text in shown(drawing) if "×9" in text]
    assert box == "step 2 … step 10  ×9 63 nodes"
    assert "63 nodes in 9 steps" in drawing.description
    steps = [text for text in shown(drawing) if text.startswith("step")]
    assert steps == ["step 0", "step 1", "step 11", box]
    assert "×" not in "".join(shown(draw.graph(loss, loops="unrolled", repeats=False)))


def test_blocks_that_take_turns_are_folded_too():
    h = tl.symbol("h", (1, 4))
    for k in range(8):
        with tl.scope(f"attention {k}"):
            h = tl.tanh(h * 2.0)
        with tl.scope(f"network {k}"):
            h = tl.sin(h) + h
    drawing = draw.graph(h, repeats=True)
    # The first reads another kind of thing than the others.
    assert clusters(drawing) == ["attention 0", "network 0", "attention 1", "network 7"]
    assert any("×6 like network 0, attention 1" in text for text in shown(drawing))


def test_blocks_that_differ_stay():
    h = tl.symbol("h", (1, 4))
    for k in range(6):
        with tl.scope(f"block {k}"):
            for _ in range(k + 1):
                h = tl.sin(h)
    drawing = draw.graph(h, repeats=True)
    assert len(clusters(drawing)) == 6
    assert "Folded" not in drawing.description


def test_a_large_graph_is_folded_by_its_repetitions_first():
    _, x, loss, _ = rnn(60, nn.LSTM)
    drawing = draw.graph([loss, tl.gradients(loss, x)], loops="unrolled", direction="TB")
    assert "repetitions" in drawing.description
    assert "stretches" not in drawing.description
    assert len(dot.nodes(drawing)) <= 400


def test_a_long_chain_says_what_repeats():
    y = tl.symbol("x")
    for _ in range(1000):
        y = tl.sin(y * 1.5)
    (box,) = [text for text in shown(draw.graph(y)) if "nodes" in text]
    assert box == "sin ×  ×998 2,995 nodes"


def test_the_gradient_apart_has_clusters_of_its_own_and_together_has_none():
    gradient = cell_gradient()
    apart, together = draw.graph(gradient), draw.graph(gradient, gradients="together")
    assert clusters(apart).count("forget gate") == 2
    assert "∂L" in clusters(apart)
    assert clusters(together).count("forget gate") == 1
    assert not {"∂L", "gradient"} & set(clusters(together))
    assert sorted(shown(apart)) == sorted(shown(together))


def test_nodes_of_the_gradient_say_what_they_belong_to():
    found = dot.nodes(draw.graph(cell_gradient()))
    dashed = [look for look in found.values() if "dashed" in look.get("style", "")]
    assert any(dot.shown(look) == "× of σ f_t" for look in dashed)
    assert all(re.search(r"for the gradient of %\d+: ", look["tooltip"]) for look in dashed)


def test_ties_are_lines_to_the_forward_pass():
    gradient = cell_gradient()
    drawing = draw.graph(gradient, ties=True)
    labels = {name: dot.shown(look) for name, look in dot.nodes(drawing).items()}
    ties = [(labels[a], labels[b]) for a, b, look in dot.edges(drawing) if look.get("style") == "dotted"]
    assert ("−", "σ f_t") in ties
    assert not [look for _, _, look in dot.edges(draw.graph(gradient)) if look.get("style") == "dotted"]


def test_numbers_and_statistics_are_those_of_the_interpreter():
    x = tl.symbol("x")
    assert "sin 0.841" in shown(draw.graph(tl.sin(x), at={x: 1.0}))
    y = tl.tensor([1.0, 2.0, 6.0]) * 2.0
    assert "× mean 6, std 4.32 2 … 12" in shown(draw.graph(y, values="statistics"))
    assert "× 2, 4, 12" in shown(draw.graph(y, values="numbers"))
    assert "log 1 of 2 not finite" in shown(draw.graph(tl.log(tl.tensor([0.0, 1.0])), values="statistics"))


def test_arrays_of_a_traced_function_are_what_it_is_computed_with():
    drawing = draw.graph(lambda a, b: a * b, tl.tensor(3.0), np.float32(4.0), values="numbers")
    assert "× 12" in shown(drawing)
    with pytest.raises(UsageError, match=r"symbol 'b' .* has no value"):
        draw.graph(lambda a, b: a * b, tl.tensor(3.0), tl.symbol("b"), values="numbers")


def test_values_in_a_rolled_loop_are_of_all_its_steps():
    last, _ = tl.scan(lambda c, x: (c + x, None), tl.tensor(0.0), tl.arange(10).astype(tl.float32) + 1)
    assert "+ 1 … 55" in shown(draw.graph(last, values="numbers"))


@pytest.mark.parametrize("theme", THEMES)
def test_heat_is_a_colour_and_a_number(theme):
    y = tl.tensor([1.0, 2.0]) * tl.tensor([1000.0, 1000.0])
    drawing = draw.graph(y, values="heat", theme=theme)
    found = {dot.shown(look): look for look in dot.nodes(drawing).values()}
    heat = THEMES[theme].heat
    assert found["× rms 1.58e3"]["fillcolor"] == heat[-1]
    assert found["data f32[2] rms 1.58"]["fillcolor"] == heat[0]
    assert "root mean square of the values" in drawing.dot


def test_the_gradient_is_seen_to_vanish():
    _, _, loss, at = rnn(8)
    drawing = draw.graph(loss, loops="unrolled", flow=True, at=at)
    names = {name: dot.shown(look) for name, look in dot.nodes(drawing).items()}
    widths = {}
    for a, b, look in dot.edges(drawing):
        if names[a].startswith("x[") and names[b] == "concat":
            strength = look["tooltip"].rpartition(" ")[2].replace("−", "-")
            widths[int(re.search(r"\d+", names[a])[0])] = float(look["penwidth"]), float(strength)
    assert sorted(widths) == list(range(8))
    assert [w for w, _ in (widths[t] for t in range(8))] == sorted(w for w, _ in widths.values())
    assert widths[0][1] < 1e-2 * widths[7][1]
    assert "norm of the gradient that comes back over a line" in drawing.dot


def test_an_edge_over_which_nothing_comes_back_is_dotted():
    x, y = tl.symbol("x"), tl.symbol("y")
    drawing = draw.graph(x + tl.stop_gradient(y), flow=True, at={x: 1.0, y: 2.0})
    styles = {dot.said(look): look.get("style") for _, _, look in dot.edges(drawing)}
    assert styles["0"] == "dotted"
    assert styles["1"] is None


def test_a_rolled_loop_shows_the_range_of_its_gradient():
    _, _, loss, at = rnn(8)
    noted = [dot.said(look) for _, _, look in dot.edges(draw.graph(loss, flow=True, at=at))]
    assert any(re.fullmatch(r"[\d.e−]+ … [\d.]+", text) for text in noted)


@pytest.mark.parametrize("name", THEMES)
def test_text_can_be_read_on_every_fill_and_lines_be_seen(name):
    theme = THEMES[name]
    for fill, outline in theme.fills.values():
        assert contrast(theme.text, fill) >= 7
        assert contrast(theme.soft, fill) >= 4.5
        assert outline == fill or contrast(outline, fill) >= 2.5
    for fill, _ in theme.tints.values():
        assert contrast(theme.soft, fill) >= 4.5
        for line in (theme.edge, theme.lent, theme.gradient, *theme.flow):
            assert contrast(line, fill) >= 2.3
    for color in theme.heat:
        assert max(contrast(theme.text, color), contrast(theme.inverse, color)) >= 4.5


@pytest.mark.parametrize("name", THEMES)
def test_scales_are_told_apart_by_lightness_alone(name):
    for scale in (THEMES[name].heat, THEMES[name].flow):
        light = [math.log(luminance(color) + 0.05) for color in scale]
        assert light in (sorted(light), sorted(light, reverse=True))


def test_kinds_differ_in_shape():
    w, rate = tl.Parameter([1.0, 2.0, 3.0], name="w"), tl.State(2.0, name="rate")
    drawing = draw.graph((X * w + rate * 3.0 + tl.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).sum(), theme="dark")
    looks = {dot.shown(look).split()[0]: look for look in dot.nodes(drawing).values()}
    found = [looks[name] for name in ("x", "w", "rate", "data", "3", "×", "Σ")]
    assert len({(look["shape"], look.get("peripheries")) for look in found}) == len(found)


def test_dark_has_a_dark_background_and_light_text():
    text = draw.graph(X * 2, theme="dark").svg()
    assert f'fill="{THEMES["dark"].background}"' in text
    assert f'fill="{THEMES["dark"].text}"' in text


def test_tooltips_have_number_expression_type_and_line():
    found = dot.nodes(draw.graph(tl.sin(X * 2).named("y")))
    (look,) = [look for look in found.values() if dot.shown(look) == "sin y"]
    assert look["tooltip"].startswith(r"%3: y = sin(2·x)\nsin · f32[2,3] · test_graph_options.py:")


def test_tooltips_reach_the_svg():
    assert "sin(2·x)" in draw.graph(tl.sin(X * 2)).svg()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loops": "open"}, "loops is 'rolled', 'box' or 'unrolled', not 'open'"),
        ({"gradients": True}, "gradients is 'apart' or 'together'"),
        ({"values": "all"}, "values is 'numbers', 'statistics', 'heat' or 'gradients'"),
        ({"theme": "blue"}, "theme is 'light' or 'dark'"),
        ({"values": "numbers"}, "the symbol 'x' .* has no value"),
        ({"flow": True}, "the symbol 'x' .* has no value"),
        ({"at": {3: 4}, "values": "heat"}, "the symbol 'x' .* has no value"),
    ],
)
def test_options_that_do_not_fit_are_told(options, said):
    with pytest.raises(UsageError, match=said):
        draw.graph(X * 2, **options)


@pytest.mark.parametrize(
    ("what", "args", "said"),
    [
        (nn.LSTM(3, 4), (), r"LSTM takes \(x, state, lengths\), and no arguments came"),
        (nn.LSTM, (), r"LSTM is a class; make one of it first"),
        (np.ones(3), (), r"got ndarray; a plain array has no graph, make a tensor of it with tl\.tensor"),
        (lambda: 3, (), "returned int where tensors are wanted"),
        (lambda a, b: a, (1.0,), "1 argument came"),
        (lambda a: a, ("x",), "argument 'a' of <lambda> is of type str"),
        (None, (), "got nothing"),
    ],
)
def test_mistakes_are_told_in_one_sentence(what, args, said):
    with pytest.raises(UsageError, match=said):
        draw.graph(what, *args)


def test_a_compiled_function_is_drawn_by_its_graph():
    @tl.jit
    def wave(x):
        return tl.sin(x) * 2

    drawing = draw.graph(wave, tl.ones(3))
    assert "sin" in shown(drawing)
    assert drawing.title == "Computation graph of wave"
    assert draw.graph(wave.optimized(tl.ones(3))).title == "Computation graph of a traced function"


def test_a_compiled_function_without_its_arguments_is_told_what_it_takes():
    with pytest.raises(UsageError, match=r"takes \(x\), and no arguments came"):
        draw.graph(tl.jit(lambda x: tl.sin(x)))


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_many_nodes_are_drawn_folded_without_recursion(count):
    values = [tl.symbol("x", (3,))]
    for k in range(count):
        values.append(values[-1] + values[max(0, len(values) - 2 - k % 7)])
    drawing = draw.graph(values[-1])
    assert len(dot.nodes(drawing)) <= 100
    assert f"{count:,} operations" in drawing.description


def test_graphs_that_graphviz_stumbles_over_are_drawn():
    layer, x = nn.RNN(3, 4, bidirectional=True, key=tl.random.key(0)), tl.symbol("x", (8, 1, 3))
    loss = (layer(x)[0][-1] ** 2).sum()
    both = [loss, *tl.gradients(loss, [x, *layer.parameters()])]
    options = {"loops": "unrolled", "gradients": "together", "direction": "TB", "depth": 2, "repeats": True}
    assert draw.graph(both, **options).svg()
    _, x, loss, _ = rnn(10, nn.LSTM)
    assert draw.graph([loss, tl.gradients(loss, x)], loops="unrolled").svg()


@pytest.mark.parametrize("layers", [10, 100])
@pytest.mark.parametrize("kind", ["loop", "Sequential"])
def test_a_net_of_many_layers_is_one_block_and_no_circle(layers: int, kind: str) -> None:
    linear = [nn.Linear(8, 8, key=tl.random.key(k)) for k in range(layers)]

    def by_hand(x):
        for layer in linear:
            x = tl.tanh(layer(x))
        return x

    net = by_hand if kind == "loop" else nn.Sequential(*[f for layer in linear for f in (layer, tl.tanh)])
    drawing = draw.graph(net, tl.symbol("x", (2, 8)), repeats=True)
    boxes = [text for text in shown(drawing) if f"×{layers - 2}" in text]
    assert len(boxes) == 1
    assert len(shown(drawing)) == 13
    follows = {(a, b) for a, b, _ in dot.edges(drawing)}
    order = TopologicalSorter({b: {a for a, to in follows if to == b} for _, b in follows})
    order.prepare()  # raises for a circle


def test_a_step_of_training_is_a_few_named_parts() -> None:
    model = LanguageModel(20, ModelConfig(hidden=8, embedding=6), key=tl.random.key(0))
    optimizer = tl.optim.Adam(model.parameters())

    @tl.jit
    def step(x, y):
        logits, _ = model(x)
        loss = nn.cross_entropy(logits.reshape((-1, 20)), y.reshape((-1,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    drawing = draw.graph(step, np.zeros((5, 2), int), np.ones((5, 2), int))
    words = shown(drawing)
    for part in ("LanguageModel", "cross entropy", "∂L", "Adam"):
        assert [text for text in words if text.startswith(part)], part
    assert "11 gradients ∂L/∂embedding.weight … ∂L/∂output.bias" in words
    assert [text for text in words if text.startswith("33 results") and text.endswith("after")]
    assert len(words) < 20
    assert optimizer.count.item() == 0


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: draw.gates(nn.LSTM(3, 4)), "an LSTM has gates where it runs on an input; give it, draw.gates"),
        (lambda: draw.graph(tl.symbol("x")).png(dpi="300"), "dpi is a number, such as 300; got '300'"),
        (lambda: draw.graph(tl.symbol("x")).png(dpi=1e9), "dpi is a number above 0 and at most 9600"),
        (lambda: draw.graph(tl.symbol("x")).svg(timeout=None), "timeout is a number, such as 20; got None"),
        (lambda: draw.graph(tl.symbol("x"), fold=None), "fold is an integer of at least 0, not None"),
        (lambda: draw.graph(tl.symbol("x"), title=5), "title is a text, not 5"),
        (lambda: draw.cell(nn.LSTMCell(3, 4), title=5), "title is a text, not 5"),
    ],
)
def test_options_of_a_wrong_type_are_told(make, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        make()


def test_a_name_of_twenty_thousand_letters() -> None:
    x = tl.symbol("x" * 20_000)
    with tl.scope("y" * 20_000):
        picture = draw.graph(tl.tanh(x).named("z" * 20_000))
    assert "…" in picture.svg()
