"""Coverage counts the first cases of each test, and one of each name."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.counting import OF_CHILDREN, SECONDS, Counting


class Switch:
    """Stands for coverage, and knows whether it counts."""

    on = True

    def start(self) -> None:
        assert not self.on
        self.on = True

    def stop(self) -> None:
        assert self.on
        self.on = False


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    """What is counted here may be counted itself."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.getsignal(signal.SIGVTALRM)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


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


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers of computing time")
def test_of_a_long_case_the_beginning_is_counted() -> None:
    switch: Any = Switch()
    counting = Counting(switch)
    counting.turn("a.py::f")
    assert switch.on
    begun = time.process_time()
    while switch.on:
        assert time.process_time() < begun + 10 * SECONDS
    counting.turn("a.py::g")
    assert switch.on


def test_the_processes_that_set_pictures_are_counted_by_the_tests_of_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OF_CHILDREN, "settings")
    counting = Counting(Switch())  # type: ignore[arg-type]
    for case, counted in (("tests/draw/test_graph.py::f", False), ("tests/draw/test_render.py::f", True)):
        counting.turn(case)
        assert (OF_CHILDREN in os.environ) is counted
