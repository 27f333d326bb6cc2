"""Training through the CUDA text: a whole step, with clipping and loss scaling, is one recorded graph."""

from typing import Any

import numpy as np
import pytest
from tinygrad_lstm_cupy.executable import CupyExecutable

from tests.codegen.cuda_shim import needs_compiler
from tests.codegen.host_device import HostDevice
from tests.optim.test_half_precision import run
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.kernels.table import kernels
from tinygrad_lstm.runtime.backend import load_backend


@needs_compiler
@pytest.mark.parametrize(("dtype", "scaled", "allowed"), [("float32", False, 1e-4), ("float16", True, 0.02)])
def test_losses(dtype: str, scaled: bool, allowed: float, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def compiled(_: Any, program: Program) -> CupyExecutable:
        made.append(CupyExecutable(program, kernels(np), HostDevice()))
        return made[-1]

    want = run("float32", scaled=False, compiled=True, steps=25)
    backend = type(load_backend("numpy"))
    monkeypatch.setattr(backend, "compile", compiled)
    monkeypatch.setattr(backend, "halves", True, raising=False)
    got = run(dtype, scaled=scaled, compiled=True, steps=25)
    assert [executable.replayed for executable in made] == [True], "something of the step cannot be recorded"
    np.testing.assert_allclose(got, want, rtol=allowed)
