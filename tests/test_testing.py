"""``check_gradients`` passes where gradients are right, and says what is wrong where they are not."""

import dataclasses

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError, Error, GradientError, GradientMismatchError, UsageError
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.testing import check_gradients

POINT = np.array([[0.3, -0.8, 1.1]])


def test_structures_of_any_kind_go_in_and_come_out() -> None:
    check_gradients(lambda p, s: {"y": tl.sin(p["a"] * s), "z": [p["b"][0] ** 2]}, {"a": POINT, "b": [POINT]}, 0.7)
    check_gradients(lambda x: tl.tensor(2.0), POINT)
    check_gradients(lambda x: x[:0], POINT)
    check_gradients(tl.tanh, np.zeros((0, 3)))
    check_gradients(lambda x: x**3, 0.0, order=3)


def with_gradient(monkeypatch, name: str, gradient) -> None:
    monkeypatch.setitem(OPS, name, dataclasses.replace(OPS[name], gradient=gradient))


def test_float32_arrays_are_widened() -> None:
    check_gradients(tl.exp, POINT.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "wrong", "f"),
    [
        ("tanh", lambda g, y, x: g * (1 - y), tl.tanh),
        ("tanh", lambda g, y, x: g * 0, tl.tanh),
        ("exp", lambda g, y, x: g * y * (1 + 1e-4), tl.exp),
        ("sigmoid", lambda g, y, x: g * y, tl.sigmoid),
        ("log", lambda g, y, x: g * (x - x) / (x - x), lambda x: tl.log(x + 2)),
        ("flip", lambda g, y, x, axis: g, lambda x: tl.flip(x) * x),
    ],
)
def test_a_wrong_rule_is_found(monkeypatch, name: str, wrong, f) -> None:
    with_gradient(monkeypatch, name, (wrong,))
    with pytest.raises(GradientMismatchError, match=r"order 1, input xs\[0\] f64\[1,3\]: .* finite differences give"):
        check_gradients(f, POINT)


def test_the_input_that_is_wrong_is_named(monkeypatch) -> None:
    with_gradient(monkeypatch, "multiply", (OPS["multiply"].gradient[0], lambda g, y, a, b: g))
    with pytest.raises(AssertionError, match=r"order 1, input xs\[1\]\['b'\]"):
        check_gradients(lambda x, p: x * p["b"] + p["a"], POINT, {"a": POINT, "b": POINT + 1})


def test_the_second_order_is_checked_on_its_own(monkeypatch) -> None:
    """A rule whose value is right and whose own derivative is cut."""
    with_gradient(monkeypatch, "sin", (lambda g, y, x: g * tl.cos(tl.stop_gradient(x)),))
    check_gradients(tl.sin, POINT, order=1)
    with pytest.raises(GradientMismatchError, match="order 2"):
        check_gradients(tl.sin, POINT)


def test_a_kink_is_found() -> None:
    with pytest.raises(GradientMismatchError, match="not smooth here"):
        check_gradients(lambda x: tl.sqrt(tl.abs(x)), 0.0)


def test_mistakes() -> None:
    with pytest.raises(UsageError, match="order is an integer of at least 1, not 0"):
        check_gradients(tl.exp, 1.0, order=0)
    with pytest.raises(UsageError, match="no input"):
        check_gradients(lambda: tl.tensor(1.0))
    with pytest.raises(
        DTypeError, match=r"xs\[1\] holds int64, not floats; write 1\.0 in place of 1, or let f close over it"
    ):
        check_gradients(lambda x, i: x[i], POINT, np.array([0]))
    with pytest.raises(GradientError, match="only floats"):
        check_gradients(tl.argmax, POINT)
    assert issubclass(GradientMismatchError, Error)


def test_one_seed_gives_one_result() -> None:
    def message(seed: int) -> str:
        with pytest.raises(GradientMismatchError) as caught:
            check_gradients(lambda x: x * tl.stop_gradient(x), POINT, seed=seed)
        return str(caught.value)

    assert message(0) == message(0) != message(1)
