"""Python's numbers take the type of the tensors that they meet, through transforms and loops too."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError

FLOATS = [tl.float16, tl.float32, tl.float64]


def filled(dtype: Any) -> tl.Tensor:
    return tl.tensor([1.0, 2.0], dtype=dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("number", [0.1, 3, True, np.float64(0.1), np.float32(0.1)], ids=repr)
def test_checkpoint_passes_numbers_as_they_are(dtype: Any, number: Any) -> None:
    x = filled(dtype)
    y = tl.checkpoint(lambda x, c: x * c)(x, number)
    assert y.dtype is dtype
    assert y.tolist() == (x * number).tolist()
    assert tl.gradients(y.sum(), x).tolist() == tl.gradients((x * number).sum(), x).tolist()
    assert tl.jit(tl.checkpoint(lambda x, c: x * c))(x, number).tolist() == y.tolist()


def test_whole_numbers_count_inside_a_checkpoint() -> None:
    x = filled(tl.float32)
    y = tl.checkpoint(lambda x, n, axis: tl.stack([x] * n).sum(axis))(x, 3, 0)
    assert y.tolist() == [3.0, 6.0]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("partner", [filled, lambda d: np.array([1.0, 2.0], d.name), lambda d: tl.Parameter(filled(d))])
def test_numbers_beside_arrays_under_transforms(dtype: Any, partner: Any) -> None:
    x, f = partner(dtype), lambda x, c: (x * c).sum()
    for y in (
        *tl.grad(f, argnums=(0, 1))(x, 0.5), tl.grad(f, argnums=1)(x, 0.5), tl.value_and_grad(f)(x, 0.5)[0],
        tl.vjp(f, x, 0.5)[0], *tl.vjp(f, x, 0.5)[1](2.0), *tl.jvp(f, (x, 0.5), (x, 1.0)),
        *tl.hvp(lambda p: (p[0] * p[0] * p[1]).sum(), (x, 0.5), (x, 1.0)),
        *tl.jacobian(lambda p: p["x"] * p["c"])({"x": x, "c": 0.5}).values(),
        tl.jit(lambda x, c: tl.grad(f, argnums=1)(x, c))(x, 0.5),
    ):  # fmt: skip
        assert y.dtype is dtype
    assert tl.grad(f, argnums=1)(x, 0.5).item() == 3.0
    assert tl.grad(lambda c: c * c)(0.5).dtype is tl.float32


@pytest.mark.parametrize("dtype", [*FLOATS, tl.int32, tl.int64, tl.uint32], ids=str)
@pytest.mark.parametrize("start", [0, 0.0, np.float64(0), np.float32(0), np.int64(0)], ids=repr)
def test_a_carry_takes_the_type_of_what_it_meets(dtype: Any, start: Any) -> None:
    x = tl.tensor([1, 2, 4], dtype=dtype)
    for f in (
        lambda c, x: (c + x, c),
        lambda c, x: (tl.maximum(x, c) + x * 1, c),
        lambda c, x: (tl.where(x > 1, c, x), None),
    ):
        last, ys = tl.scan(f, start, x)
        wanted = dtype if dtype.is_float or not isinstance(start, float | np.floating) else tl.float32
        assert last.dtype is wanted
        assert ys is None or ys.dtype is wanted
        want, _ = tl.scan(f, tl.tensor(start, dtype=wanted), x)
        assert last.item() == want.item()
    assert tl.jit(lambda x, c: tl.scan(lambda c, x: (c + x, c), c, x)[0])(x, start).dtype is last.dtype


def test_a_carry_that_meets_nothing_is_what_the_number_is_alone() -> None:
    def last(start: Any, f: Any) -> tl.Tensor:
        return tl.scan(lambda c, _: (f(c), None), start, length=3)[0]

    assert (last(1, lambda c: 2 * c).dtype, last(1, lambda c: 2 * c).item()) == (tl.int64, 8)
    assert (last(1.0, lambda c: c / 2).dtype, last(1.0, lambda c: c / 2).item()) == (tl.float32, 0.125)
    assert (last(1, lambda c: c * 0.5).dtype, last(1, lambda c: c * 0.5).item()) == (tl.float32, 0.125)
    assert last(np.float64(0.1), lambda c: c * c).item() == pytest.approx(0.1**8, rel=1e-14)
    assert last(0.5, tl.sin).dtype is tl.float32


def test_carries_of_several_kinds_and_loops_in_loops() -> None:
    x = tl.tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))

    def row(carry: Any, r: Any) -> Any:
        inner, _ = tl.scan(lambda c, v: (c + v, None), 0.0, r)
        return (carry[0] + inner, carry[1] + 1), carry[0]

    (total, count), before = tl.scan(row, (0.0, 0), x)
    assert (total.dtype, total.item(), count.dtype, count.item()) == (tl.float64, 10.0, tl.int64, 2)
    assert before.tolist() == [0.0, 3.0]


def test_a_carry_that_meets_other_floats_later_takes_their_type() -> None:
    last, _ = tl.scan(lambda c, x: (tl.exp(c) * x, c), 0.0, np.array([0.1, 0.2]))
    assert last.item() == np.exp(0.1) * 0.2


def test_what_is_wrong_with_a_body_is_told_as_ever() -> None:
    with pytest.raises(DTypeError, match="carry 'carry' enters as i64"):
        tl.scan(lambda c, x: (c + x, c), tl.tensor(0), np.ones(2))
    with pytest.raises(ZeroDivisionError):
        tl.scan(lambda c, x: (c + 1 / 0, c), 0.0, np.ones(2))
