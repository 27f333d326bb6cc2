"""The node of the graph."""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, cast

from tinygrad_lstm.errors import AnomalyError, DeviceError, Error, UsageError
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.freeing import LONGEST, FreedLater, finish_freeing
from tinygrad_lstm.graph.operators import Operators
from tinygrad_lstm.graph.registry import OPS, NodeType, apply
from tinygrad_lstm.graph.scopes import Line, Scope, at_line, current_scope, in_scope, user_line
from tinygrad_lstm.graph.types import Shape, TensorType
from tinygrad_lstm.reflexes import answering

__all__ = [
    "Deriving",
    "Node",
    "Tensor",
    "being_made",
    "bind_variable",
    "deriving",
    "in_place_of",
    "located",
    "make",
    "make_leaf",
    "make_leaves",
    "make_like",
    "name_of",
    "origin_of",
    "rebuilt",
    "remake",
    "set_value",
]


class Node:
    """A step of a computation: an operation on the results of other steps. It never changes.

    Attributes:
        op: the name of the operation, a key of ``OPS``.
        inputs: the nodes it reads.
        attrs: what else determines it, such as an axis.
        type: shape, element type and device; a tuple of them for an operation with several results.
        scope: the innermost scope in which it was made.
        line: file and line of the user's code that made it.
        depth: the length of the longest way down to a leaf, or to a node with ``later``.
        later: for one node in many of a deep graph, by what its inputs are freed without recursion.
        symbolic: whether a symbol is among its ancestors, so that it has no value by itself.
        origin: weakly, the forward node whose gradient it helps to compute.
        variable: weakly, the variable that this leaf was read from.
        value: the backend's array once it was asked for; for a loop its last carries, by number. It is a cache, and the
            only field that is ever filled later.
    """

    __slots__ = (
        "__weakref__",
        "attrs",
        "depth",
        "inputs",
        # After the inputs: Python clears the slots of a freed object in alphabetical order.
        "later",
        "line",
        "op",
        "origin",
        "scope",
        "symbolic",
        "type",
        "value",
        "variable",
    )

    op: str
    inputs: "tuple[Tensor, ...]"
    attrs: Mapping[str, Any]
    type: Any
    scope: Scope | None
    line: Line | None
    depth: int
    later: FreedLater | None
    symbolic: bool
    origin: "weakref.ref[Node] | None"
    variable: "weakref.ref[Any] | None"
    value: Any

    def __init__(self, *_: Any, **__: Any) -> None:
        raise UsageError("nodes are made by operations; make a value with tl.tensor or tl.symbol")

    def __setattr__(self, name: str, value: Any) -> None:
        raise UsageError(f"a node of the graph never changes (tried to set {name!r}); build a new one")

    def __delattr__(self, name: str) -> None:
        raise UsageError(f"a node of the graph never changes (tried to delete {name!r})")

    def __repr__(self) -> str:
        return f"<{self.op} node>"

    def __reduce__(self) -> Any:
        raise UsageError("a node of the graph cannot be pickled; save numpy() of it, or a module's state_dict()")


