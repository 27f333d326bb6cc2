"""vjp, jvp, hvp, jacobian and hessian against derivatives written by hand."""

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import Error, GradientError, UsageError

M = np.random.default_rng(0).normal(size=(3, 2))
AT = np.array([0.4, -0.9])
V = np.array([1.5, 0.7])


def f(x):
    """R² → R³, with the Jacobian diag(cos(Mx))·M."""
    return tl.sin(tl.matmul(M, x))


JACOBIAN = np.cos(M @ AT)[:, None] * M


def g(x):
    """R² → R, with the Hessian Mᵀ·diag(−sin(Mx))·M."""
    return tl.sum(f(x))


HESSIAN = M.T @ (-np.sin(M @ AT)[:, None] * M)


def looped(x):
    """g again, its sum written as a loop."""
    return tl.scan(lambda total, row: (total + tl.sin(tl.sum(row * x)), None), tl.sum(x) * 0, tl.tensor(M))[0]


def test_vjp() -> None:
    u = np.array([1.0, -2.0, 0.5])
    y, pullback = tl.vjp(f, AT)
    np.testing.assert_allclose(y.numpy(), np.sin(M @ AT))
    np.testing.assert_allclose(pullback(u)[0].numpy(), u @ JACOBIAN)
    y, pullback = tl.vjp(lambda a, b: {"y": a * b}, AT, V)
    found = pullback({"y": np.ones(2)})
    np.testing.assert_allclose([found[0].numpy(), found[1].numpy()], [V, AT])


def test_jvp() -> None:
    y, slope = tl.jvp(f, (AT,), (V,))
    np.testing.assert_allclose(y.numpy(), np.sin(M @ AT))
    np.testing.assert_allclose(slope.numpy(), JACOBIAN @ V)
    _, slopes = tl.jvp(lambda a, b: (a * b, {"sum": a + b}), (AT, V), (V, AT))
    np.testing.assert_allclose(slopes[0].numpy(), V * V + AT * AT)
    np.testing.assert_allclose(slopes[1]["sum"].numpy(), V + AT)


@pytest.mark.parametrize("f", [g, looped])
def test_second_derivatives(f) -> None:
    np.testing.assert_allclose(tl.hvp(f, AT, V).numpy(), HESSIAN @ V, rtol=1e-12)
    np.testing.assert_allclose(tl.hessian(f)(AT).numpy(), HESSIAN, rtol=1e-12)
    np.testing.assert_allclose(tl.jacobian(tl.grad(f))(AT).numpy(), HESSIAN, rtol=1e-12)
    _, slope = tl.jvp(tl.grad(f), (AT,), (V,))
    np.testing.assert_allclose(slope.numpy(), HESSIAN @ V, rtol=1e-12)


def test_jacobians_of_all_shapes() -> None:
    np.testing.assert_allclose(tl.jacobian(f)(AT).numpy(), JACOBIAN, rtol=1e-12)
    assert tl.jacobian(lambda x: tl.reshape(f(x), (1, 3)))(AT).shape == (1, 3, 2)
    assert tl.jacobian(lambda x: x)(tl.ones((2, 2))).numpy().reshape(4, 4).tolist() == np.eye(4).tolist()
    assert tl.jacobian(tl.sum)(AT).tolist() == [1.0, 1.0]
    assert tl.jacobian(lambda x: x[:0])(AT).shape == (0, 2)
    by_parts = tl.jacobian(lambda p: p["a"] * p["b"])({"a": tl.tensor(AT), "b": tl.tensor(V)})
    np.testing.assert_allclose(by_parts["a"].numpy(), np.diag(V))


def test_the_graph_of_a_jacobian_does_not_grow_with_its_rows() -> None:
    sizes = {tl.printed(tl.jacobian(tl.tanh)(tl.ones(n))).count("\n") for n in (3, 300)}
    assert len(sizes) == 1


def test_mistakes() -> None:
    with pytest.raises(GradientError, match=r"hvp: the function gives f64\[3\]; reduce it"):
        tl.hvp(f, AT, V)
    with pytest.raises(GradientError, match="only floats"):
        tl.vjp(f, np.array([1, 2]))[1](np.ones(3))


