"""Derivatives where there is more than one answer, and values at the ends of the range."""

import math

import numpy as np
import pytest

import tinygrad_lstm as tl


def slope(f, at: float, order: int = 1) -> float:
    x = tl.symbol("x", (), tl.float64)
    y = f(x)
    for _ in range(order):
        y = tl.gradients(y, x)
    return y.evaluate({x: at}).item()


@pytest.mark.parametrize(
    ("f", "at", "wanted"),
    [
        (tl.abs, 0.0, 0.0),
        (tl.relu, 0.0, 0.0),
        (tl.sign, 2.0, 0.0),
        (tl.sqrt, 0.0, math.inf),
        (tl.log, 0.0, math.inf),
        (lambda x: tl.maximum(x, 1), 1.0, 0.5),
        (lambda x: tl.minimum(1, x), 1.0, 0.5),
        (lambda x: tl.maximum(x, x), 1.0, 1.0),
        (lambda x: tl.max(tl.stack([x, x * 1, x - 1])), 1.0, 1.0),
        (lambda x: x**2, 0.0, 0.0),
        (lambda x: x**1, 0.0, 1.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: 2.0**x, 0.0, math.log(2)),
        (lambda x: 0.0**x, 2.0, 0.0),
        (lambda x: x**3, -2.0, 12.0),
        (tl.sigmoid, 800.0, 0.0),
        (tl.sigmoid, -800.0, 0.0),
        (tl.softplus, 800.0, 1.0),
        (tl.softplus, -800.0, 0.0),
        (tl.tanh, 30.0, 0.0),
        (lambda x: tl.logsumexp(tl.stack([x, x * 0 - math.inf])), 3.0, 1.0),
        (lambda x: tl.where(x > 0, x, tl.sqrt(tl.where(x > 0, 1, -x))), 4.0, 1.0),
        (lambda x: x.astype(tl.int32).astype(tl.float64) * x, 2.5, 2.0),
        (lambda x: x * tl.stop_gradient(x), 3.0, 3.0),
        (lambda x: tl.norm(tl.stack([x, x])), 0.0, 0.0),
        (lambda x: tl.norm(tl.stack([x, x])), 2.0, math.sqrt(2)),
        (lambda x: tl.hypot(x, 0.0), 0.0, 0.0),
        (lambda x: tl.hypot(x, 0.0), -3e300, -1.0),
        (lambda x: tl.std(tl.stack([x, 1.0])), 1.0, 0.0),
        (lambda x: tl.prod(tl.stack([x, x, x])), 0.0, 0.0),
        (lambda x: tl.prod(tl.stack([x, 2.0, 3.0])), 0.0, 6.0),
        (lambda x: tl.cumprod(tl.stack([x, 2.0, 3.0]))[2], 0.0, 6.0),
        (lambda x: tl.clip(x, 0, 1), 1.0, 0.5),
        (lambda x: tl.clip(x, 0, 1), 2.0, 0.0),
        (tl.cbrt, 0.0, math.inf),
        (tl.cbrt, -8.0, 1 / 12),
        (tl.sinh, 0.0, 1.0),
        (tl.cosh, 0.0, 0.0),
        (tl.arcsinh, 0.0, 1.0),
        (tl.arctanh, 0.0, 1.0),
        (tl.erf, 0.0, 2 / math.sqrt(math.pi)),
        (tl.elu, 0.0, 1.0),
        (tl.elu, 800.0, 1.0),
        (tl.leaky_relu, 0.0, 0.01),
        (tl.hard_sigmoid, 0.0, 1 / 6),
        (tl.floor, 1.5, 0.0),
        (tl.round, 1.5, 0.0),
        (lambda x: x % 2, 5.0, 1.0),
        (lambda x: 5.0 % x, 2.0, -2.0),
        (lambda x: tl.max(tl.stack([x, x, 0.0]).at[2].max(x)), 1.0, 1.0),
    ],
)
def test_slope(f, at: float, wanted: float) -> None:
    assert slope(f, at) == pytest.approx(wanted, rel=1e-14, abs=1e-300)


def test_powers_at_zero_have_all_their_derivatives() -> None:
    assert [slope(lambda x: x**3, 0.0, n) for n in (1, 2, 3, 4)] == [0, 0, 6, 0]
    assert [slope(lambda x: x**2, 0.0, n) for n in (1, 2, 3)] == [0, 2, 0]


def test_sigmoid_keeps_its_digits_in_the_lower_tail() -> None:
    assert tl.sigmoid(tl.tensor(-80.0)).item() == pytest.approx(math.exp(-80), rel=1e-6)
    assert slope(tl.sigmoid, -700.0) == pytest.approx(math.exp(-700), rel=1e-12)


def test_log_softmax_keeps_its_digits_far_from_zero() -> None:
    at = np.array([0.0, 0.5, -1.0], np.float32)
    near, far = tl.log_softmax(at).numpy(), tl.log_softmax(at + np.float32(65536)).numpy()
    np.testing.assert_allclose(far, near, rtol=1e-6)


