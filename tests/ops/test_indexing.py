"""Indexing, broadcasting and reshaping by NumPy's rules, on examples that hypothesis draws."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.covering import examples
from tinygrad_lstm.errors import IndexingError, ShapeError, UsageError
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
def arrays_of_indices(draw):
    """A shape, and a key with integers, slices, ... and None beside one array of integers or several."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3))
    axes = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=3, unique=True))
    common = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=len(axes), min_dims=0, max_dims=2, min_side=0, max_side=3)
    )
    key = [draw(st.slices(n) | st.integers(-n, n - 1)) for n in shape]
    for axis, own in zip(axes, common.input_shapes, strict=True):
        key[axis] = draw(hnp.arrays(np.int64, own, elements=st.integers(-shape[axis], shape[axis] - 1)))
    last = max(axes)
    for extra in draw(st.lists(st.none(), max_size=2)):
        place = draw(st.integers(0, len(key)))
        key.insert(place, extra)
        last += place <= last
    if last + 1 < len(key) and draw(st.booleans()):
        key[last + 1 :] = [...]
    elif draw(st.booleans()):
        key.insert(draw(st.integers(0, len(key))), ...)  # stands for no axis, and yet between arrays
    return shape, tuple(key)


@given(arrays_of_indices(), st.booleans())
@examples(500)
def test_arrays_of_indices_among_slices(example, symbolic) -> None:
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


@given(arrays_of_indices(), st.sampled_from(["add", "multiply", "max", "min"]))
@examples(300)
def test_assignment_where_indices_repeat(example, kind) -> None:
    shape, key = example
    array = numbered(shape)
    updates = np.cos(numbered(array[key].shape)) * 5
    expected = array.copy()
    {"add": np.add, "multiply": np.multiply, "max": np.maximum, "min": np.minimum}[kind].at(expected, key, updates)
    found = getattr(tl.tensor(array).at[key], kind)(updates)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13, atol=1e-13)


@given(arrays_of_indices())
def test_set_picks_one_of_the_updates_of_a_place(example) -> None:
    shape, key = example
    array = numbered(shape)
    updates = numbered(array[key].shape) + 1000
    found = tl.tensor(array).at[key].set(updates).numpy()
    places = np.zeros(shape, bool)
    places[key] = True
    assert np.array_equal(found[~places], array[~places])
    allowed = {p: set() for p in np.flatnonzero(places)}
    positions = np.arange(array.size).reshape(shape)[key]
    for p, u in zip(positions.ravel(), updates.ravel(), strict=True):
        allowed[p].add(u)
    assert all(found.ravel()[p] in us for p, us in allowed.items())


@given(st.data(), SHAPES)
def test_assignment_to_slices(data, shape) -> None:
    array = numbered(shape)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    updates = -np.ones(array[key].shape)
    want = array.copy()
    want[key] = updates
    assert np.array_equal(tl.tensor(array).at[key].set(updates).numpy(), want)


def test_the_gradient_of_what_was_overwritten_is_zero() -> None:
    x, v = tl.symbol("x", (3,)), tl.symbol("v", ())
    by_x, by_v = tl.gradients(x.at[1].set(v), [x, v])
    assert tl.evaluate(by_x.evaluate({x: [1.0, 2.0, 3.0], v: 5.0})).tolist() == [1.0, 0.0, 1.0]
    assert by_v.evaluate({x: [1.0, 2.0, 3.0], v: 5.0}).item() == 1.0


def test_mistakes_of_assignment() -> None:
    x = tl.zeros((2, 3))
    with pytest.raises(ShapeError, match=r"updates f32\[4\] do not broadcast to the shape \[3\]"):
        x.at[0].set([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(IndexingError, match="out of range"):
        x.at[2].set(0)
    with pytest.raises(ShapeError, match="do not broadcast"):
        x.at[0].add(np.zeros((2, 3), np.float32))
    assert x.at[0, 1].get().shape == ()
    with pytest.raises(UsageError, match=r"never changes; make a new one with x\.at\[key\]\.set"):
        x[0] = 1.0
    with pytest.raises(IndexingError, match=r"tl\.where"):
        x.at[x > 0].set(1.0)


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
        (([0, 1], [0, 1, 2]), r"arrays of indices \[2\] and \[3\] do not broadcast"),
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
        tl.take(table, indices, 0).numpy()
    for key in (([0, 1], [0, 2]), ([0, -3], [0, 0]), ([0, 0], [-3, 5])):
        with pytest.raises(IndexingError, match="out of bounds"):
            tl.zeros((2, 2))[key].numpy()
    with pytest.raises(IndexingError, match=r"scatter_add\(f32\[2,2\], i64\[2\]\)"):
        tl.scatter_add(tl.ones((2, 2)), indices, size=5).numpy()


def test_iteration_and_length() -> None:
    assert [row.tolist() for row in tl.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert len(tl.zeros((3, 2))) == 3
    a, b = tl.tensor([1.0, 2.0])
    assert (a.item(), b.item()) == (1.0, 2.0)
