"""Which cases coverage counts. Counting lines costs more than running them.

So of each test the lines of a few cases are counted, and of the others none; and none of the tests of whole programs
and of sizes, which take longest and go ways that smaller tests go. Of a case that takes longer, its beginning is
counted; and child processes are counted where they are what is tested. What is counted is the least that the tests
reach, and a bound that it keeps they keep.
"""

import os
import re
import signal
from collections import Counter

from coverage import Coverage

__all__ = ["Counting"]

NAME = re.compile(r"\[?[\w.]*")
"""How the id of a case begins: with the name of an operation, for one."""
FIRST = 2
SECONDS = 1.0
"""Of computing, counting included: most cases are through by then, and the loops of the others go round and round."""
WHOLE = ("tests/docs/", "tests/faults/", "tests/fuzz/", "tests/release/", "tests/runtime/test_limits.py")
OF_CHILDREN = "COVERAGE_PROCESS_CONFIG"
"""Child processes count where coverage has put this into their environment."""
ALONE = re.compile("tests/draw/(?!test_render)")
"""A picture is set by a process of its own, always by the same lines."""


class Counting:
    """Switches coverage on for the first two cases of each small test and the first of each name, and else off."""

    def __init__(self, coverage: Coverage) -> None:
        self.coverage = coverage
        self.on = True
        self.of_children = os.environ.get(OF_CHILDREN)
        self.met: Counter[str] = Counter()
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGVTALRM, lambda *_: self.switch(False))

    def turn(self, case: str) -> None:
        """Before the case of that id."""
        test, _, _ = case.partition("[")
        named = NAME.match(case, len(test))
        assert named is not None
        self.met.update({test, test + named[0]})
        self.switch(not case.startswith(WHOLE) and (self.met[test] <= FIRST or self.met[test + named[0]] == 1))
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS if self.on else 0)
        if self.on and self.of_children is not None and not ALONE.match(case):
            os.environ[OF_CHILDREN] = self.of_children
        else:
            os.environ.pop(OF_CHILDREN, None)

    def switch(self, on: bool) -> None:
        """Count the lines of this process from here on, or no longer."""
        if on != self.on:
            self.on = on
            (self.coverage.start if on else self.coverage.stop)()
