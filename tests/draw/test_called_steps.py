"""Cells that are called in a Python loop: laid out over time as the steps of an unrolled loop are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.draw import dot
from tests.draw.test_over_time import (
    check_nothing_stands_on_anything_else,
    check_wires_end_at_their_vertices_and_run_over_no_other,
    vertices,
)
from tinygrad_lstm import draw, nn

KEY = tl.random.key(0)


class Made(nn.Module):
    """A cell of one's own: gates of the input and the first state, and a way to mix each state with them."""

    def __init__(self, gates, mixes):
        self.gates = [(tl.sigmoid if open_ else tl.tanh, nn.Linear(3 + 4, 4, key=KEY)) for open_ in gates]
        self.weights = [linear for _, linear in self.gates]
        self.mixes = mixes

    def forward(self, x, states):
        both = tl.concatenate([sum(states[1:], states[0]), x], axis=-1)
        g = [f(linear(both)) for f, linear in self.gates]
        after = []
        for k, (mix, a, b) in enumerate(self.mixes):
            s, p, q = states[k], g[a % len(g)], g[b % len(g)]
            made = {
                "blend": lambda s=s, p=p, q=q: s * p + (1 - p) * q,
                "add": lambda s=s, p=p, q=q: s * p + q,
                "bounded": lambda s=s, p=p, q=q: tl.tanh(s * q + p),
                "above": lambda s=s, p=p, q=q: tl.tanh(after[-1] if after else s) * p + 0.5 * s,
            }[mix]()
            after.append(made.named(f"{'HCM'[k]}_t"))
        return tuple(after)


def size(drawing):
    """Width and height of what is drawn, in points."""
    left, low, right, high = zip(*dot.boxes(drawing).values(), strict=True)
    return max(right) - min(left), max(high) - min(low)


mixes = st.tuples(st.sampled_from(["blend", "add", "bounded", "above"]), st.integers(0, 2), st.integers(0, 2))


@settings(max_examples=6)
@given(st.lists(st.booleans(), min_size=1, max_size=3), st.lists(mixes, min_size=1, max_size=3), st.integers(3, 5))
def test_a_loop_in_python_looks_like_a_loop_that_is_unrolled(gates, ways, length):
    cell, x = Made(gates, ways), tl.symbol("x", (length, 2, 3))
    first = tuple(tl.zeros((2, 4)) for _ in ways)
    rolled, _ = tl.scan(lambda states, x_t: (cell(x_t, states), None), first, x)
    called = first
    for t in range(length):
        called = cell(x[t], called)
    one, other = draw.graph(list(rolled), loops="unrolled"), draw.graph(list(called))
    assert one.engine == other.engine == "nop2"
    check_nothing_stands_on_anything_else(other)
    check_wires_end_at_their_vertices_and_run_over_no_other(other)
    for a, b in zip(size(one), size(other), strict=True):
        assert abs(a - b) <= 0.1 * a
    losses = [sum(((s**2).sum() for s in states), tl.tensor(0.0)) for states in (rolled, called)]
    slopes = [tl.gradients(loss, cell.parameters()) for loss in losses]
    one, other = draw.graph(slopes[0], loops="unrolled"), draw.graph(slopes[1])
    assert one.engine == other.engine == "nop2"
    check_nothing_stands_on_anything_else(other)
    # Sums may begin with what is added to the zeros of a loop, and belong to the step before where states feed others.
    most = 1.2 if "above" in [mix for mix, _, _ in ways] else 1.1
    for a, b in zip(size(one), size(other), strict=True):
        assert 0.8 * a <= b <= most * a


def lstm_of_rows(xs):
    cell = nn.LSTMCell(3, 4, key=KEY)
    state = cell.zeros(1)
    for t in range(xs.shape[0]):
        state = cell(xs[t], state)
    return state.h


