"""Nested values as flat lists and back."""

from collections import OrderedDict, defaultdict
from dataclasses import InitVar, dataclass, field
from typing import Any, NamedTuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tinygrad_lstm.errors import NameConflictError, StructureError, UsageError
from tinygrad_lstm.graph.structure import flatten, paths, unflatten


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass
class Box:
    low: Any
    high: Any


@dataclass
class Computed:
    once: Any
    twice: Any = field(init=False)

    def __post_init__(self) -> None:
        self.twice = 2 * self.once


NESTED = st.recursive(
    st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.builds(Point, inner, inner)
        | st.builds(Box, inner, inner)
    ),
    max_leaves=8,
)


@given(NESTED)
def test_unflatten_is_the_inverse(value) -> None:
    leaves, structure = flatten(value)
    assert unflatten(structure, leaves) == value
    assert len(paths(structure)) == len(leaves)
    assert flatten(value)[1] == structure
    with pytest.raises(StructureError, match="too many"):
        unflatten(structure, [*leaves, 0])
    if leaves:
        with pytest.raises(StructureError, match="too few"):
            unflatten(structure, leaves[:-1])


def test_what_a_dataclass_computes_itself_is_no_leaf() -> None:
    leaves, structure = flatten(Computed(3))
    assert leaves == [3]
    assert unflatten(structure, [4]).twice == 8


def test_paths_are_what_one_would_write() -> None:
    structure = flatten({"a": (1, [2]), "b": Point(3, Box(4, None))})[1]
    assert paths(structure, "s") == ["s['a'][0]", "s['a'][1][0]", "s['b'].x", "s['b'].y.low"]
    assert str(structure) == "{a: (*, [*]), b: Point(x: *, y: Box(low: *, high: None))}"


def test_dicts_of_the_same_keys_go_together_and_keep_their_order() -> None:
    (one, first), (other, second) = flatten({"a": 1, "b": {2: 2, 10: 3}}), flatten({"b": {10: 3, 2: 2}, "a": 1})
    assert one == other
    assert first != second
    assert first.fits(second)
    assert list(unflatten(second, one)) == ["b", "a"]
    assert list(unflatten(second, one)["b"]) == [10, 2]
    assert not first.fits(flatten({"a": 1, "b": 2})[1])
    assert flatten((1, 2))[1] != flatten([1, 2])[1]
    assert flatten(Point(1, 2))[1] != flatten((1, 2))[1]


