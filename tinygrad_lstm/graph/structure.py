"""Nested tuples, lists, dicts, dataclasses and containers of one's own, as one flat list and back."""

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, NamedTuple

from tinygrad_lstm.errors import NameConflictError, StructureError, UsageError

__all__ = ["Structure", "flatten", "paths", "register_pytree_node", "unflatten"]


@dataclass(frozen=True, slots=True)
class Structure:
    """The shape of a nested value: ``leaf``, ``none``, or a container of structures.

    The leaves of a dict are in the order of its sorted keys, so that two dicts of the same keys go together;
    ``order`` is that in which the user gave them. ``data`` is what a container holds beside its children.
    """

    kind: str
    container: type | None = None
    keys: tuple[Any, ...] = ()
    children: tuple["Structure", ...] = ()
    order: tuple[Any, ...] = ()
    data: Any = None

    @property
    def size(self) -> int:
        """The number of leaves."""
        return 1 if self.kind == "leaf" else sum([child.size for child in self.children])

    def fits(self, other: "Structure") -> bool:
        """Whether both are the same but for the order of dicts."""
        mine, others = (self.kind, self.container, self.keys), (other.kind, other.container, other.keys)
        same = mine == others and (self.data is other.data or self.data == other.data)
        return same and all(a.fits(b) for a, b in zip(self.children, other.children, strict=True))

    def told_from(self, other: "Structure") -> tuple[str, str]:
        """The texts of two structures that do not fit; where they are one, the second says why they do not."""
        mine, others = str(self), str(other)
        if mine != others:
            return mine, others
        return mine, f"{others} too, of another class of the same name: it was defined again, or in another module"

    def __str__(self) -> str:
        return self._text(repeat("*"))

    def filled(self, texts: Iterable[str]) -> str:
        """The text of the structure with ``texts`` in the place of its leaves."""
        return self._text(iter(texts))

    def _text(self, leaves: Iterator[str]) -> str:
        if self.kind == "leaf":
            return next(leaves)
        if self.kind == "none":
            return "None"
        name = self.container.__name__ if self.container not in (tuple, list, dict, None) else ""
        left, right = ("(", ")") if name else _BRACKETS.get(self.kind, ("(", ")"))
        parts = [child._text(leaves) for child in self.children]
        if self.kind not in ("tuple", "list", "registered"):
            parts = [f"{key}: {part}" for key, part in zip(self.keys, parts, strict=True)]
        if self.data is not None:
            parts.append(f"with {self.data!r}")
        return f"{name}{left}{', '.join(parts)}{right}"


_BRACKETS: Final = {"list": ("[", "]"), "dict": ("{", "}")}
_LEAF: Final = Structure("leaf")
_NONE: Final = Structure("none")


class _Registered(NamedTuple):
    """How the instances of one class are taken apart and built again."""

    flatten: Callable[[Any], Any]
    unflatten: Callable[[Any, tuple[Any, ...]], Any]


_REGISTERED: Final[dict[type, _Registered]] = {}


