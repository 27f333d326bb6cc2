"""``jit``: what cannot be traced, mistakes, and failures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tests.runtime.counted import Counted
from tinygrad_lstm.errors import (
    DTypeError,
    EvaluationError,
    GradientError,
    TraceError,
    UnboundSymbolError,
    UsageError,
)


def test_mistakes_in_its_own_arguments() -> None:
    with pytest.raises(UsageError, match=r"has no parameter 'm', which static_argnames names"):
        tl.jit(lambda n: n, static_argnames="m")
    with pytest.raises(UsageError, match=r"the static argument 'n' .* is a tensor; leave it out of static_argnames"):
        tl.jit(lambda n: n, static_argnames="n")(tl.ones(2))
    with pytest.raises(UsageError, match=r"a function is wanted, not int"):
        tl.jit(3)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match=r"cache_size is an integer of at least 1, not 0"):
        tl.jit(abs, cache_size=0)
    with pytest.raises(DTypeError, match=r"the argument 'x' of .*: there are no complex numbers here"):
        tl.jit(lambda x: x)(np.zeros(2, complex))


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
        with pytest.raises(TraceError, match=r"no value yet, so Python cannot .*tl\.cond, repeat with tl\.scan"):
            tl.jit(f)(2.0)
    with pytest.raises(TraceError, match=r"cannot use it as an index, a count.*name 'n' in static_argnames"):
        tl.jit(lambda n: list(range(n)))(3)


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
        UnboundSymbolError, match=r"'x' belongs to the function .* under jit at .*test_jit_limits\.py:\d+ and has no"
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

    with pytest.raises(UsageError, match=r"the body of a scan at .* changes a Parameter"):
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


def test_what_runs_later_can_not_be_traced() -> None:
    def many(x: Any) -> Any:
        yield x

    async def later(x: Any) -> Any:
        return x

    for f in (many, later):
        with pytest.raises(UsageError, match=r"is a generator or asynchronous.*as a tuple, and repeat steps with tl\."):
            tl.jit(f)
    for g, what in ((lambda x: {"a": (y for y in [x])}, "generator"), (lambda x: later(x), "coroutine")):
        with pytest.raises(UsageError, match=rf"test_jit_limits\.py:\d+ returns a {what}, whose lines run later"):
            tl.jit(g)(1.0)


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


def test_mistakes_in_static_arguments() -> None:
    wrong: Any
    for wrong in (0, None, ("n", 0)):
        with pytest.raises(UsageError, match=r"static_argnames names one parameter or several, such as 'n'"):
            tl.jit(lambda n: n, static_argnames=wrong)
    with pytest.raises(UsageError, match=r"no argument 'static_argnums': name the parameters, as in static_argnames="):
        tl.jit(lambda n: n, static_argnums=0)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match=r"no argument 'donate': it takes f, static_argnames, cache_size$"):
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
        assert "name 'n' in static_argnames" in str(caught.value) or "number 'n'" in caught.value.__notes__[0]
    with pytest.raises(TypeError) as other:
        tl.jit(lambda n: len(3))(1)  # type: ignore[arg-type]
    assert not hasattr(other.value, "__notes__")
