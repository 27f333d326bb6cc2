"""What an operation is: data in a table. And the functions that users call, found by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from tinygrad_lstm.errors import NameConflictError, UsageError
from tinygrad_lstm.graph.types import TensorType

__all__ = ["FUNCTIONS", "OPS", "Kind", "NodeType", "OpDef", "apply", "define", "function"]

NodeType = TensorType | tuple[TensorType, ...]
Kind = Literal["leaf", "elementwise", "view", "compute", "identity", "projection", "loop", "compiled"]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class OpDef:
    """One primitive operation.

    Attributes:
        name: its key in every table.
        infer: ``(*input types, **attributes) -> type``; raises for inputs that do not fit.
        label: what a picture writes on the node.
        latex: the same in LaTeX.
        kind: ``elementwise`` ops broadcast their inputs; a ``view`` moves no data; ``identity`` ops return their
            input; a ``projection`` picks one output of a tuple-typed node; a ``loop`` holds a body; a ``leaf`` has
            no inputs; a ``compiled`` op is made by passes only.
        differentiable: False says that there is no derivative to pass on: integers, or 0 wherever it exists. All
            others have a gradient rule, or :func:`gradients` raises.
    """

    name: str
    infer: Callable[..., NodeType]
    label: str
    latex: str
    kind: Kind = "compute"
    differentiable: bool = True


OPS: Final[dict[str, OpDef]] = {}
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {}


def define(
    name: str,
    infer: Callable[..., NodeType],
    *,
    label: str = "",
    latex: str = "",
    kind: Kind = "compute",
    differentiable: bool = True,
) -> OpDef:
    """Add a primitive to the table.

    Raises:
        NameConflictError: when the name is taken.
    """
    if name in OPS:
        raise NameConflictError(f"an op named {name!r} is defined already; choose another name")
    op = OpDef(name, infer, label or name, latex or rf"\operatorname{{{name}}}", kind, differentiable)
    OPS[name] = op
    return op


def function(f: F) -> F:
    """Make ``f`` callable by its name through :func:`apply`, so that methods and operators find it.

    Raises:
        NameConflictError: when the name is taken.
    """
    if f.__name__ in FUNCTIONS:
        raise NameConflictError(f"a function named {f.__name__!r} is registered already; choose another name")
    FUNCTIONS[f.__name__] = f
    return f


def apply(name: str, *args: Any, **kwargs: Any) -> Any:
    """Call the registered function ``name``; this is how operators reach ops that the graph does not import."""
    try:
        f = FUNCTIONS[name]
    except KeyError:
        raise UsageError(f"no function is registered under the name {name!r}") from None
    return f(*args, **kwargs)
