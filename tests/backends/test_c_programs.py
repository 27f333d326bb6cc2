"""The C backend on random programs, loops and cells, after the passes: against the interpreter."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.codegen.small_programs import compile_c, needs_c
from tests.codegen.test_lowering import assert_same
from tests.codegen.traced import cell, loop, straight
from tests.covering import covering, examples
from tests.nn.test_variants import CELLS, named, shown
from tests.programs import Program, programs
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.runtime.evaluation import evaluated

pytestmark = needs_c


def agrees(inputs: Sequence[Tensor], outputs: Sequence[Tensor], values: Sequence[Any], scale: float) -> None:
    graph = Graph(tuple(inputs), tuple(outputs))
    want = evaluated(tuple(outputs), dict(zip(inputs, values, strict=True)))
    for y, w in zip(compile_c(lower(optimize(graph)))(values), want, strict=True):
        assert_same(y, np.asarray(w.numpy()), scale)


@examples(25)
@given(programs(inputs=3, outputs=2, most=6), st.booleans())
def test_random_programs_and_their_gradients(program: Program, second: bool) -> None:
    agrees(*straight(program, second), 1000)


@examples(25)
@given(programs(inputs=3, outputs=3, most=5), st.sampled_from([0, 1, 2, 4]), st.booleans(), st.booleans())
def test_random_loops_and_their_gradients(program: Program, length: int, reverse: bool, nested: bool) -> None:
    agrees(*loop(program, length, reverse, nested), 1000)


@pytest.mark.parametrize(
    ("kind", "options", "dtype"),
    covering([(*cell, dtype) for cell in CELLS for dtype in ("float32", "float64")], shown),
    ids=named,
)
def test_cells(kind: str, options: dict[str, Any], dtype: str) -> None:
    agrees(*cell(kind, options, dtype), 100)


def test_an_index_out_of_range_is_told_as_the_interpreter_tells_it() -> None:
    x, i = tl.symbol("x", (3, 2)), tl.symbol("i", (2,), tl.int64)
    run = compile_c(lower(Graph((x, i), (tl.take(x, i, 0),))))
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(run([table, np.array([2, -1])])[0], table[[2, 2]])
    message = r"take\(f32\[3,2\], i64\[2\]\): index 3 is out of bounds for axis 0 with size 3"
    with pytest.raises(tl.errors.IndexingError, match=message):
        run([table, np.array([0, 3])])
    with pytest.raises(tl.errors.IndexingError, match="index -4"):
        run([table, np.array([-4, 0])])
    np.testing.assert_array_equal(run([table, np.array([0, 1])])[0], table[:2])


def test_a_loop_with_calls_in_it_is_driven_by_python() -> None:
    xs = tl.symbol("xs", (5, 4))

    def step(carry: Any, x: Any) -> Any:
        ranked = tl.take(x, tl.argsort(x, 0), 0)
        inner, _ = tl.scan(lambda c, y: (c + tl.argmax(ranked * y).astype(tl.float32), c), carry, ranked)
        return tl.tanh(inner), ranked + carry

    last, ys = tl.scan(step, tl.tensor(0.5), xs, reverse=True)
    values = [np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)]
    agrees([xs], [last, ys], values, 10)
