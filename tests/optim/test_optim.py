"""Optimisers against loops in NumPy."""

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import Error, UsageError

STEPS = 6
START = [np.array([1.0, -2.0, 0.5]), np.array([[0.3]])]


def slopes(t: int) -> list[np.ndarray]:
    random = np.random.default_rng(t)
    return [random.normal(size=p.shape) for p in START]


def trained(make, dtype: str) -> list[np.ndarray]:
    parameters = [tl.Parameter(p.astype(dtype)) for p in START]
    optimizer = make(parameters)
    for t in range(STEPS):
        for p, g in zip(parameters, slopes(t), strict=True):
            tl.sum(p * g.astype(dtype)).backward()
        optimizer.step()
        optimizer.zero_grad()
        assert all(p.grad is None for p in parameters)
    return [p.numpy() for p in parameters]


def descended(lr: float, momentum: float = 0.0) -> list[np.ndarray]:
    ps, vs = [p.copy() for p in START], [np.zeros_like(p) for p in START]
    for t in range(STEPS):
        for k, g in enumerate(slopes(t)):
            vs[k] = momentum * vs[k] + g
            ps[k] -= lr * vs[k]
    return ps


def adapted(lr: float, b1: float, b2: float, eps: float) -> list[np.ndarray]:
    ps = [p.copy() for p in START]
    ms, vs = [np.zeros_like(p) for p in START], [np.zeros_like(p) for p in START]
    for t in range(STEPS):
        for k, g in enumerate(slopes(t)):
            ms[k] = b1 * ms[k] + (1 - b1) * g
            vs[k] = b2 * vs[k] + (1 - b2) * g * g
            m, v = ms[k] / (1 - b1 ** (t + 1)), vs[k] / (1 - b2 ** (t + 1))
            ps[k] -= lr * m / (np.sqrt(v) + eps)
    return ps


# The learning rate is kept in float32.
RATE = float(np.float32(0.05))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda ps: tl.optim.SGD(ps, RATE), descended(RATE)),
        (lambda ps: tl.optim.SGD(ps, RATE, momentum=0.9), descended(RATE, 0.9)),
        (lambda ps: tl.optim.Adam(ps, RATE), adapted(RATE, 0.9, 0.999, 1e-8)),
        (lambda ps: tl.optim.Adam(ps, RATE, (0.5, 0.9), 1e-3), adapted(RATE, 0.5, 0.9, 1e-3)),
    ],
    ids=["sgd", "momentum", "adam", "adam-betas"],
)
def test_several_steps(make, wanted, dtype: str, tolerance: float) -> None:
    for got, want in zip(trained(make, dtype), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def test_a_parameter_without_gradient_stays() -> None:
    used, unused = tl.Parameter(1.0), tl.Parameter(1.0)
    optimizer = tl.optim.Adam([used, unused], 0.1)
    (used * used).backward()
    optimizer.step()
    assert unused.item() == 1.0
    assert used.item() == pytest.approx(0.9)


def test_the_learning_rate_can_be_changed() -> None:
    p = tl.Parameter(1.0)
    optimizer = tl.optim.SGD([p], 0.1)
    assert optimizer.lr == pytest.approx(0.1)
    optimizer.lr = 0.5
    assert optimizer.lr == 0.5
    (p * 1.0).backward()
    optimizer.step()
    assert p.item() == 0.5


def test_the_state_of_an_optimizer_goes_round() -> None:
    def begin():
        p = tl.Parameter(1.0)
        return p, tl.optim.Adam([p], 0.1)

    def advance(p, optimizer, steps):
        for _ in range(steps):
            (p * p).backward()
            optimizer.step()
            optimizer.zero_grad()

    p, optimizer = begin()
    advance(p, optimizer, 5)
    q, resumed = begin()
    advance(q, resumed, 2)
    state = resumed.state_dict()
    assert set(state) == {"rate", "count", "mean.0", "square.0"}
    r, other = begin()
    other.load_state_dict(state)
    r.assign(q.leaf)
    advance(r, other, 3)
    assert r.item() == p.item()


def test_an_update_reads_only_old_values() -> None:
    a, b = tl.Parameter(1.0), tl.Parameter(2.0)
    optimizer = tl.optim.SGD([a, b], 1.0)
    (a * b).backward()
    optimizer.step()
    assert (a.item(), b.item()) == (-1.0, 1.0)


def test_an_optimizer_without_a_rule_says_so() -> None:
    p = tl.Parameter(1.0)
    (p * p).backward()
    with pytest.raises(UsageError, match="Optimizer has no update rule; write its _update"):
        tl.optim.Optimizer([p], 0.1).step()


def test_clip_grad_norm() -> None:
    a, b = tl.Parameter([3.0, 0.0]), tl.Parameter(4.0)
    (tl.sum(a * a) / 2 + b * b / 2).backward()
    assert tl.optim.clip_grad_norm([a, b], 10.0).item() == pytest.approx(5.0)
    assert (a.grad.tolist(), b.grad.item()) == ([3.0, 0.0], 4.0)
    assert tl.optim.clip_grad_norm([a, b], 1.0).item() == pytest.approx(5.0)
    np.testing.assert_allclose(a.grad.numpy(), [0.6, 0.0], rtol=1e-5)
    assert b.grad.item() == pytest.approx(0.8, rel=1e-5)
    assert tl.optim.clip_grad_norm([a, b], 1.0).item() == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("SGD: there are no parameters to train", lambda: tl.optim.SGD([], 0.1)),
        ("SGD: parameters are wanted, not Tensor; give model.parameters", lambda: tl.optim.SGD([tl.tensor(1.0)], 0.1)),
        ("SGD: the learning rate is ≥ 0, not -1", lambda: tl.optim.SGD([tl.Parameter(1.0)], -1)),
        ("SGD: the momentum is in", lambda: tl.optim.SGD([tl.Parameter(1.0)], 1, momentum=1.0)),
        ("Adam: betas are in", lambda: tl.optim.Adam([tl.Parameter(1.0)], betas=(0.9, 1.0))),
        ("Adam.step: no parameter has a gradient; call", lambda: tl.optim.Adam([tl.Parameter(1.0)]).step()),
        ("the bound is above 0, not 0", lambda: tl.optim.clip_grad_norm([tl.Parameter(1.0)], 0)),
        ("no parameter has a gradient; call", lambda: tl.optim.clip_grad_norm([tl.Parameter(1.0)], 1)),
    ],
)
def test_mistakes(message: str, call) -> None:
    with pytest.raises(UsageError, match=message):
        call()
    assert issubclass(UsageError, Error)
