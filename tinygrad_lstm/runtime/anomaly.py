"""Where the first nan or infinity comes from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import numpy as np

from tinygrad_lstm.errors import AnomalyError
from tinygrad_lstm.graph.scopes import at_line, in_scope
from tinygrad_lstm.graph.tensor import Node, name_of, origin_of
from tinygrad_lstm.runtime.backend import Backend

__all__ = ["at_step", "detect_anomaly", "detecting", "watched"]

_detecting: Final[ContextVar[bool]] = ContextVar("detecting", default=False)


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Inside the ``with`` block an evaluation stops at the first operation that gives a nan or an infinity.

    The error names the operation, its scope, the line that made it, its result and its inputs, and says which of the
    inputs was not finite already. A node of a gradient has the line of the node that it differentiates; in the body of
    a scan the error names the step too. Checking every value costs time: use it to find a fault.

    >>> x = tl.tensor([1.0, -1.0])
    >>> with tl.detect_anomaly():
    ...     tl.log(x * 2).numpy()
    Traceback (most recent call last):
        ...
    tinygrad_lstm.errors.AnomalyError: log(f32[2]) gives nan at [1] (1 of 2 values is not finite) ...
    """
    token = _detecting.set(True)
    try:
        yield
    finally:
        _detecting.reset(token)


def detecting() -> bool:
    """Whether :func:`detect_anomaly` is in force here."""
    return _detecting.get()


def watched(f: Callable[..., Any], node: Node, backend: Backend) -> Callable[..., Any]:
    """The kernel ``f`` of ``node``, which raises AnomalyError where its result is not finite."""
    if isinstance(node.type, tuple) or not node.type.dtype.is_float:
        return f

    def kernel(*arrays: Any) -> Any:
        result = f(*arrays)
        values = np.asarray(backend.get(backend.finished(result)))
        bad = ~np.isfinite(values)
        if bad.any():
            raise AnomalyError(
                _message(node, values, bad, [np.asarray(backend.get(backend.finished(a))) for a in arrays])
            )
        return result

    return kernel


def at_step(error: AnomalyError, step: int, length: int) -> AnomalyError:
    """The error with the step of the loop in which the value came up."""
    return AnomalyError(f"{error}; in step {step} of the {length} of a scan")


def _message(node: Node, values: Any, bad: Any, arrays: list[Any]) -> str:
    """The sentence on ``values``, which are not finite where ``bad`` is true; ``arrays`` are the node's inputs."""
    operands = ", ".join(str(x.type) for x in node.inputs)
    origin = origin_of(node)
    of = f" of the gradient of {origin.op}" if origin is not None else " of a gradient" if node.origin else ""
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    count = int(bad.sum())
    at = f" at {list(place)} ({count} of {bad.size} values {'is' if count == 1 else 'are'} not finite)" if place else ""
    inputs = [f"input {k}, {_name(x)}, {_range(a)}" for k, (x, a) in enumerate(zip(node.inputs, arrays, strict=True))]
    op = f"{node.op}({operands}){of}{in_scope(node.scope)}"
    return f"{op} gives {values[place]}{at}{at_line(node.line)}: {'; '.join(inputs)}"


def _name(node: Node) -> str:
    name = name_of(node)
    return f"{node.op} {name!r}" if name else node.op


def _range(array: Any) -> str:
    if not array.size:
        return "is empty"
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        return f"is between {array.min()} and {array.max()}"
    finite = np.isfinite(array)
    if not finite.all():
        return f"was not finite already at {int((~finite).sum())} of {array.size} places"
    return f"is finite, between {array.min():.6g} and {array.max():.6g}"
