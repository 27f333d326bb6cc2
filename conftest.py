"""For all tests and doctests: an op that one defines is gone after it, and every compiled program is verified.

In the examples of docstrings ``tl`` and ``np`` are there without an import. Under ``--cov`` the lines of a few cases of
each test are counted (tests/counting.py).
"""

import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
from coverage import Coverage
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.counting import Counting
from tinygrad_lstm.graph.registry import OPS

# Also for the processes that tests start.
os.environ.setdefault("TINYGRAD_LSTM_VERIFY", "1")
if sys.dont_write_bytecode:
    # Each of some hundreds of processes would compile the package again, which takes longer than what it is to show.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(Path(__file__).parent / ".pytest_cache" / "bytecode")
    sys.dont_write_bytecode = False

COUNTING = pytest.StashKey[Counting]()


@settings(database=None, derandomize=True, max_examples=1)
@given(st.none())
def first_draw(value: None) -> None:
    """At the first draw Hypothesis looks for who holds its generator, and since Python 3.14 a frozen holder hides."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Tests live to the end, so the collector of garbage need not look at them again and again."""
    first_draw()
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    stash = item.config.stash
    if COUNTING not in stash and (coverage := Coverage.current()) is not None:
        stash[COUNTING] = Counting(coverage)
    if COUNTING in stash:
        stash[COUNTING].turn(item.nodeid)
    return (yield)


@pytest.fixture(autouse=True)
def _no_ops_left_behind() -> Iterator[None]:
    before = set(OPS)
    yield
    for name in set(OPS) - before:
        del OPS[name]


@pytest.fixture(autouse=True, scope="session")
def _names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace.update(tl=tl, np=np)
