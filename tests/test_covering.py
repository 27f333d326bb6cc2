"""The rule of the quick run: whatever is shown by any case is shown by one that is taken."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.covering import covering, pairs, parted, share
from tests.ops.cases import CASES
from tests.ops.cases.forms import forms


@given(st.lists(st.sets(st.integers(0, 20)).map(frozenset)))
def test_all_that_is_shown_by_any_case_is_shown_by_one_that_is_taken(cases: list[frozenset[int]]) -> None:
    taken, left = parted(cases, set)
    assert frozenset().union(*taken) == frozenset().union(*cases)
    assert sorted([*taken, *left], key=sorted) == sorted(cases, key=sorted)


def test_every_pair_of_options_is_taken_in_the_order_of_the_product() -> None:
    cases = list(product("abc", [1, 2], [False, True]))
    taken, left = parted(cases, pairs)
    assert {p for case in taken for p in pairs(case)} == {p for case in cases for p in pairs(case)}
    assert len(taken) < len(cases)
    assert [taken, left] == [sorted(taken), sorted(left)]


def test_what_is_left_out_is_slow_or_long_and_nothing_is_lost() -> None:
    made = covering([("a", 1), ("a", 2), ("b", 2), ("b", 1)], set, of=2)
    assert [p.values for p in made[:2]] == [("a", 1), ("b", 2)]
    assert sorted(p.values for p in made[2:]) == [("a", 2), ("b", 1)]
    assert [[mark.name for mark in p.marks] for p in made] == [[], [], ["slow"], ["slow", "long"]]
    assert [p.values for p in covering([3], lambda case: {case})] == [(3,)]


@pytest.mark.parametrize("of", [1, 2, 5])
def test_a_share_is_of_that_size_and_no_option_falls_into_step_with_it(of: int) -> None:
    cases = list(product(range(40), range(of)))
    taken, left = share(cases, of)
    assert len(taken) == 40
    assert sorted([*taken, *left]) == cases
    assert {option for _, option in taken} == set(range(of))


@pytest.mark.parametrize("smooth", [False, True])
def test_less_than_a_third_of_the_table_shows_every_form_of_every_operation(smooth: bool) -> None:
    cases = [c for c in CASES if c.smooth or not smooth]
    taken, left = parted(cases, forms)
    assert set().union(*map(forms, left)) <= set().union(*map(forms, taken))
    assert 3 * len(taken) < len(cases)
