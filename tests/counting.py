"""Which cases coverage counts. Counting lines costs more than running them.

So of each test the lines of a few cases are counted, and of the others none; and none of the tests of whole programs
and of sizes, which take longest and go ways that smaller tests go. What is counted is the least that the tests reach,
and a bound that it keeps they keep.
"""

import os
import re
from collections import Counter

from coverage import Coverage

__all__ = ["Counting"]

NAME = re.compile(r"\[?[\w.]*")
"""How the id of a case begins: with the name of an operation, for one."""
FIRST = 2
WHOLE = ("tests/docs/", "tests/faults/", "tests/fuzz/", "tests/release/", "tests/runtime/test_limits.py")
OF_CHILDREN = "COVERAGE_PROCESS_CONFIG"
"""Child processes count where coverage has put this into their environment."""


class Counting:
    """Switches coverage on for the first two cases of each small test and the first of each name, and else off."""

    def __init__(self, coverage: Coverage) -> None:
        self.coverage = coverage
        self.on = True
        self.of_children = os.environ.get(OF_CHILDREN)
        self.met: Counter[str] = Counter()

    def turn(self, case: str) -> None:
        """Before the case of that id."""
        test, _, _ = case.partition("[")
        named = NAME.match(case, len(test))
        assert named is not None
        self.met.update({test, test + named[0]})
        on = not case.startswith(WHOLE) and (self.met[test] <= FIRST or self.met[test + named[0]] == 1)
        if on == self.on:
            return
        self.on = on
        if on:
            self.coverage.start()
            if self.of_children is not None:
                os.environ[OF_CHILDREN] = self.of_children
        else:
            self.coverage.stop()
            os.environ.pop(OF_CHILDREN, None)
