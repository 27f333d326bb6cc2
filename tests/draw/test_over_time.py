"""Unrolled loops: steps in rows, everything in a step where it is in all others, and wires that run over nothing."""

import re
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.layered import Lane, layered

KEY = tl.random.key(0)


def stacked(layer, batch=1):
    return lambda x: layer(x)[0]


def attention(x, memory):
    """A cell of one's own, which looks at something from outside at every step."""
    weight = tl.Parameter(tl.ones((7, 4)) * 0.1, "W")

    def step(h, x_t):
        with tl.scope("attention", role="layer"):
            found = tl.softmax(h @ memory.T) @ memory
        after = tl.tanh(tl.concatenate([x_t, found], axis=-1) @ weight)
        return after, after

    return tl.scan(step, tl.zeros((1, 4)), x)[1]


def two_conveyors(x):
    def step(state, x_t):
        fast, slow, h = state
        gate = tl.sigmoid(h + x_t)
        fast = (fast * gate + x_t).named("F_t")
        slow = (slow * (1 - gate * 0.1) + fast).named("S_t")
        return (fast, slow, tl.tanh(slow * fast)), slow

    return tl.scan(step, tuple(tl.zeros((1, 3)) for _ in range(3)), x)[1]


def given_state(x, h, c):
    return nn.LSTM(3, 4, key=KEY)(x, nn.LSTMState(tl.tanh(h)[None], 2 * c[None]))


X = tl.ones((5, 1, 3))
STATE = tl.ones((1, 4))
CASES = {
    "lstm": (stacked(nn.LSTM(3, 4, key=KEY)), (X,)),
    "gru": (nn.GRU(3, 4, key=KEY), (X,)),
    "rnn": (stacked(nn.RNN(3, 4, key=KEY)), (X,)),
    "peephole": (stacked(nn.LSTM(3, 4, peephole=True, layer_norm=True, key=KEY)), (X,)),
    "coupled": (stacked(nn.LSTM(3, 4, coupled=True, key=KEY)), (X,)),
    "two layers": (lambda x: nn.LSTM(3, 4, num_layers=2, key=KEY)(x)[0][-1].sum(), (X,)),
    "both directions": (stacked(nn.LSTM(3, 4, bidirectional=True, key=KEY)), (X,)),
    "backwards": (lambda x: tl.scan(lambda c, v: (tl.sin(c) + v, c), tl.zeros((1, 3)), x, reverse=True)[0], (X,)),
    "attention": (attention, (X, tl.ones((6, 4)))),
    "two conveyors": (two_conveyors, (X,)),
    "given state": (given_state, (X, STATE, STATE)),
    "one step": (stacked(nn.LSTM(3, 4, key=KEY)), (tl.ones((1, 1, 3)),)),
}


def vertices(drawing):
    return {name: look for name, look in dot.nodes(drawing).items() if re.fullmatch(r"n\d+", name)}


def steps(drawing):
    """What stands in each frame, by the name of the frame: labels with their places relative to it."""
    found = {}
    ends = dot.boxes(drawing)
    for name, look in dot.nodes(drawing).items():
        if name.startswith("step"):
            left, low, right, high = ends[name]
            places = [(look, dot.place(look)) for look in vertices(drawing).values()]
            found[look["tooltip"]] = [
                (re.sub(r"_(\d+)\b", "_t", dot.shown(its)), x - left, y - low)
                for its, (x, y) in places
                if left < x < right and low < y < high
            ]
    return found


@pytest.mark.parametrize("case", CASES)
def test_steps_stand_in_rows_and_are_alike(case):
    f, args = CASES[case]
    drawing = draw.graph(f, *args, loops="unrolled")
    assert drawing.engine == "nop2"
    frames = {look["tooltip"]: dot.place(look) for n, look in dot.nodes(drawing).items() if n.startswith("step")}
    rows = {}
    for name, (x, y) in frames.items():
        rows.setdefault(y, []).append((int(name.rpartition(" ")[2]), x))
    length = args[0].shape[0]
    assert len(rows) == len(frames) / length == (2 if case in ("two layers", "both directions") else 1)
    for row in rows.values():
        row.sort()
        assert [t for t, _ in row] == list(range(length))
        assert [x for _, x in row] == sorted(x for _, x in row)
    # The last step may do without what only a next one would need; in the columns nothing else differs.
    for row in rows.values():
        inside = [steps(drawing)[name] for name, (_, y) in frames.items() if rows[y] is row]
        most = max(inside, key=len)
        for label, x, y in (thing for one in inside for thing in one):
            assert any(label == other and abs(x - a) < 0.3 and abs(y - b) < 0.3 for other, a, b in most)


