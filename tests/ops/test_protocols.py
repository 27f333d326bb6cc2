"""NumPy's functions on tensors, and arrays of other libraries without a copy."""

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DeviceError, DTypeError, ShapeError, TraceError, UsageError
from tinygrad_lstm.graph.registry import FUNCTIONS

X = np.array([[1.0, -0.5], [0.25, 2.0]])
SYMMETRIC = np.array([[4.0, 1.0], [1.0, 3.0]])


@pytest.mark.parametrize(
    "f",
    [
        np.tanh, np.exp, np.absolute, np.negative, np.floor, np.rint, np.copy, np.degrees, np.radians,
        np.exp2, np.flipud, np.rot90, np.atleast_3d, np.signbit, np.nan_to_num, np.count_nonzero, np.fix, np.sinc,
        lambda x: np.kron(x, X), lambda x: np.inner(X, x), lambda x: np.logaddexp(x, X), lambda x: np.copysign(X, x),
        lambda x: np.fmax(X, x), lambda x: np.append(x, X), lambda x: np.partition(x, 1), lambda x: np.vecdot(x, X),
        lambda x: np.matrix_transpose(x), lambda x: np.select([x > 0], [x]), lambda x: np.dstack([x, X]),
        lambda x: np.linalg.matrix_power(x, 3), lambda x: np.linalg.pinv(x), lambda x: np.linalg.norm(x, "nuc"),
        lambda x: np.linalg.svd(x).S, lambda x: np.linalg.eigh(x)[0], np.linalg.matrix_rank, np.linalg.svdvals,
        lambda x: np.linalg.qr(x)[1], np.linalg.matrix_norm, np.linalg.vector_norm,
        lambda x: np.gradient(x, axis=0),
        np.sinh, np.arctan, np.isnan, np.square,
        np.sum, np.mean, np.std, np.prod, np.cumsum, np.max, np.amin, np.any, np.argmin, np.sort, np.argsort,
        np.transpose, np.ravel, np.squeeze, np.tril, np.trace, np.diagonal, np.flip, np.round, np.linalg.inv,
        np.linalg.det, np.linalg.norm, lambda x: np.sum(x, axis=0, keepdims=True), lambda x: np.std(x, ddof=1),
        lambda x: np.concatenate([x, X]), lambda x: np.stack([x, x], axis=1), lambda x: np.where(x > 0, x, 0.0),
        lambda x: np.einsum("ij,kj->ik", x, x), lambda x: np.tensordot(x, X, 1), lambda x: np.clip(x, 0, 1),
        lambda x: np.matmul(X, x), lambda x: X @ x, lambda x: X * x, lambda x: X - x, lambda x: x / X,
        lambda x: np.abs(X) ** x,
        lambda x: x < X, lambda x: X // x, lambda x: X % x, lambda x: np.maximum(X, x), lambda x: np.hypot(X, x),
        lambda x: np.take(x, [1, 0], axis=0), lambda x: np.moveaxis(x, 0, 1), lambda x: np.pad(x, 1),
        lambda x: np.roll(x, 1), lambda x: np.tile(x, 2), lambda x: np.repeat(x, 2), lambda x: np.outer(x, x),
        lambda x: np.linalg.cholesky(x @ x.T), lambda x: np.linalg.solve(x, X), lambda x: np.expand_dims(x, 0),
        lambda x: np.allclose(x, X), lambda x: np.isclose(X, x + 1), lambda x: np.array_equal(x, X),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")
def test_numpy_functions_give_tensors_with_numpys_values(f) -> None:
    got, want = f(tl.tensor(X)), f(X)
    assert isinstance(got, tl.Tensor)
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-14, atol=1e-14)


def test_numpy_reads_shapes_without_a_value() -> None:
    x = tl.symbol("x", (2, 3))
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 3), 2, 6)


def test_numpy_functions_build_graphs_and_read_parameters() -> None:
    w = tl.Parameter(X, name="w")
    np.sum(np.tanh(w) * X).backward()
    np.testing.assert_allclose(w.grad.numpy(), X * (1 - np.tanh(X) ** 2), rtol=1e-14)
    assert np.asarray(w).dtype == np.float64


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("sin", ()), ("cos", ()), ("round", ()), ("clip", (0.0, 1.0)), ("prod", (0,)), ("any", (1,)), ("all", ()),
        ("var", (0,)), ("std", (1,)), ("argmin", (0,)), ("cumsum", (1,)), ("cumprod", (0,)), ("argsort", (0,)),
        ("sort", (0,)), ("swapaxes", (0, 1)), ("squeeze", ()), ("ravel", ()), ("flatten", ()), ("repeat", (2,)),
        ("diagonal", (1,)), ("trace", ()), ("take", ([1, 0], 1)), ("dot", (X,)), ("clip", (None, 0.3)),
    ],
)  # fmt: skip
def test_methods_are_the_functions_of_their_name(method, args) -> None:
    name = {"flatten": "ravel"}.get(method, method)
    got = getattr(tl.tensor(X), method)(*args)
    np.testing.assert_array_equal(got.numpy(), FUNCTIONS[name](tl.tensor(X), *args).numpy())
    want = np.sort(X, *args) if method == "sort" else getattr(X, method)(*args) if hasattr(X, method) else None
    if want is not None:
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-14)


