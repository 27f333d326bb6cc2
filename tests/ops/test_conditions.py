"""``cond`` and ``while_loop`` against Python's if and while: values, derivatives to second order, compiled, mapped."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.batching.looping import looped, weighed
from tests.codegen.small_programs import needs_c
from tests.covering import examples
from tests.ops.test_scan import XS, A, B, W, assert_same
from tests.programs import Program, programs
from tinygrad_lstm.errors import DTypeError, GradientError, ShapeError, StructureError, UsageError
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.testing import check_gradients

BACKENDS = ["numpy", pytest.param("c", marks=needs_c)]


def same(got: Any, want: Any, tolerance: float = 1e-9) -> None:
    for g, w in zip(flatten(got)[0], flatten(want)[0], strict=True):
        expected = np.asarray(w)
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        np.testing.assert_allclose(np.asarray(g), expected, rtol=tolerance, atol=tolerance * scale)


def chosen(then: Program, other: Program, choose: Any) -> Any:
    """A function of a flag and three vectors, in which ``choose`` chooses between two programs; ``w`` is a closure."""

    def f(flag, a, b, c):
        inner = choose(
            flag,
            lambda a, b: {"x": then.run([a, b, c, W], symbolic=True), "y": b},
            lambda a, b: {"x": other.run([a, b, c, W], symbolic=True), "y": tl.tanh(a)},
            a,
            b,
        )
        return inner["x"][0] * c + inner["x"][1], inner["y"]

    return f


def by_python(flag: Any, then: Any, other: Any, *operands: Any) -> Any:
    return then(*operands) if flag else other(*operands)


PAIR = {"inputs": 4, "outputs": 2, "most": 4}


@given(programs(**PAIR), programs(**PAIR), st.booleans())
@examples(40)
def test_random_branches(then: Program, other: Program, flag: bool) -> None:
    c = XS[0]
    got = chosen(then, other, tl.cond)(tl.tensor(flag), A, B, c)
    assert_same(got, chosen(then, other, by_python)(flag, A, B, c), [A, B, c, W])


@pytest.mark.parametrize("backend", BACKENDS)
@given(programs(**PAIR), programs(**PAIR))
@examples(15)
def test_random_branches_compiled(backend: str, then: Program, other: Program) -> None:
    """One program for both values of the flag, also of the gradient of the gradient."""
    f = weighed(chosen(then, other, tl.cond))
    slope = tl.value_and_grad(f, (1, 2))
    functions = [f, slope, tl.grad(lambda *args: sum(tl.sum(g) for g in slope(*args)[1]) + slope(*args)[0], (1, 3))]
    with tl.use_backend(backend):
        for g in functions:
            compiled = tl.jit(g)
            for flag in (True, False):
                same(compiled(tl.tensor(flag), A, B, XS[0]), g(tl.tensor(flag), A, B, XS[0]))


@given(programs(**PAIR), programs(**PAIR), st.sampled_from([(1, 0, 1), (0, 0, 0), (1, 1, 1)]))
@examples(20)
def test_random_branches_mapped(then: Program, other: Program, flags: tuple[int, ...]) -> None:
    f = chosen(then, other, tl.cond)
    chooses, axes = tl.tensor(flags).astype(tl.bool_), (0, 0, None, 0)
    args = (chooses, XS[:3], B, XS[1:])
    slope = tl.grad(weighed(f), (1, 2))
    for g in (f, slope, tl.grad(weighed(slope), (1, 3))):
        same(tl.vmap(g, axes)(*args), looped(g, axes)(*args), 1e-8)


@given(programs(inputs=3, outputs=2, most=4), st.integers(0, 3), st.integers(0, 4))
@examples(30)
def test_random_loops(program: Program, steps: int, bound: int) -> None:
    """Forwards without a bound; with one in both modes, and not beyond it."""

    def step(value, run):
        i, a, b = value
        a, b = run([a, b, W])
        return i + 1, a, b

    def python(a, b, most=steps):
        value = (0, a, b)
        while value[0] < min(steps, most):
            value = step(value, lambda inputs: program.run(inputs, symbolic=True))
        return value[1:]

    def loop(a, b, most=None):
        return tl.while_loop(
            lambda v: v[0] < steps,
            lambda v: step(v, lambda inputs: program.run(inputs, symbolic=True)),
            (0, a, b),
            bound=most,
        )[1:]

    same(loop(A, B), python(A, B))
    assert_same(loop(A, B, bound), python(A, B, bound), [A, B, W])
    along = (A, B), (B, A * B)
    same(tl.jvp(loop, *along), tl.jvp(python, *along))
    same(tl.jit(lambda a, b: tl.jvp(loop, (a, b), along[1]))(A, B), tl.jvp(python, *along))
    twice = [tl.jvp(lambda a, f=f: tl.jvp(f, (a, B), along[1])[1], (A,), (B,))[1] for f in (loop, python)]
    same(*twice)


def root(a: Any, bound: int | None = None) -> Any:
    """Newton's method; the number of steps depends on ``a``."""
    return tl.while_loop(lambda x: tl.abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a, bound=bound)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_ends_by_what_it_computes(backend: str) -> None:
    values = np.array([1.5, 4.0, 2e4, 0.3])
    slopes = 0.5 / np.sqrt(values)
    with tl.use_backend(backend):
        for map_ in (lambda f: f, tl.jit):
            same(map_(tl.vmap(root))(values), np.sqrt(values))
            same(map_(tl.vmap(tl.grad(lambda a: root(a, 40))))(values), slopes, 1e-6)
            same(map_(lambda a: tl.jvp(tl.vmap(root), (a,), (np.ones(4),))[1])(values), slopes, 1e-6)
        compiled = tl.jit(root)
        for a in values:
            same(compiled(a), np.sqrt(a))
        counts = tl.jit(tl.vmap(lambda n, x: tl.fori_loop(0, n, lambda i, c: c * x + i, 0.0)))
        same(counts(tl.tensor([0, 3, 1]), tl.tensor([1.0, 2.0, 3.0])), np.array([0, 4, 0]))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("x", [-1.0, 0.0, 2.0])
