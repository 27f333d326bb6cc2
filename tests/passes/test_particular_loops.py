"""Loops that a pass could get wrong, each before and after all passes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.passes.cells import Subject, differences
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.loop import loop_items, loop_node
from tinygrad_lstm.passes import optimize

F64 = tl.float64
Case = Callable[[Tensor, Tensor, Tensor], list[Tensor]]
CASES: dict[str, Case] = {}


def case(f: Case) -> Case:
    CASES[f.__name__] = f
    return f


def zeros(*shape: int) -> Tensor:
    return tl.zeros(shape, F64)


@case
def sums_that_start_at_a_value(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    step = lambda c, x_t: ((tl.tanh(c[0] + x_t), c[1] + tl.transpose(x_t) @ c[0] - 0.0), None)  # noqa: E731
    (last, total), _ = tl.scan(step, (h, w @ w), x)
    return [last, total]


@case
def sums_of_several_terms(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Any, x_t: Tensor) -> Any:
        a = tl.tanh(c[0] @ w + x_t)
        return (a, tl.transpose(a) @ x_t + (c[1] + tl.transpose(x_t) @ a) + tl.transpose(x_t) @ x_t + w), None

    (last, total), _ = tl.scan(step, (h, zeros(3, 3)), x)
    return [last, total]


@case
def differences_that_pile_up(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    step = lambda c, x_t: ((c[0] - tl.transpose(x_t) @ c[1], tl.tanh(c[1] @ w)), None)  # noqa: E731
    (total, last), _ = tl.scan(step, (w, h), x)
    return [total, last]


@case
def a_sum_that_is_read_elsewhere(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Any, x_t: Tensor) -> Any:
        total = c[1] + tl.transpose(x_t) @ c[0]
        return (tl.tanh(c[0] @ total), total), tl.sin(total)

    (last, total), ys = tl.scan(step, (h, w), x)
    return [last, total, ys]


@case
def a_sum_that_is_also_stacked(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Any, x_t: Tensor) -> Any:
        total = c + tl.transpose(x_t) @ x_t
        return total, (total, c)

    total, (after, before) = tl.scan(step, w, x)
    return [total, after, before]


@case
def a_sum_that_is_stacked_half_way(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Any, x_t: Tensor) -> Any:
        p, q = tl.transpose(x_t) @ x_t, tl.transpose(x_t) @ c[0]
        half = c[2] + p
        return (tl.tanh(c[0] + x_t), c[1] + p, half + q, c[3] + p, c[4] + q), (c[1], half, c[3] * 2.0)

    (*last,), ys = tl.scan(step, (h, w, w, w, w), x)
    return [*last, *ys]


@case
def sums_of_integers(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Any, x_t: Tensor) -> Any:
        signs = (x_t > 0).astype(tl.int32)
        return (c[0] + signs.sum(axis=0).astype(tl.int32), c[1] + 1, tl.tanh(c[2] + x_t)), c[1]

    start = (tl.zeros((3,), tl.int32), tl.tensor(5, dtype=tl.int64), h)
    (counts, number, last), numbers = tl.scan(step, start, x)
    return [counts, number, last, numbers]


@case
def what_was_true_once(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    step = lambda c, x_t: ((tl.logical_or(c[0], x_t > 1), tl.tanh(c[1] + x_t)), None)  # noqa: E731
    (any_, last), _ = tl.scan(step, (tl.zeros((2, 3), tl.bool_), h), x)
    return [any_, last]


@case
def sums_along_axes(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Any, x_t: Tensor) -> Any:
        a = tl.tanh(c[0] + x_t)
        return (a, c[1] + a.sum(axis=0), c[2] + a.sum(axis=1, keepdims=True), c[3] + a.sum(), c[4] + x_t.sum()), a

    start = (h, zeros(3), zeros(2, 1), zeros(), zeros())
    (*last,), ys = tl.scan(step, start, x)
    return [*last, ys]


@case
def carries_that_change_places(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    (a, b, c), ys = tl.scan(lambda c, x_t: ((c[1], c[2], c[0] * 0.5 + x_t), (c[0], c[2])), (h, h * 2.0, h + 1.0), x)
    return [a, b, c, *ys]


@case
def carries_that_wait_for_each_other(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    """Only the first is read, which needs the second in the next step, and so on."""
    step = lambda c, x_t: ((tl.tanh(c[1]), tl.sin(c[2]), c[3] @ w, c[3] + x_t, c[4] * 2.0), None)  # noqa: E731
    return [tl.scan(step, (h, h * 2.0, h + 1.0, h - 1.0, h), x)[0][0]]


@case
def carries_that_rest(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    (a, b), ys = tl.scan(lambda c, x_t: ((c[0], tl.tanh(c[1] @ c[0] + x_t)), (c[0], x_t)), (w, h), x)
    return [a, b, *ys]


@case
def a_carry_that_is_a_slice(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    last, ys = tl.scan(lambda c, x_t: (x_t, tl.tanh(c @ w)), h, x)
    return [last, ys]


@case
def nothing_is_carried(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    _, ys = tl.scan(lambda c, x_t: (c, (tl.tanh(x_t @ w) + h, x_t.sum(), h, tl.full((), 2.0, dtype=F64))), (), x)
    return list(ys)


@case
def nothing_is_stepped_through(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    last, ys = tl.scan(lambda c, _: (tl.tanh(c @ w), c.sum(axis=0)), h, None, length=x.shape[0])
    return [last, ys]


@case
def constants_are_stepped_through(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    times = tl.arange(x.shape[0])
    last, ys = tl.scan(lambda c, now: (tl.tanh(c @ w + now[0]) * now[1], now[1]), h, (x, times))
    return [last, ys]


@case
def loops_over_the_same_sequence(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    a, ya = tl.scan(lambda c, x_t: (tl.tanh(c @ w + x_t @ w), c), h, x)
    b, yb = tl.scan(lambda c, x_t: (tl.sin(c @ w + x_t @ w), c), h, x, reverse=True)
    c, yc = tl.scan(lambda c, now: (tl.sin(c + now[0] @ w) + now[1], c), h, (x, ya))
    return [a, b, c, ya, yb, yc]


@case
def a_loop_over_what_a_loop_with_the_same_carry_gives(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    first, ys = tl.scan(lambda c, x_t: (tl.tanh(c @ w + x_t), c), h, x)
    step = lambda c, now: ((tl.tanh(c[0] @ w + now[0]), c[1] + now[1]), c[0])  # noqa: E731
    (second, total), zs = tl.scan(step, (h, zeros(2, 3)), (x, ys))
    return [first, second, total, zs]


@case
def a_loop_over_the_last_carry_of_another(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    last, _ = tl.scan(lambda c, x_t: (tl.tanh(c @ w + x_t), None), h, x)
    _, ys = tl.scan(lambda c, row: (tl.sin(c @ w + row), c * row), h[0], last)
    return [ys]


@case
def loops_with_one_body(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    """The body of a loop run again by hand, from another start and over other numbers."""
    last, ys = tl.scan(lambda c, x_t: (tl.tanh(c @ w + x_t), tl.sin(c)), h, x)
    loop = last.inputs[0]
    again = tl.scan(lambda c, x_t: (tl.tanh(c @ w + x_t), tl.sin(c)), last, ys)
    twin = loop_node(loop.attrs["body"], [last], [ys], list(loop.inputs[2:]), x.shape[0], True)
    return [last, ys, again[0], again[1], *loop_items(twin)]


@case
def every_other_column_of_a_product(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    """The parts go to the carry and to a stack, and one of them has a step."""
    wide = tl.concatenate([w, w * 0.5], 1)
    step = lambda c, x_t: (tl.tanh((y := (c + x_t) @ wide)[:, ::2]), y[:, 1::2])  # noqa: E731
    last, ys = tl.scan(step, h, x)
    return [last, ys]


@case
def sums_of_products_that_stay_the_same(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    v = tl.tanh(w)

    def step(c: Tensor, x_t: Tensor) -> Any:
        a, b = tl.concatenate([h, c], 1), tl.concatenate([h, tl.sin(c)], 1)
        return tl.tanh(a @ tl.concatenate([w, v], 0) + b @ tl.concatenate([v, w], 0) + x_t), c

    last, ys = tl.scan(step, h, x)
    return [last, ys]


@case
def a_part_of_a_joined_value_is_summed(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Any, x_t: Tensor) -> Any:
        a, b = tl.tanh(c[0] + x_t), tl.sin(c[0])
        both = tl.concatenate([a, b], 1)
        return (a, c[1] + b.sum(axis=0), c[2] + a.sum(axis=0)), both

    (*last,), ys = tl.scan(step, (h, zeros(3), zeros(3)), x)
    return [*last, ys]


@case
def a_sum_with_a_product_that_the_loop_needs(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Any, x_t: Tensor) -> Any:
        y = tl.transpose(c[0]) @ c[0]
        return (tl.tanh(c[0] @ y + x_t), c[1] + (y - tl.transpose(x_t) @ c[0]), c[2] + (tl.transpose(x_t) @ x_t + y)), y

    (*last,), ys = tl.scan(step, (h, zeros(3, 3), w), x)
    return [*last, ys]


@case
def a_sum_of_a_product_and_a_row_of_another(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    row = tl.sin(h[:1])
    last, _ = tl.scan(lambda c, x_t: (tl.tanh(tl.sin(c) @ w + tl.cos(c[:1]) @ w + x_t), None), h, x)
    return [last, row @ w + tl.cos(h) @ w, tl.cos(h) @ w + (row @ w + tl.sin(h) @ w)]


@case
def products_of_what_is_broadcast(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    """Along new axes, along axes of size 1 in front and within, on either side, kept and summed."""
    tall = tl.broadcast_to(w.reshape(3, 1, 3), (3, 2, 3))
    row, column = tl.broadcast_to(w[:1], (3, 3)), tl.broadcast_to(w[:, :1], (3, 3))
    products = [
        tl.broadcast_to(w, (x.shape[0], 3, 3)), tl.broadcast_to(w[:1].reshape(1, 1, 3), (x.shape[0], 3, 3)),
    ]  # fmt: skip
    return [
        *[x @ p for p in products], *[tl.transpose(p, (0, 2, 1)) @ tl.transpose(x, (0, 2, 1)) for p in products],
        tall @ w, h @ row, h @ column, row @ w,
        tl.broadcast_to(h.reshape(1, 2, 3), (3, 2, 3)) @ tl.transpose(tall, (0, 2, 1)),
        tl.stack([h, h * 2.0]).reshape(2, 1, 2, 3) @ tl.stack([w * k for k in range(6)]).reshape(3, 1, 2, 3, 3),
    ]  # fmt: skip


@case
def loops_in_loops(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Any, x_t: Tensor) -> Any:
        inner, ys = tl.scan(lambda d, row: (tl.tanh(d @ w + row @ w + c[0]), d * row), c[0], x)
        return (tl.tanh(inner + x_t @ w), c[1] + tl.transpose(inner) @ x_t), ys.sum(axis=0)

    (last, total), ys = tl.scan(step, (h, zeros(3, 3)), x)
    return [last, total, ys]


@case
def recomputed_inside(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    f = tl.checkpoint(lambda c, x_t: tl.tanh(tl.concatenate([c, x_t], 1) @ tl.concatenate([w, w], 0)))
    last, ys = tl.scan(lambda c, x_t: ((n := f(c, x_t)), n * c), h, x)
    return [last, ys]


@case
def recomputed_around(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def run(start: Tensor, x: Tensor) -> Any:
        return tl.scan(lambda c, x_t: (tl.tanh(c @ w + x_t @ w), tl.sin(c)), start, x)

    last, ys = tl.checkpoint(run)(h, x)
    again, _ = tl.checkpoint(run)(last, x)
    return [last, ys, again]


@case
def rows_are_taken(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    """By indices that vary, from a table that varies, and both; along each axis."""
    places = tl.tensor(np.arange(x.shape[0] * 2).reshape(-1, 2) % 3 - 1)

    def step(c: Tensor, now: Any) -> Any:
        x_t, i = now
        rows = [tl.take(w, i, axis=k) for k in (0, 1)]
        columns = [tl.take(x_t, [1, 0], axis=k) for k in (0, 1)]
        both = [tl.take(x_t, i % 2, axis=k) for k in (0, 1)]
        return tl.tanh(c + rows[0] @ w), (*rows, *columns, *both, tl.take(c, i, axis=1))

    last, ys = tl.scan(step, h, (x, places))
    return [last, *ys]


@case
def rows_are_added(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    places = tl.tensor(np.arange(x.shape[0] * 2).reshape(-1, 2) % 4)
    f = lambda c, now: (tl.tanh(c + now[0]), tl.scatter_add(now[0], now[1], size=4) @ w)  # noqa: E731
    last, ys = tl.scan(f, h, (x, places))
    return [last, ys]


@case
def everything_that_is_batched(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Tensor, x_t: Tensor) -> Any:
        heavy = x_t @ w
        low = heavy.sum(axis=0)
        parts = [
            tl.concatenate([w, heavy], 0), tl.concatenate([h, heavy, c], 1), heavy + low, heavy * h, h - low,
            tl.flip(heavy, 0), tl.pad(heavy, [(1, 0), (0, 2)]), heavy[:, ::2], heavy[1:, :2], tl.transpose(heavy),
            heavy.reshape(3, 2), tl.broadcast_to(low, (4, 2, 3)), tl.max(heavy, axis=1), tl.min(heavy, axis=0),
            tl.logsumexp(heavy, axis=1), tl.argmax(heavy, axis=1), tl.argsort(heavy, axis=1), tl.sort(heavy, axis=0),
            tl.where(heavy > low, heavy, w[0]), heavy.named("heavy"), tl.einsum("bi,bj->bij", heavy, heavy),
            tl.einsum("bkj,bj->bk", tl.stack([heavy, h], 1), heavy),
        ]  # fmt: skip
        return tl.tanh(c + heavy), parts

    last, ys = tl.scan(step, h, x)
    return [last, *ys]


@case
def chance_in_a_loop(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    dropout = tl.nn.Dropout(0.5, tl.random.key(0))
    keys = tl.tensor(np.arange(2 * x.shape[0], dtype=np.uint32).reshape(-1, 2))
    fixed = tl.random.key(3)
    f = lambda c, now: (dropout(tl.tanh(c @ w + now[0]), now[1]), dropout(c, fixed))  # noqa: E731
    last, ys = tl.scan(f, h, (x, keys))
    return [last, ys]


@case
def shared_weights(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    """One weight for both states, as it is and transposed."""
    f = lambda c, x_t: ((tl.tanh(c[0] @ w + c[1] @ tl.transpose(w)), tl.tanh(c[0] @ w + x_t @ w)), c[1] @ w)  # noqa: E731
    last, ys = tl.scan(f, (h, h), x)
    return [*last, ys]


@case
def attention_over_the_past(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    def step(c: Tensor, x_t: Tensor) -> Any:
        keys = tl.reshape(x, (-1, 3)) if x.size else w
        weights = tl.softmax((c @ w) @ tl.transpose(keys), axis=-1)
        new = tl.tanh(tl.concatenate([weights @ keys, x_t], 1) @ tl.concatenate([w, w], 0))
        return new, weights.sum(axis=0)

    last, ys = tl.scan(step, h, x)
    return [last, ys]


@case
def zeros_and_numbers_that_are_none(x: Tensor, w: Tensor, h: Tensor) -> list[Tensor]:
    """Constants that are equal to Python and differ in bits, and equal numbers of two types."""
    minus, plus = tl.full((), -0.0, dtype=F64), tl.full((), 0.0, dtype=F64)
    a = tl.arctan2(plus, h * 0.0 - 1.0), tl.arctan2(minus, h * 0.0 - 1.0)
    nan = [tl.where(h > 0, tl.full((), np.nan, dtype=F64), h), tl.full((), np.inf, dtype=F64) * h]
    return [*a, *nan, tl.where(h > 0, True, False), tl.where(h > 0, 1, 0), tl.full((), np.nan, dtype=F64) + h]


def program(name: str, steps: int, order: int) -> Subject:
    noise = np.random.default_rng(5)
    shapes = ((steps, 2, 3), (3, 3), (2, 3))
    symbols = [tl.symbol(n, s, F64) for n, s in zip("xwh", shapes, strict=True)]
    outputs = CASES[name](*symbols)
    loss = tl.full((), 0.0, dtype=F64)
    for y in outputs:
        if y.dtype is F64:
            loss = loss + (tl.sin(y) * tl.tensor(noise.normal(size=y.shape))).sum()
    for _ in range(order):
        slopes = tl.gradients(loss, symbols)
        outputs = [*outputs, *slopes]
        for g in slopes:
            loss = loss + (g * tl.tensor(noise.normal(size=g.shape))).sum()
    return Subject(Graph(tuple(symbols), tuple(outputs)), [noise.normal(size=s) * 0.7 for s in shapes])


@pytest.mark.parametrize("steps", [4, 1, 0])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_values_and_gradients_stay(name: str, steps: int) -> None:
    subject = program(name, steps, order=2 if steps == 4 else 1)
    assert differences(subject, optimize(subject.graph)) < 1e-12


def test_transforms() -> None:
    """What jvp, hvp, jacobian and hessian make of a loop goes through the passes, too."""
    noise = np.random.default_rng(0)
    x, w, v = tl.symbol("x", (4, 2, 3), F64), tl.symbol("w", (3, 3), F64), tl.symbol("v", (3, 3), F64)

    def last(w: Tensor) -> Tensor:
        result: Tensor = tl.scan(lambda h, x_t: (tl.tanh(h @ w + x_t), None), zeros(2, 3), x)[0]
        return result

    def loss(w: Tensor) -> Tensor:
        return (last(w) ** 2).sum()

    outputs = (*tl.jvp(last, (w,), (v,)), tl.hvp(loss, w, v), tl.jacobian(last)(w), tl.hessian(loss)(w))
    values = [noise.normal(size=s.shape) for s in (x, w, v)]
    subject = Subject(Graph((x, w, v), outputs), values)
    assert differences(subject, optimize(subject.graph)) < 1e-12


def test_ops_of_others_keep_their_attributes() -> None:
    """1, 1.0 and True are equal to Python, and so are 0.0 and −0.0; as attributes they are not."""
    scaled = tl.define_op(
        "scaled",
        shape=lambda x, by: x,
        kernel=lambda module, x, by: x * 2.0 if isinstance(by, bool) else x + by if by else np.copysign(1.0, by) * x,
        gradient=None,
    )
    x = tl.symbol("x", (3,), F64)
    factors = (True, 1.0, 1, 0.0, -0.0, float("nan"), float("nan"))
    _, ys = tl.scan(lambda c, x_t: (c, [scaled(x_t + c, by=f) for f in factors]), zeros(), x)
    subject = Subject(Graph((x,), tuple(ys)), [np.array([1.0, 2.0, 3.0])])
    fast = optimize(subject.graph)
    assert differences(subject, fast) == 0
