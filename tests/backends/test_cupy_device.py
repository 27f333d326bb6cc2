"""The parts of the CuPy backend that call CUDA: in which order, and with which arguments."""

import ctypes
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tinygrad_lstm_cupy import cublas, device
from tinygrad_lstm_cupy.cublas import Cublas
from tinygrad_lstm_cupy.cuda import Product, print_cuda
from tinygrad_lstm_cupy.cuda_steps import product_launches
from tinygrad_lstm_cupy.device import Device

from tests.backends.fake_cupy import CUDAError
from tests.codegen.lstm_program import lstm_program
from tests.codegen.small_programs import whole
from tinygrad_lstm.codegen.program import Gemm, View
from tinygrad_lstm.errors import BackendError, EvaluationError
from tinygrad_lstm.graph.dtypes import DType, float16, float32, float64


class Library:
    """cuBLAS as its manual describes it, on the host: matrices lie column by column."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.status = 0

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> int:
            values = [a if not isinstance(a, ctypes._SimpleCData) else a.value for a in args]
            self.log.append((name, *values[1:]))
            if "emm" in name and not self.status:
                self._multiply(name, args)
            return self.status

        return call

    def _multiply(self, name: str, args: tuple[Any, ...]) -> None:
        rest = [a.value if isinstance(a, ctypes._SimpleCData) else a._obj.value for a in args[1:]]
        extended = name.endswith("Ex")
        dtype = np.dtype("float16" if extended else {"S": "float32", "D": "float64"}[name[6]])
        transposed, (m, n, k), alpha = rest[:2], rest[2:5], rest[5]
        rest, batch = rest[6:], 1
        if extended:
            assert rest[-2:] == [68, -1]
            rest = rest[:-2]
        if "Batched" in name:
            batch = rest.pop()

        def matrix(rows: int, columns: int) -> Any:
            at = rest.pop(0)
            if extended:
                assert rest.pop(0) == 2
            leading = rest.pop(0)
            assert leading >= rows
            step = rest.pop(0) if "Batched" in name else 0
            assert step >= 0
            size = dtype.itemsize
            strides = (step * size, size, leading * size)
            interface = {"shape": (batch, rows, columns), "strides": strides, "typestr": dtype.str}
            memory = type("Memory", (), {"__array_interface__": {**interface, "data": (at, False), "version": 3}})
            return np.asarray(memory())

        a = matrix(k, m) if transposed[0] else matrix(m, k)
        b = matrix(n, k) if transposed[1] else matrix(k, n)
        beta = rest.pop(0)
        c = matrix(m, n)
        assert not rest
        wide = np.float32 if extended else dtype
        a, b = (x.swapaxes(1, 2) if t else x for x, t in zip((a, b), transposed, strict=True))
        c[...] = alpha * (a.astype(wide) @ b.astype(wide)) + (beta * c if beta else 0)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    found = Library()
    monkeypatch.setattr(cublas, "_library", lambda: found)
    monkeypatch.delenv("CUPY_TF32", raising=False)
    return found


def memory(*_: Any, **__: Any) -> Any:
    return SimpleNamespace(data=SimpleNamespace(ptr=4096))


CUPY = SimpleNamespace(empty=memory)
CASES = [
    (whole(0, (3, 4)), whole(1, (4, 5)), whole(2, (3, 5)), False),
    (View(0, (3, 4), (1, 3)), View(1, (4, 5), (1, 9), 2), View(2, (3, 5), (12, 1), 7), True),
    (View(0, (3, 4), (1, 6)), whole(1, (4, 5)), whole(2, (3, 5)), False),
    (whole(0, (1, 4)), whole(1, (4, 1)), whole(2, (1, 1)), True),
    (whole(0, (2, 3, 4)), View(1, (2, 4, 5), (0, 1, 4)), whole(2, (2, 3, 5)), False),
    (View(0, (3, 2, 4), (-8, 4, 1), 16), whole(1, (3, 4, 5)), whole(2, (3, 2, 5)), False),
    (View(0, (3, 2, 2, 4), (-16, 8, 4, 1), 32), whole(1, (3, 2, 4, 5)), whole(2, (3, 2, 2, 5)), True),
    (whole(0, (2, 3, 3, 4)), whole(1, (2, 3, 4, 2)), whole(2, (2, 3, 3, 2)), True),
]


@pytest.mark.parametrize("dtype", [float16, float32, float64])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_products_are_asked_for_in_the_order_of_columns(library: Library, case: int, dtype: DType) -> None:
    left, right, out, accumulate = CASES[case]
    random = np.random.default_rng(0)
    arrays = [random.normal(size=200).astype(dtype.name) for _ in range(3)]

    def seen(view: View, array: Any) -> Any:
        size = array.itemsize
        return np.lib.stride_tricks.as_strided(array[view.offset :], view.shape, [s * size for s in view.strides])

    want = arrays[2].copy()
    product = seen(left, arrays[0]).astype(float) @ seen(right, arrays[1]).astype(float)
    seen(out, want)[...] = product + (seen(out, want) if accumulate else 0)
    handle = Cublas(CUPY)
    for p in product_launches(Gemm(left, right, out, accumulate), dtype):
        assert isinstance(p, Product)
        at = [a.ctypes.data + v.offset * a.itemsize for a, v in zip(arrays, (p.left, p.right, p.out), strict=True)]
        handle.product(p, at)
    np.testing.assert_allclose(
        arrays[2], want, rtol=2e-2 if dtype is float16 else 1e-5, atol=1e-2 if dtype is float16 else 1e-6
    )


def test_tf32_is_a_switch_of_the_environment(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    Cublas(CUPY)
    assert [line[0] for line in library.log] == ["cublasCreate_v2"]
    monkeypatch.setenv("CUPY_TF32", "1")
    Cublas(CUPY)
    assert library.log[-1] == ("cublasSetMathMode", 3)


def test_a_new_stream_gets_the_workspace_again(library: Library) -> None:
    Cublas(CUPY).use_stream(77)
    assert library.log[1:] == [("cublasSetStream_v2", 77), ("cublasSetWorkspace_v2", 4096, 32 << 20)]


def test_what_cublas_answers(library: Library) -> None:
    handle = Cublas(CUPY)
    library.status = 3
    with pytest.raises(MemoryError, match="cuBLAS cannot allocate what cublasSetStream needs"):
        handle.use_stream(0)
    library.status = 13
    with pytest.raises(EvaluationError, match="cuBLAS: cublasSetStream failed with status 13"):
        handle.use_stream(0)


def test_cublas_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(cublas, "importlib", SimpleNamespace(import_module=missing))
    with pytest.raises(BackendError, match=r"cuBLAS cannot be loaded \(ImportError: No module named 'cuda.pathfinder'"):
        Cublas(CUPY)


class Stream:
    """A stream that notes what is done on it."""

    def __init__(self, owner: "Cuda", ptr: int) -> None:
        self.owner, self.ptr = owner, ptr

    def wait_event(self, event: Any) -> None:
        self.owner.log.append(("wait", self.ptr))

    def begin_capture(self) -> None:
        self.owner.log.append(("begin", self.ptr))

    def end_capture(self) -> Any:
        self.owner.log.append(("end", self.ptr))
        return SimpleNamespace(launch=lambda stream: self.owner.log.append(("replay", stream.ptr)))

    def use(self) -> None:
        self.owner.current = self

    def __enter__(self) -> None:
        self.owner.stack.append(self)
        self.use()

    def __exit__(self, *_: Any) -> None:
        """As CuPy does it: what ``use`` has chosen is forgotten."""
        self.owner.stack.pop()
        self.owner.stack[-1].use()


class Cuda:
    """``cupy.cuda`` and the few functions of CuPy beside it."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.current = Stream(self, 0)
        self.stack = [self.current]
        Stream(self, 1).use()
        self.cuda = SimpleNamespace(
            Device=Selected,
            Event=lambda disable_timing: SimpleNamespace(record=lambda s: self.log.append(("record", s.ptr))),
            Stream=lambda non_blocking: Stream(self, 99),
            get_current_stream=lambda: self.current,
            runtime=SimpleNamespace(memcpyAsync=lambda *args: self.log.append(("copy", *args))),
            function=SimpleNamespace(Module=lambda: SimpleNamespace(load=self.load, get_function=lambda name: name)),
        )
        self.empty = memory

    def load(self, code: bytes) -> None:
        self.log.append(("load", code))

    def fail(self) -> None:
        raise CUDAError(901, "cudaErrorStreamCaptureInvalidated")


