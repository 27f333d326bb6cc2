import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.function import Graph

X = tl.symbol("x", (2, 3))


def labels(drawing):
    return [dot.shown(look) for look in dot.nodes(drawing).values()]


def test_nodes_and_edges_are_those_of_the_graph():
    drawing = draw.graph((tl.sigmoid(X) * 2).named("y"))
    assert dot.pairs(drawing) == [
        ("2", "× y"),
        ("x f32[2,3]", "σ"),
        ("× y", "y f32[2,3]"),
        ("σ", "× y"),
    ]
    assert drawing.engine == "dot"
    assert drawing.description == "A computation graph of 2 operations on 1 input. Result: f32[2,3]."


def test_an_operand_read_twice_has_two_edges():
    assert dot.pairs(draw.graph(X * X)).count(("x f32[2,3]", "×")) == 2


def test_leaves_are_told_apart_by_shape_and_colour():
    parameter, state = tl.Parameter([1.0, 2.0, 3.0], name="w"), tl.State(2.0, name="rate")
    total = X * parameter + state * 3.0 + tl.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    found = {dot.shown(look).split()[0]: look for look in dot.nodes(draw.graph(total)).values()}
    looks = [found[name] for name in ("x", "w", "rate", "data", "3", "×", "result")]
    assert len({(look["shape"], look.get("peripheries")) for look in looks}) == 6
    assert len({look.get("fillcolor") for look in looks}) == 7


def test_parameters_and_constants_stand_beside_each_reader():
    w = tl.Parameter([1.0, 2.0, 3.0], name="w")
    drawing = draw.graph((X * w) * 2.0 + w)
    assert labels(drawing).count("w f32[3]") == 2
    assert labels(drawing).count("x f32[2,3]") == 1


def test_scopes_are_clusters_tinted_by_role():
    drawing = draw.graph(nn.LSTMCell(3, 4), tl.ones((2, 3)), nn.LSTMCell(3, 4).zeros(2))
    lines = drawing.dot.splitlines()
    starts = [k for k, line in enumerate(lines) if "subgraph cluster_" in line]
    named = dict(zip([path[-1] for path in dot.clusters(drawing)], [lines[k + 1] for k in starts], strict=True))
    assert {"LSTMCell", "forget gate", "input gate", "candidate", "output gate", "cell state"} <= set(named)
    assert '"#fff59d"' in named["forget gate"]
    assert '"#fff59d"' not in named["cell state"]
    assert lines.count("\t}") == len(starts)


def test_shapes_can_be_left_out():
    assert draw.graph(tl.tanh(X)).dot.count(">f32[2,3]<") == 3
    assert draw.graph(tl.tanh(X), shapes=False).dot.count(">f32[2,3]<") == 2
    assert not [look for _, _, look in dot.edges(draw.graph(tl.tanh(X))) if "label" in look]


def test_a_loop_is_a_box_with_its_body_and_dashed_edges_back():
    last, ys = tl.scan(lambda c, x: (tl.tanh(c + x), c * 2.0), tl.tensor([0.0, 0.0, 0.0]), X)
    drawing = draw.graph({"last": last, "ys": ys})
    assert "scan: 2 steps, dashed: to the next step" in drawing.dot
    found = {name: dot.shown(look) for name, look in dot.nodes(drawing).items()}
    back = [(found[a], found[b]) for a, b, look in dot.edges(drawing) if look.get("style") == "dashed"]
    assert back == [("tanh", "carry")]
    # What enters and leaves says so itself; no words float beside the edges.
    assert not [look for _, _, look in dot.edges(drawing) if "label" in look]
    wanted = [("x f32[2,3]", "x each step"), ("data f32[3]", "carry")]
    wanted += [("tanh", "last"), ("last", "last f32[3]"), ("×", "all steps"), ("all steps", "ys f32[2,3]")]
    assert set(wanted) <= set(dot.pairs(drawing))
    assert "1 loop" in drawing.description


def test_operands_of_a_loop_are_read_inside_of_its_body():
    w = tl.Parameter([1.0, 2.0, 3.0], name="w")
    last, _ = tl.scan(lambda c, x: (c * w + x * X[0], None), tl.zeros(3), X)
    found = dot.pairs(draw.graph(last))
    assert ("w f32[3]", "×") in found
    assert not [pair for pair in found if "operand" in "".join(pair)]


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_what_a_loop_starts_with_stands_before_its_box_and_what_each_step_reads_in_it(kind):
    x = tl.symbol("x", (3, 1, 2))
    layer = kind(2, 4, key=tl.random.key(0))
    drawing = draw.graph([layer(x)[0], tl.gradients(layer(x)[0].sum(), x)])
    looks, frames = dot.nodes(drawing), dot.frames(drawing)
    ends = {a: b for a, b, _ in dot.edges(drawing)}
    for a, look in looks.items():
        if look["class"] in ("constant", "parameter"):
            b = ends[a]
            enters = looks[b]["class"] in ("carry", "slice")
            assert frames[a] == (frames[b][:-1] if enters else frames[b])
    assert [a for a, b in ends.items() if looks[a]["class"] == "constant" and looks[b]["class"] == "carry"]
    text = drawing.mermaid()
    assert text.index('["0"]') < text.index("subgraph", text.index("subgraph") + 1)


