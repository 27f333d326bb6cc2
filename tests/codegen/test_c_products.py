"""Products, gathers and scatters in C, alone and in loops, against NumPy."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.pointwise import execute
from tests.codegen.small_programs import compile_c, needs_c, program_of, whole
from tests.covering import covering
from tinygrad_lstm.codegen.program import Gather, Gemm, Loop, Scatter, View
from tinygrad_lstm.graph.dtypes import DTYPES, DType, float32, float64, int64

pytestmark = needs_c


def check(program: Any, inputs: list[Any]) -> None:
    got, want = compile_c(program)(inputs), execute(program, inputs)
    for y, w in zip(got, want, strict=True):
        allowed = 1e-5 if w.dtype == np.float32 else 1e-13
        np.testing.assert_allclose(y, w, rtol=0, atol=allowed * max(1.0, float(np.abs(w).max(initial=0))))


def random(*sizes: int, dtype: DType = float32) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=n).astype(dtype.name) for n in sizes]


def matrix(buffer: int, rows: int, columns: int, transposed: bool, batch: tuple[int, ...] = ()) -> View:
    strides = (1, max(rows, 1)) if transposed else (max(columns, 1), 1)
    steps = [rows * columns * int(np.prod(batch[d + 1 :])) for d in range(len(batch))]
    return View(buffer, (*batch, rows, columns), (*steps, *strides))


SIZES = [
    (3, 4, 5),
    (1, 7, 3),
    (7, 1, 3),
    (4, 5, 1),
    (1, 1, 1),
    (0, 3, 2),
    (3, 0, 2),
    (3, 2, 0),
    (40, 50, 60),
    (1, 9, 0),
]


@pytest.mark.parametrize(("sizes", "dtype"), covering(product(SIZES, [float32, float64]), set), ids=str)
def test_one_product(sizes: tuple[int, int, int], dtype: DType) -> None:
    m, n, k = sizes
    steps, outputs = [], []
    for left in (False, True):
        for right in (False, True):
            out = whole(2 + len(outputs), (m, n))
            steps.append(Gemm(matrix(0, m, k, left), matrix(1, k, n, right), out))
            steps.append(Gemm(matrix(0, m, k, left), matrix(1, k, n, right), out, True))
            outputs.append(((m, n), dtype))
    check(program_of(steps, [((m, k), dtype), ((k, n), dtype)], outputs), random(m * k, k * n, dtype=dtype))


def test_batches_and_odd_strides() -> None:
    left = View(0, (2, 3, 4, 5), (60, 20, 5, 1))
    right = View(1, (2, 3, 5, 6), (0, 30, 6, 1))
    first = Gemm(left, right, whole(2, (2, 3, 4, 6)))
    # Rows that run backwards, and rows that overlap: nothing that BLAS takes.
    backwards = Gemm(View(0, (4, 5), (-5, 1), 15), View(1, (5, 6), (6, 1)), whole(3, (4, 6)))
    overlapping = Gemm(View(0, (4, 5), (1, 1)), View(1, (5, 6), (1, 7)), whole(4, (4, 6)))
    outputs = [((2, 3, 4, 6), float32), ((4, 6), float32), ((4, 6), float32)]
    program = program_of([first, backwards, overlapping], [((120,), float32), ((90,), float32)], outputs)
    check(program, random(120, 90))


PACKED = [(2, 33, 16), (5, 64, 17), (20, 100, 40), (29, 47, 64), (65, 200, 70)]


@pytest.mark.parametrize(
    ("sizes", "transposed", "dtype"),
    covering(product(PACKED, [False, True], [float32, float64]), lambda case: {case[0], case[1:]}),
    ids=str,
)
def test_a_product_in_a_loop_is_packed(sizes: tuple[int, int, int], transposed: bool, dtype: DType) -> None:
    m, n, k = sizes
    turns = 4
    weights = matrix(1, k, n, transposed)
    left = View(0, (m, k), (k, 1), 0, ((0, m * k),))
    written = Gemm(left, weights, View(2, (m, n), (n, 1), 0, ((0, m * n),)))
    added = Gemm(left, weights, whole(3, (m, n)), True)
    program = program_of(
        [Gemm(View(0, (m, k), (k, 1)), weights, whole(3, (m, n))), Loop(0, turns, True, (written, added))],
        [((turns, m, k), dtype), ((k, n), dtype)],
        [((turns, m, n), dtype), ((m, n), dtype)],
    )
    assert "packed" in compile_c(program).source.rpartition("EXPORT")[2]  # type: ignore[attr-defined]
    check(program, random(turns * m * k, k * n, dtype=dtype))


def test_what_a_loop_changes_is_not_packed() -> None:
    m, n = 4, 64
    own = Gemm(View(0, (m, n), (n, 1)), View(1, (n, n), (n, 1), 0, ((0, n * n),)), View(2, (m, n), (n, 1)), True)
    changed = Gemm(View(1, (n, n), (n, 1)), View(1, (n, n), (n, 1)), whole(3, (n, n)))
    reader = Gemm(View(0, (m, n), (n, 1)), whole(3, (n, n)), View(2, (m, n), (n, 1)), True)
    start = Gemm(View(0, (m, n), (n, 1)), View(1, (n, n), (n, 1)), View(2, (m, n), (n, 1)))
    program = program_of(
        [start, Loop(0, 3, False, (own, changed, reader))],
        [((m, n), float32), ((3, n, n), float32)],
        [((m, n), float32), ((n, n), float32)],
    )
    x, w = random(m * n, 3 * n * n)
    check(program, [x, w / 8])


@pytest.mark.parametrize("name", ["float32", "float16", "int32", "bool"])
@pytest.mark.parametrize("size", [3, 70])
def test_gather_and_scatter(size: int, name: str) -> None:
    dtype, count, after = DTYPES[name], 90, size
    source = tl.symbol("x", (2, 5, after), dtype)
    indices = tl.symbol("i", (count,), tl.int64)
    node = tl.take(source, indices, 1)
    steps: list[Any] = [Gather(whole(0, (2, 5, after)), whole(1, (count,)), whole(2, (2, count, after)), node)]
    outputs = [((2, count, after), dtype)]
    if name != "bool":
        steps.append(Scatter(whole(2, (2, count, after)), whole(1, (count,)), whole(3, (2, 5, after)), node))
        outputs.append(((2, 5, after), dtype))
    program = program_of(steps, [((2, 5, after), dtype), ((count,), int64)], outputs)
    rng = np.random.default_rng(0)
    inputs = [rng.integers(0, 3, 10 * after).astype(name), rng.integers(-5, 5, count)]
    for y, w in zip(compile_c(program)(inputs), execute(program, inputs), strict=True):
        np.testing.assert_array_equal(y, w)
