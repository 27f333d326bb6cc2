"""Products of arrays with more axes than the alphabet has letters: NumPy allows 64."""

import numpy as np
import pytest

import tinygrad_lstm as tl


@pytest.mark.parametrize("rank", [25, 26, 27, 29, 46, 52, 53, 63])
def test_products_of_many_axes_compile(rank: int) -> None:
    shape = (*(1,) * (rank - 3), 2, 2, 3)
    a = tl.tensor(np.arange(12.0).reshape(shape))
    b = tl.swapaxes(a, -1, -2) + 1

    def product(a: tl.Tensor, b: tl.Tensor) -> tl.Tensor:
        return tl.tanh(a / 10) @ b

    def over_time(a: tl.Tensor, b: tl.Tensor) -> tl.Tensor:
        return tl.scan(lambda c, x: (c, x @ b), 0.0, tl.stack([a, a + 1]))[1]

    slope = tl.grad(lambda a, b: product(a, b).sum())
    for f in (product, slope, over_time):
        want = f(a, b).numpy()
        got = tl.jit(f)(a, b).numpy()
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-12)