@answering
class Tensor(Node, Operators["Tensor"]):
    """An array-valued node of the graph. Make one with ``tl.tensor``, ``tl.symbol``, or an operation."""

    __slots__ = ()
    __hash__ = object.__hash__

    type: TensorType

    @property
    def shape(self) -> Shape:
        """The sizes of the axes."""
        return self.type.shape

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return self.type.dtype

    @property
    def device(self) -> str:
        """Where the elements live: ``cpu`` or ``cuda:0``."""
        return self.type.device

    def evaluate(self, bindings: "Mapping[Tensor, Any] | None" = None) -> "Tensor":
        """An evaluated leaf with this tensor's value.

        Args:
            bindings: a value for each symbol that this tensor depends on.

        Raises:
            UnboundSymbolError: when a symbol has no value.

        >>> x = tl.symbol("x")
        >>> print((x * x).evaluate({x: 3.0}))
        9.0
        """
        return cast(Tensor, apply("evaluated", (self,), bindings)[0])

    def detach(self) -> "Tensor":
        """An evaluated leaf with the same value and no history: gradients stop, and what came before is freed."""
        return cast(Tensor, apply("settled", (self,))[0])

    def backward(self) -> None:
        """Evaluate this scalar and its gradients, and add them to ``.grad`` of every Parameter reached.

        Raises:
            GradientError: when this is no scalar of a float type, or reaches no Parameter.
        """
        apply("backward", self)

    def __repr__(self) -> str:
        if not self.symbolic:
            try:
                return _show(self)
            except Exception as error:
                # A repr is what a debugger shows after a failure: it must not fail itself.
                return f"<{self.type} = {self.op}, cannot be evaluated: {str(error).partition(chr(10))[0]}>"
        if self.op in ("symbol", "named"):
            return f"<{self.type} = {self.op} {self.attrs['name']!r}>"
        return f"<{self.type} = {apply('expressed', self) or self.op}>"

    def _repr_latex_(self) -> str | None:
        """The expression of a tensor without a value, for notebooks; they show the ``repr`` of others."""
        return apply("typeset", self) if self.symbolic else None

    def __str__(self) -> str:
        if self.symbolic:
            return apply("expressed", self) or repr(self)
        try:
            return str(self.numpy())
        except AnomalyError:
            raise
        except Error:  # it cannot be computed, which the repr tells
            return repr(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __deepcopy__(self, memo: Any) -> "Tensor":
        return self

    def __copy__(self) -> "Tensor":
        return self


def _show(tensor: Tensor) -> str:
    text = repr(tensor.numpy()).removeprefix("array(").removesuffix(")")
    body = text.split(", dtype=")[0].rstrip(", ")
    dtype = "" if tensor.dtype.name in ("float32", "int64", "bool") else f", dtype={tensor.dtype}"
    return f"tensor({body}{dtype})".replace("\n      ", "\n       ")


def _setter(slot: str) -> Callable[[Node, Any], None]:
    """The way round the frozen ``__setattr__``: the slot's own descriptor, which is also the fastest."""
    return cast(Callable[[Node, Any], None], Node.__dict__[slot].__set__)


_set_op: Final = _setter("op")
_set_inputs: Final = _setter("inputs")
_set_attrs: Final = _setter("attrs")
_set_type: Final = _setter("type")
_set_scope: Final = _setter("scope")
_set_line: Final = _setter("line")
_set_depth: Final = _setter("depth")
_set_later: Final = _setter("later")
_set_symbolic: Final = _setter("symbolic")
_set_origin: Final = _setter("origin")
_set_variable: Final = _setter("variable")
set_value: Final = _setter("value")


def _build(
    op: str,
    inputs: tuple[Tensor, ...],
    attrs: Mapping[str, Any],
    type_: NodeType,
    scope: Scope | None,
    line: Line | None,
    origin: "weakref.ref[Node] | None" = None,
) -> Any:
    node = object.__new__(Tensor if type_.__class__ is TensorType else Node)
    symbolic, depth, later = op == "symbol", 0, None
    for x in inputs:
        if x.symbolic:
            symbolic = True
        if x.depth >= depth:
            depth = x.depth + 1
    if depth > LONGEST:
        depth, later = 0, FreedLater(inputs)
    finish_freeing()
    _set_op(node, op)
    _set_inputs(node, inputs)
    _set_attrs(node, attrs)
    _set_type(node, type_)
    _set_scope(node, scope)
    _set_line(node, line)
    _set_depth(node, depth)
    _set_later(node, later)
    _set_symbolic(node, symbolic)
    _set_origin(node, origin)
    _set_variable(node, None)
    set_value(node, None)
    made = being_made.get()
    if made is not None:
        made.add(node)
    return node


being_made: Final[ContextVar[set[Node] | None]] = ContextVar("being_made", default=None)
"""Where somebody wants to know what is made, such as in a branch: the nodes so far."""


class Deriving:
    """While gradient rules run: the forward node that they belong to, which lends its line and scope."""

    __slots__ = ("line", "origin", "scope")

    def __init__(self, node: Node, scope: Scope | None) -> None:
        self.line: Line | None = node.line
        self.origin: weakref.ref[Node] | None = weakref.ref(node)
        self.scope = scope


deriving: Final[ContextVar[Deriving | None]] = ContextVar("deriving", default=None)


def make(op: str, *inputs: Tensor, **attrs: Any) -> Tensor:
    """A new node of the operation ``op``; its type is inferred here, so a mistake raises on the user's line.

    Raises:
        Error: of the kind that the shape rule raises, with op, operands, scope and line added.
    """
    definition = OPS[op]
    try:
        if len(inputs) > 1:
            device = inputs[0].type.device
            for x in inputs:
                if x.type.device != device:
                    raise _apart(device, x.type.device)
        type_ = definition.infer(*[x.type for x in inputs], **attrs)
    except Error as error:
        raise type(error)(_told(op, inputs, current_scope(), user_line(), str(error))) from None
    by = deriving.get()
    if by is not None:
        return cast(Tensor, _build(op, inputs, attrs, type_, by.scope, by.line, by.origin))
    return cast(Tensor, _build(op, inputs, attrs, type_, current_scope(), user_line()))


def _apart(first: str, second: str) -> DeviceError:
    """Two devices in one operation; what is on the CPU is the smaller thing to move, most of the time."""
    goal = second if first == "cpu" else first
    return DeviceError(
        f"operands live on {first} and {second}; move one with .to({goal!r}), or what it belongs to, a model or its "
        f"optimiser, with model.to({goal!r})"
    )


def _told(op: str, inputs: Sequence[Node], scope: Scope | None, line: Line | None, message: str) -> str:
    operands = ", ".join(str(x.type) for x in inputs if not isinstance(x.type, tuple))
    return f"{op}({operands}){in_scope(scope)}: {message}{at_line(line)}"


def located(node: Node, message: str) -> str:
    """How errors about a node read: ``op(operands) in scope: message [file:line]``."""
    return _told(node.op, node.inputs, node.scope, node.line, message)


def make_leaf(value: Any, type_: TensorType) -> Tensor:
    """An evaluated node without inputs that holds a backend's array."""
    leaf = cast(Tensor, _build("leaf", (), {}, type_, current_scope(), user_line()))
    set_value(leaf, value)
    return leaf


_COMPUTED: Final[Mapping[str, Any]] = {"history": "compiled"}


def make_leaves(values: Sequence[Any], types: Sequence[TensorType]) -> list[Tensor]:
    """What a program computed, as evaluated nodes without inputs. They remember that they had a history."""
    scope, line = current_scope(), user_line()
    leaves = [cast(Tensor, _build("leaf", (), _COMPUTED, type_, scope, line)) for type_ in types]
    for leaf, value in zip(leaves, values, strict=True):
        set_value(leaf, value)
    return leaves


def bind_variable(leaf: Tensor, variable: object, label: object = None) -> None:
    """Note, weakly, that ``leaf`` is the content of ``variable``. Done once, before anyone else sees the leaf."""
    _set_variable(leaf, weakref.ref(variable))
    if leaf.op == "leaf":  # a symbol, which stands for the content in a trace, has a name of its own
        _set_attrs(leaf, {"label": label})


def name_of(node: Node) -> str | None:
    """What the user called a value: the name of a symbol, of a ``named`` node, or of the variable that held a leaf."""
    if node.op == "leaf":
        label = node.attrs.get("label")
        return label.name if label is not None else None
    return node.attrs.get("name")


def remake(node: Node, inputs: tuple[Tensor, ...], attrs: Mapping[str, Any] | None = None) -> Any:
    """The same operation on other inputs; scope, line and origin are kept."""
    attrs = node.attrs if attrs is None else attrs
    same = attrs is node.attrs and all(a.type == b.type for a, b in zip(inputs, node.inputs, strict=True))
    type_ = node.type if same else OPS[node.op].infer(*[x.type for x in inputs], **attrs)
    return _build(node.op, inputs, attrs, type_, node.scope, node.line, node.origin)


def rebuilt(node: Node, new: Mapping[Node, Any]) -> Any:
    """``node`` on what its inputs became; itself where they are the same."""
    inputs = node.inputs
    for x in inputs:
        if new.get(x, x) is not x:
            return remake(node, tuple([new.get(y, y) for y in inputs]))
    return node


def make_like(place: Node, op: str, *inputs: Tensor, **attrs: Any) -> Tensor:
    """A new node that takes the place of ``place`` in a rewriting: scope, line and origin are its."""
    type_ = OPS[op].infer(*[x.type for x in inputs], **attrs)
    return cast(Tensor, _build(op, inputs, attrs, type_, place.scope, place.line, place.origin))


@contextmanager
def in_place_of(node: Node, origin: Node | None = None) -> Iterator[None]:
    """What is made here takes the place of ``node`` in a rewriting: line and scope are its, and so is the origin, if no
    other one is given.
    """
    made = Deriving(node, node.scope)
    made.origin = node.origin if origin is None else weakref.ref(origin)
    token = deriving.set(made)
    try:
        yield
    finally:
        deriving.reset(token)


def origin_of(node: Node) -> Node | None:
    """The forward node whose gradient ``node`` helps to compute, if it is one and its origin still lives."""
    return node.origin() if node.origin is not None else None
