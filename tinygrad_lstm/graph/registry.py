"""What an operation is: data in a table. And the functions that users call, found by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from tinygrad_lstm.errors import NameConflictError, UsageError
from tinygrad_lstm.graph.types import TensorType

__all__ = ["FUNCTIONS", "OPS", "EachInput", "Kind", "NodeType", "OpDef", "apply", "define", "function"]

NodeType = TensorType | tuple[TensorType, ...]
Kind = Literal["leaf", "elementwise", "view", "compute", "identity", "projection", "loop", "compiled"]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class EachInput:
    """The gradient of an op of any number of inputs: ``f(g, y, k, *inputs, **attributes)`` for the ``k``-th of them."""

    f: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class OpDef:
    """A primitive operation: what is known of it, but for the gradients of loops and calls and for special lowerings.

    Attributes:
        name: its key in ``OPS``.
        infer: ``(*input types, **attributes) -> type``; raises for inputs that do not fit.
        kernel: ``(xp, *arrays, **attributes) -> array`` for the array module ``xp``, or the name of its ufunc that does
            it; None for what the interpreter runs itself.
        gradient: for each input a function ``(g, y, *inputs, **attributes)`` that gives the cotangent of that input
            from the cotangent ``g`` of the result ``y``, or None where no gradient flows; or an ``EachInput``. That of
            an elementwise op may have the shape of ``y``: it is summed to the shape of the input.
        batch: ``(count, mapped, *inputs, **attributes)``, the op on ``count`` examples at once, which lie along the
            first axis of the inputs for which ``mapped`` is True, and along that of the result. Ops that are
            elementwise or return their input need none; without it one example is computed after the other.
        c: for an elementwise op its C text: ``{0}``, ``{1}`` are its arguments, and ``{t}`` is their type as the
            functions of the C library of this package have it in their names: ``exp_{t}({0})``. Without it a program
            calls the kernel.
        label: what a picture writes on the node.
        latex: the same in LaTeX.
        kind: ``elementwise`` ops broadcast their inputs; a ``view`` moves no data; ``identity`` ops return their
            input; a ``projection`` picks one output of a tuple-typed node; a ``loop`` holds a body; a ``leaf`` has
            no inputs; a ``compiled`` op is made by passes only.
        differentiable: False says that there is no derivative to pass on: integers, or 0 wherever it exists. All
            others have a gradient, or :func:`gradients` raises; loops and calls have theirs in ``autodiff/rules``,
            and projections pass their cotangents on to those.
        costly: whether a compiled program rather keeps its result than computes it twice.
        user: whether ``tl.define_op`` made it.
    """

    name: str
    infer: Callable[..., NodeType]
    kernel: Callable[..., Any] | str | None
    gradient: tuple[Callable[..., Any] | None, ...] | EachInput | None
    batch: Callable[..., Any] | None
    c: str | None
    label: str
    latex: str
    kind: Kind
    differentiable: bool
    costly: bool
    user: bool

    def cotangent(self, g: Any, node: Any, k: int, y: Any) -> Any:
        """The cotangent of the ``k``-th input of a ``node`` of this op, whose own is ``g``; None if none flows.

        The rule reads ``y`` as the node's value: the node itself, or the name that the user gave it.
        """
        if isinstance(self.gradient, EachInput):
            return self.gradient.f(g, y, k, *node.inputs, **node.attrs)
        rule = self.gradient[k] if self.gradient is not None else None
        return None if rule is None else rule(g, y, *node.inputs, **node.attrs)


OPS: Final[dict[str, OpDef]] = {}
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {}


def define(
    name: str,
    infer: Callable[..., NodeType],
    kernel: Callable[..., Any] | str | None = None,
    gradient: Callable[..., Any] | tuple[Callable[..., Any] | None, ...] | EachInput | None = None,
    *,
    batch: Callable[..., Any] | None = None,
    c: str | None = None,
    label: str = "",
    latex: str = "",
    kind: Kind = "compute",
    differentiable: bool = True,
    costly: bool = False,
    user: bool = False,
) -> OpDef:
    """Add a primitive to the table; the arguments are the attributes of :class:`OpDef`.

    A gradient that is one function is that of an op of one input.

    Raises:
        NameConflictError: when the name is taken.
        UsageError: when the kernel is missing, or C text is given for what is not elementwise.
    """
    if name in OPS:
        raise NameConflictError(f"an op named {name!r} is defined already; choose another name")
    if kernel is None and kind not in ("leaf", "projection", "loop"):
        raise UsageError(
            f"define({name!r}): no kernel was given; it is a function (xp, *arrays, **attributes) -> array"
        )
    if c is not None and kind != "elementwise":
        raise UsageError(f"define({name!r}): C text is for elementwise ops, and this one is of kind {kind!r}")
    if gradient is not None and not differentiable:
        raise UsageError(f"define({name!r}): a gradient was given for an op that is not differentiable")
    rules = (gradient,) if callable(gradient) else gradient
    latex = latex or rf"\operatorname{{{name}}}"
    op = OpDef(name, infer, kernel, rules, batch, c, label or name, latex, kind, differentiable, costly, user)
    OPS[name] = op
    return op


def function(f: F) -> F:
    """Make ``f`` callable by its name through :func:`apply`: what stands below it, such as the methods, finds it so.

    Raises:
        NameConflictError: when the name is taken.
    """
    if f.__name__ in FUNCTIONS:
        raise NameConflictError(f"a function named {f.__name__!r} is registered already; choose another name")
    FUNCTIONS[f.__name__] = f
    return f


def apply(name: str, *args: Any, **kwargs: Any) -> Any:
    """Call the registered function ``name``. This is the one way from the graph to what stands above it: the functions
    register when the package is imported.
    """
    try:
        f = FUNCTIONS[name]
    except KeyError:
        raise UsageError(f"no function is registered under the name {name!r}") from None
    return f(*args, **kwargs)
