"""On a GPU: ``pytest -m gpu``. Skipped, with the reason, where there is none."""

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.backends import test_c
from tests.codegen.lstm_program import lstm_program
from tests.codegen.pointwise import execute
from tests.codegen.test_lowering import assert_same
from tests.codegen.traced import cell
from tests.nn.test_variants import CELLS, named
from tests.ops.cases import CASES, Case
from tests.ops.test_cases import assert_value
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.errors import BackendError, EvaluationError, IndexingError
from tinygrad_lstm.graph.dtypes import float32, float64
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.runtime.backend import load_backend
from tinygrad_lstm.runtime.evaluation import evaluated
from tinygrad_lstm.testing import check_backend

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def gpu() -> Iterator[Any]:
    """CuPy, and the backend in use."""
    try:
        backend: Any = load_backend("cupy")
        backend.default_device()
    except BackendError as error:
        pytest.skip(str(error))
    with tl.use_backend("cupy"):
        yield backend.cupy


def compile_gpu(program: Program) -> Any:
    backend: Any = load_backend("cupy")
    run = backend.compile(program)

    def on_host(values: Any) -> list[Any]:
        return [backend.get(y) for y in run([backend.put(np.asarray(v), "cuda:0") for v in values])]

    on_host.executable = run  # type: ignore[attr-defined]
    return on_host


def test_the_conformance_suite() -> None:
    assert "checks passed" in str(check_backend("cupy"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_table_of_cases_op_by_op(case: Case) -> None:
    assert_value(case, case.inputs)


PARTS = 12


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("test", [test_c.test_gradients, test_c.test_in_the_body_of_a_loop])
def test_the_table_of_cases_compiled(test: Any, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_c, "compile_c", compile_gpu)
    cases = [c for c in CASES if (c.smooth if test is test_c.test_gradients else c.inputs)]
    with tl.use_backend("numpy"):
        test(cases[part::PARTS])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "options"), CELLS, ids=named)
def test_cells(kind: str, options: dict[str, Any], dtype: str) -> None:
    random = np.random.default_rng(0)
    with tl.use_backend("numpy"):
        inputs, outputs, _ = cell(kind, options, dtype)
        values = [random.normal(size=s.shape).astype(dtype) for s in inputs]
        run = compile_gpu(lower(optimize(Graph(tuple(inputs), tuple(outputs)))))
        want = evaluated(tuple(outputs), dict(zip(inputs, values, strict=True)))
        for _ in range(3):
            for y, w in zip(run(values), want, strict=True):
                assert_same(y, np.asarray(w.numpy()), 100)


def training(steps: int, compiled: bool = True) -> list[float]:
    model = tl.nn.LSTM(6, 16, 2, key=tl.random.key(0))
    head = tl.nn.Linear(16, 5, key=tl.random.key(1))
    parameters = [*model.parameters(), *head.parameters()]
    # Where the loss falls smoothly, rounding does not grow from step to step.
    optimizer = tl.optim.SGD(parameters, lr=0.05, momentum=0.9)
    random = np.random.default_rng(0)
    values = random.normal(size=(12, 8, 6)).astype(np.float32)
    x, y = tl.tensor(values), tl.tensor(values[..., :5].argmax(-1))

    def step(x: Any, y: Any) -> Any:
        loss = tl.nn.cross_entropy(head(model(x)[0]), y)
        optimizer.zero_grad()
        loss.backward()
        tl.optim.clip_grad_norm(parameters, 1.0)
        optimizer.step()
        return loss

    run = tl.jit(step) if compiled else step
    return [run(x, y).item() for _ in range(steps)]


def test_training_is_the_same_as_on_the_cpu() -> None:
    got = training(200)
    with tl.use_backend("numpy"):
        want = training(200)
    assert want[-1] < 0.97 * want[0]
    np.testing.assert_allclose(got, want, rtol=1e-4)
    np.testing.assert_allclose(training(20, compiled=False), want[:20], rtol=1e-4)


