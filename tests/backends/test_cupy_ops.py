"""The table of cases as CUDA, run on the CPU: what ``test_c`` asks of C."""

import numpy as np
import pytest
from tinygrad_lstm_cupy.executable import CupyExecutable

from tests.backends import test_c
from tests.backends.test_c import (
    test_gradients,
    test_in_the_body_of_a_loop,
    test_values,
    test_values_in_narrower_floats,
)
from tests.codegen.cuda_shim import needs_compiler
from tests.codegen.host_device import HostDevice
from tinygrad_lstm.kernels.table import kernels

__all__ = ["test_gradients", "test_in_the_body_of_a_loop", "test_values", "test_values_in_narrower_floats"]

pytestmark = [needs_compiler, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    table = kernels(np)
    monkeypatch.setattr(test_c, "compile_c", lambda program: CupyExecutable(program, table, HostDevice()))
