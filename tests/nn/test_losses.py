"""Losses against NumPy, and their gradients against finite differences."""

import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.testing import check_gradients

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(4, 3, 5))
CLASSES = RANDOM.integers(0, 5, size=(4, 3))
PADDED = np.where(RANDOM.random((4, 3)) < 0.3, -1, CLASSES)
WEIGHT = np.array([1.0, 2.0, 0.0, 0.5, 3.0])
A, B = RANDOM.normal(size=(4, 3)) * 2, RANDOM.normal(size=(4, 3))
PROBABILITIES = np.exp(A) / np.exp(A).sum(-1, keepdims=True)


def log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def surprise(logits: Any, targets: Any, ignore: int = -100, smoothing: float = 0.0, weight: Any = None) -> float:
    """Number by number."""
    logs, weight = log_softmax(logits), np.ones(5) if weight is None else weight
    total = counted = 0.0
    for place in np.ndindex(targets.shape):
        target = targets[place]
        if target == ignore:
            continue
        share = np.full(5, smoothing / 5)
        share[target] += 1 - smoothing
        total -= sum(weight[k] * share[k] * logs[place][k] for k in range(5))
        counted += weight[target]
    return total / counted


CASES: list[tuple[Any, float, Any]] = [
    (lambda x: tl.nn.cross_entropy(x, CLASSES), surprise(LOGITS, CLASSES), LOGITS),
    (lambda x: tl.nn.cross_entropy(x, PADDED, ignore_index=-1), surprise(LOGITS, PADDED, -1), LOGITS),
    (lambda x: tl.nn.cross_entropy(x, CLASSES, label_smoothing=0.2), surprise(LOGITS, CLASSES, -100, 0.2), LOGITS),
    (lambda x: tl.nn.cross_entropy(x, CLASSES, weight=WEIGHT), surprise(LOGITS, CLASSES, -100, 0, WEIGHT), LOGITS),
    (
        lambda x: tl.nn.cross_entropy(x, PADDED, ignore_index=-1, label_smoothing=0.3, weight=WEIGHT[::-1].copy()),
        surprise(LOGITS, PADDED, -1, 0.3, WEIGHT[::-1]),
        LOGITS,
    ),
    (lambda x: tl.nn.nll(tl.log_softmax(x), CLASSES), surprise(LOGITS, CLASSES), LOGITS),
    (
        lambda x: tl.nn.nll(tl.log_softmax(x), PADDED, ignore_index=-1, weight=WEIGHT),
        surprise(LOGITS, PADDED, -1, 0, WEIGHT),
        LOGITS,
    ),
    (lambda x: tl.nn.mse(x, B), ((A - B) ** 2).mean(), A),
    (lambda x: tl.nn.mae(x, B), np.abs(A - B).mean(), A),
    (
        lambda x: tl.nn.huber(x, B, 0.7),
        np.where(np.abs(A - B) <= 0.7, (A - B) ** 2 / 2, 0.7 * (np.abs(A - B) - 0.35)).mean(),
        A,
    ),
    (
        lambda x: tl.nn.bce_with_logits(x, PROBABILITIES),
        -(PROBABILITIES * np.log(1 / (1 + np.exp(-A))) + (1 - PROBABILITIES) * np.log(1 / (1 + np.exp(A)))).mean(),
        A,
    ),
    (
        lambda x: tl.nn.bce_with_logits(x, PROBABILITIES, pos_weight=2.5),
        (2.5 * PROBABILITIES * np.log(1 + np.exp(-A)) + (1 - PROBABILITIES) * np.log(1 + np.exp(A))).mean(),
        A,
    ),
    (
        lambda x: tl.nn.kl_div(tl.log_softmax(x), PROBABILITIES),
        (PROBABILITIES * (np.log(PROBABILITIES) - log_softmax(B))).sum(-1).mean(),
        B,
    ),
]
NAMES = ["ce", "ce-ignore", "ce-smooth", "ce-weight", "ce-all", "nll", "nll-all", "mse", "mae", "huber", "bce", "bce-w"]


@pytest.mark.parametrize(("loss", "want", "at"), CASES, ids=[*NAMES, "kl"])
def test_values_and_gradients(loss: Any, want: float, at: Any) -> None:
    got = loss(tl.tensor(at))
    assert got.shape == ()
    assert got.dtype == "float64"
    assert got.item() == pytest.approx(want, rel=1e-12)
    if at is LOGITS:  # the targets of the others are of float64
        assert loss(tl.tensor(at.astype(np.float32))).item() == pytest.approx(want, rel=1e-5)
    check_gradients(loss, at)


