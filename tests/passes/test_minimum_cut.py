"""What a forward loop keeps for its backward loop."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.passes.cells import Subject, differences
from tests.passes.test_counts import BATCH, CASES, HIDDEN, INPUT, STEPS
from tinygrad_lstm.graph.function import Graph, topological
from tinygrad_lstm.graph.tensor import Node
from tinygrad_lstm.passes.minimum_cut import minimum_cut
from tinygrad_lstm.passes.normal_form import normal_form
from tinygrad_lstm.passes.simplify import drop_names


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[Node], set[Node], list[Node], dict[Node, int]]:
    """Small graphs with sources, sinks and costs."""
    nodes: list[tl.Tensor] = [tl.symbol(f"s{k}") for k in range(draw(st.integers(1, 2)))]
    for _ in range(draw(st.integers(1, 7))):
        a, b = (nodes[draw(st.integers(0, len(nodes) - 1))] for _ in range(2))
        nodes.append(tl.sin(a) if draw(st.booleans()) else a + b)
    sinks = [nodes[k] for k in draw(st.lists(st.integers(0, len(nodes) - 1), min_size=1, max_size=3))]
    order = topological(sinks)
    sources = {n for n in order if not n.inputs or draw(st.integers(0, 4)) == 0}
    return order, sources, sinks, {n: draw(st.integers(0, 5)) for n in order}


def separates(cut: set[Node], sources: set[Node], sinks: list[Node]) -> bool:
    """Whether the sinks can be computed from the cut."""
    return not (set(topological(sinks, stop=lambda n: n in cut or n in sources)) & sources - cut)


@given(networks())
def test_no_cheaper_set_would_do(network: tuple[list[Node], set[Node], list[Node], dict[Node, int]]) -> None:
    order, sources, sinks, cost = network
    cut = minimum_cut(order, sources, sinks, cost.__getitem__)
    assert separates(set(cut), sources, sinks)
    sets = itertools.chain.from_iterable(itertools.combinations(order, k) for k in range(len(order) + 1))
    least = min(sum(cost[n] for n in s) for s in sets if separates(set(s), sources, sinks))
    assert sum(cost[n] for n in cut) == least


def test_among_equals_the_nearest_to_the_sinks() -> None:
    x = tl.symbol("x")
    y = tl.sin(x)
    z = tl.cos(y)
    assert minimum_cut(topological([z]), {x}, [z], lambda n: 1) == [z]
    assert minimum_cut(topological([z]), {x}, [y, z], lambda n: 1) == [y]


def test_where_paths_part_again_behind_the_cut() -> None:
    x = tl.symbol("x")
    y = tl.sin(x)
    z = tl.tanh(tl.cos(y)) + tl.sin(tl.sin(tl.sin(y)))
    order = topological([z])
    assert minimum_cut(order, {x}, [z], (dict.fromkeys(order, 1) | {x: 9, z: 9}).__getitem__) == [y]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("RNN", 1), ("LSTM", 6), ("peephole", 6), ("coupled", 5), ("separate", 6), ("GRU", 4), ("minimal gated unit", 3)],
)
def test_numbers_kept_for_the_gradient(name: str, numbers: int) -> None:
    """In units of batch · hidden, the output of the layer among them."""
    x = tl.symbol("x", (STEPS, BATCH, INPUT), tl.float64)
    loss, weights = CASES[name][0](x)
    (first, *_) = [n for n in topological(normal_form(tl.gradients(loss, weights))) if n.op == "scan"]
    kept = first.attrs["body"].outputs[first.attrs["carries"] :]
    assert sum(y.size for y in kept) == numbers * BATCH * HIDDEN


def test_layers_in_a_row_keep_no_more_for_each() -> None:
    x = tl.symbol("x", (STEPS, BATCH, INPUT), tl.float64)
    loss, weights = CASES["two layers"][0](x)
    loops = [n for n in topological(normal_form(tl.gradients(loss, [*weights, x]))) if n.op == "scan"]
    kept = [n.attrs["body"].outputs[n.attrs["carries"] :] for n in loops[:2]]
    assert [sum(y.size for y in ys) for ys in kept] == [6 * BATCH * HIDDEN] * 2


def stacks(*outputs: tl.Tensor) -> list[list[tuple[int, ...]]]:
    """The shapes that each loop stacks."""
    loops = [n for n in topological(normal_form(outputs)) if n.op == "scan"]
    return [[y.shape for y in n.attrs["body"].outputs[n.attrs["carries"] :]] for n in loops]


LIGHT: dict[str, Callable[[tl.Tensor], tl.Tensor]] = {
    "concatenate": lambda x: tl.concatenate([x[:, 3:], x[:, :3]], 1),
    "pad": lambda x: tl.pad(x, ((0, 0), (1, 0)))[:, 1:],
    "sum": lambda x: x + x.sum(axis=1, keepdims=True),
    "max": lambda x: x - tl.max(x, axis=1, keepdims=True),
    "min": lambda x: x - tl.min(x, axis=1, keepdims=True),
    "logsumexp": lambda x: x - tl.logsumexp(x, axis=1, keepdims=True),
}


@pytest.mark.parametrize("name", LIGHT)
def test_what_is_light_is_computed_again(name: str) -> None:
    """The carry alone is kept, and not what is computed from the slices."""
    x = tl.symbol("x", (5, 2, 6))
    last, _ = tl.scan(lambda c, v: (tl.tanh(c * LIGHT[name](v)), None), tl.ones((2, 6)), x)
    assert stacks(tl.gradients(last.sum(), x))[0] == [(2, 6)]


def test_one_array_is_kept_rather_than_its_halves() -> None:
    x, w = tl.symbol("x", (5, 2, 6)), tl.symbol("w", (6, 6))

    def step(c: tl.Tensor, v: tl.Tensor) -> Any:
        y = v @ w
        return tl.tanh(c * tl.sin(y[:, :3]) * tl.cos(y[:, 3:])), None

    last, _ = tl.scan(step, tl.ones((2, 3)), x)
    assert stacks(tl.gradients(last.sum(), x))[0] == [(2, 6), (2, 3)]


def test_what_a_later_loop_goes_through_is_computed_there() -> None:
    """But not what it reads as a whole."""
    x = tl.symbol("x", (5, 2, 6))
    _, ys = tl.scan(lambda c, v: (tl.tanh(c + v), c * 2), tl.ones((2, 6)), x)
    for read in (lambda c, v: tl.sin(c + v), lambda c, v: tl.sin(c + v) * ys.sum()):
        outer = tl.scan(lambda c, v, read=read: (read(c, v), None), tl.ones((2, 6)), ys)[0]
        assert stacks(outer) == [[(2, 6)], []]
        subject = Subject(Graph((x,), (outer,)), [np.linspace(-1, 1, 60, dtype=np.float32).reshape(5, 2, 6)])
        assert differences(subject, Graph((x,), tuple(normal_form([outer])))) < 1e-6


def test_a_stack_that_is_read_as_a_whole_alone() -> None:
    x = tl.symbol("x", (5, 2), tl.float64)
    _, ys = tl.scan(lambda c, v: (tl.tanh(c + v), c * 2), tl.ones(2, tl.float64), x)
    outer = tl.scan(lambda c, v: (tl.sin(c + v) * ys.sum(), None), tl.ones(2, tl.float64), x)[0]
    subject = Subject(Graph((x,), (outer,)), [np.linspace(-1, 1, 10).reshape(5, 2)])
    assert differences(subject, Graph((x,), tuple(normal_form([outer])))) < 1e-12


def test_a_name_costs_nothing() -> None:
    x = tl.symbol("x", (5, 3))

    def loop(named: bool) -> Graph:
        def step(c: tl.Tensor, x: tl.Tensor) -> tuple[tl.Tensor, tl.Tensor]:
            c = c.named("before") if named else c
            new = tl.tanh(c * x)
            return new.named("after") if named else new, tl.sin(c)

        _, ys = tl.scan(step, tl.zeros(3), x)
        return Graph((x,), tuple(drop_names(normal_form([tl.gradients(ys.sum(), x)]))))

    assert tl.printed(loop(True)) == tl.printed(loop(False))
