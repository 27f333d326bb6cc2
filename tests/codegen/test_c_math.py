"""The functions of generated C against the same in float64, in units of the last place."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.codegen.small_programs import compile_c, elementwise, needs_c
from tinygrad_lstm.graph.dtypes import DTYPES, bool_, float32, float64, int32, int64, uint32
from tinygrad_lstm.kernels.table import kernels

pytestmark = needs_c


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


def sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


erf = np.vectorize(math.erf, otypes=[float])
REFEREES: dict[str, tuple[Callable[[Any], Any], float]] = {
    "exp": (np.exp, 1.5),
    "log": (np.log, 1.5),
    "log1p": (np.log1p, 3),
    "expm1": (np.expm1, 2),
    "tanh": (np.tanh, 3),
    "sigmoid": (sigmoid, 3),
    "softplus": (lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), 3),
    "erf": (erf, 1.5),
    "sin": (np.sin, 1),
    "cos": (np.cos, 1),
    "sqrt": (np.sqrt, 0.51),
}


def applied(op: str, *arrays: Any, dtype: Any = None) -> Any:
    program = elementwise(op, arrays, dtype or DTYPES[arrays[-1].dtype.name])
    return compile_c(program)(arrays)[0]


def ulps(got: Any, want: Any) -> float:
    """The largest distance in units of the last place of float32; what is infinite or nan must be so in both."""
    rounded = want.astype(np.float32)
    odd = ~np.isfinite(rounded) | ~np.isfinite(got)
    # Next to the largest number an error of one unit may overflow.
    edge = odd & (np.abs(want) > 3.402823e38) & (np.abs(want) < 3.402824e38)
    assert np.array_equal(got[odd & ~edge], rounded[odd & ~edge], equal_nan=True)
    want, got = want[~odd], got[~odd]
    unit = np.maximum(np.spacing(np.abs(want).astype(np.float32)).astype(float), 2.0**-149)
    return float((np.abs(got.astype(float) - want) / unit).max(initial=0))


@pytest.mark.parametrize("name", REFEREES)
def test_every_binade(name: str) -> None:
    referee, allowed = REFEREES[name]
    rng = np.random.default_rng(0)
    mantissas = rng.integers(0, 2**23, (256, 2, 250), dtype=np.uint32)
    mantissas[:, :, :3] = [0, 1, 2**23 - 1]
    bits = mantissas + (np.arange(256, dtype=np.uint32) << 23)[:, None, None]
    bits[:, 1] += np.uint32(2**31)
    x = np.concatenate([bits.reshape(-1).view(np.float32), np.linspace(-110, 110, 60001, dtype=np.float32)])
    want = referee(x.astype(float))
    assert ulps(applied(name, x), want) <= allowed


@pytest.mark.parametrize("name", sorted({*REFEREES} - {"sin", "cos", "sqrt"}))
def test_special_values(name: str) -> None:
    x = np.array([0.0, -0.0, 1e-45, -1e-45, np.inf, -np.inf, np.nan])
    for dtype in (np.float32, np.float64):
        given = x.astype(dtype)
        want = np.asarray(REFEREES[name][0](given.astype(float))).astype(dtype)
        got = applied(name, given)
        np.testing.assert_array_equal(got, want)
        number = ~np.isnan(want)
        assert np.array_equal(np.signbit(got[number]), np.signbit(want[number]))


@pytest.mark.parametrize("name", REFEREES)
def test_float64(name: str) -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 3, 500), rng.normal(0, 1e-4, 100), rng.uniform(-700, 700, 100)])
    x = np.abs(x) if name in ("log", "sqrt", "log1p") else x
    want = REFEREES[name][0](x)
    np.testing.assert_allclose(applied(name, x), want, rtol=1e-15, atol=1e-300)


FLOATS = [0.0, -0.0, 1.5, -2.5, 3.0, 1e-40, -7.0, np.inf, -np.inf, np.nan, 0.1, -0.3, 1e30]
INTEGERS = [0, 1, -1, 7, -7, 2, -2, 2**31 - 1, -(2**31), 100, 31, 32, 40]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, np.int64, np.uint32])
def test_two_arguments_as_in_numpy(dtype: Any) -> None:
    table = kernels(np)
    is_float = np.dtype(dtype).kind == "f"
    values = np.array(FLOATS, dtype) if is_float else np.array(INTEGERS, np.int64).astype(dtype)
    a, b = (x.reshape(-1).copy() for x in np.meshgrid(values, values))
    numbers = ["add", "subtract", "multiply", "maximum", "minimum", "floor_divide", "remainder"]
    names = [*numbers, "equal", "less", "less_equal"]
    names += ["divide", "arctan2"] if is_float else ["right_shift", "bitwise_and", "bitwise_or"]
    for name in names:
        want = np.asarray(table[name](a, b))
        got = applied(name, a, b, dtype=DTYPES[want.dtype.name])
        if name == "arctan2":
            np.testing.assert_allclose(got, want, rtol=2e-3 if dtype == np.float16 else 2e-7)
            continue
        np.testing.assert_array_equal(got, want, err_msg=name)
        if is_float and name not in ("maximum", "minimum", "equal", "less", "less_equal"):
            number = ~np.isnan(want)
            assert np.array_equal(np.signbit(got[number]), np.signbit(want[number])), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, np.int64, np.uint32])
def test_one_argument_as_in_numpy(dtype: Any) -> None:
    table = kernels(np)
    is_float = np.dtype(dtype).kind == "f"
    x = np.array(FLOATS, dtype) if is_float else np.array(INTEGERS, np.int64).astype(dtype)
    for name in ("negative", "abs", "sign", *(() if is_float else ("invert",))):
        want = table[name](x)
        np.testing.assert_array_equal(applied(name, x), want, err_msg=name)


def test_bools() -> None:
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    for name in ("equal", "less", "less_equal", "bitwise_and", "bitwise_or"):
        np.testing.assert_array_equal(applied(name, a, b), kernels(np)[name](a, b))
    np.testing.assert_array_equal(applied("invert", a), ~a)
    np.testing.assert_array_equal(applied("where", a, b, a, dtype=bool_), np.where(a, b, a))


@pytest.mark.parametrize("target", ["bool", "int32", "int64", "uint32", "float16", "float32", "float64"])
def test_casts(target: str) -> None:
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    near = np.concatenate([np.nextafter(halves.astype(float), s) for s in (-np.inf, np.inf)] + [halves.astype(float)])
    ties = (near[:-1] + near[1:]) / 2
    sources = [
        np.array([0.0, -0.0, 1.7, -1.7, 3e4, 5e-8, 65519.9]),
        np.array([0.0, 0.3, 1.7, 3e4], np.float32),
        np.array([0.0, 0.5, 2.0], np.float16),
        np.array([0, 1, 7, 2**31 - 1, 65505], np.int64),
        np.array([0, 1, 2**32 - 1], np.uint32),
        np.array([True, False]),
    ]
    if target.startswith("float"):
        sources += [halves, near, ties, near.astype(np.float32)]
    edges = [sign * 2.0**n for n in (31, 32, 63, 64, 100) for sign in (1, -1)]
    odd = np.array([*edges, -1.0, -0.5, np.nan, np.inf, -np.inf])
    sources += [np.concatenate([np.nextafter(odd, -np.inf), odd]), odd.astype(np.float32), odd.astype(np.float16)]
    for x in sources:
        want = kernels(np)["cast"](x, dtype=DTYPES[target])
        np.testing.assert_array_equal(applied("cast", x, dtype=DTYPES[target]), want)


def test_powers() -> None:
    a, b = (x.reshape(-1).copy() for x in np.meshgrid(FLOATS, [0.0, 1.0, 2.0, -1.0, 0.5, 3.0, -2.5, np.nan, np.inf]))
    for dtype in (np.float32, np.float64):
        x, y = a.astype(dtype), b.astype(dtype)
        np.testing.assert_allclose(applied("power", x, y), np.power(x, y), rtol=3e-7)


def test_the_widest_integers() -> None:
    least = np.array([np.iinfo(np.int64).min, -1, 5])
    np.testing.assert_array_equal(applied("abs", least), np.abs(least))
    np.testing.assert_array_equal(applied("negative", least), -least)
    for dtype in (int32, int64, uint32, float32, float64):
        x = np.array([3, 1, 2], dtype.name)
        np.testing.assert_array_equal(applied("maximum", x, x[::-1].copy()), np.maximum(x, x[::-1]))
