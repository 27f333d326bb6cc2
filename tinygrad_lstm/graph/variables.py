"""The only mutable objects: named variables that hold an evaluated leaf. While a function is traced, a tracer stands
between them and whoever reads or changes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar, Final, NoReturn, Self

from tinygrad_lstm.errors import DTypeError, ShapeError, UnknownNameError, UsageError
from tinygrad_lstm.graph.device import as_device
from tinygrad_lstm.graph.dtypes import DType, float32
from tinygrad_lstm.graph.function import fresh_symbol
from tinygrad_lstm.graph.operators import Operators
from tinygrad_lstm.graph.registry import apply, function
from tinygrad_lstm.graph.tensor import Tensor, bind_variable, make_leaf, name_of, remake, set_value
from tinygrad_lstm.graph.types import Shape
from tinygrad_lstm.reflexes import ARRAYS, VARIABLES, answering, unknown_of_array

__all__ = [
    "Label",
    "Parameter",
    "Repeated",
    "State",
    "Tracer",
    "Variable",
    "assign_all",
    "moments",
    "move_all",
    "repeated",
    "settled",
    "tracer",
]

moments: Final = count(1)
"""A clock that only says what came first."""


@dataclass(frozen=True, slots=True)
class Label:
    """Kind and name that a variable had when a leaf was put in: pictures show them when the variable itself is gone."""

    kind: str
    name: str | None


@answering
class Variable(Operators[Tensor]):
    """A place for a value that changes. Operations read the leaf it holds at the moment they are called."""

    __slots__ = ("__weakref__", "_label", "_leaf", "_made", "replaced")
    __hash__ = object.__hash__
    _elsewhere: ClassVar[Mapping[str, str]] = {**ARRAYS, **VARIABLES}

    replaced: int
    """The moment when a module last put something else in this variable's place; 0 if none did."""

    def __init__(self, value: Any, name: str | None = None) -> None:
        self.replaced, self._made = 0, next(moments)
        self._label = Label(type(self).__name__.lower(), name)
        tensor, tracing = apply("as_tensor", value), tracer.get()
        # A variable that a traced function makes is a new one at each run; it holds nothing that outlives the trace.
        self._leaf = settled((tensor,))[0] if tracing is None else tracing.cut(tensor)
        bind_variable(self._leaf, self, self._label)

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            object.__setattr__(self, name, value)
        except AttributeError:
            if hasattr(type(self), name):
                raise UnknownNameError(
                    f"the {name} of a {type(self).__name__} cannot be set: make another with "
                    f"tl.{type(self).__name__}(value)"
                ) from None
            unknown_of_array(f"a {type(self).__name__}", name, self._elsewhere, self)

    def hold(self, leaf: Tensor) -> None:
        """Take a new leaf of the same type, which nobody else has seen; :meth:`assign` takes any value."""
        bind_variable(leaf, self, self._label)
        tracing = tracer.get()
        if tracing is None:
            self._leaf = leaf
        else:
            tracing.write(self, leaf)

    @property
    def name(self) -> str | None:
        """What pictures, expressions and errors call it; a module sets the path of the attribute."""
        return self._label.name

    @name.setter
    def name(self, value: str | None) -> None:
        self._label, before = Label(self._label.kind, value), self._leaf
        if before.op == "leaf":
            # Graphs built before keep the leaf that they read, and with it the name.
            self._leaf = remake(before, ())
            set_value(self._leaf, before.value)
            bind_variable(self._leaf, self, self._label)

    @property
    def leaf(self) -> Tensor:
        """The leaf that holds the current value. Graphs built from it keep it, whatever the variable does later."""
        tracing = tracer.get()
        return self._leaf if tracing is None else tracing.read(self, self._leaf)

    @property
    def shape(self) -> Shape:
        """The sizes of the axes."""
        return self._leaf.shape

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return self._leaf.dtype

    @property
    def device(self) -> str:
        """Where the elements live."""
        return self._leaf.device

    def assign(self, value: Any) -> None:
        """Put in a new value of the same shape and element type; it is evaluated now.

        Raises:
            ShapeError: when the shape differs.
            DTypeError: when the element type differs.
            UsageError: in the body of a loop, which is traced once: carry the value, and assign the last one.
        """
        assign_all([(self, value)])

    def move(self, device: str) -> None:
        """Put the value on another device; the gradient of a Parameter is dropped."""
        move_all([self], device)

    def detach(self) -> Tensor:
        """An evaluated leaf with the current value that no longer knows this variable."""
        return self.leaf.detach()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Another variable with the same value; what is computed from it belongs to it alone."""
        new = memo[id(self)] = object.__new__(type(self))
        new._label = Label(self._label.kind, self._label.name)
        new.replaced, new._made = 0, next(moments)
        new._leaf = self.detach()
        bind_variable(new._leaf, new, new._label)
        return new

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

    def check_once(self) -> None:
        """Refuse a change in the body of a loop or under ``vmap``: it is traced once, so it would be made once.

        Raises:
            UsageError: where such a body is traced. What it makes itself it may change.
        """
        body = repeated.get()
        if body is not None and self._made < body.since:
            name = repr(self.name) if self.name else f"a {type(self).__name__}"
            raise UsageError(
                f"{body.owner} changes {name}, which would happen once, while the body is traced, and not "
                f"{body.each}; {body.instead}"
            )

    def _no_rebinding(self, other: Any) -> NoReturn:
        kind = type(self).__name__
        raise UsageError(f"a {kind} does not change by += and the like; write p.assign(p + …)")

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __imod__ = __ipow__ = __imatmul__ = _no_rebinding
    __iand__ = __ior__ = __ixor__ = __ilshift__ = __irshift__ = _no_rebinding

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name else ""
        return f"{type(self).__name__}({name}{self.leaf!r})"

    def __str__(self) -> str:
        return str(self.leaf)

    def __format__(self, spec: str) -> str:
        return format(self.leaf, spec)


@answering
class Parameter(Variable):
    """A trained value. ``backward()`` adds to its ``grad``, an evaluated tensor or None.

    >>> w = tl.Parameter([1.0, 2.0], name="w")
    >>> (w * w).sum().backward()
    >>> w.grad
    tensor([2., 4.])
    """

    __slots__ = ("_grad",)

    def __init__(self, value: Any, name: str | None = None) -> None:
        super().__init__(value, name)
        if not self.dtype.is_float:
            raise DTypeError(
                f"a Parameter holds floats, not {self.dtype}; write 1.0 in place of 1, or convert with "
                "tl.tensor(value, dtype=tl.float32)"
            )
        self._grad: Tensor | None = None

    @property
    def grad(self) -> Tensor | None:
        """The sum of the gradients since ``zero_grad()``, an evaluated tensor; None when there was none.

        Raises:
            UsageError, ShapeError, DTypeError: when something else is assigned than a tensor that fits, or in the body
                of a loop.
        """
        tracing = tracer.get()
        return self._grad if tracing is None else tracing.read_gradient(self, self._grad)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        self.check_once()
        if value is not None:
            _check_gradient(self, value)
        tracing = tracer.get()
        if tracing is None:
            self._grad = value
        else:
            tracing.write_gradient(self, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        new = super().__deepcopy__(memo)
        new._grad = self.grad
        return new


def _check_gradient(p: Parameter, value: Any) -> None:
    name = p.name or "Parameter"
    if not isinstance(value, Tensor):
        raise UsageError(f"{name}.grad is a tensor or None, not {type(value).__name__}; make one with tl.tensor(…)")
    if value.shape != p.shape or value.device != p.device:
        raise ShapeError(f"{name}.grad: the Parameter is {p.leaf.type} on {p.device}, this gradient is {value.type}")
    # What had 16 bits may be divided by the scale of a loss, and is float32 from then on.
    if value.dtype is not p.dtype and not (p.dtype.is_half and value.dtype is float32):
        raise DTypeError(f"{name}.grad: the Parameter is {p.leaf.type}, this gradient is {value.type}")


class State(Variable):
    """A value that changes but is not trained: a moment, a step count, a learning rate, a random key."""

    __slots__ = ()


class Tracer:
    """Stands between the variables and a function that is traced. What the variables themselves hold stays as it is.

    This one gives what a variable holds as it is, and keeps the changes; pictures are made with it.

    Args:
        owner: what is traced, for errors.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.contents: dict[Variable, Tensor] = {}
        self.gradients: dict[Parameter, Tensor | None] = {}
        self.stands_for: dict[Tensor, Tensor] = {}
        self.losses: list[Tensor] = []

    def read(self, variable: Variable, held: Tensor) -> Tensor:
        """The content of ``variable``, which outside the trace is ``held``."""
        return self.contents.get(variable, held)

    def write(self, variable: Variable, leaf: Tensor) -> None:
        """From here on the content of ``variable`` is ``leaf``."""
        self.contents[variable] = leaf

    def read_gradient(self, variable: Parameter, held: Tensor | None) -> Tensor | None:
        """The gradient of ``variable``, which outside the trace is ``held``."""
        return self.gradients.get(variable, held)

    def write_gradient(self, variable: Parameter, value: Tensor | None) -> None:
        """From here on the gradient of ``variable`` is ``value``."""
        self.gradients[variable] = value

    def cut(self, value: Tensor) -> Tensor:
        """``value`` without its history: an evaluated leaf, or a symbol where it has no value yet."""
        return self.symbol_for(value) if value.symbolic else settled((value,))[0]

    def symbol_for(self, value: Tensor) -> Tensor:
        """A symbol that stands for ``value`` until the trace has ended."""
        symbol = fresh_symbol(name_of(value) or value.op, value.type, self.owner)
        self.stands_for[symbol] = value
        return symbol


