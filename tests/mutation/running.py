"""Runs the tests that reach a change, each change in a process of its own.

The tests are collected once. For each change the process forks, puts the changed code into the functions that there
are, and runs the tests that call them, those first that noticed its neighbours: a fraction of a second for most.
"""

import gc
import os
import pickle
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from tests.mutation.mutants import Mutant

__all__ = ["Killing", "Outcome"]

_SHORT = 0.005
"""Seconds; tests that take no longer are always run."""

Place = tuple[str, str]
"""A file, and the qualified name of a function in it."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: the test that killed it, "" where none did."""

    mutant: Mutant
    test: str


@dataclass(eq=False)
class Killing:
    """A plugin of pytest that runs no test but to kill mutants.

    Args:
        mutants: what is to be killed, in any order.
        seconds: the time after which no more are tried.
        each: the time for one mutant; tests that would take longer than what is left of it are not run.
        notes: a file that keeps what the tests call, so that a second run need not look again.
    """

    mutants: Sequence[Mutant]
    seconds: float
    each: float
    notes: Path | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    failed: bool = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        end = time.monotonic() + self.seconds
        files = {str(m.path.resolve()) for m in self.mutants}
        items = {item.nodeid: item for item in session.items}
        known: dict[str, tuple[float, set[Place]]]
        if self.notes is not None and self.notes.exists():
            noted = pickle.loads(self.notes.read_bytes())
            known = {n: v for n, v in noted.items() if n in items}
            # Newer tests may call anything.
            everything = {place for _, places in noted.values() for place in places}
            known.update((n, (0.01, everything)) for n in items if n not in known)
        else:
            known = self._profile(session.items, files)
            if self.notes is not None:
                self.notes.write_bytes(pickle.dumps(known))
        live = _live(files)
        kills: dict[Place, Counter[str]] = defaultdict(Counter)
        for mutant in self.mutants:
            if time.monotonic() > end:
                break
            file = str(mutant.path.resolve())
            place = (file, mutant.function)

            def promise(name: str, near: Sequence[Place] = (place, (file, ""), ("", ""))) -> float:
                """What killed others kills again; else what runs much of the code in little time."""
                seconds, places = known[name]
                return (1 + sum(kills[p][name] for p in near)) * len(places) / (seconds + 0.02)

            chosen = [
                name for name, (_, places) in known.items()
                if (place in places if mutant.function else any(f == file for f, _ in places))
            ]  # fmt: skip
            chosen.sort(key=promise, reverse=True)
            left, run = self.each, []
            for name in chosen:
                if known[name][0] <= max(left, _SHORT):
                    left -= known[name][0]
                    run.append((items[name], known[name][0]))
            test = self._killed_by(mutant, run, live[file]) if run else ""
            self.outcomes.append(Outcome(mutant, test))
            kills[place][test] += 3
            kills[file, ""][test] += 2
            kills["", ""][test] += 1
            if not test:
                print(mutant, "" if chosen else "(no test runs it)", flush=True)
            if len(self.outcomes) % 100 == 0:
                print(f"  {len(self.outcomes)} of {len(self.mutants)}", flush=True)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    def _profile(self, items: Sequence[pytest.Item], files: set[str]) -> dict[str, tuple[float, set[Place]]]:
        """For each test that passes, how long it takes and what it calls of the files."""

        def run() -> Iterator[Any]:
            for item in items:
                places: set[Place] = set()
                codes: set[CodeType] = set()

                def note(frame: Any, event: str, _: Any, codes: set[CodeType] = codes) -> None:
                    codes.add(frame.f_code)

                sys.settrace(note)
                start = time.process_time()
                _protocol(item)
                # Watching the calls takes two thirds of the time.
                took = (time.process_time() - start) / 3
                sys.settrace(None)
                places.update((c.co_filename, _outermost(c.co_qualname)) for c in codes if c.co_filename in files)
                if not self.failed and places:
                    yield item.nodeid, (took, places)
                elif self.failed:
                    yield item.nodeid, (-1.0, places)
                self.failed = False

        found = dict(_in_child(run) or ())
        broken = [name for name, (took, _) in found.items() if took < 0]
        if broken:
            print("fail without any change, and are left out:", *broken, sep="\n  ", flush=True)
        return {name: value for name, value in found.items() if value[0] >= 0}

    def _killed_by(self, mutant: Mutant, items: list[tuple[pytest.Item, float]], live: Sequence[FunctionType]) -> str:
        def run() -> Iterator[Any]:
            _apply(mutant, live)
            for item, seconds in items:
                # Ends the process where the test takes far longer than it should.
                signal.setitimer(signal.ITIMER_PROF, 1 + 5 * seconds)
                _protocol(item)
                if self.failed:
                    yield item.nodeid
                    return

        names = _in_child(run)
        return "time or memory" if names is None else names[0] if names else ""


def _protocol(item: pytest.Item) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def _outermost(name: str) -> str:
    return name.partition(".<locals>")[0]


def _live(files: set[str]) -> dict[str, list[FunctionType]]:
    """The functions that there are, wherever they are kept, by their files."""
    found: dict[str, list[FunctionType]] = defaultdict(list)
    for x in gc.get_objects():
        if isinstance(x, FunctionType) and x.__code__.co_filename in files:
            found[x.__code__.co_filename].append(x)
    return found


def _codes(code: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    for x in code.co_consts:
        if isinstance(x, CodeType):
            yield (x.co_qualname, x.co_firstlineno), x
            yield from _codes(x)


def _apply(mutant: Mutant, live: Sequence[FunctionType]) -> None:
    """Put the change into this process: into the functions, or into the names of the module."""
    if mutant.function:
        new = dict(_codes(mutant.code()))
        for f in live:
            code = new.get((f.__code__.co_qualname, f.__code__.co_firstlineno))
            if code is not None and code != f.__code__ and code.co_freevars == f.__code__.co_freevars:
                f.__code__ = code
        return
    file = str(mutant.path.resolve())
    module = next(m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == file)
    before = dict(vars(module))
    exec(mutant.code(), vars(module))
    for other in list(sys.modules.values()):
        for name, value in before.items():
            if not name.startswith("__") and vars(other).get(name) is value:
                setattr(other, name, vars(module)[name])


def _in_child(run: Callable[[], Iterator[Any]]) -> list[Any] | None:
    """What ``run`` yields in a copy of this process; None when that did not come to its end."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.setpgid(0, 0)  # with what it starts, so that all of it can be ended
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 30),) * 2)
        try:
            answer = list(run())
        except Exception as error:
            answer = [f"the change does not load: {error!r}"]
        try:
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return pickle.loads(data) if data else None
