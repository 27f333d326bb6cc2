"""Loops by their condition or their count: the op ``while_loop``, the function of that name, and ``fori_loop``."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_number, as_tensor, cast_to, constant, is_scalar, shared_device
from tinygrad_lstm.graph.device import as_device
from tinygrad_lstm.graph.dtypes import bool_, int64
from tinygrad_lstm.graph.function import Graph, substitute
from tinygrad_lstm.graph.number import Number, lone_dtype, number_class
from tinygrad_lstm.graph.registry import NodeType, define
from tinygrad_lstm.graph.structure import flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.trace import Traced, name_body, trace
from tinygrad_lstm.graph.types import TensorType, whole
from tinygrad_lstm.graph.variables import Repeated, Variable
from tinygrad_lstm.ops.branch import as_condition, branch_items
from tinygrad_lstm.ops.loop import checked_carries, loop_items, scan, short_name
from tinygrad_lstm.ops.source import arange_node
from tinygrad_lstm.reflexes import is_function

__all__ = ["fori_loop", "while_items", "while_loop"]


def _while_loop(go: TensorType, *types: TensorType, body: Graph, carries: int) -> NodeType:
    if go.dtype is not bool_ or go.shape or body.outputs[0].type != go:
        raise ShapeError(f"the condition is {go}, and is to be one bool")
    for k, (given, inner) in enumerate(zip(types, body.inputs, strict=True)):
        if given != inner.type:
            raise ShapeError(f"operand {k + 1} is {given} where the body wants {inner.type}")
    for given, left in zip(types[:carries], body.outputs[1:], strict=True):
        if given != left.type:
            raise ShapeError(f"a carry enters as {given} but leaves as {left.type}")
    return types[:carries]


def _pullback(
    go: TensorType, *types: TensorType, body: Graph, carries: int, slots: tuple[int, ...], places: tuple[int, ...]
) -> NodeType:
    return tuple(types[k] for k in places)


define("while_loop", _while_loop, label="while", kind="loop")
define("pullback", _pullback, label="pullback", kind="loop")


def while_items(go: Tensor, init: Sequence[Tensor], body: Graph, operands: Sequence[Tensor]) -> list[Tensor]:
    """The last carries of a loop that goes on while a condition holds.

    Args:
        go: the condition of the first step.
        body: from carries and operands to the condition of the next step, and the next carries.
    """
    return loop_items(make("while_loop", go, *init, *operands, body=body, carries=len(init)))


class _Bounded(NamedTuple):
    """The carry of a loop with a bound."""

    goes_on: Any
    value: Any


def while_loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init: Any, *, bound: int | None = None
) -> Any:
    """The last value of ``while cond_fun(value): value = body_fun(value)``, starting with ``init``.

    Both functions are called once, on symbols; where ``init`` holds numbers, ``body_fun`` is called a first time to see
    which types they take. Under ``vmap`` the loop goes on until all examples are done, and those that are keep their
    value.

    Its derivative in forward mode (``jvp``, ``linearize``) is a loop beside it. Reverse mode (``grad``, ``backward``)
    has to keep what each step computes, and so needs a ``bound`` for their number. The loop then is a ``scan`` of that
    many steps, of which those behind the end are not computed.

    Args:
        cond_fun: ``value -> bool``, whether there is a further step.
        body_fun: ``value -> value``; it keeps structure, shapes and element types.
        init: the first value: a tensor, or tensors in a nested structure.
        bound: the most steps that are made, even if the condition still holds then; None for no bound.

    Raises:
        ShapeError, DTypeError, StructureError: when ``body_fun`` gives another form than it takes.
        UsageError: when the condition is not one bool, or a function changes a Parameter or State.
        GradientError: in reverse mode without a bound.

    >>> print(tl.while_loop(lambda x: x < 100, lambda x: x * 2, 3.0))
    192.0
    >>> def root(a):  # Newton's method
    ...     return tl.while_loop(lambda x: tl.abs(x * x - a) > 1e-5, lambda x: (x + a / x) / 2, a, bound=20)
    >>> print(root(4.0), tl.grad(root)(4.0).round(4))
    2.0 0.25
    """
    for what, f in (("cond_fun", cond_fun), ("body_fun", body_fun)):
        if not is_function(f):
            raise UsageError(
                f"while_loop(cond_fun, body_fun, init): {what} is a function of the value, not {type(f).__name__}"
            )
    most = None if bound is None else whole(bound)
    if bound is not None and (most is None or most < 0):
        raise UsageError(f"while_loop: bound is an integer ≥ 0, the most steps that are made, not {bound!r}")
    leaves, structure = flatten(init)
    device = shared_device(*leaves)
    first = [as_tensor(v, device=device) for v in leaves]
    names = [short_name(p) for p in paths(structure, "value")]
    owner = name_body("while_loop")

    def traced_with(types: Sequence[TensorType | type]) -> Traced:
        def body(symbols: list[Any]) -> Any:
            new = _called(body_fun, "body_fun", unflatten(structure, symbols))
            return new, symbols

        instead = "let it be part of the value, and assign what while_loop gives"
        return trace(body, types, names, owner, repeats=Repeated(owner, "at each step", instead))

    if any(map(is_scalar, leaves)):
        kinds = [number_class(v) if is_scalar(v) else t.type for v, t in zip(leaves, first, strict=True)]
        first = _met(lambda: traced_with(kinds), leaves, first)
    traced = traced_with([t.type for t in first])
    symbols: list[Tensor] = list(traced.arguments)
    new_leaves, new_structure = flatten(traced.result[0])
    new = checked_carries("while_loop", names, symbols, new_leaves, structure, new_structure)

    def condition(value: list[Tensor]) -> Tensor:
        found = _called(cond_fun, "cond_fun", unflatten(structure, value))
        if found is None:
            raise UsageError("while_loop: cond_fun gives None; end it with return, and the condition behind it")
        return as_condition(found, "while_loop: what cond_fun gives")

    asked = trace(
        condition, [t.type for t in first], names, owner, repeats=Repeated(owner, "at each step", "return it")
    )
    of_carry: dict[Any, Tensor] = dict(zip(asked.arguments, new, strict=True))
    further = substitute([asked.result], of_carry)
    go = substitute([asked.result], dict(zip(asked.arguments, first, strict=True)))
    body, operands = traced.closed([*further, *new])
    if most is None:
        return unflatten(structure, while_items(go[0], first, body, operands))

    def step(carry: _Bounded, _: None) -> tuple[_Bounded, None]:
        now = flatten(carry.value)[0]
        again, *then = branch_items(carry.goes_on, [carry.goes_on, *now], body, [*now, *operands])
        return _Bounded(again, unflatten(structure, then)), None

    last, _ = scan(step, _Bounded(go[0], unflatten(structure, first)), None, length=most)
    return last.value


def _met(step: Callable[[], Traced], values: list[Any], first: list[Tensor]) -> list[Tensor]:
    """The first values, where those that are numbers take the type that they have after a step."""
    try:
        after = flatten(step().result[0])[0]
    except Exception:  # what is wrong with the body is reported of the tensors that it is about to be called with
        return first
    if len(after) != len(values):
        return first
    return [
        node if not is_scalar(value)
        else constant(as_number(value), lone_dtype(value, new), node.device) if is_scalar(new)
        else as_tensor(value, like=as_tensor(new))
        for value, node, new in zip(values, first, after, strict=True)
    ]  # fmt: skip


def _called(f: Callable[[Any], Any], what: str, value: Any) -> Any:
    """``f(value)``; where the call itself fails, the error says with what."""
    try:
        return f(value)
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise
        raise UsageError(f"while_loop calls {what} with the value, a single argument, but {error}") from None


def fori_loop(lower: Any, upper: Any, body: Callable[[Any, Any], Any], init: Any, *, unroll: int | bool = 1) -> Any:
    """The last value of ``for i in range(lower, upper): value = body(i, value)``.

    With bounds that are known, such as Python's integers, it is a ``scan`` over the numbers ``i``, and so
    differentiated in both modes; with bounds that are still to be computed, as under ``jit``, it is a ``while_loop``
    without a bound.

    Args:
        lower: the first ``i``.
        upper: the ``i`` before which the loop ends; no step is made where it is not above ``lower``.
        body: ``(i, value) -> value``, called once, on symbols; ``i`` is an int64.
        init: the first value: a tensor, or tensors in a nested structure, which ``body`` keeps.
        unroll: how many steps are made at once, as in ``scan``; only with bounds that are known.

    Raises:
        UsageError: when a bound is no integer.
        ShapeError, DTypeError, StructureError: when ``body`` gives another form than it takes.

    >>> print(tl.fori_loop(1, 6, lambda i, product: product * i, 1.0))
    120.0
    >>> print(tl.grad(lambda x: tl.fori_loop(0, 3, lambda i, y: y * x, 1.0))(2.0))
    12.0
    """
    if not is_function(body):
        raise UsageError(
            f"fori_loop: the body comes third, fori_loop(lower, upper, body, init), and is a function (i, value) -> "
            f"value, not {type(body).__name__}"
        )
    first, last = _known(lower), _known(upper)
    if first is None or last is None:
        start, end = _bound(lower), _bound(upper)
        if unroll != 1:
            raise UsageError("fori_loop: unroll is for bounds that are known, such as Python's integers; leave it out")
        _, result = while_loop(lambda v: v[0] < end, lambda v: (v[0] + 1, _step(body, *v)), (start, init))
        return result
    numbers = arange_node(max(0, last - first), int64, as_device(shared_device(*flatten(init)[0])))
    if first:
        numbers = numbers + first
    result, _ = scan(lambda value, i: (_step(body, i, value), None), init, numbers, unroll=unroll)
    return result


def _known(value: Any) -> int | None:
    """A bound as an integer; None where it is still to be computed, or is none."""
    later = isinstance(value, Number) or (isinstance(value, Tensor | Variable) and as_tensor(value).symbolic)
    return None if later else whole(value)


def _bound(value: Any) -> Tensor:
    node = as_tensor(value)
    if node.shape or node.dtype.kind not in "iu":
        raise UsageError(f"fori_loop: the bounds are integers, and one is {value if is_scalar(value) else node.type}")
    return cast_to(node, int64)


def _step(body: Callable[[Any, Any], Any], i: Any, value: Any) -> Any:
    """``body(i, value)``; where the call itself fails, the error says with what."""
    try:
        return body(i, value)
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise
        raise UsageError(f"fori_loop calls its body as body(i, value), but {error}") from None
