"""Questions about element types."""

from typing import Any, Final

import numpy as np

from tinygrad_lstm.errors import DTypeError, UsageError
from tinygrad_lstm.graph.convert import is_scalar
from tinygrad_lstm.graph.dtypes import DTYPES, DType, as_dtype, float_info, promote, weak_dtype
from tinygrad_lstm.graph.number import lone_dtype, number_kind
from tinygrad_lstm.graph.registry import apply, function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.elementwise import cast

__all__ = ["astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type"]

_KINDS: Final = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "",
    "numeric": "iuf",
}
"""The kinds of element types that the array API standard names."""


def finfo(dtype: Any) -> Any:
    """The limits of a type of floats, as NumPy's ``finfo``: ``eps``, ``max``, ``tiny`` and others.

    Args:
        dtype: the type, or an array of it.

    Raises:
        DTypeError: for another type.

    >>> float(tl.finfo(tl.float32).eps) == 2**-23
    True
    """
    own = _type_of(dtype)
    if not own.is_float:
        raise DTypeError(f"finfo: {own} is no type of floats; the limits of integers are tl.iinfo({own!r})")
    return float_info(own)


def iinfo(dtype: Any) -> Any:
    """The limits of a type of integers, as NumPy's ``iinfo``: ``min``, ``max`` and ``bits``.

    Args:
        dtype: the type, or an array of it.

    Raises:
        DTypeError: for another type.

    >>> tl.iinfo(tl.int32).max
    2147483647
    """
    own = _type_of(dtype)
    if own.kind not in "iu":
        raise DTypeError(f"iinfo: {own} is no type of integers; the limits of floats are tl.finfo({own!r})")
    return np.iinfo(own.name)


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The element type of the result of an operation on these arrays, element types and numbers.

    It is NumPy's, except that an integer or bool beside a float takes the float's type. Numbers give way.

    Raises:
        DTypeError: for two widths of floats, which do not mix.

    >>> tl.result_type(tl.int32, tl.uint32), tl.result_type(tl.ones(2), 3), tl.result_type(tl.int64, tl.float32)
    (tl.int64, tl.float32, tl.float32)
    """
    if not arrays_and_dtypes:
        raise UsageError("result_type: at least one array or element type is needed")
    numbers = [v for v in arrays_and_dtypes if is_scalar(v)]
    strong = [_type_of(v) for v in arrays_and_dtypes if not is_scalar(v)]
    if not strong:
        return lone_dtype(*numbers)
    return promote(*strong, *[weak_dtype(number_kind(v), *strong) for v in numbers])


def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """Whether every value of one element type has its place in another, by NumPy's rules.

    Args:
        from_: an element type, or an array of it.
        casting: ``"safe"``, or ``"same_kind"``: also from wide floats to narrow ones, or ``"no"``, ``"equiv"`` and
            ``"unsafe"``.

    >>> tl.can_cast(tl.int32, tl.float64), tl.can_cast(tl.int64, tl.float32)
    (True, False)
    """
    if casting not in ("no", "equiv", "safe", "same_kind", "unsafe"):
        raise UsageError(f"can_cast: casting is 'safe', 'same_kind', 'unsafe', 'equiv' or 'no', not {casting!r}")
    return bool(np.can_cast(_type_of(from_).name, _type_of(to).name, casting))  # type: ignore[arg-type]


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether an element type is of a kind: ``"bool"``, ``"signed integer"``, ``"unsigned integer"``, ``"integral"``,
    ``"real floating"``, ``"complex floating"``, ``"numeric"``, another element type, or one of a tuple of these.

    Raises:
        UsageError: for another word.

    >>> tl.isdtype(tl.float32, "real floating"), tl.isdtype(tl.int8, ("bool", tl.int8)), tl.isdtype(tl.bool_, "numeric")
    (True, True, False)
    """
    own = _type_of(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(own, k) for k in kind)
    if isinstance(kind, str) and kind not in DTYPES:
        if kind not in _KINDS:
            raise UsageError(f"isdtype: a kind is one of {', '.join(map(repr, _KINDS))}, not {kind!r}")
        return own.kind in _KINDS[kind]
    return own is as_dtype(kind)


@function
def astype(x: Any, dtype: Any, *, copy: bool = True, device: str | None = None) -> Tensor:
    """``x`` with elements of another type, as ``x.astype(dtype)``: a function of the array API standard and of NumPy.

    Args:
        copy: as in the standard; an array never changes, so that nobody sees whether it is one.
        device: where the result lives: a value without history, as :func:`to` gives it; by default where ``x`` does.

    >>> print(tl.astype([1.5, 2.5], tl.int64))
    [1 2]
    """
    converted = cast(x, dtype)
    return converted if device is None else apply("to", converted, device)


def _type_of(value: Any) -> DType:
    dtype = getattr(value, "dtype", value)
    return as_dtype(value if isinstance(value, DType | type | str) else dtype)