tracer: Final[ContextVar[Tracer | None]] = ContextVar("tracer", default=None)
"""Who traces here, if anyone does."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """A body that is being traced: called once, and run several times.

    Attributes:
        owner: what is traced, for errors.
        each: when it will run: "at each step".
        instead: what to do where it is to change a variable.
        examples: whether it runs for independent examples, to each of which chance is to be its own.
        since: the moment when the trace began.
    """

    owner: str
    each: str
    instead: str
    examples: bool = False
    since: int = field(default_factory=lambda: next(moments))


repeated: Final[ContextVar[Repeated | None]] = ContextVar("repeated", default=None)


@function
def settled(tensors: Sequence[Tensor]) -> list[Tensor]:
    """New leaves with the values of ``tensors`` and no history, computed in one evaluation.

    In a trace, symbols stand for those that have no value yet.
    """
    tracing = tracer.get()
    known = tuple(t for t in tensors if not t.symbolic) if tracing is not None else tuple(tensors)
    apply("evaluated", known)
    return [tracing.cut(t) if tracing is not None and t.symbolic else make_leaf(t.value, t.type) for t in tensors]


def assign_all(updates: list[tuple[Variable, Any]]) -> None:
    """Assign to several variables at once; the new values are evaluated in one pass over the graph.

    A variable stays on its device: a value that lives on another one is copied there.

    Raises:
        ShapeError, DTypeError: when a value does not fit its variable; then no variable has changed.
        UsageError: in the body of a loop.
    """
    for variable, _ in updates:
        variable.check_once()
    values = [apply("as_tensor", value, like=variable.leaf) for variable, value in updates]
    for (variable, _), value in zip(updates, values, strict=True):
        where = f"assign to {variable.name!r}" if variable.name else "assign"
        told = f"{where}: the {type(variable).__name__} holds {variable.leaf.type}, the new value is {value.type}"
        if value.shape != variable.shape:
            raise ShapeError(told)
        if value.dtype is not variable.dtype:
            raise DTypeError(f"{told}; convert it with .astype")
    homes = [variable.device for variable, _ in updates]
    placed = [v if v.device == home else apply("to", v, home) for v, home in zip(values, homes, strict=True)]
    for (variable, _), leaf in zip(updates, settled(placed), strict=True):
        variable.hold(leaf)


def move_all(variables: Iterable[Variable], device: str) -> None:
    """Put the values of several variables on another device, all of them or none; gradients of what moves are dropped.

    Raises:
        BackendError, EvaluationError: when there is no such device, or its memory does not suffice.
    """
    where = as_device(device)
    moving = [variable for variable in variables if variable.device != where]
    leaves = settled([apply("to", variable.leaf, device) for variable in moving])
    for variable, leaf in zip(moving, leaves, strict=True):
        variable.hold(leaf)
        if isinstance(variable, Parameter):
            variable.grad = None
