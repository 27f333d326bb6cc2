"""The small expressions that passes build, against NumPy."""

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes.rewriting import carry_stack, is_zero, joined, joins_freely, slice_along

X, Y = tl.symbol("x", (6, 8)), tl.symbol("y", (6, 8))
VALUES = np.arange(48.0, dtype=np.float32).reshape(6, 8)


def value(x: Tensor) -> list[list[float]]:
    result: list[list[float]] = x.evaluate({X: VALUES, Y: VALUES + 100}).tolist()
    return result


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_slices_along_an_axis(axis: int, step: int) -> None:
    keys = [(slice(1, 5), slice(2, 8)), (slice(0, 6), slice(0, 8, step)), (slice(1, 6, step), slice(1, 7))]
    for key in keys:
        x, array = X[key], VALUES[key]
        for start, stop in ((0, 1), (0, 2), (1, 2), (0, x.shape[axis])):
            part = slice_along(X, x, axis, start, stop)
            wanted = array[(slice(None),) * axis + (slice(start, stop),)]
            assert value(part) == wanted.tolist()
            assert part is x or part.op == "slice"
            assert (part is x) == (wanted.shape == array.shape)
            if key[axis].step in (None, 1) and part is not x:
                assert part.inputs[0] is X


def test_slices_that_meet_are_one() -> None:
    def parts(*keys: tuple[slice, slice]) -> list[Tensor]:
        return [X[key] for key in keys]

    rows, columns, all_ = slice(1, 5), slice(2, 8), slice(None)
    whole = joined(X, parts((slice(0, 2), all_), (slice(2, 3), all_), (slice(3, 6), all_)), 0)
    assert whole is X
    for axis, together in (
        (0, (rows, columns)),
        (1, (rows, columns)),
        (0, (slice(0, 6), columns)),
        (1, (rows, slice(0, 8))),
    ):
        low, high = together[axis].start, together[axis].stop
        keys = [
            tuple(slice(a, b) if i == axis else k for i, k in enumerate(together)) for a, b in ((low, 4), (4, high))
        ]
        one = joined(X, parts(*keys), axis)
        assert (one.op, one.inputs[0]) == ("slice", X)
        assert value(one) == VALUES[together].tolist()
    assert value(joined(X, [X[:2, ::2], X[2:5, ::2]], 0)) == VALUES[:5, ::2].tolist()
    # Every other element, the last one among them.
    odd = tl.sin(X[:, :7])
    assert value(joined(X, [odd[:2, ::2], odd[2:, ::2]], 0)) == np.sin(VALUES[:, :7:2]).tolist()
    assert value(joined(X, [odd[::5, :3], odd[::5, 3:]], 1)) == np.sin(VALUES[::5, :7]).tolist()


@pytest.mark.parametrize(
    ("a", "b", "axis"),
    [
        (X[:2], Y[2:], 0), (X[:2], X[3:], 0), (X[2:], X[:2], 0), (X[:2, 1:], X[2:, :7], 0), (X[:2, :4], X[2:, 4:], 0),
        (X[:2:2], X[2::2], 0), (X[:2, ::2], X[2:, 1::2], 0), (X[:2, 2:], X[:2, :2], 1), (X[:, :4], X[:, 4::2], 1),
        (X[:2], tl.sin(X[2:]), 0), (tl.sin(X[:2]), X[2:], 0), (X[1:3], X[1:3], 0), (X[:3], tl.sin(X), 0),
        (tl.sin(X), X[3:], 0), (X[:, ::2], X[:, 1::2], 1),
    ],
    ids=str,
)  # fmt: skip
def test_other_parts_are_joined_as_they_are(a: Tensor, b: Tensor, axis: int) -> None:
    both = joined(X, [a, b], axis)
    assert both.op == "concatenate"
    assert list(both.inputs) == [a, b]
    assert value(both) == np.concatenate([value(a), value(b)], axis).tolist()


@pytest.mark.parametrize("length", [0, 1, 2, 6])
@pytest.mark.parametrize("reverse", [False, True])
def test_what_a_carry_was_when_each_step_began(length: int, reverse: bool) -> None:
    start, later = tl.symbol("start", (8,)), tl.symbol("later", (length, 8))
    values = VALUES[:length]
    before = carry_stack(start, start, later, length, reverse).evaluate({start: -np.ones(8), later: values}).numpy()
    order = range(length)[:: -1 if reverse else 1]
    carry = -np.ones(8)
    for t in order:
        assert before[t].tolist() == carry.tolist()
        carry = values[t]
    assert before.shape == (length, 8)


def test_what_is_zero_everywhere() -> None:
    zero = tl.zeros((2, 3))
    assert all(map(is_zero, [zero, zero.reshape(3, 2), tl.full((), 0.0), tl.full((), -0.0), tl.zeros(2, tl.int32)]))
    assert not any(map(is_zero, [tl.ones(2), X, tl.zeros(2) + 0, tl.zeros(2)[1:], tl.full((), float("nan"))]))


def test_what_is_joined_without_a_copy() -> None:
    free = [tl.sin(X), X[1:], tl.concatenate([tl.sin(X), Y[1:]])]
    assert all(map(joins_freely, free))
    assert not any(map(joins_freely, [X, tl.transpose(X), X.sum(axis=0), tl.concatenate([tl.sin(X), Y])]))
