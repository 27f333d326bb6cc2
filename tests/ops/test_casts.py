"""Floats as integers: cut off, and what is out of range is the nearest one, on every backend alike."""

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.cuda_shim import needs_compiler
from tests.codegen.small_programs import elementwise, needs_c
from tests.codegen.test_cuda_kernels import compile_cuda
from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.graph.dtypes import DTYPES
from tinygrad_lstm.kernels import casts

EDGES = [sign * (2.0**n + more) for n in (31, 32, 63, 64) for more in (-1, 0, 1) for sign in (1, -1)]
VALUES = [0.0, -0.0, 0.5, -0.5, 1.7, -1.7, 65504.0, 1e-40, 1e30, -1e30, math.nan, math.inf, -math.inf, *EDGES]


def nearest(value: float, low: int, high: int) -> int:
    if math.isnan(value):
        return 0
    return low if value < low else high if value > high else int(value)


def floats(dtype: str) -> Any:
    with np.errstate(all="ignore"):
        values = np.array(VALUES).astype(dtype)
        return np.concatenate([values, np.nextafter(values, values.dtype.type(0))])


def wanted(x: Any, name: str) -> list[int]:
    return [nearest(v, *casts.BOUNDS[name]) for v in x.tolist()]


@pytest.mark.parametrize("source", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", list(casts.BOUNDS))
@pytest.mark.parametrize("way", ["plain", "numpy", pytest.param("c", marks=needs_c)])
def test_out_of_range_is_the_nearest_integer(way: str, name: str, source: str) -> None:
    x = floats(source)

    def f(x: tl.Tensor) -> tl.Tensor:
        return (x * 1).astype(name)

    with tl.use_backend("numpy" if way == "plain" else way):
        got = (f if way == "plain" else tl.jit(f))(tl.tensor(x))
    assert (got.dtype, got.tolist()) == (name, wanted(x, name))


@needs_compiler
@pytest.mark.parametrize("source", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", list(casts.BOUNDS))
def test_in_cuda(name: str, source: str) -> None:
    x = floats(source)
    (got,) = compile_cuda(elementwise("cast", [x], DTYPES[name]))([x])
    assert got.tolist() == wanted(x, name)


@pytest.mark.parametrize("name", list(casts.BOUNDS))
def test_what_enters_is_converted_alike(name: str) -> None:
    x = floats("float64")
    assert tl.tensor(x, dtype=name).tolist() == wanted(x, name)
    assert tl.full(2, 2.9, dtype=name).tolist() == [2, 2]
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(DTypeError, match=f"{value} does not fit into {name}, which holds"):
            tl.full(2, value, dtype=name)
