"""Training in float16: copies of parameters in float32, and loss scaling."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.optim.test_optim import RULES, START, slopes, trained
from tinygrad_lstm.errors import UsageError


@pytest.mark.parametrize(("make", "wanted"), RULES.values(), ids=RULES)
def test_every_rule_steps_in_float32(make: Any, wanted: list[Any]) -> None:
    for got, want in zip(trained(make, "float16"), wanted, strict=True):
        assert got.dtype == np.float16
        # Gradients are rounded to float16 here; steps are not.
        np.testing.assert_allclose(got, want, rtol=2e-3, atol=2e-3)


def test_steps_smaller_than_the_spacing_add_up() -> None:
    p = tl.Parameter(tl.tensor([1.0], dtype="float16"))
    optimizer = tl.optim.SGD([p], 1e-4)
    for _ in range(1000):
        p.grad = tl.tensor([1.0], dtype="float16")
        optimizer.step()
    assert p.tolist() == [pytest.approx(0.9, abs=1e-3)]


def test_a_parameter_that_was_assigned_to_starts_from_there() -> None:
    p = tl.Parameter(tl.tensor([1.0, 2.0], dtype="float16"))
    optimizer = tl.optim.SGD([p], 0.25)
    p.assign(tl.tensor([5.0, 2.0], dtype="float16"))
    p.grad = tl.tensor([1.0, 1.0], dtype="float16")
    optimizer.step()
    assert p.tolist() == [4.75, 1.75]


def test_the_copies_are_in_the_state() -> None:
    def begin() -> Any:
        p = tl.Parameter(tl.tensor(START[0], dtype="float16"))
        return p, tl.optim.Adam([p], 1e-3)

    def advance(p: Any, optimizer: Any, first: int, last: int) -> None:
        for t in range(first, last):
            p.grad = tl.tensor(slopes(t)[0], dtype="float16")
            optimizer.step()

    p, optimizer = begin()
    advance(p, optimizer, 0, 40)
    q, before = begin()
    advance(q, before, 0, 15)
    r, after = begin()
    r.assign(q.detach())
    after.load_state_dict(before.state_dict())
    advance(r, after, 15, 40)
    assert set(before.state_dict()) == {"rate", "count", "mean.0", "square.0", "master.0"}
    np.testing.assert_array_equal(r.numpy(), p.numpy())
    np.testing.assert_array_equal(after.master[0].numpy(), optimizer.master[0].numpy())


def test_clipping_and_averages_of_halves() -> None:
    p = tl.Parameter(tl.tensor([300.0, 400.0], dtype="float16"))
    p.grad = p.detach()
    assert tl.optim.clip_grad_norm([p], 5.0).item() == pytest.approx(500)
    np.testing.assert_allclose(p.grad.numpy(), [3, 4], rtol=1e-3)
    average = tl.optim.Average([p], 0.999)
    p.assign(tl.tensor([0.0, 0.0], dtype="float16"))
    for _ in range(100):
        average.update()
    with average.applied():
        np.testing.assert_allclose(p.numpy(), np.array([300, 400]) * 0.999**100, rtol=1e-3)


def test_an_overflow_leaves_everything_and_halves_the_scale() -> None:
    p, q = tl.Parameter(tl.tensor([1.0], dtype="float16")), tl.Parameter([2.0])
    optimizer = tl.optim.Adam([p, q], 0.1)
    scaler = tl.optim.GradScaler(2.0**16, growth_interval=2)

    def step(slope: float) -> None:
        optimizer.zero_grad()
        scaler.scale((p * slope).sum().astype("float32") + (q * slope).sum()).backward()
        scaler.step(optimizer)
        scaler.update()

    before = {**optimizer.state_dict(), "p": p.leaf, "q": q.leaf}
    step(2.0)  # 2·2¹⁶ is inf in float16
    assert {k: x.tolist() for k, x in {**optimizer.state_dict(), "p": p.leaf, "q": q.leaf}.items()} == {
        k: x.tolist() for k, x in before.items()
    }
    assert scaler.factor.item() == 2.0**15
    step(0.5)
    assert (scaler.factor.item(), scaler.good.item()) == (2.0**15, 1)
    np.testing.assert_allclose([p.item(), q.item()], [0.9, 1.9], rtol=1e-3)
    step(0.5)
    assert (scaler.factor.item(), scaler.good.item()) == (2.0**16, 0)
    assert optimizer.count.item() == 2


def test_the_scale_stays_in_bounds() -> None:
    p = tl.Parameter([1.0])
    optimizer = tl.optim.SGD([p], 0.0)
    for start, slope, end in ((1.0, float("inf"), 1.0), (2.0**24, 1.0, 2.0**24)):
        scaler = tl.optim.GradScaler(start, growth_interval=1)
        p.grad = tl.tensor([slope])
        scaler.step(optimizer)
        scaler.update()
        assert scaler.factor.item() == end
        optimizer.zero_grad()


def test_clipping_between() -> None:
    p = tl.Parameter([3.0, 4.0])
    optimizer = tl.optim.SGD([p], 1.0)
    scaler = tl.optim.GradScaler(1024.0)
    scaler.scale((p * p).sum() / 2).backward()
    scaler.unscale(optimizer)
    assert tl.optim.clip_grad_norm([p], 1.0).item() == pytest.approx(5.0)
    scaler.step(optimizer)
    scaler.update()
    np.testing.assert_allclose(p.numpy(), [2.4, 3.2], rtol=1e-5)


def test_two_optimizers_share_a_scaler() -> None:
    a, b = tl.Parameter([1.0]), tl.Parameter([1.0])
    first, second = tl.optim.SGD([a], 0.5), tl.optim.SGD([b], 0.5)
    scaler = tl.optim.GradScaler(4.0)
    a.grad, b.grad = tl.tensor([4.0]), tl.tensor([float("nan")])
    scaler.step(first)
    scaler.step(second)
    scaler.update()
    assert (a.item(), b.item(), scaler.factor.item()) == (0.5, 1.0, 2.0)


def run(dtype: str, *, scaled: bool, compiled: bool, steps: int, small: float = 1.0) -> list[float]:
    """Losses of a small LSTM; ``small`` is what the loss is multiplied by, and the learning rate divided by."""
    lstm = tl.nn.LSTM(4, 12, key=tl.random.key(0), dtype=dtype)
    head = tl.nn.Linear(12, 4, key=tl.random.key(1), dtype=dtype)
    parameters = [*lstm.parameters(), *head.parameters()]
    optimizer = tl.optim.SGD(parameters, 0.5 / small, momentum=0.9)
    scaler = tl.optim.GradScaler(growth_interval=20)
    random = np.random.default_rng(0)
    x = tl.tensor(random.normal(size=(8, 6, 4)), dtype=dtype)
    y = tl.tensor(x.numpy().argmax(-1))

    def step(x: Any, y: Any) -> Any:
        loss = tl.nn.cross_entropy(head(lstm(x)[0]).astype("float32"), y) * small
        optimizer.zero_grad()
        if scaled:
            scaler.scale(loss).backward()
            scaler.unscale(optimizer)
            tl.optim.clip_grad_norm(parameters, 1.0 * small)
            scaler.step(optimizer)
            scaler.update()
        else:
            loss.backward()
            tl.optim.clip_grad_norm(parameters, 1.0 * small)
            optimizer.step()
        return loss / small

    called = tl.jit(step) if compiled else step
    return [called(x, y).item() for _ in range(steps)]


@pytest.mark.parametrize("compiled", [False, True])
def test_training_in_float16_follows_float32(compiled: bool) -> None:
    want = run("float32", scaled=False, compiled=compiled, steps=60)
    got = run("float16", scaled=True, compiled=compiled, steps=60)
    assert want[-1] < 0.6 * want[0]
    np.testing.assert_allclose(got, want, rtol=0.02)


def test_small_gradients_need_the_scale() -> None:
    small = 2.0**-20
    want = run("float32", scaled=False, compiled=True, steps=30, small=small)
    scaled = run("float16", scaled=True, compiled=True, steps=30, small=small)
    alone = run("float16", scaled=False, compiled=True, steps=30, small=small)
    np.testing.assert_allclose(scaled, want, rtol=0.02)
    assert abs(alone[-1] - want[-1]) > 10 * abs(scaled[-1] - want[-1])


def test_a_step_that_failed_in_a_trace_is_forgotten() -> None:
    p = tl.Parameter([1.0])
    optimizer = tl.optim.SGD([p], 0.5)
    scaler = tl.optim.GradScaler(4.0)
    broken = True

    @tl.jit
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        scaler.scale((p * x).sum()).backward()
        scaler.unscale(optimizer)
        if broken:
            raise KeyError("mine")
        scaler.step(optimizer)
        scaler.update()

    with pytest.raises(KeyError):
        step(tl.ones(1))
    broken = False
    step(tl.ones(1))
    assert p.item() == 0.5


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("init_scale is between 1 and 2\\*\\*24, not 0", lambda: tl.optim.GradScaler(0)),
        ("growth_factor is at least 1, not 0.5", lambda: tl.optim.GradScaler(growth_factor=0.5)),
        ("backoff_factor is above 0 and below 1, not 2", lambda: tl.optim.GradScaler(backoff_factor=2)),
        ("growth_interval is at least 1, not 0", lambda: tl.optim.GradScaler(growth_interval=0)),
        ("no step was made since", lambda: tl.optim.GradScaler().update()),
        ("call scaler.scale", lambda: tl.optim.GradScaler().step(tl.optim.SGD([tl.Parameter(1.0)], 0.1))),
    ],
)
def test_mistakes(message: str, call: Any) -> None:
    with pytest.raises(UsageError, match=message):
        call()


def test_gradients_are_divided_once() -> None:
    p = tl.Parameter([1.0])
    optimizer, scaler = tl.optim.SGD([p], 0.5), tl.optim.GradScaler(4.0)
    p.grad = tl.tensor([4.0])
    scaler.unscale(optimizer)
    with pytest.raises(UsageError, match="unscaled already"):
        scaler.unscale(optimizer)
