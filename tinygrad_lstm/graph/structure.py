"""Nested tuples, lists, dicts, named tuples and dataclasses of tensors, as one flat list and back."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_lstm.errors import StructureError

__all__ = ["Structure", "flatten", "paths", "unflatten"]


@dataclass(frozen=True, slots=True)
class Structure:
    """The shape of a nested value: ``leaf``, ``none``, or a container of structures.

    The leaves of a dict are in the order of its sorted keys, so that two dicts of the same keys go together;
    ``order`` is that in which the user gave them.
    """

    kind: str
    container: type | None = None
    keys: tuple[Any, ...] = ()
    children: tuple["Structure", ...] = ()
    order: tuple[Any, ...] = ()

    def fits(self, other: "Structure") -> bool:
        """Whether both are the same but for the order of dicts."""
        mine, others = (self.kind, self.container, self.keys), (other.kind, other.container, other.keys)
        return mine == others and all(a.fits(b) for a, b in zip(self.children, other.children, strict=True))

    def __str__(self) -> str:
        if self.kind == "leaf":
            return "*"
        if self.kind == "none":
            return "None"
        name = self.container.__name__ if self.container else ""
        if self.kind in ("tuple", "list"):
            inner = ", ".join(map(str, self.children))
            return f"({inner})" if self.kind == "tuple" else f"[{inner}]"
        inner = ", ".join(f"{k}: {c}" for k, c in zip(self.keys, self.children, strict=True))
        return f"{name}({inner})" if self.kind != "dict" else f"{{{inner}}}"


_LEAF = Structure("leaf")
_NONE = Structure("none")


def _open(value: Any) -> tuple[str, tuple[Any, ...], list[Any]] | None:
    """Kind, keys and children of a container; None for a leaf."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return "named", tuple(value._fields), list(value)
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return kind, tuple(range(len(value))), list(value)
    if isinstance(value, dict):
        keys = sorted(value, key=repr)
        return "dict", tuple(keys), [value[k] for k in keys]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = tuple(f.name for f in dataclasses.fields(value) if f.init)
        return "dataclass", names, [getattr(value, n) for n in names]
    return None


def flatten(value: Any) -> tuple[list[Any], Structure]:
    """The leaves of ``value`` in order, and the structure that :func:`unflatten` needs to build it again.

    >>> leaves, structure = flatten((1, {"a": 2, "b": [3]}))
    >>> leaves, str(structure)
    ([1, 2, 3], '(*, {a: *, b: [*]})')
    """
    leaves: list[Any] = []

    def visit(v: Any) -> Structure:  # as deep as the user nested his tuples, not as the graph
        if v is None:
            return _NONE
        opened = _open(v)
        if opened is None:
            leaves.append(v)
            return _LEAF
        kind, keys, children = opened
        return Structure(kind, type(v), keys, tuple(visit(c) for c in children), tuple(v) if kind == "dict" else ())

    return leaves, visit(value)


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The inverse of :func:`flatten`.

    Raises:
        StructureError: when there are too few or too many leaves.
    """
    remaining = iter(leaves)

    def visit(s: Structure) -> Any:
        if s.kind == "leaf":
            return next(remaining)
        if s.kind == "none":
            return None
        children = [visit(c) for c in s.children]
        build: Callable[..., Any] = s.container  # type: ignore[assignment]  # containers have one
        if s.kind in ("tuple", "list"):
            return build(children)
        if s.kind == "dict":
            found = dict(zip(s.keys, children, strict=True))
            return {key: found[key] for key in s.order}
        return build(**dict(zip(s.keys, children, strict=True)))

    try:
        result = visit(structure)
    except StopIteration:
        raise StructureError(f"too few values for {structure}") from None
    if next(remaining, remaining) is not remaining:
        raise StructureError(f"too many values for {structure}")
    return result


def paths(structure: Structure, root: str = "") -> list[str]:
    """A name for each leaf, such as ``[0]`` or ``.h``, in the order of :func:`flatten`."""
    if structure.kind == "leaf":
        return [root]
    found: list[str] = []
    for key, child in zip(structure.keys, structure.children, strict=True):
        step = f".{key}" if structure.kind in ("named", "dataclass") else f"[{key!r}]"
        found.extend(paths(child, root + step))
    return found
