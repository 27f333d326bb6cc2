"""What a failure inside a kernel tells."""

from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tinygrad_lstm.errors import Error, EvaluationError
from tinygrad_lstm.runtime.backend import load_backend


def test_running_out_of_memory_names_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    backend = load_backend("numpy")
    monkeypatch.setattr(backend, "kernels", {**backend.kernels, "tanh": exhausted})
    with pytest.raises(tl.errors.EvaluationError, match=r"out of memory: f32\[512,512\] takes 0\.000977 GiB"):
        tl.tanh(tl.ones((512, 512))).numpy()
    # The process goes on.
    assert tl.exp(tl.zeros(())).item() == 1.0


def test_a_leaf_that_can_not_be_made_is_told_in_terms_of_the_graph() -> None:
    with pytest.raises(tl.errors.EvaluationError, match=r"arange\(\): .*test_failures.py"):
        tl.arange(2**62).numpy()


def test_half_precision_sigmoid_has_its_small_values() -> None:
    x = np.array([-12.0, -8.0, 0.0, 9.0], np.float16)
    expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(tl.sigmoid(x).numpy().astype(np.float64), expected, rtol=2e-3)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: tl.broadcast_to(tl.ones(2), (2**55, 2)) + 1.0, r"add\(.*out of memory: f32\[\d+,2\] takes 2\.68e\+08"),
        (lambda: tl.broadcast_to(tl.ones(2), (2**60, 2)) + 1.0, r"broadcast_to\(f32\[2\]\): out of memory: f32\[\d+,2"),
        (lambda: tl.broadcast_to(tl.ones(2), (2**62, 2)) + 1.0, r"out of memory: f32\[4611686018427387904,2\] takes"),
        (lambda: tl.arange(2**62), r"arange\(\): out of memory: i64\[4611686018427387904\] takes 3\.44e\+10 GiB"),
        (lambda: tl.arange(2**50), r"arange\(\): out of memory: i64\[\d+\] takes 8\.39e\+06 GiB"),
        (
            lambda: tl.scan(lambda c, _: (c, c), tl.zeros(8), length=2**50)[1],
            r"scan\(f32\[8\]\): out of memory: f32\[8\] and f32\[\d+,8\] takes",
        ),
    ],
)
def test_whoever_says_that_memory_is_missing_it_is_one_sentence(make: Callable[[], tl.Tensor], told: str) -> None:
    with pytest.raises(EvaluationError, match=told + r".*make a batch, a window or a layer smaller \[.*test_failures"):
        make().numpy()


def test_an_error_is_not_its_own_cause() -> None:
    scanned = tl.scan(lambda c, i: (c, tl.take(c, i)), tl.ones(2), tl.tensor([0, 5]))[1]
    for failing in (scanned, tl.symbol("x") + 1.0):
        with pytest.raises(Error) as caught:
            failing.numpy()
        assert caught.value.__cause__ is not caught.value


@pytest.mark.parametrize("name", ["numpy", pytest.param("c", marks=needs_c)])
def test_a_program_that_calls_itself_does_not_wait_for_ever(name: str) -> None:
    operation = tl.define_op(f"calls_its_program_{name}", None, lambda np, x: program(tl.tensor(x)).numpy())
    with tl.use_backend(name):
        program = tl.jit(lambda x: tl.tanh(operation(x)))
        with pytest.raises(Error, match="is called by an operation that it runs itself"):
            program(tl.ones(3))
        assert tl.jit(tl.tanh)(tl.zeros(2)).tolist() == [0.0, 0.0]


def test_an_empty_array_beyond_all_sizes_is_told_as_that() -> None:
    with pytest.raises(EvaluationError, match=r"f32\[\d+,0\] is empty, and yet its sizes are beyond those that an"):
        (tl.zeros((2**62, 0)) + 1.0).numpy()
