"""How backends are found, chosen, and told apart when they do not work."""

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info
from tinygrad_lstm_numpy import NumpyBackend

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tinygrad_lstm.errors import BackendError, DeviceError, Error, UsageError
from tinygrad_lstm.runtime import backend as module
from tinygrad_lstm_command import main


class Second(NumpyBackend):
    """Another backend of the CPU, that counts what it runs."""

    name = "second"

    def __init__(self) -> None:
        super().__init__()
        self.entered = 0

    def running(self, device):
        self.entered += 1
        return super().running(device)


class Absent(NumpyBackend):
    name = "absent"
    device_kind = "cuda"

    def default_device(self) -> str:
        raise BackendError("backend 'absent': no CUDA device was found")

    def describe(self) -> str:
        raise BackendError("backend 'absent': no CUDA device was found")


class Partial:
    name = "partial"


class Nameless(NumpyBackend):
    name = "nameless"

    def describe(self) -> str:
        raise RuntimeError("no words\x1b[2J")


def leaving():
    sys.exit("goodbye")


def broken():
    raise OSError("libfancy.so is missing")


def refusing():
    raise DeviceError("the driver is too old")


def entry(name: str, attribute: str, distribution: str = "somebody-else") -> EntryPoint:
    made = EntryPoint(name, f"{__name__}:{attribute}", module.GROUP)
    object.__setattr__(made, "dist", SimpleNamespace(name=distribution))
    return made


OURS = EntryPoint("numpy", "tinygrad_lstm_numpy:backend", module.GROUP)


@pytest.fixture
def offered(monkeypatch):
    """Pretend that exactly these entry points are installed, and that nothing was chosen yet."""
    monkeypatch.setattr(module, "_session", [])
    monkeypatch.delenv(module.VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or SimpleNamespace(**globals()))
    monkeypatch.setattr(module, "_loaded", {})

    def install(*entries: EntryPoint) -> None:
        monkeypatch.setattr(module, "entry_points", lambda group: list(entries))

    return install


