"""Every case of the table: its value, its derivatives, and both inside a loop."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.covering import covering
from tests.ops.cases import CASES, Array, Case
from tests.ops.cases.forms import forms
from tinygrad_lstm.graph.function import Graph, verify
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.testing import check_gradients

SMOOTH = [c for c in CASES if c.smooth]


def assert_close(case: Case, got: Any, want: Any, inputs: tuple[Array, ...]) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    if want.dtype.kind != "f":
        assert np.array_equal(got, want)
        return
    finite = np.isfinite(want)
    assert np.array_equal(np.where(finite, 0, got), np.where(finite, 0, want), equal_nan=True)
    assert np.isfinite(got[finite]).all()
    want, got = want[finite], got[finite]
    if not case.ulps:
        assert np.array_equal(got, want)
        assert np.array_equal(np.signbit(got), np.signbit(want)) or case.name in ("maximum", "minimum", "max", "min")
        return
    info = np.finfo(want.dtype)
    scale = max([1.0, *[float(np.abs(x[np.isfinite(x)]).max(initial=0)) for x in inputs if x.dtype.kind == "f"]])
    allowed = case.ulps * np.spacing(np.abs(want)).astype(float) + case.absolute * float(info.eps) * scale
    # Below the smallest normal number digits are lost, differently everywhere.
    assert (np.abs(got.astype(float) - want.astype(float)) <= allowed + float(info.tiny)).all()


def assert_value(case: Case, inputs: tuple[Array, ...]) -> None:
    got = flatten(case.f(*[tl.tensor(x) for x in inputs]))[0]
    with np.errstate(all="ignore"):
        want = flatten(case.referee(*inputs))[0]
    assert len(got) == len(want)
    for y, w in zip(got, want, strict=True):
        verify(y)
        assert_close(case, y.numpy(), w, inputs)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value(case: Case) -> None:
    assert_value(case, case.inputs)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("case", [c for c in SMOOTH if c.name != "cast"], ids=str)
def test_value_in_narrower_floats(case: Case, dtype: Any) -> None:
    assert_value(case, tuple(x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs))


def of_floats(case: Case) -> tuple[Any, list[Array]]:
    """The case as a function of its float inputs alone."""
    places = [k for k, x in enumerate(case.inputs) if x.dtype.kind == "f"]

    def f(*floats: Any) -> Any:
        every = [tl.tensor(x) for x in case.inputs]
        for k, x in zip(places, floats, strict=True):
            every[k] = x
        return case.f(*every)

    return f, [case.inputs[k] for k in places]


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_gradients_of_first_and_second_order(case: Case) -> None:
    f, points = of_floats(case)
    check_gradients(f, *points, order=2)


def over_time(x: Array, steps: int) -> Array:
    """``x`` and permutations of it along a new first axis."""
    return np.stack([np.roll(x.ravel(), t).reshape(x.shape) for t in range(steps)])


def total(ys: list[Any]) -> Any:
    """A number that each element of the floats among ``ys`` has its own weight in."""
    parts = [(y * tl.tensor(np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype.name))).sum() for y in ys]
    return sum(parts[1:], parts[0])


@pytest.mark.parametrize("case", covering([c for c in CASES if c.inputs], forms), ids=str)
def test_in_the_body_of_a_loop(case: Case) -> None:
    """As slices, as carries, and as operands, against the same steps one after another; and so the gradients."""
    steps = 3
    series = [tl.tensor(over_time(x, steps)) for x in case.inputs]
    fixed = [tl.tensor(x) for x in case.inputs]

    rolled = [
        tl.scan(lambda c, xs: (c, case.f(*xs)), tl.tensor(0.0), series)[1],
        tl.scan(lambda c, _: (c, case.f(*c)), fixed, length=steps)[1],
        tl.scan(lambda c, x: (c, case.f(x, *fixed[1:])), tl.tensor(0.0), series[0])[1],
    ]
    unrolled = [
        [case.f(*[s[t] for s in series]) for t in range(steps)],
        [case.f(*fixed) for t in range(steps)],
        [case.f(series[0][t], *fixed[1:]) for t in range(steps)],
    ]
    for loop, single in zip(rolled, unrolled, strict=True):
        ys = flatten(loop)[0]
        wanted = [tl.stack(list(at)) for at in zip(*[flatten(y)[0] for y in single], strict=True)]
        for y, w in zip(ys, wanted, strict=True):
            verify(y)
            assert_close(case, y.numpy(), w.numpy(), case.inputs)
        if case.smooth:
            floats = [x for x in (*series, *fixed) if x.dtype.is_float]
            found, expected = (
                tl.gradients(total(ys), floats, allow_unused=True),
                tl.gradients(total(wanted), floats, allow_unused=True),
            )
            for g, e in zip(found, expected, strict=True):
                verify(g)
                np.testing.assert_allclose(g.numpy(), e.numpy(), rtol=1e-10, atol=1e-10)


def test_gradients_of_graphs_are_well_formed() -> None:
    """Second-order gradients too, with all bodies closed."""
    for case in SMOOTH:
        f, points = of_floats(case)
        xs = [tl.symbol(f"x{k}", x.shape, x.dtype) for k, x in enumerate(points)]
        ys = flatten(f(*xs))[0]
        first = tl.gradients(ys, xs)
        second = tl.gradients(first, xs)
        for y in (*ys, *first, *second):
            verify(y)
        verify(Graph(tuple(xs), tuple(second)))