def check_nothing_stands_on_anything_else(drawing):
    ends = {name: box for name, box in dot.boxes(drawing).items() if name in vertices(drawing)}
    listed = list(ends.items())
    for k, (name, (left, low, right, high)) in enumerate(listed):
        for other, (a, b, c, d) in listed[:k]:
            assert right <= a or c <= left or high <= b or d <= low, (dot.shown(vertices(drawing)[name]), other)


def check_wires_end_at_their_vertices_and_run_over_no_other(drawing):
    ends = {name: box for name, box in dot.boxes(drawing).items() if name in vertices(drawing)}
    for a, b, look in dot.edges(drawing):
        points = dot.curve(look)
        for (x, y), (left, low, right, high) in ((points[0], ends[a]), (points[-1], ends[b])):
            assert left - 1 <= x <= right + 1
            assert low - 1 <= y <= high + 1
        for other, (left, low, right, high) in ends.items():
            if other not in (a, b):
                crossed = [p for p in points if left + 1 < p[0] < right - 1 and low + 1 < p[1] < high - 1]
                assert not crossed, f"{dot.shown(vertices(drawing)[other])} is crossed"


@pytest.mark.parametrize("case", CASES)
def test_nothing_stands_on_anything_else(case):
    f, args = CASES[case]
    drawing = draw.graph(f, *args, loops="unrolled", flow=case == "lstm")
    check_nothing_stands_on_anything_else(drawing)
    check_wires_end_at_their_vertices_and_run_over_no_other(drawing)


def with_gradients(f, args, outputs="all"):
    def loss_and_gradients(*xs):
        y = f(*xs)
        y = y[0] if isinstance(y, tuple) else y
        loss = ((y[-1] if outputs == "last" else y) ** 2).sum()
        return loss, tl.gradients(loss, list(xs))

    return loss_and_gradients, tuple(a[:3] if k == 0 and a.shape[0] > 3 else a for k, a in enumerate(args))


@pytest.mark.parametrize("outputs", ["last", "all"])
@pytest.mark.parametrize("case", ["lstm", "peephole", "gru", "two layers", "both directions", "backwards", "attention"])
def test_gradients_stand_below_their_steps(case, outputs):
    f, args = with_gradients(*CASES[case], "all" if case == "two layers" else outputs)
    drawing = draw.graph(f, *args, loops="unrolled")
    assert drawing.engine == "nop2"
    frames = [(look["tooltip"], *dot.place(look)) for n, look in dot.nodes(drawing).items() if n.startswith("step")]
    forward = [(name, x, y) for name, x, y in frames if not name.startswith("gradient of ")]
    backward = [(name.removeprefix("gradient of "), x, y) for name, x, y in frames if name.startswith("gradient of ")]
    assert max(y for _, _, y in backward) < min(y for _, _, y in forward)
    columns = {int(name.rpartition(" ")[2]): x for name, x, _ in forward}
    assert len(columns) == 3
    for name, x, _ in backward:
        assert abs(x - columns[int(name.rpartition(" ")[2])]) < 0.2
    check_nothing_stands_on_anything_else(drawing)
    check_wires_end_at_their_vertices_and_run_over_no_other(drawing)


def weights_and_inputs(steps, **options):
    """The gradients of an LSTM by its parameters and by what it reads, written out."""
    x = tl.symbol("x", (steps, 1, 3))
    lstm = nn.LSTM(3, 4, key=KEY)
    loss = (lstm(x)[0][-1] ** 2).sum().named("loss")
    return draw.graph([loss, *tl.gradients(loss, [*lstm.parameters(), x])], loops="unrolled", **options)


