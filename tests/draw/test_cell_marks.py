"""Marks of operands in cells that are laid out in columns: each stands free of the others, beside its own wire."""

import random
from itertools import combinations

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.columns import in_columns
from tinygrad_lstm.draw.cells.picture import mark_spot
from tinygrad_lstm.draw.cells.timestep import trace_step


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


@pytest.mark.parametrize("seed", [*range(12), *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(12, 150)]])
def test_marks_stand_apart(seed):
    placed = in_columns(dissect(trace_step(Drawn(seed))))
    marked = [wire for wire in placed.wires if wire.target.marks.get(wire.source)]
    assert len(marked) >= 4
    spots = [(*mark_spot(placed, wire), 3.4 * len(wire.target.marks[wire.source])) for wire in marked]
    for (x, y, half), (a, b, other) in combinations(spots, 2):
        assert abs(x - a) >= half + other - 1 or abs(y - b) >= 11
