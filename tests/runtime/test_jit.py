"""``jit``: what it traces, what it keeps, and that a compiled function does what the plain one does."""

import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tinygrad_lstm.errors import (
    DTypeError,
    EvaluationError,
    GradientError,
    IndexingError,
    TraceError,
    UnboundSymbolError,
    UsageError,
)


class Counted:
    """A function that counts how often Python runs it."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f, self.count = f, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        return self.f(*args, **kwargs)


def test_a_function_is_traced_once_for_each_shape_and_element_type() -> None:
    f = Counted(lambda x: x * 2 + 1)
    g = tl.jit(f)
    assert [g(tl.tensor([float(k), 2.0])).tolist() for k in range(3)] == [[2.0 * k + 1, 5.0] for k in range(3)]
    assert f.count == 1
    assert g(tl.ones(3)).shape == (3,)
    assert g(tl.ones(2, dtype=tl.float64)).dtype is tl.float64
    assert f.count == 3
    g(np.array([1.0, 2.0], np.float32))
    assert f.count == 3


def test_structures_go_in_and_out() -> None:
    class Pair(NamedTuple):
        h: Any
        c: Any

    @dataclass
    class Batch:
        x: Any
        y: Any

    @tl.jit
    def f(state: Pair, batch: Batch, *rest: Any, scale: Any = 1.0, nothing: None = None) -> Any:
        return (
            Pair(state.c, state.h * scale),
            {"x": batch.x + batch.y, "n": None, "rest": [r + 1 for r in rest]},
            "text",
        )

    pair, found, text = f(Pair(tl.ones(2), tl.zeros(3)), Batch(np.ones(2), np.ones(2)), 1, 2.0, scale=3.0)  # type: ignore[call-arg]
    assert text == "text"
    assert isinstance(pair, Pair)
    assert (pair.h.shape, pair.c.tolist()) == ((3,), [3.0, 3.0])
    assert found["x"].tolist() == [2.0, 2.0]
    assert found["x"].dtype is tl.float64
    assert found["n"] is None
    assert found["rest"][0].item() == 2


def test_numbers_are_traced_and_static_ones_are_not() -> None:
    f = Counted(lambda x, n: sum((x for _ in range(n)), start=tl.tensor(0.0)))
    f.__signature__ = inspect.signature(f.f)  # type: ignore[attr-defined]
    g = tl.jit(f, static_argnames="n")
    assert [g(2.0, 3).item(), g(3.0, 3).item(), g(2.0, n=3).item()] == [6.0, 9.0, 6.0]
    assert f.count == 2  # by position and by name
    assert g(2.0, 4).item() == 8.0
    assert f.count == 3
    h = tl.jit(lambda x, n: x * n)
    assert [h(2.0, 3).dtype, h(2, 3).dtype, h(2.0, True).dtype] == [tl.float32, tl.int64, tl.float32]


def test_numbers_that_are_too_large() -> None:
    g = tl.jit(lambda x: x + 1)
    assert g(1e300).item() == float("inf")
    with pytest.raises(DTypeError, match=r"the integer 2\d+ does not fit into int64; give a float"):
        g(3**70)


def test_one_and_true_are_two_static_values() -> None:
    seen: list[Any] = []
    g = tl.jit(lambda x, flag: seen.append(flag) or x, static_argnames=("flag",))
    g(1.0, 1)
    g(1.0, True)
    g(1.0, 1.0)
    assert [type(v) for v in seen] == [int, bool, float]


def test_other_arguments_are_fixed_by_what_they_are() -> None:
    f = Counted(lambda module, x, how: getattr(tl, how)(module(x)))
    g = tl.jit(f)
    one, two = (tl.nn.Linear(2, 1, key=tl.random.key(k)) for k in range(2))
    x = tl.ones((1, 2))
    for module in (one, two, one):
        for how in ("sin", "cos"):
            assert g(module, x, how).item() == pytest.approx(getattr(tl, how)(module(x)).item(), rel=1e-6)
    assert f.count == 4
    w = tl.Parameter(2.0)
    assert tl.jit(lambda p, x: p * x)(w, 3.0).item() == 6.0
    with pytest.raises(UsageError, match=r"the argument 'how' of .* is a bytearray, which is neither an array nor"):
        tl.jit(f.f)(one, x, bytearray())
    with pytest.raises(UsageError, match=r"the argument .x\['k'\]. of .* is a set"):
        tl.jit(lambda x: x)({"k": set()})


def test_mistakes_in_its_own_arguments() -> None:
    with pytest.raises(UsageError, match=r"has no parameter 'm', which static_argnames names"):
        tl.jit(lambda n: n, static_argnames="m")
    with pytest.raises(UsageError, match=r"the static argument 'n' .* is a tensor; leave it out of static_argnames"):
        tl.jit(lambda n: n, static_argnames="n")(tl.ones(2))
    with pytest.raises(UsageError, match=r"a function is wanted, not int"):
        tl.jit(3)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match=r"cache_size is an integer of at least 1, not 0"):
        tl.jit(abs, cache_size=0)
    with pytest.raises(DTypeError, match=r"the argument 'x' of .*: it is an array of dtype complex128; use one of"):
        tl.jit(lambda x: x)(np.zeros(2, complex))


def test_the_cache_is_bounded() -> None:
    f = Counted(lambda x: x + 1)
    g = tl.jit(f, cache_size=2)
    for n in (1, 2, 1, 3, 1, 2):
        g(tl.ones(n))
    assert f.count == 4  # 3 put out 2, which was unused for longest


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
    assert w.leaf.cell() is w
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
    return [c for m in modules for _, c in m.named_cells()]


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


def test_python_can_not_read_what_is_traced() -> None:
    w = tl.Parameter(1.0)
    readings: list[Callable[[Any], Any]] = [
        lambda x: x.item(),
        lambda x: float(x),
        lambda x: int(x),
        lambda x: x.numpy(),
        lambda x: x.tolist(),
        lambda x: np.asarray(x),
        lambda x: x if (x * w) > 0 else -x,
        lambda x: float(w),
        lambda x: bool(w),
        lambda x: tl.evaluate(x),
    ]
    for f in readings:
        with pytest.raises(
            TraceError, match=r"no value yet, so Python can not .*tl\.where, repeat steps with tl\.scan"
        ):
            tl.jit(f)(2.0)
    with pytest.raises(TypeError) as caught:
        tl.jit(lambda n: list(range(n)))(3)
    assert any("name it in static_argnames" in note for note in caught.value.__notes__)


def test_an_untraced_value_can_be_read() -> None:
    scale = tl.tensor(3.0)
    assert tl.jit(lambda x: x * scale.item() if scale > 0 else x)(2.0).item() == 6.0


def test_what_is_traced_is_shown_as_a_line_of_the_graph() -> None:
    shown: list[str] = []
    w = tl.Parameter(1.0, name="w")
    tl.jit(lambda x: shown.append(f"{x!r} {w!r} {x * w}") or x)(1.0)
    assert shown == ["<float = symbol 'x'> Parameter('w', <f32[] = symbol 'w'>) x·w"]


def test_a_leaked_tensor_says_so() -> None:
    kept: list[Any] = []
    g = tl.jit(lambda x: kept.append(x * 2) or x)
    g(1.0)
    with pytest.raises(
        UnboundSymbolError, match=r"'x' belongs to the function .* under jit at .*test_jit\.py:\d+ and has no"
    ):
        kept[0].numpy()
    with pytest.raises(TraceError, match=r"reads 'x', which belongs to the function .*; return it from there"):
        tl.jit(lambda y: y + kept[0])(1.0)
    with pytest.raises(UnboundSymbolError, match=r"reads the symbol 's', which has no value; pass its value"):
        tl.jit(lambda y: y + tl.symbol("s"))(1.0)


def test_the_body_of_a_scan_keeps_its_own() -> None:
    w = tl.Parameter(1.0)

    def f(x: Any) -> Any:
        def body(c: Any, x: Any) -> Any:
            w.assign(c)
            return c + x, c

        return tl.scan(body, tl.tensor(0.0), x)

    with pytest.raises(TraceError, match=r"reads 'carry', which belongs to the body of a scan at"):
        tl.jit(f)(tl.ones(3))
    assert w.numpy().item() == 1.0


def test_results_have_no_history() -> None:
    w = tl.Parameter(2.0)
    loss = tl.jit(lambda x: w * x)(3.0)
    with pytest.raises(GradientError, match=r"under tl\.jit returns has no history: call backward inside it"):
        loss.backward()


def test_inside_other_traces_it_is_called_as_it_is() -> None:
    f = Counted(lambda x: x * x)
    g = tl.jit(f)
    assert tl.grad(g)(3.0).item() == 6.0
    assert tl.jit(lambda x: g(x) + 1)(3.0).item() == 10.0
    carry, _ = tl.scan(lambda c, _: (g(c), None), tl.tensor(2.0), length=2)
    assert carry.item() == 16.0
    assert f.count == 3
    w = tl.Parameter(3.0)
    weight = tl.jit(lambda: w * 2)
    carry, _ = tl.scan(lambda c, _: (c * weight(), None), tl.tensor(1.0), length=2)
    assert tl.gradients(carry, w).item() == 24.0
    assert repr(weight).startswith("jit(test_inside_other")


def test_detect_anomaly_looks_at_each_operation() -> None:
    g = tl.jit(lambda x: tl.log(x) * 2)
    assert np.isnan(g(-1.0).item())
    with tl.detect_anomaly(), pytest.raises(tl.errors.AnomalyError, match=r"log\("):
        g(tl.tensor(-1.0)).numpy()


def test_methods_and_modules() -> None:
    class Scale(tl.nn.Module):
        def __init__(self) -> None:
            self.factor = tl.Parameter(2.0)

        @tl.jit
        def scaled(self, x: Any) -> Any:
            """Times the factor."""
            return self.factor * x

        def forward(self, x: Any) -> Any:
            return self.factor * x

    module = Scale()
    assert module.scaled(3.0).item() == 6.0  # type: ignore[call-arg,attr-defined]
    assert Scale.scaled.__doc__ == "Times the factor."
    assert tl.jit(module)(4.0).item() == 8.0


def test_what_it_shows() -> None:
    w = tl.Parameter([1.0, 2.0], name="w")
    g = tl.jit(lambda x: tl.tanh(w * x * 1.0))
    assert [x.attrs["name"] for x in g.graph(2.0).inputs] == ["x", "w"]
    assert "tanh" in tl.printed(g.optimized(2.0))
    assert len(g.program(2.0).steps) == 1
    assert "tanh(" in g.source(2.0)


def test_results_share_no_memory_with_what_the_caller_holds() -> None:
    array = np.ones(3, np.float32)
    x = tl.tensor(np.arange(6.0).reshape(2, 3))
    g = tl.jit(lambda a, b: (a, b.T, a))
    a, b, same = g(array, tl.transpose(x))
    array[:] = 5
    assert a.tolist() == same.tolist() == [1.0, 1.0, 1.0]
    assert b.tolist() == x.tolist()


def test_threads_may_call_one_function() -> None:
    g = tl.jit(lambda x: tl.tanh(x).sum() + tl.sin(x).sum())
    arrays = [np.full(1000, k / 8, np.float64) for k in range(8)]
    wanted = [np.tanh(a).sum() + np.sin(a).sum() for a in arrays]
    failed: list[Any] = []

    def work(k: int) -> None:
        for _ in range(20):
            if abs(g(arrays[k]).item() - wanted[k]) > 1e-9:
                failed.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed


def test_a_long_chain() -> None:
    def f(x: Any) -> Any:
        for _ in range(20_000):
            x = x + 1.0
        return x

    g = tl.jit(f)
    assert len(g.graph(0.0).nodes()) > 20_000


def test_what_runs_later_can_not_be_traced() -> None:
    def many(x: Any) -> Any:
        yield x

    async def later(x: Any) -> Any:
        return x

    for f in (many, later):
        with pytest.raises(UsageError, match=r"is a generator or asynchronous.*as a tuple, and repeat steps with tl\."):
            tl.jit(f)
    for g, what in ((lambda x: {"a": (y for y in [x])}, "generator"), (lambda x: later(x), "coroutine")):
        with pytest.raises(UsageError, match=rf"test_jit\.py:\d+ returns a {what}, whose lines run later"):
            tl.jit(g)(1.0)


def test_an_array_among_the_results_is_the_callers_own() -> None:
    array = np.zeros(2)
    g = tl.jit(lambda x: (x, array))
    g(1.0)[1][0] = 5.0
    array[1] = 7.0
    assert g(1.0)[1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
def test_running_out_of_memory(backend: str) -> None:
    def wide(x: Any, n: int) -> Any:
        return tl.broadcast_to(tl.reshape(x, (-1, 1)), (4, n))

    w = tl.Parameter(1.0)
    with tl.use_backend(backend):
        for f in (
            lambda x: (w.assign(w + 1.0), wide(x, 2**55) * 2.0)[1],  # the result
            lambda x: wide(x, 2**61) * 2.0,  # more than an address can tell
            lambda x: tl.max(tl.cumsum(wide(x, 2**55) * 2.0, 1)),  # what lies between
        ):
            with pytest.raises(EvaluationError, match=r"jit at .*: out of memory: the program takes .* GiB; make a b"):
                tl.jit(f)(tl.ones(4))
        assert w.item() == 1.0
        assert tl.jit(lambda x: wide(x, 2) + w)(tl.zeros(4)).tolist() == [[1.0, 1.0]] * 4


def test_a_fault_of_the_values_is_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        raise ValueError("something else")

    g = tl.jit(lambda x: x + 1)
    g(1.0)
    for entries in g._entries.values():
        monkeypatch.setattr(entries[0], "executable", failing)
    with pytest.raises(ValueError, match="something else"):
        g(2.0)


def test_a_method_shows_what_became_of_it() -> None:
    class Scale:
        def __init__(self, factor: float) -> None:
            self.factor = tl.Parameter(factor)

        @tl.jit
        def step(self, x: Any) -> Any:
            """Times the factor."""
            return self.factor * x

    m: Any = Scale(2.0)
    x = tl.ones(2)
    assert m.step.explain(x).name == "Scale.step"
    assert len(m.step.graph(x).inputs) == len(m.step.optimized(x).inputs) == 2
    assert len(m.step.program(x).steps) == 1
    assert "run" in m.step.source(x)
    assert (m.step.__name__, m.step.__self__, str(inspect.signature(m.step))) == ("step", m, "(x: Any) -> Any")
    assert m.step == m.step
    assert m.step != Scale(2.0).step
    assert m.step.__wrapped__(x).tolist() == [2.0, 2.0]
    assert repr(m.step).startswith("<method jit(test_a_method")
    f = Counted(lambda g, x: g(x))
    g = tl.jit(f)
    assert g(m.step, x).tolist() == g(m.step, x).tolist() == tl.jit(m.step)(x).tolist() == [2.0, 2.0]
    assert f.count == 1


def test_mistakes_in_static_arguments() -> None:
    wrong: Any
    for wrong in (0, None, ("n", 0)):
        with pytest.raises(UsageError, match=r"static_argnames names one parameter or several, such as 'n'"):
            tl.jit(lambda n: n, static_argnames=wrong)
    with pytest.raises(UsageError, match=r"no argument 'static_argnums'; name the parameters, as in static_argnames="):
        tl.jit(lambda n: n, static_argnums=0)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match=r"no argument 'donate'$"):
        tl.jit(lambda n: n, donate=0)  # type: ignore[call-overload]
    for value, advice in (
        ([1], "a list, which is not hashable; give a tuple$"),
        (([1],), "a tuple, which is not hashable; let it hold tuples in place of lists"),
        ({"a": 1}, "a dict, which is not hashable; give a tuple of its items"),
        (np.ones(2), "a ndarray, which is not hashable; leave it out of static_argnames"),
        (bytearray(), "a bytearray, which is not hashable; give a value that is, such as a string"),
    ):
        with pytest.raises(UsageError, match=f"the static argument 'n' of .* is {advice}"):
            tl.jit(lambda n: n, static_argnames="n")(value)


def test_the_note_on_numbers_comes_where_a_number_is_the_cause() -> None:
    for f in (lambda n: [1, 2][n], lambda n: tl.zeros((n,)), lambda n: int(n)):
        with pytest.raises((TypeError, UsageError, TraceError)) as caught:
            tl.jit(f)(1)
        assert "jit traces the number 'n'" in caught.value.__notes__[0]
    with pytest.raises(TypeError) as other:
        tl.jit(lambda n: len(3))(1)  # type: ignore[arg-type]
    assert not hasattr(other.value, "__notes__")


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


def test_static_values_of_other_types_or_bits_are_other_forms() -> None:
    f = tl.jit(lambda x, n: x * (n[0] / 2 if isinstance(n[0], float) else n[0] // 2), static_argnames="n")
    assert [f(1.0, (3,)).item(), f(1.0, (3.0,)).item()] == [1.0, 1.5]
    g = tl.jit(lambda x, n: 1 / (x * n), static_argnames="n")
    assert [g(1.0, 0.0).item(), g(1.0, -0.0).item()] == [np.inf, -np.inf]
    nan = tl.jit(lambda x, n: x * n, static_argnames="n")
    for _ in range(3):
        nan(1.0, float("nan"))
    assert len(nan._entries) == 1


def test_arrays_in_the_byte_order_of_another_machine() -> None:
    other = np.arange(6, dtype=np.dtype("f4").newbyteorder())
    f = tl.jit(lambda a: a[::2] * 2)
    assert f(other).tolist() == f(tl.tensor(other)).tolist() == [0.0, 4.0, 8.0]
    assert tl.tensor(other).numpy().dtype.isnative


def test_dicts_keep_the_order_of_the_caller() -> None:
    def f(d: Any) -> Any:
        return tl.concatenate(list(d.values()))

    d = {"b": tl.tensor([1.0]), "a": tl.tensor([2.0])}
    compiled = tl.jit(f)
    assert compiled(d).tolist() == f(d).tolist() == [1.0, 2.0]
    assert compiled(dict(reversed(d.items()))).tolist() == [2.0, 1.0]
    gradient = tl.grad(lambda d: f(d)[0])(d)
    assert {k: g.tolist() for k, g in gradient.items()} == {"b": [1.0], "a": [0.0]}
    assert list(gradient) == ["b", "a"]


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