def two_cells(xs):
    first, second = nn.GRUCell(3, 4, key=KEY), nn.RNNCell(4, 4, key=KEY)
    h = g = tl.zeros((1, 4))
    for t in range(xs.shape[0]):
        h = first(xs[t], h)
        g = second(h, g)
    return g


def given_state(xs, h):
    cell = nn.RNNCell(3, 4, key=KEY)
    for t in range(xs.shape[0]):
        h = cell(xs[t], h)
    return h


def what_each_step_says(xs):
    cell, out = nn.LSTMCell(3, 4, key=KEY), nn.Linear(4, 3, key=KEY)
    state, loss = cell.zeros(1), 0.0
    for t in range(xs.shape[0]):
        state = cell(xs[t], state)
        loss = loss + ((out(state.h) - 1) ** 2).mean()
    return loss


def what_it_said_before(x):
    cell, out = nn.LSTMCell(3, 4, key=KEY), nn.Linear(4, 3, key=KEY)
    state, x = cell.zeros(1), x[0]
    for _ in range(4):
        state = cell(x, state)
        x = out(state.h)
    return x


X = tl.ones((4, 1, 3))


@pytest.mark.parametrize(
    ("f", "args", "rows"),
    [
        (lstm_of_rows, (X,), 1),
        (two_cells, (X,), 2),
        (given_state, (X, tl.ones((1, 4))), 1),
        (what_each_step_says, (X,), 1),
        (what_it_said_before, (X,), 1),
    ],
)
def test_what_stands_around_cells_stands_in_their_steps_and_gradients_below(f, args, rows):
    def with_gradients(*xs):
        loss = (f(*xs) ** 2).sum()
        return loss, tl.gradients(loss, list(xs))

    drawing = draw.graph(with_gradients, *args)
    assert drawing.engine == "nop2"
    frames = [(look["tooltip"], *dot.place(look)) for n, look in dot.nodes(drawing).items() if n.startswith("step")]
    assert len(frames) == 2 * 4 * rows
    forward = {y for name, _, y in frames if not name.startswith("gradient of ")}
    assert len(forward) == rows
    assert max(y for name, _, y in frames if name.startswith("gradient of ")) < min(forward)
    for t in range(4):
        assert len({round(x) for name, x, _ in frames if name.endswith(f"step {t}")}) == 1
    check_nothing_stands_on_anything_else(drawing)
    check_wires_end_at_their_vertices_and_run_over_no_other(drawing)


def test_long_loops_keep_their_folded_steps_in_the_row():
    cell, xs = nn.GRUCell(3, 4, key=KEY), [tl.Parameter(tl.ones((1, 3)), f"x{t}") for t in range(40)]
    h = tl.zeros((1, 4))
    for x in xs:
        h = cell(x, h)
    drawing = draw.graph(h)
    assert drawing.engine == "nop2"
    (box,) = [look for look in vertices(drawing).values() if "×37" in dot.shown(look)]
    frames = [dot.place(look) for n, look in dot.nodes(drawing).items() if n.startswith("step")]
    assert len(frames) == 3
    assert len({y for _, y in frames}) == 1
    assert sorted(x for x, _ in frames)[1] < dot.place(box)[0] < sorted(x for x, _ in frames)[2]
    check_nothing_stands_on_anything_else(drawing)


def test_calls_that_do_not_follow_each_other_are_laid_out_as_before():
    cell, xs = nn.GRUCell(3, 4, key=KEY), [tl.symbol(f"x{t}", (1, 3)) for t in range(4)]
    assert draw.graph(sum(cell(x, tl.zeros((1, 4))) for x in xs)).engine == "dot"
    first = [cell(x, tl.zeros((1, 4))) for x in xs]
    # One that reads two others is no next step.
    second = cell(xs[0], first[0] + first[1])
    drawing = draw.graph([second, *first])
    assert drawing.engine == "dot"
    assert not any("step" in path[-1] for path in dot.clusters(drawing))