class Selected:
    compute_capability = "90"

    def __init__(self, number: int) -> None:
        self.number = number

    def __enter__(self) -> None: ...

    def __exit__(self, *_: Any) -> None: ...


@pytest.fixture
def made(library: Library) -> tuple[Device, Cuda]:
    cuda = Cuda()
    return Device(cuda, 0), cuda


def test_programs_on_two_streams_wait_for_each_other(made: tuple[Device, Cuda], library: Library) -> None:
    gpu, cuda = made
    for ptr in (1, 1, 2, 1):
        cuda.current = Stream(cuda, ptr)
        with gpu.running():
            pass
    # Of one handle may be two streams: those of two threads, or one that was made when the other had been destroyed.
    assert cuda.log == [entry for ptr in (1, 1, 2, 1) for entry in (("wait", ptr), ("record", ptr))]
    assert [line[1] for line in library.log if line[0] == "cublasSetStream_v2"] == [1, 1, 2, 1]


def test_a_graph_is_recorded_on_a_stream_of_its_own(made: tuple[Device, Cuda], library: Library) -> None:
    gpu, cuda = made
    graph = gpu.record(lambda: cuda.log.append(("run", cuda.current.ptr)))
    gpu.replay(graph)
    assert cuda.log == [("begin", 99), ("run", 99), ("end", 99), ("replay", 1)]
    assert [line[1] for line in library.log if line[0] == "cublasSetStream_v2"] == [99, 1]


