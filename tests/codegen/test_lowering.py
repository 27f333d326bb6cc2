"""Programs against the interpreter."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.executor import run
from tests.covering import covering
from tests.ops.cases import CASES, Case
from tests.ops.cases.forms import forms
from tests.ops.test_cases import of_floats, over_time, total
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.source import stop_gradient
from tinygrad_lstm.runtime.evaluation import evaluated

Array = np.ndarray[Any, Any]


def assert_same(got: Any, want: Any, scale: float = 1.0, least: float = 1e-30) -> None:
    """Equal up to the rounding of sums in another order, whose terms were of size ``least`` at least."""
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    if want.dtype.kind != "f":
        assert np.array_equal(got, want)
        return
    tolerance = {2: 1e-2, 4: 1e-5, 8: 1e-12}[want.dtype.itemsize]
    finite = np.isfinite(want)
    largest = float(np.abs(want[finite]).max(initial=0)) * scale
    # Ten times the largest number may be none; NumPy wants a finite bound, and adds to it.
    error = min(tolerance * max(largest, least), float(np.finfo(want.dtype).max) / 4)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=error)


def compared(inputs: Sequence[Tensor], outputs: Sequence[Tensor], values: Sequence[Array]) -> Program:
    """The program of some outputs, after its results were compared with the interpreter's."""
    graph = Graph(tuple(inputs), tuple(outputs))
    program = lower(graph)
    got = run(program, values)
    bindings = dict(zip(inputs, values, strict=True))
    want = [y.numpy() for y in evaluated(tuple(outputs), bindings)]
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert_same(g, np.asarray(w))
    return program


def symbols(values: Sequence[Array]) -> list[Tensor]:
    return [tl.symbol(f"x{k}", x.shape, x.dtype.name) for k, x in enumerate(values)]


@pytest.mark.parametrize("case", covering(CASES, forms), ids=str)
def test_value(case: Case) -> None:
    xs = symbols(case.inputs)
    compared(xs, flatten(case.f(*xs))[0], case.inputs)


@pytest.mark.parametrize("case", covering([c for c in CASES if c.smooth], forms), ids=str)
def test_gradients(case: Case) -> None:
    f, points = of_floats(case)
    xs = symbols(points)
    ys = flatten(f(*xs))[0]
    first = tl.gradients(ys, xs, allow_unused=True)
    compared(xs, [*ys, *first, *tl.gradients(first, xs, allow_unused=True)], points)


@pytest.mark.parametrize("case", covering([c for c in CASES if c.inputs], forms), ids=str)
def test_in_the_body_of_a_loop(case: Case) -> None:
    series = [over_time(x, 3) for x in case.inputs]
    given = [*series, *case.inputs]
    xs = symbols(given)
    rolled, fixed = xs[: len(series)], xs[len(series) :]
    loops = [
        tl.scan(lambda c, x: (c, case.f(*x)), tl.tensor(0.0), rolled)[1],
        tl.scan(lambda c, _: (c, case.f(*c)), fixed, length=3)[1],
        tl.scan(lambda c, x: (c, case.f(x, *fixed[1:])), tl.tensor(0.0), rolled[0], reverse=True)[1],
    ]
    ys = [y for loop in loops for y in flatten(loop)[0]]
    floats = [x for x in xs if x.dtype.is_float]
    gradients = tl.gradients(total(ys), floats, allow_unused=True) if case.smooth else []
    compared(xs, [*ys, *gradients], given)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tl.logsumexp(x - x.max(1), axis=1),
        lambda x: tl.logsumexp(x - stop_gradient(x.max(1)), axis=1),
        lambda x: tl.logsumexp(x - x.max(0), axis=0),
        lambda x: tl.logsumexp(x - x.max(1, keepdims=True), axis=1),
        lambda x: tl.logsumexp(x - x.max(), axis=(0, 1)),
        lambda x: (lambda y: tl.logsumexp(y - tl.broadcast_to(y.max(), (3, 3)), axis=0))(x[:, 0]),
    ],
)
def test_a_logsumexp_subtracts_the_largest_where_it_is_not_that_of_its_row(f: Callable[[Tensor], Tensor]) -> None:
    """``max`` without its axis is broadcast over the columns, so that x − max x may be of any size."""
    values = [np.array([[0.0, 1000.0, 3.0], [2.0, 2.0, 2.0], [-1000.0, 5.0, 6.0]], np.float32)]
    xs = [tl.symbol("x", (3, 3))]
    compared(xs, [f(xs[0])], values)
