"""For all tests and doctests: an op that one defines is gone after it, and every compiled program is verified."""

import os
from collections.abc import Iterator

import pytest

from tinygrad_lstm.autodiff.table import VARIADIC_RULES
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.kernels.custom import CUSTOM

# Also for the processes that tests start.
os.environ.setdefault("TINYGRAD_LSTM_VERIFY", "1")


@pytest.fixture(autouse=True)
def _no_ops_left_behind() -> Iterator[None]:
    before = set(CUSTOM)
    yield
    for name in set(CUSTOM) - before:
        del CUSTOM[name], OPS[name]
        VARIADIC_RULES.pop(name, None)
