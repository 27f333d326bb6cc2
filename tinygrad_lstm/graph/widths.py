"""Floats of two widths in one operation: the error says where the other width comes from, and the line to write."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.graph.scopes import at_line, current_scope, in_scope, user_line
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Variable

__all__ = ["check_widths", "remember_list"]

_OF_LISTS: Final[WeakValueDictionary[int, Node]] = WeakValueDictionary()
_MOST: Final = 1000
"""How many operations are looked back over for the message."""
_LIST: Final = ("the list", "tl.tensor(x, dtype={dtype})")
_TYPED: Final = ("cast", "broadcast_to")
"""Ops that say that a type was chosen: ``astype``, and ``zeros`` or ``full``."""


class _Operand(NamedTuple):
    """An operand of floats: as it was given, its node, and what it was before it was of this type."""

    value: Any
    node: Tensor
    before: str = ""
    change: str = ""


def remember_list(leaf: Tensor) -> None:
    """Keep in mind that the values of a leaf were Python's numbers, which say nothing of a width."""
    _OF_LISTS[id(leaf)] = leaf


def check_widths(values: Sequence[Any], nodes: Sequence[Tensor | None]) -> None:
    """Check that arrays of floats are of one width; the message names the line to write for what was given.

    Raises:
        DTypeError: when they are not.
    """
    floats = [(v, n) for v, n in zip(values, nodes, strict=True) if n is not None and n.type.dtype.is_float]
    widths = list(dict.fromkeys(n.type.dtype for _, n in floats))
    if len(widths) < 2:
        return
    operands = [_looked_back(v, n) for v, n in floats]
    meant = next((o.node.dtype for o in operands if not o.before), None)
    blamed = next((o for o in operands if o.before and o.node.dtype is not meant), None)
    if meant is not None and blamed is not None:
        said = f"{blamed.before} became {blamed.node.dtype}: write {blamed.change.format(dtype=f'tl.{meant}')}"
    else:
        said = f"write {_change(floats)}"
    where = f"{in_scope(current_scope())}: " if current_scope() is not None else ""
    raise DTypeError(f"{where.removeprefix(' ')}{widths[0]} and {widths[1]} do not mix; {said}{at_line(user_line())}")


def _change(floats: Sequence[tuple[Any, Tensor]]) -> str:
    """The line to write where each operand has its width of its own."""
    kept = next((n.dtype for v, n in floats if isinstance(v, Variable)), None)
    kept = kept or next((n.dtype for v, n in floats if isinstance(v, Tensor)), floats[0][1].dtype)
    given = next((v for v, n in floats if not isinstance(v, Tensor | Variable) and n.dtype is not kept), None)
    if given is None:
        return f".astype(tl.{kept}) behind the other"
    return f"x.astype(np.{kept}) for the array" if hasattr(given, "astype") else f"tl.tensor(x, dtype=tl.{kept})"


def _looked_back(value: Any, node: Tensor) -> _Operand:
    """An operand, with the list, the integers or the number that it was made of, where it was made of nothing else."""
    found: dict[str, tuple[str, str]] = {}
    seen: set[Node] = set()
    pending: list[Node] = [node]
    while pending:
        one = pending.pop()
        if one in seen or (one.type.__class__ is TensorType and not one.type.dtype.is_float):
            # What chooses or points is of another type anyway.
            continue
        seen.add(one)
        if one.op == "cast" and not one.inputs[0].dtype.is_float:
            one = one.inputs[0]
            if one.op != "constant":
                found["whole"] = f"the integers {one.type}", ".astype({dtype}) behind them"
                continue
        if one.op == "constant":
            number = f"{one.attrs['value']:g}"
            found["number"] = f"the number {number}", f"tl.tensor({number}, dtype={{dtype}})"
        elif _OF_LISTS.get(id(one)) is one:
            found["list"] = _LIST
        elif one.inputs and one.op not in _TYPED and len(seen) < _MOST:
            pending += one.inputs
        else:
            return _Operand(value, node)
    if isinstance(value, list | tuple) and "whole" not in found:
        return _Operand(value, node, *_LIST)
    return _Operand(value, node, *next((found[kind] for kind in ("whole", "list", "number") if kind in found), ()))
