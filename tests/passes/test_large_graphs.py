"""Graphs of 100,000 nodes, and loops with hundreds of them in a step, go through all passes. No time is asserted."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.passes.cells import Subject, differences
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.passes.contraction import contractions
from tinygrad_lstm.passes.rewriting import everywhere
from tinygrad_lstm.passes.sink import sink


@pytest.mark.parametrize("count", [2_500, pytest.param(25_000, marks=pytest.mark.slow)])
def test_a_chain(count: int) -> None:
    x = tl.symbol("x", (3,), tl.float64)
    y = x
    for _ in range(count):
        y = (tl.tanh(y) * 0.5 + x).named("y")
    fast = optimize(Graph((x,), (y,)))
    assert len(fast.nodes()) == 3 * count + 2
    assert [n.op for n in fast.nodes()].count("tanh") == count


def test_a_chain_of_products() -> None:
    x, w = tl.symbol("x", (2, 2), tl.float64), tl.symbol("w", (2, 2), tl.float64)
    y = x
    for _ in range(3_000):
        y = tl.sin(y @ w)
    assert [n.op for n in optimize(Graph((x, w), (y,))).nodes()].count("contract") == 3_000


@pytest.mark.parametrize("products", [False, True])
def test_a_body_of_hundreds_of_nodes(products: bool) -> None:
    x, w = tl.symbol("x", (3, 2, 2), tl.float64), tl.symbol("w", (2, 2), tl.float64)

    def step(h: Tensor, x: Tensor) -> Any:
        for _ in range(150 if products else 500):
            h = tl.tanh(h @ w + x) if products else tl.tanh(h * x)
        return h, h

    last, ys = tl.scan(step, tl.zeros((2, 2), tl.float64) + 0.1, x)
    outputs = (last, *tl.gradients((ys * ys).sum(), [x, w]))
    noise = np.random.default_rng(0)
    subject = Subject(Graph((x, w), outputs), [noise.normal(size=(3, 2, 2)), noise.normal(size=(2, 2))])
    assert differences(subject, optimize(subject.graph)) < 1e-12


def test_an_accumulator_of_hundreds_of_terms() -> None:
    x = tl.symbol("x", (3, 2, 2), tl.float64)

    def step(carry: Any, x: Tensor) -> Any:
        h, total = carry
        h = tl.tanh(h + x)
        for k in range(500):
            total = total + h * float(k)
        return (h, total + tl.transpose(h) @ x), None

    start = tl.zeros((2, 2), tl.float64)
    (last, total), _ = tl.scan(step, (start, start), x)
    subject = Subject(Graph((x,), (last, total)), [np.random.default_rng(0).normal(size=(3, 2, 2))])
    assert differences(subject, optimize(subject.graph)) < 1e-12


def test_a_sum_that_is_moved_about_thousands_of_times() -> None:
    x = tl.symbol("x", (3, 2, 2), tl.float64)

    def step(carry: Any, x: Tensor) -> Any:
        h, total = carry
        h = tl.tanh(h + x)
        moved = tl.transpose(h) @ x
        for _ in range(2_000):
            moved = tl.negative(moved)
        return (h, total + moved), None

    start = tl.zeros((2, 2), tl.float64)
    (_, total), _ = tl.scan(step, (start, start), x)
    subject = Subject(Graph((x,), (total,)), [np.random.default_rng(0).normal(size=(3, 2, 2))])
    assert differences(subject, Graph((x,), tuple(sink(everywhere([total], contractions))))) < 1e-12


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_number_of_steps_changes_nothing(kind: str) -> None:
    def lines(steps: int) -> list[str]:
        x = tl.symbol("x", (steps, 2, 3))
        layer = getattr(tl.nn, kind)(3, 4, key=tl.random.key(0))
        y, _ = layer(x)
        graph = Graph((x,), tuple(tl.gradients((y * y).sum(), [*layer.parameters(), x])))
        return [line.partition("=")[2] for line in tl.printed(optimize(graph)).replace(str(steps), "T").splitlines()]

    few, many = lines(77), lines(10_000)
    assert len(few) == len(many)
