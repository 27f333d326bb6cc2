"""Overflows, nans and infinities are neither made nor lost: sums over steps of products of huge and tiny numbers.

The products are bounded so that no order of their sum overflows; the factors are not, and may be inf or nan.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.passes.cells import Subject, differences
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.runtime.evaluation import evaluated

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
Choose = Callable[[int], int]
SIZE = 3
MOST = 300
"""Terms in a sum: steps, times the terms of a step, times the size of an axis that is summed."""


def same_kinds(graph: Graph, at: Any, room: float) -> None:
    """Infinities and nans stand in the same places; what is finite differs by rounding alone."""
    for plain, fast in zip(evaluated(graph.outputs, at), evaluated(optimize(graph).outputs, at), strict=True):
        a, b = plain.numpy().astype(np.float64), fast.numpy().astype(np.float64)
        np.testing.assert_array_equal(np.where(np.isfinite(a), 0, a), np.where(np.isfinite(b), 0, b))
        with np.errstate(invalid="ignore"):
            assert not np.any(np.abs(a - b) > room)


class Body:
    """A step of random sums of products. Large are the x, small the weights, and products are of moderate size."""

    def __init__(self, choose: Choose, large: list[Tensor], small: list[Tensor]) -> None:
        self.choose, self.large, self.small = choose, large, small

    def one(self, values: list[Tensor]) -> Tensor:
        x = values[self.choose(len(values))]
        return tl.transpose(x) if self.choose(3) == 0 else x

    def term(self, depth: int = 2) -> Tensor:
        """Something whose elements are sums of a few products."""
        choose = self.choose
        a, b = self.one(self.large), self.one(self.small)
        kind = choose(10) if depth else choose(5)
        if kind < 3:
            return a @ b if choose(2) else b @ a
        if kind == 3:
            return a * b
        if kind == 4:
            # 0, or nan; the sum of either a over time is far out of range.
            return (a - a) @ b
        if kind == 5:
            return self.term(depth - 1) + self.term(depth - 1)
        if kind == 6:
            return self.term(depth - 1) - self.term(depth - 1)
        if kind == 7:
            return -tl.transpose(self.term(depth - 1))
        if kind == 8:
            parts = [self.term(depth - 1)[:, :1], self.term(depth - 1)[:, 1:]]
            return tl.concatenate(parts, 1)
        joined = tl.concatenate([self.one(self.large), self.one(self.large)], 1)
        return joined @ tl.concatenate([self.one(self.small), self.one(self.small)], 0)


def program(choose: Choose, dtype: DType) -> tuple[Graph, dict[Any, Any], float]:
    steps = (0, 1, 2, 5)[choose(4)]
    limits = np.finfo(dtype.name)
    most = float(limits.max) / (MOST * 4)
    room = MOST * MOST * most * float(limits.eps)
    # The factors are as unlike as their product allows.
    large = 2.0 ** (np.floor(np.log2(float(limits.max))) - choose(3))
    small = most / large
    noise = np.random.default_rng(choose(1 << 16))
    symbols, at = [], {}
    for name, shape, scale in (
        ("xs", (steps, SIZE, SIZE), large), ("us", (steps, SIZE, SIZE), small), ("x", (SIZE, SIZE), large),
        ("u", (SIZE, SIZE), small), ("w", (SIZE, SIZE), small), ("start", (SIZE, SIZE), most),
    ):  # fmt: skip
        values = noise.uniform(-1, 1, shape) * scale
        for value in (np.inf, -np.inf, np.nan, 0.0, -0.0):
            if choose(3) == 0:
                values[noise.uniform(size=shape) < 0.1] = value
        symbols.append(tl.symbol(name, shape, dtype))
        at[symbols[-1]] = values.astype(dtype.name)
    xs, us, x, u, w, start = symbols

    def step(carry: Any, now: Any) -> Any:
        body = Body(choose, [x, now[0]], [u, w, now[1]])
        h, *sums = carry
        terms = [body.term() for _ in sums]
        new = [c + t if choose(4) else t + c + body.term() for c, t in zip(sums, terms, strict=True)]
        ys = [body.term(), tl.tanh(h) * now[1]]
        return (tl.tanh(body.term() + h), *new), ys

    zero = tl.zeros((SIZE, SIZE), dtype)
    last, ys = tl.scan(step, (w, zero, zero, start), (xs, us), reverse=bool(choose(2)))
    return Graph(tuple(symbols), (*last, *ys)), at, room


@given(st.data(), st.sampled_from([tl.float16, tl.float32, tl.float64]))
@settings(max_examples=150)
def test_sums_of_products(data: st.DataObject, dtype: DType) -> None:
    same_kinds(*program(lambda n: data.draw(st.integers(0, n - 1)) if n > 1 else 0, dtype))


def over_time(
    term: Callable[[Tensor, Tensor], Tensor],
    x: Any,
    w: Any,
    start: Any = None,
    step: Callable[[Tensor, Tensor], Tensor] = tl.add,
) -> np.ndarray[Any, Any]:
    """The sum of a term over the steps, through the passes; it is as without them."""
    symbols = [tl.symbol(name, v.shape, v.dtype.name) for name, v in (("x", x), ("w", w))]
    begin = tl.zeros((2, 2), x.dtype.name) if start is None else tl.tensor(start)
    total, _ = tl.scan(lambda c, x_t: (step(c, term(x_t, symbols[1])), None), begin, symbols[0])
    at = dict(zip(symbols, (x, w), strict=True))
    same_kinds(Graph(tuple(symbols), (total,)), at, np.inf)
    (fast,) = optimize(Graph(tuple(symbols), (total,))).outputs
    return fast.evaluate(at).numpy()


@pytest.mark.parametrize("side", [lambda x, w: x @ w, lambda x, w: w @ x], ids=["x w", "w x"])
def test_what_is_the_same_at_each_step_stays_a_factor(side: Callable[[Tensor, Tensor], Tensor]) -> None:
    half, single = np.float16, np.float32
    ordinary = over_time(side, np.full((1000, 2, 2), 100, half), np.full((2, 2), 1e-4, half))
    np.testing.assert_allclose(ordinary, 20, rtol=0.01)
    extreme = over_time(side, np.full((4, 2, 2), 2e38, single), np.full((2, 2), 1e-38, single))
    np.testing.assert_allclose(extreme, 16, rtol=1e-5)
    nothing = over_time(side, np.ones((0, 2, 2), single), np.full((2, 2), np.inf, single))
    np.testing.assert_array_equal(nothing, 0)


def test_differences_are_not_the_difference_of_sums() -> None:
    huge = np.full((4, 2, 2), 3e38, np.float32)
    assert over_time(lambda x, w: (x - x * w).sum() + w * 0, huge, np.ones((2, 2), np.float32)).tolist() == [[0, 0]] * 2
    assert over_time(lambda x, w: (x - x * w) @ w, huge, np.ones((2, 2), np.float32)).tolist() == [[0, 0]] * 2


def test_a_sum_of_halves_leaves_the_loop_whole_or_not_at_all() -> None:
    """Each of the two sums is beyond the 65504 of float16, and so is what is added to a start of −50000."""
    x, w = np.full((100, 2, 2), 30, np.float16), np.eye(2, dtype=np.float16)
    difference = over_time(lambda x, w: x @ (x * 0.5) - x @ (x * 0.5), x, w)
    assert difference.tolist() == [[0, 0]] * 2
    apart = over_time(lambda x, w: x @ x, x, w, step=lambda c, a: c + a + (-a))
    assert apart.tolist() == [[0, 0]] * 2
    from_below = over_time(
        lambda x, w: x @ tl.tanh(x), np.full((15, 2, 2), 3000, np.float16), w, np.full((2, 2), -5e4, np.float16)
    )
    np.testing.assert_allclose(from_below, 4e4, rtol=0.01)


@pytest.mark.parametrize("bad", [-3, 2])
def test_an_index_out_of_range_is_none_of_the_next_row(bad: int) -> None:
    x, places = tl.symbol("x", (3, 2)), tl.symbol("places", (3, 1), tl.int64)
    _, ys = tl.scan(lambda c, now: (c, tl.take(tl.sin(now[0]), now[1], axis=0)), (), (x, places))
    (fast,) = optimize(Graph((x, places), (ys,))).outputs
    at = {x: np.arange(6.0, dtype=np.float32).reshape(3, 2)}
    for row in range(3):
        for found in (ys, fast):
            with pytest.raises(tl.errors.IndexingError, match="out of bounds"):
                found.evaluate({**at, places: np.where(np.arange(3) == row, bad, 1).reshape(3, 1)})
    assert (
        fast.evaluate({**at, places: [[-2], [1], [-1]]}).tolist()
        == ys.evaluate({**at, places: [[0], [1], [1]]}).tolist()
    )


def test_a_loop_without_steps_gives_its_start() -> None:
    x, start = tl.symbol("x", (0, 2, 2)), tl.full((2, 2), -0.0)
    total, _ = tl.scan(lambda c, x_t: (c + x_t @ x_t, None), start, x)
    (fast,) = optimize(Graph((x,), (total,))).outputs
    assert np.signbit(fast.evaluate({x: np.ones((0, 2, 2))}).numpy()).all()


SUMS: dict[str, tuple[Callable[[Tensor, Tensor, Tensor], Tensor], bool]] = {
    "a product": (lambda c, x, h: c + tl.transpose(x) @ h, True),
    "on the other side": (lambda c, x, h: tl.transpose(x) @ h + c, True),
    "moved about": (lambda c, x, h: c + tl.concatenate([-(tl.transpose(x) @ h)[:1], (x @ x)[1:].named("n")], 0), True),
    "one times another": (lambda c, x, h: c + (x @ h) * (h @ x), True),
    "two terms": (lambda c, x, h: c + tl.transpose(x) @ h + h @ x, False),
    "a sum": (lambda c, x, h: c + (tl.transpose(x) @ h + h @ x), False),
    "a difference": (lambda c, x, h: c + (tl.transpose(x) @ h - h @ x), False),
    "a difference moved about": (lambda c, x, h: c + tl.transpose(-(tl.transpose(x) @ h - h @ x)), False),
}


@pytest.mark.parametrize("name", SUMS)
def test_which_sums_of_halves_leave_the_loop(name: str) -> None:
    step, leaves = SUMS[name]
    for dtype, start in ((tl.float32, 0.0), (tl.float32, 1.0), (tl.float16, 0.0), (tl.float16, 1.0)):
        x = tl.symbol("x", (4, 2, 2), dtype)
        begin = (tl.full((2, 2), 0.5, dtype=dtype), tl.full((2, 2), start, dtype=dtype))
        (_, total), _ = tl.scan(lambda c, x_t: ((tl.tanh(c[0] * x_t), step(c[1], x_t, c[0])), None), begin, x)
        graph = optimize(Graph((x,), (total,)))
        bodies = [n.attrs["body"].nodes() for n in graph.nodes() if n.op == "scan"]
        inside = sum(n.op == "contract" for body in bodies for n in body)
        assert (inside == 0) == (dtype is tl.float32 or (leaves and start == 0))


STACKED = tl.symbol("x", (4, 2, 2), tl.float64)
LEAVING: dict[str, Callable[[Any, Tensor], Any]] = {
    "a sum of slices": lambda c, x: ((tl.tanh(c[0] + x), c[1] + x.sum(axis=0)), None),
    "a sum of what is stacked": lambda c, x: ((h := tl.tanh(c[0] + x), c[1] + h.sum(axis=0)), h),
    "a sum of a carry that is stacked": lambda c, x: ((h := tl.tanh(c[0] + x), c[1] + c[0].sum(axis=0)), h),
    "a sum of a part of what is stacked": lambda c, x: (
        (h := tl.tanh(c[0] + x), c[1] + (s := tl.sin(c[0])).sum(axis=0)), tl.concatenate([h, s]),
    ),
    "a sum of a part of a part of what is stacked": lambda c, x: (
        (h := tl.tanh(c[0] + x), c[1] + (s := tl.sin(c[0])).sum(axis=0)),
        tl.concatenate([tl.concatenate([h, h * s]), tl.concatenate([s, h])]),
    ),
    "a sum of what all steps share": lambda c, x: ((h := tl.tanh(c[0] + x), c[1] + (h * STACKED[0]).sum(axis=0)), h),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAVING)
def test_a_sum_leaves_the_loop_where_its_terms_are_stacked_anyway(name: str) -> None:
    (last, total), ys = tl.scan(LEAVING[name], (tl.ones((2, 2), tl.float64), tl.zeros(2, tl.float64)), STACKED)
    subject = Subject(Graph((STACKED,), tuple(y for y in (last, total, ys) if y is not None)), [np.ones((4, 2, 2))])
    graph = optimize(subject.graph)
    assert differences(subject, graph) < 1e-12
    loops = [n for n in graph.nodes() if n.op == "scan"]
    assert [n.attrs["carries"] for n in loops] == [1]
    assert all(n.op != "sum" for n in loops[0].attrs["body"].nodes())


STAYING: dict[str, Callable[[Any, Tensor], Any]] = {
    "a sum of a value of the step": lambda c, x: ((h := tl.tanh(c[0] + x), c[1] + (h * x).sum(axis=0)), None),
    "a sum of a carry": lambda c, x: ((tl.tanh(c[0] + x), c[1] + c[0].sum(axis=0)), None),
    "a sum of a part of what is joined for another": lambda c, x: (
        (tl.tanh(tl.concatenate([s := tl.sin(c[0]), x])[1:3]), c[1] + (s * x).sum(axis=0)), None,
    ),
    "a sum beside another value that is stacked": lambda c, x: (
        (h := tl.tanh(c[0] + x), c[1] + (h * x).sum(axis=0)), tl.concatenate([tl.sin(h), x]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STAYING)
def test_a_sum_stays_in_the_loop_where_its_terms_would_have_to_be_stacked(name: str) -> None:
    (last, total), ys = tl.scan(STAYING[name], (tl.ones((2, 2), tl.float64), tl.zeros(2, tl.float64)), STACKED)
    subject = Subject(Graph((STACKED,), tuple(y for y in (last, total, ys) if y is not None)), [np.ones((4, 2, 2))])
    graph = optimize(subject.graph)
    assert differences(subject, graph) < 1e-12
    assert [n.attrs["carries"] for n in graph.nodes() if n.op == "scan"] == [2]