def register_pytree_node(
    cls: type,
    flatten: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten: Callable[[Any, tuple[Any, ...]], Any],
) -> None:
    """Make a class of one's own a container of tensors, wherever nested values are taken.

    Tuples, named tuples, lists, dicts, dataclasses, and classes of attrs are containers as they are, and so are their
    subclasses: a subclass of tuple or list is built again from the list of its children, one of dict from the dict of
    its items, a dataclass or class of attrs from the fields that its constructor takes. What is built otherwise, or
    holds more than that, is registered; it counts for the very class, not for its subclasses. Modules, optimisers,
    Parameters and States are no containers, and everything else that is not registered is one value.

    Args:
        cls: the class.
        flatten: from an instance to ``(children, data)``: what it holds, which may be nested, and a hashable value that
            says the rest; two of different ``data`` are of different structure.
        unflatten: from ``(data, children)`` to an instance. The children may be anything, such as symbols or None, so
            it does not look into them.

    Raises:
        UsageError: when ``cls`` is no class, or one that has a meaning here already, as tensors and arrays have.
        NameConflictError: when it is registered.

    >>> class Pair:
    ...     def __init__(self, a, b, unit):
    ...         self.a, self.b, self.unit = a, b, unit
    >>> tl.register_pytree_node(Pair, lambda p: ((p.a, p.b), p.unit), lambda unit, ab: Pair(*ab, unit))
    >>> def step(p, x):
    ...     return Pair(p.a + x, p.b * x, p.unit), None
    >>> last, _ = tl.scan(step, Pair(0.0, 1.0, "m"), tl.tensor([2.0, 3.0]))
    >>> print(last.a, last.b, last.unit)
    5.0 6.0 m
    """
    if not isinstance(cls, type):
        raise UsageError(f"register_pytree_node: a class comes first, not {cls!r}")
    if not callable(flatten) or not callable(unflatten):
        raise UsageError(
            f"register_pytree_node({cls.__name__}): two functions are wanted, flatten(value) -> (children, data) and "
            "unflatten(data, children) -> value"
        )
    known = cls in (tuple, list, dict, OrderedDict, defaultdict, type(None))
    if known or _is_opaque(cls) or hasattr(cls, "__array_ufunc__"):
        raise UsageError(f"register_pytree_node: {cls.__name__} has a meaning already; register a class of your own")
    if cls in _REGISTERED:
        raise NameConflictError(f"register_pytree_node: {cls.__name__} is registered already")
    _REGISTERED[cls] = _Registered(flatten, unflatten)


class _Opened(NamedTuple):
    kind: str
    keys: tuple[Any, ...]
    children: Sequence[Any]
    order: tuple[Any, ...] = ()
    data: Any = None


def _open(value: Any) -> _Opened | None:
    """The parts of a container; None for a leaf."""
    cls = type(value)
    if cls in _REGISTERED:
        return _opened_by_user(value, _REGISTERED[cls])
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        _check_whole(value)
        return _Opened("named", tuple(value._fields), value)
    if isinstance(value, tuple | list):
        _check_whole(value)
        return _Opened("tuple" if isinstance(value, tuple) else "list", tuple(range(len(value))), value)
    if isinstance(value, dict):
        _check_whole(value, value)
        keys = sorted(value, key=repr)
        data = value.default_factory if isinstance(value, defaultdict) else None
        return _Opened("dict", tuple(keys), [value[k] for k in keys], tuple(value), data)
    names = _fields(cls)
    return None if names is None else _Opened("fields", tuple(names), [getattr(value, n) for n in names])


def _opened_by_user(value: Any, registered: _Registered) -> _Opened:
    name = type(value).__name__
    found = registered.flatten(value)
    if not isinstance(found, tuple) or len(found) != 2:
        raise StructureError(f"the flatten that {name} is registered with gives {found!r}; wanted is (children, data)")
    children, data = tuple(found[0]), found[1]
    try:
        hash(data)
    except TypeError:
        raise StructureError(
            f"the flatten that {name} is registered with gives as data a {type(data).__name__}, which is not hashable; "
            "give a tuple or a string, or let it be one of the children"
        ) from None
    return _Opened("registered", tuple(range(len(children))), children, (), data)


def _check_whole(value: Any, known: Container[Any] = ()) -> None:
    """Refuse a container that holds more than its items, since it would be lost where it is built again.

    Raises:
        StructureError: when it has attributes whose names are not ``known``.
    """
    if type(value) in _PLAIN:
        return
    more = [name for name in getattr(value, "__dict__", ()) if name not in known]
    if more:
        name = type(value).__name__
        raise StructureError(
            f"a {name} holds the attribute {more[0]!r} besides its items, which would be lost; {_say_how(name)}"
        )


def _say_how(name: str) -> str:
    return f"say how it is taken apart and built again with tl.register_pytree_node({name}, flatten, unflatten)"


