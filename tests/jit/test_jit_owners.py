"""``jit`` and the objects that a function is bound to, or called with: their copies, and their end."""

import copy
import gc
import weakref
from collections import OrderedDict
from functools import partial
from typing import Any

import pytest

import tinygrad_lstm as tl
from tests.runtime.counted import Counted


class Model(tl.nn.Module):
    """Its ``fast`` is its ``slow`` under jit."""

    def __init__(self) -> None:
        self.w = tl.Parameter([1.0] * 64)
        self.drop = tl.nn.Dropout(0.5, key=tl.random.key(0))
        self.fast = tl.jit(self.slow)
        self.part = tl.jit(partial(self.slow, scale=1.0))
        self.bound = self.slow

    def slow(self, x: Any, scale: float = 1.0) -> Any:
        return self.drop(self.w * x * scale)

    @tl.jit
    def compiled(self, x: Any) -> Any:
        return self.w.sum() * x

    @tl.jit
    def stepped(self, x: Any) -> Any:
        self.w.assign(self.w - x)
        return self.w


NAMES = ["fast", "part", "bound"]


@pytest.mark.parametrize("name", NAMES)
def test_a_method_that_a_module_holds_is_that_of_its_copy(name: str) -> None:
    model = Model()
    getattr(model, name)(1.0)
    still = tl.nn.deterministic(model)
    assert getattr(still, name)(1.0).tolist() == [1.0] * 64
    assert 0.0 in getattr(model, name)(1.0).tolist()
    assert still.w is model.w

    shallow = copy.copy(still)
    assert shallow.w is model.w
    shallow.w = tl.Parameter([5.0] * 64)
    assert getattr(shallow, name)(1.0).tolist() == [5.0] * 64
    assert getattr(still, name)(1.0).tolist() == [1.0] * 64

    deep = copy.deepcopy(still)
    deep.w.assign(deep.w * 3)
    assert getattr(deep, name)(1.0).tolist() == [3.0] * 64
    assert getattr(still, name)(1.0).tolist() == [1.0] * 64


def test_copies_share_what_is_bound_to_nothing() -> None:
    f = tl.jit(lambda x: x + 1)
    assert copy.deepcopy([f, f]) == [f, f]
    other = tl.nn.Linear(1, 1)
    model = tl.nn.Sequential(tl.jit(other.forward), f)
    twin = copy.copy(model)
    assert twin.layers is model.layers
    deep = copy.deepcopy(model)
    assert deep.layers[1] is f
    assert deep.layers[0] is not model.layers[0]
    layers = tl.nn.deterministic(tl.nn.Sequential(f)).layers
    assert layers == [f]


def test_deterministic_keeps_the_kinds_of_dicts() -> None:
    class Held(tl.nn.Module):
        def __init__(self) -> None:
            self.parts = OrderedDict(b=tl.nn.Dropout(0.5), a=tl.nn.Identity())

    parts = tl.nn.deterministic(Held()).parts
    assert type(parts) is OrderedDict
    assert list(parts) == ["b", "a"]
    assert parts["b"].key is None


def dropped(model: Any) -> list[weakref.ref[Any]]:
    return [weakref.ref(model), weakref.ref(model.w)]


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.compiled(1.0),
        lambda model: model.stepped(1.0),
        lambda model: model.fast(1.0),
        lambda model: APPLIED(model, 1.0),
        lambda model: APPLIED(model.slow, 1.0),
        lambda model: APPLIED(model.compiled, 1.0),
        lambda model: CELL(model.w),
    ],
)
def test_what_is_dropped_is_not_kept_alive(use: Any) -> None:
    gone = []
    for _ in range(3):
        model = Model()
        use(model)
        use(model)
        gone += dropped(model)
        del model
    gc.collect()
    assert [ref() for ref in gone] == [None] * 6


APPLIED = tl.jit(lambda f, x: f.w * x if hasattr(f, "w") else f(x))
CELL = tl.jit(lambda p: p * 2)


def test_a_variable_that_let_a_model_go_keeps_nothing_alive() -> None:
    model: Any = Model()
    f = tl.jit(lambda x: model.slow(x))
    f(1.0)
    gone = dropped(model)
    model = Model()
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    assert f(1.0).shape == (64,)


def test_what_takes_the_number_of_what_is_gone_is_another_form() -> None:
    class Scale:
        def __init__(self, by: float) -> None:
            self.by = by

    f = tl.jit(lambda s, x: x * s.by)
    for k in range(200):  # an object often gets the address of the one before
        assert f(Scale(float(k)), 1.0).item() == k
    assert len(f._entries) <= 2
    g = tl.jit(lambda s, x: s(x))
    for k in range(50):
        assert g(lambda x, k=k: x * k, 1.0).item() == k


def test_models_of_one_kind_share_a_program() -> None:
    first, second = Model(), Model()
    second.w.assign([2.0] * 64)
    assert first.compiled(1.0).item() == 64.0
    assert second.compiled(1.0).item() == 128.0
    assert Model.compiled.program(first, 1.0) is Model.compiled.program(second, 1.0)  # type: ignore[call-arg]


def test_the_order_of_keywords_makes_no_second_trace() -> None:
    f = Counted(lambda x, y, **others: x - y)
    f.__signature__ = __import__("inspect").signature(f.f)  # type: ignore[attr-defined]
    g = tl.jit(f)
    assert g(x=3.0, y=1.0).item() == g(y=1.0, x=3.0).item() == 2.0
    assert f.count == 1


def test_the_order_of_a_dict_makes_no_second_program() -> None:
    g = tl.jit(lambda d: tl.tanh(d["a"]) * d["b"])
    one, two = {"a": tl.ones(2), "b": tl.zeros(2)}, {"b": tl.zeros(2), "a": tl.ones(2)}
    assert g.program(one) is g.program(two)
    assert g(one).tolist() == g(two).tolist()
    first = tl.jit(lambda d: next(iter(d.values())) * 1)  # what sees the order is another graph
    assert [first({"a": 1.0, "b": 2.0}).item(), first({"b": 2.0, "a": 1.0}).item()] == [1.0, 2.0]


def test_keys_and_data_of_containers_are_told_apart_by_their_type() -> None:
    f = tl.jit(lambda d: [type(k).__name__ for k in d])
    assert [f({k: 1.0}) for k in (1, 1.0, True)] == [["int"], ["float"], ["bool"]]
