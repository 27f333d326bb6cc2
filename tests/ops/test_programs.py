"""Random expressions agree with NumPy, and their gradients with finite differences."""

import numpy as np
from hypothesis import given

import tinygrad_lstm as tl
from tests.covering import examples
from tests.programs import Program, programs
from tinygrad_lstm.graph.function import verify
from tinygrad_lstm.testing import check_gradients

POINTS = [np.array([0.3, -0.7, 0.9]), np.array([-0.4, 0.1, 0.8]), np.array([0.55, -0.25, -0.6])]


@given(programs(inputs=3, outputs=2, most=10, kinks=True))
@examples(200)
def test_values_agree_with_numpy(program: Program) -> None:
    got = program.run([tl.tensor(p) for p in POINTS], symbolic=True)
    want = program.run(POINTS, symbolic=False)
    for y, w in zip(tl.evaluate(*got), want, strict=True):
        verify(y)
        np.testing.assert_allclose(y.numpy(), w, rtol=1e-12, atol=1e-12)


@given(programs(inputs=3, outputs=2, most=8))
@examples(200)
def test_gradients_agree_with_finite_differences(program: Program) -> None:
    check_gradients(lambda *xs: tuple(program.run(xs, symbolic=True)), *POINTS, order=2)
