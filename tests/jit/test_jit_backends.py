"""``jit`` and the backends: with a compiler, without one, and on another device."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tinygrad_lstm_cupy import executor, probe

import tinygrad_lstm as tl
from tests.backends.fake_cupy import FakeCupy
from tests.codegen.cuda_shim import needs_compiler
from tests.codegen.host_device import HostDevice
from tests.codegen.small_programs import needs_c
from tinygrad_lstm.errors import BackendError, DeviceError
from tinygrad_lstm.runtime import backend as runtime


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> str:
    """A backend on the CPU that does not compile."""
    names = ("device_kind", "kernels", "default_device", "devices", "describe", "put", "get", "finished")
    numpy = runtime.load_backend("numpy")
    offered = {name: getattr(numpy, name) for name in (*names, "empty", "arange", "running")}
    monkeypatch.setitem(runtime._loaded, "plain", SimpleNamespace(name="plain", **offered))
    return "plain"


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> str:
    """The CuPy backend, with NumPy standing in for CuPy, and g++ for the GPU."""
    monkeypatch.setattr(runtime, "_loaded", {})
    monkeypatch.setattr(executor, "Device", HostDevice)
    monkeypatch.setattr(probe, "importlib", SimpleNamespace(import_module=lambda name: FakeCupy()))
    return "cupy"


def test_without_a_compiler_the_optimised_graph_runs(plain: str) -> None:
    w = tl.Parameter([1.0, 2.0])
    with tl.use_backend(plain):
        array = np.ones(2, np.float32)
        g = tl.jit(lambda x: (w.assign(w + x), x)[1])
        y = g(array)
        array[:] = 7
        assert y.tolist() == [1.0, 1.0]
        assert w.tolist() == [2.0, 3.0]
        with pytest.raises(BackendError, match=r"the backend .plain. does not compile: it runs the graph"):
            g.program(array)
        assert "add" in g.source(array)
    assert "add(" in g.source(array)
    assert g(array).tolist() == [7.0, 7.0]
    assert w.tolist() == [9.0, 10.0]


def test_layers_without_a_compiler(plain: str) -> None:
    layer = tl.nn.LSTM(3, 4, key=tl.random.key(0))
    x = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)

    def f(x: Any) -> Any:
        ys, _ = layer(x)
        return ys, tl.gradients((ys * ys).sum(), layer.parameters())

    want = f(tl.tensor(x))
    with tl.use_backend(plain):
        got = tl.jit(f)(x)
    for a, b in zip((got[0], *got[1]), (want[0], *want[1]), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


@needs_compiler
def test_on_another_device(cupy: str) -> None:
    with tl.use_backend(cupy):
        layer = tl.nn.Linear(2, 1, key=tl.random.key(0))
    opt = tl.optim.Adam(layer.parameters(), lr=0.1)

    @tl.jit
    def step(x: Any) -> Any:
        loss = (layer(x) ** 2).mean()
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    with tl.use_backend(cupy):
        losses = [step(np.ones((3, 2), np.float32)) for _ in range(3)]
    assert losses[0].device == layer.weight.device == "cuda:0"
    assert losses[2].item() < losses[0].item()
    # The device of the arguments decides, not the backend in use.
    assert step(tl.ones((3, 2)).to("cuda:0")).device == "cuda:0"
    with pytest.raises(DeviceError, match=r"operands live on cpu and cuda:0"):
        step(tl.ones((3, 2)))
    with pytest.raises(DeviceError, match=r"works on cpu and cuda:0; a compiled function works on one device"):
        tl.jit(lambda a, b: (a + 1, b + 1))(tl.ones(2), tl.ones(2).to("cuda:0"))


@needs_compiler
def test_a_cell_that_has_moved_is_met_by_another_program(cupy: str) -> None:
    w = tl.State([1.0, 2.0])
    double = tl.jit(lambda: w.assign(w * 2))
    double()
    w.move("cuda:0")
    double()
    assert (w.device, w.tolist()) == ("cuda:0", [4.0, 8.0])
    w.move("cpu")
    double()
    assert (w.device, w.tolist()) == ("cpu", [8.0, 16.0])


@pytest.mark.parametrize(
    "name", ["numpy", pytest.param("c", marks=needs_c), pytest.param("cupy", marks=needs_compiler)]
)
def test_a_training_step_is_the_same_on_each_backend(name: str, cupy: str) -> None:
    def losses(wrap: Any) -> list[float]:
        lstm, head = tl.nn.LSTM(3, 5, key=tl.random.key(0)), tl.nn.Linear(5, 4, key=tl.random.key(1))
        dropout = tl.nn.Dropout(0.3, key=tl.random.key(2))
        parameters = [*lstm.parameters(), *head.parameters()]
        opt = tl.optim.Adam(parameters, lr=0.01)

        def step(x: Any, y: Any) -> Any:
            opt.zero_grad()
            outputs, _ = lstm(x)
            loss = tl.nn.cross_entropy(head(dropout(outputs)), y)
            loss.backward()
            tl.optim.clip_grad_norm(parameters, 0.5)
            opt.step()
            return loss

        run, rng = wrap(step), np.random.default_rng(0)
        x, y = rng.normal(size=(6, 2, 3)).astype(np.float32), rng.integers(0, 4, (6, 2))
        return [run(x, y).item() for _ in range(5)]

    want = losses(lambda f: f)
    with tl.use_backend(name):
        np.testing.assert_allclose(losses(tl.jit), want, rtol=1e-5)
