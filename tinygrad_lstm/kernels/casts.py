"""The kernel of ``cast``, and which integer a float becomes that is out of the integers' range.

A float is cut off towards 0. What is out of range becomes the nearest integer of the type, and nan becomes 0, on every
backend: NumPy leaves both to the processor, and C leaves them undefined.
"""

from typing import Any, Final

__all__ = ["BOUNDS", "cast", "fits", "truncated"]

BOUNDS: Final = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
"""The smallest and the largest integer of each type."""


def cast(xp: Any, x: Any, name: str) -> Any:
    """``x`` with elements of the type ``name``.

    >>> import numpy
    >>> cast(numpy, numpy.array([-1.5, 2.7]), "int32")
    array([-1,  2], dtype=int32)
    """
    if x.dtype.name == "bfloat16":
        x = x.astype("float32")
    if name == "bfloat16":
        return _odd(xp, x).astype(name)
    if x.dtype.kind != "f" or name not in BOUNDS or fits(x, name):
        return x.astype(name)
    return truncated(xp, x, name)


def _odd(xp: Any, x: Any) -> Any:
    """float32 that rounds to the bfloat16 that ``x`` is nearest to.

    What float32 does not hold is rounded to odd: then the second rounding cannot turn a near miss into a tie.
    """
    if x.dtype.kind in "iu":
        x = x.astype("float64")
    near = x.astype("float32")
    if x.dtype.name != "float64":
        return near
    inexact = (near != x) & xp.isfinite(near)
    away = inexact & (xp.abs(near.astype("float64")) > xp.abs(x))
    bits = near.view("uint32") - away.astype("uint32")
    return xp.where(inexact, bits | xp.uint32(1), bits).view("float32")


def fits(x: Any, name: str) -> bool:
    """Whether every float of ``x`` is in the range of the integers ``name``.

    >>> import numpy
    >>> fits(numpy.array([-1.5, 2.7]), "int32"), fits(numpy.array([numpy.nan]), "int32")
    (True, False)
    """
    low, high = BOUNDS[name]
    # Where an element is nan, so are min and max, and every comparison with nan is false.
    return not x.size or (low <= float(x.min()) and float(x.max()) <= high)


def truncated(xp: Any, x: Any, name: str) -> Any:
    """Floats cut off towards 0 as integers of the type ``name``; out of range the nearest of them, and 0 for nan.

    >>> import numpy
    >>> truncated(numpy, numpy.array([-1.5, 1e20, numpy.nan]), "int32")
    array([        -1, 2147483647,          0], dtype=int32)
    """
    low, high = BOUNDS[name]
    if x.dtype == xp.float16:
        x = x.astype("float32")  # float16, which ends at 65504, cannot hold the bounds
    # The two numbers compared with are 0 or powers of two, which floats hold exactly.
    below, above = x < float(low), x >= float(high + 1)
    inside = xp.where(below | above | (x != x), xp.zeros_like(x), x).astype(name)
    return xp.where(below, low, xp.where(above, high, inside)).astype(name)
