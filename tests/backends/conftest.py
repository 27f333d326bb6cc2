"""A GPU that is not there: what ``import cupy`` gives in a test."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tinygrad_lstm_cupy import executor, probe

from tests.backends.fake_cupy import FakeCupy
from tests.codegen.host_device import HostDevice
from tinygrad_lstm.runtime import backend as runtime


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Pretend that this is what ``import cupy`` gives; an exception is raised."""
    monkeypatch.setattr(runtime, "_loaded", {})

    def install(cupy: Any) -> Any:
        def import_module(name: str) -> Any:
            if isinstance(cupy, Exception):
                raise cupy
            return cupy

        monkeypatch.setattr(probe, "importlib", SimpleNamespace(import_module=import_module))
        return cupy

    return install


@pytest.fixture
def gpu(installed: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    """Two GPUs that g++ stands in for: programs compile and run on them too."""
    monkeypatch.setattr(executor, "Device", HostDevice)
    cupy: FakeCupy = installed(FakeCupy(gpus=2))
    return cupy