def test_ignored_targets_reach_no_gradient_even_where_the_scores_are_infinite() -> None:
    logits = tl.tensor([[0.0, 1.0], [float("-inf"), 0.0]])
    loss = tl.nn.cross_entropy(logits, tl.tensor([1, -1]), ignore_index=-1)
    assert loss.item() == pytest.approx(np.log1p(np.exp(-1)))
    assert tl.gradients(loss, logits)[1].tolist() == [0, 0]


def test_nothing_left_gives_nan() -> None:
    assert np.isnan(tl.nn.cross_entropy(tl.zeros((2, 3)), tl.tensor([0, 0]), ignore_index=0).item())


def test_large_logits_neither_overflow_nor_lose_the_gradient() -> None:
    x = tl.tensor([1e4, -1e4])
    loss = tl.nn.bce_with_logits(x, [0.0, 1.0])
    assert loss.item() == 1e4
    assert tl.gradients(loss, x).tolist() == [0.5, -0.5]
    assert tl.nn.bce_with_logits(x, tl.tensor([True, False])).item() == 0


def test_the_divergence_of_certain_distributions() -> None:
    log_q = tl.tensor([0.0, float("-inf")])
    assert tl.nn.kl_div(log_q, [1.0, 0.0]).item() == 0
    assert tl.gradients(tl.nn.kl_div(log_q, [1.0, 0.0]), log_q).tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (DTypeError, "nll: targets are class numbers, got f32", lambda: tl.nn.nll(LOGITS, tl.ones((4, 3)))),
        (ShapeError, r"nll: log_probabilities f64\[4,3,5\] want targets of", lambda: tl.nn.nll(LOGITS, [1])),
        (UsageError, r"label_smoothing is in \[0, 1\], not 2",
         lambda: tl.nn.cross_entropy(LOGITS, CLASSES, label_smoothing=2)),
        (ShapeError, r"cross_entropy: weight has the shape \[4\], expected \[5\]",
         lambda: tl.nn.cross_entropy(LOGITS, CLASSES, weight=[1.0] * 4)),
        (ShapeError, r"mse: f64\[4,3\] and f64\[3\] differ in shape", lambda: tl.nn.mse(A, A[0])),
        (ShapeError, "mae: .* differ in shape", lambda: tl.nn.mae(A, A[0])),
        (UsageError, "delta is a finite number above 0, not 0", lambda: tl.nn.huber(A, B, 0)),
        (UsageError, "pos_weight is", lambda: tl.nn.bce_with_logits(A, B, pos_weight=-1)),
        (ShapeError, "a single number is no distribution", lambda: tl.nn.kl_div(1.0, 1.0)),
    ],
)  # fmt: skip
def test_mistakes(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "loss",
    [
        lambda r: tl.nn.cross_entropy(LOGITS, CLASSES, reduction=r), lambda r: tl.nn.mse(A, B, reduction=r),
        lambda r: tl.nn.cross_entropy(LOGITS, CLASSES, label_smoothing=0.2, reduction=r),
        lambda r: tl.nn.nll(LOGITS, CLASSES, reduction=r), lambda r: tl.nn.mae(A, B, reduction=r),
        lambda r: tl.nn.huber(A, B, 0.7, reduction=r), lambda r: tl.nn.bce_with_logits(A, PROBABILITIES, reduction=r),
        lambda r: tl.nn.kl_div(log_softmax(B), PROBABILITIES, reduction=r),
    ],
)  # fmt: skip
def test_reductions(loss: Any) -> None:
    mean, total, terms = (loss(r) for r in ("mean", "sum", "none"))
    assert terms.shape in ((4, 3), (4,))
    np.testing.assert_allclose([mean.item(), total.item()], [terms.numpy().mean(), terms.numpy().sum()], rtol=1e-12)
    with pytest.raises(UsageError, match="reduction is 'mean', 'sum' or 'none', not 'batchmean'"):
        loss("batchmean")


def test_reductions_of_weighted_and_ignored_targets() -> None:
    options: Any = {"ignore_index": -1, "label_smoothing": 0.3, "weight": WEIGHT}
    terms = tl.nn.cross_entropy(LOGITS, PADDED, reduction="none", **options).numpy()
    assert (terms[PADDED == -1] == 0).all()
    for place in np.argwhere(PADDED != -1):
        k = tuple(place)
        one = surprise(LOGITS[k][None], np.array([PADDED[k]]), -1, 0.3, WEIGHT) if WEIGHT[PADDED[k]] else None
        if one is not None:
            assert terms[k] == pytest.approx(one * WEIGHT[PADDED[k]], rel=1e-12)
    total = tl.nn.cross_entropy(LOGITS, PADDED, reduction="sum", **options).item()
    assert total == pytest.approx(terms.sum(), rel=1e-12)


