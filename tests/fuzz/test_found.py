"""Programs that were once compiled to something else than was written: plain and under ``jit``, on both backends."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c

FLOATS = np.arange(6.0, dtype=np.float32).reshape(3, 2)


def grid(*shape: int, dtype: str = "float32") -> Any:
    return (np.arange(np.prod(shape)) % 7 + 1).astype(dtype).reshape(shape)


def stacked(x: Any) -> Any:
    """A running sum over the rows."""
    return tl.scan(lambda c, v: (c + v, c + v), tl.zeros(x.shape[1:], dtype=x.dtype), x)[1]


def beside(view: Callable[[Any], Any], first: bool = True) -> Callable[[Any], Any]:
    """The outputs of a loop returned beside a view of them."""

    def f(x: Any) -> Any:
        ys = stacked(x)
        return (view(ys), ys) if first else (ys, view(ys))

    return f


def empty_sum(e: Any, x: Any, w: Any) -> Any:
    return (x * 2 + w)[3] + (e * 3).sum()


def transposed(a: Any) -> Any:
    o = tl.transpose(tl.tanh(a)).reshape(2, 3)
    return o, o * 2


def joined(a: Any, w: Any) -> Any:
    o = tl.transpose(tl.tanh(a)).reshape(6)
    return tl.concatenate([o, w]), (o[1:] * w[1:]).sum()


def repeated(length: int) -> Callable[[Any], Any]:
    return lambda x: tl.scan(lambda c, _: (c * c, None), x, length=length)[0]


def swapped(a: Any, b: Any) -> Any:
    return tl.scan(lambda c, _: ((c[1], c[0] + c[1]), None), (a, b), length=3)[0]


def cut(x: Any) -> Any:
    """No −0 comes out of an integer; gcc makes ``trunc`` of two casts in a row."""
    whole = tl.int32 if x.dtype == "float32" else tl.int64
    return x.astype(whole).astype(x.dtype)


def outer_product(a: Any, b: Any) -> Any:
    v = tl.reshape(tl.transpose(tl.minimum(a, b)), (6,))
    return v, (v[..., None] * v).sum(-1)


def stacked_inside(a: Any, b: Any, s: Any) -> Any:
    """A loop in a loop writes rows of a stack, part of which lies where a kernel of the outer one reads."""

    def body(c: Any, x: Any) -> Any:
        _, q = tl.scan(lambda d, _: (d + 1.0, d + 1.0), c, None, length=2)
        p = x[:2] * x[2:] + q
        return tl.sum(p), tl.concatenate([p, q])

    return tl.scan(body, s, a @ b)[1] * 2


def padded(x: Any) -> Any:
    """The outputs of a loop, written into zeros that must be there before the loop runs."""
    ys = stacked(x)
    return tl.pad(ys, 1), ys, tl.pad(ys[:, :1], 2)


def constant_in_and_out(x: Any) -> Any:
    """An operand that is made of a number, for a product in a loop and one after it."""
    w = tl.ones((2, 2), dtype=x.dtype)
    return tl.scan(lambda c, v: (c + v @ w, None), tl.zeros(2, dtype=x.dtype), x)[0] @ w, x @ w


def product_added_across(a: Any, b: Any, z: Any) -> Any:
    """A product that is added to something whose innermost axis is that of the matrices' number."""
    return tl.transpose(a @ b, (1, 2, 0)) + tl.exp(z)


def overlapping(a: Any, b: Any) -> Any:
    """Rows of a product, read by one kernel through views that overlap."""

    def shifted(c: Any, x: Any) -> Any:
        y = x[:3] * x[1:] + c
        return c + y.sum() / 100, y

    def repeated_first(c: Any, x: Any) -> Any:
        y = x[:1] * x[1:] + c
        return c + y.sum() / 100, y

    start = tl.ones((), dtype=a.dtype)
    return tl.scan(shifted, start, a @ b)[1] * 2, tl.scan(repeated_first, start, a @ (b * 2))[1].sum(0)


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "outputs and a reshape": (beside(lambda y: y.reshape(3, 4)), (grid(6, 2),)),
    "outputs and a vector": (beside(lambda y: y.reshape(12)), (grid(6, 2),)),
    "outputs and more axes": (beside(lambda y: y.reshape(2, 3, 2, 1)), (grid(6, 2),)),
    "a reshape after the outputs": (beside(lambda y: y.reshape(3, 4), False), (grid(6, 2),)),
    "outputs and a transpose": (beside(tl.transpose), (grid(6, 2),)),
    "outputs flipped": (beside(tl.flip), (grid(6, 2),)),
    "an empty sum in a kernel": (empty_sum, (np.zeros(0, np.float32), grid(4), grid(4))),
    "a transpose, reshaped and read": (transposed, (FLOATS,)),
    "a transpose in a join, and read": (joined, (FLOATS, grid(6))),
    "a transpose of a minimum": (outer_product, (grid(3, 1), grid(3, 2))),
    "less a negative zero": (lambda x: x - -0.0, (np.array([-0.0, 0.0, 1.0], np.float32),)),
    "cut to an integer and back": (cut, (np.array([-0.5, -0.0, 0.5, -1.5] * 8),)),
    "cut to an integer and back in float32": (cut, (np.array([-0.5, -0.0, 0.5, -1.5] * 8, np.float32),)),
    "outputs written into zeros": (padded, (grid(3, 2),)),
    "a made-up operand in a loop and after it": (constant_in_and_out, (grid(3, 2),)),
    "a product added across": (product_added_across, (grid(3, 2, 4), grid(3, 4, 5), grid(2, 5, 3) / 8)),
    "rows read twice": (overlapping, (grid(3, 2), grid(2, 4))),
    "positions along two axes": (lambda x: x + tl.arange(6, dtype=tl.float32).reshape(3, 2), (grid(3, 2),)),
    "a stack that an inner loop writes too": (stacked_inside, (grid(2, 3), grid(3, 4), np.float32(0))),
    "below the least distance": (lambda x: tl.abs(x) < 1, (np.tile([3, -(2**31)], 16).astype(np.int32),)),
    "a carry of an axis of 1": (repeated(3), (grid(3, 1),)),
    "a carry of an axis of 1 in float16": (repeated(3), (grid(3, 1, dtype="float16"),)),
    "a carry of inner axes of 1 in float16": (repeated(2), (grid(2, 2, 1, 2, dtype="float16") / 8,)),
    "carries that change places in float16": (swapped, (grid(1, 3, dtype="float16"), grid(1, 3, dtype="float16"))),
}


def agree(f: Callable[..., Any], arrays: tuple[Any, ...], backend: str) -> None:
    plain = f(*map(tl.tensor, arrays))
    with tl.use_backend(backend):
        jitted = tl.jit(f)(*arrays)
    for got, want in zip(*[y if isinstance(y, tuple) else (y,) for y in (jitted, plain)], strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6)
        if want.dtype.is_float:
            assert (np.signbit(got.numpy()) == np.signbit(want.numpy())).all()


@pytest.mark.parametrize("name", CASES)
def test_on_numpy(name: str) -> None:
    agree(*CASES[name], "numpy")


@needs_c
@pytest.mark.parametrize("name", CASES)
def test_on_c(name: str) -> None:
    agree(*CASES[name], "c")
