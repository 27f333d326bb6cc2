"""Forward mode: linearize, and forward rules of the user's own ops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.covering import examples
from tests.programs import Program, programs
from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.testing import check_gradients

RANDOM = np.random.default_rng(5)
A, B, V, U = (RANDOM.uniform(-1, 1, 3) for _ in range(4))


@given(programs(inputs=2, outputs=2), st.booleans())
@examples(40)
def test_linearize_of_random_programs(program: Program, compiled: bool) -> None:
    def f(a, b):
        return tuple(program.run([a, b], symbolic=True))

    def by_linearize(a, b, v, u):
        y, linear = tl.linearize(f, a, b)
        return y, linear(v, u), linear(v * 0, u)

    y, along, second = (tl.jit(by_linearize) if compiled else by_linearize)(A, B, V, U)
    for got, want in ((y, f(A, B)), (along, tl.jvp(f, (A, B), (V, U))[1]), (second, tl.jvp(f, (A, B), (0 * V, U))[1])):
        for g, w in zip(got, want, strict=True):
            w = np.asarray(w)
            np.testing.assert_allclose(g.numpy(), w, rtol=1e-9, atol=1e-9 * max(1, np.abs(w).max()))


def test_the_linear_function_does_not_run_f_again() -> None:
    runs = []

    def kernel(xp, x):
        runs.append(1)
        return xp.exp(x)

    slow = tl.define_op("slow_exp", None, kernel, lambda g, y, x: g * slow(x))
    y, linear = tl.linearize(lambda x: tl.scan(lambda c, _: (slow(tl.sin(c)), None), x, None, 4)[0], A)
    count = len(runs)
    slopes = [linear(v).numpy() for v in (V, U, 2 * V)]
    y.numpy()
    assert len(runs) == count
    np.testing.assert_allclose(slopes[2], 2 * slopes[0])
    check_gradients(lambda x, v: tl.linearize(lambda z: tl.sin(z) * z, x)[1](v), A, V)


def test_forward_rules() -> None:
    """A rule forwards gives both modes, to second order, with broadcasting, attributes and several inputs."""
    scaled = tl.define_op(
        "scaled_hypot",
        None,
        lambda xp, a, b, *, by: xp.hypot(a, b) * a.dtype.type(by),
        jvp=(lambda t, y, a, b, *, by: t * a * by**2 / y, lambda t, y, a, b, *, by: t * b * by**2 / y),
    )
    other = tl.define_op(
        "dot_with", lambda a, b: (), lambda xp, a, b: xp.sum(a * b), jvp=(lambda t, y, a, b: (t * b).sum(), None)
    )
    check_gradients(lambda a, b: scaled(a, b, by=3.0), A[None], B[:, None])
    check_gradients(lambda a: other(a, tl.tensor(B)) ** 2, A)
    a, b = tl.tensor(A), tl.tensor(B)
    _, along = tl.jvp(lambda a, b: scaled(a, b, by=2.0), (a, b), (V, U))
    np.testing.assert_allclose(along.numpy(), 2 * (A * V + B * U) / np.hypot(A, B))
    assert tl.grad(lambda b: other(a, b))(b).tolist() == [0.0] * 3
    compiled = tl.jit(tl.vmap(tl.grad(lambda a, b: scaled(a, b, by=2.0))))(a, b)
    np.testing.assert_allclose(compiled.numpy(), 2 * A / np.hypot(A, B))


def test_where_both_rules_are_given_each_mode_takes_its_own() -> None:
    f = tl.define_op("two_rules", None, lambda xp, x: x * x, lambda g, y, x: g * 100, jvp=lambda t, y, x: t * 7)
    assert tl.grad(f)(1.0).item() == 100
    assert tl.jvp(f, (1.0,), (1.0,))[1].item() == 7
    assert tl.linearize(f, 1.0)[1](2.0).item() == 14


def test_mistakes() -> None:
    with pytest.raises(UsageError, match=r"jvp is a function \(t, y, \*inputs"):
        tl.define_op("wrong", None, lambda xp, x: x, jvp=3)
    f = tl.define_op("wrong", None, lambda xp, x: x, jvp=(lambda t, y, x: t, None))
    with pytest.raises(UsageError, match="a jvp for 2"):
        f(1.0)
    f = tl.define_op("wrong", lambda x: (3,), lambda xp, x: x, jvp=lambda t, y, x: t.sum())
    with pytest.raises(ShapeError, match="a change of the result has its shape"):
        tl.grad(lambda x: f(x).sum())(A)
    f = tl.define_op("wrong", None, lambda xp, x: x, jvp=lambda t, y, x: t.astype(tl.float32))
    with pytest.raises(DTypeError, match="a change of the result has its shape and element type"):
        tl.grad(lambda x: f(x).sum())(A)
    _, linear = tl.linearize(tl.sin, A)
    with pytest.raises(ShapeError, match="linearize: the direction is"):
        linear(np.ones(2))
