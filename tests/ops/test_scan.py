"""The loop: whatever one can carry, step through, or read from outside, against the same steps unrolled."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.covering import examples
from tests.programs import Program, programs
from tinygrad_lstm.errors import DTypeError, ShapeError, StructureError, UsageError
from tinygrad_lstm.graph.function import topological, verify
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.testing import check_gradients


class Pair(NamedTuple):
    h: Any
    c: Any


@dataclass
class Box:
    low: Any
    high: Any


def unrolled(f, init, xs, length=None, reverse=False):
    """What ``scan`` promises, one step after another."""
    leaves, structure = flatten(xs)
    steps = leaves[0].shape[0] if leaves else length
    carry, ys = init, [None] * steps
    for t in reversed(range(steps)) if reverse else range(steps):
        carry, ys[t] = f(carry, unflatten(structure, [x[t] for x in leaves]))
    rows = [flatten(y)[0] for y in ys]
    return carry, unflatten(flatten(ys[0])[1], [tl.stack(list(at)) for at in zip(*rows, strict=True)])


def assert_same(rolled: Any, single: Any, inputs: list[Any], rtol: float = 1e-9) -> None:
    """Equal values, and equal gradients of a random function of them, to second order."""
    ys, zs = flatten(rolled), flatten(single)
    assert ys[1].fits(zs[1])
    tl.evaluate(tl.tensor(0.0), *ys[0], *zs[0])
    for y, z in zip(ys[0], zs[0], strict=True):
        verify(y)
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=rtol, atol=rtol)

    def weighted(leaves, random):
        floats = [v for v in leaves if v.dtype.is_float]
        return [v * random.normal(size=v.shape).astype(v.dtype.name) for v in floats]

    for order in (1, 2):
        found = []
        for leaves in (ys[0], zs[0]):
            found.append(tl.gradients(weighted(leaves, np.random.default_rng(order)), inputs))
        ys, zs = (found[0], None), (found[1], None)
        tl.evaluate(tl.tensor(0.0), *found[0], *found[1])
        for g, e in zip(*found, strict=True):
            verify(g)
            scale = max(1.0, float(np.abs(e.numpy()).max(initial=0)))
            np.testing.assert_allclose(g.numpy(), e.numpy(), rtol=rtol, atol=rtol * scale, err_msg=f"order {order}")


def vector(seed: int, *shape: int) -> tl.Tensor:
    return tl.tensor(np.random.default_rng(seed).uniform(-1, 1, shape or (3,)))


W, A, B = tl.Parameter(vector(1), name="w"), vector(2), vector(3)
XS = vector(4, 4, 3)
COUNTS = tl.tensor(np.array([2, 0, 1, 2]))


@dataclass(frozen=True)
class Loop:
    name: str
    f: Any
    init: Any
    xs: Any = None
    length: int | None = None

    def __str__(self) -> str:
        return self.name


LOOPS = [
    Loop("one carry", lambda c, x: (tl.tanh(c * x), c + x), A, XS),
    Loop("a tuple", lambda c, x: ((tl.sin(c[1]) + x, c[0] * x), c[0]), (A, B), XS),
    Loop("a dict", lambda c, x: ({"b": c["a"] * x, "a": tl.cos(c["b"])}, {"y": c["a"]}), {"a": A, "b": B}, XS),
    Loop("a named tuple", lambda c, x: (Pair(tl.tanh(c.c), c.h * x), [c.h, x]), Pair(A, B), XS),
    Loop("a dataclass", lambda c, x: (Box(c.high, tl.sin(c.low) * x), Box(x, c.low)), Box(A, B), XS),
    Loop("swapped carries", lambda c, x: ((c[1], c[0]), c[0] * c[1]), (A, B), XS),
    Loop("tied carries", lambda c, x: ((lambda s: (s, s))(tl.sin(c[0] * c[1] + x)), c[1]), (A, B), XS),
    Loop("tied at the start", lambda c, x: ((c[0] * x, tl.sin(c[1])), c[0]), (A, A), XS),
    Loop("y is the carry", lambda c, x: (tl.tanh(c + x), c), A, XS),
    Loop("y is the new carry", lambda c, x: (lambda s: (s, s))(tl.tanh(c * x)), A, XS),
    Loop("y is x", lambda c, x: (c * x, x), A, XS),
    Loop("the carry becomes x", lambda c, x: (x, c * x), A, XS),
    Loop("the carry stays", lambda c, x: (c, tl.sin(c * x)), A, XS),
    Loop("nothing to stack", lambda c, x: (tl.tanh(c * x), None), A, XS),
    Loop("no carry", lambda c, x: (None, tl.sin(x)), None, XS),
    Loop("constants come out", lambda c, x: (c * x, (1.0, tl.zeros(2), tl.tensor(np.ones(1)))), A, XS),
    Loop("the carry becomes a constant", lambda c, x: (tl.zeros(3, tl.float64), c * x), A, XS),
    Loop("the carry becomes an operand", lambda c, x: (A * 1, c * x), B, XS),
    Loop("nothing to step through", lambda c, _: (tl.sin(c * 2), c), A, None, 4),
    Loop("several xs", lambda c, x: (tl.sin(c * x["u"]) + x["v"][0], x["v"][1]), A, {"u": XS, "v": (XS, XS * 2)}),
    Loop("one x twice", lambda c, x: (tl.sin(c * x[0]) * x[1], None), A, (XS, XS)),
    Loop("a Parameter", lambda c, x: (tl.tanh(c * W + x), c * W), A, XS),
    Loop("operands", lambda c, x: (tl.tanh(c * (A * B) + x * tl.sin(B)), A), A, XS),
    Loop("init and xs are operands too", lambda c, x: (tl.sin(c * A) + (XS * x).sum(), None), A, XS),
    Loop("a matrix", lambda c, x: (tl.tanh(c @ vector(5, 3, 3) + x), c @ c), A, XS),
    Loop("views", lambda c, x: (tl.tanh(c[::-1].reshape(3, 1).T.reshape(3) * x), c[1:]), A, XS),
    Loop("integers to step through", lambda c, i: (tl.sin(c * A[i]), tl.take(c, i)), A, COUNTS),
    Loop("an integer carry", lambda c, x: ((c[0] + 1, tl.sin(c[1] * x) * (c[0] + 1)), c[0]), (tl.tensor(0), A), XS),
    Loop("a bool carry", lambda c, x: ((c[1] > x, tl.where(c[0], x, c[1] * x)), c[0]), (A > B, A), XS),
    Loop("what comes after the cut", lambda c, x: (tl.sin(tl.stop_gradient(c) * x) + c, None), A, XS),
    Loop("a scalar carry", lambda c, x: (tl.sin(c * x.sum()), c), A.sum(), XS),
    Loop("a gradient in the body", lambda c, x: (tl.gradients(tl.sin(c * x) * c, c), None), A, XS),
    Loop("an invariant carry feeds another", lambda c, x: ((c[0], tl.sin(c[1] * c[0]) + x), None), (A, B), XS),
    Loop("an empty carry", lambda c, x: ((c[0], c[1] * x), c[0].sum()), (vector(0, 0), A), XS),
]


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("loop", LOOPS, ids=str)
def test_against_the_unrolled_steps(loop: Loop, reverse: bool) -> None:
    rolled = tl.scan(loop.f, loop.init, loop.xs, loop.length, reverse)
    single = unrolled(loop.f, loop.init, loop.xs, loop.length, reverse)
    assert_same(rolled, single, [A, B, W, XS])


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_few_steps(steps: int) -> None:
    xs = XS[:steps]
    rolled = tl.scan(lambda c, x: (tl.tanh(c * x * W), c * x), A, xs)
    assert rolled[1].shape == (steps, 3)
    if steps:
        assert_same(rolled, unrolled(lambda c, x: (tl.tanh(c * x * W), c * x), A, xs), [A, W, XS])
        return
    assert rolled[0].tolist() == A.tolist()
    y = (rolled[0] * A).sum() + rolled[1].sum()
    found = tl.gradients(y, [A, W, XS])
    np.testing.assert_allclose(found[0].numpy(), 2 * A.numpy())
    assert found[1].tolist() == [0, 0, 0]
    assert not found[2].numpy().any()
    assert tl.gradients(found[0], A).tolist() == [2, 2, 2]


def inner_and_outer(scan: Any) -> Any:
    """A loop in a loop in a loop; each reads the carries of those around it and a Parameter."""

    def outer(c, row):
        def middle(d, x):
            def innermost(e, _):
                return tl.sin(e * c * W) + d, e * x

            e, ys = scan(innermost, d, None, 2)
            return tl.tanh(e * x), ys.sum(0)

        d, ys = scan(middle, c * 2, row)
        return d + tl.cos(c), (ys, d)

    return scan(outer, A, vector(6, 2, 3, 3))


def test_loops_in_loops() -> None:
    assert_same(inner_and_outer(tl.scan), inner_and_outer(unrolled), [A, W])


@pytest.mark.parametrize("reverse", [False, True])
def test_a_loop_that_steps_through_the_results_of_another(reverse: bool) -> None:
    def both(scan):
        _, ys = scan(lambda c, x: (tl.tanh(c * x), c * x), A, XS, None, reverse)
        return scan(lambda c, y: (tl.sin(c + y * W), c), B, ys, None, not reverse)

    assert_same(both(tl.scan), both(unrolled), [A, B, W, XS])


def test_finite_differences_through_a_loop() -> None:
    def f(a, w, xs):
        c, ys = tl.scan(lambda c, x: (tl.tanh(c * w + x), tl.sin(c) * x), a, xs)
        return c, ys

    check_gradients(f, A.numpy(), W.numpy(), XS.numpy(), order=3, rtol=1e-5)


def test_the_gradient_of_a_gradient_of_a_gradient() -> None:
    def f(scan):
        y = tl.symbol("y", 3, tl.float64)
        c, _ = scan(lambda c, x: (tl.tanh(c * y + x), None), A, XS)
        for _ in range(3):
            c = tl.gradients(c.sum() + (c * c).sum(), y)
        return c.evaluate({y: B}).numpy()

    np.testing.assert_allclose(f(tl.scan), f(unrolled), rtol=1e-9)


def test_gradients_taken_twice_of_one_loop_add_up() -> None:
    """Both read stacks of the same loop; the derivative of their sum flows back through each."""

    def f(scan):
        c, ys = scan(lambda c, x: (tl.tanh(c * W + x), tl.tanh(c * W + x)), A, XS)
        first, second = tl.gradients(c, W), tl.gradients(ys, W)
        return (first * second).sum() + (ys * ys).sum() + c.sum()

    assert_same(f(tl.scan), f(unrolled), [A, W, XS])


def test_a_loop_over_an_outer_symbol() -> None:
    s = tl.symbol("s", 3, tl.float64)
    loops = [
        tl.gradients(scan(lambda c, x: (tl.tanh(c * s + x), None), A, XS)[0], s).evaluate({s: B}).numpy()
        for scan in (tl.scan, unrolled)
    ]
    np.testing.assert_allclose(*loops, rtol=1e-12)


def test_integer_results_have_no_derivative_and_do_no_harm() -> None:
    (count, c), counts = tl.scan(lambda s, x: ((s[0] + 1, s[1] * x), s[0]), (tl.tensor(0), A), XS)
    assert count.item() == 4
    assert counts.tolist() == [0, 1, 2, 3]
    assert tl.gradients(c, A).numpy() == pytest.approx(XS.numpy().prod(0))


def test_the_forward_loop_runs_once(monkeypatch) -> None:
    """Its results and the stacks that the gradient reads come out of one run."""
    backend = tl.runtime.backend.load_backend("numpy")
    calls = 0
    tanh = backend.kernels["tanh"]

    def counted(x):
        nonlocal calls
        calls += 1
        return tanh(x)

    monkeypatch.setitem(backend.kernels, "tanh", counted)
    c, ys = tl.scan(lambda c, x: (tl.tanh(c * x), c), A, XS)
    tl.evaluate(c, ys, *tl.gradients((c, ys), [A, XS]))
    assert calls == len(XS)


def test_the_body_is_called_once_and_the_graph_does_not_grow_with_the_length() -> None:
    calls = []

    def body(c, x):
        calls.append(1)
        return tl.tanh(c * x), c

    sizes = set()
    for steps in (10, 10_000):
        c, ys = tl.scan(body, tl.zeros(3), tl.zeros((steps, 3)))
        order = topological([*tl.gradients([c, ys], [c, ys]), c, ys])
        sizes.add(len(order))
    assert len(calls) == 2
    assert len(sizes) == 1


@given(programs(inputs=4, outputs=3), st.integers(1, 3), st.booleans())
@examples(200)
def test_random_bodies(program: Program, steps: int, reverse: bool) -> None:
    """Two carries, a slice and an operand in; two carries and a y out."""

    def f(carry, x):
        first, second, y = program.run([*carry, x, W], symbolic=True)
        return (first, second), y

    rolled = tl.scan(f, (A, B), XS[:steps], reverse=reverse)
    single = unrolled(f, (A, B), XS[:steps], reverse=reverse)
    assert_same(rolled, single, [A, B, W, XS])
    arrays = [[A.numpy(), B.numpy()], [None] * steps]
    for t in reversed(range(steps)) if reverse else range(steps):
        *arrays[0], arrays[1][t] = program.run([*arrays[0], XS.numpy()[t], W.numpy()], symbolic=False)
    np.testing.assert_allclose(rolled[0][0].numpy(), arrays[0][0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(rolled[1].numpy(), np.stack(arrays[1]), rtol=1e-10, atol=1e-12)


@given(programs(inputs=4, outputs=2, most=4), programs(inputs=4, outputs=2, most=4))
@examples(80)
def test_random_bodies_in_random_bodies(outer: Program, inner: Program) -> None:
    def nested(scan):
        def f(c, x):
            carry, y = outer.run([c, x, W, B], symbolic=True)

            def g(d, z):
                return tuple(inner.run([d, z, c, W], symbolic=True))

            d, ys = scan(g, carry, tl.stack([x, y]))
            return d, ys.sum(0) + y

        return scan(f, A, XS[:2])

    assert_same(nested(tl.scan), nested(unrolled), [A, B, W, XS])


@given(programs(inputs=4, outputs=3), st.integers(0, 5), st.integers(2, 7), st.booleans(), st.booleans())
@examples(60)
def test_several_steps_at_once(program: Program, steps: int, unroll: int, reverse: bool, compiled: bool) -> None:
    def f(carry, x):
        first, second, y = program.run([*carry, x, W], symbolic=True)
        return (first, second), {"y": y, "x": x}

    def run(a, b, xs):
        count = True if unroll == 7 else unroll
        return tl.scan(f, (a, b), xs[:steps], reverse=reverse, unroll=count)

    xs = tl.concatenate([XS, XS * 0.5])
    single = tl.scan(f, (A, B), xs[:steps], reverse=reverse)
    if compiled:
        for got, want in zip(flatten(tl.jit(run)(A, B, xs))[0], flatten(single)[0], strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-9)
    else:
        assert_same(run(A, B, xs), single, [A, B, W, XS])


def test_counted_loops() -> None:
    """``fori_loop`` against Python's range."""
    for lower, upper, unroll in ((0, 4, 1), (2, 7, 2), (-3, 1, True), (3, 3, 1), (5, 2, 4)):
        value = {"x": A.numpy(), "n": np.int64(1)}
        for i in range(lower, upper):
            value = {"x": np.sin(value["x"]) * i + value["n"], "n": value["n"] + i}
        got = tl.fori_loop(
            lower, upper, lambda i, v: {"x": tl.sin(v["x"]) * i + v["n"], "n": v["n"] + i}, {"x": A, "n": 1},
            unroll=unroll,
        )  # fmt: skip
        np.testing.assert_allclose(got["x"].numpy(), value["x"])
        assert got["n"].item() == value["n"]
    check_gradients(lambda a: tl.fori_loop(1, 4, lambda i, v: tl.sin(v * i), a), A.numpy())


