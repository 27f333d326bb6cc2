"""Nested values as flat lists and back."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lstm.errors import StructureError
from tinygrad_lstm.graph.structure import flatten, paths, unflatten


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass
class Box:
    low: Any
    high: Any


@dataclass
class Computed:
    once: Any
    twice: Any = field(init=False)

    def __post_init__(self) -> None:
        self.twice = 2 * self.once


NESTED = st.recursive(
    st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.builds(Point, inner, inner)
        | st.builds(Box, inner, inner)
    ),
    max_leaves=8,
)


@given(NESTED)
def test_unflatten_is_the_inverse(value) -> None:
    leaves, structure = flatten(value)
    assert unflatten(structure, leaves) == value
    assert len(paths(structure)) == len(leaves)
    assert flatten(value)[1] == structure
    with pytest.raises(StructureError, match="too many"):
        unflatten(structure, [*leaves, 0])
    if leaves:
        with pytest.raises(StructureError, match="too few"):
            unflatten(structure, leaves[:-1])


def test_what_a_dataclass_computes_itself_is_no_leaf() -> None:
    leaves, structure = flatten(Computed(3))
    assert leaves == [3]
    assert unflatten(structure, [4]).twice == 8


def test_paths_are_what_one_would_write() -> None:
    structure = flatten({"a": (1, [2]), "b": Point(3, Box(4, None))})[1]
    assert paths(structure, "s") == ["s['a'][0]", "s['a'][1][0]", "s['b'].x", "s['b'].y.low"]
    assert str(structure) == "{a: (*, [*]), b: Point(x: *, y: Box(low: *, high: None))}"


def test_dicts_of_the_same_keys_go_together_and_keep_their_order() -> None:
    (one, first), (other, second) = flatten({"a": 1, "b": {2: 2, 10: 3}}), flatten({"b": {10: 3, 2: 2}, "a": 1})
    assert one == other
    assert first != second
    assert first.fits(second)
    assert list(unflatten(second, one)) == ["b", "a"]
    assert list(unflatten(second, one)["b"]) == [10, 2]
    assert not first.fits(flatten({"a": 1, "b": 2})[1])
    assert flatten((1, 2))[1] != flatten([1, 2])[1]
    assert flatten(Point(1, 2))[1] != flatten((1, 2))[1]
