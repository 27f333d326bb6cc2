"""Reductions of everything, which workers share in pieces, and sums over rows, which have a kernel of their own."""

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c

pytestmark = needs_c

FUNCTIONS = {
    "sum": lambda x: x.sum(),
    "largest": lambda x: x.max(),
    "product": lambda x: (1 + x / x.size).prod(),
    "positive": lambda x: (x > -10).all(),
    "integers": lambda x: (x > 0).sum(),
    "deviation": lambda x: ((x - x.mean()) ** 2).mean(),
    "clipped": lambda x: (x * tl.minimum(1.0, 5.0 / tl.sqrt((x * x).sum())), x.sum()),
    "softmax": lambda x: tl.softmax(x.reshape(-1), axis=0),
}
SHAPES = [(100_000,), (8192 * 5,), (40_001,), (300, 130), (7, 90, 60), (3, 20_000)]


def run(function, x):
    with tl.use_backend("c"):
        results = tl.jit(function)(tl.tensor(x))
        return [y.numpy() for y in (results if isinstance(results, tuple) else (results,))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_pieces_have_the_bits_of_one_worker_and_the_values_of_float64(name):
    function = FUNCTIONS[name]
    for shape in SHAPES:
        x = np.random.default_rng(7).normal(size=shape).astype(np.float32)
        shared = run(function, x)
        with tl.blas_threads(1):
            alone = run(function, x)
        exact = function(tl.tensor(x.astype(np.float64)))
        for a, b, c in zip(shared, alone, exact if isinstance(exact, tuple) else (exact,), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=str(shape))
            # 1 + x/n is rounded, and each factor of a product to as much again.
            loose = 2e-3 if name == "product" else 2e-6
            np.testing.assert_allclose(a, c.numpy(), rtol=loose, atol=2e-6 * np.sqrt(x.size), err_msg=str(shape))


def test_nan_and_infinity_pass_through_pieces():
    x = np.ones(100_000, np.float32)
    x[77_777] = np.nan
    assert np.isnan(run(lambda x: x.max(), x)[0])
    x[77_777] = np.inf
    assert run(lambda x: x.sum(), x)[0] == np.inf


def test_a_long_reduction_is_shared_and_a_short_one_is_not():
    with tl.use_backend("c"):

        def source(n):
            return str(tl.jit(lambda x: (x * x).sum()).explain(tl.ones(n)).text())

        assert "common" in source(1 << 16)
        assert "common" not in source(1 << 10)


def test_workers_share_the_rows_of_a_large_softmax_with_its_gradient():
    def loss(x, w, b):
        return tl.nn.cross_entropy(x @ w + b, tl.argmax(x, axis=-1))

    rng = np.random.default_rng(3)
    x, w, b = (rng.normal(size=s).astype(np.float32) for s in ((64, 30), (30, 2000), (2000,)))
    gradient = tl.grad(loss, argnums=(0, 1, 2))
    with tl.use_backend("c"):
        compiled = tl.jit(gradient)
        found = compiled(*map(tl.tensor, (x, w, b)))
        text = str(compiled.explain(*map(tl.tensor, (x, w, b))).text())
        with tl.blas_threads(1):
            alone = compiled(*map(tl.tensor, (x, w, b)))
    # The sum over rows, the gradient of b, is in a kernel without rows.
    kernels = text.split("== program")[1].split("kernel [")
    assert all("add=" not in k for k in kernels if k.startswith("64 | 2000"))
    assert any("add=" in k for k in kernels if k.startswith("64,2000"))
    for a, one, c in zip(found, alone, gradient(*[tl.tensor(v.astype(np.float64)) for v in (x, w, b)]), strict=True):
        np.testing.assert_array_equal(a.numpy(), one.numpy())
        np.testing.assert_allclose(a.numpy(), c.numpy(), rtol=1e-4, atol=1e-6)
