"""Marks of operands in cells: each stands free of the others, of wires, and of the heads of wires."""

import math
import random
from itertools import combinations, pairwise

import pytest

import tinygrad_lstm as tl
from tests.covering import ranked
from tests.draw.test_cell_pairs import H, X, cell_of, program
from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.columns import in_columns
from tinygrad_lstm.draw.cells.curves import flattened, interrupted
from tinygrad_lstm.draw.cells.marking import mark_spots
from tinygrad_lstm.draw.cells.picture import placed_cell
from tinygrad_lstm.draw.cells.timestep import trace_step
from tinygrad_lstm.draw.markup import width_of


class Drawn(tl.nn.Module):
    """A cell of two states, its operands in a random order."""

    def __init__(self, seed):
        self.seed = seed
        keys = tl.random.split(tl.random.key(seed), 3)
        self.input_size = 3
        self.a, self.b, self.c = (tl.nn.Linear(11, 4, key=key) for key in keys)

    def zeros(self, batch):
        return tl.zeros((batch, 4)), tl.zeros((batch, 4))

    def forward(self, x, state):
        draw, (c, n) = random.Random(self.seed), state

        def joined():
            return tl.concatenate(draw.sample([c, n, x], 3), axis=-1)

        f = tl.sigmoid(self.a(joined())).named("f_t")
        i = tl.sigmoid(self.b(joined())).named("i_t")
        g = tl.tanh(self.c(joined())).named("g_t")

        def mixed(p, q):
            p, q = draw.sample([p, q], 2)
            kind = draw.randrange(4)
            if kind == 0:
                return p - q
            if kind == 1:
                return p / (1 + q * q)
            if kind == 2:
                return tl.where(p < q, *draw.sample([p, g], 2))
            return p**2 - q * i

        c = mixed(f * c, i * g).named("c_t")
        return c, mixed(n, f * c).named("n_t")


def boxes_of(placed):
    """What no mark may stand on: the marks, and the heads of wires."""
    marks = {
        wire: (x - width_of(mark, 18) / 2, y - 6, x + width_of(mark, 18) / 2, y + 6)
        for wire, (x, y) in mark_spots(placed).items()
        if (mark := wire.target.marks[wire.source])
    }
    heads = []
    for wire in placed.wires:
        (x0, y0), (x, y) = wire.way[-2:]
        if wire.target.kind == "join":
            continue
        if abs(x - x0) > abs(y - y0):
            start = x - 13 if x > x0 else x + 13
            heads.append((min(x, start), y - 5, max(x, start), y + 5))
        else:
            start = y - 13 if y > y0 else y + 13
            heads.append((x - 5, min(y, start), x + 5, max(y, start)))
    return marks, heads


def overlap(a, b):
    return a[0] < b[2] - 1 and b[0] < a[2] - 1 and a[1] < b[3] - 1 and b[1] < a[3] - 1


def points_on(wire):
    line = flattened(wire.way) if wire.curved else wire.way
    for (x0, y0), (x, y) in pairwise(line):
        count = 1 + int(max(abs(x - x0), abs(y - y0)) / 2)
        yield from ((x0 + (x - x0) * k / count, y0 + (y - y0) * k / count) for k in range(count + 1))


def check_marks(placed):
    marks, heads = boxes_of(placed)
    x0, y0, x1, y1 = placed.box
    for wire, (left, top, right, bottom) in marks.items():
        assert not any(left - 3 < x < right + 3 for x in (x0, x1)), f"the mark of {wire.source.label} is on the frame"
        assert not any(top - 3 < y < bottom + 3 for y in (y0, y1)), f"the mark of {wire.source.label} is on the frame"
    for (one, a), (two, b) in combinations(marks.items(), 2):
        assert not overlap(a, b), (one.source.label, two.source.label)
    for wire, (left, top, right, bottom) in marks.items():
        assert not any(overlap((left, top, right, bottom), head) for head in heads), wire.source.label
        for other in placed.wires:
            on = [p for p in points_on(other) if left + 1 < p[0] < right - 1 and top + 1 < p[1] < bottom - 1]
            assert not on, f"{wire.target.marks[wire.source]} stands on the wire of {other.source.label}"
    return len(marks)


CELLS = ranked(
    [
        *[(Drawn, seed) for seed in range(8)],
        # Of these the textbook's arrangement has marks at merging lines, and at operations that it stacks.
        *[(program, seed) for seed in (2, 5, 12, 34, 45, 70, 82, 87, 96)],
    ],
    [*[(Drawn, seed) for seed in range(8, 40)], *[(program, seed) for seed in range(100, 200)]],
    [*[(Drawn, seed) for seed in range(40, 100)], *[(program, seed) for seed in range(200, 400)]],
)


@pytest.mark.parametrize(("make", "seed"), CELLS)
def test_marks_stand_apart(make, seed):
    if make is Drawn:
        anatomy = dissect(trace_step(Drawn(seed)))
        assert check_marks(in_columns(anatomy)) >= 4
    else:
        cell = cell_of(program(random.Random(seed)))
        check_marks(placed_cell(dissect(trace_step(cell, tl.tensor(X), tl.tensor(H)))))


class Small(tl.nn.Module):
    """A cell whose states enter layers and operations beside the frame."""

    input_size = 4

    def __init__(self, seed):
        self.seed = seed
        self.layers = [tl.nn.Linear(n, 4, key=tl.random.key(n)) for n in (8, 12)]

    def zeros(self, batch):
        return tl.zeros((batch, 4)), tl.zeros((batch, 4))

    def forward(self, x, state):
        draw, (h, c) = random.Random(self.seed), state
        count = draw.randrange(2, 4)
        a = self.layers[count - 2](tl.concatenate(draw.sample([x, h, c], count), axis=-1))
        a = draw.choice([tl.tanh, lambda a: a])(a)
        p, q = draw.sample([h, c], 2)
        z = draw.choice([lambda: p - a, lambda: a - p, lambda: tl.where(p < q, a, p), lambda: p / (1 + q * q)])()
        return z.named("h_t"), draw.choice([lambda: c, lambda: c - h, lambda: h, lambda: c * z])()


@pytest.mark.parametrize("seeds", ranked([range(30)], [range(30, 90)], [range(90, 300)]))
def test_marks_stand_off_the_frame(seeds):
    for seed in seeds:
        check_marks(placed_cell(dissect(trace_step(Small(seed)))))


def test_curved_wires_have_gaps_where_others_cross():
    for seed in (0, 4, 12):
        placed = in_columns(dissect(trace_step(Drawn(seed))))
        crossed = [wire for wire in placed.wires if wire.gaps]
        assert crossed
        assert not any(wire.bold for wire in crossed)
        for wire in crossed:
            others = [p for other in placed.wires if other.source is not wire.source for p in points_on(other)]
            pieces = interrupted(wire.way, wire.gaps)
            assert len(pieces) > 1
            assert pieces[0][0] == wire.way[0]
            assert pieces[-1][-1] == wire.way[-1]
            for at in wire.gaps:
                assert min(math.dist(at, p) for p in others) < 2
                assert min(math.dist(at, p) for piece in pieces for p in flattened(piece, 16)) > 7
