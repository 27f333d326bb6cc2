"""``checkpoint``: the same values and gradients, and fewer of them kept."""

import math
import tracemalloc

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import GraphError, ShapeError
from tinygrad_lstm.graph.function import topological, verify
from tinygrad_lstm.graph.tensor import make, remake
from tinygrad_lstm.testing import check_gradients

POINT = np.array([0.3, -0.8, 1.1])


def weights() -> tl.Parameter:
    return tl.Parameter(np.random.default_rng(0).normal(size=(3, 3)), name="W")


def block(w, depth: int = 3):
    def f(x):
        y = tl.tanh(x @ w)
        for _ in range(depth):
            y = tl.sin(y) * y
        return y

    return f


@pytest.mark.parametrize("order", [1, 2, 3])
def test_gradients_of_any_order_are_those_of_the_function(order: int) -> None:
    w = weights()
    x = tl.tensor(POINT)
    results = []
    for f in (block(w), tl.checkpoint(block(w))):
        y = f(x).sum()
        found = [y]
        for _ in range(order):
            gs = tl.gradients(y, [x, w])
            found += gs
            y = sum((g * g).sum() for g in gs)
        for v in found:
            verify(v)
        results.append([v.numpy() for v in tl.evaluate(*found)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_structures_keywords_and_what_it_closes_over() -> None:
    w = weights()

    @tl.checkpoint
    def f(pair, *, scale):
        """What it does."""
        return {"y": tl.tanh(pair["a"] @ w) * scale, "z": (pair["b"][0], 2.0)}

    assert (f.__name__, f.__doc__) == ("f", "What it does.")
    out = f({"a": POINT, "b": [tl.tensor(1.5)]}, scale=3)
    np.testing.assert_allclose(out["y"].numpy(), 3 * np.tanh(POINT @ w.leaf.numpy()))
    assert out["z"][0].item() == 1.5
    assert out["z"][1].item() == 2.0
    check_gradients(lambda a, b: f({"a": a, "b": [b]}, scale=2.0)["y"], POINT, 0.5)


def test_backward_reaches_parameters_inside() -> None:
    w = weights()
    (block(w)(tl.tensor(POINT)) ** 2).sum().backward()
    plain = w.grad.numpy()
    w.grad = None
    (tl.checkpoint(block(w))(tl.tensor(POINT)) ** 2).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), plain, rtol=1e-13)


def test_several_results_of_which_some_are_read() -> None:
    f = tl.checkpoint(lambda x, n: (tl.sin(x), x * x, n + 1))
    x = tl.symbol("x", (), tl.float64)
    a, b, n = f(x, 3)
    assert n.evaluate({x: 0.0}).item() == 4
    assert tl.gradients(b, x).evaluate({x: 3.0}).item() == 6.0
    assert tl.gradients((a, b), x).evaluate({x: 0.0}).item() == 1.0
    assert tl.gradients(tl.checkpoint(lambda x: tl.tensor(1.0))(x), x).evaluate({x: 3.0}).item() == 0.0


def test_a_checkpoint_in_a_checkpoint_and_a_scan_in_a_checkpoint() -> None:
    inner = tl.checkpoint(lambda x: tl.sin(x) * x)
    check_gradients(tl.checkpoint(lambda x: tl.cos(inner(x) + x)), POINT)
    looped = tl.checkpoint(lambda x: tl.scan(lambda c, v: (tl.tanh(c * v), c), x, tl.tensor(np.ones((3, 3))))[1])
    check_gradients(looped, POINT)


def stacked_bytes(f) -> int:
    """The sizes of the values that a scan over ``f`` keeps for its gradient."""
    h, xs = tl.symbol("h", 3), tl.symbol("xs", (7, 3))
    last, _ = tl.scan(lambda c, x: (f(c + x), None), h, xs)
    gs = tl.gradients(last, [h, xs])
    for g in gs:
        verify(g)
    kept = {n for n in topological(gs) if n.op == "stacked"}
    return sum(math.prod(n.shape) * n.dtype.itemsize for n in kept)


def test_in_a_scan_only_the_inputs_of_the_part_are_stacked() -> None:
    one = 7 * 3 * 4
    w = tl.Parameter(np.eye(3, dtype=np.float32), name="W")
    assert stacked_bytes(block(w)) == 6 * one
    assert stacked_bytes(tl.checkpoint(block(w))) == one

    def run(f):
        return lambda h: tl.scan(lambda c, x: (f(c + x), c), h, tl.tensor(np.ones((5, 3))))

    wide = weights()
    check_gradients(run(tl.checkpoint(block(wide))), POINT, order=2)


def peak(f) -> int:
    x = tl.tensor(np.full(50_000, 0.5))
    y = x
    for _ in range(8):
        y = f(y)
    g = tl.gradients(y.sum(), x)
    tracemalloc.start()
    try:
        tl.evaluate(g)
        return tracemalloc.get_traced_memory()[1] // x.numpy().nbytes
    finally:
        tracemalloc.stop()


def test_fewer_values_are_alive_at_once() -> None:
    def f(x):
        for _ in range(8):
            x = tl.sin(x)
        return x

    plain, saved = peak(f), peak(tl.checkpoint(f))
    assert plain >= 64
    assert saved <= 24


def test_it_is_printed_drawn_and_read() -> None:
    x = tl.symbol("x", 2)
    y = tl.checkpoint(lambda v: tl.sin(tl.exp(v)))(x)
    assert tl.printed(y) == (
        '%0: f32[2] = symbol "x"\n'
        "%1: (f32[2]) = call %0 {\n"
        '  %1.0: f32[2] = symbol "argument[0]"\n'
        "  %1.1: f32[2] = exp %1.0\n"
        "  %1.2: f32[2] = sin %1.1\n"
        "  return %1.2\n"
        "}\n"
        "%2: f32[2] = item %1 index=0\n"
        "return %2"
    )
    assert "computed again for the gradient" in tl.draw.graph(y).dot
    dot = tl.draw.graph(tl.gradients(y, x)).dot
    assert "sin" not in tl.text(x)
    assert "exp" in dot
    assert "cos" in dot
    both = tl.draw.graph((y, tl.gradients(y, x))).dot
    assert both.count("cluster") >= 2


def test_a_call_that_does_not_fit_its_body() -> None:
    y = tl.checkpoint(tl.sin)(tl.symbol("x", 2))
    call = y.inputs[0]
    with pytest.raises(ShapeError, match=r"operand 0 is f32\[3\] where the body takes f32\[2\]"):
        remake(call, (tl.symbol("x", 3),))
    with pytest.raises(GraphError, match="reads the tuple-typed call directly"):
        verify(make("named", call, name="n"))


def test_a_value_that_escapes_is_named() -> None:
    leaked = []
    tl.checkpoint(lambda x: leaked.append(x) or x)(tl.tensor(1.0))
    with pytest.raises(tl.errors.UnboundSymbolError, match=r"belongs to the body of a call at .*test_checkpoint.py"):
        leaked[0].numpy()
