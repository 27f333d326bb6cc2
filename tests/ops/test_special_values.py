"""Every function that NumPy has under the same name, at the ends of the range, in each float type and on each backend.

Zeros keep their sign, and what is infinite or nan is so in both; other values may differ by a few units of the last
place.
"""

import itertools
import math
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c

WAYS = ["plain", "numpy", pytest.param("c", marks=needs_c)]
DTYPES = [np.float16, np.float32, np.float64]
# fmt: off
UNARY = [
    "abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "ceil", "cos", "cosh", "exp", "expm1",
    "floor", "isfinite", "isinf", "isnan", "log", "log1p", "log2", "logical_not", "negative", "positive", "round",
    "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc", "deg2rad", "exp2", "log10", "nan_to_num",
    "rad2deg", "reciprocal", "signbit", "sinc",
]
BINARY = [
    "add", "arctan2", "divide", "equal", "floor_divide", "greater", "greater_equal", "hypot", "isclose", "less",
    "less_equal", "logical_and", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "not_equal", "power",
    "remainder", "subtract", "copysign", "fmax", "fmin", "logaddexp", "logaddexp2",
]
# fmt: on
ULPS = 8
ZERO = tl.zeros(1, dtype=tl.float64)
ANY_ZERO = {"fmax", "fmin", "maximum", "minimum"}
"""Of two zeros of different sign NumPy itself takes one or the other."""


def specials(dtype: Any) -> Any:
    info = np.finfo(dtype)
    sizes = [0.0, info.smallest_subnormal, info.tiny, info.eps, 0.5, 1, 1.5, 2, 2.5, 3, 100, info.max**0.5]
    sizes += [1 / info.eps, 1 / info.eps - 1, 0.5 / info.eps + 0.5, info.max, math.inf, math.nan]
    return np.array([sign * float(size) for size in sizes for sign in (1, -1)]).astype(dtype)


def wrong(got: Any, want: Any, signed: bool) -> Any:
    """Where two arrays differ."""
    if want.dtype.kind != "f":
        return got != want
    same = (got == want) & ((np.signbit(got) == np.signbit(want)) | (not signed) | (want != 0))
    wide, given = want.astype(np.longdouble), got.astype(np.longdouble)
    near = np.isfinite(given) & np.isfinite(wide) & (want != 0)
    near &= np.abs(given - wide) <= ULPS * np.spacing(np.abs(want)).astype(np.longdouble)
    # A number of few digits may be cut to a zero, of its own sign.
    near &= (got != 0) | (np.signbit(got) == np.signbit(want))
    return ~(same | near | (np.isnan(got) & np.isnan(want)))


