"""``define_op``: ops that users define, with the same ``graph.registry.define`` as the ops of this package."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Signature, signature
from typing import Any, TypeAlias

from tinygrad_lstm.autodiff.arguments import variable
from tinygrad_lstm.autodiff.reverse import cotangents
from tinygrad_lstm.autodiff.table import forwards
from tinygrad_lstm.autodiff.unreached import without_rule
from tinygrad_lstm.errors import DTypeError, NameConflictError, ShapeError, UsageError
from tinygrad_lstm.functions.filling import zeros_like
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.dtypes import DTYPES
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.registry import OPS, EachInput, define
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, as_shape, broadcast_alike
from tinygrad_lstm.ops.shape import broadcast_to, sum_to

__all__ = ["define_op"]

Rule: TypeAlias = Callable[..., Any]
ShapeRule: TypeAlias = Callable[..., Any]


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
    own = signature(shape) if shape is not None else None
    definitions = known.kernel if known is not None else None
    if not isinstance(definitions, _Definitions):
        definitions = _Definitions()
    definitions.append(_Definition(name, shape, kernel, rules, pushes))
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
        _fits(name, own, {"gradient": rules, "jvp": pushes}, inputs, attributes)
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


def _fits(
    name: str, own: Signature | None, rules: Mapping[str, Sequence[Any] | None], inputs: Any, attributes: Any
) -> None:
    if "definition" in attributes:
        raise UsageError(f"{name}: an attribute named 'definition' would be mistaken for the number of the definition")
    if not inputs:
        raise UsageError(f"{name}: an op takes at least one input; none was given")
    for what, functions in rules.items():
        if functions is not None and len(inputs) != len(functions):
            raise UsageError(
                f"{name}: {len(inputs)} inputs were given, but define_op got a {what} for {len(functions)}; "
                "give it a tuple of one function, or None, for each input"
            )
    if own is not None:
        try:
            own.bind(*inputs, **attributes)
        except TypeError as error:
            raise UsageError(f"{name}: the shape rule takes {own}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Definition:
    """The arguments of one call of ``define_op``."""

    name: str
    shape: ShapeRule | None
    kernel: Callable[..., Any]
    rules: list[Rule | None] | None
    pushes: list[Rule | None] | None

    def infer(self, *types: TensorType, **attributes: Any) -> TensorType:
        if self.shape is None:
            return broadcast_alike(*types)
        result = self.shape(*types, **attributes)
        return (
            result if isinstance(result, TensorType) else TensorType(as_shape(result), types[0].dtype, types[0].device)
        )

    def run(self, xp: Any, *arrays: Any, **attributes: Any) -> Any:
        """Call the user's kernel, and raise where its result is not of the type that the shape rule gives."""
        result = xp.asarray(self.kernel(xp, *arrays, **attributes))
        expected = self.infer(*[TensorType(a.shape, DTYPES[str(a.dtype)]) for a in arrays], **attributes)
        if result.shape != expected.shape or str(result.dtype) != expected.dtype.name:
            raise ValueError(
                f"the kernel gives {result.dtype}{list(result.shape)}, but the shape rule says "
                f"{expected.dtype}{list(expected.shape)}; correct one of them"
            )
        return result

    def pulled(self, g: Tensor, y: Tensor, k: int, *inputs: Tensor, **attributes: Any) -> Tensor | None:
        """The user's gradient by input ``k``, None where none flows; raises where it has not the type of that input."""
        if self.pushes is not None and (self.rules is None or forwards.get()):
            return self._transposed(g, y, k, *inputs, **attributes)
        if self.rules is None:
            raise without_rule(y)
        f = self.rules[k]
        if f is None:
            return None
        ct = f(g, y, *inputs, **attributes)
        if self.shape is None:
            return sum_to(ct, inputs[k].shape)
        ct = as_tensor(ct, like=inputs[k])
        if ct.shape != inputs[k].shape:
            raise ShapeError(
                f"{self.name}: the gradient by input {k} is {ct.type}, but the input is {inputs[k].type}; "
                "a cotangent has the shape of its input"
            )
        if ct.dtype is not inputs[k].dtype:
            raise DTypeError(
                f"{self.name}: the gradient by input {k} is {ct.type}, but the input is {inputs[k].type}; "
                "convert it with .astype"
            )
        return ct

    def _transposed(self, g: Tensor, y: Tensor, k: int, *inputs: Tensor, **attributes: Any) -> Tensor | None:
        """The gradient by input ``k`` from the user's ``jvp``, which is linear in the change of that input."""
        f = None if self.pushes is None else self.pushes[k]
        if f is None:
            return None
        change = variable(zeros_like(inputs[k]))
        result = as_tensor(f(change, y, *inputs, **attributes), like=y)
        if self.shape is None and result.shape != y.shape:
            result = broadcast_to(result, y.shape)
        if result.type != y.type:
            raise (ShapeError if result.shape != y.shape else DTypeError)(
                f"{self.name}: the jvp of input {k} gives {result.type}, but the result is {y.type}; a change of the "
                "result has its shape and element type"
            )
        before = {change, y, *inputs}
        order = topological([result], stop=before.__contains__)
        return cotangents([(result, g)], [change], order)[0]


class _Definitions(list[_Definition]):
    """All definitions of one name. A node's attribute ``definition`` is the number of its own; the first has none."""

    __slots__ = ()

    def infer(self, *types: TensorType, definition: int = 1, **attributes: Any) -> TensorType:
        return self[definition - 1].infer(*types, **attributes)

    def __call__(self, xp: Any, *arrays: Any, definition: int = 1, **attributes: Any) -> Any:
        return self[definition - 1].run(xp, *arrays, **attributes)

    def pulled(
        self, g: Tensor, y: Tensor, k: int, *inputs: Tensor, definition: int = 1, **attributes: Any
    ) -> Tensor | None:
        return self[definition - 1].pulled(g, y, k, *inputs, **attributes)
