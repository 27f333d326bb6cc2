"""How a lack of memory is told."""

from typing import Any, Final

__all__ = ["exhausted", "lacking"]

_TOO_LARGE: Final = (
    "array is too big",
    "Maximum allowed dimension exceeded",
    "Maximum allowed size exceeded",
    "iterator is too large",
    "broadcast dimensions too large",
)
"""How NumPy begins to say that no memory could hold an array."""


def exhausted(error: BaseException) -> bool:
    """Whether memory is missing.

    >>> exhausted(MemoryError()), exhausted(ValueError("array is too big; …")), exhausted(ValueError("no"))
    (True, True, False)
    """
    return isinstance(error, MemoryError) or (type(error) is ValueError and str(error).startswith(_TOO_LARGE))


def lacking(what: Any, size: int) -> str:
    """The sentence for ``what`` of ``size`` bytes, or for something of unknown size where it is None.

    >>> lacking("f32[2,512,262144]", 2**30)
    'out of memory: f32[2,512,262144] takes 1 GiB; make a batch, a window or a layer smaller'
    """
    told = "" if what is None else f": {what} takes {size / 2**30:.3g} GiB"
    return f"out of memory{told}; make a batch, a window or a layer smaller"
