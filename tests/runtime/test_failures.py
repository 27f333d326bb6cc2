"""What a failure inside a kernel tells."""

import numpy as np
import pytest

import tinygrad_lstm as tl
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
