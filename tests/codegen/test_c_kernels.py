"""Fused kernels in C against NumPy over whole spaces."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import tinygrad_lstm as tl
from tests.codegen.pointwise import assert_executed
from tests.codegen.small_programs import compile_c, kernels_of, needs_c, program_of, whole
from tests.covering import examples
from tinygrad_lstm.codegen.program import Buffer, Kernel, Scalar, Store, View
from tinygrad_lstm.graph.dtypes import float32

pytestmark = needs_c


def assert_same(program: Any, inputs: Any) -> None:
    assert_executed(compile_c(program)(inputs), program, inputs)


@examples(60)
@given(kernels_of())
def test_random_kernels(made: Any) -> None:
    program, inputs = made
    assert_same(program, inputs)


def scalars(*rows: tuple[Any, ...]) -> tuple[Scalar, ...]:
    return tuple(Scalar(op, args, float32, attr) for op, args, attr in rows)


def test_a_softmax_in_place() -> None:
    """The first pass knows the exponentials' maximum, the second their sum; the row is overwritten in the last."""
    shape = (6, 50)
    # Buffers: the input; the negated input, the largest of each row, the softmax; and where it is computed.
    memory = whole(4, shape)
    copied = Kernel(shape, 0, (whole(0, shape),), scalars(("load", (), 0)), (Store(0, memory),))
    body = scalars(
        ("load", (), 0),
        ("reduce", (0,), "maximum"),
        ("subtract", (0, 1), None),
        ("exp", (2,), None),
        ("reduce", (3,), "add"),
        ("divide", (3, 4), None),
        ("negative", (0,), None),
        ("reduce", (5,), "maximum"),
    )
    stores = (Store(6, whole(1, shape)), Store(5, memory), Store(7, View(2, shape, (1, 0))))
    softmax = Kernel(shape, 1, (memory,), body, stores)
    again = Kernel(shape, 0, (memory,), scalars(("load", (), 0)), (Store(0, whole(3, shape)),))
    outputs = [(shape, float32), ((6,), float32), (shape, float32)]
    temporary = Buffer(300, float32, "temporary", 0)
    program = program_of([copied, softmax, again], [(shape, float32)], outputs, [temporary], 1216)
    x = np.random.default_rng(0).normal(0, 3, shape).astype(np.float32)
    negated, largest, y = compile_c(program)([x])
    e = np.exp(x - x.max(1, keepdims=True))
    want = e / e.sum(1, keepdims=True)
    np.testing.assert_allclose(y, want, rtol=1e-6)
    np.testing.assert_array_equal(negated, -x)
    np.testing.assert_allclose(largest, want.max(1), rtol=1e-6)


def test_long_sums_stay_accurate() -> None:
    x = np.random.default_rng(0).uniform(0, 1, 3_000_000).astype(np.float32)
    for shape in ((3_000_000,), (1_000_000, 3), (3, 1_000_000)):
        total = Store(0, View(1, shape, (0,) * len(shape)), "add")
        kernel = Kernel(shape, 0, (whole(0, shape),), scalars(("load", (), 0)), (total,))
        (y,) = compile_c(program_of([kernel], [(shape, float32)], [((), float32)]))([x])
        np.testing.assert_allclose(y, x.sum(dtype=float), rtol=3e-7)


def test_parts_of_sums_and_of_extremes_have_memory_of_their_own() -> None:
    """Workers reduce pieces of the row: the parts of a sum are of float64, and those of an extreme of float32."""
    x = tl.tensor(np.random.default_rng(0).normal(1, 1, 60_000).astype(np.float32))

    def f(x: Any) -> Any:
        return (x - x.max()) / (x.sum() + x.min())

    with tl.use_backend("c"):
        found = tl.jit(f)(x)
    np.testing.assert_allclose(found.numpy(), f(x).numpy(), rtol=1e-5)


REDUCTIONS = (tl.sum, tl.max, tl.min, tl.mean, tl.logsumexp, lambda x: (x * x).sum(), lambda x: tl.abs(x).max())


@pytest.mark.parametrize("seed", [*range(4), *[pytest.param(k, marks=pytest.mark.slow) for k in range(4, 30)]])
def test_random_reductions_of_one_long_row(seed: int) -> None:
    """Of two or three stages, each with up to three reductions of what the stage before made of the row."""
    draw = random.Random(seed)
    stages = [draw.choices(REDUCTIONS, k=draw.randint(1, 3)) for _ in range(draw.randint(1, 3))]

    def f(x: Any) -> Any:
        for reductions in stages:
            x = x / (1 + sum(tl.abs(reduce(x)) for reduce in reductions))
        return x

    x = np.random.default_rng(seed).normal(1, 1, 60_000)
    with tl.use_backend("c"):
        found = tl.jit(f)(tl.tensor(x.astype(np.float32)))
    want = f(tl.tensor(x)).numpy()
    np.testing.assert_allclose(found.numpy(), want, rtol=1e-4, atol=1e-6 * np.abs(want).max())
