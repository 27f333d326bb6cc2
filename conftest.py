"""For all tests and doctests: an op that one defines is gone after it, and every compiled program is verified.

In the examples of docstrings ``tl`` and ``np`` are there without an import.
"""

import os
from collections.abc import Iterator

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.graph.registry import OPS

# Also for the processes that tests start.
os.environ.setdefault("TINYGRAD_LSTM_VERIFY", "1")


@pytest.fixture(autouse=True)
def _no_ops_left_behind() -> Iterator[None]:
    before = set(OPS)
    yield
    for name in set(OPS) - before:
        del OPS[name]


@pytest.fixture(autouse=True)
def _names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace.update(tl=tl, np=np)
