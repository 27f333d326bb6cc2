"""``define_op``: ops that users define, with the same ``graph.registry.define`` as the ops of this package."""

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lstm.autodiff.definitions import Definition, Definitions, Rule, ShapeRule
from tinygrad_lstm.errors import NameConflictError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.registry import OPS, EachInput, define
from tinygrad_lstm.graph.tensor import Tensor, make

__all__ = ["define_op"]


def define_op(
    name: str,
    shape: ShapeRule | None,
    kernel: Callable[..., Any],
    gradient: Rule | Sequence[Rule | None] | None = None,
    *,
    jvp: Rule | Sequence[Rule | None] | None = None,
    label: str = "",
    latex: str = "",
) -> Callable[..., Tensor]:
    """Define a primitive by its kernel, its shape rule and its gradient, backwards or forwards.

    It is an op like every other. It runs on each backend that uses the shared kernels and in the body of a scan; it is
    printed, drawn, and differentiated as often as the ops of its gradient can be.

    An op of this name that ``define_op`` made before is replaced, as when a cell of a notebook runs again. The function
    that is returned makes nodes of the new definition, marked ``definition=2`` in printed graphs, and what was built
    or compiled before keeps the old one.

    Args:
        name: its name in printed graphs and errors.
        shape: ``(*types, **attributes)``, from the types of the inputs (``.shape``, ``.dtype``, ``.device``) to the
            shape of the result, which then has the dtype of the first input, or to a type. None for an elementwise
            op: its inputs are converted to one dtype and broadcast.
        kernel: ``(xp, *arrays, **attributes) -> array``, where ``xp`` is NumPy or an array module that looks like it.
        gradient: for each input a function ``(g, y, *inputs, **attributes)`` that gives, in public ops, the cotangent
            of that input from the cotangent ``g`` of the result ``y``, or None where no gradient flows. One function
            stands for one input. Without it and ``jvp`` the op cannot be differentiated.
        jvp: for each input a function ``(t, y, *inputs, **attributes)`` that gives, in public ops, the change of the
            result ``y`` for the change ``t`` of that input, or None where ``y`` does not change. It is linear in ``t``;
            those of all inputs add up. ``tl.jvp`` and ``tl.linearize`` use it, and where there is no ``gradient``, its
            transpose is the gradient.
        label: what a picture writes on the node; the name by default.
        latex: the same in LaTeX.

    Returns:
        ``(*inputs, **attributes) -> Tensor``, to be called like any function of this package.

    Raises:
        NameConflictError: when this package has an op of this name.
        UsageError: when an argument is not what is described above.

    >>> cube = tl.define_op("cube", None, lambda xp, x: x * x * x, lambda g, y, x: g * 3 * x**2)
    >>> print(cube([1.0, 2.0]), tl.grad(cube)(2.0), tl.grad(tl.grad(cube))(2.0))
    [1. 8.] 12.0 12.0
    >>> square = tl.define_op("square_of", None, lambda xp, x: x * x, jvp=lambda t, y, x: 2 * x * t)
    >>> print(tl.jvp(square, (3.0,), (1.0,))[1], tl.grad(square)(3.0))
    6.0 6.0
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise UsageError(f"define_op: a name is an identifier such as 'cube', not {name!r}")
    known = OPS.get(name)
    if known is not None and not known.user:
        raise NameConflictError(f"define_op: an op named {name!r} is defined already; choose another name")
    for what, value, description in [
        ("shape", shape, "a function of the inputs' types, or None for an elementwise op"),
        ("kernel", kernel, "a function (xp, *arrays, **attributes) -> array"),
    ]:
        if not callable(value) and not (what == "shape" and value is None):
            raise UsageError(f"define_op({name!r}): {what} is {description}, not {value!r}")
    rules, pushes = _rules(name, "gradient", "g", gradient), _rules(name, "jvp", "t", jvp)
    definitions = known.kernel if known is not None else None
    if not isinstance(definitions, Definitions):
        definitions = Definitions()
    own = Definition(name, shape, kernel, rules, pushes)
    definitions.append(own)
    number = {} if len(definitions) == 1 else {"definition": len(definitions)}
    OPS.pop(name, None)
    define(
        name,
        definitions.infer,
        definitions,
        EachInput(definitions.pulled),
        label=label,
        latex=latex,
        kind="elementwise" if shape is None else "compute",
        user=True,
    )

    def function(*inputs: Any, **attributes: Any) -> Tensor:
        own.check_call(inputs, attributes)
        nodes = operands(*inputs) if shape is None else [as_tensor(x) for x in inputs]
        return make(name, *nodes, **attributes, **number)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The op {name!r}, made by define_op."
    return function


def _rules(name: str, what: str, first: str, given: Any) -> list[Rule | None] | None:
    """The argument ``what`` of ``define_op`` as a list; ``first`` is the first argument of its functions."""
    if given is None:
        return None
    rules = [given] if callable(given) else list(given) if isinstance(given, Sequence) else [given]
    for r in rules:
        if r is not None and not callable(r):
            raise UsageError(
                f"define_op({name!r}): {what} is a function ({first}, y, *inputs, **attributes), or a tuple of one "
                f"function or None for each input, and {r!r} is none"
            )
    return rules