def test_loops_in_loops_and_their_gradients_are_drawn_once():
    w = tl.Parameter(2.0, name="w")

    def outer(c, x):
        inner, _ = tl.scan(lambda q, _: (tl.tanh(q * w) + x, None), c, length=3)
        return inner, inner

    last, ys = tl.scan(outer, tl.tensor(0.5), tl.symbol("xs", (5,)))
    assert sum(path[-1].startswith("scan: 3 steps") for path in dot.clusters(draw.graph([last, ys]))) == 1
    gradient = draw.graph(tl.gradients(ys.sum(), w))
    assert sum(path[-1].startswith("scan: 3 steps") for path in dot.clusters(gradient)) == 2
    assert gradient.dot.count("backwards") == 2 * 3


def test_gradient_nodes_have_another_outline():
    x = tl.symbol("x")
    found = dot.nodes(draw.graph(tl.gradients(tl.sin(x * x), x)))
    styles = {dot.shown(look): look.get("style") for look in found.values()}
    assert styles["cos"] == "filled,dashed"
    assert styles["x"] is None


def test_one_number_needs_no_type():
    x = tl.symbol("x")
    assert "f32" not in "".join(map(dot.shown, dot.nodes(draw.graph(tl.sin(x))).values()))
    assert "x f32[]" in labels(draw.graph(tl.sin(x) * tl.ones(2)))


def test_a_power_by_a_number_is_one_node():
    x, n = tl.symbol("x"), tl.symbol("n")
    assert dot.pairs(draw.graph(x**2)) == [("x", "x²"), ("x²", "result")]
    assert ("n", "xʸ") in dot.pairs(draw.graph(x**n))


def test_the_gradient_is_drawn_without_its_seed_and_the_users_own_nodes_stay():
    x = tl.symbol("x")
    pairs = dot.pairs(draw.graph(tl.gradients(tl.sin(x**2), x)))
    assert not any(source == "1" for source, _ in pairs)
    own = dot.pairs(draw.graph(tl.sin(x**2) * 1.0))
    assert ("1", "×") in own


def test_gradients_are_called_so():
    x, y = tl.symbol("x"), tl.symbol("y")
    z = tl.sin(x * y)
    assert {"L", "∂L/∂x", "∂L/∂y"} <= set(labels(draw.graph((z, *tl.gradients(z, [x, y])))))


def test_a_title_stands_over_the_picture():
    x = tl.symbol("x")
    assert "The sine" in draw.graph(tl.sin(x), title="The sine").svg().partition("</desc>")[2]
    assert "Computation graph" not in draw.graph(tl.sin(x)).svg().partition("</desc>")[2]


def test_a_function_is_traced_on_symbols_like_its_arguments():
    def f(a, b):
        return {"product": a @ b, "total": (a + 1).sum()}

    drawing = draw.graph(f, tl.ones((2, 3)), tl.ones((3, 1)), direction="TB")
    assert {"a f32[2,3]", "product f32[2,1]", "total f32[]"} <= set(labels(drawing))
    assert drawing.title == "Computation graph of f"
    assert "rankdir=TB" in drawing.dot


def test_a_traced_graph_shows_inputs_that_nothing_reads():
    drawing = draw.graph(Graph((X, tl.symbol("unused")), (X + 1,)))
    assert "unused f32[]" in labels(drawing)


def test_results_that_are_inputs_or_constants_are_drawn():
    drawing = draw.graph([X, tl.Parameter(1.0, name="p"), tl.zeros((2, 2))])
    assert ("x f32[2,3]", "result 0 f32[2,3]") in dot.pairs(drawing)
    assert ("p f32[]", "result 1 f32[]") in dot.pairs(drawing)
    assert ("0", "result 2 f32[2,2]") in dot.pairs(drawing)


HOSTILE = [
    '"<script>alert(1)</script>',
    'a"];',
    "a&b",
    "&lt;\\N",
    "<b>",
    "a\\",
    "]]>",
    "a:b",
    "ß∂",
    "--><svg>",
    "\\l\\G",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_come_out_as_that_text(name):
    w = tl.Parameter([1.0, 2.0, 3.0], name=name + "p")
    with tl.scope(name):
        y = (tl.symbol(name + "s", (3,)) * w).named(name + "y")
    root = ET.fromstring(draw.graph(y.sum(), title=name).svg())
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {name, name + "p", name + "s", name + "y"} <= texts
    assert root[0].text == name


@pytest.mark.parametrize("name", ["a\nb", "\nab", "\n\na\n", "\x00\udc80\u2028", "\r", "\u202e", "\ufeff"])
def test_names_that_no_picture_can_hold_leave_it_whole(name):
    with tl.scope(name):
        y = (tl.symbol(name) * tl.Parameter(1.0, name=name)).named(name)
    for options in ({}, {"values": "heat", "flow": True, "at": {y.inputs[0].inputs[0]: 1.0}}):
        drawing = draw.graph(y, title=name, **options)
        assert ET.fromstring(drawing.svg()).tag.endswith("svg")


def test_threads_draw_side_by_side():
    layer, x = nn.RNN(3, 4, key=tl.random.key(0)), tl.symbol("x", (4, 1, 3))
    loss = (layer(x)[0] ** 2).sum()

    def make(_):
        return draw.graph([loss, tl.gradients(loss, x)], loops="unrolled", at={x: np.ones(x.shape)}, flow=True).svg()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(make, range(4)))) == 1