ZERO = tl.zeros(8)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (
            ShapeError,
            r"scan body: carry 'h' enters as f32\[8\] but leaves as f32\[1,8\]; return the entry shape",
            lambda: tl.scan(lambda s, x: (Pair(s.h.reshape(1, 8), s.c), None), Pair(ZERO, ZERO), tl.zeros(3)),
        ),
        (
            DTypeError,
            r"carry 'carry\[1\]' enters as i64\[\] but leaves as f32\[\]; start with a float, such as 0\.0",
            lambda: tl.scan(lambda s, x: ((s[0], s[1] + 0.5), None), (ZERO, tl.tensor(1)), tl.zeros(3)),
        ),
        (
            StructureError,
            r"the carry enters as \(\*, \*\) but leaves as \(\*\); return the entry structure",
            lambda: tl.scan(lambda s, x: ((s[0],), None), (ZERO, ZERO), tl.zeros(3)),
        ),
        (StructureError, r"return a pair \(carry, y\), not Tensor", lambda: tl.scan(lambda s, x: s, ZERO, tl.zeros(3))),
        (
            ShapeError,
            r"scan: xs\['b'\] has 4 steps, but xs\['a'\] says 3",
            lambda: tl.scan(lambda s, x: (s, None), ZERO, {"a": tl.zeros(3), "b": tl.zeros(4)}),
        ),
        (ShapeError, "xs has 3 steps, but length says 5", lambda: tl.scan(lambda s, x: (s, x), ZERO, tl.zeros(3), 5)),
        (ShapeError, "has no axis to step along", lambda: tl.scan(lambda s, x: (s, x), ZERO, tl.tensor(1.0))),
        (UsageError, "without xs the number of steps is unknown; give length=", lambda: tl.scan(lambda s, x: s, 1)),
        (
            UsageError,
            "length is an integer ≥ 0, the number of steps, not 'x'",
            lambda: tl.scan(lambda s, x: (s, x), ZERO, None, "x"),
        ),
        (
            UsageError,
            "length is an integer ≥ 0, the number of steps, not -1",
            lambda: tl.scan(lambda s, x: (s, x), ZERO, None, -1),
        ),
    ],
)
def test_mistakes(error, message: str, call) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_body_that_fails_runs_once_and_is_told_its_arguments() -> None:
    runs = []

    def swapped(x, state):
        runs.append(x)
        h, c = state
        return (h + x, c * x), h

    with pytest.raises(ValueError, match="unpack") as told:
        tl.scan(swapped, {"h": tl.ones(3), "c": (tl.ones(2), tl.ones(2))}, tl.ones((4, 3)))
    assert told.value.__notes__ == [
        "scan calls its body as f(carry, x), with carry = {c: (f32[2], f32[2]), h: f32[3]} and x = f32[3]"
    ]
    assert len(runs) == 1

    def called_wrong(carry, x):
        return swapped(carry), x

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        tl.scan(called_wrong, tl.ones(3), tl.ones(4))


