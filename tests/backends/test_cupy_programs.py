"""Compiled programs of the CuPy backend after the passes, run on the CPU: against the interpreter."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinygrad_lstm_cupy.executable import CupyExecutable

import tinygrad_lstm as tl
from tests.codegen.cuda_shim import needs_compiler
from tests.codegen.host_device import HostDevice
from tests.codegen.test_lowering import assert_same
from tests.codegen.traced import cell, loop, straight
from tests.covering import covering
from tests.nn.test_variants import CELLS, named, shown
from tests.programs import Program, programs
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.codegen.program_text import counts
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.kernels.table import kernels
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.runtime.evaluation import evaluated

pytestmark = needs_compiler


def compile_cuda(graph: Graph) -> CupyExecutable:
    return CupyExecutable(lower(graph, halves=True), kernels(np), HostDevice())  # type: ignore[arg-type]


def agrees(inputs: Sequence[Tensor], outputs: Sequence[Tensor], values: Sequence[Any], scale: float) -> None:
    graph = Graph(tuple(inputs), tuple(outputs))
    want = evaluated(tuple(outputs), dict(zip(inputs, values, strict=True)))
    run = compile_cuda(optimize(graph))
    for _ in range(2):
        for y, w in zip(run(values), want, strict=True):
            assert_same(y, np.asarray(w.numpy()), scale)


@settings(max_examples=8, deadline=None)
@given(programs(inputs=3, outputs=2, most=6), st.booleans())
def test_random_programs_and_their_gradients(program: Program, second: bool) -> None:
    agrees(*straight(program, second), 1000)


@settings(max_examples=8, deadline=None)
@given(programs(inputs=3, outputs=3, most=5), st.sampled_from([0, 1, 2, 4]), st.booleans(), st.booleans())
def test_random_loops_and_their_gradients(program: Program, length: int, reverse: bool, nested: bool) -> None:
    agrees(*loop(program, length, reverse, nested), 1000)


@pytest.mark.parametrize(
    ("kind", "options", "dtype"),
    covering([(*cell, dtype) for cell in CELLS for dtype in ("float32", "float16", "float64")], shown),
    ids=named,
)
def test_cells(kind: str, options: dict[str, Any], dtype: str) -> None:
    agrees(*cell(kind, options, dtype), 100)


def test_a_large_scatter_and_a_small_one() -> None:
    """More places than indices, and fewer; with repetitions, and indices that count from the end."""
    random = np.random.default_rng(0)
    for size, count in ((50, 7), (3, 40), (3, 0), (1, 1)):
        table, rows = tl.symbol("table", (2, size, 5)), tl.symbol("rows", (count,), tl.int64)
        picked = tl.take(table, rows, 1)
        indices = random.integers(-size, size, count)
        (slope,) = tl.gradients([(picked * picked).sum()], [table])
        values = [random.normal(size=(2, size, 5)).astype(np.float32), indices]
        agrees([table, rows], [picked, slope], values, 10)


def test_an_index_out_of_range_is_told_as_the_interpreter_tells_it() -> None:
    x, i = tl.symbol("x", (3, 2)), tl.symbol("i", (2,), tl.int64)
    run = compile_cuda(Graph((x, i), (tl.take(x, i, 0),)))
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(run([table, np.array([2, -1])])[0], table[[2, 2]])
    message = r"take\(f32\[3,2\], i64\[2\]\): index 3 is out of bounds for axis 0 with size 3"
    with pytest.raises(tl.errors.IndexingError, match=message):
        run([table, np.array([0, 3])])
    with pytest.raises(tl.errors.IndexingError, match="index -4"):
        run([table, np.array([-4, 0])])
    np.testing.assert_array_equal(run([table, np.array([0, 1])])[0], table[:2])


def test_a_loop_with_calls_in_it_is_launched_from_python() -> None:
    xs = tl.symbol("xs", (5, 4))

    def step(carry: Any, x: Any) -> Any:
        ranked = tl.take(x, tl.argsort(x, 0), 0)
        inner, _ = tl.scan(lambda c, y: (c + tl.argmax(ranked * y).astype(tl.float32), c), carry, ranked)
        return tl.tanh(inner), ranked + carry

    last, ys = tl.scan(step, tl.tensor(0.5), xs, reverse=True)
    values = [np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)]
    agrees([xs], [last, ys], values, 10)


def test_conditions_are_read_between_launches() -> None:
    x = tl.symbol("x", (4,))

    def step(x: Any) -> Any:
        return tl.cond(x[0] > 0, lambda: x * 1.5 + 1, lambda: tl.sin(x) - x)

    y = tl.while_loop(lambda x: tl.max(tl.abs(x)) < 20, step, x, bound=9)
    _, slope = tl.jvp(lambda x: tl.while_loop(lambda x: tl.max(tl.abs(x)) < 20, step, x), (x,), (tl.ones(4),))
    for sign in (1, -1):
        agrees([x], [y, tl.gradients(y, x), slope], [np.linspace(0.1, 1, 4, dtype=np.float32) * sign], 100)


def test_half_precision() -> None:
    """Stored in 16 bits, computed in 32: the gradient of a small network."""
    x, w, v = (tl.symbol(n, s, "float16") for n, s in (("x", (6, 8)), ("w", (8, 5)), ("v", (5,))))
    y = tl.tanh(x @ w + v)
    random = np.random.default_rng(0)
    values = [random.normal(0, 0.5, s.shape).astype(np.float16) for s in (x, w, v)]
    outputs = [y, *tl.gradients([(y * y).mean()], [x, w, v])]
    graph = optimize(Graph((x, w, v), tuple(outputs)))
    assert counts(lower(graph)).calls > 9
    assert counts(lower(graph, halves=True)).calls == 0
    run = compile_cuda(graph)
    wide = [tl.tensor(a.astype(np.float32)) for a in values]
    z = tl.tanh(wide[0] @ wide[1] + wide[2])
    want = [z, *tl.gradients([(z * z).mean()], wide)]
    for a, b in zip(run(values), want, strict=True):
        assert a.dtype == np.float16
        np.testing.assert_allclose(a.astype(float), b.numpy(), rtol=2e-2, atol=2e-3)
