"""The CuPy backend without a GPU: what it says where it cannot work, and its dispatch with NumPy standing in."""

import builtins
import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tinygrad_lstm_cupy
from tinygrad_lstm_cupy import probe
from tinygrad_lstm_cupy.rows import rows

import tinygrad_lstm as tl
from tests.backends.fake_cupy import CUDAError, FakeCupy
from tests.codegen.host_device import HostDevice
from tests.codegen.lstm_program import lstm_program
from tinygrad_lstm.errors import BackendError, DeviceError, EvaluationError, IndexingError
from tinygrad_lstm.runtime import backend as runtime
from tinygrad_lstm.testing import check_backend


def refusal() -> str:
    with pytest.raises(BackendError) as caught:
        tl.use_backend("cupy")
    (status,) = [s for s in tl.describe_backends() if s.name == "cupy"]
    assert not status.usable
    assert status.detail == str(caught.value)
    return str(caught.value)


INSUFFICIENT = CUDAError(
    35, "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
)
NO_DEVICE = CUDAError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")


class DynamicLibNotFoundError(RuntimeError):
    """As CuPy's loader raises it."""


WHY_NOT = [
    ("not installed", ModuleNotFoundError("No module named 'cupy'", name="cupy"), "CuPy is not installed; pip install"),
    ("broken", ImportError("libcublas.so.12: cannot open"), "its installation is broken (ImportError: libcublas"),
    ("half there", ModuleNotFoundError("No module named 'fastrlock'", name="fastrlock"), "No module named 'fastrlock'"),
    ("no driver", FakeCupy(driver=0, count_error=INSUFFICIENT), "there is no NVIDIA driver on this machine; install"),
    (
        "old driver",
        FakeCupy(driver=11040, count_error=INSUFFICIENT),
        "is of CUDA 11.4, too old for CuPy 14.2.0; update",
    ),
    ("no device", FakeCupy(count_error=NO_DEVICE), "no GPU that it can use; see what nvidia-smi lists"),
    ("no device, no error", FakeCupy(gpus=0), "no GPU that it can use; see what nvidia-smi lists"),
    (
        "no NVRTC",
        FakeCupy(exp_error=DynamicLibNotFoundError("libnvrtc.so.12\nsearched in /usr")),
        "toolkit is missing or broken (DynamicLibNotFoundError: libnvrtc.so.12); install it beside CuPy: pip install",
    ),
    ("no cuBLAS", FakeCupy(exp_error=ImportError("")), "toolkit is missing or broken (ImportError); install it"),
]


@pytest.mark.parametrize(("cupy", "words"), [w[1:] for w in WHY_NOT], ids=[w[0] for w in WHY_NOT])
def test_one_sentence_says_what_is_missing(installed, cupy, words: str) -> None:
    installed(cupy)
    told = refusal()
    assert words in told
    assert told.startswith("backend 'cupy': ")
    assert "\n" not in told


def test_two_wheels_of_cupy(installed, monkeypatch) -> None:
    installed(ImportError("cannot import name '_core'"))
    found = [SimpleNamespace(name=n) for n in ("numpy", "cupy-cuda13x", "cupy-cuda12x")]
    monkeypatch.setattr(probe, "distributions", lambda: found)
    assert "the wheels cupy-cuda12x and cupy-cuda13x overwrite each other's files; uninstall all of them" in refusal()


def test_loading_and_listing_do_not_import_cupy(monkeypatch) -> None:
    monkeypatch.setattr(runtime, "_loaded", {})
    monkeypatch.delitem(sys.modules, "cupy", raising=False)

    def refused(name, *args, **kwargs):
        assert name != "cupy"
        return original(name, *args, **kwargs)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refused)
    monkeypatch.setattr(probe, "importlib", SimpleNamespace(import_module=refused))
    assert "cupy" in tl.backend_names()
    assert runtime.load_backend("cupy").name == "cupy"
    with pytest.raises(BackendError, match="no installed backend works on tpu"):
        tl.tensor(1.0, device="tpu")
    assert importlib.import_module("tinygrad_lstm_cupy") is tinygrad_lstm_cupy


def test_a_device_without_cupy_says_the_same_sentence(installed) -> None:
    installed(WHY_NOT[0][1])
    with pytest.raises(BackendError, match="CuPy is not installed"):
        tl.ones(2).to("cuda")
    with pytest.raises(BackendError, match="CuPy is not installed"):
        tl.tensor(1.0, device="cuda:1")
    # A graph may be built without the device.
    assert (tl.symbol("x", device="cuda") + 1).device == "cuda:0"


def test_the_suite_passes_with_numpy_standing_in(installed) -> None:
    installed(FakeCupy())
    assert "checks passed" in str(check_backend("cupy"))


def test_a_description(installed) -> None:
    installed(FakeCupy(gpus=2))
    (status,) = [s for s in tl.describe_backends() if s.name == "cupy"]
    assert status.usable
    assert status.detail == (
        "CuPy 14.2.0 on Abacus 0 (3.5 of 8.0 GiB free), Abacus 1 (3.5 of 8.0 GiB free), driver of CUDA 12.8"
    )


