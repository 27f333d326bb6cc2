"""Floats of 16 bits: sums of float16 are accumulated in float32 and rounded once, at the end.

So a sum has the digits of its result, however many its terms, and is infinite only where the result is. All ops on
bfloat16 are computed so, since NumPy has no functions of its own for it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["of_bfloat16", "widened"]


def widened(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel ``(xp, *arrays, **attributes)``, changed to compute float16 in float32 and to round its result.

    >>> mean = widened(lambda xp, x: xp.mean(x))
    >>> float(mean(np, np.full(4096, 0.1, "float16")))
    0.0999755859375
    """

    @wraps(kernel)
    def wide(xp: Any, *arrays: Any, **attributes: Any) -> Any:
        if not any(x.dtype.name == "float16" for x in arrays):
            return kernel(xp, *arrays, **attributes)
        arrays = tuple(x.astype("float32") if x.dtype.name == "float16" else x for x in arrays)
        return kernel(xp, *arrays, **attributes).astype("float16")

    return wide


def of_bfloat16(kernel: Callable[..., Any], *dtypes: Any) -> Callable[..., Any]:
    """The bound kernel ``(*arrays)`` of an op on elements of ``dtypes``, the result's first.

    Where one of them is bfloat16, it is changed to compute in float32, and to round its result if that is bfloat16.
    """
    if not any(getattr(dtype, "name", None) == "bfloat16" for dtype in dtypes):
        return kernel

    def wide(*arrays: Any) -> Any:
        result = kernel(*[x.astype("float32") if x.dtype.name == "bfloat16" else x for x in arrays])
        return result.astype(dtypes[0].name) if result.dtype.name == "float32" else result

    return wide