class Batch(dict[str, Any]):
    """A dict whose items are attributes too."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Linked(dict[str, Any]):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__ = self


class Marked(dict[str, Any]):
    def __init__(self, unit: str, **items: Any) -> None:
        super().__init__(items)
        self.unit = unit


class Named(dict[str, Any]):
    __slots__ = ()

    def __init__(self, *, items: Any) -> None:
        super().__init__(items)


class Row(list[Any]):
    pass


@attrs.frozen
class Span:
    low: Any
    _high: Any
    width: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "width", self._high - self.low)


@dataclass
class Started:
    value: Any
    start: InitVar[Any]

    def __post_init__(self, start: Any) -> None:
        self.value = self.value + start


class Interval:
    def __init__(self, low: Any, high: Any, unit: Any) -> None:
        self.low, self.high, self.unit = low, high, unit


tl.register_pytree_node(
    Interval, lambda v: ((v.low, v.high), v.unit), lambda unit, children: Interval(*children, unit=unit)
)

CONTAINERS = [
    OrderedDict([("b", 1.0), ("a", 2.0)]),
    defaultdict(list, {"b": 1.0, "a": 2.0}),
    Batch(b=1.0, a=2.0),
    Linked(b=1.0, a=2.0),
    Row([1.0, 2.0]),
    Span(1.0, 3.0),
    {"a": OrderedDict([("c", Row([1.0]))])},
]


@pytest.mark.parametrize("value", CONTAINERS, ids=lambda v: type(v).__name__)
def test_a_container_comes_back_as_what_it_was(value: Any) -> None:
    leaves, structure = flatten(value)
    again = unflatten(structure, leaves)
    assert again == value
    assert type(again) is type(value)
    if isinstance(value, dict):
        assert list(again) == list(value)
    if isinstance(value, defaultdict):
        assert again.default_factory is list
    for result in (
        tl.jit(lambda v: v)(value),
        tl.scan(lambda c, _: (c, None), value, length=2)[0],
        tl.grad(lambda v: sum(x * 1.0 for x in flatten(v)[0]))(value),
        tl.checkpoint(lambda v: v)(value),
    ):
        assert type(result) is type(value)
        assert flatten(result)[1] == structure


def test_links_of_items_and_attributes_are_kept() -> None:
    assert tl.jit(lambda v: v)(Linked(a=1.0)).a.item() == 1.0
    assert tl.jit(lambda s: s.width)(Span(1.0, 3.0)).item() == 2.0


def test_what_can_not_be_built_again_says_how_to() -> None:
    with pytest.raises(StructureError, match=r"a Marked holds the attribute 'unit' besides its items.*register_pytree"):
        flatten(Marked("m", a=1.0))
    with pytest.raises(StructureError, match=r"a Named cannot be built of its items: .*tl\.register_pytree_node\(Na"):
        tl.jit(lambda v: v)(Named(items={"a": 1.0}))
    with pytest.raises(StructureError, match=r"a Started cannot be built of its items: .*start"):
        unflatten(*reversed(flatten(Started(1, 2))))
    row = Row([1.0])
    row.unit = "m"  # type: ignore[attr-defined]
    with pytest.raises(StructureError, match="a Row holds the attribute 'unit'"):
        flatten(row)


def test_a_registered_class_is_a_container_everywhere() -> None:
    given = Interval(1.0, {"x": 2.0}, "m")
    for result in (
        tl.jit(lambda v: v)(given),
        tl.scan(lambda c, _: (c, None), given, length=2)[0],
        tl.grad(lambda v: v.low * v.high["x"])(given),
    ):
        assert isinstance(result, Interval)
        assert result.unit == "m"
        assert list(result.high) == ["x"]
    f = tl.jit(lambda v: v.low * (2 if v.unit == "m" else 3))
    assert [f(Interval(1.0, None, unit)).item() for unit in ("m", "s", "m")] == [2.0, 3.0, 2.0]
    assert str(flatten(given)[1]) == "Interval(*, {x: *}, with 'm')"
    assert paths(flatten(given)[1], "v") == ["v[0]", "v[1]['x']"]
    with pytest.raises(StructureError, match=r"enters as Interval\(\*, None, with 'm'\) but leaves as .*, with 's'\);"):
        tl.scan(lambda c, _: (Interval(c.low, None, "s"), None), Interval(1.0, None, "m"), length=2)


def test_mistakes_in_registering() -> None:
    class Own:
        pass

    wrong: Any
    for wrong, message in (
        (Own(), "a class comes first"),
        (dict, "dict has a meaning already"),
        (tl.nn.Linear, "Linear has a meaning already"),
    ):
        with pytest.raises(UsageError, match=message):
            tl.register_pytree_node(wrong, lambda v: ((), None), lambda _, c: Own())
    with pytest.raises(UsageError, match=r"two functions are wanted"):
        tl.register_pytree_node(Own, lambda v: ((), None), None)  # type: ignore[arg-type]
    tl.register_pytree_node(Own, lambda v: ((), []), lambda _, c: Own())
    with pytest.raises(NameConflictError, match="Own is registered already"):
        tl.register_pytree_node(Own, lambda v: ((), None), lambda _, c: Own())
    with pytest.raises(StructureError, match="gives as data a list, which is not hashable"):
        flatten(Own())

    class Odd(Own):
        pass

    assert flatten(Odd())[1].kind == "leaf"  # its base is registered, it is not
    tl.register_pytree_node(Odd, lambda v: [1, 2, 3], lambda _, c: Odd())  # type: ignore[arg-type,return-value]
    with pytest.raises(StructureError, match=r"gives \[1, 2, 3\]; wanted is \(children, data\)"):
        flatten(Odd())


class Renaming(dict):  # type: ignore[type-arg]
    """Takes something else than its items."""

    def __init__(self, a: object) -> None:
        super().__init__(a=a)


class Doubling(list):  # type: ignore[type-arg]
    def __init__(self, items: list[object]) -> None:
        super().__init__([*items, *items])


@pytest.mark.parametrize("value", [Renaming(1.0), Doubling([1.0])], ids=["dict", "list"])
def test_what_is_not_built_of_its_items_is_refused(value: object) -> None:
    leaves, structure = flatten(value)
    with pytest.raises(StructureError, match=r"built of its items holds others; .*register_pytree_node"):
        unflatten(structure, leaves)


def test_a_module_is_no_container_even_as_a_dataclass() -> None:
    @dataclass(eq=False)
    class Scale(tl.nn.Module):
        factor: Any

        def forward(self, x: Any) -> Any:
            return self.factor * x

    module = Scale(tl.Parameter(2.0))
    assert flatten(module)[0] == [module]
    assert tl.jit(lambda m, x: m(x))(module, 3.0).item() == 6.0


def test_a_tensor_has_a_meaning_already() -> None:
    with pytest.raises(UsageError, match="Tensor has a meaning already"):
        tl.register_pytree_node(tl.Tensor, lambda t: ((), None), lambda _, children: children)


def test_two_structures_that_do_not_fit_never_read_alike() -> None:
    first, second = (dataclass(type("Box", (), {"__annotations__": {"x": Any}})) for _ in range(2))
    with pytest.raises(
        StructureError, match=r"enters as Box\(x: \*\) but leaves as Box\(x: \*\) too, of another class"
    ):
        tl.scan(lambda c, _: (second(c.x), None), first(1.0), length=2)  # type: ignore[call-arg]
    with pytest.raises(StructureError, match=r"enters as OrderedDict\(h: \*\) but leaves as \{h: \*\};"):
        tl.scan(lambda c, _: ({"h": c["h"]}, None), OrderedDict(h=1.0), length=2)
    x = tl.symbol("x")
    with pytest.raises(UsageError, match=r"cotangents are \{h: \*\}, but ys are OrderedDict\(h: \*\)"):
        tl.gradients(OrderedDict(h=x), x, {"h": 1.0})


def test_cotangents_go_by_the_keys_of_dicts() -> None:
    _, pullback = tl.vjp(lambda x: {"a": x * 2, "b": x * 3}, 1.0)
    assert pullback({"b": 10.0, "a": 1.0})[0].item() == 32.0
    _, slope = tl.jvp(lambda d: d["a"] * d["b"], ({"a": 2.0, "b": 3.0},), ({"b": 1.0, "a": 10.0},))
    assert slope.item() == 32.0
