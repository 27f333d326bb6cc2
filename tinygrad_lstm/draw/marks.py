"""Marks that make a picture say which operand is which, and what else determines an operation besides its operands."""

from collections.abc import Mapping
from typing import Any, Final

from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node

__all__ = ["attribute_note", "operand_marks"]

_MARKS: Final[Mapping[str, tuple[str, ...]]] = {
    "subtract": ("", "−"),
    "divide": ("", "÷"),
    "floor_divide": ("", "÷"),
    "remainder": ("", "mod"),
    "power": ("x", "y"),
    "where": ("if", "then", "else"),
    "take": ("", "index"),
    "scatter_add": ("", "index"),
    "right_shift": ("", "by"),
    "arctan2": ("y", "x"),
    "threefry2x32": ("key", ""),
}
"""For ops whose operands have a role of their own; an operand without a mark is the one that is worked on."""
_SYMMETRIC: Final = frozenset(
    ("add", "multiply", "maximum", "minimum", "equal", "bitwise_and", "bitwise_or", "item", "stacked")
)
"""The order of the operands makes no difference."""


def operand_marks(node: Node) -> tuple[str, ...]:
    """A mark for each operand of ``node``; empty marks where their order makes no difference.

    >>> x, y = tl.symbol("x"), tl.symbol("y")
    >>> operand_marks(x - y), operand_marks(x * y), operand_marks(x < y)
    (('', '−'), ('', ''), ('1', '2'))
    """
    count = len(node.inputs)
    if count < 2 or node.op in _SYMMETRIC or OPS[node.op].kind == "loop":
        return ("",) * count
    return _MARKS.get(node.op) or tuple(str(k + 1) for k in range(count))


def attribute_note(node: Node) -> str:
    """What determines ``node`` besides its operands and its type, in a few characters; nothing if that is all.

    >>> x = tl.symbol("x", (3, 4))
    >>> attribute_note(x[:, 1:3]), attribute_note(tl.sum(x, 1)), attribute_note(tl.sum(x)), attribute_note(x.T)
    ('[:, 1:3]', 'axis 1', '', '')
    """
    attrs, op = node.attrs, node.op
    if op == "slice":
        return f"[{', '.join(map(_range, attrs['start'], attrs['stop'], attrs['step'], node.inputs[0].shape))}]"
    if op == "transpose":
        axes = attrs["axes"]
        return "" if axes == tuple(reversed(range(len(axes)))) else f"axes {_listed(axes)}"
    if op == "pad":
        return f"{_listed(attrs['low'])} before, {_listed(attrs['high'])} after" + (
            f", {_listed(attrs['interior'])} between" if any(attrs["interior"]) else ""
        )
    if op == "contract":
        return f"{attrs['left']},{attrs['right']}→{attrs['out']}"
    if op in ("sum", "max", "min", "logsumexp", "flip"):
        axes, rank = attrs["axis"], len(node.inputs[0].shape)
        return "" if len(axes) == rank else f"axis {_listed(axes)}"
    if op == "broadcast_to":
        return ""
    if op in ("concatenate", "take", "argmax", "argsort", "scatter_add"):
        return f"axis {attrs['axis']}" if len(node.inputs[0].shape) > 1 or attrs["axis"] else ""
    if not OPS[op].user:
        return ""
    return ", ".join(f"{name} {_value(value)}" for name, value in attrs.items())


def _range(start: int, stop: int, step: int, size: int) -> str:
    whole = f"{start or ''}:{'' if stop >= size else stop}"
    return whole if step == 1 else f"{whole}:{step}"


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _value(value: Any) -> str:
    if isinstance(value, DType):
        return value.short
    plain = value is None or isinstance(value, bool | int | float | str | tuple)
    return str(value) if plain else getattr(value, "__name__", type(value).__name__)
