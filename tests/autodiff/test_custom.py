"""Ops that a user defines: values, gradients, loops, pictures, and mistakes."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.backends.fake_cupy import FakeCupy
from tests.codegen.small_programs import needs_c
from tinygrad_lstm.errors import (
    DTypeError,
    Error,
    EvaluationError,
    GradientError,
    NameConflictError,
    ShapeError,
    UsageError,
)
from tinygrad_lstm.graph.function import verify
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.kernels.table import kernels
from tinygrad_lstm.passes import simplified
from tinygrad_lstm.testing import check_gradients

POINT = np.array([[0.3, -0.8, 1.1]])


def cube():
    return tl.define_op("cube", None, lambda xp, x: x * x * x, lambda g, y, x: g * 3 * x**2, label="x³", latex="x^3")


def outer():
    """Two inputs, a shape of its own, and an attribute."""
    return tl.define_op(
        "scaled_outer",
        lambda a, b, *, factor: (*a.shape, *b.shape),
        lambda xp, a, b, *, factor: xp.multiply.outer(a, b) * a.dtype.type(factor),
        (
            lambda g, y, a, b, *, factor: g @ b * factor,
            lambda g, y, a, b, *, factor: a @ g * factor,
        ),
    )


def test_values_and_gradients_of_an_elementwise_op() -> None:
    f = cube()
    assert (f.__name__, f.__doc__) == ("cube", "The op 'cube', made by define_op.")
    assert f([1.0, 2.0]).tolist() == [1.0, 8.0]
    assert f(2).dtype is tl.int64
    assert f(np.ones((2, 0))).shape == (2, 0)
    check_gradients(f, POINT, order=3)
    check_gradients(lambda x: tl.sin(f(x) * x), POINT)


def test_an_op_of_two_inputs_with_an_attribute() -> None:
    f = outer()
    got = f(tl.tensor([1.0, 2.0]), tl.tensor([3.0, 4.0, 5.0]), factor=2.0)
    np.testing.assert_array_equal(got.numpy(), 2 * np.outer([1, 2], [3, 4, 5]))
    check_gradients(lambda a, b: f(a, b, factor=0.5), POINT[0], POINT[0, :2])


def test_elementwise_inputs_broadcast() -> None:
    hypot = tl.define_op(
        "my_hypot", None, lambda xp, a, b: xp.hypot(a, b), (lambda g, y, a, b: g * a / y, lambda g, y, a, b: g * b / y)
    )
    assert hypot([[3.0], [6.0]], 4.0).shape == (2, 1)
    check_gradients(hypot, POINT, np.array([[1.0], [2.0]]))
    check_gradients(lambda x: hypot(x, 2.0), POINT)
    assert hypot(tl.tensor([3]), 4.0).dtype is tl.float32


def test_in_the_body_of_a_scan_and_of_a_checkpoint() -> None:
    f = cube()

    def run(x, w):
        return tl.scan(lambda h, v: (lambda n: (n, n))(tl.tanh(f(h) + v * w)), x, tl.tensor(np.ones((4, 3))))[1]

    check_gradients(run, POINT[0], POINT[0])
    check_gradients(tl.checkpoint(f), POINT)


def test_it_is_printed_verified_and_drawn() -> None:
    f = cube()
    x = tl.symbol("x")
    y = f(x)
    assert tl.printed(y) == '%0: f32[] = symbol "x"\n%1: f32[] = cube %0\nreturn %1'
    verify(tl.gradients(y, x))
    assert "x³" in tl.draw.graph(y).dot
    assert tl.text(y) == "cube(x)"
    (folded,) = simplified(f(tl.full((), 2.0)))
    assert folded.op == "constant"
    assert folded.item() == 8.0


def test_other_array_modules_and_backends_made_before(monkeypatch) -> None:
    table = kernels(FakeCupy())
    f = cube()
    assert table["cube"](np.array([2.0])).tolist() == [8.0]
    assert "cube" not in set(table)
    with tl.use_backend("numpy"):
        assert f(3.0).item() == 27.0


def test_a_shape_rule_may_give_a_type() -> None:
    count = tl.define_op(
        "count_positive",
        lambda x: TensorType((), tl.int32, x.device),
        lambda xp, x: xp.asarray((x > 0).sum(), dtype="int32"),
        (None,),
    )
    assert count([1.0, -1.0, 2.0]).item() == 2
    assert count([1.0]).dtype is tl.int32


def test_no_gradient_flows_where_there_is_none() -> None:
    f = tl.define_op("first", lambda a, b: a.shape, lambda xp, a, b: a, (lambda g, y, a, b: g, None))
    a, b = tl.symbol("a"), tl.symbol("b")
    da, db = tl.gradients(f(a, b), (a, b))
    assert [d.evaluate({a: 1.0, b: 2.0}).item() for d in (da, db)] == [1.0, 0.0]


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
def test_a_new_definition_replaces_the_old_one_and_mixes_with_nothing(backend: str) -> None:
    def power(n: int, gradient=True):
        return tl.define_op(
            "power_of",
            None,
            lambda xp, x: x**n,
            (lambda g, y, x: g * n * x ** (n - 1)) if gradient else None,
            label="x^n",
        )

    x = tl.symbol("x")
    with tl.use_backend(backend):
        f = power(3)
        old, slope = f(x), tl.gradients(f(x), x)
        step = tl.jit(lambda x: f(x) * 2)
        assert step(2.0).item() == 16.0
        before = f
        f = power(2)
        new = f(x)
        # The graphs, the gradients and the old function keep what they were made with.
        assert [t.evaluate({x: 3.0}).item() for t in (old, slope, tl.gradients(old, x), before(x))] == [27, 27, 27, 27]
        assert [t.evaluate({x: 3.0}).item() for t in (new, tl.gradients(new, x), new + old)] == [9.0, 6.0, 36.0]
        both = tl.jit(lambda x: (before(x), f(x)))
        assert [y.item() for y in both(3.0)] == [27.0, 9.0]
        assert step(3.0).item() == 18.0
        assert tl.printed(new).splitlines()[1] == "%1: f32[] = power_of %0 definition=2"
        f = power(4, gradient=False)
        with pytest.raises(GradientError, match="op 'power_of' has no gradient"):
            tl.gradients(f(x), x)
        assert tl.gradients(new, x).evaluate({x: 3.0}).item() == 6.0
        check_gradients(before, POINT)
    with pytest.raises(UsageError, match="an attribute named 'definition' would be mistaken"):
        f(x, definition=1)


def test_a_new_definition_may_be_of_another_kind() -> None:
    def twice(**how):
        return tl.define_op("twice", kernel=lambda xp, *a: 2 * a[0] + 0 * a[-1], **how)

    a, b = tl.symbol("a", (2, 1)), tl.symbol("b", 3)
    f = twice(shape=None, gradient=(lambda g, y, a, b: 2 * g, None))
    wide = f(a, b)
    f = twice(shape=lambda x: x.shape, gradient=lambda g, y, x: 2 * g)
    values = {a: [[1.0], [2.0]], b: [0.0, 0.0, 0.0]}
    assert tl.gradients(wide, a).evaluate(values).tolist() == [[6.0], [6.0]]
    assert tl.gradients(f(a), a).evaluate(values).tolist() == [[2.0], [2.0]]


def test_mistakes_in_the_definition() -> None:
    with pytest.raises(NameConflictError, match="an op named 'add' is defined already; choose another name"):
        tl.define_op("add", None, lambda xp, x: x)
    for wrong in ("", "a b", 3):
        with pytest.raises(UsageError, match="a name is an identifier such as 'cube', not"):
            tl.define_op(wrong, None, lambda xp, x: x)
    with pytest.raises(UsageError, match=r"define_op\('f'\): kernel is a function \(xp, .*, not 3"):
        tl.define_op("f", None, 3)
    with pytest.raises(UsageError, match="shape is a function of the inputs' types, or None for an elementwise op"):
        tl.define_op("f", (2,), lambda xp, x: x)
    for gradient in (3, (lambda g, y, x: g, 3)):
        with pytest.raises(UsageError, match=r"gradient is a function .* and 3 is none"):
            tl.define_op("f", None, lambda xp, x: x, gradient)
    assert "f" not in OPS


def test_mistakes_in_a_call() -> None:
    f, g = cube(), outer()
    with pytest.raises(UsageError, match="cube: 2 inputs were given, but define_op got a gradient for 1; give it a tu"):
        f(1.0, 2.0)
    with pytest.raises(UsageError, match="cube: an op takes at least one input"):
        f()
    with pytest.raises(
        UsageError, match=r"the shape rule is called as f\(x, x1\), and takes \(a, b, \*, factor\): missing a req"
    ):
        g(tl.ones(2), tl.ones(2))
    unary = tl.define_op("unary", lambda x: x.shape, lambda xp, x: x)
    with pytest.raises(UsageError, match=r"unary: the shape rule is called as f\(x, x1\), and takes \(x\): too many"):
        unary(tl.ones(2), tl.ones(2))
    bad = tl.define_op("bad_shape", lambda x: "wide", lambda xp, x: x)
    with pytest.raises(UsageError, match=r"bad_shape\(f32\[2\]\): a shape is an integer or a tuple of integers"):
        bad(tl.ones(2))


def test_a_kernel_that_breaks_its_word() -> None:
    wide = tl.define_op("wide", None, lambda xp, x: x.astype("float64"))
    with pytest.raises(
        EvaluationError, match=r"wide\(f32\[2\]\): the kernel gives float64\[2\], but an elementwise op"
    ):
        wide(tl.ones(2)).numpy()
    long = tl.define_op("long", None, lambda xp, x: xp.concatenate([x, x]))
    with pytest.raises(
        EvaluationError, match=r"gives float32\[4\], but an elementwise op gives float32\[2\]; another shape"
    ):
        long(tl.ones(2)).numpy()

    def fail(xp, x):
        raise ZeroDivisionError("oh")

    with pytest.raises(EvaluationError, match=r"failing\(f32\[2\]\): the kernel failed: ZeroDiv.*: oh \[.*test_custom"):
        tl.define_op("failing", None, fail)(tl.ones(2)).numpy()


def test_a_gradient_that_breaks_its_word() -> None:
    x = tl.symbol("x", 2)
    f = tl.define_op("f", lambda x: x.shape, lambda xp, x: x, lambda g, y, x: g.sum())
    with pytest.raises(ShapeError, match=r"f: the gradient by input 0 is f32\[\], but the input is f32\[2\]"):
        tl.gradients(f(x), x)
    f = tl.define_op("h", lambda x: x.shape, lambda xp, x: x, lambda g, y, x: g.astype(tl.float64))
    with pytest.raises(DTypeError, match=r"h: the gradient by input 0 is f64\[2\], .* convert it with .astype"):
        tl.gradients(f(x), x)


def test_an_op_without_a_gradient() -> None:
    f = tl.define_op("step_up", None, lambda xp, x: x + 1)
    x = tl.symbol("x")
    assert f(1.0).item() == 2.0
    wanted = r"op 'step_up' has no gradient; give tl.define_op one, or cut .* tl.stop_gradient \[.*test_custom.py"
    with pytest.raises(GradientError, match=wanted):
        tl.gradients(f(x), x)
    assert tl.gradients(x * tl.stop_gradient(f(x)), x).evaluate({x: 2.0}).item() == 3.0


def test_the_example_runs(capsys) -> None:
    example = Path(__file__).parent.parent.parent / "examples" / "custom_op.py"
    runpy.run_path(str(example), run_name="__main__")
    out = capsys.readouterr().out
    assert "[3. 5. 7.]" in out
    assert "finite differences agree to second order" in out


def changing(xp, x):
    x *= 2
    return x


def lines_of(xp, x):
    return x.no_such_thing


X = tl.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
SLIPS = {
    "shape rule without arguments": ({"shape": lambda: None}, "the shape rule is called as f(x), and takes ()"),
    "shape rule that fails": ({"shape": lambda t: t.shap}, "the shape rule failed: 'TensorType' object has no"),
    "shape rule out of range": ({"shape": lambda t: (t.shape[7],)}, "the shape rule failed: tuple index out of"),
    "shape rule without return": ({"shape": lambda t: None}, "the shape rule gives None, and is to give a shape"),
    "shape rule of a tensor": ({"shape": lambda t: X}, "the shape rule gives a Tensor, and is to give a shape"),
    "kernel without xp": ({"kernel": lambda x: x}, "the kernel is called as f(xp, x), and takes (x)"),
    "kernel of more": ({"kernel": lambda xp, x, y: x}, "and takes (xp, x, y): missing a required argument: 'y'"),
    "kernel without return": ({"kernel": lambda xp, x: None}, "the kernel gives None; end it with return"),
    "kernel of float64": ({"kernel": lambda xp, x: x.astype("float64")}, "write .astype('float32') behind it"),
    "kernel of another shape": ({"kernel": lambda xp, x: x[:1]}, "said by a shape rule, the second argument"),
    "kernel that breaks its rule": ({"shape": lambda t: (9,)}, "but the shape rule says float32[9]; correct one"),
    "kernel that fails": ({"kernel": lines_of}, "the kernel failed: AttributeError"),
    "kernel that changes": ({"kernel": changing}, "the kernel changes its input, which others read too; compute"),
    "gradient without y": ({"gradient": lambda g, x: g}, "the gradient is called as f(g, y, x), and takes (g, x)"),
    "gradient without return": ({"gradient": lambda g, y, x: None}, "gives None; end it with return"),
    "gradient of a number": ({"gradient": lambda g, y, x: 2.0}, "gives a float; it is computed from g"),
    "gradient of an array": ({"gradient": lambda g, y, x: np.ones((2, 3))}, "gives a ndarray; it is computed from"),
    "gradient of a pair": (
        {"gradient": lambda g, y, x: (g, g)},
        "gives a tuple; each input has a function of its",
    ),
    "gradient of a part": ({"gradient": lambda g, y, x: g[0]}, "is f32[3], but the input is f32[2,3]; a cotangent"),
    "gradient of a scalar": ({"gradient": lambda g, y, x: g.sum()}, "is f32[], but the input is f32[2,3]"),
    "gradient in float64": ({"gradient": lambda g, y, x: g.astype(tl.float64)}, "convert it with .astype"),
    "jvp without return": ({"gradient": None, "jvp": lambda t, y, x: None}, "the jvp of input 0 gives None"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_in_what_is_given(slip: str) -> None:
    """Each is one sentence of this package's own, when it runs op by op and compiled."""
    given, said = SLIPS[slip]
    usual = {"shape": None, "kernel": lambda xp, x: x * 2, "gradient": lambda g, y, x: g * 2}
    op = tl.define_op("slipped", **{**usual, **given})
    backwards = {"gradient", "jvp"} & given.keys()
    f = (lambda x: tl.gradients(op(x).sum(), x)) if backwards else op
    for run in (f, tl.jit(f)):
        with pytest.raises(Error) as caught:
            run(X).numpy()
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
        assert str(caught.value).count("slipped") == 1
    np.testing.assert_array_equal(X.numpy(), [[1, 2, 3], [4, 5, 6]])


def test_attributes_of_any_name() -> None:
    f = tl.define_op("named_k", None, lambda xp, x, *, k: x * k, lambda g, y, x, *, k: g * k)
    assert tl.grad(lambda x: f(x, k=3.0))(2.0).item() == 3.0
