"""Tensors as SymPy's formulas and back: values, derivatives and forms, on random expressions."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tinygrad_lstm.errors import UsageError

A, B = sympy.Symbol("a", real=True), sympy.Symbol("b", real=True)
UNARY = ["sin", "cos", "tanh", "exp", "sigmoid", "softplus", "erf", "square", "arctan", "abs", "expm1", "negative"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "arctan2"]
NUMBERS = st.sampled_from([0.5, 2, -1.25, 3.0, 0.1, np.pi])


def formulas(x: tl.Tensor, y: tl.Tensor) -> st.SearchStrategy[tl.Tensor]:
    """Random scalars of two symbols; nothing grows beyond what exp keeps finite."""
    return st.recursive(
        st.sampled_from([x, y]) | NUMBERS.map(lambda n: tl.tanh(n * x)),
        lambda inner: (
            st.builds(lambda name, v: getattr(tl, name)(v) / 2, st.sampled_from(UNARY), inner)
            | st.builds(lambda name, v, w: getattr(tl, name)(v, w + 0.3), st.sampled_from(BINARY), inner, inner)
            | st.builds(lambda v, w: tl.where(v < w, v, w * v), inner, inner)
            | st.builds(lambda v, n: tl.tanh(v) ** n, inner, st.integers(0, 3))
        ),
        max_leaves=6,
    )


def valued(expression: Any, point: tuple[float, float]) -> float:
    return float(sympy.N(expression.subs({A: point[0], B: point[1]}), 20))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_random_formulas_have_the_same_values_and_derivatives(data: st.DataObject) -> None:
    x, y = tl.symbol("a", dtype="float64"), tl.symbol("b", dtype="float64")
    f = data.draw(formulas(x, y)) * x
    point = (0.4375, -1.203125)
    at = {x: point[0], y: point[1]}
    expression = tl.to_sympy(f, {x: A, y: B})
    slopes = tl.gradients(f, [x, y], allow_unused=True)
    pairs = [(f, expression), *((s, sympy.diff(expression, v)) for s, v in zip(slopes, (A, B), strict=True))]
    pairs += [(s, tl.to_sympy(s, {x: A, y: B})) for s in slopes]
    for got, want in pairs:
        np.testing.assert_allclose(float(got.evaluate(at)), valued(want, point), rtol=1e-9, atol=1e-9)
    back = tl.from_sympy(expression, {A: x, "b": y})
    np.testing.assert_allclose(float(back.evaluate(at)), float(f.evaluate(at)), rtol=1e-9, atol=1e-9)


X = sympy.Symbol("x")


@pytest.mark.parametrize(
    "formula",
    [
        sympy.exp(-(X**2)) / 3, sympy.sqrt(X) * sympy.log(X), X ** sympy.Rational(3, 2) - 1 / X, sympy.acos(X / 3),
        sympy.asin(X / 3) * sympy.E, sympy.atan(X), sympy.atan2(X, 2), sympy.sinh(X), sympy.cosh(X), sympy.tan(X),
        sympy.cot(X), sympy.sec(X), sympy.csc(X), sympy.coth(X), sympy.sech(X), sympy.csch(X), sympy.asinh(X),
        sympy.acosh(X + 1),
        sympy.atanh(X / 3), sympy.sinc(X), sympy.erfc(X), sympy.floor(X) * X, sympy.ceiling(X) + X,
        sympy.Mod(X, sympy.Rational(1, 2)), sympy.Max(X, 1, X**2), sympy.Min(X, sympy.pi, 2), sympy.Heaviside(X) * X,
        sympy.Piecewise((X**2, (X > 1) & (X < 5)), (sympy.sin(X), X <= 1), (0, True)),
        sympy.Piecewise((X, sympy.Ne(X, 2) | sympy.Eq(X, 3)), (1, ~(X >= 2))), sympy.sign(X) * sympy.Abs(X),
    ],
)  # fmt: skip
def test_functions_of_sympy(formula: Any) -> None:
    x = tl.symbol("x", dtype="float64")
    y = tl.from_sympy(formula, x)
    for v in (0.6875, 1.9):
        np.testing.assert_allclose(float(y.evaluate({x: v})), float(formula.subs(X, v)), rtol=1e-12)
        real = formula.subs(X, A)
        if not formula.has(sympy.floor, sympy.ceiling, sympy.Mod, sympy.Heaviside):
            want = float(sympy.diff(real, A).subs(A, v))
            np.testing.assert_allclose(float(tl.gradients(y, x).evaluate({x: v})), want, rtol=1e-9)


def test_forms_that_a_learner_reads() -> None:
    x = tl.symbol("x")
    assert str(tl.to_sympy(tl.gradients(tl.sin(tl.pi * x) ** 2 / 4, x))) == "pi*sin(pi*x)*cos(pi*x)/2"
    slope = tl.to_sympy(tl.gradients(tl.sigmoid(x), x))
    assert sympy.simplify(slope - sympy.diff(1 / (1 + sympy.exp(-X)), X)) == 0
    assert tl.to_sympy(tl.tensor(3.0)) == 3
    assert tl.to_sympy(x > 1) == sympy.Lt(1, X)
    assert str(tl.to_sympy((x > 1).astype(tl.float32) + (x * 2).astype(tl.int64))).endswith("floor(2*Abs(x))*sign(x)")
    assert tl.to_sympy(tl.Parameter([2.0, 0.5], name="w") * x) == sympy.Array([2 * X, X / 2])


def test_arrays_loops_and_calls() -> None:
    v, x = tl.symbol("v", (2, 3)), tl.symbol("x")
    w = sympy.IndexedBase("v")
    assert tl.to_sympy(tl.sum(v[:, ::-1] * v, axis=0))[1] == w[0, 1] ** 2 + w[1, 1] ** 2
    assert tl.to_sympy((v @ v.T)[0, 1]) == sum(w[0, k] * w[1, k] for k in range(3))
    assert tl.to_sympy(tl.gradients(tl.take(v, [1, 1, 0]).sum(), v)) == sympy.Array([[1, 2, 0], [0, 0, 0]])
    last, carries = tl.scan(lambda c, t: (c * x + t, c), 0.0, v[0])
    assert sympy.expand(tl.to_sympy(last)) == w[0, 0] * X**2 + w[0, 1] * X + w[0, 2]
    assert tl.to_sympy(carries)[0] == 0
    assert tl.to_sympy(tl.gradients(last, x)).subs({w[0, 0]: 2, w[0, 1]: 3}) == 4 * X + 3
    assert tl.to_sympy(tl.checkpoint(tl.sin)(x)) == sympy.sin(X)
    assert tl.to_sympy(tl.max(v, 1, keepdims=True)).shape == (2, 1)
    assert tl.to_sympy(tl.logsumexp(v[0, :2])) == sympy.log(sympy.exp(w[0, 0]) + sympy.exp(w[0, 1]))
    letters = sympy.Matrix(2, 3, sympy.symbols("p q r s t u"))
    assert str(tl.to_sympy(v.sum(), {v: letters})) == "p + q + r + s + t + u"
    back = tl.from_sympy(w[0, 1] * X, [v, x])
    assert float(back.evaluate({v: [[0.0, 3.0, 0.0], [0.0] * 3], x: 2.0})) == 6.0
    assert tl.from_sympy(sympy.Matrix([[X, 1], [0, X**2]]), x).evaluate({x: 3.0}).tolist() == [[3.0, 1.0], [0.0, 9.0]]


def test_a_long_formula() -> None:
    x = tl.symbol("x", dtype="float64")
    y = x
    for _ in range(1000):
        y = tl.from_sympy(X / 2 + 1, {X: y})
    assert float(y.evaluate({x: 5.0})) == 2.0
    deep = X
    for _ in range(300):
        deep = sympy.sin(deep)
    assert abs(float(tl.from_sympy(deep, x).evaluate({x: 1.0}))) < 0.2


MISTAKES = [
    (lambda: tl.from_sympy("x + 1"), "a text becomes one by sympy.sympify"),
    (lambda: tl.from_sympy(sympy.gamma(X)), "gamma in 'gamma(x)' has no counterpart here"),
    (lambda: tl.from_sympy(sympy.Integral(X, X)), "Integral in"),
    (lambda: tl.from_sympy(sympy.I * X), "I is complex"),
    (lambda: tl.from_sympy(X, [3.0]), "3.0 has no name to be found by"),
    (lambda: tl.from_sympy(X, "x"), "symbols are those of tl, or a mapping"),
    (lambda: tl.to_sympy(tl.argmax(tl.symbol("v", 3))), "the op 'argmax' has no formula"),
    (lambda: tl.to_sympy(tl.symbol("v", 3)[tl.symbol("i", dtype="int64")]), "an index is a formula"),
    (lambda: tl.to_sympy(tl.symbol("v", 3), {tl.symbol("v", 3): A}), "has the shape [3]"),
    (lambda: tl.to_sympy(tl.symbol("v"), [A]), "symbols is a dict from symbols of tl to formulas"),
]


@pytest.mark.parametrize(("mistake", "said"), MISTAKES)
def test_mistakes(mistake: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        mistake()
    assert said in str(caught.value)


def test_sympy_is_imported_when_it_is_asked_for() -> None:
    text = "import sys, tinygrad_lstm as tl; assert 'sympy' not in sys.modules; sys.modules['sympy'] = None\n"
    text += "try: tl.to_sympy(tl.symbol('x'))\nexcept tl.errors.UsageError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=True)
    assert "to_sympy needs SymPy" in done.stdout
    assert "pip install 'tinygrad-lstm[sympy]'" in done.stdout


def test_a_branch_is_a_case_and_an_endless_loop_is_refused() -> None:
    x = tl.symbol("x")
    found = tl.to_sympy(tl.cond(x > 0, tl.log, lambda x: tl.sin(x) * 2, x))
    for value in (2.0, -1.0):
        assert float(found.subs(sympy.Symbol("x"), value)) == pytest.approx(
            np.log(value) if value > 0 else 2 * np.sin(value)
        )
    with pytest.raises(UsageError, match=r"to_sympy: a while_loop makes as many steps as its values say"):
        tl.to_sympy(tl.while_loop(lambda v: v < 5, lambda v: v * 2, x))
