"""What of a call is traced, what is fixed, and the key that says which calls are alike."""

import inspect
import numbers
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from tinygrad_lstm.errors import DTypeError, Error, UsageError
from tinygrad_lstm.graph.device import current_device
from tinygrad_lstm.graph.dtypes import ALL_DTYPES, DTYPES, REAL_ALONE
from tinygrad_lstm.graph.number import number_class
from tinygrad_lstm.graph.operators import Operators
from tinygrad_lstm.graph.structure import Structure, flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.jit.naming import weakly
from tinygrad_lstm.passes.simplify import exact_form
from tinygrad_lstm.runtime.creation import native, tensor

__all__ = ["Invocation", "Signature"]


_INSTEAD: Final = {
    list: "give a tuple",
    tuple: "let it hold tuples in place of lists",
    dict: "give a tuple of its items",
    set: "give a frozenset",
    np.ndarray: "leave it out of static_argnames",
}
"""What to give in place of a static argument that is not hashable."""


class _Held:
    """A fixed argument. Two are one where type and bits agree, also of what a tuple holds: 3 is not 3.0.

    What is compared by identity, such as a module, is not kept alive.
    """

    __slots__ = ("_key", "_value")

    def __init__(self, value: Any) -> None:
        kind: Any = type(value)
        # The comparison of a Parameter with another is elementwise.
        if isinstance(value, Variable) or (kind.__hash__ is object.__hash__ and kind.__eq__ is object.__eq__):
            self._value = weakly(value)
            self._key: Any = (kind, id(value))
        elif hasattr(kind, "__func__") and hasattr(kind, "__self__"):  # a method, also one under jit
            self._value = partial(_bound, kind, weakly(value.__func__), weakly(value.__self__))
            self._key = (kind, id(value.__func__), id(value.__self__))
        else:
            self._value = lambda: value
            self._key = (kind, exact_form(value))

    @property
    def value(self) -> Any:
        """The argument; None where it no longer exists."""
        return self._value()

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        # What is gone may have left its number to another.
        return isinstance(other, _Held) and other._key == self._key and not self.gone and not other.gone

    @property
    def gone(self) -> bool:
        """Whether it no longer exists."""
        return self._value() is None and self._key[0] is not type(None)


def _bound(kind: Callable[..., Any], function: Callable[[], Any], owner: Callable[[], Any]) -> Any:
    f, instance = function(), owner()
    return None if f is None or instance is None else kind(f, instance)


@dataclass(frozen=True, slots=True)
class _Form:
    """How a call's arguments are built of what is traced and what is fixed, with the places of the latter."""

    structure: Structure
    fixed: tuple[tuple[int, _Held], ...]
    exact: Any
    """The bits of what the structure is compared by: a key 1 is not a key 1.0."""

    @property
    def gone(self) -> bool:
        """Whether a fixed argument no longer exists, so that no call is of this form again."""
        return any(held.gone for _, held in self.fixed)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call: equal keys run the same program.

    Attributes:
        leaves: what is traced: tensors, arrays, Python numbers.
        types: of the leaves; ``float``, ``int`` or ``bool`` for a number.
        form: None where the arguments are the leaves themselves.
        symbolic: whether a leaf is a symbol, so that the call is part of a larger trace.
    """

    leaves: tuple[Any, ...]
    types: tuple[TensorType | type, ...]
    form: _Form | None
    symbolic: bool

    @property
    def fixed(self) -> list[Any]:
        """The arguments that belong to the form."""
        return [] if self.form is None else [held.value for _, held in self.form.fixed]

    def arguments(self, given: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with ``given`` in the place of the leaves."""
        if self.form is None:
            return tuple(given), {}
        leaves: list[Any] = list(given)
        for position, held in self.form.fixed:
            leaves.insert(position, held.value)
        args, kwargs = unflatten(self.form.structure, leaves)
        return args, kwargs


