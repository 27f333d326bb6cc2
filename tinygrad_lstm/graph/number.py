"""A Python number whose value is not known while a function is traced."""

import numbers
from collections.abc import Iterable
from typing import Any, Final, NoReturn, cast

import numpy as np

from tinygrad_lstm.errors import TraceError
from tinygrad_lstm.graph.device import current_device
from tinygrad_lstm.graph.dtypes import ALL_DTYPES, DType, bool_, float64, int64, weak_dtype
from tinygrad_lstm.graph.function import fresh_symbol
from tinygrad_lstm.graph.operators import Operators
from tinygrad_lstm.graph.registry import apply
from tinygrad_lstm.graph.scopes import inside
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import Shape, TensorType

__all__ = ["Number", "NumberArgument", "lone_dtype", "number_class", "number_kind"]

_RANK: Final[dict[type, int]] = {bool: 0, int: 1, float: 2}
_EXACT: Final[dict[type, DType]] = {bool: bool_, int: int64, float: float64}
"""In what the arithmetic of Python numbers is done."""
_COMPARISONS: Final = frozenset(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"))
_LOGIC: Final = frozenset(("bitwise_and", "bitwise_or", "bitwise_xor"))
_ARITHMETIC: Final = frozenset(
    (
        *("add", "subtract", "multiply", "divide", "floor_divide", "remainder", "power", "negative", "abs"),
        *("left_shift", "right_shift", "invert"),
    )
)


def number_kind(value: Any) -> type:
    """Whether a real number counts as a ``bool``, an ``int`` or a ``float``."""
    if isinstance(value, Number):
        return value.kind
    return bool if isinstance(value, bool) else int if isinstance(value, numbers.Integral) else float


def number_class(value: Any) -> type:
    """The class of a real number: ``bool``, ``int``, ``float``, or that of a NumPy scalar whose type is supported."""
    own = _own_dtype(value)
    return number_kind(value) if own is None else np.dtype(own.name).type


def lone_dtype(*values: Any) -> DType:
    """The element type of numbers among themselves: that of NumPy's scalars, the widest; of Python's numbers the usual.

    >>> lone_dtype(0.1), lone_dtype(np.float64(0.1), 2), lone_dtype(np.int32(1), 0.5)
    (tl.float32, tl.float64, tl.float32)
    """
    own = [dtype for v in values if (dtype := _own_dtype(v)) is not None]
    floats = [dtype for dtype in own if dtype.is_float]
    known = (floats and [max(floats, key=lambda d: d.itemsize)]) or own
    dtype = weak_dtype(max(map(number_kind, values), key=_RANK.__getitem__), *known)
    return dtype


def _own_dtype(value: Any) -> DType | None:
    """The element type that a NumPy scalar, or what stands for one, has where it meets no tensor."""
    if isinstance(value, Number):
        return value.own
    return ALL_DTYPES.get(value.dtype.name) if isinstance(value, np.generic) else None


class Number(Operators[Tensor]):
    """Stands for a Python number while a function is traced.

    Like the number, it takes the element type and the device of the tensor that it meets, and arithmetic among numbers
    gives a number, of float64 or int64; unlike Python's, integers wrap beyond 64 bits. Wherever a tensor is wanted it
    becomes one of float32, int64 or bool, or of the type of the NumPy scalar that it stands for.

    Attributes:
        kind: ``bool``, ``int`` or ``float``.
        own: the element type of the NumPy scalar that it stands for; None for a Python number.
        made: the tensors that it became so far.
    """

    __slots__ = ("_what", "kind", "made", "own")

    symbolic: Final = True

    def __init__(self, kind: type, what: str, own: DType | None = None) -> None:
        self.kind, self._what, self.own = kind, what, own
        self.made: dict[TensorType, Tensor] = {}

    def typed(self, dtype: DType, device: str) -> Tensor:
        """The value as a tensor without axes; one node for each type and device."""
        type_ = TensorType((), dtype, device)
        found = self.made.get(type_)
        if found is None:
            found = self.made[type_] = self._make(type_)
        return found

    def _make(self, type_: TensorType) -> Tensor:
        raise NotImplementedError

    @property
    def shape(self) -> Shape:
        """A number has no axes."""
        return ()

    @property
    def dtype(self) -> DType:
        """The element type where it meets no tensor."""
        return lone_dtype(self)

    @property
    def device(self) -> str:
        """The device where it meets no tensor."""
        return current_device()

    def _operate(self, name: str, *values: Any) -> Any:
        if any(isinstance(v, list | tuple) for v in values):
            return NotImplemented  # Python's numbers repeat lists, and know no other arithmetic with them
        known = name in _ARITHMETIC or name in _LOGIC or name in _COMPARISONS
        if known and all(isinstance(v, numbers.Real | Number) for v in values):
            return _NumberResult(name, values)
        return apply(name, *values)

    def __pos__(self) -> Any:
        return self * 1 if self.kind is bool else self

    def __index__(self) -> NoReturn:
        raise self._wanted()

    def __round__(self, digits: int | None = None) -> NoReturn:
        raise self._wanted(", or write tl.round")

    def _wanted(self, other: str = "") -> TraceError:
        """Python wants the value."""
        names = " and ".join([repr(name) for name in _arguments(self)])
        return TraceError(
            f"{self!r} has no value yet, so Python cannot use it as an index, a count or a number to round; name "
            f"{names} in static_argnames{other}"
        )

    def __repr__(self) -> str:
        return f"<{self.kind.__name__} = {self._what}>"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)


