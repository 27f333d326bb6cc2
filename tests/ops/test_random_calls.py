"""Random calls of NumPy's functions: shapes of up to three axes, sizes from 0, all element types; NumPy is the referee.

Where NumPy refuses a call, it is refused here too. An integer or bool beside a float takes the float's type here, and
functions of real numbers make float32 of integers: these are the only differences of element types.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.ops.cases.numpy_functions import unstacked
from tinygrad_lstm.errors import Error
from tinygrad_lstm.graph.structure import flatten

Array = np.ndarray[Any, Any]
Call = Callable[..., Any]
DRAWS = 40
DTYPES = ("float64", "float32", "int32", "int64", "bool")


def words(*lines: str) -> list[str]:
    return " ".join(lines).split()


ONE = words(
    "log10 exp2 deg2rad rad2deg sinc signbit nan_to_num atleast_1d atleast_2d atleast_3d flipud fliplr",
    "matrix_transpose count_nonzero log2 sqrt square sign floor ceil trunc negative ravel sort",
    "cumsum cumprod isnan isinf isfinite logical_not expm1 log1p tanh arctan sinh exp transpose flip squeeze",
)
TWO = words(
    "logaddexp logaddexp2 copysign fmax fmin inner vecdot kron cross append outer dot add subtract multiply divide",
    "maximum minimum hypot arctan2 equal less greater_equal logical_and logical_xor",
)
ALONG = words("sum prod mean max min argmax argmin any all var std count_nonzero")
CALLS: dict[str, tuple[int, Call]] = {
    **{name: (1, lambda m, x, r, n=name: getattr(m, n)(x)) for name in ONE},
    **{name: (2, lambda m, x, y, r, n=name: getattr(m, n)(x, y)) for name in TWO},
    **{
        f"{name} along": (1, lambda m, x, r, n=name: getattr(m, n)(x, axis=axis_of(x, r), keepdims=bool(r.integers(2))))
        for name in ALONG
    },
    "sort along": (1, lambda m, x, r: m.sort(x, axis=axis_of(x, r))),
    "rot90": (1, lambda m, x, r: m.rot90(x, int(r.integers(-5, 5)), axes=(int(r.integers(-2, 2)), int(r.integers(3))))),
    "rollaxis": (1, lambda m, x, r: m.rollaxis(x, axis_of(x, r) or 0, int(r.integers(-3, 4)))),
    "unstack": (1, lambda m, x, r: unstacked(m, x, axis_of(x, r) or 0)),
    "array_split": (1, lambda m, x, r: list(m.array_split(x, int(r.integers(0, 5)), axis_of(x, r) or 0))),
    "hsplit": (1, lambda m, x, r: list(m.hsplit(x, int(r.integers(1, 3))))),
    "vsplit": (1, lambda m, x, r: list(m.vsplit(x, int(r.integers(1, 3))))),
    "dsplit": (1, lambda m, x, r: list(m.dsplit(x, [int(r.integers(3))]))),
    "append along": (2, lambda m, x, y, r: m.append(x, y, axis_of(x, r))),
    "column_stack": (2, lambda m, x, y, r: m.column_stack([x, y])),
    "dstack": (2, lambda m, x, y, r: m.dstack([x, y])),
    "hstack": (2, lambda m, x, y, r: m.hstack([x, y])),
    "vstack": (2, lambda m, x, y, r: m.vstack([x, y])),
    "meshgrid": (2, lambda m, x, y, r: list(m.meshgrid(m.ravel(x), m.ravel(y), indexing=r.choice(["xy", "ij"])))),
    "broadcast_arrays": (2, lambda m, x, y, r: list(m.broadcast_arrays(x, y))),
    "select": (2, lambda m, x, y, r: m.select([x > y, x < y], [x, y], 1)),
    "gradient": (
        1,
        lambda m, x, r: m.gradient(x * 1.0, 0.5, axis=axis_of(x, r) or 0, edge_order=int(r.integers(1, 3))),
    ),
    "vecdot along": (2, lambda m, x, y, r: m.vecdot(x, y, axis=axis_of(x, r) or 0)),
    "pad": (1, lambda m, x, r: m.pad(x, (int(r.integers(3)), int(r.integers(4))), mode=r.choice(MODES))),
    "diff": (1, lambda m, x, r: m.diff(x, int(r.integers(3)), axis_of(x, r) or 0, prepend=0)),
    "concatenate flat": (2, lambda m, x, y, r: m.concatenate([x, y], axis=None)),
    "take": (1, lambda m, x, r: m.take(x, r.integers(-1, 1, 3), axis=axis_of(x, r))),
    "tril": (1, lambda m, x, r: m.tril(x, int(r.integers(-2, 3)))),
    "power": (2, lambda m, x, y, r: m.power(m.abs(x * 1) + 1, m.abs(y * 1))),
}
MODES = ["constant", "edge", "reflect", "symmetric", "wrap"]
REFUSED_THERE = {
    # here they are numbers or counted, and NumPy's own reasons are those of its types
    "negative", "sign", "subtract", "nan_to_num", "vecdot", "vecdot along", "square", "diff",
}  # fmt: skip


OF_ARRAYS = {"mean along": 1, "var along": 1, "std along": 1, "tril": 2}
"""NumPy has reasons of its own to refuse fewer axes, or to make more of them."""


def axis_of(x: Any, r: np.random.Generator) -> int | None:
    """Mostly one of the axes, sometimes None or out of range."""
    choice = int(r.integers(-x.ndim - 1, x.ndim + 1)) if r.random() < 0.9 else None
    return choice


def drawn(r: np.random.Generator, like: Array | None = None) -> Array:
    shape = tuple(int(n) for n in r.choice([0, 1, 2, 3, 3, 4], size=int(r.integers(0, 4))))
    if like is not None and r.random() < 0.7:
        shape = tuple(n if r.random() < 0.8 else 1 for n in like.shape[int(r.integers(0, like.ndim + 1)) :])
    dtype = r.choice(DTYPES) if like is None or r.random() < 0.4 else like.dtype.name
    values = r.integers(-3, 4, shape) if dtype[0] in "ib" else r.normal(size=shape) * 2
    return np.asarray(values).astype(dtype)


def seeds() -> list[Any]:
    return [pytest.param(name, id=name) for name in CALLS]


@pytest.mark.parametrize("name", seeds())
def test_random_calls(name: str) -> None:
    count, f = CALLS[name]
    r = np.random.default_rng(list(name.encode()))
    answered = 0
    for draw in range(DRAWS):
        first = drawn(r)
        if name in OF_ARRAYS and first.ndim < OF_ARRAYS[name]:
            continue
        xs = [first, *(drawn(r, first) for _ in range(count - 1))]
        if len({x.dtype for x in xs if x.dtype.kind == "f"}) > 1:
            xs = [x.astype("float64") if x.dtype.kind == "f" else x for x in xs]
        seed = int(r.integers(2**31))
        agreed = agree(name, f, xs, seed)
        answered += agreed
        if agreed and draw % 13 == 0:
            compiled_too(f, xs, seed)
    assert answered >= DRAWS // 8, "nearly all calls were refused"


def computed(f: Call, xs: list[Array], seed: int) -> list[tl.Tensor]:
    """Each result is computed, since an index out of range is found only then."""
    results = flatten(f(tl, *map(tl.tensor, xs), np.random.default_rng(seed)))[0]
    for y in results:
        y.numpy()
    return results


def compiled_too(f: Call, xs: list[Array], seed: int) -> None:
    """The program of a call gives what the interpreter gives."""
    jitted = tl.jit(lambda *given: flatten(f(tl, *given, np.random.default_rng(seed)))[0])
    for y, w in zip(jitted(*map(tl.tensor, xs)), computed(f, xs, seed), strict=True):
        assert y.type == w.type
        np.testing.assert_allclose(y.numpy(), w.numpy(), rtol=1e-6, atol=1e-6)


def agree(name: str, f: Call, xs: list[Array], seed: int) -> bool:
    shown = f"{name} of {[f'{x.dtype}{list(x.shape)}' for x in xs]}, seed {seed}"
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("error", DeprecationWarning)
        try:
            want = f(np, *xs, np.random.default_rng(seed))
        except DeprecationWarning:
            return False
        except (ValueError, TypeError, IndexError, AttributeError, ZeroDivisionError):
            if name in REFUSED_THERE or any(x.dtype == bool for x in xs):
                return False
            with pytest.raises((Error, TypeError, IndexError)):
                computed(f, xs, seed)
            return False
        try:
            got = computed(f, xs, seed)
        except Error as error:
            # Bools are no numbers here, and an empty set has no largest element along any axis.
            if any(x.dtype == bool for x in xs) and "bools" in str(error):
                return False
            raise AssertionError(f"{shown}: {error}") from error
    wanted = [np.asarray(y) for y in flatten(want)[0]]
    assert len(got) == len(wanted), shown
    for y, w in zip(got, wanted, strict=True):
        value = y.numpy()
        assert value.shape == w.shape, shown
        # Before NumPy 2.1 these made floats of integers.
        whole = name in {"ceil", "floor", "trunc"} and xs[0].dtype.kind in "iu"
        assert value.dtype.kind == w.dtype.kind or w.dtype.kind in "iub" or whole, shown
        floats = {x.dtype for x in xs if x.dtype.kind == "f"}
        if w.dtype.kind == "f" and floats:
            assert value.dtype in floats, shown
        # NumPy makes float16 of the bools that a function of real numbers takes.
        off = 2e-3 if w.dtype == np.float16 else 1e-12 if value.dtype == np.float64 else 2e-5
        np.testing.assert_allclose(value.astype(float), w.astype(float), rtol=off, atol=off, err_msg=shown)
    return True
