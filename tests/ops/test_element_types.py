"""Questions about element types are answered as NumPy does; numbers with names are Python's."""

import itertools
import math

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError, UsageError
from tinygrad_lstm.graph.dtypes import DTYPES, promote

PAIRS = list(itertools.product(DTYPES.values(), repeat=2))


@pytest.mark.parametrize("casting", ["no", "equiv", "safe", "same_kind", "unsafe"])
def test_can_cast_is_numpys(casting: str) -> None:
    for a, b in PAIRS:
        assert tl.can_cast(a, b, casting) is np.can_cast(a.name, b.name, casting)
    assert tl.can_cast(tl.ones(2), "float64")
    assert tl.can_cast(int, np.float64)


def test_result_type_is_that_of_operations() -> None:
    for a, b in PAIRS:
        if not (a.is_float and b.is_float and a is not b):
            assert tl.result_type(a, b) is promote(a, b)
            assert tl.result_type(tl.zeros(2, a), b.name) is promote(a, b)
    for dtype in DTYPES.values():
        assert tl.result_type(tl.zeros(2, dtype), 3) is (tl.int64 if dtype is tl.bool_ else dtype)
        assert tl.result_type(tl.zeros(2, dtype), 3.5) is (dtype if dtype.is_float else tl.float32)
    assert tl.result_type(1, 2.0) is tl.float32
    assert tl.result_type(np.float64(1), 2) is tl.float64


def test_limits_are_numpys() -> None:
    for dtype in DTYPES.values():
        if dtype.is_float:
            assert tl.finfo(dtype).eps == tl.finfo(tl.ones(1, dtype)).eps == np.finfo(dtype.name).eps
        elif dtype is not tl.bool_:
            assert (tl.iinfo(dtype).min, tl.iinfo(dtype.name).max) == (
                np.iinfo(dtype.name).min,
                np.iinfo(dtype.name).max,
            )


def test_what_has_no_answer_is_told() -> None:
    with pytest.raises(DTypeError, match=r"finfo: int32 is no type of floats; the limits of integers are tl\.iinfo"):
        tl.finfo(tl.int32)
    with pytest.raises(DTypeError, match=r"iinfo: float32 is no type of integers; .* tl\.finfo"):
        tl.iinfo(tl.float32)
    with pytest.raises(UsageError, match="at least one array or element type"):
        tl.result_type()
    with pytest.raises(DTypeError, match="do not mix"):
        tl.result_type(tl.float32, tl.float64)
    with pytest.raises(UsageError, match="casting is 'safe'"):
        tl.can_cast(tl.int32, tl.int64, "maybe")


def test_numbers_with_names() -> None:
    assert (tl.pi, tl.e, tl.inf) == (math.pi, math.e, math.inf)
    assert math.isnan(tl.nan)
    assert tl.euler_gamma == np.euler_gamma
    assert tl.ones(3)[:, tl.newaxis].shape == (3, 1)
