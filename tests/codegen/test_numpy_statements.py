"""Programs as NumPy statements, against the interpreter and the plain executor."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinygrad_lstm_numpy import kernels as numpy_kernels

import tinygrad_lstm as tl
from tests.codegen.pointwise import execute
from tests.codegen.small_programs import kernels_of
from tests.covering import covering, examples, pairs
from tests.ops.cases import CASES, Case
from tests.ops.cases.forms import forms
from tests.ops.test_cases import of_floats, over_time, total
from tests.programs import programs
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.codegen.program import Buffer, Kernel, Program, Scalar, Store, View
from tinygrad_lstm.graph.dtypes import float64
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes.compiling import optimize
from tinygrad_lstm.runtime.backend import load_backend
from tinygrad_lstm.runtime.evaluation import evaluated


def compiled(program: Program) -> Any:
    return load_backend("numpy").compile(program)  # type: ignore[attr-defined]


def assert_same(got: Any, want: Any) -> None:
    """Equal up to the rounding of sums in another order, relative to the largest."""
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    if want.dtype.kind != "f":
        assert np.array_equal(got, want)
        return
    tolerance = {2: 1e-2, 4: 1e-6, 8: 1e-13}[want.dtype.itemsize]
    largest = float(np.abs(want[np.isfinite(want)]).max(initial=0))
    np.testing.assert_allclose(got, want, rtol=tolerance * 10, atol=tolerance * max(largest, 1e-30))


def compare(inputs: Sequence[Tensor], outputs: Sequence[Tensor], values: Sequence[Any], passes: bool) -> None:
    graph = Graph(tuple(inputs), tuple(outputs))
    bindings = dict(zip(inputs, values, strict=True))
    want = [np.asarray(y.numpy()) for y in evaluated(tuple(outputs), bindings)]
    run = compiled(lower(optimize(graph) if passes else graph))
    kept = [x.copy() for x in values]
    for _ in range(2):  # the memory is used again
        got = run(values)
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            assert_same(g, w)
    for x, before in zip(values, kept, strict=True):
        np.testing.assert_array_equal(x, before)


def symbols(values: Sequence[Any]) -> list[Tensor]:
    return [tl.symbol(f"x{k}", x.shape, x.dtype.name) for k, x in enumerate(values)]


both = pytest.mark.parametrize("passes", [False, True], ids=["plain", "optimised"])


@both
@pytest.mark.parametrize("case", covering(CASES, forms), ids=str)
def test_value(case: Case, passes: bool) -> None:
    xs = symbols(case.inputs)
    compare(xs, flatten(case.f(*xs))[0], case.inputs, passes)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("case", covering([c for c in CASES if c.smooth and c.name != "cast"], forms), ids=str)
def test_value_in_narrower_floats(case: Case, dtype: str) -> None:
    values = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs]
    xs = symbols(values)
    compare(xs, flatten(case.f(*xs))[0], values, passes=True)


@pytest.mark.parametrize("case", covering([c for c in CASES if c.smooth], forms), ids=str)
def test_gradients(case: Case) -> None:
    f, points = of_floats(case)
    xs = symbols(points)
    ys = flatten(f(*xs))[0]
    compare(xs, [*ys, *tl.gradients(ys, xs, allow_unused=True)], points, passes=True)


@pytest.mark.parametrize("case", covering([c for c in CASES if c.inputs], forms), ids=str)
def test_in_the_body_of_a_loop(case: Case) -> None:
    series = [over_time(x, 3) for x in case.inputs]
    values = [*series, *case.inputs]
    xs = symbols(values)
    rolled, fixed = xs[: len(series)], xs[len(series) :]
    loops = [
        tl.scan(lambda c, x: (c, case.f(*x)), tl.tensor(0.0), rolled)[1],
        tl.scan(lambda c, x: (c, case.f(x, *fixed[1:])), tl.tensor(0.0), rolled[0], reverse=True)[1],
    ]
    ys = [y for loop in loops for y in flatten(loop)[0]]
    floats = [x for x in xs if x.dtype.is_float]
    gradients = tl.gradients(total(ys), floats, allow_unused=True) if case.smooth else []
    compare(xs, [*ys, *gradients], values, passes=True)


@both
@examples(200)
@given(program=programs(2, 2, kinks=True), seed=st.integers(0, 99), dtype=st.sampled_from(["float32", "float64"]))
def test_random_programs(passes: bool, program: Any, seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.uniform(-1, 1, 3).astype(dtype) for _ in range(2)]
    xs = symbols(values)
    compare(xs, program.run(xs, symbolic=True), values, passes)


@both
@examples(60)
@given(program=programs(2, 1), seed=st.integers(0, 99))
def test_gradients_of_random_programs(passes: bool, program: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.uniform(-1, 1, 3) for _ in range(2)]
    xs = symbols(values)
    (y,) = program.run(xs, symbolic=True)
    compare(xs, [y, *tl.gradients(y, xs, allow_unused=True)], values, passes)


CELLS = [tl.nn.RNN, tl.nn.LSTM, tl.nn.GRU]


@pytest.mark.parametrize(
    ("kind", "options", "steps", "passes"),
    covering(
        product(CELLS, [{}, {"num_layers": 2}, {"bidirectional": True}], [0, 1, 5], [False, True]),
        pairs,
    ),
    ids=str,
)
def test_recurrent_layers(kind: Any, options: dict[str, Any], steps: int, passes: bool) -> None:
    layer = kind(3, 4, key=tl.random.key(1), **options)
    values = [np.random.default_rng(0).normal(size=(steps, 2, 3)).astype(np.float32)]
    values += [np.array(p.detach().numpy()) for p in layer.parameters()]
    xs = symbols(values)
    leaves = [p.leaf for p in layer.parameters()]
    ys, state = layer(xs[0])
    outputs = [ys, *flatten(state)[0], *tl.gradients((ys * ys).sum(), [xs[0], *leaves])]
    compare(xs, outputs, values, passes)


@both
def test_transposed_operands_that_a_loop_reads_again_and_again(passes: bool) -> None:
    rng = np.random.default_rng(0)
    values = [rng.normal(size=s).astype(np.float32) / 2 for s in ((4, 4), (3, 4), (12, 3, 4))]
    w, h, xs = symbols(values)

    def inner(c: Any, x: Any) -> Any:
        return tl.tanh(c @ tl.transpose(w)) + x, c @ w

    def outer(c: Any, x: Any) -> Any:
        last, ys = tl.scan(inner, c, xs[:9])
        moved = w * tl.max(c)  # moves with the outer loop
        return last + x @ tl.transpose(moved), ys.sum(0)

    last, ys = tl.scan(outer, h, xs)
    compare([w, h, xs], [last, ys, *tl.gradients(last.sum() + ys.sum(), [w, h, xs])], values, passes)


@both
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 6])
def test_carries_of_every_kind(steps: int, reverse: bool, passes: bool) -> None:
    values = [np.arange(steps * 2.0).reshape(steps, 2), np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array(5)]
    xs, a, b, n = symbols(values)

    def body(c: Any, x: Any) -> Any:
        a, b, still, n, flag, total = c
        new = (b, a + x, still, n + 1, tl.logical_not(flag), total + tl.sum(x))
        return new, (a, n, flag, total, x, b * a)

    start = (a, b, a, n, tl.tensor(True), tl.tensor(0.0, dtype="float64"))
    carry, ys = tl.scan(body, start, xs, reverse=reverse)
    compare([xs, a, b, n], [*carry, *ys], values, passes)


def test_carries_that_change_places_in_one_kernel() -> None:
    n, shape = 6, (2, 3)
    x, y = View(0, shape, (3, 1)), View(1, shape, (3, 1))
    buffers = (
        Buffer(n, float64, "input"),
        Buffer(n, float64, "input"),
        Buffer(n, float64, "output"),
        Buffer(n, float64, "output"),
        Buffer(n, float64, "temporary", 0),
        Buffer(n, float64, "temporary", 64),
    )
    first, second = View(4, shape, (3, 1)), View(5, shape, (3, 1))
    loads = (Scalar("load", (), float64, 0), Scalar("load", (), float64, 1))

    def copies(reads: tuple[View, View], writes: tuple[View, View], body: tuple[Scalar, ...] = loads) -> Kernel:
        last = len(body) - 2
        return Kernel(shape, 0, reads, body, (Store(last, writes[0]), Store(last + 1, writes[1])))

    negated = (*loads, Scalar("negative", (1,), float64), Scalar("negative", (0,), float64))
    steps = (
        copies((x, y), (first, second)),
        copies((first, second), (second, first)),
        copies((first, second), (first, second), negated),
        copies((first, second), (View(2, shape, (3, 1)), View(3, shape, (3, 1)))),
    )
    run = compiled(Program(buffers, steps, (0, 1), (2, 3), (shape, shape), 128))
    a, b = np.arange(6.0).reshape(shape), np.arange(6.0, 12.0).reshape(shape)
    for got, want in zip(run([a, b]), (-a, -b), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("chunk", [1 << 15, 8, 1])
@examples(100)
@given(drawn=kernels_of())
def test_random_kernels_whole_and_in_pieces(chunk: int, drawn: Any) -> None:
    program, inputs = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numpy_kernels, "_CHUNK", chunk)
        run = compiled(program)
    for got, want in zip(run(inputs), execute(program, inputs), strict=True):
        tolerance = 1e-4 if want.dtype == np.float32 else 1e-11
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=run.source)


def test_an_index_out_of_range_is_named() -> None:
    x, i = tl.symbol("x", (3, 2)), tl.symbol("i", (2,), dtype=tl.int64)
    run = compiled(lower(Graph((x, i), (tl.take(x, i, 0),))))
    table = np.zeros((3, 2), np.float32)
    with pytest.raises(
        tl.errors.IndexingError, match=r"take\(f32\[3,2\], i64\[2\]\): index 3 is out of bounds for axis 0"
    ):
        run([table, np.array([0, 3])])
    with pytest.raises(tl.errors.IndexingError, match=r"index -4 is out of bounds"):
        run([table, np.array([-4, 0])])
    table[:] = [[1], [2], [3]]
    np.testing.assert_array_equal(run([table, np.array([-1, 1])])[0], [[3, 3], [2, 2]])


def test_the_text_reads_as_statements() -> None:
    x = tl.symbol("x", (4,))
    run = compiled(lower(Graph((x,), (tl.tanh(x) * 2.0 + 1.0,))))
    assert run.source == (
        "# Made once, with the program.\n"
        "t = view(scratch, 'float32', (4,), (1,), 0)\n"
        "c = array(2.0, 'float32')\n"
        "c_2 = array(1.0, 'float32')\n"
        "\n\n"
        "def run(inputs, outputs):\n"
        "    x0, = inputs\n"
        "    y0, = outputs\n"
        "    x0_ = x0.reshape((4,))\n"
        "    y0_ = y0.reshape((4,))\n"
        "    tanh(x0_, out=t)\n"
        "    multiply(t, c, out=t)\n"
        "    add(t, c_2, out=y0_)\n"
    )


def test_the_text_does_not_grow_with_time() -> None:
    def text(steps: int) -> int:
        x = tl.symbol("x", (steps, 2, 3))
        layer = tl.nn.LSTM(3, 4, key=tl.random.key(0))
        ys, _ = layer(x)
        graph = Graph((x,), (ys, tl.gradients(ys.sum(), x)))
        return len(compiled(lower(optimize(graph))).source.splitlines())

    assert text(10) == text(1000)
