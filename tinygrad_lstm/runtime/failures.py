"""Error messages for operations that fail, and for memory that runs out."""

import math
from typing import Any, Final

from tinygrad_lstm.errors import Error, EvaluationError, IndexingError
from tinygrad_lstm.graph.tensor import Node, located

__all__ = ["exhausted", "failure", "lacking", "out_of_bounds"]

_TOO_LARGE: Final = (
    "array is too big",
    "Maximum allowed dimension exceeded",
    "Maximum allowed size exceeded",
    "iterator is too large",
    "broadcast dimensions too large",
)
"""How NumPy's messages begin when no memory could hold an array."""


def exhausted(error: BaseException) -> bool:
    """Whether an error means that memory ran out.

    >>> exhausted(MemoryError()), exhausted(ValueError("array is too big; …")), exhausted(ValueError("no"))
    (True, True, False)
    """
    return isinstance(error, MemoryError) or (type(error) is ValueError and str(error).startswith(_TOO_LARGE))


def lacking(what: Any, size: int) -> str:
    """The sentence that memory ran out: for ``what``, which takes ``size`` bytes, or for None where that is unknown.

    >>> lacking("f32[2,512,262144]", 2**30)
    'out of memory: f32[2,512,262144] takes 1 GiB; make a batch, a window or a layer smaller'
    """
    if what is not None and not size:
        return f"{what} is empty, and yet its sizes are beyond those that an array can have; make them smaller"
    details = "" if what is None else f": {what} takes {size / 2**30:.3g} GiB"
    return f"out of memory{details}; make a batch, a window or a layer smaller"


def failure(error: Exception, node: Node) -> Error:
    """The error for a kernel that failed, in terms of the graph: ``op(operands) in scope: what [file:line]``."""
    what = str(error) or type(error).__name__
    if exhausted(error):
        types = node.type if isinstance(node.type, tuple) else (node.type,)
        size = sum(math.prod(t.shape) * t.dtype.itemsize for t in types)
        what = lacking(" and ".join(map(str, types)), size)
    message = located(node, what)
    return IndexingError(message) if isinstance(error, IndexError) else EvaluationError(message)


def out_of_bounds(node: Node, index: int, size: int) -> IndexingError:
    """The error for an index out of range that a compiled program has met."""
    axis = node.attrs.get("axis", 0)
    return IndexingError(located(node, f"index {index} is out of bounds for axis {axis} with size {size}"))