def test_weights_of_binary_cross_entropy() -> None:
    positive, weight = np.array([1.0, 0.0, 3.0]), RANDOM.random((4, 1))
    up, down = np.log1p(np.exp(-A)), np.log1p(np.exp(A))
    want = weight * (positive * PROBABILITIES * up + (1 - PROBABILITIES) * down)
    f = lambda x: tl.nn.bce_with_logits(x, PROBABILITIES, weight=weight, pos_weight=positive)  # noqa: E731
    assert f(A).item() == pytest.approx(want.mean(), rel=1e-12)
    check_gradients(f, A, order=2)
    with pytest.raises(ShapeError, match=r"bce_with_logits: weight f64\[2\] does not broadcast|do not broadcast"):
        tl.nn.bce_with_logits(A, B, weight=np.ones(2))


def steps_of_softmax() -> Any:
    return tl.scan(lambda h, x: (h, tl.softmax(x)), tl.zeros(()), tl.tensor(LOGITS))[1]


X, Y, ONE_HOT = tl.tensor(LOGITS), tl.tensor(CLASSES), tl.tensor(PROBABILITIES)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("cross_entropy takes logits, not the result of softmax.x. .*; write cross_entropy.x, targets",
            lambda: tl.nn.cross_entropy(tl.softmax(X), Y)),
        ("result of softmax", lambda: tl.nn.cross_entropy(tl.softmax(X).reshape((-1, 5)), Y.reshape(-1))),
        ("result of softmax", lambda: tl.nn.cross_entropy(tl.softmax(X.astype(tl.float16)).named("p"), Y)),
        ("result of softmax", lambda: tl.nn.cross_entropy(steps_of_softmax(), Y)),
        ("result of softmax", lambda: tl.nn.cross_entropy(tl.softmax(X).swapaxes(0, 1)[1:], Y.swapaxes(0, 1)[1:])),
        ("result of softmax", lambda: tl.jit(lambda x: tl.nn.cross_entropy(tl.softmax(x), Y))(X)),
        ("nll takes log-probabilities, not the result of softmax.*; write nll.tl.log_softmax.x., targets",
            lambda: tl.nn.nll(tl.softmax(X), Y)),
        ("kl_div takes log-probabilities, not the result of softmax", lambda: tl.nn.kl_div(tl.softmax(A), ONE_HOT)),
        ("bce_with_logits takes logits, not the result of sigmoid.*; write bce_with_logits.x, targets",
            lambda: tl.nn.bce_with_logits(tl.sigmoid(X)[..., 0].reshape(-1), Y.reshape(-1) > 2)),
        ("result of sigmoid", lambda: tl.nn.bce_with_logits(tl.sigmoid(A).reshape(-1), ONE_HOT.reshape(-1))),
    ],
)  # fmt: skip
def test_a_loss_of_what_it_computes_by_itself_is_warned_of(message: str, call: Any) -> None:
    with pytest.warns(UserWarning, match=message) as caught:
        call()
    (warning,) = caught
    assert warning.filename == __file__


def test_in_a_loop_it_is_said_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            tl.nn.cross_entropy(tl.softmax(X), Y)
    assert len(caught) == 1


def test_what_only_looks_like_it_is_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scores in (X, tl.exp(X), tl.exp(X - X.max(-1, keepdims=True)), tl.softmax(X, axis=0), tl.softmax(X) * 8):
            tl.nn.cross_entropy(scores, Y)
        # Neither of these is 1 in total.
        tl.nn.cross_entropy(tl.exp(X - tl.logsumexp(tl.sin(X), axis=-1, keepdims=True)), Y)
        tl.nn.cross_entropy(tl.exp(X[0, :, :3] - tl.logsumexp(X[0, :, :3], axis=-1)), Y[0] % 3)
        # Two numbers of each of ten distributions are no distribution.
        tl.nn.cross_entropy(tl.softmax(X).reshape((30, 2)), tl.zeros(30, dtype=tl.int64))
        tl.nn.cross_entropy(tl.softmax(X, axis=1).swapaxes(1, 2)[..., :3], Y[:, [0, 0, 0, 0, 0]] % 3)
        tl.nn.cross_entropy(tl.log_softmax(X), Y)
        tl.nn.nll(tl.log(tl.softmax(X)), Y)
        tl.nn.kl_div(tl.log_softmax(A), tl.softmax(B))
        tl.nn.bce_with_logits(tl.tensor(A), tl.sigmoid(B))
        tl.nn.mse(tl.softmax(A), tl.softmax(B))
