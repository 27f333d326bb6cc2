"""Random programs and all cells, as they are traced and after the passes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.codegen.executor import run
from tests.codegen.test_lowering import assert_same, symbols
from tests.codegen.traced import POINTS, loop, straight
from tests.covering import covering, examples
from tests.nn.test_recurrent import KINDS
from tests.nn.test_variants import CELLS, LAYERS, LENGTHS, named, shown
from tests.programs import Program, programs
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.graph.function import Graph, substitute
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.runtime.evaluation import evaluated


def agrees(inputs: Sequence[Tensor], outputs: Sequence[Tensor], values: Sequence[Any], scale: float = 1.0) -> None:
    """The programs of a graph before and after the passes give what the interpreter gives."""
    graph = Graph(tuple(inputs), tuple(outputs))
    plain, optimized = lower(graph), lower(optimize(graph))
    want = [y.numpy() for y in evaluated(tuple(outputs), dict(zip(inputs, values, strict=True)))]
    for program in (plain, optimized):
        for g, w in zip(run(program, values), want, strict=True):
            assert_same(g, np.asarray(w), scale)


@given(programs(inputs=3, outputs=2, most=10, kinks=True))
@examples(60)
def test_values(program: Program) -> None:
    xs = symbols(POINTS)
    agrees(xs, program.run(xs, symbolic=True), POINTS, 10)


@given(programs(inputs=3, outputs=2, most=6))
@examples(30)
def test_gradients(program: Program) -> None:
    agrees(*straight(program, second=True), 1000)


@given(programs(inputs=3, outputs=3, most=6), st.sampled_from([0, 1, 2, 4]), st.booleans(), st.booleans())
@examples(50)
def test_loops_and_their_gradients(program: Program, length: int, reverse: bool, nested: bool) -> None:
    agrees(*loop(program, length, reverse, nested), 1000)


SWAPS: list[Callable[..., Any]] = [
    lambda p, q, x: ((q, p), p),
    lambda p, q, x: ((p + x, p), q),
    lambda p, q, x: ((p + q, p - q), p),
    lambda p, q, x: ((tl.flip(p), q * p), (p, q)),
    lambda p, q, x: ((tl.concatenate([p[1:], x[:1]]), p), (p, p)),
    lambda p, q, x: ((p, q), (x, p, x)),
    lambda p, q, x: ((x, x), (p, q)),
    lambda p, q, x: ((tl.outer(p, q) @ x, p * 2), p + q),
    lambda p, q, x: ((tl.cumsum(p), tl.sort(q) + p), tl.take(x, [2, 0, 0])),
    lambda p, q, x: ((tl.zeros(3, tl.float64), p), q),
]


@pytest.mark.parametrize("length", [0, 1, 3])
@pytest.mark.parametrize("step", SWAPS)
def test_carries_that_hinder_each_other(step: Callable[..., Any], length: int) -> None:
    series = np.linspace(-0.8, 0.9, length * 3).reshape(length, 3)
    values = [*POINTS[:2], series]
    a, b, xs = symbols(values)
    for reverse in (False, True):
        carry, ys = tl.scan(lambda c, x: step(*c, x), (a, b), xs, reverse=reverse)
        agrees([a, b, xs], [*carry, *flatten(ys)[0]], values)


TURNS: list[Callable[..., Any]] = [
    lambda p, q, x: ((tl.transpose(p @ q), q), p),
    lambda p, q, x: ((tl.transpose(p @ x), tl.transpose(p + q)), p),
    lambda p, q, x: ((tl.transpose(p), tl.transpose(q) * 2), (p, q)),
    lambda p, q, x: ((tl.concatenate([tl.transpose(x)[:1], (p @ p)[1:]]), tl.tanh(q)), tl.transpose(q)),
    lambda p, q, x: ((tl.reshape(tl.transpose(x), (3, 3)) + p, tl.transpose(tl.tanh(q))), q @ p),
]


@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("step", TURNS)
def test_carries_that_are_turned(step: Callable[..., Any], length: int) -> None:
    random = np.random.default_rng(0)
    values = [random.normal(size=(3, 3)), random.normal(size=(3, 3)), random.normal(size=(length, 3, 3))]
    a, b, xs = symbols(values)
    for reverse in (False, True):
        carry, ys = tl.scan(lambda c, x: step(*c, x), (a, b), xs, reverse=reverse)
        gradients = tl.gradients([y.sum() for y in (*carry, *flatten(ys)[0])], [a, b, xs], allow_unused=True)
        agrees([a, b, xs], [*carry, *flatten(ys)[0], *gradients], values, 10)


@pytest.mark.parametrize(
    ("kind", "options", "layer", "dtype"),
    covering(
        [
            (*cell, *way)
            for cell in CELLS
            for way in [*[(layer, "float64") for layer in LAYERS], (LAYERS[0], "float32")]
        ],
        lambda case: {case[2], *shown((*case[:2], case[3]))},
    ),
    ids=named,
)
def test_cells(kind: str, options: dict[str, Any], layer: tuple[int, bool, bool], dtype: str) -> None:
    layers, bidirectional, ragged = layer
    random = np.random.default_rng(0)
    model = KINDS[kind](3, 4, layers, bidirectional=bidirectional, key=tl.random.key(1), dtype=dtype, **options)
    x = tl.symbol("x", (4, 3, 3), dtype)
    y, last = model(x, lengths=tl.tensor(LENGTHS) if ragged else None)
    results = [y, *flatten(last)[0]]
    leaves = [p.leaf for p in model.parameters()]
    gradients = tl.gradients([(r * r).sum() for r in results], [x, *leaves], allow_unused=True)
    inputs = [x, *[tl.symbol(f"p{k}", p.shape, dtype) for k, p in enumerate(leaves)]]
    outputs = substitute([*results, *gradients], dict(zip(leaves, inputs[1:], strict=True)))
    agrees(inputs, outputs, [random.normal(size=s.shape).astype(dtype) for s in inputs], 100)
