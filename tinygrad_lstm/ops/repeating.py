"""Loops by their condition or their count: ``fori_loop``."""

from collections.abc import Callable
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.convert import shared_device
from tinygrad_lstm.graph.device import as_device
from tinygrad_lstm.graph.dtypes import int64
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.graph.types import whole
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.source import arange_node
from tinygrad_lstm.reflexes import is_function

__all__ = ["fori_loop"]


def fori_loop(lower: int, upper: int, body: Callable[[Any, Any], Any], init: Any, *, unroll: int | bool = 1) -> Any:
    """The last value of ``for i in range(lower, upper): value = body(i, value)``.

    It is a ``scan`` over the numbers ``i``, and so differentiated in both modes.

    Args:
        lower: the first ``i``.
        upper: the ``i`` before which the loop ends; no step is made where it is not above ``lower``.
        body: ``(i, value) -> value``, called once, on symbols; ``i`` is an int64.
        init: the first value: a tensor, or tensors in a nested structure, which ``body`` keeps.
        unroll: how many steps are made at once, as in ``scan``.

    Raises:
        UsageError: when a bound is no integer.
        ShapeError, DTypeError, StructureError: when ``body`` gives another form than it takes.

    >>> print(tl.fori_loop(1, 6, lambda i, product: product * i, 1.0))
    120.0
    >>> print(tl.grad(lambda x: tl.fori_loop(0, 3, lambda i, y: y * x, 1.0))(2.0))
    12.0
    """
    if not is_function(body):
        raise UsageError(
            f"fori_loop: the body comes third, fori_loop(lower, upper, body, init), and is a function (i, value) -> "
            f"value, not {type(body).__name__}"
        )
    first, last = whole(lower), whole(upper)
    if first is None or last is None:
        raise UsageError(f"fori_loop: the bounds are integers, not {lower!r} and {upper!r}")
    numbers = arange_node(max(0, last - first), int64, as_device(shared_device(*flatten(init)[0])))
    if first:
        numbers = numbers + first
    result, _ = scan(lambda value, i: (_called(body, i, value), None), init, numbers, unroll=unroll)
    return result


def _called(body: Callable[[Any, Any], Any], i: Any, value: Any) -> Any:
    """``body(i, value)``; where the call itself fails, the error says with what."""
    try:
        return body(i, value)
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise
        raise UsageError(f"fori_loop calls its body as body(i, value), but {error}") from None