def test_softmax_of_nothing_is_nothing() -> None:
    assert tl.softmax(tl.zeros((2, 0))).shape == (2, 0)
    assert tl.log_softmax(tl.zeros((0, 2))).shape == (0, 2)


def test_nan_reaches_the_result() -> None:
    nan = tl.tensor([1.0, math.nan])
    for y in (nan.sum(), nan.max(), nan.min(), tl.logsumexp(nan)):
        assert math.isnan(y.item())
    for y in (tl.maximum(nan, 0), tl.sign(nan), tl.relu(nan), tl.abs(nan)):
        assert math.isnan(y[1].item())


def test_a_nan_on_the_side_not_taken_does_no_harm() -> None:
    x = tl.symbol("x", (2,))
    y = tl.where([True, False], x, tl.log(x))
    assert y.evaluate({x: [-1.0, 1.0]}).tolist() == [-1.0, 0.0]


def test_hyperbolic_functions_have_all_their_derivatives_at_zero() -> None:
    assert [slope(tl.sinh, 0.0, n) for n in (1, 2, 3)] == pytest.approx([1, 0, 1])
    assert [slope(tl.cosh, 0.0, n) for n in (1, 2, 3)] == pytest.approx([0, 1, 0])
    assert [slope(tl.arcsinh, 0.0, n) for n in (1, 2, 3)] == pytest.approx([1, 0, -1])
    assert [slope(tl.arctanh, 0.0, n) for n in (1, 2, 3)] == pytest.approx([1, 0, 2])


@pytest.mark.parametrize(
    "matrix",
    [[[1.0, 2.0], [2.0, 4.0]], [[0.0, 1.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 3.0]], [[0.0, 0.0], [0.0, 0.0]]],
)
def test_the_gradient_of_the_determinant_is_the_cofactors_of_singular_matrices_too(matrix) -> None:
    (a, b), (c, d) = matrix
    x = tl.symbol("x", (2, 2))
    assert tl.gradients(tl.det(x), x).evaluate({x: matrix}).tolist() == [[d, -c], [-b, a]]


def test_graphs_of_running_totals_grow_with_the_logarithm() -> None:
    x = tl.symbol("x", (1000,))
    for f in (tl.cumsum, tl.cumprod, tl.prod):
        assert len(tl.printed(f(x)).splitlines()) < 80


