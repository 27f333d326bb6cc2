"""Which element type a result has, and which mixtures are mistakes."""

import copy
import itertools
import pickle

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.graph.dtypes import DTYPES, as_dtype, promote

ALL = list(DTYPES.values())
FLOATS = [tl.float16, tl.float32, tl.float64]
INTEGERS = [d for d in ALL if d.kind in "iu"]
# What differs from NumPy: an integer or bool beside a float takes the float's type.
PAIRS = [(a, b) for a, b in itertools.product(ALL, ALL) if not (a.is_float and b.is_float and a is not b)]


def filled(dtype, value=1):
    return tl.tensor(np.full(2, value, dtype.name))


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=str)
def test_arrays_promote_as_in_numpy_2_except_that_floats_keep_their_width(a, b) -> None:
    wanted = a if a.is_float else b if b.is_float else as_dtype(np.promote_types(a.name, b.name))
    assert promote(a, b) is wanted
    assert promote(b, a) is wanted
    if wanted is not tl.bool_:
        result = filled(a) + filled(b)
        assert result.dtype is wanted
        assert result.numpy().dtype == wanted.name
    assert tl.where(True, filled(a), filled(b)).dtype is wanted
    assert tl.concatenate([filled(a), filled(b)]).dtype is wanted


@pytest.mark.parametrize(("a", "b"), list(itertools.permutations(FLOATS, 2)), ids=str)
@pytest.mark.parametrize("op", [tl.add, tl.matmul, tl.maximum, tl.equal, lambda a, b: tl.concatenate([a, b])])
def test_two_widths_of_floats_do_not_mix(op, a, b) -> None:
    with pytest.raises(DTypeError, match=rf"{a} and {b} do not mix; .*\.astype\(tl\.{a}\)"):
        op(filled(a), filled(b))


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_python_scalars_are_weak(dtype) -> None:
    x = filled(dtype)
    if dtype is not tl.bool_:
        for result in (x + 1, 1 + x, x * True, x - 0, 2 * x):
            assert result.dtype is dtype
    else:
        assert (x + 1).dtype is tl.int64
    wanted = dtype if dtype.is_float else tl.float32
    for result in (x + 1.5, 1.5 * x, x / 2, 2 / x, x**2.0, tl.exp(x), tl.mean(x)):
        assert result.dtype is wanted


@pytest.mark.parametrize("scalar", [np.float64(1.5), np.float32(1.5), np.float16(1.5)])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_numpy_scalars_are_weak_too(dtype, scalar) -> None:
    assert (filled(dtype) + scalar).dtype is dtype
    assert (scalar + filled(dtype)).dtype is dtype
    assert (filled(dtype) + np.int64(3)).dtype is dtype
    assert (np.int64(3) * filled(tl.int32)).dtype is tl.int32


def test_python_values_make_float32_int64_and_bool() -> None:
    assert tl.tensor(1.0).dtype is tl.float32
    assert tl.tensor([1.0, 2]).dtype is tl.float32
    assert tl.tensor(1).dtype is tl.int64
    assert tl.tensor([True]).dtype is tl.bool_
    assert tl.tensor([]).dtype is tl.float32
    assert tl.sigmoid(0.0).dtype is tl.float32
    assert tl.tensor([1, 2], dtype=float).dtype is tl.float32


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_numpy_arrays_keep_their_type(dtype) -> None:
    assert tl.tensor(np.ones(2, dtype.name)).dtype is dtype
    assert (tl.tensor(np.ones(2, dtype.name)) == np.ones(2, dtype.name)).dtype is tl.bool_


def test_integers_and_bools_are_summed_in_int64() -> None:
    for dtype in ALL:
        for name in ("sum", "prod", "cumsum", "cumprod"):
            wanted = dtype if dtype.is_float else tl.uint64 if dtype.kind == "u" else tl.int64
            assert getattr(filled(dtype), name)().dtype is wanted
            assert getattr(filled(dtype), name)(dtype=tl.int32).dtype is tl.int32
        assert filled(dtype).max().dtype is dtype
        assert filled(dtype).argmax().dtype is tl.int64


def test_a_dtype_compares_with_its_other_names() -> None:
    assert tl.float32 == "float32"
    assert tl.float32 == np.float32
    assert tl.float32 == np.dtype("float32")
    assert np.dtype("int64") == tl.int64
    assert tl.float32 != tl.float64
    assert tl.float32 != None  # noqa: E711  # the comparison itself is what is tested
    assert tl.bool_ == np.bool_
    assert tl.bool_ == "bool"
    assert repr(tl.bool_) == "tl.bool_"
    assert {tl.float32: 1}["float32"] == 1


