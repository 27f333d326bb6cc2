"""Coverage counts the first cases of each test, and one of each name."""

import os
from typing import Any

import pytest

from tests.counting import OF_CHILDREN, Counting


class Switch:
    """Stands for coverage, and knows whether it counts."""

    on = True

    def start(self) -> None:
        assert not self.on
        self.on = True

    def stop(self) -> None:
        assert self.on
        self.on = False


def test_the_first_cases_and_one_of_each_name_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OF_CHILDREN, "settings")
    switch: Any = Switch()
    counting = Counting(switch)
    counted = []
    cases = [
        "a.py::f",
        "tests/docs/a.py::f",
        "a.py::g[add-1]",
        "a.py::g[add-2]",
        "a.py::g[add-3]",
        "a.py::g[add]",
        "a.py::g[tl.sin(x)]",
    ]
    cases += [
        "a.py::g[tl.sin(y)]",
        "a.py::h",
        "a.py::k[-1]",
        "a.py::k[-2]",
        "a.py::k[-3]",
        "a.py::h[sin]",
        "b.py::g[add]",
    ]
    for case in cases:
        counting.turn(case)
        assert (os.environ.get(OF_CHILDREN) == "settings") is switch.on
        if switch.on:
            counted.append(case)
    assert [case for case in cases if case not in counted] == [
        "tests/docs/a.py::f", "a.py::g[add-3]", "a.py::g[add]", "a.py::g[tl.sin(y)]", "a.py::k[-3]"
    ]  # fmt: skip
