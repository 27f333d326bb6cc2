"""What a program should cost on a GPU: its sums, and where they are printed; and why a program is no graph."""

from typing import Any

import numpy as np
import pytest
from tinygrad_lstm_cupy.cuda import Launch, Product, print_cuda
from tinygrad_lstm_cupy.executable import CupyExecutable
from tinygrad_lstm_cupy.model import FIGURES, Estimate, estimated, figures_of

import tinygrad_lstm as tl
from tests.codegen.cuda_shim import needs_compiler
from tests.codegen.host_device import HostDevice
from tests.codegen.lstm_program import lstm_program
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.graph.dtypes import float16, float64
from tinygrad_lstm.kernels.table import kernels


def test_the_sums_of_an_lstm() -> None:
    """Its products by hand: forward x·W and h·U, backward two for each."""
    T, B, I, H = 7, 3, 5, 11  # noqa: E741
    found = estimated(print_cuda(lstm_program(T, B, I, H)), "NVIDIA H200", recorded=True)
    assert found.operations == 3 * 2 * T * B * (I + H) * 4 * H
    assert found.launches == print_cuda(lstm_program(T, B, I, H)).launches
    assert found.starting == pytest.approx(found.launches * 0.5e-6)
    assert found.total == found.starting + found.products + found.kernels
    # At this size each product is bounded by its bytes; at a large one by its operations.
    assert found.products > found.operations / 67e12
    large = estimated(print_cuda(lstm_program(2, 4096, 4096, 4096)), "NVIDIA H200", recorded=True)
    assert large.products == pytest.approx(large.operations / 67e12)


def test_kernels_inside_loops_are_counted_once_a_step() -> None:
    def moved(steps: int) -> int:
        return estimated(print_cuda(lstm_program(steps, 3, 5, 11)), "H200", recorded=True).moved

    assert moved(12) - moved(11) == moved(11) - moved(10) > 0


@pytest.mark.parametrize(
    ("dtype", "tf32", "peak"), [("float32", False, 67e12), ("float32", True, 494.5e12), ("float16", True, 989.5e12)]
)
def test_which_peak_counts(dtype: str, tf32: bool, peak: float) -> None:
    x = tl.zeros((4096, 4096), dtype)
    graph = tl.jit(lambda x: x @ x)
    with tl.use_backend("numpy"):
        program = graph.program(x) if dtype == "float32" else lstm_program(2, 4096, 4096, 4096, float16)
    found = estimated(print_cuda(program), "NVIDIA H100 80GB HBM3", recorded=False, tf32=tf32)
    assert found.products == pytest.approx(found.operations / peak)


def test_an_estimate_says_whose_figures_it_takes() -> None:
    program = print_cuda(lstm_program(2, 2, 3, 4, float64))
    assert (
        estimated(program, "Abacus 0", True)
        .lines()[0]
        .endswith("by the published figures of the H100, as those of Abacus 0 are not known:")
    )
    assert estimated(program, "NVIDIA A100-SXM4-80GB", True).figures.bandwidth == 2.039e12
    assert [f.name for f in FIGURES] == [figures_of(" ".join(f.marks)).name for f in FIGURES]  # type: ignore[union-attr]
    assert Estimate(FIGURES[0], 3, False, 0, 0.0, 0, 0.0, calls=2).lines()[-1].startswith("  and 2 calls")


@needs_compiler
def test_explain_prints_it_for_this_backend_and_no_other(gpu: Any) -> None:
    def loop(x: Any) -> Any:
        return tl.scan(lambda c, _: (tl.tanh(c @ x), None), x, None, length=10)[0]

    with tl.use_backend("cupy"):
        told = tl.jit(loop).explain(tl.ones((4, 4)))
        assert told.estimate[0].startswith("should take at least ")
        assert "nodes of a graph of 0.5 µs" in str(told)
        assert all(line.strip() in told.html() for line in told.estimate)
        ranked = tl.jit(lambda x: tl.argsort(x) * 2).explain(tl.ones(4))
        assert ranked.estimate[-1] == "  launched one by one: it calls array functions for argsort"
    with tl.use_backend("numpy"):
        assert tl.jit(loop).explain(tl.ones((4, 4))).estimate == ()


def made(program: Program, device: HostDevice | None = None) -> CupyExecutable:
    return CupyExecutable(program, kernels(np), device or HostDevice())  # type: ignore[arg-type]


def inputs(program: Program) -> list[Any]:
    return [np.ones(program.buffers[k].size, np.float32) for k in program.inputs]


REFUSED = "it cannot be recorded (RuntimeError: it was told to refuse)"
FULL = "its inputs and outputs do not fit into memory a second time"


class Tight(HostDevice):
    """Memory for so many more arrays."""

    left = 1000

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        self.left -= 1
        if self.left < 0:
            raise MemoryError
        return super().empty(shape, dtype)


@needs_compiler
def test_why_a_program_is_launched_one_by_one() -> None:
    program = lstm_program(2, 2, 3, 4)
    tight = Tight()
    refused, full, fine = made(program, HostDevice(refuses=True)), made(program, tight), made(program)
    for k in range(3):
        assert [run.fallback for run in (refused, full, fine)] == ([""] * 3 if k < 2 else [REFUSED, FULL, ""])
        tight.left = len(program.outputs) if k == 1 else 1000
        for run in (refused, full, fine):
            run(inputs(program))
    assert [run.replayed for run in (refused, full, fine)] == [False, False, True]
    long = tl.jit(lambda x: tl.scan(lambda c, _: (tl.tanh(c), None), x, None, length=20_000)[0]).program(tl.ones(1))
    assert made(long).fallback.endswith(" launches are more than 20,000")
    assert made(tl.jit(lambda x: tl.tanh(x)).program(tl.ones(1))).fallback == "one launch needs no graph"


@needs_compiler
def test_products_and_kernels_alone() -> None:
    """For measurements: what they compute means nothing, and later runs are as they were."""
    program = lstm_program(3, 2, 3, 4)
    run = made(program)
    assert run.alone(Product) is None
    want = [y.tobytes() for y in [run(inputs(program)) for _ in range(2)][-1]]
    for kind in (Product, Launch):
        replay = run.alone(kind)
        assert replay is not None
        replay()
        assert [y.tobytes() for y in run(inputs(program))] == want
    plain = made(tl.jit(lambda x: tl.tanh(x).sum() + x).program(tl.ones(40)))
    for _ in range(2):
        plain([np.ones(40, np.float32)])
    assert plain.alone(Product) is None
