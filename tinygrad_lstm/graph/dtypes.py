"""Element types, and how they combine."""

import importlib
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NoReturn

import numpy as np

from tinygrad_lstm.errors import DTypeError, UsageError

__all__ = [
    "ALL_DTYPES",
    "DTYPES",
    "REAL_ALONE",
    "DType",
    "as_dtype",
    "bfloat16",
    "bool_",
    "float16",
    "float32",
    "float64",
    "float_info",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_dtype",
    "limits",
    "promote",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "weak_dtype",
    "whole_limits",
]

DTypeKind = Literal["b", "i", "u", "f"]


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: its NumPy name, its kind (bool, int, unsigned, float) and its size in bytes."""

    name: str
    kind: DTypeKind
    itemsize: int
    short: str

    @property
    def dtype(self) -> Any:
        """NumPy's type of the same name: by this attribute NumPy takes the type wherever it takes one of its own.

        >>> np.zeros(2, dtype=tl.float16)
        array([0., 0.], dtype=float16)
        """
        return np.dtype(_ready(self).name)

    @property
    def is_float(self) -> bool:
        """Whether values of this type have derivatives."""
        return self.kind == "f"

    @property
    def is_half(self) -> bool:
        """Whether a float has 16 bits: sums and functions of such are computed in float32, and rounded at the end."""
        return self.kind == "f" and self.itemsize == 2

    answers_calls: ClassVar[bool] = True

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        raise UsageError(
            f"an element type is no function: write tl.tensor(value, dtype={self!r}), or x.astype({self!r})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are the type itself: types are compared by identity."""
        return as_dtype, (self.name,)

    def __repr__(self) -> str:
        return f"tl.{self.name}" if self.name != "bool" else "tl.bool_"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self is other
        if isinstance(other, str):
            return self.name == other
        # NumPy's dtypes compare by name, so that `t.dtype == np.float32` reads as it does in NumPy.
        return getattr(other, "name", getattr(other, "__name__", None)) == self.name

    def __hash__(self) -> int:
        return hash(self.name)


bool_: Final = DType("bool", "b", 1, "bool")
int8: Final = DType("int8", "i", 1, "i8")
int16: Final = DType("int16", "i", 2, "i16")
int32: Final = DType("int32", "i", 4, "i32")
int64: Final = DType("int64", "i", 8, "i64")
uint8: Final = DType("uint8", "u", 1, "u8")
uint16: Final = DType("uint16", "u", 2, "u16")
uint32: Final = DType("uint32", "u", 4, "u32")
uint64: Final = DType("uint64", "u", 8, "u64")
float16: Final = DType("float16", "f", 2, "f16")
bfloat16: Final = DType("bfloat16", "f", 2, "bf16")
float32: Final = DType("float32", "f", 4, "f32")
float64: Final = DType("float64", "f", 8, "f64")

REAL_ALONE: Final = (
    "there are no complex numbers here: keep the real and the imaginary part, x.real and x.imag in NumPy, as two arrays"
)

DTYPES: Final = {
    d.name: d
    for d in (
        *(bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64),
        *(float16, float32, float64),
    )
}
ALL_DTYPES: Final = {**DTYPES, "bfloat16": bfloat16}
"""Those that NumPy has, and bfloat16, which the package ml_dtypes adds to it."""
_PYTHON: Final[dict[type, DType]] = {bool: bool_, int: int64, float: float32}


_OTHER_NAMES: Final = {
    "bool_": "bool",
    "double": "float64",
    "f4": "float32",
    "f8": "float64",
    "float": "float32",
    "float_": "float64",
    "half": "float16",
    "int": "int64",
    "int_": "int64",
    "long": "int64",
    "single": "float32",
}
"""Names of element types elsewhere, and which they are."""


