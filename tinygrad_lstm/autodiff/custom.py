"""An op of the user's own: its row in each of the tables."""

from collections.abc import Callable, Sequence
from functools import partial
from inspect import Signature, signature
from typing import Any, TypeAlias

from tinygrad_lstm.autodiff.table import Rule, rule
from tinygrad_lstm.errors import DTypeError, NameConflictError, ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.dtypes import DTYPES
from tinygrad_lstm.graph.registry import OPS, define
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, as_shape, broadcast_shapes
from tinygrad_lstm.kernels.custom import CUSTOM

__all__ = ["define_op"]

ShapeRule: TypeAlias = Callable[..., Any]


def define_op(
    name: str,
    shape: ShapeRule | None,
    kernel: Callable[..., Any],
    gradient: Rule | Sequence[Rule | None] | None = None,
    *,
    label: str = "",
    latex: str = "",
) -> Callable[..., Tensor]:
    """A new primitive: what it computes, of what shape, and how it is differentiated.

    It is an op like every other: it runs on each backend that uses the shared kernels, in the body of a scan, it is
    printed and drawn, and differentiated as often as its gradient's ops can be.

    Args:
        name: its name in printed graphs and errors.
        shape: ``(*types, **attributes)``, from the types of the inputs (``.shape``, ``.dtype``, ``.device``) to the
            shape of the result, which then has the dtype of the first input, or to a type. None for an elementwise
            op: its inputs are converted to one dtype and broadcast.
        kernel: ``(xp, *arrays, **attributes) -> array``, where ``xp`` is NumPy or an array module that looks like it.
        gradient: for each input a function ``(g, y, *inputs, **attributes)`` that gives, in public ops, the cotangent
            of that input from the cotangent ``g`` of the result ``y``, or None where no gradient flows. One function
            stands for one input. Without it the op can not be differentiated.
        label: what a picture writes on the node; the name by default.
        latex: the same in LaTeX.

    Returns:
        ``(*inputs, **attributes) -> Tensor``, to be called like any function of this package.

    Raises:
        NameConflictError: when an op of this name exists.
        UsageError: when an argument is not what is described above.

    >>> import tinygrad_lstm as tl
    >>> cube = tl.define_op("cube", None, lambda xp, x: x * x * x, lambda g, y, x: g * 3 * x**2)
    >>> print(cube([1.0, 2.0]), tl.grad(cube)(2.0), tl.grad(tl.grad(cube))(2.0))
    [1. 8.] 12.0 12.0
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise UsageError(f"define_op: a name is an identifier such as 'cube', not {name!r}")
    if name in OPS:
        raise NameConflictError(f"define_op: an op named {name!r} is defined already; choose another name")
    for what, given, wanted in [
        ("shape", shape, "a function of the inputs' types, or None for an elementwise op"),
        ("kernel", kernel, "a function (xp, *arrays, **attributes) -> array"),
    ]:
        if not callable(given) and not (what == "shape" and given is None):
            raise UsageError(f"define_op({name!r}): {what} is {wanted}, not {given!r}")
    rules = _rules(name, gradient)
    infer = _elementwise if shape is None else partial(_inferred, shape)
    define(name, infer, label=label, latex=latex, kind="elementwise" if shape is None else "compute")
    CUSTOM[name] = partial(_run, infer, kernel)
    if rules is not None:
        rule(name, *[r if r is None or shape is None else partial(_pulled, name, k, r) for k, r in enumerate(rules)])
    own = signature(shape) if shape is not None else None

    def function(*inputs: Any, **attributes: Any) -> Tensor:
        _fits(name, own, None if rules is None else len(rules), inputs, attributes)
        nodes = operands(*inputs) if shape is None else [as_tensor(x) for x in inputs]
        return make(name, *nodes, **attributes)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The op {name!r}, made by define_op."
    return function


def _rules(name: str, gradient: Any) -> list[Rule | None] | None:
    if gradient is None:
        return None
    rules = [gradient] if callable(gradient) else list(gradient) if isinstance(gradient, Sequence) else [gradient]
    for r in rules:
        if r is not None and not callable(r):
            raise UsageError(
                f"define_op({name!r}): gradient is a function (g, y, *inputs, **attributes), or a tuple of one "
                f"function or None for each input, and {r!r} is none"
            )
    return rules


def _fits(name: str, own: Signature | None, count: int | None, inputs: Any, attributes: Any) -> None:
    if not inputs:
        raise UsageError(f"{name}: an op takes at least one input; none was given")
    if count is not None and len(inputs) != count:
        raise UsageError(
            f"{name}: {len(inputs)} inputs were given, but define_op got a gradient for {count}; "
            "give it a tuple of one function, or None, for each input"
        )
    if own is not None:
        try:
            own.bind(*inputs, **attributes)
        except TypeError as error:
            raise UsageError(f"{name}: the shape rule takes {own}: {error}") from None


def _elementwise(*types: TensorType, **attributes: Any) -> TensorType:
    if any(t.dtype is not types[0].dtype for t in types):
        raise DTypeError("operands of one element type are wanted; convert with .astype")
    return TensorType(broadcast_shapes(*[t.shape for t in types]), types[0].dtype, types[0].device)


def _inferred(shape: ShapeRule, /, *types: TensorType, **attributes: Any) -> TensorType:
    found = shape(*types, **attributes)
    return found if isinstance(found, TensorType) else TensorType(as_shape(found), types[0].dtype, types[0].device)


def _run(
    infer: Callable[..., TensorType], kernel: Callable[..., Any], xp: Any, /, *arrays: Any, **attributes: Any
) -> Any:
    """The user's kernel, held to what the shape rule says."""
    result = xp.asarray(kernel(xp, *arrays, **attributes))
    wanted = infer(*[TensorType(a.shape, DTYPES[str(a.dtype)]) for a in arrays], **attributes)
    if result.shape != wanted.shape or str(result.dtype) != wanted.dtype.name:
        raise ValueError(
            f"the kernel gives {result.dtype}{list(result.shape)}, but the shape rule says "
            f"{wanted.dtype}{list(wanted.shape)}; mend one of them"
        )
    return result


def _pulled(name: str, k: int, f: Rule, g: Tensor, y: Tensor, /, *inputs: Tensor, **attributes: Any) -> Tensor:
    """The user's gradient by input ``k``, held to the type of that input."""
    ct = as_tensor(f(g, y, *inputs, **attributes), like=inputs[k])
    if ct.shape != inputs[k].shape:
        raise ShapeError(
            f"{name}: the gradient by input {k} is {ct.type}, but the input is {inputs[k].type}; "
            "a cotangent has the shape of its input"
        )
    if ct.dtype is not inputs[k].dtype:
        raise DTypeError(
            f"{name}: the gradient by input {k} is {ct.type}, but the input is {inputs[k].type}; "
            "convert it with .astype"
        )
    return ct
