"""CUDA kernels, run on the CPU, against NumPy over whole spaces."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tinygrad_lstm_cupy import cuda_parts
from tinygrad_lstm_cupy.cuda import Launch, print_cuda
from tinygrad_lstm_cupy.executable import CupyExecutable

from tests.codegen.cuda_shim import needs_compiler
from tests.codegen.host_device import HostDevice
from tests.codegen.lstm_program import lstm_program
from tests.codegen.pointwise import assert_executed, execute
from tests.codegen.small_programs import kernels_of, program_of, whole
from tests.covering import examples
from tinygrad_lstm.codegen.program import Gemm, Kernel, Program, Scalar, Store, View
from tinygrad_lstm.graph.dtypes import DType, as_dtype, bool_, float16, float32, float64, int32

pytestmark = needs_compiler


def compile_cuda(program: Program, device: HostDevice | None = None) -> CupyExecutable:
    return CupyExecutable(program, {}, device or HostDevice())  # type: ignore[arg-type]


def assert_same(program: Any, inputs: Any) -> None:
    assert_executed(compile_cuda(program)(inputs), program, inputs)


@examples(25)
@given(kernels_of())
def test_random_kernels(made: Any) -> None:
    program, inputs = made
    assert_same(program, inputs)


@settings(max_examples=15, deadline=None)
@given(kernels_of())
def test_random_kernels_whose_rows_are_long(made: Any) -> None:
    """The thresholds are lowered, so that several blocks reduce each row."""
    program, inputs = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda_parts, "_LONG_ROW", 1)
        patch.setattr(cuda_parts, "_FEW_ROWS", 1 << 30)
        assert_same(program, inputs)


def test_the_thresholds_separate_the_ways() -> None:
    def kinds(shape: tuple[int, ...], reduced: int) -> int:
        body = scalars(float32, ("load", (), 0), ("reduce", (0,), "add"), ("subtract", (0, 1), None))
        kernel = Kernel(shape, reduced, (whole(0, shape),), body, (Store(2, whole(1, shape)),))
        return len(print_cuda(program_of([kernel], [(shape, float32)], [(shape, float32)])).items)

    assert kinds((64, 100), 1) == 1
    assert kinds((3, 2048), 1) == 1
    assert kinds((3, 100_000), 1) == 3


def scalars(dtype: DType, *rows: tuple[Any, ...]) -> tuple[Scalar, ...]:
    return tuple(Scalar(op, args, dtype, attr) for op, args, attr in rows)


@pytest.mark.parametrize("shape", [(2_000_000,), (100_000, 3), (3, 100_000), (40, 5, 300)])
@pytest.mark.parametrize("axes", ["first", "last", "all"])
def test_long_sums_stay_accurate(shape: tuple[int, ...], axes: str) -> None:
    x = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    summed = {"first": (0,), "last": (len(shape) - 1,), "all": tuple(range(len(shape)))}[axes]
    kept = tuple(1 if k in summed else n for k, n in enumerate(shape))
    strides = tuple(0 if k in summed else s for k, s in enumerate(whole(1, kept).strides))
    kernel = Kernel(
        shape, 0, (whole(0, shape),), scalars(float32, ("load", (), 0)), (Store(0, View(1, shape, strides), "add"),)
    )
    (y,) = compile_cuda(program_of([kernel], [(shape, float32)], [(kept, float32)]))([x])
    np.testing.assert_allclose(y, x.sum(summed, dtype=float, keepdims=True), rtol=3e-7)


def test_a_sum_is_the_same_to_the_bit_in_every_run() -> None:
    x = np.random.default_rng(0).normal(size=(5000, 7)).astype(np.float32)
    total = Store(0, View(1, (5000, 7), (0, 1)), "add")
    kernel = Kernel((5000, 7), 0, (whole(0, (5000, 7)),), scalars(float32, ("load", (), 0)), (total,))
    program = program_of([kernel], [((5000, 7), float32)], [((7,), float32)])
    assert "atomic" not in print_cuda(program).source
    run = compile_cuda(program)
    first = run([x])[0]
    assert all(run([x])[0].tobytes() == first.tobytes() for _ in range(3))


@pytest.mark.parametrize(("dtype", "how"), [(float16, "add"), (float16, "maximum"), (bool_, "add"), (int32, "minimum")])
def test_other_types(dtype: DType, how: Any) -> None:
    random = np.random.default_rng(0)
    x = (random.integers(0, 2, (3000, 5)) if dtype is bool_ else random.normal(0, 3, (3000, 5))).astype(dtype.name)
    shape = x.shape
    body = scalars(dtype, ("load", (), 0), ("reduce", (0,), how))
    stores = (Store(1, View(1, shape, (1, 0))), Store(0, View(2, shape, (0, 1)), how))
    kernel = Kernel(shape, 1, (whole(0, shape),), body, stores)
    ufunc = {"add": np.add, "maximum": np.maximum, "minimum": np.minimum}[how]
    program = program_of([kernel], [(shape, dtype)], [((3000,), dtype), ((5,), dtype)])
    for y, axis in zip(compile_cuda(program)([x]), (1, 0), strict=True):
        wide = np.float32 if dtype is float16 else x.dtype
        want = ufunc.reduce(x.astype(wide), axis=axis).astype(dtype.name)
        np.testing.assert_allclose(y.astype(float), want.astype(float), rtol=1e-3)


def test_a_kernel_without_parameters() -> None:
    """Of empty arrays nothing is read, and nothing is stored."""
    body = (Scalar("load", (), float32, 0), Scalar("reduce", (0,), float32, "add"), Scalar("tanh", (1,), float32))
    kernel = Kernel((0, 0), 2, (whole(0, (0, 0)),), body, (Store(2, whole(1, (0, 0))),))
    program = program_of([kernel], [((0,), float32)], [((0, 0), float32)])
    assert print_cuda(program).functions[0].parameters == "()"
    assert_same(program, [np.zeros(0, np.float32)])


def test_integers_wrap_around() -> None:
    """Also where the answer seems to be known: ``x + 1 > x``."""
    x = np.array([2**31 - 1, -(2**31), 5], np.int32)
    body = (
        Scalar("load", (), int32, 0),
        Scalar("constant", (), int32, 1),
        Scalar("add", (0, 1), int32, None),
        Scalar("less", (0, 2), bool_, None),
    )
    stores = tuple([Store(k, whole(place, (3,))) for place, k in ((1, 2), (2, 3))])
    program = program_of(
        [Kernel((3,), 0, (whole(0, (3,)),), body, stores)], [((3,), int32)], [((3,), int32), ((3,), bool_)]
    )
    sums, larger = compile_cuda(program)([x])
    np.testing.assert_array_equal(sums, x + np.int32(1))
    np.testing.assert_array_equal(larger, [False, True, True])


@pytest.mark.parametrize("axis", [0, 1])
def test_many_sums_in_one_kernel(axis: int) -> None:
    """They share two arrays of shared memory, by turns."""
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 70)).astype(np.float32)
    kept = (1, 70) if axis == 0 else (40, 1)
    strides = tuple(0 if n == 1 else s for n, s in zip(kept, whole(0, kept).strides, strict=True))
    body = [Scalar("load", (), float32, 0)]
    stores = []
    for k in range(7):
        body.append(Scalar("constant", (), float32, k + 0.5))
        body.append(Scalar("multiply", (0, len(body) - 1), float32, None))
        value = len(body) - 1
        if axis == 1:
            body.append(Scalar("reduce", (value,), float32, "maximum" if k == 3 else "add"))
        view = View(1 + k, x.shape, strides)
        stores.append(Store(len(body) - 1, view) if axis == 1 else Store(value, view, "maximum" if k == 3 else "add"))
    kernel = Kernel(x.shape, axis, (whole(0, x.shape),), tuple(body), tuple(stores))
    program = program_of([kernel], [(x.shape, float32)], [(kept, float32)] * 7)
    printed = print_cuda(program)
    assert printed.source.count("__shared__") == 2
    run = compile_cuda(program)
    for _ in range(3):
        for k, y in enumerate(run([x])):
            how = np.max if k == 3 else np.sum
            want = how(x.astype(float) * (k + 0.5), axis=axis, keepdims=True)
            np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-4)


def test_a_sum_of_very_many_terms_stays_within_the_grid() -> None:
    shape = (1 << 40,)
    total = Store(0, View(1, shape, (0,)), "add")
    kernel = Kernel(shape, 0, (View(0, shape, (0,)),), scalars(float32, ("load", (), 0)), (total,))
    printed = print_cuda(program_of([kernel], [((1,), float32)], [((1,), float32)]))
    first = printed.items[0]
    assert isinstance(first, Launch)
    assert first.grid == (1, 65535)


class Narrow(HostDevice):
    """Memory for one set of outputs a run, and no more."""

    left = 10**6

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        self.left -= 1
        if self.left < 0:
            raise MemoryError
        return super().empty(shape, dtype)


def test_a_program_whose_inputs_fit_only_once_is_launched_one_by_one() -> None:
    program = lstm_program(2, 2, 3, 4)
    random = np.random.default_rng(0)
    inputs = [random.normal(0, 0.3, program.buffers[k].size).astype(np.float32) for k in program.inputs]
    device = Narrow()
    run = compile_cuda(program, device)
    want = [y.tobytes() for y in run(inputs)]
    for _ in range(2):
        device.left = len(program.outputs)
        assert [y.tobytes() for y in run(inputs)] == want
        assert not run.replayed


CELLS = [(5, 2, 3, 4), (1, 3, 2, 5), (0, 2, 3, 4), (4, 16, 32, 64)]


@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize("sizes", CELLS, ids=str)
def test_an_lstm_forwards_and_backwards(sizes: tuple[int, int, int, int], dtype: DType) -> None:
    program = lstm_program(*sizes, dtype)
    random = np.random.default_rng(0)
    inputs = [random.normal(0, 0.3, program.buffers[k].size).astype(dtype.name) for k in program.inputs]
    run = compile_cuda(program)
    want = execute(lstm_program(*sizes, float64), [x.astype(float) for x in inputs])
    for turn in range(3):
        for y, w in zip(run(inputs), want, strict=True):
            allowed = 2e-5 if dtype is float32 else 1e-12
            np.testing.assert_allclose(y, w, rtol=allowed, atol=allowed * max(1, np.abs(w).max(initial=0)))
        assert run.replayed is (turn > 0)


def test_a_graph_that_can_not_be_recorded_changes_nothing() -> None:
    program = lstm_program(4, 2, 3, 5)
    inputs = [np.random.default_rng(0).normal(size=program.buffers[k].size).astype("float32") for k in program.inputs]
    eager, replaying = compile_cuda(program, HostDevice(refuses=True)), compile_cuda(program)
    for _ in range(3):
        for a, b in zip(eager(inputs), replaying(inputs), strict=True):
            assert a.tobytes() == b.tobytes()
    assert replaying.replayed
    assert not eager.replayed


def test_outputs_of_a_replayed_graph_are_the_callers_own() -> None:
    program = lstm_program(2, 2, 3, 4)
    run = compile_cuda(program)
    random = np.random.default_rng(0)
    kept = []
    for _ in range(4):
        inputs = [random.normal(size=program.buffers[k].size).astype("float32") for k in program.inputs]
        kept.append((inputs, run(inputs)))
    for inputs, outputs in kept:
        for y, w in zip(outputs, execute(program, inputs), strict=True):
            np.testing.assert_allclose(y, w, rtol=1e-4, atol=1e-4)


def test_the_text_does_not_grow_with_the_number_of_steps() -> None:
    short, long = (print_cuda(lstm_program(T, 2, 3, 4)) for T in (10_000, 100_000))
    assert len(short.items) == len(long.items)
    assert [re.sub(r"\d+", "", p.source) for p in (short, long)] == [re.sub(r"\d+", "", short.source)] * 2


@pytest.mark.parametrize("dtype", [float32, float64])
def test_products(dtype: DType) -> None:
    """Transposed, batched, empty, broadcast, and with rows that BLAS cannot see as a matrix."""
    random = np.random.default_rng(0)

    def check(left: View, right: View, out: View, accumulate: bool = False) -> None:
        arrays = [random.normal(size=200).astype(dtype.name) for _ in range(2)]
        start = Kernel((200,), 0, (), scalars(dtype, ("constant", (), 0.5)), (Store(0, whole(2, (200,))),))
        steps = [start, Gemm(left, right, out, accumulate)]
        program = program_of(steps, [((200,), as_dtype(dtype.name))] * 2, [((200,), dtype)])
        for y, w in zip(compile_cuda(program)(arrays), execute(program, arrays), strict=True):
            np.testing.assert_allclose(y, w, rtol=1e-4, atol=1e-5)

    check(whole(0, (3, 4)), whole(1, (4, 5)), whole(2, (3, 5)))
    check(whole(0, (3, 4)), whole(1, (4, 5)), whole(2, (3, 5)), accumulate=True)
    check(View(0, (3, 4), (1, 3)), View(1, (4, 5), (1, 9), 2), View(2, (3, 5), (12, 1), 7))
    check(whole(0, (1, 4)), whole(1, (4, 1)), whole(2, (1, 1)))
    check(whole(0, (2, 3, 4)), View(1, (2, 4, 5), (0, 5, 1)), whole(2, (2, 3, 5)))
    check(whole(0, (2, 3, 3, 4)), whole(1, (2, 3, 4, 2)), whole(2, (2, 3, 3, 2)), accumulate=True)
    check(View(0, (3, 4), (0, 1)), whole(1, (4, 5)), whole(2, (3, 5)))
    check(whole(0, (3, 0)), whole(1, (0, 5)), whole(2, (3, 5)))
    check(whole(0, (3, 0)), whole(1, (0, 5)), whole(2, (3, 5)), accumulate=True)
    check(whole(0, (0, 4)), whole(1, (4, 5)), whole(2, (0, 5)))
