"""What a user gave ``define_op``, called and checked: where it does not fit, one sentence says what to write."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import signature
from typing import Any, Final, NoReturn, TypeAlias

from tinygrad_lstm.autodiff.arguments import variable
from tinygrad_lstm.autodiff.reverse import cotangents
from tinygrad_lstm.autodiff.table import forwards
from tinygrad_lstm.autodiff.unreached import without_rule
from tinygrad_lstm.errors import DTypeError, Error, EvaluationError, GradientError, ShapeError, UsageError
from tinygrad_lstm.functions.filling import zeros_like
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import DTYPES, as_dtype
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import Shape, TensorType, as_shape, broadcast_alike
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.ops.shape import broadcast_to, sum_to

__all__ = ["Definition", "Definitions", "Rule", "ShapeRule"]

Rule: TypeAlias = Callable[..., Any]
ShapeRule: TypeAlias = Callable[..., Any]

_CHANGED: Final = ("assignment destination is read-only", "output array is read-only")
"""What NumPy says where a kernel writes to its input."""


@dataclass(frozen=True, slots=True)
class Definition:
    """The arguments of one call of ``define_op``."""

    name: str
    shape: ShapeRule | None
    kernel: Callable[..., Any]
    rules: list[Rule | None] | None
    pushes: list[Rule | None] | None

    def check_call(self, inputs: tuple[Any, ...], attributes: dict[str, Any]) -> None:
        """Check that the user's functions take what the op is called with.

        Raises:
            UsageError: when they do not.
        """
        if "definition" in attributes:
            raise UsageError(
                f"{self.name}: an attribute named 'definition' would be mistaken for the number of the definition"
            )
        if not inputs:
            raise UsageError(f"{self.name}: an op takes at least one input; none was given")
        for what, functions in (("gradient", self.rules), ("jvp", self.pushes)):
            if functions is not None and len(inputs) != len(functions):
                raise UsageError(
                    f"{self.name}: {len(inputs)} inputs were given, but define_op got a {what} for {len(functions)}; "
                    "give it a tuple of one function, or None, for each input"
                )
        self._check_takes("shape rule", self.shape, [], inputs, attributes)
        self._check_takes("kernel", self.kernel, ["xp"], inputs, attributes)
        for what, first, functions in (("gradient", "g", self.rules), ("jvp", "t", self.pushes)):
            for f in functions or ():
                self._check_takes(what, f, [first, "y"], inputs, attributes)

    def _check_takes(
        self, what: str, f: Any, before: list[str], inputs: tuple[Any, ...], attributes: dict[str, Any]
    ) -> None:
        try:
            own = None if f is None else signature(f)
        except (TypeError, ValueError):  # a function in C may have none
            own = None
        if own is None:
            return
        try:
            own.bind(*before, *inputs, **attributes)
        except TypeError as error:
            called = ", ".join([*before, *(f"x{k}" if k else "x" for k in range(len(inputs)))])
            called += "".join(f", {name}={value!r:.30}" for name, value in attributes.items())
            raise UsageError(f"{self.name}: the {what} is called as f({called}), and takes {own}: {error}") from None

    def infer(self, /, *types: TensorType, **attributes: Any) -> TensorType:
        """The type of the result, by the user's shape rule."""
        if self.shape is None:
            return broadcast_alike(*types)
        try:
            result = self.shape(*types, **attributes)
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            if isinstance(error, Error):
                raise
            raise UsageError(
                f"the shape rule failed: {error}; it is called with types, each of which has .shape, .dtype and .device"
            ) from error
        if isinstance(result, Tensor | Variable) or result is None:
            given = "None" if result is None else f"a {type(result).__name__}"
            raise UsageError(f"the shape rule gives {given}, and is to give a shape, such as x.shape")
        if isinstance(result, TensorType):
            return TensorType(as_shape(result.shape), as_dtype(result.dtype), result.device)
        return TensorType(as_shape(result), types[0].dtype, types[0].device)

    def run(self, xp: Any, /, *arrays: Any, **attributes: Any) -> Any:
        """Call the user's kernel on arrays that it cannot change.

        Raises:
            EvaluationError: when it fails, changes an input, or gives another type than the shape rule.
        """
        types = [TensorType(a.shape, DTYPES[str(a.dtype)]) for a in arrays]
        try:
            made = self.kernel(xp, *map(_guarded, arrays), **attributes)
        except (Error, MemoryError):
            raise
        except Exception as error:
            if str(error).startswith(_CHANGED):
                self._fail(
                    types, "the kernel changes its input, which others read too; compute a new array, from x.copy()"
                )
            self._fail(types, f"the kernel failed: {type(error).__name__}: {error}", error)
        if made is None:
            self._fail(types, "the kernel gives None; end it with return, and the array behind it")
        result = xp.asarray(made)
        expected = self.infer(*types, **attributes)
        if result.shape != expected.shape or str(result.dtype) != expected.dtype.name:
            wanted = "an elementwise op gives" if self.shape is None else "the shape rule says"
            advice = (
                f"write .astype({expected.dtype.name!r}) behind it"
                if result.shape == expected.shape
                else "correct one of them"
                if self.shape is not None
                else "another shape is said by a shape rule, the second argument of define_op"
            )
            self._fail(
                types,
                f"the kernel gives {result.dtype}{list(result.shape)}, but {wanted} "
                f"{expected.dtype}{list(expected.shape)}; {advice}",
            )
        return result

    def _fail(self, types: Iterable[TensorType], what: str, error: Exception | None = None) -> NoReturn:
        called = ", ".join(map(str, types))
        raise EvaluationError(f"{self.name}({called}): {what}{_defined(self.kernel)}") from error

    def pulled(self, g: Tensor, y: Tensor, k: int, /, *inputs: Tensor, **attributes: Any) -> Tensor | None:
        """The user's gradient by input ``k``, None where none flows; raises where it has not the type of that input."""
        if self.pushes is not None and (self.rules is None or forwards.get()):
            return self._transposed(g, y, k, *inputs, **attributes)
        if self.rules is None:
            raise without_rule(y)
        f = self.rules[k]
        if f is None:
            return None
        into = inputs[k]
        ct = self._computed(f, f"the gradient by input {k}", "g", f(g, y, *inputs, **attributes))
        if self.shape is None and ct.dtype is into.dtype and _sums_to(ct.shape, into.shape):
            return sum_to(ct, into.shape)
        if ct.shape != into.shape:
            raise ShapeError(
                f"{self.name}: the gradient by input {k} is {ct.type}, but the input is {into.type}; "
                f"a cotangent has the shape of its input{_defined(f)}"
            )
        if ct.dtype is not into.dtype:
            raise DTypeError(
                f"{self.name}: the gradient by input {k} is {ct.type}, but the input is {into.type}; "
                f"convert it with .astype{_defined(f)}"
            )
        return ct

    def _computed(self, f: Rule, what: str, first: str, result: Any) -> Tensor:
        """What a rule gives, as a tensor.

        Raises:
            GradientError: when it is none: nothing else can depend on the rule's first argument.
        """
        if isinstance(result, Tensor | Variable):
            return as_tensor(result)
        if result is None:
            advice = "end it with return; where nothing flows, None stands in place of the function"
        elif isinstance(result, tuple | list):
            advice = f"each input has a function of its own, in a tuple: (lambda {first}, y, a, b: …, lambda …)"
        else:
            advice = f"it is computed from {first}, by functions of tl, such as {first} * 2.0"
        given = "None" if result is None else f"a {type(result).__name__}"
        raise GradientError(f"{self.name}: {what} gives {given}; {advice}{_defined(f)}")

    def _transposed(self, g: Tensor, y: Tensor, k: int, /, *inputs: Tensor, **attributes: Any) -> Tensor | None:
        """The gradient by input ``k`` from the user's ``jvp``, which is linear in the change of that input."""
        f = None if self.pushes is None else self.pushes[k]
        if f is None:
            return None
        change = variable(zeros_like(inputs[k]))
        result = self._computed(f, f"the jvp of input {k}", "t", f(change, y, *inputs, **attributes))
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


