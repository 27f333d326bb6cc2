"""Part 3: the conformance suite, and the tests that wait for a GPU, the most telling first."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

import benchmarks
from benchmarks.gpu_day.part import Check, Context, SpoiltError, limited, spoilt

__all__ = ["checks"]

_CHECKOUT: Final = Path(benchmarks.__file__).parents[1]
_FIRST: Final = (
    "test_a_replayed_graph_gives_what_single_launches_give",
    "test_cells",
    "test_training_is_the_same_as_on_the_cpu",
    "test_compiled_numbers_are_those_of_the_cpu",
    "test_every_run_gives_the_same_bits",
    "test_random_numbers_are_those_of_the_cpu",
    "test_an_index_out_of_range",
    "test_other_streams",
    "test_nothing_leaks",
)
_LONG: Final = "test_the_conformance_suite"
"""Here CuPy compiles a kernel for each op and element type, which may take a minute."""
_LAST: Final = ("test_the_table_of_cases_compiled", _LONG, "test_the_table_of_cases_op_by_op")
_LIMIT: Final = 30.0
_SMALL: Final = ("test_transfers", "test_an_index_out_of_range", "test_a_batch_of_products_that_runs_backwards")


def checks(context: Context) -> Iterator[Check]:
    """The suites; each test of pytest is also written down by itself."""
    yield Check("pytest -m gpu", partial(tests, context), 3600.0)


def tests(context: Context) -> dict[str, Any]:
    """Run the tests in this process, which has compiled kernels that a new one would have to compile again."""
    watch = Watch(context)
    arguments = [
        "tests/backends/test_gpu.py", "-m", "gpu", "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider",
        # A warning of another library must not look like a fault of this one; pytest counts them.
        "-W", "default",
    ]  # fmt: skip
    os.chdir(_CHECKOUT)
    status = pytest.main(arguments, plugins=[watch])
    if watch.spoilt:
        raise SpoiltError
    # 5: an earlier process has run all of them.
    if status not in (0, 1, 5) and context.left > 0:
        raise RuntimeError(f"pytest ended with status {int(status)}; see the log")
    return {"counts": watch.counts}


class Watch:
    """A plug-in that orders the tests, leaves out those that are known, and writes each one down."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.counts: dict[str, int] = {}
        self.spoilt = False
        self._limit = ExitStack()

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Order the tests, those that teach most first."""
        known = {line["check"] for line in self._context.record.lines() if line["part"] == self._context.part}
        items[:] = sorted([i for i in items if self._wanted(i) and i.nodeid not in known], key=_rank)

    def _wanted(self, item: Any) -> bool:
        name = _function(item)
        return name in _SMALL or not self._context.small

    def pytest_collectreport(self, report: Any) -> None:
        """Write down files that cannot be imported."""
        if report.failed:
            self._context.record.add(
                self._context.part, f"collecting {report.nodeid}", False, error=report.longreprtext
            )

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note the test that begins, and limit its time."""
        self._context.record.begin(nodeid)
        self._limit.enter_context(limited(3 * _LIMIT if _LONG in nodeid else _LIMIT, self._context, nodeid))

    def pytest_runtest_logfinish(self) -> None:
        """Lift the limit of a test that has ended."""
        self._limit.close()

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Stop when the time is over, or when the GPU no longer computes anything."""
        if call.when == "teardown" and self._context.left <= 0:
            item.session.shouldstop = "the time of this part is over"
        if (
            call.excinfo is not None
            and call.when != "teardown"
            and not call.excinfo.errisinstance(pytest.skip.Exception)
        ):
            self.spoilt = spoilt()
            if self.spoilt:
                item.session.shouldstop = "the GPU no longer computes anything in this process"

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Write down what was called, and what failed or was left out before or after."""
        if report.when != "call" and report.outcome == "passed":
            return
        outcome = report.outcome
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        found: dict[str, Any] = {"seconds": round(report.duration, 3)}
        if outcome == "failed":
            found["error"] = report.longreprtext
        elif outcome == "skipped":
            found["skipped"] = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        self._context.record.add(self._context.part, report.nodeid, outcome != "failed", **found)


def _function(item: Any) -> str:
    name: str = item.name.partition("[")[0]
    return name


def _rank(item: Any) -> int:
    name = _function(item)
    if name in _FIRST:
        return _FIRST.index(name)
    return len(_FIRST) + 1 + (_LAST.index(name) if name in _LAST else -1)
