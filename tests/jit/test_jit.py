"""``jit``: the forms that it tells apart, and that a compiled function does what the plain one does."""

import inspect
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.runtime.counted import Counted
from tinygrad_lstm.errors import (
    DTypeError,
    UsageError,
)


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


def test_the_cache_is_bounded() -> None:
    f = Counted(lambda x: x + 1)
    g = tl.jit(f, cache_size=2)
    for n in (1, 2, 1, 3, 1, 2):
        g(tl.ones(n))
    assert f.count == 4  # 3 put out 2, which was unused for longest


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


def test_an_array_among_the_results_is_the_callers_own() -> None:
    array = np.zeros(2)
    g = tl.jit(lambda x: (x, array))
    g(1.0)[1][0] = 5.0
    array[1] = 7.0
    assert g(1.0)[1].tolist() == [0.0, 0.0]


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
