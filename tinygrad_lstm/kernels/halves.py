"""float16: its sums are accumulated in float32 and rounded once, at the end.

So a sum has the digits of its result, however many its terms, and is infinite only where the result is.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["widened"]


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