@pytest.mark.parametrize("name", ["float128", int, "uint128", str, 3])
def test_other_types_are_named_in_the_error(name) -> None:
    if name is int:
        assert as_dtype(int) is tl.int64
        return
    with pytest.raises(DTypeError, match="is not supported; use one of bool, int8"):
        as_dtype(name)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        *[(d, -1 if d.kind == "u" else -(2 ** (8 * d.itemsize - 1)) - 1) for d in INTEGERS],
        *[(d, 2 ** (8 * d.itemsize - (d.kind == "i"))) for d in INTEGERS],
        (tl.int64, -(2**64)),
    ],
)
def test_a_scalar_that_does_not_fit_is_an_error(dtype, value) -> None:
    with pytest.raises(DTypeError, match=f"{value} does not fit into {dtype}, which holds"):
        filled(dtype) + value


def test_an_integer_too_large_for_any_float_is_an_error() -> None:
    with pytest.raises(DTypeError, match="1024 bits does not fit into float32"):
        filled(tl.float32) * (2**1024 - 1)
    assert (filled(tl.float16) * 2**1000).tolist() == [np.inf, np.inf]


def test_functions_of_reals_take_integers_as_float32() -> None:
    for f in (tl.exp, tl.tanh, tl.sqrt, tl.sigmoid, tl.softplus, tl.logsumexp, tl.softmax):
        assert f(tl.tensor([1, 2])).dtype is tl.float32


def test_integers_wrap_round() -> None:
    assert (filled(tl.int32, 2**31 - 1) + 1).tolist() == [-(2**31)] * 2
    assert (filled(tl.uint32, 0) - 1).tolist() == [2**32 - 1] * 2


def test_means_of_halves_are_added_up_in_float32() -> None:
    x = tl.ones(70000, dtype="float16") * 100
    assert (x.mean().item(), x.mean().dtype) == (100.0, tl.float16)
    assert (tl.var(x).item(), tl.std(x).dtype) == (0.0, tl.float16)
    assert tl.jit(lambda x: x.mean())(x).item() == 100.0


def test_copies_of_a_type_are_the_type() -> None:
    assert copy.deepcopy(tl.float32) is tl.float32
    assert pickle.loads(pickle.dumps(tl.float16)) is tl.float16


@pytest.mark.parametrize("exponent", range(9))
@pytest.mark.parametrize("dtype", [d.name for d in INTEGERS if d.itemsize > 1])
def test_whole_numbers_to_a_whole_power_stay_whole(dtype, exponent) -> None:
    x = np.array([0, 1, 2, 3, 7, 4097], dtype)
    got = tl.tensor(x) ** exponent
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.numpy(), x**exponent)
    np.testing.assert_array_equal(tl.jit(lambda x: x**exponent)(x).numpy(), x**exponent)


def test_other_powers_of_whole_numbers_are_floats() -> None:
    x = tl.tensor([1, 2])
    for y in (x**-1, x**0.5, 0.5**x):
        assert y.dtype.is_float


@pytest.mark.parametrize("scalar", [np.float64(0.1), np.float32(0.1), np.float16(0.1), np.int32(3), np.int64(3)])
def test_numpy_scalars_alone_keep_their_type(scalar) -> None:
    own = as_dtype(scalar.dtype)
    for f in (
        lambda a: tl.add(a, a), lambda a: tl.stack([a, a]), lambda a: tl.full(2, a), lambda a: tl.where(True, a, 1),
        lambda a: tl.multiply(a, 2), lambda a: tl.tensor(a), lambda a: a, lambda a: tl.maximum(2, a),
    ):  # fmt: skip
        for value in (f, tl.jit(f)):
            got = tl.concatenate([tl.reshape(value(scalar), -1)])
            assert got.dtype is own
            assert got.tolist()[0] in (scalar, 2 * scalar, 2)
    if own.is_float:
        for f in (tl.exp, tl.grad(tl.exp), lambda a: tl.jvp(tl.exp, (a,), (1.0,))[1]):
            assert f(scalar).dtype is own
            np.testing.assert_allclose(f(scalar).numpy(), np.exp(scalar), rtol=2 * float(np.finfo(scalar).eps))