@pytest.mark.parametrize("name", ["grad", "value_and_grad", "jacobian", "hessian", "checkpoint", "vjp", "jvp", "hvp"])
def test_what_is_no_function_is_refused(name: str) -> None:
    x = tl.symbol("x")
    given = {"vjp": (1.0,), "jvp": ((1.0,), (1.0,)), "hvp": (1.0, 1.0)}.get(name, ())
    with pytest.raises(UsageError, match=rf"^{name} takes a function, not a f32.* tensor; the .* is tl.gradients"):
        getattr(tl, name)(tl.sin(x), *given)
    with pytest.raises(UsageError, match=f"^{name} takes a function, not int$"):
        getattr(tl, name)(3, *given)


def test_a_parameter_given_twice_is_two_variables_and_none_of_them_is_the_parameter() -> None:
    p = tl.Parameter([1.0, 2.0])
    found = tl.grad(lambda a, b: (a * a * b).sum(), argnums=(0, 1))(p, p)
    assert [g.tolist() for g in found] == [[2.0, 8.0], [1.0, 4.0]]
    assert tl.grad(lambda a: (a * p).sum())(p).tolist() == [1.0, 2.0]


def test_a_function_of_several_results_has_no_gradient() -> None:
    with pytest.raises(GradientError, match="grad: the function gives a tuple, and is to give one scalar, the loss"):
        tl.grad(lambda x: (x, x))(1.0)


@pytest.mark.parametrize("argnums", [(0, 1), [0, 1], [np.int64(0), -1]])
def test_several_arguments_at_once(argnums) -> None:
    found = tl.grad(lambda a, b: a * a * b, argnums=argnums)(3.0, 5.0)
    assert isinstance(found, tuple)
    assert [g.item() for g in found] == [30.0, 9.0]
    with pytest.raises(tl.errors.UsageError, match="argument 2 is asked for, but 2 were given"):
        tl.grad(lambda a, b: a * b, argnums=[2])(3.0, 5.0)


def test_hessians_and_jacobians_of_structures() -> None:
    p = {"a": tl.tensor([1.0, 2.0]), "b": tl.tensor([3.0, 4.0])}
    found = tl.hessian(lambda p: (p["a"] ** 2 * p["b"]).sum())(p)
    assert {k: {n: h.tolist() for n, h in row.items()} for k, row in found.items()} == {
        "a": {"a": [[6, 0], [0, 8]], "b": [[2, 0], [0, 4]]},
        "b": {"a": [[2, 0], [0, 4]], "b": [[0, 0], [0, 0]]},
    }
    assert [[h.item() for h in row] for row in tl.hessian(lambda p: p[0] ** 2 * p[1])((3.0, 5.0))] == [[10, 6], [6, 0]]
    y, z = tl.jacobian(lambda x: (x * 2, x[0] * x[1]))(tl.tensor([3.0, 5.0]))
    assert (y.tolist(), z.tolist()) == ([[2, 0], [0, 2]], [5, 3])


def loss_and_rest(w, x):
    hidden = tl.tanh(w * x)
    return hidden.sum(), {"hidden": hidden, "note": "as it is"}


def test_what_is_passed_on_beside_the_loss() -> None:
    w, x = tl.tensor([0.5, -1.0]), tl.tensor([1.0, 2.0])
    slope, aux = tl.grad(loss_and_rest, has_aux=True)(w, x)
    (value, again), slopes = tl.value_and_grad(loss_and_rest, (0, 1), has_aux=True)(w, x)
    y, pullback, third = tl.vjp(loss_and_rest, w, x, has_aux=True)
    want = tl.grad(lambda w, x: loss_and_rest(w, x)[0], (0, 1))(w, x)
    for got in (slope, slopes[0], pullback(1.0)[0]):
        np.testing.assert_array_equal(got.numpy(), want[0].numpy())
    for found in (aux, again, third):
        assert found["note"] == "as it is"
        np.testing.assert_array_equal(found["hidden"].numpy(), np.tanh(w.numpy() * x.numpy()))
    assert value.item() == y.item()
    jitted = tl.jit(lambda w, x: tl.value_and_grad(lambda w: (loss_and_rest(w, x)[0], w + 1), has_aux=True)(w))
    (_, more), slope = jitted(w, x)
    np.testing.assert_allclose(slope.numpy(), want[0].numpy(), rtol=1e-6)
    assert more.tolist() == [1.5, 0.0]
    with pytest.raises(GradientError, match=r"grad: with has_aux=True the function gives a pair.*not a Tensor"):
        tl.grad(tl.sum, has_aux=True)(w)
    with pytest.raises(GradientError, match=r"vjp: with has_aux=True the function gives a pair.*not a tuple of 3"):
        tl.vjp(lambda w: (w, w, w), w, has_aux=True)
    with pytest.raises(GradientError, match="with has_aux=True the second of a pair is passed on"):
        tl.grad(loss_and_rest)(w, x)


