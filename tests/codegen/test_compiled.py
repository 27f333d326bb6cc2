"""Compiled programs against the interpreter: random recurrent cells, and random programs, with their gradients."""

from collections.abc import Callable, Sequence
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.codegen.executor import run
from tests.codegen.small_programs import compile_c, needs_c
from tests.covering import covering, examples
from tests.passes.cells import Subject, cells, random_cell
from tests.programs import Program, programs
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.graph.dtypes import DType, float32, float64
from tinygrad_lstm.graph.function import Graph, topological
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.runtime.backend import load_backend
from tinygrad_lstm.runtime.evaluation import evaluated

Compile = Callable[[Any], Callable[[Sequence[Any]], list[Any]]]


def compile_numpy(program: Any) -> Callable[[Sequence[Any]], list[Any]]:
    return load_backend("numpy").compile(program)  # type: ignore[attr-defined, no-any-return]


def cell(seed: int, order: int = 1, dtype: DType = float64) -> Subject:
    """The same cell for the same seed."""
    random = Random(seed)
    return random_cell(lambda n: random.randrange(n) if n > 1 else 0, order, dtype)


def agrees(subject: Subject, *ways: Compile) -> None:
    """What each of the ways to run the program gives is what the interpreter gives.

    The differences are measured by the largest value met on the way, which a small result may be the difference of.
    """
    graph = subject.graph
    met = [n for n in topological(graph.outputs) if not isinstance(n.type, tuple) and n.dtype.is_float]
    values = evaluated((*graph.outputs, *met), subject.at)
    count = len(graph.outputs)
    with np.errstate(invalid="ignore"):
        largest = [np.abs(v.numpy()[np.isfinite(v.numpy())]).max(initial=1.0) for v in values[count:]]
    program = lower(optimize(graph))
    given = [np.ascontiguousarray(subject.at[x]) for x in graph.inputs]
    for way in ways:
        for got, want in zip(way(program)(given), values[:count], strict=True):
            expected = np.asarray(want.numpy())
            assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
            tolerance = 2e-4 if expected.dtype == np.float32 else 1e-11
            np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * float(max(largest, default=1.0)))


@settings(examples(40), suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(cells())
def test_random_cells(subject: Subject) -> None:
    agrees(subject, compile_numpy)


@pytest.mark.parametrize("seed", covering(range(20), lambda seed: {seed % 5}))
def test_cells_and_their_second_gradients(seed: int) -> None:
    agrees(cell(seed, 2), compile_numpy)


# Cells that the lowering or a printer once got wrong: sums of products in a carry, loops of no steps, nested joins.
@pytest.mark.parametrize("seed", [449, 425, 439, 445, 446, 456, 498, 533, 877, 943, 1121, 1144, 1495])
def test_cells_that_were_wrong(seed: int) -> None:
    agrees(cell(seed), compile_numpy, lambda program: lambda inputs: run(program, inputs))


@pytest.mark.parametrize(
    ("seed", "dtype"),
    covering(product(range(100, 140), [float32, float64]), lambda case: {(case[0] % 8, case[1])}),
    ids=str,
)
def test_cells_of_both_precisions(seed: int, dtype: DType) -> None:
    agrees(cell(seed, 1, dtype), compile_numpy)


@needs_c
@pytest.mark.parametrize(("seed", "dtype"), [(s, (float64, float32)[s % 2]) for s in (*range(140, 152), 449, 943)])
def test_cells_in_c(seed: int, dtype: DType) -> None:
    agrees(cell(seed, 1, dtype), compile_c)


@needs_c
@pytest.mark.parametrize("seed", [160, 161, 162])
def test_cells_and_their_second_gradients_in_c(seed: int) -> None:
    agrees(cell(seed, 2), compile_c)


POINTS = [np.array([0.3, -0.7, 0.9]), np.array([-0.4, 0.1, 0.8]), np.array([0.55, -0.25, -0.6])]


def with_gradients(program: Program, dtype: DType) -> Subject:
    xs = [tl.symbol(f"x{k}", p.shape, dtype) for k, p in enumerate(POINTS)]
    ys: list[Tensor] = program.run(xs, symbolic=True)
    graph = Graph(tuple(xs), (*ys, *tl.gradients([y.sum() for y in ys], xs, allow_unused=True)))
    return Subject(graph, [p.astype(dtype.name) for p in POINTS])


@examples(500)
@given(programs(inputs=3, outputs=2), st.sampled_from([float32, float64]))
def test_random_programs(program: Program, dtype: DType) -> None:
    agrees(with_gradients(program, dtype), compile_numpy)


@needs_c
@settings(max_examples=12)
@given(programs(inputs=3, outputs=2), st.sampled_from([float32, float64]))
def test_random_programs_in_c(program: Program, dtype: DType) -> None:
    agrees(with_gradients(program, dtype), compile_c)
