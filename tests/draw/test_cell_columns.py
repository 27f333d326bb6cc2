"""Cells of one's own that do not fit the textbook's arrangement: columns, lanes for states, room for names."""

import pytest

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.columns import in_columns
from tinygrad_lstm.draw.cells.picture import cell_in_words, identifiers
from tinygrad_lstm.draw.cells.timestep import trace_step

KEY = tl.random.key(0)


class Own(nn.Module):
    """Layers for the cells below."""

    role = "cell"
    input_size = 3

    def __init__(self):
        self.forget, self.candidate, self.slow, self.output = (nn.Linear(7, 4, key=KEY) for _ in range(4))
        self.query, self.key, self.value = (nn.Linear(n, 4, key=KEY) for n in (4, 3, 3))

    def zeros(self, batch):
        return tl.zeros((batch, 4))


class TwoConveyors(Own):
    def zeros(self, batch):
        return {name: tl.zeros((batch, 4)) for name in ("h", "C", "M")}

    def forward(self, x, state):
        joined = tl.concatenate([state["h"], x], axis=-1)
        with tl.scope("forget gate", role="gate"):
            f = tl.sigmoid(self.forget(joined)).named("f_t")
        with tl.scope("candidate", role="layer"):
            g = tl.tanh(self.candidate(joined)).named("g_t")
        with tl.scope("slow gate", role="gate"):
            s = tl.sigmoid(self.slow(joined)).named("s_t")
        with tl.scope("output gate", role="gate"):
            o = tl.sigmoid(self.output(joined)).named("o_t")
        c = (f * state["C"] + (1 - f) * g).named("C_t")
        m = (s * state["M"] + (1 - s) * c).named("M_t")
        return {"h": (o * tl.tanh(c + m)).named("h_t"), "C": c, "M": m}


class Attention(Own):
    def forward(self, x, h):
        with tl.scope("query", role="layer"):
            q = self.query(h).named("q_t")
        with tl.scope("key", role="layer"):
            k = self.key(x).named("k_t")
        with tl.scope("value", role="layer"):
            v = self.value(x).named("v_t")
        a = tl.softmax(q * k).named("a_t")
        with tl.scope("forget gate", role="gate"):
            f = tl.sigmoid(self.forget(tl.concatenate([h, x], axis=-1))).named("f_t")
        return (f * h + (1 - f) * (a * v).named("c_t")).named("h_t")


class ProductsInGates(Own):
    def zeros(self, batch):
        return tl.zeros((batch, 4)), tl.zeros((batch, 4))

    def forward(self, x, state):
        h, c = state
        joined = tl.concatenate([h, x], axis=-1)
        with tl.scope("forget gate", role="gate"):
            kept = tl.sigmoid(self.forget(joined)).named("f_t") * c
        with tl.scope("input gate", role="gate"):
            added = tl.sigmoid(self.slow(joined)).named("i_t") * tl.tanh(self.candidate(joined))
        c = (kept + added).named("C_t")
        with tl.scope("output gate", role="gate"):
            h = (tl.sigmoid(self.output(joined)) * tl.tanh(c)).named("h_t")
        return h, c


class Deep(Own):
    def forward(self, x, h):
        for k in range(12):
            h = tl.tanh(h * (x.sum() - h)).named(f"a_{k}")
        return h


CELLS = {cell.__name__: cell() for cell in (TwoConveyors, Attention, ProductsInGates, Deep)}
CELLS |= {"LSTM": nn.LSTMCell(3, 4), "GRU": nn.GRUCell(3, 4), "RNN": nn.RNNCell(3, 4)}


@pytest.fixture(params=list(CELLS))
def anatomy(request):
    return dissect(trace_step(CELLS[request.param]))


def test_names_and_parts_have_room_of_their_own(anatomy):
    placed = in_columns(anatomy)
    boxes = [(s.x - s.w, s.y - s.h, s.x + s.w, s.y + s.h) for s in placed.spots.values()]
    for part, x, y in placed.labels:
        half = 3.0 * len(part.name)
        boxes.append((x - half, y - 8, x + half, y + 8))
    for k, (left, top, right, bottom) in enumerate(boxes):
        for a, b, c, d in boxes[:k]:
            assert right <= a or c <= left or bottom <= b or d <= top
    # Wires cross no name, and no part but those at their ends.
    for wire in placed.wires:
        pos = " ".join(f"{x},{y}" for x, y in wire.way)
        points = dot.curve({"pos": pos})
        for part, x, y in placed.labels:
            half = 3.0 * len(part.name)
            assert not [p for p in points if abs(p[0] - x) < half - 1 and abs(p[1] - y) < 8], part.name
        for part, s in placed.spots.items():
            if part not in (wire.source, wire.target) and part.kind != "join":
                assert not [p for p in points if abs(p[0] - s.x) < s.w - 1 and abs(p[1] - s.y) < s.h - 1], part.label


def test_every_wire_is_there_and_begins_and_ends_at_its_parts(anatomy):
    placed = in_columns(anatomy)
    wanted = {(r, part) for part in anatomy.parts for r in part.reads}
    assert {(w.source, w.target) for w in placed.wires} == wanted
    for wire in placed.wires:
        for part, (x, y) in ((wire.source, wire.way[0]), (wire.target, wire.way[-1])):
            spot = placed.spots[part]
            assert abs(x - spot.x) <= spot.w + 0.6
            assert abs(y - spot.y) <= spot.h + 0.6


def test_states_stand_beside_the_box_at_one_height(anatomy):
    placed = in_columns(anatomy)
    left, top, right, bottom = placed.box
    for before, after in anatomy.states:
        assert placed.spots[before].x < left
        assert placed.spots[after].x > right
        assert placed.spots[before].y == placed.spots[after].y
        assert top < placed.spots[before].y < bottom
    assert all(placed.spots[p].y > bottom for p in anatomy.parts if p.kind == "input")
    assert all(placed.spots[p].y < top for p in anatomy.shown)


def test_two_conveyors_are_straight_and_bold():
    drawing = draw.cell(CELLS["TwoConveyors"])
    assert drawing.engine == "nop2"
    bold = [look for _, _, look in dot.edges(drawing) if look.get("penwidth") == "3"]
    heights = [{round(y, 1) for _, y in dot.curve(look)} for look in bold]
    assert all(len(found) == 1 for found in heights)
    assert len(set.union(*heights)) == 2
    assert len(bold) == 6


def test_neighbours_in_the_chain_are_as_large_as_the_cell():
    drawing = draw.chain(CELLS["TwoConveyors"])
    found = dot.nodes(drawing)
    assert found["before"]["height"] == found["after"]["height"] == found["cell"]["height"]
    assert float(found["before"]["width"]) > 1.5
    assert sorted(b for a, b, _ in dot.edges(drawing) if a == "before")
    assert len([b for _, b, _ in dot.edges(drawing) if b == "after"]) == 3 + 1


def test_a_gate_with_a_product_inside_stays_a_gate():
    anatomy = dissect(trace_step(CELLS["ProductsInGates"]))
    layers = [part for part in anatomy.parts if part.kind == "layer"]
    assert [part.label for part in layers] == ["forget gate", "input gate", "output gate"]
    # What the wire carries is the product, and not the gate.
    assert [part.name for part in layers] == [None, None, "h_t"]
    assert len(identifiers(anatomy)) == len(anatomy.parts)
    assert "C_t = " in cell_in_words(anatomy)
