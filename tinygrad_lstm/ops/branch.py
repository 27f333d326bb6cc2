"""A part that is computed only where a condition holds: the op ``branch``, and ``cond``, which has two of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tinygrad_lstm.errors import DTypeError, ShapeError, StructureError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, constant, is_scalar
from tinygrad_lstm.graph.dtypes import bool_
from tinygrad_lstm.graph.function import Graph, substitute
from tinygrad_lstm.graph.number import lone_dtype
from tinygrad_lstm.graph.registry import OPS, NodeType, define
from tinygrad_lstm.graph.scopes import scope
from tinygrad_lstm.graph.structure import Structure, flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Node, Tensor, being_made, make
from tinygrad_lstm.graph.trace import Traced, name_body, trace
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Repeated
from tinygrad_lstm.ops.logic import equal, invert, where
from tinygrad_lstm.ops.loop import loop_items
from tinygrad_lstm.ops.source import full_node
from tinygrad_lstm.reflexes import is_function

__all__ = ["as_condition", "branch_items", "cond", "recorded"]


def _branch(condition: TensorType, *types: TensorType, body: Graph) -> NodeType:
    if condition.dtype is not bool_ or condition.shape:
        raise ShapeError(f"the condition is {condition}, and is to be one bool")
    wanted = [*[y.type for y in body.outputs], *[x.type for x in body.inputs]]
    for k, (given, inner) in enumerate(zip(types, wanted, strict=True)):
        if given != inner:
            raise ShapeError(f"operand {k + 1} is {given} where the body wants {inner}")
    return tuple(y.type for y in body.outputs)


define("branch", _branch, label="if", kind="loop")


def branch_items(
    condition: Tensor, otherwise: Sequence[Tensor], body: Graph, operands: Sequence[Tensor]
) -> list[Tensor]:
    """The results of ``body`` for these operands; ``otherwise`` where the condition does not hold.

    Then the body is not computed. Its gradient is computed only where it was itself.
    """
    return loop_items(make("branch", condition, *otherwise, *operands, body=body)) if body.outputs else []


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """``true_fun(*operands)`` where ``pred`` is true, else ``false_fun(*operands)``; only the one chosen is computed.

    Both functions are called once, on symbols. In the gradient too, what was not chosen contributes nothing, not even
    a nan. To choose element by element use ``where``, which computes both sides. Under ``vmap`` each example chooses
    for itself; then a function is computed for all examples, or for none if none has chosen it.

    Args:
        pred: one bool, or a number, which is true if it is not 0.
        true_fun: from the operands to tensors, in any nested structure.
        false_fun: likewise; its results have the structure, shapes and element types of those of ``true_fun``. What
            either reads from outside is differentiated like the operands.
        operands: tensors, in any nested structure; numbers are passed as they are.

    Raises:
        ShapeError, DTypeError, StructureError: when the functions give different forms.
        UsageError: when ``pred`` is more than one value, or a function changes a Parameter or State.

    >>> root = lambda x: tl.cond(x > 0, tl.sqrt, lambda x: 0.0, x)
    >>> print(root(4.0), root(-1.0), tl.grad(root)(4.0), tl.grad(root)(-1.0))
    2.0 0.0 0.25 0.0
    """
    for what, f in (("true_fun", true_fun), ("false_fun", false_fun)):
        if not is_function(f):
            raise UsageError(
                f"cond(pred, true_fun, false_fun, *operands): {what} is a function of the operands, not "
                f"{type(f).__name__}; to choose between values write tl.where(pred, a, b)"
            )
    condition = as_condition(pred, "cond: pred")
    leaves, form = flatten(operands)
    given = unflatten(form, [v if is_scalar(v) else as_tensor(v, device=condition.device) for v in leaves])
    parts = [_Choice.of(f, given, name) for f, name in ((true_fun, "then"), (false_fun, "else"))]
    structure = _alike(*parts)
    then, other = [part.closed() for part in parts]
    if then.free is not None:
        if other.free is not None:
            return unflatten(structure, [where(condition, a, b) for a, b in zip(then.free, other.free, strict=True)])
        return unflatten(structure, branch_items(invert(condition), then.free, other.body, other.operands))
    if other.free is None:
        zeros = [full_node(y.shape, 0, y.dtype, y.device) for y in other.body.outputs]
        found = branch_items(invert(condition), zeros, other.body, other.operands)
    else:
        found = other.free
    return unflatten(structure, branch_items(condition, found, then.body, then.operands))


def as_condition(value: Any, what: str) -> Tensor:
    """``value`` as one bool."""
    node = as_tensor(value)
    if node.shape:
        raise UsageError(
            f"{what} is one bool, not {node.type}; reduce it with tl.all or tl.any, or choose element by element with "
            "tl.where"
        )
    return node if node.dtype is bool_ else invert(equal(node, 0))


@contextmanager
def recorded() -> Iterator[set[Node]]:
    """The nodes that are made here."""
    made: set[Node] = set()
    around = being_made.get()
    token = being_made.set(made)
    try:
        yield made
    finally:
        being_made.reset(token)
        if around is not None:
            around |= made


@dataclass(frozen=True, slots=True)
class _Closed:
    """A body with its operands.

    Attributes:
        free: its results, if they take no work: then it needs no condition.
    """

    body: Graph
    operands: list[Tensor]
    free: list[Tensor] | None


@dataclass(slots=True)
class _Choice:
    """One of the two functions, called on symbols."""

    name: str
    traced: Traced
    made: set[Node]
    arguments: list[Tensor]
    leaves: list[Any]
    structure: Structure

    @classmethod
    def of(cls, f: Callable[..., Any], operands: tuple[Any, ...], name: str) -> "_Choice":
        leaves, structure = flatten(operands)
        places = [k for k, v in enumerate(leaves) if not is_scalar(v)]
        arguments: list[Tensor] = [leaves[k] for k in places]

        def call(symbols: list[Any]) -> Any:
            stand = dict(zip(places, symbols, strict=True))
            return _called(f, name, unflatten(structure, [stand.get(k, v) for k, v in enumerate(leaves)]))

        names = paths(structure, "operand")
        owner = name_body("cond")
        with recorded() as made, scope(name):
            traced = trace(
                call,
                [x.type for x in arguments],
                [names[k] for k in places],
                owner,
                repeats=Repeated(owner, "only where it is chosen", "return the new value, and assign what cond gives"),
            )
        results, form = flatten(traced.result)
        return cls(name, traced, made, arguments, results, form)

    def closed(self) -> _Closed:
        body, further = self.traced.closed(self.leaves, self.made)
        operands = [*self.arguments, *further]
        free = None
        if all(OPS[node.op].kind in ("leaf", "view", "identity") for node in body.nodes()):
            free = substitute(body.outputs, dict(zip(body.inputs, operands, strict=True)))
        return _Closed(body, operands, free)


def _called(f: Callable[..., Any], name: str, operands: Any) -> Any:
    """``f(*operands)``; where the call itself fails, the error says with what."""
    try:
        return f(*operands)
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise
        which = "true_fun" if name == "then" else "false_fun"
        raise UsageError(f"cond calls {which} with the {len(operands)} operands behind it, but {error}") from None


def _alike(then: _Choice, other: _Choice) -> Structure:
    """The structure of the results of both functions, whose numbers become tensors; raises where they differ."""
    if not then.structure.fits(other.structure):
        of_then, of_other = then.structure.told_from(other.structure)
        raise StructureError(f"cond: true_fun gives {of_then} and false_fun {of_other}; give both one structure")
    names = paths(then.structure, "result")
    for k, (a, b) in enumerate(zip(then.leaves, other.leaves, strict=True)):
        with recorded() as made:
            if is_scalar(a) and is_scalar(b):
                dtype = lone_dtype(a, b)
                device = then.arguments[0].device if then.arguments else None
                x, y = constant(a, dtype, device), constant(b, dtype, device)
            else:
                x = as_tensor(a, like=as_tensor(b) if is_scalar(a) else None)
                y = as_tensor(b, like=x if is_scalar(b) else None)
        then.made |= made
        other.made |= made
        if x.type != y.type:
            raise (ShapeError if x.shape != y.shape else DTypeError)(
                f"cond: {names[k]} of true_fun is {x.type}, of false_fun {y.type}; give both one shape and element type"
            )
        then.leaves[k], other.leaves[k] = x, y
    return then.structure
