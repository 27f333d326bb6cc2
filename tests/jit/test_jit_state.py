"""``jit`` and what changes: Parameters, States, gradients, and models that are replaced."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.runtime.counted import Counted
from tinygrad_lstm.errors import (
    IndexingError,
)


def test_the_values_of_parameters_are_no_part_of_the_program() -> None:
    w = tl.Parameter([1.0, 2.0])
    f = Counted(lambda x: (w * x).sum())
    g = tl.jit(f)
    assert g(1.0).item() == 3.0
    w.assign([5.0, 5.0])
    assert g(2.0).item() == 20.0
    assert f.count == 1
    kept = tl.tensor([1.0, 1.0])
    h = tl.jit(lambda x: x * kept)
    assert h(2.0).tolist() == [2.0, 2.0]
    kept = tl.tensor([9.0, 9.0])
    assert h(2.0).tolist() == [2.0, 2.0]  # a plain tensor is a constant, as it was when the function was traced


def test_a_captured_graph_is_computed_once() -> None:
    w = tl.Parameter([1.0, 2.0])
    outside = tl.exp(w) * 2
    g = tl.jit(lambda x: x * outside)
    assert "exp" not in tl.printed(g.graph(1.0))
    np.testing.assert_allclose(g(1.0).numpy(), 2 * np.exp([1.0, 2.0]), rtol=1e-6)
    w.assign([0.0, 0.0])
    np.testing.assert_allclose(g(1.0).numpy(), 2 * np.exp([1.0, 2.0]), rtol=1e-6)


def test_graphs_built_before_keep_the_old_values() -> None:
    w = tl.Parameter([1.0, 2.0], name="w")
    before, leaf = w * 10, w.leaf
    update = tl.jit(lambda: w.assign(w + 1))
    assert update() is None
    update()
    assert w.numpy().tolist() == [3.0, 4.0]
    assert before.tolist() == [10.0, 20.0]
    assert leaf.tolist() == [1.0, 2.0]
    assert w.leaf.variable() is w
    (w * w).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [6.0, 8.0]


def test_an_update_is_read_by_what_comes_after_it() -> None:
    w, s = tl.Parameter(2.0), tl.State(1.0)

    def f(x: Any) -> Any:
        y = w * x
        w.assign(y)
        s.assign(0.5)
        loss = w * w * s
        loss.backward()
        return y, w.grad, w.leaf

    y, grad, new = tl.jit(f)(3.0)
    assert (y.item(), grad.item(), new.item()) == (6.0, 6.0, 6.0)
    assert (w.numpy().item(), s.numpy().item(), w.grad.item()) == (6.0, 0.5, 6.0)  # type: ignore[union-attr]


def test_gradients_add_up_over_calls() -> None:
    w = tl.Parameter([1.0, 2.0])
    f = Counted(lambda x: (w * x).sum().backward())
    g = tl.jit(f)
    for k in range(4):
        g(float(k))
    assert w.grad is not None
    assert w.grad.tolist() == [6.0, 6.0]
    assert f.count == 2  # without a gradient and with one
    w.grad = None
    g(1.0)
    assert w.grad.tolist() == [1.0, 1.0]  # type: ignore[attr-defined]
    assert f.count == 2


def test_detach_cuts_the_gradient_and_reaches_nothing() -> None:
    w, v = tl.Parameter(2.0), tl.Parameter(3.0)

    def f(x: Any) -> None:
        ((w * x).detach() * v).backward()

    tl.jit(f)(5.0)
    assert w.grad is None
    assert v.grad is not None
    assert v.grad.item() == 10.0


def everything(*modules: tl.nn.Module) -> list[Any]:
    return [c for m in modules for _, c in m.named_variables()]


OPTIMISERS: list[Callable[[Any], Any]] = [
    lambda ps: tl.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    lambda ps: tl.optim.Adam(ps, lr=0.01),
    lambda ps: tl.optim.AdamW(ps, lr=0.01, weight_decay=0.1),
    lambda ps: tl.optim.Lion(ps, lr=0.01),
]


@pytest.mark.parametrize("make", OPTIMISERS)
@pytest.mark.parametrize("first", [True, False], ids=["zero_grad first", "zero_grad last"])
def test_a_training_step_is_one_program(make: Callable[[Any], Any], first: bool) -> None:
    def trained(wrap: Callable[..., Any]) -> tuple[list[Any], list[Any]]:
        lstm, head = tl.nn.LSTM(3, 4, key=tl.random.key(0)), tl.nn.Linear(4, 2, key=tl.random.key(1))
        dropout = tl.nn.Dropout(0.3, key=tl.random.key(2))
        parameters = [*lstm.parameters(), *head.parameters()]
        opt, average = make(parameters), tl.optim.Average(parameters, 0.9)

        def step(x: Any, y: Any, state: Any) -> Any:
            if first:
                opt.zero_grad()
            out, state = lstm(x, state)
            loss = ((head(dropout(out)) - y) ** 2).mean()
            loss.backward()
            norm = tl.optim.clip_grad_norm(parameters, 0.5)
            opt.step()
            average.update()
            if not first:
                opt.zero_grad()
            return loss, norm, [s.detach() for s in state]

        run, rng = wrap(step), np.random.default_rng(0)
        told: list[Any] = []
        state: Any = (tl.zeros((1, 2, 4)), tl.zeros((1, 2, 4)))
        for k in range(4):
            if k == 2:
                opt.lr = 0.02
            x, y = (rng.normal(size=(5, 2, n)).astype(np.float32) for n in (3, 2))
            loss, norm, state = run(x, y, tuple(state))
            told += [loss.item(), norm.item()]
        return told, [c.numpy() for c in everything(lstm, head, dropout, opt, average)]

    plain, jitted = trained(lambda f: f), trained(tl.jit)
    np.testing.assert_allclose(jitted[0], plain[0], rtol=2e-5)
    for a, b in zip(jitted[1], plain[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_random_keys_move_on() -> None:
    dropout = tl.nn.Dropout(0.5, key=tl.random.key(7))
    twin = tl.nn.Dropout(0.5, key=tl.random.key(7))
    f = Counted(dropout)
    g = tl.jit(f)
    x = tl.ones(50)
    got = [g(x).tolist() for _ in range(3)]
    assert got == [twin(x).tolist() for _ in range(3)]
    assert got[0] != got[1]
    assert f.count == 1


def test_a_cell_made_inside_is_new_at_each_call() -> None:
    @tl.jit
    def f(x: Any) -> Any:
        total = tl.State(x * 0.0)
        for _ in range(3):
            total.assign(total + x)
        return total + 0

    assert [f(2.0).item(), f(3.0).item()] == [6.0, 9.0]


def test_if_the_function_raises_nothing_has_changed() -> None:
    w = tl.Parameter([1.0, 2.0])

    def f(x: Any) -> None:
        (w * x).sum().backward()
        w.assign(w * 0)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tl.jit(f)(1.0)
    assert w.numpy().tolist() == [1.0, 2.0]
    assert w.grad is None
    assert (w + 0).tolist() == [1.0, 2.0]


def test_if_the_program_fails_nothing_has_changed() -> None:
    w = tl.Parameter(tl.arange(3).astype(tl.float32))

    @tl.jit
    def f(i: Any) -> Any:
        w.assign(w + 1)
        return tl.take(w, i)

    assert f(np.array([2])).tolist() == [3.0]
    with pytest.raises(IndexingError, match=r"take\(f32\[3\], i64\[1\]\): index 3 is out of bounds"):
        f(np.array([3]))
    assert w.numpy().tolist() == [1.0, 2.0, 3.0]


def test_what_takes_the_place_of_a_layer_is_seen() -> None:
    x = tl.ones((1, 2))
    model = tl.nn.Sequential(tl.nn.Linear(2, 2, key=tl.random.key(0)))
    model.head = tl.nn.Linear(2, 1, key=tl.random.key(1))
    f = Counted(lambda x: model.head(model(x)))
    g = tl.jit(f)
    for k in range(2, 4):
        for _ in range(2):
            assert g(x).item() == pytest.approx(f.f(x).item(), rel=1e-6)
        model.head = tl.nn.Linear(2, 1, key=tl.random.key(k))
    assert f.count == 2
    model.head.weight = tl.Parameter([[1.0], [1.0]])
    assert g(x).item() == pytest.approx(f.f(x).item(), rel=1e-6)
    model.head = model.head  # the same again
    model.layers = [tl.nn.Linear(2, 2, key=tl.random.key(9))]
    assert g(x).item() == pytest.approx(f.f(x).item(), rel=1e-6)
    g(x)
    assert f.count == 4


def test_a_cell_that_was_replaced_may_still_be_read() -> None:
    layer = tl.nn.Linear(1, 1)
    old = layer.weight
    f = Counted(lambda x: x * old)
    g = tl.jit(f)
    g(1.0)
    layer.weight = tl.Parameter([[2.0]])
    assert [g(1.0).item(), g(1.0).item()] == [old.item()] * 2
    assert f.count == 2


def test_a_gradient_of_another_type_is_another_form() -> None:
    p = tl.Parameter(tl.tensor([1.0, 2.0], dtype="float16"))
    f = tl.jit(lambda: p.grad * 2)
    p.grad = tl.tensor([1.0, 2.0], dtype="float16")
    assert f().dtype is tl.float16
    p.grad = tl.tensor([1.0, 2.0], dtype="float32")
    assert f().dtype is tl.float32


def test_a_variable_that_holds_another_object_by_now_is_traced_again() -> None:
    space = {"tl": tl}
    exec(
        "import functools\n"
        "model = tl.nn.Linear(1, 1, key=tl.random.key(0))\n"
        "w = tl.Parameter(2.0)\n"
        "traces = []\n"
        "def scaled(x):\n"
        "    return model(x) * w\n"
        "@tl.jit\n"
        "def step(x):\n"
        "    traces.append(1)\n"
        "    return tl.scan(lambda c, v: (c + scaled(v), None), tl.zeros((1, 1)), x)[0]\n",
        space,
    )
    step, x = space["step"], tl.ones((3, 1, 1))

    def wanted() -> float:
        return 3 * (space["model"](tl.ones((1, 1))) * space["w"]).item()

    for _ in range(2):
        assert step(x).item() == pytest.approx(wanted())
    assert len(space["traces"]) == 1
    for k, (name, value) in enumerate(
        [
            ("model", tl.nn.Linear(1, 1, key=tl.random.key(1))),
            ("w", tl.Parameter(3.0)),
            ("model", tl.nn.Linear(1, 1, key=tl.random.key(2))),
        ],
        2,
    ):
        space[name] = value
        for _ in range(2):
            assert step(x).item() == pytest.approx(wanted())
        assert len(space["traces"]) == k
    space["scaled"] = lambda x: x * 5
    assert step(x).item() == 15.0
    space["other"] = tl.nn.Linear(1, 1)  # not named by any of them
    space["traces"] = space["traces"][:]
    step(x)
    assert len(space["traces"]) == 5


def test_enclosing_variables_and_those_of_methods_may_be_replaced_too() -> None:
    w = tl.Parameter(2.0)
    optimizer = tl.optim.SGD([w], lr=0.5)

    class Trainer:
        @tl.jit
        def step(self, x):
            optimizer.zero_grad()
            (w * x).backward()
            optimizer.step()
            return w * x

    trainer, first = Trainer(), w
    assert trainer.step(1.0).item() == 1.5
    w = tl.Parameter(4.0)
    optimizer = tl.optim.SGD([w], lr=1.0)
    assert trainer.step(1.0).item() == 3.0
    assert (first.item(), w.item()) == (1.5, 3.0)
    w, optimizer = first, tl.optim.SGD([first], lr=0.25)
    assert trainer.step(1.0).item() == 1.25


def test_a_deleted_variable_is_noticed() -> None:
    w = tl.Parameter(2.0)
    f = tl.jit(lambda x: x * w)  # noqa: F821  # deleted below
    assert f(1.0).item() == 2.0
    del w
    with pytest.raises(NameError):
        f(1.0)


def test_a_container_of_ones_own_is_taken_apart_while_the_function_is_traced() -> None:
    w = tl.Parameter(2.0)

    class Scaled:
        def __init__(self, value: Any) -> None:
            self.value = value

    tl.register_pytree_node(Scaled, lambda s: ((s.value * w,), None), lambda _, children: Scaled(*children))
    f = tl.jit(lambda x: Scaled(x))
    assert f(3.0).value.item() == 6.0
    w.assign(5.0)
    assert f(3.0).value.item() == 15.0