def test_devices(installed) -> None:
    cupy = installed(FakeCupy(gpus=2))
    with tl.use_backend("cupy"):
        assert tl.zeros(2).device == "cuda:0"
    with tl.use_backend("cupy:1") as backend:
        x = tl.tensor([1.0, 2.0])
        assert (backend.name, x.device) == ("cupy", "cuda:1")
        assert (x + 1).tolist() == [2.0, 3.0]
        assert cupy.selected == 1
        with pytest.raises(DeviceError, match="live on cuda:1 and cuda:0"):
            x + tl.tensor(1.0, device="cuda")
    for wrong in ("cupy:2", "cupy:", "cupy:x"):
        with pytest.raises(DeviceError, match="the devices of the backend 'cupy' are cuda:0, cuda:1"):
            tl.use_backend(wrong)
    with pytest.raises(DeviceError, match="the cupy backend has cuda:0, cuda:1, not 'cuda:5'"):
        tl.ones(2).to("cuda:5").numpy()


def test_a_network_learns_on_it(installed) -> None:
    installed(FakeCupy())
    losses = {}
    for name in ("numpy", "cupy"):
        with tl.use_backend(name):
            model = tl.nn.LSTM(2, 3, key=tl.random.key(0))
            optimizer = tl.optim.Adam(model.parameters(), lr=1e-2)
            x = tl.random.normal(tl.random.key(1), (4, 1, 2))
            losses[name] = []
            for _ in range(3):
                loss = tl.mean(tl.square(model(x)[0] - 1.0))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses[name].append(loss.item())
    assert losses["cupy"] == losses["numpy"]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 100])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_scatter_add_in_rounds(count: int, size: int) -> None:
    random = np.random.default_rng(count)
    indices = random.integers(-size, size, count)
    updates = random.integers(-9, 9, (2, count, 3)).astype(np.float64)
    updates[0, 0, 0] = np.inf
    want = np.zeros((2, size, 3))
    np.add.at(want, (slice(None), indices), updates)
    got = rows(FakeCupy())["scatter_add"](updates, indices, axis=1, size=size)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("name", ["floor_divide", "remainder"])
def test_division_with_remainder_is_that_of_numpy(name: str, dtype) -> None:
    """CuPy's own gives ``1 // 0.1 = 10``, and nan for ``1 % inf``."""
    points = [0.0, -0.0, 0.1, 1.0, -1.5, 7.25, -700.0, 4096.0, 3.0, np.inf, -np.inf, np.nan]
    x = np.array(points if np.dtype(dtype).kind == "f" else [0, 1, -7, 2**31 - 1]).astype(dtype)
    random = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        for a, b in (
            (x[:, None], x),
            (random.normal(0, 99, 1000).astype(dtype), random.normal(0, 9, 1000).astype(dtype)),
        ):
            got, want = rows(FakeCupy())[name](a, b), getattr(np, name)(a, b)
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)
            np.testing.assert_array_equal(np.signbit(got)[want == 0], np.signbit(want)[want == 0])


def test_an_index_out_of_range(installed) -> None:
    installed(FakeCupy())
    with (
        tl.use_backend("cupy"),
        pytest.raises(IndexingError, match=r"take\(f32\[2\]@cuda:0, .* out of bounds for axis 0"),
    ):
        tl.take(tl.ones(2), tl.tensor([2])).numpy()


class OnTheGPU:
    """Another library's array, which says that it is on a GPU."""

    def __init__(self, array, kind: int = 2) -> None:
        self.array, self.kind = array, kind

    def __dlpack_device__(self) -> tuple[int, int]:
        return (self.kind, 0)


def test_arrays_on_the_gpu_are_borrowed(installed) -> None:
    cupy = installed(FakeCupy())
    cupy.from_dlpack = lambda x: x.array
    OnTheGPU.__dlpack__ = None
    array = np.array([1.0, 2.0])
    borrowed = tl.from_dlpack(OnTheGPU(array))
    array[0] = 5.0
    assert (borrowed.device, (borrowed * 2).tolist()) == ("cuda:0", [10.0, 4.0])
    with pytest.raises(DeviceError, match="neither in host memory nor on an NVIDIA GPU"):
        tl.from_dlpack(OnTheGPU(array, kind=8))


def test_what_does_not_fit_is_told(installed) -> None:
    cupy = installed(FakeCupy())

    def full(*_, **__) -> None:
        raise MemoryError("Out of memory allocating 4,096 bytes")

    with tl.use_backend("cupy"):
        cupy.array = full
        with pytest.raises(
            EvaluationError, match=r"out of memory on the GPU: a copy of 3\.81e-06 GiB does not fit; make"
        ):
            tl.tensor(np.zeros(1024, np.float32))
        del cupy.array
        x = tl.tensor([1.0, 2.0])
        cupy.add = full
        with pytest.raises(EvaluationError, match=r"add\(.*out of memory: f32\[2\]@cuda:0 takes .* GiB; make a batch"):
            (x + x).numpy()
        del cupy.add
        backend = runtime.load_backend("cupy")
        with pytest.raises(EvaluationError, match="out of memory on the GPU: a program whose temporary results take"):
            executor_without_memory(backend)
        assert (x * 2).tolist() == [2.0, 4.0]


def executor_without_memory(backend) -> None:
    backend._devices[0] = HostDevice()
    backend._devices[0].empty = lambda *_: (_ for _ in ()).throw(MemoryError("none left"))
    backend.compile(lstm_program(2, 2, 3, 4))
