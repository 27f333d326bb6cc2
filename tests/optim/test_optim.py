"""Optimisers against loops in NumPy."""

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import Error, UsageError

STEPS = 6
START = [np.array([1.0, -2.0, 0.5]), np.array([[0.3]])]


@pytest.mark.parametrize("kind", [tl.optim.SGD, tl.optim.Adam, tl.optim.Lion])
def test_the_rate_is_as_exact_as_the_parameter(kind) -> None:
    p = tl.Parameter(np.ones(2))
    opt = kind([p], lr=0.1)
    assert opt.lr == 0.1
    p.sum().backward()
    opt.step()
    np.testing.assert_allclose(p.numpy(), 0.9, rtol=2e-9)


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


def stepped(rule) -> list[np.ndarray]:
    """``rule(p, g, memory)`` is the new p, with a dict of its own for each parameter."""
    ps, memories = [p.copy() for p in START], [{} for _ in START]
    for t in range(STEPS):
        for k, g in enumerate(slopes(t)):
            ps[k] = rule(ps[k], g, memories[k])
    return ps


def kept(memory, name: str, share: float, value):
    """A running mean that starts at 0."""
    memory[name] = share * memory.get(name, 0.0) + (1 - share) * value
    return memory[name]


def nesterov(p, g, memory):
    g = g + 0.1 * p
    memory["v"] = 0.9 * memory.get("v", 0.0) + g
    return p - RATE * (g + 0.9 * memory["v"])


def adagrad(p, g, memory):
    memory["s"] = memory.get("s", 0.0) + g * g
    return p - RATE * g / (np.sqrt(memory["s"]) + 1e-10)


def rmsprop(p, g, memory):
    return p - RATE * g / (np.sqrt(kept(memory, "v", 0.99, g * g)) + 1e-8)


def rmsprop_momentum(p, g, memory):
    memory["b"] = 0.5 * memory.get("b", 0.0) + g / (np.sqrt(kept(memory, "v", 0.9, g * g)) + 1e-8)
    return p - RATE * memory["b"]


def adadelta(p, g, memory):
    v = kept(memory, "v", 0.9, g * g)
    d = np.sqrt(memory.get("u", 0.0) + 1e-6) / np.sqrt(v + 1e-6) * g
    kept(memory, "u", 0.9, d * d)
    return p - d


def adamw(p, g, memory):
    memory["t"] = memory.get("t", 0) + 1
    m, v = kept(memory, "m", 0.9, g), kept(memory, "v", 0.999, g * g)
    step = m / (1 - 0.9 ** memory["t"]) / (np.sqrt(v / (1 - 0.999 ** memory["t"])) + 1e-8)
    return p - RATE * 0.3 * p - RATE * step


def lion(p, g, memory):
    u = np.sign(0.9 * memory.get("m", 0.0) + 0.1 * g)
    kept(memory, "m", 0.99, g)
    return p - RATE * (u + 0.3 * p)


# The learning rate is kept in float32.
RATE = float(np.float32(0.05))

