"""What pictures and equations of cells call by one name although it is several operations: relu, clip, dropout, …"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from tinygrad_lstm.graph.scopes import Scope, around_functions
from tinygrad_lstm.graph.tensor import Node

__all__ = [
    "PASSED",
    "Clip",
    "clip_of",
    "is_literal",
    "is_relu",
    "is_softmax",
    "normalising",
    "thinned",
    "value_of",
]

PASSED: Final = ("named", "stop_gradient", "cast", "broadcast_to", "reshape")


class Clip(NamedTuple):
    """The parts of ``clip(x, low, high)``: x, the node of the lower bound, and the bounds."""

    argument: Node
    inner: Node
    low: float
    high: float

    @property
    def label(self) -> str:
        """``clip ±3``, or ``clip 0…1``."""
        if self.low == -self.high:
            return f"clip ±{self.high:g}"
        return f"clip {self.low:g}…{self.high:g}".replace("-", "−")


def value_of(node: Node) -> Node:
    """The node that computes what ``node`` is: names, casts and broadcasts are looked through."""
    while node.op in PASSED and node.inputs:
        node = node.inputs[0]
    return node


def normalising(nodes: Iterable[Node]) -> list[Scope]:
    """The scopes of ``nodes`` that only normalise, as :class:`~tinygrad_lstm.nn.LayerNorm` does."""
    found: dict[Scope, set[str]] = {}
    for node in nodes:
        scope = around_functions(node.scope)
        if scope is not None:
            found.setdefault(scope, set()).add(node.op)
    wanted, unwanted = {"sum", "divide", "sqrt"}, "matmul"
    return [scope for scope, ops in found.items() if wanted <= ops and unwanted not in ops]


def is_relu(node: Node) -> bool:
    """Whether ``node`` is ``where(x <= 0, 0, x)``, which is how a relu is composed."""
    if node.op != "where" or node.inputs[0].op != "less_equal":
        return False
    condition, zero, x = node.inputs
    numbers = (zero, condition.inputs[1])
    return condition.inputs[0] is x and all(is_literal(n) and n.attrs["value"] == 0 for n in numbers)


def clip_of(node: Node) -> Clip | None:
    """The parts of ``min(max(x, low), high)`` with two numbers as bounds; None for anything else."""
    if node.op != "minimum" or not is_literal(node.inputs[1]):
        return None
    inner = node.inputs[0]
    if inner.op != "maximum" or not is_literal(inner.inputs[1]):
        return None
    low, high = (n.inputs[1].attrs["value"] for n in (inner, node))
    return Clip(inner.inputs[0], inner, low, high)


def thinned(node: Node) -> Node | None:
    """What a dropout drops numbers of: the x in ``where(kept, x / (1 − p), 0)``; None for anything else."""
    if node.op != "where":
        return None
    _, kept, zero = node.inputs
    divided = kept.op == "divide" and is_literal(kept.inputs[1]) and 0 < kept.inputs[1].attrs["value"] < 1
    return kept.inputs[0] if divided and is_literal(zero) and zero.attrs["value"] == 0 else None


def is_softmax(node: Node) -> bool:
    """Whether ``node`` is ``exp(x − logsumexp(x))``."""
    inner = value_of(node.inputs[0])
    return node.op == "exp" and inner.op == "subtract" and value_of(inner.inputs[1]).op == "logsumexp"


def is_literal(node: Node) -> bool:
    return node.op == "constant"