def as_dtype(value: Any) -> DType:
    """The element type that ``value`` names: a DType, a name, a NumPy dtype, or ``bool``, ``int``, ``float``.

    >>> as_dtype("float64")
    tl.float64
    >>> as_dtype(float)
    tl.float32

    Raises:
        DTypeError: for a type that is not supported.
    """
    if isinstance(value, DType):
        return _ready(value)
    if isinstance(value, type) and value in _PYTHON:
        return _PYTHON[value]
    name = value if isinstance(value, str) else getattr(value, "name", getattr(value, "__name__", None))
    if name in ALL_DTYPES:
        return _ready(ALL_DTYPES[name])
    # What torch.float32 is called, and Python's and PyTorch's other names.
    own = str(name or value).rpartition(".")[2]
    if (meant := ALL_DTYPES.get(_OTHER_NAMES.get(own, own))) is not None:
        raise DTypeError(f"dtype {name or value!r} is called {meant!r} here, or {meant.name!r}")
    if isinstance(name, str) and name.startswith(("complex", "clongdouble", "csingle")):
        raise DTypeError(REAL_ALONE)
    sized = f" (a shape of several sizes is one tuple, such as (2, {value}))" if isinstance(value, int) else ""
    raise DTypeError(f"dtype {name or value!r} is not supported; use one of {', '.join(DTYPES)}{sized}")


def _ready(dtype: DType) -> DType:
    """The type itself, once NumPy knows it.

    Raises:
        DTypeError: for bfloat16 where ml_dtypes is not installed.
    """
    if dtype is bfloat16:
        try:
            importlib.import_module("ml_dtypes")
        except ModuleNotFoundError:
            raise DTypeError(
                "bfloat16 needs the package ml_dtypes, which is not installed: pip install 'tinygrad-lstm[bfloat16]'"
            ) from None
    return dtype


def float_info(dtype: DType) -> Any:
    """The limits of a type of floats, as NumPy's ``finfo``."""
    if dtype is bfloat16:
        return importlib.import_module("ml_dtypes").finfo(dtype.name)
    return np.finfo(dtype.name)


def whole_limits(dtype: DType) -> tuple[int, int]:
    """The least and the largest number of a type of integers.

    >>> whole_limits(int8), whole_limits(uint16)
    ((-128, 127), (0, 65535))
    """
    bits = 8 * dtype.itemsize
    return (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def limits(dtype: DType) -> tuple[float, float]:
    """The least and the largest finite number of a type of floats."""
    info = float_info(dtype)
    return float(info.min), float(info.max)


def is_dtype(value: Any) -> bool:
    """Whether ``value`` is or names an element type, here or elsewhere."""
    try:
        as_dtype(value)
    except DTypeError as error:
        return "is called" in str(error)
    return True


def weak_dtype(kind: type, *others: DType) -> DType:
    """The type that a Python scalar, a ``bool``, ``int`` or ``float``, takes beside operands of the types ``others``.

    A scalar never widens a type of its own kind or a higher one: ``f16 + 1.5`` is float16 and ``i32 + 1`` int32,
    while ``i32 + 1.5`` is float32.
    """
    partner = promote(*others) if others else None
    if kind is bool:
        return partner or bool_
    if kind is int:
        return partner if partner is not None and partner.kind != "b" else int64
    return partner if partner is not None and partner.is_float else float32


def promote(*dtypes: DType) -> DType:
    """The type of the result of an operation over arrays of these types.

    NumPy 2's rules, except that an integer or bool beside a float takes the float's type, and that two float
    widths do not mix.

    >>> promote(int32, uint32)
    tl.int64
    >>> promote(int64, float32)
    tl.float32

    Raises:
        DTypeError: for two float types of different widths.
    """
    result = dtypes[0]
    for other in dtypes[1:]:
        if other is not result:
            result = _promote_two(result, other)
    return result


def _promote_two(a: DType, b: DType) -> DType:
    if a.is_float and b.is_float:
        raise DTypeError(
            f"{a} and {b} do not mix; convert one of them, for example with .astype({a!r}), "
            f"or an array with tl.tensor(x, dtype={a!r})"
        )
    if a.is_float or b.kind == "b":
        return a
    if b.is_float or a.kind == "b":
        return b
    return _WHOLE[a, b]


_WHOLE: Final = {
    (a, b): DTYPES[np.promote_types(a.name, b.name).name]
    for a in DTYPES.values()
    for b in DTYPES.values()
    if a.kind in "iu" and b.kind in "iu"
}
"""What two types of integers become: NumPy's, which for uint64 beside integers with a sign is float64."""