def test_integers_have_no_derivative() -> None:
    n = tl.tensor([1, 2])
    with pytest.raises(tl.errors.GradientError, match="only floats have derivatives"):
        tl.gradients((n * 1.0).sum(), n)
    with pytest.raises(tl.errors.GradientError, match="only floats have derivatives"):
        tl.gradients(n // 2, tl.tensor(1.0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tl.einsum("ij,jk", tl.ones((2, 3))), "2 groups of letters for 1 operands"),
        (lambda: tl.einsum("ijk", tl.ones((2, 3))), "do not fit"),
        (lambda: tl.einsum("ij->ik", tl.ones((2, 3))), "one that no operand has"),
        (lambda: tl.einsum("ij->ii", tl.ones((2, 3))), "a letter twice"),
        (lambda: tl.einsum("i1", tl.ones((2, 3))), "do not fit"),
        (lambda: tl.einsum("ij,jk", tl.ones((2, 3)), tl.ones((2, 3))), "'j' has the sizes 3 and 2"),
        (lambda: tl.einsum(tl.ones(2), "i"), "the subscripts come first"),
        (lambda: tl.tensordot(tl.ones((2, 3)), tl.ones((2, 3))[0], 2), "no 2 axes to pair"),
        (lambda: tl.tensordot(tl.ones((2, 3)), tl.ones((2, 3)), 1), "they must be equal"),
        (lambda: tl.tensordot(tl.ones((2, 3)), tl.ones((2, 3)), ((0, 1), (0,))), "do not pair"),
        (lambda: tl.tensordot(tl.ones((2, 3)), tl.ones((2, 3)), "ab c"), "a number or a pair"),
        (lambda: tl.split(tl.ones(5), 2), "has no 2 equal parts"),
        (lambda: tl.moveaxis(tl.ones((2, 3)), (0, 1), 0), "do not pair"),
        (lambda: tl.roll(tl.ones((2, 3)), (1, 2), (0, 1, 0)), "2 shifts for 3 axes"),
        (lambda: tl.repeat(tl.ones(3), [1, 2]), "2 counts for the 3 positions"),
        (lambda: tl.tril(tl.ones(3)), "a matrix is wanted"),
        (lambda: tl.diag(tl.ones((1, 1, 1))), "a vector or a matrix"),
        (lambda: tl.diagonal(tl.ones((2, 2)), 0, 1, 1), "two different axes"),
        (lambda: tl.norm(tl.ones((2, 2)), 3), "ord=3 is no order of matrices; 'fro', 'nuc'"),
        (lambda: tl.norm(tl.ones(2), "fro"), "ord='fro' is no order of vectors; give a number"),
        (lambda: tl.norm(tl.ones((2, 2, 2)), 1), "3 axes are neither; name one axis or two"),
        (lambda: tl.eigh(tl.ones((2, 3))), "square matrices are expected"),
        (lambda: tl.eigh(tl.ones((2, 2)), "X"), "UPLO is 'L' or 'U'"),
        (lambda: tl.svd(tl.ones(2)), "matrices are expected, at least two axes"),
        (lambda: tl.svd(tl.ones((2, 3))), "write full_matrices=False; vectors beyond"),
        (lambda: tl.qr(tl.ones((2, 3)), "raw"), "the mode is 'reduced', 'complete' or 'r'"),
        (lambda: tl.qr(tl.ones(2)), "matrices are expected"),
        (lambda: tl.pinv(tl.ones((2, 2)), 0.1, rtol=0.1), "two names of one number"),
        (lambda: tl.matrix_rank(tl.ones((2, 2)), 0.1, rtol=0.1), "give one of them"),
        (lambda: tl.matrix_power(tl.ones((2, 3)), 2), "square matrices are expected"),
        (lambda: tl.matrix_power(tl.ones((2, 2)), 0.5), "the power is an integer, not 0.5"),
        (lambda: tl.cross(tl.ones(2), tl.ones(2)), "vectors of three elements are expected"),
        (lambda: tl.vecdot(tl.ones(2), tl.ones(3)), "the vectors have 2 and 3 elements"),
        (lambda: tl.rot90(tl.ones((2, 2)), 1, (0, 0)), "two different axes are expected"),
        (lambda: tl.rot90(tl.ones((2, 2)), 0.5), "the number of quarter turns, not 0.5"),
        (lambda: tl.matrix_transpose(tl.ones(2)), "a matrix is expected"),
        (lambda: tl.meshgrid(tl.ones((2, 2))), "vectors are expected"),
        (lambda: tl.meshgrid(tl.ones(2), indexing="yx"), "indexing is 'xy' or 'ij', not 'yx'"),
        (lambda: tl.gradient(tl.ones(1)), "axis 0 has 1 samples, and 2 are needed"),
        (lambda: tl.gradient(tl.ones(3), edge_order=3), "edge_order is 1 or 2"),
        (lambda: tl.gradient(tl.ones((3, 3)), 1.0, 1.0, 1.0), "3 distances for 2 axes"),
        (lambda: tl.gradient(tl.ones(3), tl.ones(2)), "axis 0 has 3 samples, and coordinates of"),
        (lambda: tl.select([], []), "0 conditions and 0 choices"),
        (lambda: tl.partition(tl.ones(3), 3), "kth 3 is out of range"),
        (lambda: tl.vsplit(tl.ones(3), 1), "at least 2 axes are expected"),
        (lambda: tl.array_split(tl.ones(3), 0), "the number of parts is at least 1"),
        (lambda: tl.var(tl.ones(3), ddof=1, correction=1), "two names of one number"),
        (lambda: tl.gelu(1.0, approximate="erf"), "approximate is True, False, 'tanh' or 'none'"),
        (lambda: tl.einsum(tl.ones(2), 0), "the subscripts come first"),
        (lambda: tl.einsum(tl.ones(2), [0.5]), "the lists hold whole numbers"),
        (lambda: tl.cumsum(tl.tensor(1.0), 1), "axis 1 is out of range"),
        (lambda: tl.top_k(tl.ones(3), 4), "no 4 elements"),
        (lambda: tl.searchsorted(tl.ones((2, 2)), 1.0), r"a is f32\[2,2\], and is to be a vector"),
        (lambda: tl.searchsorted(tl.ones(2), 1.0, "middle"), "'left' or 'right'"),
        (lambda: tl.take_along_axis(tl.ones((2, 2)), tl.tensor([0])), "as many axes"),
        (lambda: tl.solve(tl.ones((2, 3)), tl.ones(2)), "square matrices"),
        (lambda: tl.solve(tl.ones((2, 2)), tl.ones(3)), "the right side is wanted"),
        (lambda: tl.det(tl.ones(3)), "square matrices"),
        (lambda: tl.cholesky(tl.ones((2, 3))), "square matrices"),
        (lambda: tl.floor(tl.tensor([True])), "bools are no numbers"),
        (lambda: tl.left_shift(tl.ones(2), 1), "integers are wanted"),
        (lambda: tl.ones(2) & 1, "bools or integers are wanted"),
        (lambda: ~tl.ones(2), "bools or integers are wanted"),
    ],
)
def test_mistakes(call, words) -> None:
    with pytest.raises(tl.errors.Error, match=words):
        call()
