"""``gradients``, ``grad`` and ``value_and_grad``: what one may ask for, and in which structure it comes back."""

import dataclasses

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.autodiff.table import loop_rule
from tinygrad_lstm.errors import (
    DTypeError,
    GradientError,
    NameConflictError,
    ShapeError,
    UsageError,
)
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.registry import OPS, define, function

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
    assert [at(g) for g in tl.gradients(Y * 2, [X, Y])] == [0.0, 2.0]
    assert at(tl.gradients(Y * 2, X, allow_unused=True)) == 0.0
    v = tl.symbol("v", (2, 3), tl.float16)
    zero, one = tl.gradients(X, (v, X))
    assert (zero.shape, zero.dtype) == ((2, 3), tl.float16)
    assert at(one) == 1.0
    assert at(tl.gradients(tl.stop_gradient(X) * Y, X)) == 0.0
    assert at(tl.gradients(X.astype(tl.int32).astype(tl.float64), X)) == 0.0


def test_a_function_that_does_not_read_its_argument_has_the_derivative_0() -> None:
    def constant(x: tl.Tensor) -> tl.Tensor:
        return tl.tensor(3.0)

    def linear(x: tl.Tensor) -> tl.Tensor:
        return (2.0 * x).sum()

    v = tl.ones(2)
    assert tl.grad(constant)(2.0).item() == 0.0
    assert tl.grad(tl.grad(linear))(2.0).item() == 0.0
    assert tl.jacobian(constant)(v).tolist() == [0.0, 0.0]
    assert tl.hessian(linear)(v).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert tl.hvp(linear, v, v).tolist() == tl.hvp(constant, v, v).tolist() == [0.0, 0.0]
    assert tl.jvp(constant, (v,), (v,))[1].item() == 0.0
    assert tl.vjp(constant, v)[1](1.0)[0].tolist() == [0.0, 0.0]


def test_a_derivative_that_is_constant_has_the_derivative_0() -> None:
    w = tl.Parameter(3.0)
    x = tl.symbol("x")
    y = w * x
    slope = tl.gradients(y, x)
    assert tl.gradients(slope, x).item() == 0.0
    with pytest.raises(GradientError, match="computed from a Parameter\\. With"):
        tl.gradients(slope * 1.0, tl.symbol("z"))
    assert tl.gradients(tl.gradients(x, x), x).item() == 0.0


def test_a_derivative_by_what_was_not_read_is_refused() -> None:
    def refused(y, x, message: str) -> None:
        with pytest.raises(GradientError, match=message):
            tl.gradients(y, x)

    x = tl.symbol("x")
    y = tl.sin(x**2)
    refused(
        y, tl.symbol("x"), "the result does not depend on the symbol 'x': it was computed from an earlier symbol of"
    )
    refused(y, tl.symbol("z"), "the symbol 'z': it was computed from the symbol 'x'. With allow_unused")
    refused(y, [tl.symbol("a"), tl.symbol("b")], "the symbol 'a', nor on the other xs")
    refused(
        y, tl.cos(x), r"this f32\[\] of cos \[.*test_gradients.py:\d+\]: each call makes a new node, .* keep this one"
    )
    refused(tl.tensor(1.0) * 2.0, tl.tensor(1.0), r"a tensor f32\[\]: it was computed from other tensors")
    w = tl.Parameter([1.0], "w")
    refused(y, w, "the Parameter 'w': it was computed from the symbol 'x'")
    loss = (w * w).sum()
    w = tl.Parameter([1.0], "w")
    refused(loss, w, "it was computed from an earlier parameter of that name")
    refused(loss, tl.Parameter(1.0), r"a Parameter f32\[\]: it was computed from the Parameter 'w'")
    w = tl.Parameter(1.0)
    loss = w * w
    refused(loss, tl.Parameter(1.0), r"a Parameter f32\[\]: it was computed from a Parameter\. With")
    w = tl.Parameter(1.0)
    refused(loss, w, r"a Parameter f32\[\]: it was computed from an earlier parameter; compute it again")
    values = tl.scan(lambda c, v: (c + v, c), tl.tensor(0.0), tl.ones(3))[1]
    refused(values, tl.tensor([1.0, 1.0, 1.0]), "other tensors")


def test_backward_says_why_it_finds_no_parameter() -> None:
    w = tl.Parameter([1.0, 2.0])
    loss = (w * w).sum()
    w = tl.Parameter([1.0, 2.0])
    with pytest.raises(GradientError, match="the Parameter that the loss was computed from is gone: its variable"):
        loss.backward()
    assert w.grad is None
    with pytest.raises(GradientError, match=r"but on the symbols 'y', 'x', which .* tl.gradients\(loss, y\) gives"):
        (Y * X).backward()
    with pytest.raises(GradientError, match=r"reaches no Parameter; what is trained is tl"):
        tl.tensor(1.0).backward()


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
    monkeypatch.setitem(OPS, "tanh", dataclasses.replace(OPS["tanh"], gradient=None))
    with pytest.raises(GradientError, match=r"op 'tanh' has no gradient; give tl\.define_op one"):
        tl.gradients(tl.tanh(X), X)


def test_rules_are_registered_once() -> None:
    with pytest.raises(NameConflictError, match="op 'scan' has a gradient rule already"):
        loop_rule("scan", lambda: None)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, r"define\('f'\): no kernel was given; it is a function \(xp, \*arrays, \*\*attributes\) -> array"),
        ({"kernel": "tanh", "c": "tanh_{t}({0})"}, "C text is for elementwise ops, and this one is of kind 'compute'"),
        ({"kernel": "sign", "gradient": lambda g, y, x: g, "differentiable": False}, "that is not differentiable"),
    ],
)
def test_a_record_that_lacks_something_is_refused(arguments, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        define("f", lambda x: x, **arguments)
    assert "f" not in OPS


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