class Definitions(list[Definition]):
    """All definitions of one name. A node's attribute ``definition`` is the number of its own; the first has none."""

    __slots__ = ()

    def infer(self, /, *types: TensorType, definition: int = 1, **attributes: Any) -> TensorType:
        """The type of the result of one of them."""
        return self[definition - 1].infer(*types, **attributes)

    def __call__(self, xp: Any, /, *arrays: Any, definition: int = 1, **attributes: Any) -> Any:
        """The kernel of one of them."""
        return self[definition - 1].run(xp, *arrays, **attributes)

    def pulled(
        self, g: Tensor, y: Tensor, k: int, /, *inputs: Tensor, definition: int = 1, **attributes: Any
    ) -> Tensor | None:
        """The gradient of one of them."""
        return self[definition - 1].pulled(g, y, k, *inputs, **attributes)


def _guarded(array: Any) -> Any:
    """A view that cannot be written to, where the array module has such; a kernel's inputs belong to others too."""
    if not getattr(getattr(array, "flags", None), "writeable", False):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def _sums_to(shape: Shape, wanted: Shape) -> bool:
    """Whether a gradient of ``shape`` is summed to an input of shape ``wanted``, which was broadcast."""
    lead = len(shape) - len(wanted)
    return lead >= 0 and all(w in (n, 1) for n, w in zip(shape[lead:], wanted, strict=True))


def _defined(f: Any) -> str:
    """Where a user's function stands."""
    code = getattr(f, "__code__", None)
    return "" if code is None else f" [{code.co_filename}:{code.co_firstlineno}]"
