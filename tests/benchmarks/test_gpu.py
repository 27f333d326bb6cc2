"""The benchmark of the GPU: what it says without one, and its table with NumPy and g++ standing in."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tinygrad_lstm_cupy import executor, probe

from benchmarks import gpu
from tests.backends.fake_cupy import FakeCupy
from tests.codegen.cuda_shim import needs_compiler
from tests.codegen.host_device import HostDevice
from tinygrad_lstm.runtime import backend as runtime


def install(monkeypatch: pytest.MonkeyPatch, cupy: Any) -> None:
    monkeypatch.setattr(runtime, "_loaded", {})
    monkeypatch.setattr(executor, "Device", HostDevice)
    monkeypatch.setattr(probe, "importlib", SimpleNamespace(import_module=lambda name: cupy))


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    install(monkeypatch, FakeCupy(driver=0))
    monkeypatch.setenv("CUPY_TF32", "0")
    assert gpu.main([]) == 1
    assert "there is no GPU to measure: backend 'cupy'" in capsys.readouterr().err


@needs_compiler
def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    install(monkeypatch, FakeCupy())
    monkeypatch.setenv("CUPY_TF32", "0")
    monkeypatch.setattr(gpu, "_torch", lambda tf32: None)
    monkeypatch.setattr(gpu, "SHAPES", [gpu.Shape(3, 2, 4), gpu.Shape(2, 2, 4, "float16")])
    monkeypatch.setattr(gpu, "CROSSOVER", [gpu.Shape(2, 2, 4)])

    def once(step: Any, rounds: int, cupy: Any, on_gpu: bool) -> float:
        step(0)
        return float(rounds)

    monkeypatch.setattr(gpu, "_median", once)
    assert gpu.main(["--json", str(tmp_path / "gpu.json"), "--tf32", "--rounds", "7"]) == 0
    printed = capsys.readouterr().out
    assert "| 2, 2, 4 float16 | 7.000 | 7.000 |" in printed
    assert "TF32 on on both sides" in printed
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert written["device"].startswith("CuPy 14.2.0 on Abacus 0")
    assert list(written["crossover"][0]["milliseconds"]) == ["cupy, jit", "c, jit", "numpy, jit"]