class NumberArgument(Number):
    """A number that is passed to the function. It enters the graph as a symbol of each type that is wanted of it.

    Args:
        kind: ``bool``, ``int`` or ``float``, or the class of a NumPy scalar.

    Attributes:
        name: the parameter's.
    """

    __slots__ = ("_owner", "name")

    def __init__(self, kind: type, name: str, owner: str) -> None:
        own = ALL_DTYPES[np.dtype(kind).name] if issubclass(kind, np.generic) else None
        python = kind if own is None else float if own.is_float else int
        super().__init__(python, f"symbol {name!r}", own)
        self.name, self._owner = name, owner

    def _make(self, type_: TensorType) -> Tensor:
        with inside(None):
            return fresh_symbol(self.name, type_, self._owner)


class _NumberResult(Number):
    """What an operator makes of numbers."""

    __slots__ = ("_name", "_within", "values")

    def __init__(self, name: str, values: tuple[Any, ...]) -> None:
        kind: type = max(map(number_kind, values), key=_RANK.__getitem__)
        if name == "divide":
            kind = float
        elif name in _ARITHMETIC and kind is bool:
            kind = int
        if name == "power" and kind is int:
            exponent = values[1]
            if isinstance(exponent, Number):
                raise TraceError(
                    f"{values[0]!r} ** {exponent!r}: whether this is whole depends on the sign of the exponent; name "
                    "it in static_argnames, or write a float"
                )
            kind = int if exponent >= 0 else float
        super().__init__(bool if name in _COMPARISONS else kind, name, _scalar_of(name, kind, values))
        self._name, self.values, self._within = name, values, _EXACT[kind]
        # Made now, a mistake raises on the user's line, and a long chain of numbers needs no deep recursion.
        self.typed(_EXACT[self.kind], current_device())

    def _make(self, type_: TensorType) -> Tensor:
        own = _EXACT[self.kind]
        if type_.dtype is not own:
            return cast(Tensor, apply("cast", self.typed(own, type_.device), type_.dtype))
        given = [v.typed(self._within, type_.device) if isinstance(v, Number) else v for v in self.values]
        return cast(Tensor, apply(self._name, *given))


def _scalar_of(name: str, kind: type, values: Iterable[Any]) -> DType | None:
    """The element type of the NumPy scalar that an operator makes of numbers; None where it makes none."""
    own = [dtype.name for v in values if (dtype := _own_dtype(v)) is not None]
    if not own or name in _COMPARISONS:
        return None
    joint = np.result_type(*own)
    return ALL_DTYPES[joint.name] if joint.kind == "f" or kind is not float else float64


def _arguments(number: Number) -> list[str]:
    """The names of the arguments that a number is computed from."""
    found: dict[str, None] = {}
    pending: list[Any] = [number]
    while pending:
        item = pending.pop()
        if isinstance(item, NumberArgument):
            found[item.name] = None
        elif isinstance(item, _NumberResult):
            pending += reversed(item.values)
    return list(found)