def test_jacobians_and_hessians_by_several_arguments() -> None:
    a, b = tl.tensor([1.0, 2.0]), {"u": tl.tensor([0.5, -1.0]), "v": tl.tensor(3.0)}
    f = lambda a, b: {"y": a * b["u"] * b["v"], "z": (a * a).sum()}  # noqa: E731
    by_a, by_b = tl.jacobian(f)(a, b), tl.jacobian(f, 1)(a, b)
    both = tl.jacobian(f, argnums=(0, 1))(a, b)
    np.testing.assert_array_equal(both["y"][0].numpy(), by_a["y"].numpy())
    np.testing.assert_array_equal(both["y"][1]["u"].numpy(), by_b["y"]["u"].numpy())
    np.testing.assert_array_equal(by_b["y"]["v"].numpy(), a.numpy() * b["u"].numpy())
    np.testing.assert_array_equal(by_a["z"].numpy(), 2 * a.numpy())

    g = lambda a, b: (a**3 * b["u"]).sum() * b["v"]  # noqa: E731
    (aa, ab), by_b = tl.hessian(g, (0, 1))(a, b)
    np.testing.assert_allclose(aa.numpy(), np.diag(6 * a.numpy() * b["u"].numpy() * 3), rtol=1e-6)
    np.testing.assert_allclose(ab["u"].numpy(), np.diag(3 * a.numpy() ** 2 * 3), rtol=1e-6)
    np.testing.assert_allclose(by_b["u"][0].numpy(), ab["u"].numpy().T, rtol=1e-6)
    np.testing.assert_allclose(by_b["u"][1]["v"].numpy(), a.numpy() ** 3, rtol=1e-6)
    np.testing.assert_allclose(tl.hessian(g, 1)(a, b)["v"]["u"].numpy(), a.numpy() ** 3, rtol=1e-6)


X = tl.tensor([1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        *[(lambda t=t: t(lambda x: None)(X), "the function gives None; end it with return") for t in (
            tl.grad, tl.value_and_grad, tl.jacobian, tl.hessian)],
        (lambda: tl.vjp(lambda x: None, X), "vjp: the function gives None; end it with return"),
        (lambda: tl.jvp(lambda x: None, (X,), (X,)), "jvp: the function gives None; end it with return"),
        (lambda: tl.hvp(lambda x: None, X, X), "hvp: the function gives None; end it with return"),
        (lambda: tl.hessian(tl.sin)(X), r"hessian: the function gives f32\[2\]; reduce it to a scalar"),
        (lambda: tl.jacobian(lambda x: "a")(X), "jacobian: the function gives a str, and is to give arrays"),
        (lambda: tl.jacobian(lambda x: tl.argmax(x))(X), r"jacobian: the function gives i64\[\]; only floats"),
        (lambda: tl.jacobian(tl.sin)(tl.tensor([1, 2])), r"jacobian: argument 0 holds i64\[2\]; only floats"),
        (lambda: tl.hessian(tl.sum)(None), "hessian: argument 0 holds no array to differentiate by, it is None"),
        (lambda: tl.hessian(tl.sum, 3)(X), "hessian: argument 3 is asked for, but 1 were given"),
        (lambda: tl.hvp(lambda x: (x**3).sum(), X, (X,)), r"hvp: the arguments are \*, but their directions \(\*\)"),
        (lambda: tl.hvp(lambda x: (x**3).sum(), X, tl.ones(3)), r"hvp: the direction is f32\[3\], but the argument"),
        (lambda: tl.jvp(lambda d: d["a"], ({"a": X},), (X,)), r"jvp: the arguments are \[\{a: \*\}\], but"),
        (lambda: tl.jvp(tl.sin, (X,), (np.ones(2),)), r"jvp: the direction is f64\[2\].*\.astype\(tl\.float32\)"),
        (lambda: tl.grad(tl.sum, X), r"grad: argnums is the number.*write tl\.grad\(f\)\(x\)"),
    ],
)  # fmt: skip
def test_transforms_answer_in_their_own_name(call, words: str) -> None:
    with pytest.raises(Error, match=words):
        call()