@pytest.mark.parametrize("dtype", [float32, float64])
def test_a_replayed_graph_gives_what_single_launches_give(gpu: Any, dtype: Any) -> None:
    """Poison what CuPy's pool holds, and allocate between the replays: a graph must use nothing but its own memory."""
    program = lstm_program(20, 8, 16, 32, dtype)
    run = compile_gpu(program)
    random = np.random.default_rng(0)
    held = []
    for turn in range(6):
        inputs = [random.normal(0, 0.3, program.buffers[k].size).astype(dtype.name) for k in program.inputs]
        for size in (1 << 10, 1 << 16, 1 << 20, 1 << 24):
            gpu.full(size, gpu.nan, dtype=dtype.name)
        held.append(gpu.full(1 << 18, gpu.nan, dtype=dtype.name))
        got = run(inputs)
        assert run.executable.replayed == (turn > 0), "the GPU refused to record the program"
        for y, w in zip(got, execute(program, inputs), strict=True):
            allowed = 1e-4 if dtype is float32 else 1e-11
            np.testing.assert_allclose(y, w, rtol=allowed, atol=allowed * max(1, np.abs(w).max()))
        fresh = compile_gpu(program)
        for y, w in zip(got, fresh(inputs), strict=True):
            assert y.tobytes() == w.tobytes()


def test_every_run_gives_the_same_bits() -> None:
    def weights() -> bytes:
        layer = tl.nn.Embedding(50, 8, key=tl.random.key(0))
        rows = tl.tensor(np.random.default_rng(0).integers(0, 50, 3000))
        w = tl.random.normal(tl.random.key(1), (3000, 8))
        f = tl.jit(lambda i, v: tl.gradients((layer(i) * v).sum(), layer.parameters())[0])
        return b"".join(f(rows, w).numpy().tobytes() for _ in range(2))

    assert weights() == weights()


def test_random_numbers_are_those_of_the_cpu() -> None:
    def drawn() -> list[Any]:
        key = tl.random.key(7)
        made = [tl.random.uniform(key, (1000,)), tl.random.randint(key, (1000,), 0, 99), tl.random.normal(key, (1000,))]
        return [x.numpy() for x in made]

    got = drawn()
    with tl.use_backend("numpy"):
        want = drawn()
    assert got[0].tobytes() == want[0].tobytes()
    assert got[1].tobytes() == want[1].tobytes()
    np.testing.assert_array_max_ulp(got[2], want[2], 4)


def test_compiled_numbers_are_those_of_the_cpu() -> None:
    """To the bit: products and sums that NVRTC could round once, and integers that leave their range."""
    ends = tl.tensor([2**31 - 1, -(2**31), 5], dtype=tl.int32)

    def drawn() -> list[Any]:
        scaled = tl.jit(lambda: tl.random.uniform(tl.random.key(7), (1000,), -0.3, 0.7))()
        larger = tl.jit(lambda x: x + 1 > x)(ends if scaled.device == "cuda:0" else ends.to("cpu"))
        return [scaled.numpy(), larger.numpy()]

    got = drawn()
    with tl.use_backend("numpy"):
        want = drawn()
    assert [x.tobytes() for x in got] == [x.tobytes() for x in want]