def test_the_gradients_of_an_lstm_fit_a_wide_screen_and_name_what_they_read():
    drawing = weights_and_inputs(6, shapes=False)
    width, height = struct.unpack(">II", drawing.png()[16:24])
    assert width <= 3900
    assert height <= 1000
    labels = {name: dot.shown(look) for name, look in vertices(drawing).items()}
    assert "∂ forget gate f_2, [h_1, x[2]]" in labels.values()
    assert "× f_2" in labels.values()
    # The sums over all steps are one line, straight through all steps, and so is the conveyor.
    sums = {name for name, label in labels.items() if label == "+ 8 sums"}
    assert len(sums) == 6
    chains = [look for a, b, look in dot.edges(drawing) if a in sums and b in sums]
    assert len(chains) == 5
    assert len({round(y, 1) for look in chains for _, y in dot.curve(look)}) == 1
    conveyor = [look for a, b, look in dot.edges(drawing) if re.fullmatch(r"× f_\d", labels[a]) and labels[b] == "+"]
    assert len(conveyor) == 5
    assert len({round(y, 1) for look in conveyor for _, y in dot.curve(look)}) == 1


def test_steps_of_gradients_are_single_boxes_or_open_as_a_depth_says():
    closed, opened = weights_and_inputs(3, depth=2), weights_and_inputs(3, depth=9)
    for drawing in (closed, opened):
        assert drawing.engine == "nop2"
        check_nothing_stands_on_anything_else(drawing)
        check_wires_end_at_their_vertices_and_run_over_no_other(drawing)
    labels = [dot.shown(look) for look in vertices(closed).values()]
    assert sum(label.startswith("∂ cells.0") for label in labels) == 3
    labels = [dot.shown(look) for look in vertices(opened).values()]
    assert sum(label.startswith("forget.weightᵀ") for label in labels) == 3
    assert "× (1 − f_2)·f_2" in labels
    assert not any("sums" in label for label in labels)


def test_folded_steps_stand_below_each_other_and_what_comes_after_the_gradients_beside_them():
    x = tl.symbol("x", (9, 1, 3))
    layer = nn.RNN(3, 4, key=KEY)
    loss = (layer(x)[0][-1] ** 2).sum()
    after = [
        p - 0.1 * slope for p, slope in zip(layer.parameters(), tl.gradients(loss, layer.parameters()), strict=True)
    ]
    drawing = draw.graph([loss, *after], loops="unrolled", repeats=True)
    check_nothing_stands_on_anything_else(drawing)
    check_wires_end_at_their_vertices_and_run_over_no_other(drawing)
    frames = [(look["tooltip"], dot.place(look)[0]) for n, look in dot.nodes(drawing).items() if n.startswith("step")]
    forward = dict(item for item in frames if not item[0].startswith("gradient"))
    assert list(forward) == ["step 0", "step 1", "step 8"]
    assert all(abs(x - forward[name.removeprefix("gradient of ")]) < 0.2 for name, x in frames)
    folded = [dot.place(look)[0] for look in vertices(drawing).values() if "×6" in dot.shown(look)]
    assert len(folded) == 2
    assert abs(folded[0] - folded[1]) < 0.2
    parameters = [dot.place(look)[0] for look in vertices(drawing).values() if look["class"] == "parameter"]
    assert max(parameters) < min(forward.values())


def test_what_has_no_name_gets_one_where_a_gradient_reads_it():
    f, args = with_gradients(*CASES["attention"])
    labels = [dot.shown(look) for look in vertices(draw.graph(f, *args, loops="unrolled")).values()]
    read = {name for label in labels if label.startswith("×") for name in re.findall(r"v\d+_\d", label)}
    assert read
    shown = " ".join(label for label in labels if label.startswith(("tanh", "@")))
    assert all(name in shown for name in read)


def test_what_goes_past_the_steps_goes_over_them():
    layer = nn.RNN(3, 3, key=KEY)
    f, args = with_gradients(lambda x: layer(x)[0] + tl.sin(x), (tl.ones((3, 1, 3)),))
    for what, values in ((lambda x: f(x)[0], None), (f, None), (f, "statistics")):
        drawing = draw.graph(what, *args, loops="unrolled", values=values)
        assert drawing.engine == "nop2"
        check_wires_end_at_their_vertices_and_run_over_no_other(drawing)


