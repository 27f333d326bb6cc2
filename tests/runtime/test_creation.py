"""``tensor``: what it accepts and how it converts."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_lstm as tl


@pytest.mark.parametrize(
    "value", [1, 1.5, True, [1, 2], [[1.0], [2.0]], (1, 2.5), [], np.eye(2), np.float16(2), range(3)]
)
def test_values_are_those_of_numpy(value) -> None:
    got = tl.tensor(value)
    assert got.shape == np.asarray(value).shape
    np.testing.assert_array_equal(got.numpy(), np.asarray(value))


def test_a_tensor_of_a_tensor_is_a_copy_without_history() -> None:
    w = tl.Parameter([1.0, 2.0])
    x = tl.tensor(w * 2)
    assert (x.op, x.tolist()) == ("leaf", [2.0, 4.0])
    assert tl.tensor(w, dtype=tl.int64).tolist() == [1, 2]
    assert tl.tensor(w).variable is None


def test_conversion_is_silent_about_what_does_not_fit_a_float() -> None:
    assert tl.tensor([1e300]).tolist() == [math.inf]
    assert tl.tensor(2**70, dtype=tl.float32).item() == 2.0**70
    assert tl.tensor(np.array([1e10]), dtype="float16").tolist() == [math.inf]


def test_every_layout_of_numpy_is_taken() -> None:
    array = np.arange(12.0).reshape(3, 4)
    for view in (array.T, array[::2, ::-1], array[:, 1], np.asfortranarray(array), np.broadcast_to(array[0], (2, 4))):
        np.testing.assert_array_equal(tl.tensor(view).numpy(), view)
    np.testing.assert_array_equal(tl.tensor(array.astype(">f8").astype("<f8")).numpy(), array)


def test_evaluate_takes_anything_and_gives_tensors() -> None:
    assert tl.evaluate(2.0).item() == 2.0
    assert [t.item() for t in tl.evaluate(1, tl.Parameter(2.0), tl.ones(1).sum())] == [1, 2.0, 1.0]


def test_integers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(tl.errors.DTypeError, match="does not fit into uint32"):
        tl.tensor([-1], dtype=tl.uint32)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1 + 1j, "whose imaginary part would be lost; give their .real"),
        (np.ones(2) * 1j, "whose imaginary part would be lost"),
        ([1.0, None], "no numbers, got NoneType"),
        ("1", "no numbers, got str_"),
        (b"1", "no numbers, got bytes_"),
        (np.zeros(2, "datetime64[s]"), "of dtype datetime64"),
        (np.zeros(2, [("a", "f4")]), "no numbers, got void"),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_no_element_type_makes_a_number_of_what_is_none(value: object, said: str, dtype: str) -> None:
    with pytest.raises(tl.errors.DTypeError, match=said):
        tl.tensor(value, dtype=dtype)


def test_numbers_as_python_objects_convert() -> None:
    values = np.array([Fraction(1, 2), Decimal("0.25"), 2**70, True, np.float32(3), np.bool_(True)], dtype=object)
    assert tl.tensor(values, dtype="float64").tolist() == [0.5, 0.25, 2.0**70, 1.0, 3.0, 1.0]