def test_what_a_body_raises_is_not_replaced_whatever_the_carry_is_called() -> None:
    def failing(carry, x):
        raise RuntimeError("my own")

    with pytest.raises(RuntimeError, match="my own") as told:
        tl.scan(failing, {"100%s": tl.ones(2), "*": tl.zeros(3)}, tl.ones(4))
    assert told.value.__notes__[0].endswith("carry = {*: f32[3], 100%s: f32[2]} and x = f32[]")


@pytest.mark.parametrize(
    "change",
    [
        lambda p, _: p.assign(p + 1.0),
        lambda p, _: tl.optim.SGD([p], lr=0.5).step(),
        lambda p, _: (p * p).backward(),
        lambda p, _: setattr(p, "grad", None),
        lambda p, c: p.assign(c),
    ],
)
@pytest.mark.parametrize("under", [lambda f: f, tl.jit, lambda f: lambda x: tl.grad(f)(x)])
def test_a_body_that_changes_a_cell_is_refused(change, under) -> None:
    p = tl.Parameter(1.0, name="p")
    p.grad = tl.tensor(2.0)

    def f(x):
        return tl.scan(lambda c, v: (change(p, c) or c + v * x, None), 0.0, tl.ones(3))[0]

    with pytest.raises(
        UsageError, match=r"body of a scan at .* changes 'p', which would happen once.*part of the carry"
    ):
        under(f)(1.0)
    assert (p.item(), p.grad.item()) == (1.0, 2.0)
    p.assign(3.0)  # outside it is as before


def test_a_body_may_change_what_it_makes_and_draw_one_mask() -> None:
    dropout = tl.nn.Dropout(0.5, key=tl.random.key(0))
    before = dropout.key.tolist()

    def body(c, v):
        own = tl.State(1.0)
        own.assign(own + 1.0)
        return c + own, dropout(tl.ones(8))

    last, masks = tl.scan(body, 0.0, tl.ones(3))
    assert last.item() == 6.0
    assert (masks.numpy() == masks.numpy()[0]).all()
    assert dropout.key.tolist() != before