def test_the_listing_imports_no_backend() -> None:
    code = (
        "import sys, tinygrad_lstm as tl; names = tl.backend_names(); "
        "assert 'numpy' in names; assert not [m for m in sys.modules if m.startswith('tinygrad_lstm_')]; "
        "tl.tensor(1.0); assert 'tinygrad_lstm_numpy' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_lists_what_is_installed(offered) -> None:
    offered(OURS, entry("second", "Second"))
    with pytest.raises(BackendError, match="no backend is named 'fpga'; installed are numpy, second"):
        tl.use_backend("fpga")
    assert tl.backend_names() == ["numpy", "second"]


def test_a_checkout_that_was_never_installed(offered) -> None:
    offered()
    with pytest.raises(BackendError, match=r"never installed; run `pip install -e \.`"):
        tl.tensor(1.0)


def test_two_distributions_of_one_name(offered) -> None:
    offered(entry("second", "Second", "left-backend"), entry("second", "Second", "right-backend"))
    with pytest.raises(BackendError, match="'second': left-backend and right-backend; uninstall one"):
        tl.use_backend("second")


def test_one_distribution_that_is_seen_twice(offered) -> None:
    offered(OURS, entry("second", "Second", "left-backend"), entry("second", "Second", "left-backend"))
    with tl.use_backend("second") as backend:
        assert backend.name == "second"


def test_what_can_not_be_loaded_tells_why(offered) -> None:
    offered(OURS, entry("broken", "broken"), entry("gone", "nothing_here"), entry("partial", "Partial"))
    with pytest.raises(BackendError, match="'broken' of somebody-else cannot be loaded: OSError: libfancy"):
        tl.use_backend("broken")
    with pytest.raises(BackendError, match="'gone' of somebody-else cannot be loaded: AttributeError"):
        tl.use_backend("gone")
    with pytest.raises(BackendError, match="registers as 'partial' lacks parts of the Backend protocol"):
        tl.use_backend("partial")


def test_errors_of_a_backend_are_passed_on(offered) -> None:
    offered(OURS, entry("absent", "Absent"), entry("refusing", "refusing"))
    with pytest.raises(BackendError, match="no CUDA device was found"):
        tl.use_backend("absent")
    with pytest.raises(DeviceError, match="the driver is too old"):
        tl.use_backend("refusing")


def test_the_description_covers_all_and_fails_for_none(offered) -> None:
    offered(OURS, entry("broken", "broken"), entry("absent", "Absent"))
    found = {s.name: s for s in tl.describe_backends()}
    assert [found[n].usable for n in ("numpy", "broken", "absent")] == [True, False, False]
    assert "NumPy" in found["numpy"].detail
    assert "libfancy" in found["broken"].detail
    assert "no CUDA device" in found["absent"].detail
    assert found["absent"].distribution == "somebody-else"
    assert found["numpy"].distribution == "an unknown distribution"


def test_use_backend_nests_and_ends(offered) -> None:
    offered(OURS, entry("second", "Second"))
    assert module.current_backend().name == "numpy"
    with tl.use_backend("second") as second:
        x = tl.ones(2) + 1
        with tl.use_backend("numpy"):
            assert module.current_backend().name == "numpy"
            tl.evaluate(tl.ones(2) + 2)
        assert second.entered == 0
        assert x.tolist() == [2.0, 2.0]
        assert second.entered == 1
    assert module.current_backend().name == "numpy"
    with pytest.raises(ZeroDivisionError), tl.use_backend("second"):
        raise ZeroDivisionError
    assert module.current_backend().name == "numpy"


def test_use_backend_alone_holds_from_there_on(offered) -> None:
    offered(OURS, entry("second", "Second"), entry("elsewhere", "Elsewhere"))

    def names() -> tuple[str, str]:
        return module.current_backend().name, tl.zeros(1).device

    def alone() -> None:
        first = tl.use_backend("elsewhere")
        assert names() == ("elsewhere", "cuda:0")
        assert repr(first) == "<the backend 'elsewhere' on cuda:0, in use until a with block of it ends>"
        tl.use_backend("second")
        assert names() == ("second", "cpu")
        with tl.use_backend("numpy"):
            assert names() == ("numpy", "cpu")
            tl.use_backend("elsewhere")
        assert names() == ("second", "cpu")
        with first as backend:
            assert names() == ("elsewhere", "cuda:0")
            assert backend.name == "elsewhere"
        assert names() == ("numpy", "cpu")
        with first:
            assert names() == ("elsewhere", "cuda:0")
        assert names() == ("numpy", "cpu")
        tl.use_backend("second")

    contextvars.copy_context().run(alone)
    assert names() == ("numpy", "cpu")


def test_use_backend_decorates(offered) -> None:
    offered(OURS, entry("second", "Second"))

    @tl.use_backend("second")
    def name(deeper: bool) -> str:
        inner = name(False) if deeper else ""
        return module.current_backend().name + inner

    assert module.current_backend().name == "numpy"
    assert name(True) == "secondsecond"
    assert module.current_backend().name == "numpy"


def test_a_choice_in_a_generator_or_a_task(offered) -> None:
    offered(OURS, entry("second", "Second"))

    def chosen():
        with tl.use_backend("second"):
            yield module.current_backend().name

    steps = chosen()
    assert contextvars.copy_context().run(next, steps) == "second"
    assert next(steps, "over") == "over"
    assert module.current_backend().name == "numpy"

    async def task(name: str) -> str:
        tl.use_backend(name)
        await asyncio.sleep(0)
        return module.current_backend().name

    async def both() -> list[str]:
        return await asyncio.gather(task("second"), task("numpy"), task("second"))

    assert asyncio.run(both()) == ["second", "numpy", "second"]
    assert module.current_backend().name == "numpy"


def test_the_choice_belongs_to_the_thread(offered) -> None:
    offered(OURS, entry("second", "Second"))
    seen = []
    with tl.use_backend("second"):
        thread = threading.Thread(target=lambda: seen.append(module.current_backend().name))
        thread.start()
        thread.join()
    assert seen == ["numpy"]


def test_devices(offered) -> None:
    offered(OURS, entry("absent", "Absent"))
    a, b = tl.symbol("a", 2), tl.symbol("b", 2, device="cuda:0")
    with pytest.raises(DeviceError, match=r"add\(f32\[2\], f32\[2\]@cuda:0\).*live on cpu and cuda:0; move one"):
        a + b
    assert (b * 2 + 1).device == "cuda:0"
    assert tl.gradients((b * b).sum(), b).device == "cuda:0"
    assert tl.zeros_like(b).device == "cuda:0"
    with pytest.raises(DeviceError, match="has the device cpu only, not 'cuda:0'"):
        module.load_backend("numpy").put(np.ones(2), "cuda:0")
    offered(OURS)
    with pytest.raises(BackendError, match="no installed backend works on tpu"):
        tl.tensor(1.0, device="tpu")
    assert tl.tensor([1.0]).to("cpu").device == "cpu"
    with pytest.raises(Error):
        tl.tensor([1.0]).to("tpu")


def test_a_compiled_function_moves_nothing(offered) -> None:
    offered(OURS, entry("elsewhere", "Elsewhere"))
    for move in (lambda x: x.to("cuda"), lambda x: tl.Parameter(x).move("cuda:0")):
        with pytest.raises(
            DeviceError, match=r"^to\('cuda:0'\): <f32\[2\] = symbol .* under jit at .* one device; move what you pass"
        ):
            tl.jit(move)(tl.ones(2))
    assert tl.jit(lambda x: x.to("cpu") + 1)(tl.ones(2)).tolist() == [2.0, 2.0]


def test_blas_threads_alone_holds_from_there_on() -> None:
    def counts() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    before = counts()
    limits = tl.blas_threads(1)
    assert counts() == {1}
    with limits:
        assert counts() == {1}
    assert counts() == before


def test_a_broken_backend_does_not_hide_one_that_works(offered) -> None:
    offered(OURS, entry("broken", "broken"), entry("elsewhere", "Elsewhere"))
    assert tl.tensor(1.0, device="cuda").device == "cuda:0"
    offered(OURS, entry("broken", "broken"))
    with pytest.raises(BackendError, match=r"no installed backend works on tpu:0; see .*; the backend 'broken' of"):
        tl.tensor(1.0, device="tpu")
    module._loaded.clear()
    offered(entry("numpy", "broken"))
    with pytest.raises(BackendError, match="libfancy"):
        tl.tensor(1.0)


def test_a_backend_is_chosen_by_name_and_number(offered) -> None:
    offered(OURS)
    with pytest.raises(UsageError, match="a backend is chosen by its name, such as 'numpy' or 'cupy:1', not 3"):
        tl.use_backend(3)
    for wrong in ("numpy:0", "numpy:"):
        with pytest.raises(DeviceError, match="the devices of the backend 'numpy' are cpu"):
            tl.use_backend(wrong)
    for wrong in ("CUDA", "cuda:", "cuda:x", "cuda:-1", "", " cpu", 0):
        with pytest.raises(DeviceError, match="a device is called cpu, cuda or cuda:1, not "):
            tl.zeros(2, device=wrong)
    with pytest.raises(DeviceError, match="the CPU has no number"):
        tl.arange(2, device="cpu:0")


def test_a_kernel_that_a_backend_lacks(offered, monkeypatch) -> None:
    offered(OURS)
    backend = module.load_backend("numpy")
    monkeypatch.setattr(backend, "kernels", {})
    with pytest.raises(BackendError, match="the backend 'numpy' has no kernel for op 'tanh'; evaluate it with another"):
        tl.tanh(tl.tensor(1.0)).numpy()


@pytest.mark.parametrize("name", ["numpy", pytest.param("c", marks=needs_c)])
@pytest.mark.parametrize("call", [lambda x: tl.sort(x), lambda x: tl.scan(lambda c, v: (c, tl.sort(v)), x, x)[1]])
def test_a_kernel_that_a_backend_lacks_under_jit(offered, monkeypatch, name, call) -> None:
    offered(
        OURS,
        *([EntryPoint("c", "tinygrad_lstm_c.executable:backend", "tinygrad_lstm.backends")] if name == "c" else []),
    )
    backend = module.load_backend(name)
    monkeypatch.setattr(backend, "kernels", {})
    with tl.use_backend(name):
        x = tl.symbol("x", (3, 2))
        with pytest.raises(
            BackendError, match=f"the backend '{name}' has no kernel for op 'argsort'; evaluate it with"
        ):
            tl.jit(call)(tl.tensor(np.ones((3, 2), np.float32)))
        assert x.shape == (3, 2)


class Elsewhere(NumpyBackend):
    """A device of its own, whose memory happens to be that of the host."""

    name = "elsewhere"
    device_kind = "cuda"

    def default_device(self) -> str:
        return "cuda:0"

    def put(self, array, device):
        assert device.startswith("cuda")
        return np.array(array)


def test_a_second_device(offered) -> None:
    offered(OURS, entry("elsewhere", "Elsewhere"))
    here = tl.ones(2)
    with tl.use_backend("elsewhere"):
        there = tl.Parameter([1.0, 2.0])
        assert (there.device, tl.zeros(2).device, tl.symbol("x").device) == ("cuda:0",) * 3
        assert (here + 1).tolist() == [2.0, 2.0]
        with pytest.raises(DeviceError, match=r"move one with \.to\('cuda:0'\), or what it belongs to"):
            here * there
    (there * there + 1.0).sum().backward()
    assert there.grad.device == "cuda:0"
    assert there.grad.tolist() == [2.0, 4.0]
    moved = there.leaf.to("cpu")
    assert (moved.device, (moved * here).tolist()) == ("cpu", [1.0, 2.0])
    a, b = tl.evaluate(there + 1, here + 1)
    assert (a.device, a.tolist(), b.device, b.tolist()) == ("cuda:0", [2.0, 3.0], "cpu", [2.0, 2.0])
    model = tl.nn.LSTM(1, 2, key=tl.random.key(0))
    assert {c.device for _, c in model.to("cuda:0").named_variables()} == {"cuda:0"}
    x = tl.ones((3, 1, 1), device="cuda:0")
    assert tl.printed(x).endswith("%1: f32[3,1,1]@cuda:0 = broadcast_to %0 shape=[3,1,1]\nreturn %1")
    for make in (tl.optim.SGD, tl.optim.Adam):
        optimizer = make(model.parameters(), lr=0.1)
        before = model.cells[0].forget.bias.tolist()
        model(x)[0].sum().backward()
        tl.optim.clip_grad_norm(model.parameters(), 1.0)
        optimizer.step()
        assert model.cells[0].forget.bias.device == "cuda:0"
        assert model.cells[0].forget.bias.tolist() != before


def test_the_numpy_backend_does_as_the_protocol_says() -> None:
    backend = NumpyBackend()
    assert isinstance(backend, module.Backend)
    assert backend.empty((2, 3), tl.float32, "cpu").shape == (2, 3)
    assert backend.arange(3, tl.int64, "cpu").tolist() == [0, 1, 2]
    array = np.ones(2)
    assert backend.put(array, "cpu") is not array
    assert backend.get(array) is array
    assert backend.finished(np.float32(1)).shape == ()
    with backend.running("cpu"):
        assert np.isnan(np.array(0.0) / np.array(0.0))


def test_a_session_has_one_backend_in_every_thread(offered) -> None:
    offered(OURS, entry("second", "Second"), entry("absent", "Absent"))
    seen = []
    assert tl.set_backend("second") == "numpy"
    thread = threading.Thread(target=lambda: seen.append((tl.get_backend(), tl.zeros(2).numpy().tolist())))
    thread.start()
    thread.join()
    assert seen == [("second", [0.0, 0.0])]
    assert tl.get_backend() == "second"
    with tl.use_backend("numpy"):
        assert tl.get_backend() == "numpy"
        thread = threading.Thread(target=lambda: seen.append(tl.get_backend()))
        thread.start()
        thread.join()
    assert seen[-1] == "second"
    tl.use_backend("numpy")
    assert tl.set_backend("second") == "second"
    assert tl.get_backend() == "second", "the later choice holds"
    for name, told in [
        ("absent", "no CUDA device was found"),
        ("gpu", "for an NVIDIA GPU it is 'cupy'"),
        (3, "by its"),
    ]:
        with pytest.raises(Error, match=told):
            tl.set_backend(name)
        assert tl.get_backend() == "second", "what cannot run is not chosen"
    assert tl.set_backend("numpy") == "second"


def test_the_environment_names_the_backend_of_a_session(offered, monkeypatch) -> None:
    offered(OURS, entry("second", "Second"))
    monkeypatch.setenv(module.VARIABLE, "second")
    assert tl.get_backend() == "second"
    assert tl.set_backend("numpy") == "second"
    monkeypatch.setattr(module, "_session", [])
    monkeypatch.setenv(module.VARIABLE, "torch")
    with pytest.raises(BackendError, match=r"TINYGRAD_LSTM_BACKEND is 'torch': no backend is named 'torch'; .* itself"):
        tl.tensor(1.0)
    assert tl.set_backend("numpy") == "numpy"
    assert tl.tensor(1.0).device == "cpu"


def test_the_command_obeys_the_environment(tmp_path) -> None:
    env = {**os.environ, module.VARIABLE: "torch"}
    command = [sys.executable, "-m", "tinygrad_lstm", "train", "--steps", "1"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=env, cwd=tmp_path)
    assert done.returncode == 2
    assert "the environment variable TINYGRAD_LSTM_BACKEND is 'torch'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plug_in_that_raises_hides_no_other(offered, capsys) -> None:
    long = "x" * 300
    offered(OURS, entry("nameless", "Nameless"), entry("leaving", "leaving"), entry(long, "broken", "some\x1bone"))
    assert main(["backends"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 120
    assert "numpy" in out
    assert "RuntimeError: no words" in " ".join(out.split())
    assert "SystemExit: goodbye" in " ".join(out.split())
    with pytest.raises(BackendError, match=r"cannot be loaded: SystemExit: goodbye"):
        tl.use_backend("leaving")