def test_operators_of_whole_numbers() -> None:
    n, m = tl.tensor([7, -7]), np.array([7, -7])
    for f in (
        lambda n: n // 2, lambda n: 20 // n, lambda n: n % 3, lambda n: 20 % n, lambda n: n & 6, lambda n: 6 | n,
        lambda n: n ^ 5, lambda n: ~n, lambda n: n << 3, lambda n: n >> 1, lambda n: divmod(n, 4)[1],
        lambda n: 6 & n, lambda n: n | 8, lambda n: 5 ^ n, lambda n: 3 << (n & 7), lambda n: 900 >> (n & 7),
    ):  # fmt: skip
        assert f(n).tolist() == f(m).tolist()
        assert f(n).dtype is tl.int64
    mask = (n > 0) & ~(n > 9) | (n < -9) ^ False
    assert mask.tolist() == [True, False]


def test_a_parameter_does_not_change_by_operators() -> None:
    w = tl.Parameter([1.0])
    with pytest.raises(UsageError, match="assign"):
        w //= 2
    with pytest.raises(UsageError, match="assign"):
        w %= 2


def test_unique_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unique\(f64\[2,2\]\): the shape of the result depends on values"):
        np.unique(tl.tensor(X))


@pytest.mark.parametrize(
    "dtype",
    [bool, np.int8, np.uint16, np.int32, np.int64, np.uint32, np.uint64, np.float16, np.float32, np.float64],
)
def test_dlpack_shares_memory_both_ways(dtype) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    borrowed = tl.from_dlpack(array)
    assert borrowed.dtype == np.dtype(dtype)
    assert np.shares_memory(borrowed.numpy(), array)
    back = np.from_dlpack(borrowed + 0 if dtype is not bool else borrowed)
    assert np.array_equal(back, array)
    assert not back.flags.writeable
    assert np.array_equal(tl.from_dlpack(tl.tensor(array)).numpy(), array)


def test_dlpack_of_strides_of_scalars_and_of_parameters() -> None:
    array = np.arange(12.0).reshape(3, 4)
    assert np.array_equal((tl.from_dlpack(array[::2, ::-1].T) * 2).numpy(), array[::2, ::-1].T * 2)
    assert tl.from_dlpack(np.array(3.0)).item() == 3.0
    w = tl.Parameter(array)
    assert np.shares_memory(np.from_dlpack(w), w.numpy())
    assert w.__dlpack_device__() == (1, 0)
    assert "dltensor" in repr(w.__dlpack__())  # for consumers that know DLPack before 1.0
    spread = tl.broadcast_to(tl.tensor([1.0, 2.0]), (3, 2))
    assert "dltensor" in repr(spread.__dlpack__())  # a copy: nobody may write to a view like this
    with pytest.raises((BufferError, TypeError)):  # NumPy 2.0 does not know the word
        spread.__dlpack__(copy=False)
    assert np.from_dlpack(spread).tolist() == [[1.0, 2.0]] * 3


def test_mistakes_of_dlpack() -> None:
    with pytest.raises(UsageError, match=r"list does not speak DLPack; use tl\.tensor"):
        tl.from_dlpack([1.0])
    with pytest.raises(DTypeError, match="there are no complex numbers here"):
        tl.from_dlpack(np.zeros(2, np.complex64))
    with pytest.raises(DTypeError, match="from_dlpack: "):
        tl.from_dlpack(np.zeros(2, "datetime64[s]"))

    class Elsewhere:
        def __dlpack__(self, **_):
            raise AssertionError

        def __dlpack_device__(self):
            return (8, 0)

    with pytest.raises(DeviceError, match=r"neither in host memory nor on an NVIDIA GPU; copy it with tl\.tensor"):
        tl.from_dlpack(Elsewhere())


def test_an_array_is_never_none() -> None:
    for x in (tl.tensor([1.0, 2.0]), tl.symbol("x"), tl.Parameter(1.0)):
        assert (x == None) is False  # noqa: E711
        assert (x != None) is True  # noqa: E711


