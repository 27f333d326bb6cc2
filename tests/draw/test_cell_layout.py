"""Where things stand in the pictures of cells, and what is drawn of cells that are not the textbook's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.picture import identifiers
from tinygrad_lstm.draw.cells.recognising import value_of
from tinygrad_lstm.draw.cells.timestep import trace_step
from tinygrad_lstm.errors import UsageError

CELLS = {
    "rnn": nn.RNNCell(3, 4),
    "rnn norm": nn.RNNCell(3, 4, layer_norm=True),
    "lstm": nn.LSTMCell(3, 4),
    "peephole": nn.LSTMCell(3, 4, peephole=True),
    "coupled": nn.LSTMCell(3, 4, coupled=True),
    "norm": nn.LSTMCell(3, 4, layer_norm=True),
    "all": nn.LSTMCell(3, 4, peephole=True, coupled=True, layer_norm=True),
    "relu": nn.RNNCell(3, 4, nonlinearity="relu"),
    "clip": nn.LSTMCell(3, 4, cell_clip=3.0),
    "projection": nn.LSTMCell(3, 4, proj_size=2, cell_clip=3.0, proj_clip=0.5),
    "gru": nn.GRUCell(3, 4),
    "reset after": nn.GRUCell(3, 4, reset_after=True),
    "reset after, norm": nn.GRUCell(3, 4, reset_after=True, layer_norm=True),
}
LSTMS = [name for name in CELLS if name in ("lstm", "peephole", "coupled", "norm", "all")]


def true_edges(cell, **options):
    """Pairs of identifiers, read off the nodes of the graph themselves."""
    anatomy = dissect(trace_step(cell, **options))
    ids = identifiers(anatomy)
    found = set()
    for node, part in anatomy.of.items():
        for operand in map(value_of, node.inputs):
            source = anatomy.of.get(operand)
            if source is not None and source is not part:
                found.add((ids[source], ids[part]))
    found |= {(ids[p.reads[0]], ids[p]) for p in anatomy.parts if p.kind in ("next", "output")}
    return found


def drawn_edges(drawing):
    return {(a, b) for a, b, _ in dot.edges(drawing)}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_every_edge_of_the_graph_is_drawn_and_no_other(cell):
    assert drawn_edges(draw.cell(cell)) == true_edges(cell)


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_all_standard_cells_have_the_textbook_arrangement(cell):
    drawing = draw.cell(cell)
    assert drawing.engine == "nop2"
    found = dot.nodes(drawing)
    height = {name: dot.place(look)[1] for name, look in found.items()}
    assert all(height[name] < height["cell"] for name in found if name.startswith("x"))
    assert all(height[name] > height["cell"] for name in found if name.startswith("out"))
    across = {name: dot.place(look)[0] for name, look in found.items()}
    assert max(across[n] for n in found if n.startswith("state")) < across["cell"]
    assert min(across[n] for n in found if n.startswith("next")) > across["cell"]


@pytest.mark.parametrize("name", LSTMS)
def test_the_conveyor_is_straight(name):
    drawing = draw.cell(CELLS[name])
    found = dot.nodes(drawing)
    bold = [(a, b) for a, b, look in dot.edges(drawing) if look.get("penwidth") == "3"]
    assert [(dot.shown(found[a]), dot.shown(found[b])) for a, b in bold] == [("C_t−1", "×"), ("×", "+"), ("+", "C_t")]
    places = [dot.place(found[n]) for n in (bold[0][0], *(b for _, b in bold))]
    assert len({y for _, y in places}) == 1
    assert [x for x, _ in places] == sorted(x for x, _ in places)


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_nothing_stands_on_anything_else(cell):
    found = dot.nodes(draw.cell(cell))
    boxes = []
    for name, look in found.items():
        if name == "cell" or name.startswith(("name", "join")):
            continue
        (x, y), w, h = dot.place(look), float(look["width"]) * 36, float(look["height"]) * 36
        boxes.append((x - w, y - h, x + w, y + h))
    for k, (left, bottom, right, top) in enumerate(boxes):
        for a, b, c, d in boxes[:k]:
            assert right <= a or c <= left or top <= b or d <= bottom


def test_a_normalisation_that_looks_at_the_conveyor_alone_hangs_from_it():
    found = dot.nodes(draw.cell(CELLS["norm"]))
    (hidden,) = [look for look in found.values() if dot.shown(look) == "LN"]
    row = {dot.place(look)[1] for look in found.values() if look.get("class") == "layer"}
    assert len(row) == 1
    assert dot.place(hidden)[1] > row.pop()


def test_the_conveyor_is_painted_over_the_wires_that_fork_from_it():
    # Graphviz paints the edges of one node in the order of the nodes at their heads.
    drawing = draw.cell(CELLS["peephole"])
    order = list(dot.nodes(drawing))
    heads = {b: look.get("penwidth") for a, b, look in dot.edges(drawing) if a == "state2"}
    assert heads[max(heads, key=order.index)] == "3"


class Leaky(nn.Module):
    """A gate made of a parameter alone."""

    role = "cell"
    input_size = 3

    def __init__(self, scoped):
        self.scoped = scoped
        self.decay = tl.Parameter(tl.zeros(4))
        self.candidate = nn.Linear(7, 4)

    def zeros(self, batch):
        return tl.zeros((batch, 4))

    def forward(self, x, h):
        if self.scoped:
            with tl.scope("decay", role="gate"):
                d = tl.sigmoid(self.decay)
        else:
            d = tl.sigmoid(self.decay)
        with tl.scope("candidate", role="layer"):
            new = tl.tanh(self.candidate(tl.concatenate([h, x], axis=-1))).named("g_t")
        return (d * new + (1 - d) * h).named("h_t")


def test_a_gate_made_of_a_parameter_alone_has_a_box_and_no_wire_into_it():
    drawing = draw.cell(Leaky(scoped=True))
    found = dot.nodes(drawing)
    (gate,) = [name for name, look in found.items() if look.get("tooltip") == "decay"]
    assert dot.shown(found[gate]) == "σ"
    assert found[gate]["class"] == "layer"
    assert [b for _, b, _ in dot.edges(drawing) if b == gate] == []
    readers = sorted(dot.shown(found[b]) for a, b, _ in dot.edges(drawing) if a == gate)
    assert readers == ["1−", "×"]
    assert drawing.engine == "nop2"
    assert drawn_edges(drawing) == true_edges(Leaky(scoped=True))


def test_products_with_different_weights_have_different_labels():
    found = dot.nodes(draw.cell(Leaky(scoped=False)))
    labels = [dot.shown(look) for look in found.values() if look.get("class") == "pointwise"]
    assert sorted(labels) == ["+", "×(1 − σ(decay))", "×σ(decay)"]
    assert "h_t = σ(decay)∘g_t + (1 − σ(decay))∘h_{t−1}." in draw.cell(Leaky(scoped=False)).description


def test_weights_that_are_symbols_are_weights():
    weight = tl.symbol("W", (7, 4))
    drawing = draw.cell(
        lambda x, h: tl.tanh(tl.concatenate([h, x], axis=-1) @ weight), x=tl.ones((1, 3)), state=tl.zeros((1, 4))
    )
    assert ("", "tanh") in dot.pairs(drawing)
    assert drawing.description.endswith("h_t = tanh(W·[h_{t−1}, x_t]).")


def test_a_softmax_is_one_word():
    def attend(x, h):
        with tl.scope("attention", role="layer"):
            a = tl.softmax(h)
        return a * h

    found = dot.nodes(draw.cell(attend, x=tl.ones((1, 3)), state=tl.zeros((1, 4))))
    assert [dot.shown(look) for look in found.values() if look.get("class") == "layer"] == ["softmax"]


class WithoutZeros(Leaky):
    zeros = None


class ZerosWithoutBatch(Leaky):
    def zeros(self):
        return tl.zeros((1, 4))


class NoState(Leaky):
    def zeros(self, batch):
        return None


class NoInputSize(Leaky):
    input_size = "3"


class OneArgument(Leaky):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (nn.LSTMCell, r"LSTMCell is a class; give it one of its cells, such as LSTMCell\(3, 4\)"),
        (nn.LSTM(3, 4), r"LSTM is a layer over time: give it LSTM.cells\[0\], or the whole to draw.chain"),
        (tl.ones(3), "not a tensor; draw.graph shows the graph of one"),
        (WithoutZeros(True), r"no method zeros\(batch\)"),
        (ZerosWithoutBatch(True), r"called as zeros\(batch\), but takes \(\)"),
        (NoState(True), "the state of NoState holds no tensor, got None"),
        (NoInputSize(True), "no input_size that is a number"),
        (OneArgument(True), r"called as cell\(x, state\), but takes \(x\)"),
        (nn.Linear(3, 4), r"no method zeros\(batch\)"),
        (None, "NoneType is not callable"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_cell_is_told_how_to_become_one(wrong, said):
    with pytest.raises(UsageError, match=said):
        draw.cell(wrong)
    if not isinstance(wrong, NoInputSize):
        with pytest.raises(UsageError, match=said):
            draw.walkthrough(wrong, tl.ones((1, 3)))


def test_the_legend_is_drawn_under_columns_too():
    class Long(Leaky):
        def forward(self, x, h):
            for _ in range(40):
                h = tl.tanh(h + x.sum())
            return h

    drawing = draw.cell(Long(True), legend=True)
    svg = drawing.svg()
    assert all(word in svg for word in ("Neural network", "Pointwise", "Concatenate", "Copy"))


UNARY = [tl.tanh, tl.sigmoid, tl.exp, tl.relu, lambda v: 1 - v, lambda v: -v, lambda v: 2 * v]
BINARY = [tl.add, tl.multiply, tl.subtract, tl.maximum]
DECAY = tl.Parameter(tl.full((1, 4), 0.5), name="decay")
WEIGHT = tl.Parameter(tl.ones((8, 4)), name="W")


@st.composite
def programs(draw_):
    """Random cells of two states: which operation reads which of the values so far."""
    count = draw_(st.integers(1, 9))
    return [
        (
            draw_(st.sampled_from(["unary", "binary", "layer", "lone", "weight"])),
            *(draw_(st.integers(0, 50)) for _ in range(3)),
        )
        for _ in range(count)
    ]


@given(programs())
def test_random_cells_show_their_true_edges(program):
    def step(x, state):
        values = [*state, x]
        for kind, op, first, second in program:
            a, b = values[first % len(values)], values[second % len(values)]
            if kind == "unary":
                values.append(UNARY[op % len(UNARY)](a))
            elif kind == "binary":
                values.append(BINARY[op % len(BINARY)](a, b))
            elif kind == "lone":
                with tl.scope("alone", role="gate"):
                    values.append(UNARY[op % len(UNARY)](DECAY) * tl.ones(4))
            elif kind == "weight":
                values.append(BINARY[op % len(BINARY)](a, UNARY[second % len(UNARY)](DECAY)))
            else:
                with tl.scope("layer", role="gate"):
                    values.append(tl.sigmoid(tl.concatenate([a, b], axis=-1) @ WEIGHT))
        return values[-1], values[-2]

    sizes = {"x": tl.ones((1, 4)), "state": (tl.zeros((1, 4)), tl.zeros((1, 4)))}
    drawing = draw.cell(step, **sizes)
    assert drawn_edges(drawing) == true_edges(step, **sizes)
    draw.walkthrough(step, **sizes)
    _, outputs = tl.scan(lambda s, x: (step(x, s), s[0]), sizes["state"], tl.ones((3, 1, 4)))
    assert draw.chain(outputs).dot


def test_long_names_have_room():
    def step(x, state):
        h, c = state["hidden"].named("old hidden state"), state["cell"]
        hx = tl.concatenate([h, x["question"].named("the question"), x["memory"].named("a long input")], axis=-1)
        with tl.scope("gate", role="gate"):
            f = tl.sigmoid(hx @ tl.ones((10, 4))).named("forget_gate_value")
        with tl.scope("candidate", role="layer"):
            g = tl.tanh(hx @ tl.ones((10, 4))).named("candidate values")
        c = f * c + g
        return {"hidden": tl.tanh(c).named("new hidden state"), "cell": c}

    sizes = {"x": {"question": tl.ones((1, 3)), "memory": tl.ones((1, 3))}}
    sizes["state"] = {"hidden": tl.ones((1, 4)), "cell": tl.ones((1, 4))}
    drawing = draw.cell(step, **sizes)
    found = dot.nodes(drawing)
    assert drawing.engine == "nop2"
    assert dot.shown(found["out1"]) == "new hidden state"
    assert dot.shown(found["state1"]) == "cell_t−1"
    inputs = [(dot.place(found[n])[0], float(found[n]["width"]) * 36) for n in ("x1", "x2")]
    (a, half_a), (b, half_b) = sorted(inputs)
    assert a + half_a < b - half_b
    (name,) = [look for look in found.values() if dot.shown(look) == "forget_gate_value"]
    layers = sorted(dot.place(look)[0] for look in found.values() if look.get("class") == "layer")
    assert layers[0] < dot.place(name)[0] < layers[1]


def test_a_deep_cell_is_no_recursion():
    def deep(x, h):
        for _ in range(5000):
            h = tl.tanh(h)
        return h + x.sum()

    sizes = {"x": tl.ones((1, 3)), "state": tl.ones((1, 4))}
    assert len(dot.edges(draw.cell(deep, **sizes))) == 5005
    assert len(draw.walkthrough(deep, **sizes)) == 1