@pytest.mark.parametrize(
    "error", [RuntimeError("not while capturing"), MemoryError("cuBLAS"), EvaluationError("status 14")]
)
def test_what_can_not_be_recorded_ends_the_capture(made: tuple[Device, Cuda], error: Exception) -> None:
    gpu, cuda = made

    def run() -> None:
        raise error

    with pytest.raises(EvaluationError, match=r"it cannot be recorded \(.*Error: "):
        gpu.record(run)
    assert cuda.log == [("begin", 99), ("end", 99)]
    assert cuda.current.ptr == 1


@pytest.mark.parametrize("failing", [True, False])
def test_recording_leaves_the_stream_that_the_caller_chose(
    made: tuple[Device, Cuda], library: Library, failing: bool
) -> None:
    gpu, cuda = made
    outer, chosen = Stream(cuda, 5), Stream(cuda, 6)
    with outer:
        chosen.use()
        with pytest.raises(EvaluationError, match="CaptureInvalidated") if failing else nullcontext():
            gpu.record(cuda.fail if failing else lambda: None)
        assert cuda.current is chosen
        assert library.log[-2] == ("cublasSetStream_v2", 6)
    assert cuda.current.ptr == 0


@pytest.mark.parametrize(("status", "kind"), [(2, MemoryError), (700, CUDAError)])
def test_memory_that_cuda_itself_lacks(made: tuple[Device, Cuda], status: int, kind: type[Exception]) -> None:
    gpu, cuda = made
    with pytest.raises(kind, match="CUDA_ERROR"), gpu.running():
        raise CUDAError(status, "CUDA_ERROR_OF_SOME_KIND")
    assert cuda.log[-1] == ("record", 1)


def test_functions_copies_and_launches(made: tuple[Device, Cuda], monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, cuda = made
    texts: list[Any] = []
    monkeypatch.setattr(
        device, "machine_code", lambda cupy, text, capability: texts.append((text, capability)) or b"code"
    )
    printed = print_cuda(lstm_program(2, 2, 3, 4))
    assert list(gpu.functions(printed)) == [f.name for f in printed.functions]
    assert texts == [(f"{printed.prelude}\n{printed.source}", 90)]
    target, source = (SimpleNamespace(nbytes=8, data=SimpleNamespace(ptr=p)) for p in (10, 20))
    gpu.copy(target, source)
    assert cuda.log == [("load", b"code"), ("copy", 10, 20, 8, 3, 1)]
    assert gpu.address(source) == 20
    launched: list[Any] = []
    gpu.launch(lambda *args: launched.append(args), (5, 6), 64, [1, 2])
    assert launched == [((5, 6), (64,), [1, 2])]