_PLAIN: Final = frozenset((tuple, list, dict, OrderedDict, defaultdict))


def _is_opaque(cls: type) -> bool:
    """Whether it is a module or an optimiser: both offer their variables, and are what they are by identity."""
    return hasattr(cls, "named_variables")


def _fields(cls: type) -> dict[str, str] | None:
    """The fields of a dataclass or of a class of attrs, with what its constructor calls them."""
    if _is_opaque(cls):
        return None
    if dataclasses.is_dataclass(cls):
        return {f.name: f.name for f in dataclasses.fields(cls) if f.init}
    described = getattr(cls, "__attrs_attrs__", None)
    return None if described is None else {a.name: a.alias for a in described if a.init}


def flatten(value: Any) -> tuple[list[Any], Structure]:
    """The leaves of ``value`` in order, and the structure that :func:`unflatten` needs to build it again.

    Raises:
        StructureError: for a container that could not be built again.

    >>> leaves, structure = flatten((1, {"a": 2, "b": [3]}))
    >>> leaves, str(structure)
    ([1, 2, 3], '(*, {a: *, b: [*]})')
    """
    leaves: list[Any] = []
    return leaves, _visited(value, leaves)


# These two go as deep as the user nested his tuples, not as the graph. They are no closures: one that calls itself
# would keep the leaves until the garbage is collected.


def _visited(value: Any, leaves: list[Any]) -> Structure:
    if value is None:
        return _NONE
    opened = _open(value)
    if opened is None:
        leaves.append(value)
        return _LEAF
    kind, keys, children, order, data = opened
    return Structure(kind, type(value), keys, tuple([_visited(c, leaves) for c in children]), order, data)


def _filled(s: Structure, leaves: Iterator[Any]) -> Any:
    if s.kind == "leaf":
        return next(leaves)
    return None if s.kind == "none" else _built(s, [_filled(c, leaves) for c in s.children])


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The inverse of :func:`flatten`.

    Raises:
        StructureError: when there are too few or too many leaves.
    """
    wanted = structure.size
    if len(leaves) != wanted:
        raise StructureError(f"too {'few' if len(leaves) < wanted else 'many'} values for {structure}")
    return _filled(structure, iter(leaves))


def _built(s: Structure, children: list[Any]) -> Any:
    """A container of these children."""
    build: Any = s.container
    if s.kind == "registered":
        return _REGISTERED[build].unflatten(s.data, tuple(children))
    if s.kind == "named":
        return build._make(children)
    if build in (tuple, list):
        return build(children)
    items = dict(zip(s.keys, children, strict=True))
    if s.kind == "dict":
        items = {key: items[key] for key in s.order}
    if build is dict:
        return items
    try:
        if s.kind == "fields":
            called = _fields(build) or {}
            return build(**{called[name]: child for name, child in items.items()})
        if issubclass(build, defaultdict):
            return build(s.data, items)
        result = build(children if s.kind in ("tuple", "list") else items)
    except TypeError as error:
        name = build.__name__
        raise StructureError(f"a {name} cannot be built of its items: {error}; {_say_how(name)}") from error
    held = list(result) if s.kind in ("tuple", "list") else list(result.values())
    wanted = children if s.kind in ("tuple", "list") else list(items.values())
    if len(held) != len(wanted) or any(a is not b for a, b in zip(held, wanted, strict=True)):
        name = build.__name__
        raise StructureError(f"a {name} built of its items holds others; {_say_how(name)}")
    return result


def paths(structure: Structure, root: str = "") -> list[str]:
    """A name for each leaf, such as ``[0]`` or ``.h``, in the order of :func:`flatten`."""
    if structure.kind == "leaf":
        return [root]
    found: list[str] = []
    for key, child in zip(structure.keys, structure.children, strict=True):
        step = f".{key}" if structure.kind in ("named", "fields") else f"[{key!r}]"
        found.extend(paths(child, root + step))
    return found