class Signature:
    """The parameters of a function under ``jit``.

    Raises:
        UsageError: when ``static_argnames`` holds no names, or one that is no parameter.
    """

    def __init__(self, f: Callable[..., Any], static_argnames: str | Iterable[str]) -> None:
        self.name = getattr(f, "__qualname__", None) or type(f).__name__
        given: Any = static_argnames
        listed = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
        if not all(isinstance(name, str) for name in listed):
            raise UsageError(
                f"jit: static_argnames names one parameter or several, such as 'n' or ('n', 'how'), not {given!r}"
            )
        self.static: Final = frozenset(listed)
        try:
            parameters = list(inspect.signature(f).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.needs_arguments = any(
            p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters
        )
        self.positions = [p.name for p in parameters if p.kind in positional]
        self._keywords = {p.name: None for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD}
        open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
        unknown = sorted(self.static - {p.name for p in parameters})
        if unknown and not open_ended:
            raise UsageError(f"jit: {self.name} has no parameter {unknown[0]!r}, which static_argnames names")

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Invocation:
        """What of a call is traced.

        Raises:
            UsageError: for an argument that is neither an array nor hashable.
        """
        if not kwargs and not self.static:
            for a in args:
                if a.__class__ is not Tensor or a.symbolic:
                    break
            else:
                return Invocation(args, tuple([a.type for a in args]), None, False)
        return self._general(args, kwargs)

    def names(self, call: Invocation) -> list[str]:
        """What to call the leaves: the parameter's name and the path in it."""
        if call.form is None:
            return [self._position(k) for k in range(len(call.leaves))]
        fixed = {position for position, _ in call.form.fixed}
        return [n for k, n in enumerate(self._names(call.form.structure)) if k not in fixed]

    def _names(self, structure: Structure) -> list[str]:
        positional, named = structure.children
        found = [n for k, s in enumerate(positional.children) for n in paths(s, self._position(k))]
        return found + [n for key, s in zip(named.keys, named.children, strict=True) for n in paths(s, key)]

    def _position(self, k: int) -> str:
        return self.positions[k] if k < len(self.positions) else f"argument {k}"

    def _general(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Invocation:
        held = tuple(_Fixed(a) if self._position(k) in self.static else a for k, a in enumerate(args))
        # Python binds parameters by name, whatever their order; only among those of ** the function sees one.
        order = [name for name in self._keywords if name in kwargs] + [k for k in kwargs if k not in self._keywords]
        named = {name: _Fixed(kwargs[name]) if name in self.static else kwargs[name] for name in order}
        leaves, structure = flatten((held, named))
        traced: list[Any] = []
        types: list[TensorType | type] = []
        fixed: list[tuple[int, _Held]] = []
        for position, given in enumerate(leaves):
            try:
                leaf = _as_leaf(given)
                type_ = _type_of(leaf)
            except Error as error:
                name = self._names(structure)[position]
                raise type(error)(f"jit: the argument {name!r} of {self.name}: {error}") from None
            if type_ is None:
                value = leaf.value if isinstance(leaf, _Fixed) else leaf
                name = self._names(structure)[position]
                self._check_hashable(value, name, isinstance(leaf, _Fixed))
                fixed.append((position, _Held(value)))
            else:
                traced.append(leaf)
                types.append(type_)
        symbolic = any(isinstance(leaf, Tensor) and leaf.symbolic for leaf in traced)
        # An array in place of a tensor is the same form.
        plain = not fixed and not kwargs and all(child.kind == "leaf" for child in structure.children[0].children)
        form = None if plain else _Form(structure, tuple(fixed), exact_form(tuple(_compared(structure))))
        return Invocation(tuple(traced), tuple(types), form, symbolic)

    def _check_hashable(self, value: Any, name: str, static: bool) -> None:
        if isinstance(value, Tensor):
            raise UsageError(
                f"jit: the static argument {name!r} of {self.name} is a tensor; leave it out of static_argnames"
            )
        try:
            hash(value)
        except TypeError:
            kind = type(value).__name__
            if static:
                raise UsageError(
                    f"jit: the static argument {name!r} of {self.name} is a {kind}, which is not hashable; "
                    f"{_INSTEAD.get(type(value), 'give a value that is, such as a string or a tuple of numbers')}"
                ) from None
            raise UsageError(
                f"jit: the argument {name!r} of {self.name} is a {kind}, which is neither an array nor hashable; give "
                f"a tensor, a NumPy array, or {'a frozenset' if isinstance(value, set) else 'a hashable value'}"
            ) from None


def _compared(structure: Structure) -> Iterator[Any]:
    """What of a structure is compared and given by the user: keys that are no strings, and data of containers."""
    if structure.kind == "dict" and not all(isinstance(key, str) for key in structure.order):
        yield structure.order
    if structure.data is not None:
        yield structure.data
    for child in structure.children:
        if child.children:
            yield from _compared(child)


class _Fixed:
    """An argument that ``static_argnames`` names, whole."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _as_leaf(leaf: Any) -> Any:
    """An argument as it is traced: what counts as an array elsewhere, such as a matrix or a table, is one here."""
    if leaf.__class__ is np.ndarray:
        return native(leaf)
    if not hasattr(leaf, "__array__"):
        return leaf
    return leaf if isinstance(leaf, Operators | np.generic | type) else tensor(leaf)


def _type_of(leaf: Any) -> TensorType | type | None:
    """The type of a leaf that is traced, for a number its class; None for one that is fixed."""
    if isinstance(leaf, Tensor):
        return leaf.type
    if isinstance(leaf, np.ndarray | np.bool_):
        dtype = ALL_DTYPES.get(leaf.dtype.name)
        if dtype is None and leaf.dtype.kind == "c":
            raise DTypeError(REAL_ALONE)
        if dtype is None:
            raise DTypeError(f"it is an array of dtype {leaf.dtype}; use one of {', '.join(DTYPES)}")
        return TensorType(leaf.shape, dtype, current_device())
    if isinstance(leaf, complex | np.complexfloating):
        raise DTypeError(REAL_ALONE)
    if not isinstance(leaf, numbers.Real):
        return None
    kind = number_class(leaf)
    return float if kind is np.float32 else kind  # alone a float32 is what a Python number is: they share one program
