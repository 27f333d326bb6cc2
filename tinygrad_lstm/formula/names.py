"""Names in an expression: values by the names that the user gave them, and weights by the textbook's letters."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from tinygrad_lstm.graph.function import read_by_body, topological
from tinygrad_lstm.graph.tensor import Node, name_of

__all__ = ["named_values", "weight_letters"]

_GIVEN: Final = ("symbol", "leaf", "constant")
_BETWEEN: Final = ("transpose", "broadcast_to", "reshape", "cast")
"""What may stand between a weight and the operation that reads it."""
_KINDS: Final = {"matmul": "WUV", "add": "bcd", "subtract": "bcd", "multiply": "pqr"}
_FAR: Final = 6
"""So many operations lie between a weight and the value that its layer computes, at most."""
_SPLIT: Final = re.compile(r"(?P<base>[^_\s]{1,3})_(?:\{(?P<braced>[^{}]*)\}|(?P<plain>[^_{}]+))")


def named_values(order: Iterable[Node]) -> dict[Node, Node]:
    """For each value that has a name in the graph, the node that names it; leaves have names of their own."""
    names: dict[Node, Node] = {}
    for node in order:
        if node.op == "named":
            inner = node
            while inner.op == "named":
                inner = inner.inputs[0]
                if inner.op not in _GIVEN:
                    names.setdefault(inner, node)
    return names


def weight_letters(order: Sequence[Node], named: Mapping[Node, Node]) -> dict[Node, str]:
    """``W_f`` for the weight of the layer that computes ``f_t``, ``b_f`` for its bias, ``U_f`` for a second weight.

    A weight is a Parameter that its module calls ``weight`` or ``bias``. One whose layer computes no value with a name
    is left out: its path in the model is its name.
    """
    taken = {name for node in order if (name := name_of(node)) is not None}
    letters: dict[Node, str] = {}
    for node, found in _layers(order, named).items():
        if found is not None:
            kind, below = found
            letters[node] = next(text for text in _candidates(kind, below) if text not in taken)
            taken.add(letters[node])
    return letters


def _layers(order: Sequence[Node], named: Mapping[Node, Node]) -> dict[Node, tuple[str, str] | None]:
    """For each weight in ``order`` or in the body of a loop there, what :func:`_layer` finds."""
    found: dict[Node, tuple[str, str] | None] = {}
    pending = [(order, named, dict[Node, Node]())]
    while pending:
        order, named, outside = pending.pop()
        readers: dict[Node, list[Node]] = {}
        for node in order:
            if node.origin is None:
                for x in node.inputs:
                    readers.setdefault(x, []).append(node)
        for node in order:
            weight = outside.get(node, node)
            if weight.variable is not None and (name_of(weight) or "").rpartition(".")[2] in ("weight", "bias"):
                layer = _layer(node, readers, named)
                found[weight] = layer if found.get(weight) is None else found[weight]
            body = node.attrs.get("body")
            if body is not None and node.origin is None:
                inner = topological(body.outputs)
                given = {s: outside.get(x, x) for s, x in zip(body.inputs, read_by_body(node), strict=True)}
                pending.append((inner, named_values(inner), given))
    return found


def _layer(weight: Node, readers: Mapping[Node, list[Node]], named: Mapping[Node, Node]) -> tuple[str, str] | None:
    """The letters for the kind of a weight, and the name of what its layer computes; None where that is not clear."""
    front, kind = [weight], None
    for _ in range(_FAR):
        behind = list(dict.fromkeys(y for x in front for y in readers.get(x, ())))
        if kind is None:
            reading = {y.op for y in behind if y.op not in _BETWEEN}
            if len(reading) > 1 or not reading <= set(_KINDS):
                return None
            kind = next((_KINDS[op] for op in reading), None)
        names = {str(name_of(named[y])) for y in behind if y in named}
        if names:
            return (kind, _below(names.pop())) if kind is not None and len(names) == 1 else None
        front = behind
    return None


def _below(name: str) -> str:
    """The subscript of a weight: the letter of ``f_t`` or ``C̃_t``, with the number of ``g_0``; else the whole name."""
    match = _SPLIT.fullmatch(name)
    if match is None:
        return name.replace("_", " ")
    below: Any = match["braced"] if match["braced"] is not None else match["plain"]
    return "".join(c for c in match["base"] if c.isalnum()) + (below if below.isdigit() else "")


def _candidates(kind: str, below: str) -> Iterable[str]:
    for number in count(1):
        for letter in kind:
            sub = f"{below}, {number}" if number > 1 else below
            yield f"{letter}_{sub}" if len(sub) == 1 else f"{letter}_{{{sub}}}"