def test_the_conveyor_runs_straight_through_all_steps():
    drawing = draw.graph(*CASES["lstm"][:1], X, loops="unrolled")
    labels = {name: dot.shown(look) for name, look in vertices(drawing).items()}
    conveyor = [
        look
        for a, b, look in dot.edges(drawing)
        if (labels[a], labels[b]) in {("×", f"+ C_{t}") for t in range(5)}
        or (re.fullmatch(r"\+ C_\d", labels[a]) and labels[b] == "×")
    ]
    straight = [look for look in conveyor if len({round(y, 1) for _, y in dot.curve(look)}) == 1]
    assert len(straight) == 9
    assert len({dot.curve(look)[0][1] for look in straight}) == 1


def test_states_are_wires_of_their_own_between_steps():
    drawing = draw.graph(CASES["lstm"][0], tl.ones((60, 1, 3)), loops="unrolled")
    labels = {name: dot.shown(look) for name, look in vertices(drawing).items()}
    (box,) = [name for name, label in labels.items() if "×57" in label]
    leading = [labels[a] for a, b, _ in dot.edges(drawing) if b == box]
    assert sorted(leading) == ["+ C_1", "x[2] … x[58]", "× h_1"]
    entering = [look["pos"] for a, b, look in dot.edges(drawing) if a == box and labels[b] in ("×", "concat")]
    assert len(set(entering)) == 2
    assert len(labels) < 60


def test_an_lstm_with_its_gradient_fits_a_wide_screen():
    x = tl.random.normal(KEY, (6, 1, 3))
    lstm = nn.LSTM(3, 4, key=KEY)
    drawing = draw.graph(lambda x: lstm(x)[0][-1].sum(), x, loops="unrolled", flow=True)
    width, height = struct.unpack(">II", drawing.png()[16:24])
    assert width <= 3000
    assert height <= 900
    # How the gradient fades is written beside the states, between the steps.
    words = [dot.shown(look) for name, look in dot.nodes(drawing).items() if name.startswith("w")]
    assert words.count("C") == words.count("h") == 5
    strengths = [float(word) for word in words if word[0].isdigit()]
    assert len(strengths) == 10
    assert strengths[0] < 0.5 * strengths[-2]


def test_gates_are_open_where_a_depth_says_so():
    closed = draw.graph(CASES["lstm"][0], X, loops="unrolled")
    opened = draw.graph(CASES["lstm"][0], X, loops="unrolled", depth=9)
    assert "20 gates and layers" in closed.description
    assert "gates and layers" not in opened.description
    labels = [dot.shown(look) for look in vertices(opened).values()]
    assert sum(label.startswith("forget.weight") for label in labels) == 5
    assert opened.engine == "nop2"


def test_data_that_all_steps_read_stands_outside():
    weight = tl.tensor(0.4)
    last, _ = tl.scan(lambda h, x: (tl.tanh(h * weight + x).named("h_t"), None), tl.tensor(0.0), tl.tensor([0.5, 1.0]))
    drawing = draw.graph(last, loops="unrolled", flow=True, shapes=False)
    assert drawing.engine == "nop2"
    labels = {name: dot.shown(look) for name, look in vertices(drawing).items()}
    assert sorted(labels[b] for a, b, _ in dot.edges(drawing) if labels[a].startswith("0.4")) == ["×", "×"]
    # Lines that carry different values have different heights under the steps.
    lowest = {labels[a]: min(y for _, y in dot.curve(look)) for a, _, look in dot.edges(drawing)}
    assert lowest["0.4 f32[]"] != lowest["data f32[2]"]


def test_different_values_leave_the_steps_on_different_lines():
    def both(x):
        return tl.scan(lambda c, v: (tl.sin(c) + v, (tl.sin(c), c * v)), tl.zeros((1, 3)), x)[1]

    drawing = draw.graph(both, X, loops="unrolled")
    labels = {name: dot.shown(look) for name, look in vertices(drawing).items()}
    stacks = [name for name, label in labels.items() if label == "stack"]
    assert len(stacks) == 2
    highest = [
        {max(y for _, y in dot.curve(look)) for _, b, look in dot.edges(drawing) if b == stack} for stack in stacks
    ]
    assert highest[0].isdisjoint(highest[1])


