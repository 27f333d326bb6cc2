"""Python numbers under ``jit`` behave as they do outside of it."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError, TraceError, UnboundSymbolError, UsageError
from tinygrad_lstm.runtime import backend as module

X64 = np.array([1.0, 2.0])
ARRAYS = [X64, X64.astype(np.float32), X64.astype(np.float16), np.array([1, 2], np.int32), np.array([True, False])]
SCALARS: list[Any] = [0.1, 3, True, np.float32(0.1), np.float64(0.1), np.int64(3), Fraction(1, 3)]


def agree(f: Callable[..., Any], *args: Any) -> None:
    """``f`` gives the same under ``jit``, to the last bit and with the same element type."""
    want, got = tl.evaluate(f(*args)), tl.jit(f)(*args)
    assert got.dtype is want.dtype
    np.testing.assert_array_equal(got.numpy(), want.numpy())


@pytest.mark.parametrize("number", SCALARS, ids=repr)
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: a.dtype.name)
def test_a_number_takes_the_type_of_its_partner(array: Any, number: Any) -> None:
    x = tl.tensor(array)
    agree(lambda x, a: x + a if x.dtype is not tl.bool_ else tl.where(x, a, 0), x, number)
    agree(lambda x, a: tl.maximum(a, x) if x.dtype is not tl.bool_ else x & (a > 0), x, number)


@pytest.mark.parametrize("x", [tl.tensor(X64), tl.ones(2)], ids=["float64", "float32"])
def test_what_is_computed_from_numbers_is_a_number(x: tl.Tensor) -> None:
    agree(lambda x, a: x * (2 * a - 1) / (a**2 + 1e-8), x, 0.1)
    agree(lambda x, n: x * (n / 3) + n // 2 - n % 2 + -n + abs(n), x, 7)
    agree(lambda x, a, b: x * (a + b) * (a * b) * True, x, True, False)
    agree(lambda x, a: x * (a > 0.05) + (a == 0.1), x, 0.1)
    agree(lambda x, n: x * ((n << 2) | (n & 1) ^ ~n), x, 6)
    agree(lambda x, a: x * sum([a, a, a]), x, 0.1)
    agree(lambda x, a: x * np.float64(2.0) * a, x, 0.1)


def test_one_number_beside_two_types() -> None:
    f = tl.jit(lambda x, y, a: (x * a, y * a, a))
    x, y, a = f(tl.tensor(X64), tl.ones(2), 0.1)
    assert (x.dtype, y.dtype, a.dtype) == (tl.float64, tl.float32, tl.float32)
    assert x.tolist() == [0.1, 0.2]
    assert y.tolist() == [np.float32(0.1)] * 2
    names = [s.attrs["name"] for s in f.graph(tl.tensor(X64), tl.ones(2), 0.1).inputs]
    assert names == ["x", "y", "a", "a"]
    assert len(tl.jit(lambda x, a: x).graph(1.0, 2.0).inputs) == 2


def test_another_number_is_no_other_program() -> None:
    traced: list[Any] = []
    f = tl.jit(lambda x, a: traced.append(a) or x * a)
    x = tl.tensor(X64)
    assert [f(x, a).tolist() for a in (0.1, 0.25, np.float32(2.0))] == [[0.1, 0.2], [0.25, 0.5], [2.0, 4.0]]
    assert len(traced) == 1
    assert f(x, tl.tensor(0.5, dtype=tl.float64)).tolist() == [0.5, 1.0]
    with pytest.raises(DTypeError, match="float64 and float32 do not mix"):
        f(x, tl.tensor(0.5))


def test_wherever_a_tensor_is_wanted_it_becomes_one() -> None:
    agree(lambda a: tl.exp(a), 0.1)
    agree(lambda a: a, 0.1)
    agree(lambda n: tl.stack([n, n]), 3)
    agree(lambda a: tl.full((2,), a), 0.1)
    agree(lambda a: tl.full((2,), a, tl.float64), 0.1)
    agree(lambda a: tl.tensor(a, dtype=tl.float64), 0.1)
    agree(lambda x, i: x[i], tl.tensor(X64), 1)
    agree(lambda x, a: x.clip(-a, a), tl.tensor(X64), 1.5)
    agree(lambda a: tl.scan(lambda c, _: (c * a, c), a, length=3)[1], 0.5)
    agree(lambda x, a: tl.scan(lambda c, x: (c * a + x, c), tl.zeros((), tl.float64), x)[0], tl.tensor(X64), 0.1)
    agree(lambda a: tl.grad(lambda x: x**3)(a), 2.0)
    agree(lambda a: tl.checkpoint(tl.sin)(a), 2.0)
    agree(lambda x, a: np.multiply(x, a), tl.tensor(X64), 0.1)


def test_cells_take_numbers() -> None:
    s, p = tl.State(1.0), tl.Parameter(np.ones(2))

    @tl.jit
    def f(a: Any) -> Any:
        s.assign(a)
        q = tl.tensor(a, requires_grad=True)
        (q * p * 2.0).sum().backward() if p.dtype is tl.float32 else (p * a).sum().backward()
        return a * 2

    assert f(0.5).item() == 1.0
    assert s.item() == 0.5
    assert p.grad is not None
    assert p.grad.tolist() == [0.5, 0.5]


def test_integers_that_do_not_fit() -> None:
    f = tl.jit(lambda x, n: x * n)
    x = tl.tensor([1, 2], dtype=tl.int32)
    assert f(x, 3).tolist() == [3, 6]
    with pytest.raises(DTypeError, match=r"the integer 1099511627776 does not fit into int32"):
        f(x, 2**40)
    assert f(tl.ones(1), 2**70).item() == 2.0**70


def test_python_can_not_read_it() -> None:
    for read in (float, int, bool, lambda a: f"{a:.2f}", lambda a: 1 if a > 0 else 2, lambda a: a.item()):
        with pytest.raises(TraceError, match=r"so Python cannot"):
            tl.jit(lambda a, read=read: read(a), static_argnames="read")(0.5)
    for use in (
        range,
        lambda n: [1, 2][n],
        lambda n: [1, 2][:n],
        lambda n: tl.ones(3)[:n],
        lambda n: [0] * n,
        hex,
        tl.zeros,
        lambda n: tl.ones((2, 2)).sum(n),
        lambda n: range(2 * n + 1),
        round,
        lambda n: round(n * 0.5, 1),
    ):
        with pytest.raises(TraceError, match=r"has no value yet, so Python cannot use it.*name 'n' in static_argnames"):
            tl.jit(lambda n, use=use: use(n), static_argnames="use")(2)
    with pytest.raises(TraceError, match=r"name 'a' and 'b' in static_argnames, or write tl\.round"):
        tl.jit(lambda a, b: round(a * b + a))(2.0, 3.0)
    assert tl.jit(lambda n: tl.arange(3)[n])(2).item() == 2
    with pytest.raises(UsageError, match=r"differentiate by a tensor.*make a tensor of it first, x = tl\.tensor\(x\)"):
        tl.jit(lambda a: tl.gradients(a * a, a))(3.0)
    agree(lambda a: (lambda x: tl.gradients(x * x, x))(tl.tensor(a)), 3.0)


def test_a_number_that_escapes() -> None:
    kept: list[Any] = []
    tl.jit(lambda a: kept.extend((a, a * 2)) or a)(1.0)
    assert [repr(a) for a in kept] == ["<float = symbol 'a'>", "<float = multiply>"]
    with pytest.raises(UnboundSymbolError, match=r"'a' belongs to the function .* and has no value outside it"):
        (tl.ones(2) * kept[1]).numpy()
    with pytest.raises(TraceError, match=r"reads 'a', which belongs to the function"):
        tl.jit(lambda b: b + kept[0])(1.0)


def test_it_goes_where_its_partner_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(type(module.load_backend("numpy"))):  # type: ignore[misc]
        name, device_kind = "elsewhere", "cuda"

        def put(self, array: Any, device: str) -> Any:
            return np.array(array)

    monkeypatch.setitem(module._loaded, "elsewhere", Elsewhere())
    monkeypatch.setattr(module, "backend_names", lambda: ["elsewhere", "numpy"])
    x = tl.tensor([1.0, 2.0], device="cuda")
    y = tl.jit(lambda x, a: x * a + 2 * a)(x, 0.5)
    assert (y.device, y.tolist()) == ("cuda:0", [1.5, 2.0])


class Table:
    """Not an array, but it says what array it stands for."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "given",
    [np.ones((1, 2)).view(np.matrix), Table(), np.asfortranarray(np.ones((2, 3)))],
    ids=["matrix", "table", "column by column"],
)
def test_what_counts_as_an_array(given: Any) -> None:
    f = tl.jit(lambda x: tl.multiply(x, x))
    want = tl.multiply(given, given)
    for _ in range(2):
        assert f(given).dtype is want.dtype
        np.testing.assert_array_equal(f(given).numpy(), want.numpy())
    assert len(f._entries) == 1


