"""Every kind of generated CUDA text through NVIDIA's own compiler, for two generations of GPUs. It needs no GPU."""

import importlib
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from tinygrad_lstm_cupy.cuda import print_cuda
from tinygrad_lstm_cupy.nvrtc import machine_code

import tinygrad_lstm as tl
from tests.codegen.lstm_program import lstm_program
from tests.codegen.test_lowering import symbols
from tests.codegen.traced import cell
from tests.covering import covering, parted
from tests.nn.test_variants import CELLS, named
from tests.ops.cases import CASES, Case
from tests.ops.cases.forms import forms
from tests.ops.test_cases import of_floats
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.errors import BackendError
from tinygrad_lstm.graph.dtypes import float32, float64
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.runtime import cache


def _missing() -> str:
    try:
        importlib.import_module("cupy").cuda.nvrtc.getVersion()
    except (ImportError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


pytestmark = pytest.mark.skipif(bool(_missing()), reason=f"no NVRTC: {_missing()}")


def assert_compiles(program: Program, capabilities: Sequence[int] = (80, 90)) -> None:
    printed = print_cuda(program)
    if not printed.functions:
        return
    for capability in capabilities:
        text = f"{printed.prelude}\n{printed.source}"
        code = machine_code(importlib.import_module("cupy"), text, capability)
        assert code.startswith(b"\x7fELF")
        assert all(f.name.encode() in code for f in printed.functions)


@pytest.mark.parametrize("dtype", [float32, float64])
def test_an_lstm_by_hand(dtype: Any) -> None:
    assert_compiles(lstm_program(100, 64, 256, 512, dtype))


@pytest.mark.parametrize(
    ("kind", "options", "dtype"),
    covering([(*cell, dtype) for cell in CELLS for dtype in ("float32", "float16", "float64")], itemgetter(0, 2)),
    ids=named,
)
def test_cells(kind: str, options: dict[str, Any], dtype: str) -> None:
    inputs, outputs, _ = cell(kind, options, dtype)
    assert_compiles(lower(optimize(Graph(tuple(inputs), tuple(outputs))), halves=True))


def parts() -> list[Any]:
    """The covering set for both generations, and the other cases for the one or the other."""
    quick, others = parted(CASES, forms)
    return [
        *[pytest.param(quick[k::2], (80, 90), id=f"covering-{k}") for k in range(2)],
        *[pytest.param(others[k::4], (80 if k % 2 else 90,), id=f"others-{k}") for k in range(4)],
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("cases", "capabilities"), parts())
def test_the_table_of_cases(cases: Sequence[Case], capabilities: Sequence[int]) -> None:
    """Values of all types, and first and second derivatives."""
    xs: list[Any] = []
    ys: list[Any] = []

    def add(inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        xs.extend(inputs)
        ys.extend(outputs)

    for case in cases:
        own = symbols(case.inputs)
        add(own, flatten(case.f(*own))[0])
        if case.smooth:
            f, points = of_floats(case)
            own = symbols(points)
            outputs = flatten(f(*own))[0]
            first = tl.gradients(outputs, own, allow_unused=True)
            add(own, [*outputs, *first, *tl.gradients(first, own, allow_unused=True)])
    assert_compiles(lower(Graph(tuple(xs), tuple(ys)), halves=True), capabilities)


def ptx(outputs: Any, *inputs: Any) -> bytes:
    """What the compiler makes of a function, in words that can be read."""
    printed = print_cuda(lower(Graph(inputs, (outputs,))))
    return machine_code(importlib.import_module("cupy"), f"{printed.prelude}\n{printed.source}", 9999)


def test_products_and_sums_are_rounded_one_by_one() -> None:
    """As on the CPU, where ``tl.random.uniform(key, shape, low, high)`` must have the same bits."""
    x, y, z = (tl.symbol(name, (64,)) for name in "xyz")
    assert b"fma.rn" not in ptx(x * y + z, x, y, z)
    assert b"fma.rn" in ptx(tl.exp(x), x)


def test_an_overflow_of_integers_is_computed() -> None:
    x = tl.symbol("x", (64,), tl.int32)
    assert b"ld.global" in ptx(x + 1 > x, x)


@pytest.mark.parametrize("axis", [0, 1])
def test_many_reductions_of_one_kernel_fit_into_shared_memory(axis: int) -> None:
    x = tl.symbol("x", (100, 300), "float64")
    sums = tuple([(x * float(k)).sum(axis) for k in range(60)])
    assert_compiles(lower(optimize(Graph((x,), sums))))


def test_a_newer_gpu_than_this_nvrtc_knows_gets_ptx() -> None:
    cupy = importlib.import_module("cupy")
    assert b".target sm_" in machine_code(cupy, 'extern "C" __global__ void f() {}', 9999)
    with pytest.raises(BackendError, match=r"does not know GPUs as old as compute capability 1\.0"):
        machine_code(cupy, "", 10)


def test_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYGRAD_LSTM_CACHE", str(tmp_path / "cache"))
    cupy = importlib.import_module("cupy")
    text = 'extern "C" __global__ void f() {}'
    code = machine_code(cupy, text, 90)
    (entry,) = cache.directory().iterdir()
    assert entry.suffix == ".cubin"
    made = entry.stat().st_mtime_ns
    assert machine_code(cupy, text, 90) == code
    assert [e.stat().st_mtime_ns for e in cache.directory().iterdir()] == [made]
    machine_code(cupy, text, 80)
    machine_code(cupy, text, 9999)
    assert sorted(e.suffix for e in cache.directory().iterdir()) == [".cubin", ".cubin", ".ptx"]


def test_a_text_that_does_not_compile_is_told() -> None:
    with pytest.raises(BackendError, match=r"NVRTC cannot compile the generated text: tinygrad_lstm.cu\(1\): error"):
        machine_code(importlib.import_module("cupy"), "void f( {", 90)