def test_what_has_no_rows_is_drawn_as_if_nobody_had_tried():
    """Something between two loops."""
    first, second = nn.RNN(3, 4, key=KEY), nn.RNN(4, 4, key=KEY)
    drawing = draw.graph(lambda x: second(tl.sin(first(x)[0]))[0], X[:3], loops="unrolled")
    assert drawing.engine == "dot"
    labels = [dot.shown(look) for look in dot.nodes(drawing).values()]
    assert sum("h_t" in label for label in labels) == 6
    assert sum(label.startswith(("x f32", "x_t")) for label in labels) == 1


def test_loops_in_loops_are_laid_out_as_before():
    def inner(c, x):
        return tl.scan(lambda d, y: (d * y, None), c, x)[0], None

    assert draw.graph(lambda x: tl.scan(inner, tl.zeros(3), x)[0], tl.ones((2, 2, 3)), loops="unrolled").engine == "dot"


@st.composite
def graphs(draw_from):
    """An acyclic graph with lanes from a left end to a right one."""
    count = draw_from(st.integers(1, 14))
    edges = [(a, b) for b in range(count) for a in range(b) if draw_from(st.booleans()) and draw_from(st.booleans())]
    lanes = []
    for k in range(draw_from(st.integers(0, 3))):
        lanes.append(Lane(f"in {k}", f"out {k}"))
        edges += [(f"in {k}", draw_from(st.integers(0, count - 1))), (draw_from(st.integers(0, count - 1)), f"out {k}")]
    sizes = {k: (draw_from(st.integers(10, 60)), draw_from(st.integers(10, 40))) for k in range(count)}
    return sizes, edges, lanes


@given(graphs())
def test_a_layout_in_columns_keeps_things_apart(graph):
    sizes, edges, lanes = graph
    found = layered(sizes, edges, lanes)
    for lane in lanes:
        assert found.places[lane.entry][1] == found.places[lane.exit][1]
        assert found.places[lane.entry][0] == min(x for x, _ in found.places.values())
        assert found.places[lane.exit][0] == max(x for x, _ in found.places.values())
    boxes = {
        k: (x - w / 2, y - h / 2, x + w / 2, y + h / 2) for k, (w, h) in sizes.items() for x, y in [found.places[k]]
    }
    for a, (left, top, right, bottom) in boxes.items():
        for b, (p, q, r, s) in boxes.items():
            assert a == b or right <= p or r <= left or bottom <= q or s <= top
    for (a, b), way in found.ways.items():
        assert way[0][0] < way[-1][0]
        xs = [x for x, _ in way]
        assert all(p <= q + 1e-6 for p, q in pairwise(xs))
        assert found.places[a][0] < found.places[b][0]


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ([nn.LSTM(3, 4, num_layers=2, key=KEY)], ["cells.0", "cells.1"]),
        ([nn.RNN(3, 4, key=KEY), nn.RNN(4, 4, key=KEY)], ["cells.0 (1)", "cells.0 (2)"]),
        ([nn.Sequential(nn.RNN(3, 4, key=KEY), nn.GRU(4, 4, key=KEY))], ["layers.0.cells.0", "layers.1.cells.0"]),
        (
            [nn.Sequential(nn.RNN(n, 4, key=KEY), nn.GRU(4, 4, key=KEY)) for n in (3, 4)],
            [f"layers.{k}.cells.0 ({n})" for k in (0, 1) for n in (1, 2)],
        ),
    ],
)
def test_no_two_steps_have_one_title(layers, names):
    def f(x):
        for layer in layers:
            out = layer(x)
            x = out[0] if isinstance(out, tuple) else out
        return x

    titles = re.findall(r">([^<>]*, step \d)</text>", draw.graph(f, tl.ones((3, 1, 3)), loops="unrolled").svg())
    assert sorted(titles) == [f"{name}, step {t}" for name in names for t in range(3)]