RULES = {
    "sgd": (lambda ps: tl.optim.SGD(ps, RATE), descended(RATE)),
    "momentum": (lambda ps: tl.optim.SGD(ps, RATE, momentum=0.9), descended(RATE, 0.9)),
    "nesterov": (lambda ps: tl.optim.SGD(ps, RATE, 0.9, nesterov=True, weight_decay=0.1), stepped(nesterov)),
    "adam": (lambda ps: tl.optim.Adam(ps, RATE), adapted(RATE, 0.9, 0.999, 1e-8)),
    "adam-betas": (lambda ps: tl.optim.Adam(ps, RATE, (0.5, 0.9), 1e-3), adapted(RATE, 0.5, 0.9, 1e-3)),
    "adamw": (lambda ps: tl.optim.AdamW(ps, RATE, weight_decay=0.3), stepped(adamw)),
    "adagrad": (lambda ps: tl.optim.Adagrad(ps, RATE), stepped(adagrad)),
    "rmsprop": (lambda ps: tl.optim.RMSprop(ps, RATE), stepped(rmsprop)),
    "rmsprop-momentum": (lambda ps: tl.optim.RMSprop(ps, RATE, 0.9, momentum=0.5), stepped(rmsprop_momentum)),
    "adadelta": (lambda ps: tl.optim.Adadelta(ps), stepped(adadelta)),
    "lion": (lambda ps: tl.optim.Lion(ps, RATE, weight_decay=0.3), stepped(lion)),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize(("make", "wanted"), RULES.values(), ids=RULES)
def test_several_steps(make, wanted, dtype: str, tolerance: float) -> None:
    for got, want in zip(trained(make, dtype), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("make", [make for make, _ in RULES.values()], ids=RULES)
def test_the_state_of_every_optimizer_goes_round(make) -> None:
    def advance(parameters, optimizer, first: int, last: int) -> None:
        for t in range(first, last):
            for p, g in zip(parameters, slopes(t), strict=True):
                p.grad = tl.tensor(g)
            optimizer.step()

    straight = [tl.Parameter(p) for p in START]
    advance(straight, make(straight), 0, 5)
    first = [tl.Parameter(p) for p in START]
    before = make(first)
    advance(first, before, 0, 2)
    second = [tl.Parameter(p.detach()) for p in first]
    after = make(second)
    after.load_state_dict({name: value.numpy() for name, value in before.state_dict().items()})
    advance(second, after, 2, 5)
    for p, q in zip(straight, second, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


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


def test_clip_grad_value() -> None:
    a, b = tl.Parameter([3.0, -0.5]), tl.Parameter(-4.0)
    (tl.sum(a * a) / 2 + b * b / 2).backward()
    tl.optim.clip_grad_value([a, b, tl.Parameter(1.0)], 1.5)
    assert (a.grad.tolist(), b.grad.item()) == ([1.5, -0.5], -1.5)


def test_gradients_of_parts_add_up_to_that_of_the_whole() -> None:
    layer = tl.nn.Linear(3, 1, key=tl.random.key(0))
    x = tl.random.normal(tl.random.key(1), (8, 3))
    (layer(x) ** 2).mean().backward()
    whole = [p.grad.numpy() for p in layer.parameters()]
    layer.zero_grad()
    for part in (x[:4], x[4:]):
        ((layer(part) ** 2).mean() / 2).backward()
    for p, want in zip(layer.parameters(), whole, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), want, rtol=1e-5)


def test_the_average_of_parameters() -> None:
    p = tl.Parameter(START[0])
    average = tl.optim.Average([p], decay=0.8)
    want = START[0].copy()
    for t in range(4):
        p.assign(slopes(t)[0])
        average.update()
        want = 0.8 * want + 0.2 * slopes(t)[0]
    assert set(average.state_dict()) == {"mean.0"}
    other = tl.optim.Average([p])
    other.load_state_dict(average.state_dict())

    def interrupted() -> None:
        with other.applied():
            np.testing.assert_allclose(p.numpy(), want, rtol=1e-12)
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    np.testing.assert_array_equal(p.numpy(), slopes(3)[0])


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("the momentum, which is 0", lambda: tl.optim.SGD([tl.Parameter(1.0)], 1, nesterov=True)),
        ("SGD: weight_decay is a finite number", lambda: tl.optim.SGD([tl.Parameter(1.0)], 1, weight_decay=-1)),
        ("AdamW: weight_decay is", lambda: tl.optim.AdamW([tl.Parameter(1.0)], weight_decay=-1)),
        ("AdamW: betas are in", lambda: tl.optim.AdamW([tl.Parameter(1.0)], betas=(1.0, 0.9))),
        ("Adam: eps is", lambda: tl.optim.Adam([tl.Parameter(1.0)], eps=-1)),
        ("Adagrad: eps is", lambda: tl.optim.Adagrad([tl.Parameter(1.0)], eps=-1)),
        ("RMSprop: alpha is in", lambda: tl.optim.RMSprop([tl.Parameter(1.0)], alpha=1)),
        ("RMSprop: the momentum is in", lambda: tl.optim.RMSprop([tl.Parameter(1.0)], momentum=1)),
        ("Adadelta: rho is in", lambda: tl.optim.Adadelta([tl.Parameter(1.0)], rho=-0.1)),
        ("Lion: betas are in", lambda: tl.optim.Lion([tl.Parameter(1.0)], betas=(0.9, 1.0))),
        ("Average: decay is in", lambda: tl.optim.Average([tl.Parameter(1.0)], 1.0)),
        ("Average: there are no parameters", lambda: tl.optim.Average([])),
        ("clip_grad_value: the bound is above 0", lambda: tl.optim.clip_grad_value([tl.Parameter(1.0)], 0)),
        ("clip_grad_value: no parameter has", lambda: tl.optim.clip_grad_value([tl.Parameter(1.0)], 1)),
        ("SGD: there are no parameters to train", lambda: tl.optim.SGD([], 0.1)),
        ("SGD: parameters are wanted, not Tensor; give model.parameters", lambda: tl.optim.SGD([tl.tensor(1.0)], 0.1)),
        ("SGD: the learning rate is a number ≥ 0, not -1", lambda: tl.optim.SGD([tl.Parameter(1.0)], -1)),
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


def test_an_optimiser_is_no_module() -> None:
    for holder in (tl.optim.Adam([tl.Parameter(1.0)]), tl.optim.Average([tl.Parameter(1.0)])):
        assert not isinstance(holder, tl.nn.Module)
        assert not hasattr(holder, "forward")
        assert set(holder.state_dict())


def test_the_weight_decay_of_adam_is_that_of_a_penalty() -> None:
    p, q = tl.Parameter([1.0, -2.0]), tl.Parameter([1.0, -2.0])
    coupled, plain = tl.optim.Adam([p], lr=0.1, weight_decay=0.3), tl.optim.Adam([q], lr=0.1)
    for _ in range(5):
        for opt, x, loss in ((coupled, p, (p * p * p).sum()), (plain, q, (q * q * q).sum() + 0.15 * (q * q).sum())):
            x.grad = None
            loss.backward()
            opt.step()
    np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-5)
    with pytest.raises(UsageError, match="weight_decay is a finite number of at least 0"):
        tl.optim.Adam([p], weight_decay=-1.0)


@pytest.mark.parametrize("kind", [tl.optim.SGD, tl.optim.Adam, tl.optim.RMSprop, tl.optim.Adagrad, tl.optim.Adadelta])
def test_coupled_weight_decay_is_a_penalty_in_the_loss(kind) -> None:
    decayed, penalised = tl.Parameter(START[0]), tl.Parameter(START[0])
    one, other = kind([decayed], lr=0.05, weight_decay=0.3), kind([penalised], lr=0.05)
    for t in range(STEPS):
        slope = np.random.default_rng(t).normal(size=3)
        (decayed * slope).sum().backward()
        (penalised * slope + 0.15 * penalised**2).sum().backward()
        for opt in (one, other):
            opt.step()
            opt.zero_grad()
    np.testing.assert_allclose(decayed.numpy(), penalised.numpy(), rtol=1e-12)
    with pytest.raises(UsageError, match="weight_decay is a finite number of at least 0"):
        kind([decayed], lr=0.1, weight_decay=-1.0)
