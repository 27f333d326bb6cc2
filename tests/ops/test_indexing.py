"""Indexing, broadcasting and reshaping by NumPy's rules, on examples that hypothesis draws."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tinygrad_lstm.errors import IndexingError, ShapeError
from tinygrad_lstm.testing import check_gradients

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def numbered(shape, dtype=np.float64):
    return np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)


@given(st.data(), SHAPES)
def test_basic_indices(data, shape) -> None:
    array = numbered(shape)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True, max_dims=6))
    got, want = tl.tensor(array)[key], array[key]
    assert got.shape == want.shape
    assert np.array_equal(got.numpy(), want)
    x = tl.symbol("x", shape, tl.float64)
    weights = np.cos(numbered(want.shape))
    expected = np.zeros(shape)
    expected[key] = weights
    found = tl.gradients(x[key], x, weights).evaluate({x: array})
    assert np.array_equal(found.numpy(), expected)


@st.composite
def one_array_of_indices(draw):
    """A shape, and a key with integers, slices, ... and None beside one array of integers."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    axis = draw(st.integers(0, len(shape) - 1))
    size = shape[axis]
    array = draw(hnp.arrays(np.int64, SHAPES.filter(lambda s: len(s) < 3), elements=st.integers(-size, size - 1)))
    key = [draw(st.slices(n) | st.integers(-n, n - 1)) for n in shape]
    key[axis] = array
    for extra in draw(st.lists(st.none(), max_size=2)):
        key.insert(draw(st.integers(0, len(key))), extra)
    if axis + 1 < len(shape) and draw(st.booleans()) and key[-1] is not array:
        key[-1] = ...
    return shape, tuple(key)


@given(one_array_of_indices(), st.booleans())
def test_one_array_of_indices_among_slices(example, symbolic) -> None:
    shape, key = example
    array = numbered(shape)
    want = array[key]
    as_tensors = tuple(tl.tensor(k) if isinstance(k, np.ndarray) and symbolic else k for k in key)
    got = tl.tensor(array)[as_tensors]
    assert got.shape == want.shape
    assert np.array_equal(got.numpy(), want)
    x = tl.symbol("x", shape, tl.float64)
    weights = np.cos(numbered(want.shape))
    expected = np.zeros(shape)
    np.add.at(expected, key, weights)
    found = tl.gradients(x[as_tensors], x, weights).evaluate({x: array})
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-14)


@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3))
def test_broadcasting(shapes) -> None:
    arrays = [numbered(s) / 7 - k for k, s in enumerate(shapes.input_shapes)]
    y = tl.tensor(arrays[0]) * arrays[1] + arrays[2]
    want = arrays[0] * arrays[1] + arrays[2]
    assert y.shape == want.shape == shapes.result_shape
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-15)
    check_gradients(lambda a, b, c: a * b + c, *arrays, order=1)


@given(SHAPES, SHAPES)
def test_shapes_that_do_not_broadcast_are_an_error_as_in_numpy(a, b) -> None:
    try:
        want = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ShapeError, match=r"do not broadcast: axis -\d has sizes"):
            tl.zeros(a) + tl.zeros(b)
    else:
        assert (tl.zeros(a) + tl.zeros(b)).shape == want


@given(st.data(), SHAPES.filter(lambda s: len(s) > 0))
def test_reductions(data, shape) -> None:
    axis = data.draw(st.none() | hnp.valid_tuple_axes(len(shape)))
    keepdims = data.draw(st.booleans())
    array = numbered(shape)
    got = tl.sum(array, axis, keepdims)
    want = array.sum(axis, keepdims=keepdims)
    assert got.shape == want.shape
    assert np.array_equal(got.numpy(), want)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (3, "index 3 is out of range for axis 0 of size 2"),
        (-3, "index -3 is out of range for axis 0 of size 2"),
        ((0, 0, 0), "3 indices for 2 axes"),
        ((..., ...), "only one ... is allowed"),
        (True, "a mask of bools .* use tl.where"),
        ([True, False], "a mask of bools|holds integers"),
        (1.0, "use integers, slices"),
        ("a", "use integers, slices"),
        (slice(None, None, 0), "a step other than 0"),
        (slice("a"), "not made of integers"),
        (([0, 1], [0, 1]), "only one array of indices is supported"),
        ([0.5], "holds integers, not float32"),
    ],
)
def test_mistakes(key, message) -> None:
    with pytest.raises(IndexingError, match=message):
        tl.zeros((2, 3))[key]


@pytest.mark.parametrize("bad", [5, -6])
def test_an_index_out_of_range_is_found_when_it_is_evaluated(bad) -> None:
    table, indices = tl.zeros((5, 2)), tl.tensor([0, bad])
    with pytest.raises(IndexingError, match=r"take\(f32\[5,2\], i64\[2\]\)"):
        tl.take(table, indices).numpy()
    with pytest.raises(IndexingError, match=r"scatter_add\(f32\[2,2\], i64\[2\]\)"):
        tl.scatter_add(tl.ones((2, 2)), indices, size=5).numpy()


def test_iteration_and_length() -> None:
    assert [row.tolist() for row in tl.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert len(tl.zeros((3, 2))) == 3
    a, b = tl.tensor([1.0, 2.0])
    assert (a.item(), b.item()) == (1.0, 2.0)