def assert_as_in_numpy(name: str, way: str, *arrays: Any) -> None:
    for x in arrays:
        x.flags.writeable = False
    with np.errstate(all="ignore"):
        want = getattr(np, name)(*arrays)
    signed = name not in ANY_ZERO
    if name == "sinc":
        want[arrays[0] == 0] = 1  # NumPy 2.0 has NaN in float16.
    if name == "sinh" and want.dtype == np.float16:
        # NumPy 2.3 has zeros for the least numbers, and its expm1, of which sinh is made, no -0.
        with np.errstate(all="ignore"):
            want = np.sinh(arrays[0].astype(np.float32)).astype(np.float16)
        signed = bool(np.signbit(np.expm1(np.float16([-0.0]))[0]))
    f = getattr(tl, name)
    with tl.use_backend("numpy" if way == "plain" else way):
        got = (f if way == "plain" else tl.jit(f))(*[tl.tensor(x) for x in arrays]).numpy()
    assert got.dtype == want.dtype
    with np.errstate(all="ignore"):
        places = np.flatnonzero(wrong(got, want, signed))
    assert not places.size, [(*[float(x[k]) for x in arrays], float(got[k]), float(want[k])) for k in places[:9]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name: str, way: str, dtype: Any) -> None:
    assert_as_in_numpy(name, way, specials(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers(name: str, way: str, dtype: Any) -> None:
    x = specials(dtype)
    assert_as_in_numpy(name, way, np.repeat(x, x.size), np.tile(x, x.size))


def test_all_functions_of_numbers_are_here() -> None:
    x = np.array([0.5, 0.25])
    x.flags.writeable = False
    others = {"argsort", "clip", "cumprod", "cumsum", "flip", "from_dlpack", "matmul", "ones_like", "ravel", "sort"}
    others |= {"squeeze", "transpose", "zeros_like", "repeat", "hstack", "vstack", "stack", "full_like", "searchsorted"}
    others |= {
        "append",
        "argpartition",
        "array_split",
        "atleast_1d",
        "broadcast_arrays",
        "empty_like",
        "flipud",
        "gradient",
    }
    others |= {
        "permute_dims",
        "cross",
        "hsplit",
        "meshgrid",
        "partition",
        "unstack",
        "cumulative_prod",
        "cumulative_sum",
        "asarray",
    }
    # Second names of the array API standard.
    first = {id(getattr(tl, name)) for name in (*UNARY, *BINARY)}
    others |= {name for name in tl.__all__ if id(getattr(tl, name)) in first} - {*UNARY, *BINARY}
    for arity, known in ((1, UNARY), (2, BINARY)):
        found = set()
        for name in set(tl.__all__) - others:
            try:
                with np.errstate(invalid="ignore"):
                    pair = [getattr(np, name)(*[x] * arity), getattr(tl, name)(*[tl.tensor(x)] * arity)]
            except (AttributeError, IndexError, TypeError, ValueError):
                continue
            if [np.shape(y) for y in pair] == [(2,), (2,)]:
                found.add(name)
        assert found == set(known)


def test_the_plus_sign_changes_nothing() -> None:
    for dtype in ("float16", "float32", "float64", "int32", "uint32"):
        x = tl.tensor(np.array([-0.0, 3.0]).astype(dtype))
        assert np.array_equal(np.signbit((+x).numpy()), np.signbit(x.numpy()))
        assert (+x).dtype is x.dtype
        assert np.positive(x).tolist() == x.tolist()
    with pytest.raises(tl.errors.DTypeError, match="bools are no numbers"):
        +tl.tensor([True])
    assert (+tl.Parameter([-2.0])).tolist() == [-2.0]
    assert tl.jit(lambda n: +n)(True).item() == 1
    assert math.copysign(1, tl.jit(lambda v: +v)(-0.0).item()) == -1
    (slope,) = tl.grad(lambda x: (+x * x).sum())(tl.tensor([3.0])).tolist()
    assert slope == 6.0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", [*DTYPES, np.int32])
def test_nan_is_searched_for_behind_all_numbers(dtype: Any, side: str, way: str) -> None:
    values = [-math.inf, -1.0, -0.0, 0.0, 2.0, math.inf, math.nan] if np.dtype(dtype).kind == "f" else [-3, 0, 5]
    wanted = np.array(values).astype(dtype)
    for count in range(len(values) + 1):
        for table in itertools.islice(itertools.combinations_with_replacement(values, count), 0, None, 7):
            given = np.array(table).astype(dtype)
            with tl.use_backend("numpy" if way == "plain" else way):
                if way != "plain" and count != 3:
                    continue
                f = tl.jit(lambda a, v: tl.searchsorted(a, v, side)) if way != "plain" else None
                got = (f or (lambda a, v: tl.searchsorted(a, v, side)))(tl.tensor(given), tl.tensor(wanted))
            assert got.tolist() == np.searchsorted(given, wanted, side).tolist()


@pytest.mark.parametrize(
    ("f", "at", "wanted"),
    [
        (lambda x: tl.nn.huber(x, ZERO), math.inf, 1.0),
        (lambda x: tl.nn.huber(x, ZERO), -math.inf, -1.0),
        (lambda x: tl.nn.huber(x, ZERO, 2.0), -1e200, -2.0),
        (lambda x: tl.nn.mae(x, ZERO), -math.inf, -1.0),
        (lambda x: tl.nn.bce_with_logits(x, ZERO + 1), -math.inf, -1.0),
        (lambda x: tl.hypot(x, math.nan), -math.inf, -1.0),
        (lambda x: tl.hypot(3.0, x), math.inf, 1.0),
        (lambda x: tl.hypot(math.inf, x), 3.0, 0.0),
        (tl.sinh, -math.inf, math.inf),
        (tl.sinh, -1e4, math.inf),
        (tl.cosh, -math.inf, -math.inf),
        (tl.cosh, -1e4, -math.inf),
        (tl.arcsinh, -math.inf, 0.0),
        (tl.arcsinh, -0.0, 1.0),
        (tl.cbrt, -math.inf, 0.0),
        (tl.cbrt, -0.0, math.inf),
    ],
)
def test_derivatives_at_the_ends(f: Any, at: float, wanted: float) -> None:
    assert tl.grad(lambda x: f(x).sum())(tl.tensor(np.array([at]))).tolist() == [wanted]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_of_zeros_keep_their_sign(dtype: Any, way: str) -> None:
    """A running sum starts with its first element, and the sum of one element is that element."""
    x = np.array(list(itertools.product([-0.0, 0.0], repeat=3)), dtype)
    with tl.use_backend("numpy" if way == "plain" else way):
        for f, want in (
            (lambda x: tl.cumsum(x, 1), np.cumsum(x, 1, dtype=dtype)),
            (lambda x: tl.sum(x[:, :1], 1), x[:, 0]),
            (lambda x: x[:, :1] @ tl.ones((1, 3), dtype=x.dtype), np.repeat(x[:, :1], 3, 1)),
        ):
            got = (f if way == "plain" else tl.jit(f))(tl.tensor(x)).numpy()
            assert np.array_equal(np.signbit(got), np.signbit(want))
