"""float16: sums are accumulated in float32 and rounded once, in every function and on every backend."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c

COUNT = 3000
SMALL = np.random.default_rng(0).uniform(0.0, 0.02, (COUNT, 8)).astype(np.float16)
LARGE = np.full((COUNT, 2), 300, np.float16)
"""The sum and the squares are beyond float16, their means and roots are not."""
PLACES = np.arange(COUNT) % 3


def one_hot(places: Any) -> Any:
    return np.eye(3)[places]


CASES: dict[str, tuple[Any, Any, Any]] = {
    "sum over rows": (lambda x: x.sum(0), lambda x: x.sum(0), SMALL),
    "sum over columns": (lambda x: tl.transpose(x).sum(1), lambda x: x.sum(0), SMALL),
    "sum of all": (lambda x: x.sum(), lambda x: x.sum(), SMALL),
    "sum of large ones": (lambda x: (x.sum(0) - x[0, 0]), lambda x: x[0] * np.inf, LARGE),
    "mean": (lambda x: x.mean(0), lambda x: x.mean(0), LARGE),
    "var": (lambda x: tl.var(x, 0), lambda x: x.var(0), SMALL),
    "std of large ones": (lambda x: tl.std(x - x * 2 * (tl.arange(2) > 0), 1), lambda x: x[:, 0], LARGE),
    "norm": (lambda x: tl.norm(x, axis=0), lambda x: np.sqrt((x * x).sum(0)), LARGE),
    "norm of one kind": (lambda x: tl.norm(x, 1, axis=0), lambda x: np.abs(x).sum(0), SMALL),
    "hypot": (lambda x: tl.hypot(x, x), lambda x: np.hypot(x, x), LARGE),
    "matmul": (lambda x: tl.transpose(x) @ x, lambda x: x.T @ x, SMALL),
    "matmul batched": (lambda x: tl.stack([x, x]).swapaxes(1, 2) @ x, lambda x: np.stack([x.T @ x] * 2), SMALL),
    "einsum": (lambda x: tl.einsum("ij,ik->j", x, x), lambda x: np.einsum("ij,ik->j", x, x), SMALL),
    "dot": (lambda x: tl.dot(x[:, 0], x[:, 1]), lambda x: x[:, 0] @ x[:, 1], SMALL),
    "trace": (lambda x: tl.trace(x @ tl.transpose(x) * 0 + x[:, :1]), lambda x: x[:, 0].sum(), SMALL[:500]),
    "scatter_add": (
        lambda x: tl.scatter_add(x, tl.tensor(PLACES), size=3), lambda x: one_hot(PLACES).T @ x, SMALL,
    ),
    "gradient of take": (
        lambda x: tl.grad(lambda t: (t[tl.tensor(PLACES)] * x).sum())(tl.zeros((3, 8), dtype="float16")),
        lambda x: one_hot(PLACES).T @ x, SMALL,
    ),
    "gradient of a broadcast": (
        lambda x: tl.grad(lambda b: (b * x).sum())(tl.zeros(8, dtype="float16")), lambda x: x.sum(0), SMALL,
    ),
    "cumsum": (lambda x: tl.cumsum(x, 0), lambda x: x.cumsum(0), SMALL),
    "prod": (lambda x: tl.prod(x, 0), lambda x: x.prod(0), np.array([[1e3], [1e3], [1e-3]], np.float16)),
    "cumprod": (lambda x: tl.cumprod(x, 0)[2], lambda x: x.prod(0), np.array([[1e3], [1e3], [1e-3]], np.float16)),
    "logsumexp": (
        lambda x: tl.logsumexp(x, 0), lambda x: np.log(np.exp(x).sum(0)), np.zeros((70_000, 2), np.float16),
    ),
    "softmax": (lambda x: tl.softmax(x, 0), lambda x: np.exp(x) / np.exp(x).sum(0), SMALL),
    "mse": (lambda x: tl.nn.mse(x, x * 0)[None] / 256, lambda x: (x * x).mean()[None] * np.inf, LARGE),
    "mse of a few": (
        lambda x: tl.nn.mse(tl.concatenate([x[:1], x[1:] * 0]), x * 0), lambda x: (x[0] ** 2).sum() / x.size, LARGE,
    ),
    "cross_entropy": (
        lambda x: tl.nn.cross_entropy(x * 100, tl.zeros(COUNT, dtype="int64"), label_smoothing=0.5) * 0
        + tl.nn.cross_entropy(tl.concatenate([x[:, :1], x[:, :1] + 30], 1), tl.zeros(COUNT, dtype="int64"),
                              weight=np.ones(2, np.float16)),
        lambda x: np.array(30.0), SMALL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", ["plain", "numpy", pytest.param("c", marks=needs_c)])
@pytest.mark.parametrize("name", CASES)
def test_sums_are_rounded_once(name: str, way: str) -> None:
    f, referee, x = CASES[name]
    with tl.use_backend("numpy" if way == "plain" else way):
        got = (f if way == "plain" else tl.jit(f))(tl.tensor(x)).numpy()
    with np.errstate(over="ignore"):
        want = np.asarray(referee(x.astype(float))).astype(np.float16)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    with np.errstate(invalid="ignore"):
        apart = np.abs(got.astype(float) - want.astype(float))
        allowed = np.spacing(np.abs(want)).astype(float) * 1.01
    assert (np.isinf(want) & (got == want) | (apart <= allowed)).all()