def test_the_widest_of_numpys_scalars_counts_beside_others_of_them() -> None:
    assert tl.add(np.float64(0.1), np.float32(0.2)).dtype is tl.float64
    assert tl.add(np.int32(1), np.float64(0.2)).dtype is tl.float64
    assert tl.add(np.int32(1), 0.2).dtype is tl.float32
    assert tl.exp(np.longdouble(1)).dtype is tl.float32
    assert tl.tensor([1.0, np.float64(0.1)]).tolist() == [1.0, 0.1]
    assert tl.tensor([np.ones(2), np.zeros(2)]).dtype is tl.float64
    assert tl.jit(lambda n: tl.exp(n / 2))(np.int64(1)).item() == np.exp(0.5)
    assert tl.jit(lambda n, a: tl.exp(n * a))(np.int64(1), 0.5).item() == np.exp(0.5)


@pytest.mark.parametrize(
    "given",
    [(4,), (0,), (-3,), (2.5,), (1, 10, 3), (10, 1, -3), (10, 1, -4), (5, 5), (0, 1, 0.1), (1, 0, -0.25), (-1.5, 3)],
    ids=str,
)
def test_arange(given) -> None:
    want = np.arange(*given)
    got = tl.arange(*given)
    assert got.dtype is (tl.int64 if want.dtype.kind == "i" else tl.float32)
    np.testing.assert_array_equal(got.numpy(), want.astype(got.dtype.name))
    assert tl.arange(*given, dtype="float64").dtype is tl.float64


def test_linspace_eye_and_full_like() -> None:
    for given in ((0, 1, 5), (3.0, -2.0, 7), (1, 2, 1), (1, 2, 0)):
        np.testing.assert_array_equal(tl.linspace(*given).numpy(), np.linspace(*given).astype("float32"))
    for shape in ((3,), (2, 4), (4, 2), (0,)):
        np.testing.assert_array_equal(tl.eye(*shape).numpy(), np.eye(*shape))
    assert tl.eye(2, dtype="int32").dtype is tl.int32
    x = tl.ones((2, 3), dtype="float16")
    assert (tl.full_like(x, 2).dtype, tl.full_like(x, 2).tolist()) == (tl.float16, [[2.0] * 3] * 2)


@pytest.mark.parametrize(
    "f",
    [
        lambda: tl.tensor(1j), lambda: tl.tensor(np.ones(2, complex)), lambda: tl.tensor([1.0, 2j]),
        lambda: tl.ones(2) * 1j, lambda: 1j + tl.ones(2), lambda: tl.ones(2).astype(complex),
        lambda: tl.zeros(2, "complex64"),
        lambda: tl.symbol("x", (2,), np.complex128), lambda: tl.sqrt(np.ones(2, np.complex64)),
        lambda: tl.grad(tl.sin)(1j),
        lambda: tl.jit(tl.sin)(1j), lambda: tl.jit(tl.sin)(np.ones(2, complex)), lambda: tl.exp(np.complex64(1)),
    ],
)  # fmt: skip
def test_complex_numbers_are_refused_in_a_sentence(f) -> None:
    with pytest.raises(DTypeError, match=r"there are no complex numbers here: keep the real and the imaginary part"):
        f()


def test_the_error_of_two_widths_says_what_was_a_list_or_an_integer_before() -> None:
    wide, whole, narrow = tl.tensor(np.ones(2)), tl.tensor([1, 2]), tl.ones(2)
    a_list = r"the list became float32: write tl\.tensor\(x, dtype=tl\.float64\)"
    integers = r"the integers i64\[2\] became float32: write \.astype\(tl\.float64\) behind them"
    plain = r"do not mix; write \.astype\(tl\.float\d\d\) behind the other"
    for call, said in (
        (lambda: tl.add([1.0, 2.0], wide), a_list),
        (lambda: wide * tl.tanh(tl.tensor([1.0, 2.0]) ** 2), a_list),
        (lambda: tl.vjp(lambda a: (a * wide).sum(), [1.0, 2.0]), a_list),
        (lambda: tl.where([True, False], [1.0, 2.0], wide), a_list),
        (lambda: tl.softmax(whole) + wide, integers),
        (lambda: tl.concatenate([wide, whole / 2]), integers),
        (lambda: tl.sqrt(2) * wide, r"the number 2 became float32: write tl\.tensor\(2, dtype=tl\.float64\)"),
        (lambda: (whole / 2) * narrow * wide, plain),
        (lambda: tl.tensor([1.0, 2.0], dtype=tl.float32) * wide, plain),
    ):
        with pytest.raises(DTypeError, match=said):
            call()