before_2_1 = pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="a word that NumPy has since 2.1")


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.mean(x, dtype=np.float32), lambda x: np.sum(x, 0, np.float32),
        lambda x: np.sum(x, 0, None, None, True), lambda x: np.prod(x, dtype=np.float32),
        lambda x: np.cumsum(x, 1, np.float32), lambda x: np.cumprod(x, dtype="float32"),
        lambda x: np.mean(a=x, axis=1), lambda x: np.round(x, 1), lambda x: np.around(x, decimals=-1),
        lambda x: np.zeros_like(x, dtype=np.int32), lambda x: np.ones_like(x, dtype=bool),
        lambda x: np.full_like(x, 2, int), lambda x: np.clip(x, a_min=0, a_max=1),
        pytest.param(lambda x: np.reshape(x, shape=(4,)), marks=before_2_1), lambda x: np.std(x, ddof=1, axis=0),
        lambda x: np.concatenate((x, x), axis=1), lambda x: np.linalg.norm(x, ord=1, axis=0),
        lambda x: x.sum(0, dtype=np.float32), lambda x: x.mean(dtype=np.float32),
        lambda x: x.cumsum(0, dtype=np.float32),
    ],
)  # fmt: skip
def test_numpys_arguments_by_name_and_by_place(f) -> None:
    got, want = f(tl.tensor(X)), f(X)
    assert isinstance(got, tl.Tensor)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)


def test_a_sum_may_be_of_another_type() -> None:
    x = tl.ones(70_000, dtype="float16")
    assert (x.sum().item(), x.sum(dtype=tl.float32).item()) == (float("inf"), 70_000.0)
    assert tl.sum(tl.tensor([True, True]), dtype=tl.float32).dtype is tl.float32


@pytest.mark.parametrize("decimals", [-3, -1, 0, 1, 2, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_rounding_to_digits_is_numpys(dtype, decimals) -> None:
    values = [0, 5, 15, 25, -15, -25, 500, 1500, 1499, -1501, 2**24]
    x = np.array(
        values if dtype.startswith("i") else [*values, 0.125, 1.005, -2.675, 1e30, np.inf, np.nan, -0.0]
    ).astype(dtype)
    got, want = round(tl.tensor(x), decimals).numpy(), np.round(x, decimals)
    assert np.array_equal(got, want, equal_nan=dtype.startswith("f"))
    assert np.array_equal(tl.tensor(x).round(decimals).numpy(), got, equal_nan=dtype.startswith("f"))
    half = tl.tensor(np.array([1.26, 6e4, np.inf], np.float16)).round(1)
    assert half.tolist() == [float(np.float16(1.3)), float(np.float16(6e4)), np.inf]


@pytest.mark.parametrize("shape", [np.array([2, 3]), np.array([2, 3], np.uint8), [np.int64(2), 3], range(2, 4)])
def test_shapes_may_be_vectors(shape) -> None:
    assert tl.zeros(shape).shape == (2, 3)
    assert tl.reshape(tl.zeros(6), shape).shape == (2, 3)
    assert tl.zeros(6).reshape(shape).shape == (2, 3)
    assert tl.broadcast_to(tl.zeros(3), shape).shape == (2, 3)
    assert tl.zeros((2, 3)).sum(np.array([0, 1])).shape == ()
    assert tl.transpose(tl.zeros((2, 3)), np.array([1, 0])).shape == (3, 2)
    assert [y.shape for y in tl.split(tl.zeros(6), np.array([1, 3]))] == [(1,), (2,), (3,)]


def test_a_scan_says_what_a_number_became() -> None:
    with pytest.raises(DTypeError, match="do not mix") as caught:
        tl.scan(lambda c, _: (tl.exp(c) + np.zeros(()), c), 0.0, length=3)
    assert "starts as the number 0.0, which became float32" in "".join(caught.value.__notes__)
    total, _ = tl.scan(lambda c, x: (c + x, c), tl.tensor(0.0, dtype=tl.float64), np.ones(3))
    assert total.item() == 3.0


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sort(x, kind="stable"), lambda x: np.argsort(x, kind="quicksort"),
        lambda x: np.add(x, x, out=None),
        lambda x: np.einsum("ij,jk", x, x, optimize=True), lambda x: np.ravel(x, order="C"),
        lambda x: np.reshape(x, 4, order="C"), lambda x: np.sum(x, out=None, where=True),
        lambda x: np.clip(x, a_min=0, a_max=1), lambda x: np.clip(x, 0, 1, out=None), lambda x: np.round(x, 1),
        lambda x: np.sum(x, dtype=np.float32), lambda x: np.add(x, x, dtype=np.float32, casting="same_kind"),
        lambda x: np.add(x, 1, where=True), lambda x: np.zeros_like(x, order="K"), lambda x: np.matmul(x, x, out=None),
        lambda x: np.argmax(x, axis=0, keepdims=True), lambda x: np.take(x, [0], axis=0, mode="raise"),
        lambda x: np.add.reduce(x), lambda x: np.multiply.reduce(x, 1), lambda x: np.maximum.reduce(x, axis=None),
        lambda x: np.minimum.reduce(x, axis=1, keepdims=True), lambda x: np.add.accumulate(x, 1),
        lambda x: np.multiply.accumulate(x), lambda x: np.logical_or.reduce(x > 0),
        lambda x: np.subtract.outer(x, X[0]),
        lambda x: np.std(x, ddof=1), lambda x: np.pad(x, 1, mode="edge"), lambda x: np.pad(x, 1, constant_values=2.0),
        lambda x: np.concatenate([x, X], axis=None), lambda x: np.searchsorted(X[0], x, sorter=[1, 0]),
        lambda x: np.diff(x, prepend=0.0),
    ],
)  # fmt: skip
def test_options_of_numpys_functions(f) -> None:
    got, want = f(tl.tensor(X)), f(X)
    assert isinstance(got, tl.Tensor)
    assert (got.shape, got.dtype.name) == (np.shape(want), want.dtype.name)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.add(x, x, out=X.copy()), lambda x: np.add(x, x, where=X > 0),
        lambda x: np.reshape(x, 4, order="F"),
        lambda x: np.sum(x, initial=1.0), lambda x: np.take(x, [0], mode="wrap"),
    ],
)  # fmt: skip
def test_options_that_are_not_here(f) -> None:
    with pytest.raises(UsageError, match=r"is not supported for tensors"):
        f(tl.tensor(X))


