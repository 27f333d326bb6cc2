"""The suite for backends passes the reference, covers every kernel, and finds what a backend does wrong."""

import warnings

import numpy as np
import pytest
from tinygrad_lstm_numpy import NumpyBackend

from tinygrad_lstm.errors import BackendError, ConformanceError, Error
from tinygrad_lstm.graph.dtypes import DTYPES
from tinygrad_lstm.kernels.table import kernels
from tinygrad_lstm.runtime import backend as runtime
from tinygrad_lstm.testing import check_backend
from tinygrad_lstm.testing.samples import covered, samples


def test_the_reference_agrees_with_itself() -> None:
    report = check_backend("numpy")
    assert report.checks["values"] > 1000
    assert set(report.checks) == {"devices", "kernels", "values", "random", "graphs", "errors"}


def test_every_kernel_has_samples_in_its_element_types() -> None:
    assert covered() == set(kernels(np))
    seen = {op: {x.dtype.name for s in samples() if s.op == op for x in s.inputs} for op in ("add", "tanh", "where")}
    assert seen["add"] == set(DTYPES) - {"bool"}
    assert seen["tanh"] == {"float16", "float32", "float64"}
    assert "bool" in seen["where"]
    names = [str(s) for s in samples()]
    assert "matmul(float32[2, 3], float32[3, 4])" in names


class Wrong(NumpyBackend):
    name = "wrong"


def wrong_tanh(backend: Wrong) -> None:
    backend.kernels = kernels(np, {"tanh": lambda x: np.tanh(x) * x.dtype.type(1.01)})


def wrong_dtype(backend: Wrong) -> None:
    backend.kernels = kernels(np, {"exp": lambda x: np.exp(x.astype("float64"))})


def wrong_shape(backend: Wrong) -> None:
    backend.kernels = kernels(np, {"sum": lambda x, *, axis, keepdims: x.sum(axis, x.dtype)})


def no_kernel(backend: Wrong) -> None:
    backend.kernels = {k: f for k, f in kernels(np).items() if k != "matmul"}


def wrong_bits(backend: Wrong) -> None:
    backend.kernels = kernels(np, {"threefry2x32": lambda key, counters: counters + key})


def wrapped_indices(backend: Wrong) -> None:
    backend.kernels = kernels(np, {"take": lambda x, i, *, axis: np.take(x, i, axis, mode="wrap")})


def noisy(backend: Wrong) -> None:
    def sin(x):
        warnings.warn("sine is slow", RuntimeWarning, stacklevel=1)
        return np.sin(x)

    backend.kernels = kernels(np, {"sin": sin})


def crashing(backend: Wrong) -> None:
    def cos(x):
        raise OSError("the device fell off the bus\nand more")

    backend.kernels = kernels(np, {"cos": cos})


def borrowing(backend: Wrong) -> None:
    backend.put = lambda array, device: np.asarray(array)  # type: ignore[method-assign]


def forgetful(backend: Wrong) -> None:
    backend.empty = lambda shape, dtype, device: np.empty(shape)  # type: ignore[method-assign]


def misnamed(backend: Wrong) -> None:
    backend.devices = lambda: ["cpu:7"]  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (wrong_tanh, "values: tanh(float32[2, 3]): at [0, 0] it gives"),
        (wrong_dtype, "values: exp(float16[2, 3]): the result is float64, the reference float16"),
        (wrong_shape, "keepdims=True): the result has shape []"),
        (no_kernel, "kernels: matmul: there is no kernel for 'matmul'"),
        (wrong_bits, "random: known answer: at [0] it gives 0, the reference 1797259609"),
        (wrapped_indices, "errors: an index out of range: take with index 3 into 3 elements raises no IndexError"),
        (noisy, "EvaluationError: sin(f16[2,3]): sine is slow"),
        (crashing, "EvaluationError: cos(f16[2,3]): the device fell off the bus"),
        (borrowing, "devices: copies: put() borrows the array"),
        (forgetful, "graphs: scan of integers and bools: the result is float64, the reference int64"),
        (misnamed, "devices: names: the default device cpu is not among ['cpu:7']"),
    ],
)
def test_what_is_wrong_is_named(monkeypatch, spoil, words: str) -> None:
    backend = Wrong()
    spoil(backend)
    monkeypatch.setitem(runtime._loaded, "wrong", backend)
    with pytest.raises(ConformanceError) as caught:
        check_backend("wrong")
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("backend 'wrong': ")
    assert first.endswith(" checks failed")
    assert any(words in line for line in lines), str(caught.value)
    assert isinstance(caught.value, AssertionError | Error)


def test_failures_of_one_op_are_told_once(monkeypatch) -> None:
    backend = Wrong()
    wrong_tanh(backend)
    monkeypatch.setitem(runtime._loaded, "wrong", backend)
    with pytest.raises(ConformanceError) as caught:
        check_backend("wrong")
    lines = [line for line in str(caught.value).splitlines() if "values: tanh" in line]
    assert len(lines) == 1
    assert "more like it" in lines[0]


def test_a_backend_that_is_not_there() -> None:
    with pytest.raises(BackendError, match="no backend is named 'abacus'"):
        check_backend("abacus")
