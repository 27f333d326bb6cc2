"""What ``make test`` runs of a table of cases or of a product of options, and how many random examples it draws.

A share of the other cases is marked ``slow``: ``.ci/run`` runs it too, and draws more examples. The rest is marked
``long`` besides: ``make long`` runs it.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import combinations
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import settings

__all__ = ["covering", "examples", "pairs", "parted", "ranked", "share"]

T = TypeVar("T")


def parted(cases: Iterable[T], shows: Callable[[T], Iterable[Hashable]]) -> tuple[list[T], list[T]]:
    """The cases of the quick run and the others, both in their order.

    The rule: ``shows(case)`` lists what decides which way a case goes through the code. Whatever is shown by any case
    is shown by one of the quick run. So a value, an option or a pair of options that is added to a table is run by
    ``make test`` from then on, and nothing has to be chosen by hand. Each time the case that shows most of what is
    still to be shown is taken, the first one of several.
    """
    cases = list(cases)
    shown = [set(shows(case)) for case in cases]
    waiting = [(-len(of_one), k) for k, of_one in enumerate(shown)]
    heapify(waiting)
    taken: set[int] = set()
    found: set[Hashable] = set()
    while waiting and waiting[0][0]:
        before, best = heappop(waiting)
        # What a case still adds only shrinks, so one that adds as much as before adds most of all.
        new = shown[best] - found
        if len(new) == -before:
            taken.add(best)
            found |= new
        else:
            heappush(waiting, (-len(new), best))
    return [c for k, c in enumerate(cases) if k in taken], [c for k, c in enumerate(cases) if k not in taken]


def share(cases: Sequence[T], of: int) -> tuple[list[T], list[T]]:
    """One in ``of`` cases, drawn once and for all so that no option falls into step with it, and the others."""
    drawn = set(Random(0).sample(range(len(cases)), -(-len(cases) // of)))
    return [c for k, c in enumerate(cases) if k in drawn], [c for k, c in enumerate(cases) if k not in drawn]


def ranked(quick: Iterable[Any], slow: Iterable[Any], long: Iterable[Any]) -> list[Any]:
    """For ``parametrize``: what ``make test``, ``.ci/run`` and ``make long`` run; a tuple is several arguments."""
    marks = {"quick": [], "slow": [pytest.mark.slow], "long": [pytest.mark.slow, pytest.mark.long]}
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=marks[rank])
        for rank, cases in (("quick", quick), ("slow", slow), ("long", long))
        for case in cases
    ]


def covering(cases: Iterable[T], shows: Callable[[T], Iterable[Hashable]], of: int = 4) -> list[Any]:
    """All cases for ``parametrize``: quick what ``parted`` takes, ``slow`` one in ``of`` others, ``long`` the rest."""
    quick, others = parted(cases, shows)
    return ranked(quick, *share(others, of))


def pairs(case: Sequence[Any]) -> list[Hashable]:
    """Each two of the options of a case, told apart by their text."""
    return list(combinations([(place, str(option)) for place, option in enumerate(case)], 2))


def examples(count: int) -> settings:
    """So many random examples with the profile ``more`` of ``.ci/run``, and 30 % of them in ``make test``."""
    return settings(max_examples=max(count * settings.default.max_examples // 100, 1))