def test_a_whole_number_counts_and_picks() -> None:
    words, n = ["a", "b", "c"], tl.argmax(tl.tensor([1.0, 3.0, 2.0]))
    assert (words[n], words[:n], list(range(n + 1)), [0] * n) == ("b", ["a"], [0, 1], [0])
    assert tl.arange(6)[: n + 1].tolist() == [0, 1]
    assert tl.zeros((n, n + 1)).shape == (1, 2)
    assert (hex(tl.State(10)), words[tl.State(np.array([[2]]))]) == ("0xa", "c")
    for wrong in (tl.tensor(1.0), tl.tensor([1, 2]), tl.tensor(True)):
        with pytest.raises(TypeError, match="is no index or count of Python's"):
            words[wrong]
    with pytest.raises(TraceError, match=r"has no value yet, so Python cannot use it as an index or a count"):
        words[tl.symbol("n", dtype=tl.int64)]
    with pytest.raises(TraceError, match="has no value yet"):
        tl.jit(lambda x: list(range(tl.argmax(x))))(tl.ones(3))


def test_a_list_of_tensors_is_their_stack() -> None:
    x = tl.tensor(np.array([1.0, 2.0]))
    y = tl.sum([x[0] * 2, 3.0, x[1]])
    assert (y.item(), y.dtype, tl.gradients(y, x).tolist()) == (7.0, tl.float64, [2.0, 1.0])
    assert tl.add(x, [x[0], x[1]]).tolist() == [2.0, 4.0]
    assert tl.mean([[x[0], x[1]], [1, 2]], axis=1).tolist() == [1.5, 1.5]
    assert tl.jit(lambda a: tl.max([a, 2 * a]))(1.5).item() == 3.0
    with pytest.raises(UsageError, match=r"join tensors with tl\.stack"):
        tl.tensor([x[0], x[1]])


def test_mistakes_of_pad() -> None:
    with pytest.raises(UsageError, match=r"pad: the mode is one of 'constant', 'edge'.*not 'mean'"):
        tl.pad(X, 1, mode="mean")
    with pytest.raises(
        ShapeError, match=r"one pair for each axis is expected as pad_width, got \(\(1, 1\), \(1, 1\), \(1"
    ):
        tl.pad(X, ((1, 1),) * 3)
    with pytest.raises(UsageError, match="pad: pad_width is a number, a pair"):
        tl.pad(X, (1, 2, 3))
    with pytest.raises(UsageError, match="pad_width is a number"):
        tl.pad(X, 1.5)
    with pytest.raises(ShapeError, match="axis 0 has size 0, so 'edge' has nothing to repeat"):
        tl.pad(np.zeros((0, 2)), 1, mode="edge")


def test_the_names_of_linear_algebra() -> None:
    matrices = np.arange(24.0).reshape(2, 3, 4)
    for name in tl.linalg.__all__:
        if name in ("diagonal", "trace"):  # of the last two axes, where those of tl take the first
            np.testing.assert_array_equal(getattr(tl.linalg, name)(matrices), getattr(np.linalg, name)(matrices))
        else:
            assert getattr(tl.linalg, name).__doc__ == getattr(tl, name).__doc__
        assert hasattr(np.linalg, name)
