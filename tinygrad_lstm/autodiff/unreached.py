"""Errors that say why a result does not depend on the ``xs``: often a name has come to mean another object since."""

from collections.abc import Sequence

from tinygrad_lstm.errors import GradientError
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.scopes import at_line
from tinygrad_lstm.graph.tensor import Node, Tensor, name_of, origin_of
from tinygrad_lstm.graph.variables import Variable

__all__ = ["rightly_constant", "unreached", "without_parameter", "without_rule"]


def rightly_constant(xs: Sequence[Node], order: Sequence[Node]) -> bool:
    """Whether results, whose ancestors ``order`` hold none of ``xs``, are constant for a good reason.

    A number is, and so is a derivative from which the ``xs`` have vanished: the fifth of ``x⁵`` is 120.
    """
    if all(node.op not in ("leaf", "symbol") for node in order):
        return True
    origins = {origin_of(node) for node in order if node.origin is not None}
    return None in origins or not set(xs).isdisjoint(topological([n for n in origins if n is not None]))


def unreached(xs: Sequence[Tensor | Variable], order: Sequence[Node]) -> GradientError:
    """The error for results whose ancestors, ``order``, hold none of ``xs``."""
    x = xs[0]
    which = _described(x)
    others = ", nor on the other xs" if len(xs) > 1 else ""
    name = x.name if isinstance(x, Variable) else name_of(x)
    kind = type(x).__name__.lower() if isinstance(x, Variable) else x.op
    alike = [n for n in order if not n.inputs and name_of(n) == name and _kind(n) == kind]
    if kind not in ("leaf", "named") and any(name is not None or _gone(n) for n in alike):
        same = " of that name" if name is not None else ""
        why = f"it was computed from an earlier {kind}{same}; compute it again from the one that is there now"
    elif isinstance(x, Tensor) and x.inputs:
        why = "each call makes a new node, and it was computed from another one; keep this one and compute it from that"
    else:
        why = f"it was computed from {_leaves(order)}"
    return GradientError(
        f"gradients: the result does not depend on {which}{others}: {why}. With allow_unused=True its gradient is zero"
    )


def without_parameter(order: Sequence[Node]) -> GradientError:
    """The error for a loss whose ancestors, ``order``, hold no Parameter that still exists."""
    gone = [node for node in order if _kind(node) == "parameter" and _gone(node)]
    symbols = [node for node in order if node.op == "symbol"]
    if gone:
        which = f"Parameter {name_of(gone[0])!r}" if name_of(gone[0]) else "Parameter"
        return GradientError(
            f"backward: the {which} that the loss was computed from is gone: its variable holds something else now, "
            "as when a cell of a notebook runs again. Compute the loss again from the new one"
        )
    if symbols:
        names = [str(node.attrs["name"]) for node in symbols]
        return GradientError(
            f"backward: the loss depends on no Parameter, but on {_listed('symbol', names)}, which has no .grad; "
            f"tl.gradients(loss, {names[0]}) gives the graph of the gradient"
        )
    return GradientError(
        "backward: the loss reaches no Parameter; what is trained is tl.Parameter(value), or of a model, and the "
        "gradient by any other tensor is tl.gradients(loss, x). What a function under tl.jit returns has no history: "
        "call backward inside it"
    )


def without_rule(node: Node) -> GradientError:
    """The error for an op that has no gradient."""
    return GradientError(
        f"op {node.op!r} has no gradient; give tl.define_op one, or cut the gradient with tl.stop_gradient"
        + at_line(node.line)
    )


def _gone(node: Node) -> bool:
    """Whether the variable that held a leaf no longer exists."""
    return node.variable is not None and node.variable() is None


def _kind(node: Node) -> str:
    """What a leaf is called in errors: ``symbol``, ``parameter``, ``state``, or its op."""
    label = node.attrs.get("label") if node.op == "leaf" else None
    return label.kind if label is not None else node.op


def _described(x: Tensor | Variable) -> str:
    if isinstance(x, Variable):
        return f"the {type(x).__name__} {x.name!r}" if x.name else f"a {type(x).__name__} {x.leaf.type}"
    if x.op == "symbol":
        return f"the symbol {x.attrs['name']!r}"
    if x.inputs:
        return f"this {x.type} of {x.op}{at_line(x.line)}"
    return f"a tensor {x.type}"


def _leaves(order: Sequence[Node]) -> str:
    """The leaves that a graph was computed from, as words with their names."""
    names: dict[str, list[str]] = {}
    for node in order:
        kind, name = _kind(node), name_of(node)
        if kind in ("symbol", "parameter"):
            names.setdefault(kind if kind == "symbol" else "Parameter", []).append(name or "")
    words = [_listed(kind, group) if all(group) else f"a {kind}" for kind, group in names.items()]
    return " and ".join(words) or "other tensors, or from what detach() gave"


def _listed(what: str, names: Sequence[str]) -> str:
    shown = ", ".join(repr(n) for n in list(dict.fromkeys(names))[:4])
    more = ", …" if len(set(names)) > 4 else ""
    return f"the {what}{'s' if len(set(names)) > 1 else ''} {shown}{more}"