def test_what_was_not_chosen_gives_no_nan(backend: str, x: float) -> None:
    """Neither in a branch's own operands nor in what it reads from outside, nor for other examples."""

    def f(x):
        return tl.cond(x > 0, lambda: tl.log(x) + tl.sqrt(x) ** 3, lambda: x * 0.0)

    slope, second = (1 / x + 1.5 * x**0.5, -1 / x**2 + 0.75 / x**0.5) if x > 0 else (0.0, 0.0)
    with tl.use_backend(backend):
        for g, want in (
            (tl.grad(f), slope),
            (tl.grad(tl.grad(f)), second),
            (lambda x: tl.jvp(f, (x,), (1.0,))[1], slope),
        ):
            same(g(np.float64(x)), want)
            same(tl.jit(g)(np.float64(x)), want)
        xs = np.array([2.0, x, 3.0])
        together = tl.grad(lambda xs: tl.vmap(f)(xs).sum())
        same(tl.jit(together)(xs)[1], slope)
        same(together(xs)[1], slope)


def test_only_what_is_chosen_is_computed() -> None:
    runs = []

    def kernel(xp, x):
        runs.append(1)
        return xp.exp(x)

    f = tl.define_op("counted_exp", None, kernel, lambda g, y, x: g * f(x))
    for g in (f, tl.grad(lambda x: f(x).sum())):
        asked = tl.jit(lambda flag, x, g=g: tl.cond(flag, lambda: g(x), lambda: tl.zeros(3)))
        for flag, count in ((False, 0), (True, 1)):
            runs.clear()
            tl.evaluate(tl.cond(tl.tensor(flag), lambda g=g: g(tl.ones(3)), lambda: tl.zeros(3)))
            assert (len(runs) > 0) == count
            runs.clear()
            asked(tl.tensor(flag), tl.ones(3)).numpy()
            assert (len(runs) > 0) == count


def test_workers_wait_for_the_condition() -> None:
    """A loop whose steps are large enough for several threads."""

    def f(x, w):
        return tl.while_loop(lambda v: v[0] < 7, lambda v: (v[0] + 1, tl.tanh(v[1] @ w + 0.1)), (0, x))[1]

    x, w = tl.random.normal(tl.random.key(0), (64, 128)), tl.random.normal(tl.random.key(1), (128, 128)) * 0.1
    with tl.use_backend("c"):
        for _ in range(20):
            same(tl.jit(f)(x, w), f(x, w), 1e-4)


