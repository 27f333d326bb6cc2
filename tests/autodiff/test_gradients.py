"""``gradients``, ``grad`` and ``value_and_grad``: what one may ask for, and in which structure it comes back."""

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.autodiff.table import RULES, loop_rule, rule, variadic_rule
from tinygrad_lstm.errors import (
    DTypeError,
    GradientError,
    NameConflictError,
    ShapeError,
    UsageError,
)
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.walk import topological

X, Y = tl.symbol("x", (), tl.float64), tl.symbol("y", (), tl.float64)


def at(g: tl.Tensor, x: float = 2.0, y: float = 3.0) -> float:
    return g.evaluate({X: x, Y: y}).item()


def test_the_structure_of_xs_is_that_of_the_answer() -> None:
    found = tl.gradients(X * X * Y, {"a": X, "b": [Y, (X,)]})
    assert at(found["a"]) == at(found["b"][1][0]) == 12.0
    assert at(found["b"][0]) == 4.0
    assert tl.gradients(X, None) is None
    assert tl.gradients(X, ()) == ()


def test_several_ys_are_summed() -> None:
    assert at(tl.gradients((X * X, [Y * X]), X)) == 7.0
    v = tl.symbol("v", 3)
    assert tl.gradients(v * v, v).evaluate({v: [1.0, 2.0, 3.0]}).tolist() == [2.0, 4.0, 6.0]
    assert at(tl.gradients([X, X], X)) == 2.0


def test_cotangents_weigh_the_elements() -> None:
    assert at(tl.gradients({"y": X * X, "z": Y * X}, X, {"y": 10.0, "z": Y})) == 49.0
    v = tl.symbol("v", 2)
    assert tl.gradients(v * v, v, tl.tensor([1.0, 0.5])).evaluate({v: [1.0, 2.0]}).tolist() == [2.0, 2.0]


def test_nothing_flows_where_nothing_depends() -> None:
    assert at(tl.gradients(Y * 2, X)) == 0.0
    v = tl.symbol("v", (2, 3), tl.float16)
    zero = tl.gradients(X, v)
    assert (zero.shape, zero.dtype) == ((2, 3), tl.float16)
    assert at(tl.gradients(tl.stop_gradient(X) * Y, X)) == 0.0
    assert at(tl.gradients(X.astype(tl.int32).astype(tl.float64), X)) == 0.0


def test_by_what_was_computed() -> None:
    z = X * Y
    y = tl.sin(z) * z
    assert at(tl.gradients(y, z)) == pytest.approx(np.cos(6) * 6 + np.sin(6))
    both = tl.gradients(y, [z, X])
    assert at(both[1]) == pytest.approx(3 * at(both[0]))
    assert at(tl.gradients(z, z)) == 1.0
    assert at(tl.gradients(X, X)) == 1.0
    assert [at(g) for g in tl.gradients(z, [X, X])] == [3.0, 3.0]


def test_a_gradient_is_a_graph_with_a_gradient() -> None:
    g, found = X**5, []
    for _ in range(6):
        g = tl.gradients(g, X)
        found.append(at(g))
    assert found == [80.0, 160.0, 240.0, 240.0, 120.0, 0.0]


def test_forward_values_are_read_and_not_computed_again() -> None:
    y = tl.tanh(X)
    assert y in set(topological([tl.gradients(y, X)]))


def test_what_a_gradient_does_not_need_is_not_in_it() -> None:
    """The walk goes only where the sources lie."""
    g = tl.gradients(X * Y + tl.exp(tl.exp(Y)), X)
    assert {n.op for n in topological([g])} <= {"symbol", "constant", "multiply"}


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (GradientError, r"y is i64\[\]; only floats have derivatives", lambda: tl.gradients(tl.tensor(1), X)),
        (GradientError, r"x is i64\[\]; only floats have derivatives", lambda: tl.gradients(X, tl.tensor(1))),
        (UsageError, "by a tensor, symbol or Parameter, not float", lambda: tl.gradients(X, 2.0)),
        (UsageError, "there is nothing to differentiate", lambda: tl.gradients([], X)),
        (ShapeError, r"the cotangent is f64\[2\], but y is f64\[\]", lambda: tl.gradients(X, X, np.ones(2))),
        (DTypeError, r"the cotangent is f32\[\], but y is f64\[\]", lambda: tl.gradients(X, X, tl.tensor(1.0))),
        (UsageError, r"cotangents are \(\*\), but ys are \*", lambda: tl.gradients(X, X, (1.0,))),
        (GradientError, r"the function gives f32\[2\]; reduce it to a scalar", lambda: tl.grad(tl.exp)(tl.ones(2))),
        (UsageError, "argument 1 is asked for, but 1 were given", lambda: tl.grad(tl.exp, 1)(1.0)),
        (GradientError, "only floats", lambda: tl.grad(tl.exp)(1)),
    ],
)
def test_mistakes(error, message: str, call) -> None:
    with pytest.raises(error, match=message):
        call()


def test_grad_and_value_and_grad() -> None:
    def f(p, scale, *, power=2):
        return (p["w"] ** power).sum() * scale + p["b"]

    arguments = {"w": np.array([1.0, 2.0]), "b": np.array(5.0)}, np.array(3.0)
    value, slope = tl.value_and_grad(f)(*arguments)
    assert value.item() == 20.0
    assert slope["w"].tolist() == [6.0, 12.0]
    assert slope["b"].item() == 1.0
    assert tl.grad(f, 1)(*arguments).item() == 5.0
    by_both = tl.grad(f, (1, 0))(*arguments, power=3)
    assert by_both[0].item() == 9.0
    assert by_both[1]["w"].tolist() == [9.0, 36.0]
    assert tl.grad(f, -1)(*arguments).item() == 5.0


def test_one_value_for_two_arguments_is_two_variables() -> None:
    x = tl.tensor(3.0)
    assert tl.grad(lambda a, b: a * a * b, (0, 1))(x, x)[0].item() == 18.0
    assert tl.grad(lambda a, b: a * a * b)(x, x).item() == 18.0


def test_grad_by_a_parameter() -> None:
    w = tl.Parameter(3.0)
    assert tl.grad(lambda p: p * p)(w).item() == 6.0


def test_an_op_without_a_rule_says_so(monkeypatch) -> None:
    monkeypatch.delitem(RULES, "tanh")
    with pytest.raises(GradientError, match=r"op 'tanh' has no gradient; give tl\.define_op one"):
        tl.gradients(tl.tanh(X), X)


def test_rules_are_registered_once() -> None:
    with pytest.raises(NameConflictError, match="op 'add' has a gradient rule already"):
        rule("add", None, None)
    for again in (variadic_rule, loop_rule):
        with pytest.raises(NameConflictError, match="already"):
            again("add", lambda: None)


def test_names_are_registered_once() -> None:
    with pytest.raises(NameConflictError, match="an op named 'tanh' is defined already; choose another"):
        define("tanh", lambda x: x)

    def tanh(x):
        return x

    with pytest.raises(NameConflictError, match="a function named 'tanh' is registered already"):
        function(tanh)


def test_what_a_compiled_function_gave_is_no_constant() -> None:
    p = tl.Parameter(2.0)
    y = tl.jit(lambda x: x * p)(3.0)
    with pytest.raises(GradientError, match="differentiate inside"):
        tl.gradients(y, p)
    with pytest.raises(GradientError, match="detach"):
        (y + p * 2).backward()
    assert p.grad is None
    (y.detach() * p).backward()
    assert p.grad.item() == 6.0
    assert tl.gradients(y * y, y).item() == 12.0