def test_works_with_an_empty_path_in_a_module_that_is_run(tmp_path, monkeypatch):
    (tmp_path / "picture.py").write_text(
        "import tinygrad_lstm as tl\n"
        "if __name__ == '__main__':\n"
        "    tl.draw.graph(tl.sin(tl.symbol('x'))).save('x.svg')\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PATH", "")
    subprocess.run([sys.executable, "-m", "picture"], cwd=tmp_path, check=True, timeout=120)
    assert (tmp_path / "x.svg").read_text(encoding="utf-8").startswith("<svg ")


CELL = nn.RNNCell(3, 4, key=tl.random.key(0))


def unrolled(steps):
    x, h = tl.symbol("X", (steps, 1, 3)), CELL.zeros(1)
    for t in range(steps):
        h = CELL(x[t], h)
    return h


def test_depth_closes_scopes():
    drawing = draw.graph(unrolled(3), depth=0, direction="TB")
    assert labels(drawing).count("RNNCell 6 nodes") == 2
    assert "… folded: 19 nodes in 3 scopes" in drawing.dot
    assert drawing.description.endswith("Folded: 19 nodes in 3 scopes.")
    within = draw.graph(unrolled(3), depth=1, direction="TB")
    assert within.dot.count("subgraph") == 3
    assert "hidden layer" in within.dot


def test_many_nodes_are_folded_by_scope():
    assert "folded" not in draw.graph(unrolled(3), direction="TB").dot
    drawing = draw.graph(unrolled(3), fold=20, direction="TB")
    assert len(dot.nodes(drawing)) <= 20
    assert "in 3 scopes" in drawing.description


def test_large_pictures_get_bounded_settings_and_no_labels_on_edges():
    drawing = draw.graph(unrolled(30), repeats=False, direction="TB")
    assert len(dot.nodes(drawing)) > 150
    assert "nslimit=1" in drawing.dot
    assert not [look for _, _, look in dot.edges(drawing) if "label" in look]
    assert "nslimit" not in draw.graph(unrolled(3)).dot


@pytest.mark.parametrize("count", [3_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_a_long_chain_is_folded(count):
    y = tl.symbol("x")
    for _ in range(count):
        y = tl.sin(y * 1.5)
    drawing = draw.graph(y)
    assert "nodes in 1 chain" in drawing.description
    assert len(dot.nodes(drawing)) < 20
    (box,) = [look for look in dot.nodes(drawing).values() if look.get("shape") == "folder"]
    assert dot.shown(box).endswith(f" {3 * count - 5:,} nodes")


def test_10_000_entangled_nodes_are_folded():
    values = [tl.symbol("x", (3,))]
    for k in range(10_000):
        values.append(values[-1] + values[max(0, len(values) - 2 - k * k * k // 7 % 11)])
    drawing = draw.graph(values[-1])
    svg = drawing.svg()
    assert len(dot.nodes(drawing)) <= 100
    assert "stretches" in drawing.description
    assert "folded" in svg


def test_the_same_graph_gives_the_same_bytes():
    def build():
        cell = nn.LSTMCell(3, 4, key=tl.random.key(0))
        x, h, c = tl.symbol("x", (1, 3)), tl.symbol("h", (1, 4)), tl.symbol("c", (1, 4))
        loss = tl.sum(cell(x, (h, c)).h)
        return draw.graph([loss, *tl.gradients(loss, cell.parameters())]).dot

    assert build() == build()


def test_the_loss_of_a_language_model_renders():
    table, lstm, head = nn.Embedding(10, 4), nn.LSTM(4, 5), nn.Linear(5, 10)
    tokens = tl.symbol("tokens", (6, 2), tl.int64)
    loss = nn.cross_entropy(head(lstm(table(tokens))[0]), tokens)
    assert draw.graph(loss).png()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("what", "options", "said"),
    [
        ([], {}, "got nothing"),
        ("x", {}, "got str"),
        ([X, 3], {}, "got int"),
        (X, {"direction": "up"}, "direction"),
        (X, {"depth": -1}, "depth"),
        (X, {"fold": True}, "fold"),
    ],
)
def test_what_can_not_be_drawn_is_refused(what, options, said):
    with pytest.raises(UsageError, match=said):
        draw.graph(what, **options)


def test_further_arguments_are_for_functions():
    with pytest.raises(UsageError, match="one tuple or list"):
        draw.graph(X, X)
