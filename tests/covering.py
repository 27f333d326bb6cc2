"""What ``make test`` runs of a table of cases or of a product of options, and how many random examples it draws.

The other cases are marked ``slow``; ``.ci/run`` runs them too, and draws more examples.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import combinations
from typing import Any, TypeVar

import pytest
from hypothesis import settings

__all__ = ["covering", "examples", "pairs", "parted"]

T = TypeVar("T")


def parted(cases: Iterable[T], shows: Callable[[T], Iterable[Hashable]]) -> tuple[list[T], list[T]]:
    """The cases of the quick run and the others, both in their order.

    The rule: ``shows(case)`` lists what decides which way a case goes through the code. Whatever is shown by any case
    is shown by one of the quick run. So a value, an option or a pair of options that is added to a table is run by
    ``make test`` from then on, and nothing has to be chosen by hand. Each time the case that shows most of what is
    still to be shown is taken, the first one of several.
    """
    cases = list(cases)
    missing = [set(shows(case)) for case in cases]
    taken: set[int] = set()
    while any(missing):
        best = max(range(len(cases)), key=lambda k: len(missing[k]))
        taken.add(best)
        found = set(missing[best])
        for of_one in missing:
            of_one -= found
    return [c for k, c in enumerate(cases) if k in taken], [c for k, c in enumerate(cases) if k not in taken]


def covering(cases: Iterable[T], shows: Callable[[T], Iterable[Hashable]]) -> list[Any]:
    """All cases for ``parametrize``, a tuple as several arguments; those that ``parted`` leaves out are ``slow``."""
    cases = list(cases)
    quick = {id(case) for case in parted(cases, shows)[0]}
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)), marks=() if id(case) in quick else pytest.mark.slow
        )
        for case in cases
    ]


def pairs(case: Sequence[Any]) -> list[Hashable]:
    """Each two of the options of a case, told apart by their text."""
    return list(combinations([(place, str(option)) for place, option in enumerate(case)], 2))


def examples(count: int) -> settings:
    """So many random examples with the profile ``more`` of ``.ci/run``, and 30 % of them in ``make test``."""
    return settings(max_examples=max(count * settings.default.max_examples // 100, 1))
