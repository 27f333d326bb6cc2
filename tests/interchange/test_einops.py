"""einops takes tensors: values as of arrays, gradients, compiled; whichever is imported first."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import einops
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tinygrad_lstm.testing import check_gradients

X = np.random.default_rng(0).normal(size=(2, 3, 4))

FORMS: list[Callable[..., Any]] = [
    lambda x: einops.rearrange(x, "a b (c d) -> (b d) a c", d=2),
    lambda x: einops.rearrange([x, 2 * x], "k a b c -> a (k b) c"),
    lambda x: einops.rearrange(x, "a ... -> ... a 1"),
    lambda x: einops.reduce(x, "a b c -> b", "mean"),
    lambda x: einops.reduce(x, "a b (c d) -> a c 1", "max", d=2),
    lambda x: einops.reduce(x, "a b c -> ", "sum"),
    lambda x: einops.reduce(x, "a b c -> c a", "prod"),
    lambda x: einops.repeat(x, "a b c -> a (b r) c s", r=2, s=3),
    lambda x: einops.einsum(x, x, "a b c, a d c -> b d"),
    lambda x: einops.pack([x, x[0]], "* c")[0],
    lambda x: einops.unpack(x, [[1, 2], [2]], "a b *")[1] if x.shape[2:] == (4,) else x,
]


@pytest.mark.parametrize("f", FORMS)
def test_values_gradients_and_programs(f: Callable[..., Any]) -> None:
    want = f(X)
    np.testing.assert_allclose(f(tl.tensor(X)).numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(f(tl.Parameter(X)).numpy(), want, rtol=1e-12)
    check_gradients(f, X)
    for backend in ("numpy", "c"):
        if any(s.name == backend and s.usable for s in tl.describe_backends()):
            with tl.use_backend(backend):
                np.testing.assert_allclose(tl.jit(f)(tl.tensor(X)).numpy(), want, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.permutations("abcd"), st.integers(0, 4), st.sampled_from(["sum", "max", "min", "mean", "prod"]))
def test_random_patterns(order: list[str], kept: int, operation: str) -> None:
    pattern = f"(a b) c d -> {' '.join(order[:kept])}"
    np.testing.assert_allclose(
        einops.reduce(tl.tensor(X), pattern, operation, a=2).numpy(),
        einops.reduce(X, pattern, operation, a=2),
        rtol=1e-12,
    )


def test_bools_and_integers() -> None:
    assert einops.reduce(tl.tensor(X > 0), "a b c -> a", "any").tolist() == (X > 0).any((1, 2)).tolist()
    assert einops.reduce(tl.tensor([[1, 2], [3, 4]]), "a b -> b", "sum").tolist() == [4, 6]


USE = "x = tl.ones((2, 3)); assert einops.rearrange(x, 'a b -> b a').shape == (3, 2); import inspect; "
USE += "assert 'class AbstractBackend' in inspect.getsource(einops._backends)"


@pytest.mark.parametrize("order", ["tinygrad_lstm as tl, einops", "einops, tinygrad_lstm as tl"])
def test_either_may_be_imported_first(order: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {order}; {USE}"], check=True)


def test_it_is_not_imported_by_itself() -> None:
    subprocess.run([sys.executable, "-c", "import sys, tinygrad_lstm; assert 'einops' not in sys.modules"], check=True)