def test_a_batch_of_products_that_runs_backwards() -> None:
    """Along a flipped axis there is a call for each product."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(5, 8, 16)), random.normal(size=(5, 16, 4))
    f = tl.jit(lambda x, y: tl.flip(x, 0) @ y)
    for _ in range(3):
        np.testing.assert_allclose(f(tl.tensor(a), tl.tensor(b)).numpy(), a[::-1] @ b, rtol=1e-9)


def test_nothing_leaks(gpu: Any) -> None:
    pool = gpu.get_default_memory_pool()
    program = lstm_program(5, 4, 8, 16)
    values = [np.zeros(program.buffers[k].size, np.float32) for k in program.inputs]
    used = []
    for _ in range(12):
        run = compile_gpu(program)
        for _ in range(3):
            run(values)
        del run
        gc.collect()
        used.append(int(pool.used_bytes()))
    assert used[-1] == used[3]


def test_out_of_memory_is_told_and_survived() -> None:
    with pytest.raises(EvaluationError, match=r"out of memory.*takes 4\.1e\+03 GiB"):
        (tl.zeros((1 << 40,)) + 1).numpy()
    big = tl.jit(lambda x: (tl.broadcast_to(x, (1 << 40, 1)) * 2).sum(0) + tl.cumsum(tl.broadcast_to(x, (1 << 40,))))
    with pytest.raises(EvaluationError, match="out of memory"):
        big(tl.ones(1))
    assert (tl.ones(3) + 1).tolist() == [2.0, 2.0, 2.0]
    assert len(training(2)) == 2


def test_an_index_out_of_range() -> None:
    f = tl.jit(lambda x, i: tl.take(x, i, 0))
    with pytest.raises(IndexingError, match="index 3 is out of bounds for axis 0 with size 3"):
        f(tl.ones(3), tl.tensor([0, 3]))
    assert f(tl.ones(3), tl.tensor([0, -3])).tolist() == [1.0, 1.0]


def test_other_streams(gpu: Any) -> None:
    f = tl.jit(lambda x: tl.scan(lambda c, _: (tl.tanh(c @ x), None), x, None, length=50)[0])
    x = tl.random.normal(tl.random.key(0), (64, 64)) * 0.2
    want = f(x).numpy()
    streams = [gpu.cuda.Stream(non_blocking=True) for _ in range(3)]
    results = []
    x.numpy()
    for k in range(12):
        with streams[k % 3]:
            results.append(f(x))
    for stream in streams:
        stream.synchronize()
    assert all(y.numpy().tobytes() == want.tobytes() for y in results)


def test_the_stream_that_was_chosen_stays(gpu: Any) -> None:
    f = tl.jit(lambda x: tl.tanh(x @ x))
    x = tl.ones((4, 4))
    chosen = gpu.cuda.Stream()
    before = gpu.cuda.get_current_stream()
    chosen.use()
    try:
        for _ in range(3):
            f(x)
            assert gpu.cuda.get_current_stream() is chosen
    finally:
        before.use()
        chosen.synchronize()


def test_arrays_from_and_to_cupy_without_a_copy(gpu: Any) -> None:
    array = gpu.arange(6, dtype="float32").reshape(2, 3)
    borrowed = tl.from_dlpack(array)
    assert borrowed.device == "cuda:0"
    array[0, 0] = 7
    assert borrowed.tolist() == [[7.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    back = gpu.from_dlpack(borrowed)
    assert back.data.ptr == array.data.ptr


def test_arrays_from_and_to_torch_without_a_copy() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    array = torch.arange(3, dtype=torch.float32, device="cuda")
    borrowed = tl.from_dlpack(array)
    assert torch.from_dlpack(borrowed).data_ptr() == array.data_ptr()
    assert (borrowed * 2).tolist() == [0.0, 2.0, 4.0]


def test_transfers() -> None:
    x = tl.tensor(np.arange(5.0), device="cpu")
    there = x.to("cuda")
    assert (there.device, (there * 2).to("cpu").tolist()) == ("cuda:0", [0.0, 2.0, 4.0, 6.0, 8.0])


def test_a_second_gpu() -> None:
    if len(load_backend("cupy").devices()) < 2:
        pytest.skip("there is one GPU only")
    with tl.use_backend("cupy:1"):
        assert (tl.ones(2) + 1).device == "cuda:1"
        assert len(training(3)) == 3


def test_tf32_is_off_unless_asked_for() -> None:
    x = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32)
    exact = x.astype(float) @ x
    f = tl.jit(lambda a: a @ a)
    got = f(tl.tensor(x)).numpy()
    assert np.abs(got - exact).max() / np.abs(exact).max() < 1e-5