def test_masked_arrays_are_refused() -> None:
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    with pytest.raises(UsageError, match=r"^tensor: there are no masks here; fill the masked array first"):
        tl.tensor(masked)
    with pytest.raises(UsageError, match=r"the argument 'x' of .*: tensor: there are no masks here"):
        tl.jit(lambda x: x)(masked)


def test_powers_of_numbers() -> None:
    i = tl.tensor(np.array([1], np.int32))
    f = lambda x, k: x * k**2  # noqa: E731
    assert tl.jit(f)(i, 4097).tolist() == f(i, 4097).tolist() == [16785409]
    assert tl.jit(f)(tl.tensor([1]), 3).dtype is tl.int64
    g = lambda x, k: x * k**-1  # noqa: E731
    assert tl.jit(g)(i, 4).tolist() == g(i, 4).tolist() == [0.25]
    with pytest.raises(TraceError, match="depends on the sign of the exponent; name"):
        tl.jit(lambda x, k: x * 2**k)(i, -3)
    with pytest.raises(TraceError, match="depends on the sign of the exponent"):
        tl.jit(lambda x, k: x**k)(i, 3)
    assert tl.jit(lambda x, k: x * 2**k, static_argnames="k")(i, 3).tolist() == [8]
    assert tl.jit(lambda x, k: x * 2.0**k)(i, -3).tolist() == [0.125]