test_workers_wait_for_the_condition = needs_c(test_workers_wait_for_the_condition)


def test_numbers_take_the_type_that_they_meet() -> None:
    assert tl.cond(A.sum() > 0, lambda: 1.0, lambda: A[0]).dtype is tl.float64
    assert tl.cond(1.0, lambda: 1, lambda: 2.5).dtype is tl.float32
    assert tl.cond(0, lambda x: x, lambda x: x + 1, 3).item() == 4
    count, x = tl.while_loop(lambda v: v[0] < 3, lambda v: (v[0] + 1, v[1] * A[0]), (0, 1.0))
    assert (count.dtype, count.item()) == (tl.int64, 3)
    assert x.dtype is tl.float64
    check_gradients(lambda a: tl.cond(a.sum() < 100, lambda a: a * a, tl.sin, a), A.numpy())


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (UsageError, "pred is one bool, not f64", lambda: tl.cond(A, tl.sin, tl.cos, A)),
        (UsageError, "true_fun is a function of the operands, not Tensor", lambda: tl.cond(True, A, B)),
        (UsageError, "calls false_fun with the 1 operands", lambda: tl.cond(True, tl.sin, lambda: A, A)),
        (StructureError, "give both one structure", lambda: tl.cond(True, lambda: (A, B), lambda: A)),
        (ShapeError, "give both one shape", lambda: tl.cond(True, lambda: A, lambda: A.sum())),
        (DTypeError, "give both one shape and element type", lambda: tl.cond(True, lambda: A, lambda: tl.zeros(3))),
        (UsageError, "not only where it is chosen; return the new value", lambda: tl.cond(True, assigning, lambda: A)),
        (UsageError, "cond_fun is a function of the value", lambda: tl.while_loop(A, tl.sin, A)),
        (UsageError, "calls body_fun with the value", lambda: tl.while_loop(lambda v: True, lambda: A, A)),
        (UsageError, "what cond_fun gives is one bool", lambda: tl.while_loop(lambda v: v > 0, tl.sin, A)),
        (UsageError, "cond_fun gives None", lambda: tl.while_loop(lambda v: None, tl.sin, A)),
        (UsageError, "bound is an integer", lambda: tl.while_loop(lambda v: False, tl.sin, A, bound=-1)),
        (ShapeError, "return the entry shape", lambda: tl.while_loop(lambda v: True, tl.sum, A)),
        (StructureError, "return the entry structure", lambda: tl.while_loop(lambda v: True, lambda v: (v, v), A)),
        (GradientError, "give bound=", lambda: tl.grad(root)(2.0)),
        (UsageError, "unroll is for bounds", lambda: tl.fori_loop(0, COUNT, lambda i, v: v, A, unroll=2)),
        (UsageError, "the bounds are integers, and one is f64", lambda: tl.fori_loop(0, A, lambda i, v: v, A)),
    ],
)  # fmt: skip
def test_mistakes(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call()


COUNT = tl.symbol("count", (), tl.int64)


def assigning() -> tl.Tensor:
    W.assign(W * 2)
    return A


CHASE = """
import numpy as np
import tinygrad_lstm as tl
from tinygrad_lstm.runtime.threads import blas_threads

@tl.jit
def chase(follow, at):
    return tl.while_loop(lambda at: (at < 9).any(), lambda at: follow[at], at)

at = np.arange(PLACES) % 10
for wrong in (3, 12):
    follow = np.append(np.arange(1, 10), 9)
    follow[[0, wrong % 10]] = [0, wrong + 1]
    at[at == 0] = 1
    with tl.use_backend("c"), blas_threads(2):
        try:
            print(chase(follow, at).numpy().min())
        except tl.errors.IndexingError as error:
            print(error)
"""


@needs_c
@pytest.mark.parametrize("places", [100, 40_000], ids=["alone", "shared"])
def test_an_index_out_of_range_ends_a_compiled_loop(places: int) -> None:
    # Read as 0, the index leads to a place from which no way leads to the end: the loop would never be over.
    code = CHASE.replace("PLACES", str(places))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=120, check=False)
    first, second = done.stdout.splitlines()
    assert first == "9"
    assert "index 13 is out of bounds for axis 0 with size 10" in second
