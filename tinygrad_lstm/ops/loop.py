"""The loop as an op: ``scan``, and the projections that read its results."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from tinygrad_lstm.errors import DTypeError, ShapeError, StructureError, UsageError
from tinygrad_lstm.graph.convert import as_number, as_tensor, constant, is_scalar, shared_device
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.number import lone_dtype, number_class
from tinygrad_lstm.graph.registry import NodeType, define
from tinygrad_lstm.graph.structure import Structure, flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Node, Tensor, make
from tinygrad_lstm.graph.trace import Traced, name_body, trace
from tinygrad_lstm.graph.types import TensorType, whole
from tinygrad_lstm.graph.variables import Repeated
from tinygrad_lstm.ops.several_steps import at_once, several_at_once
from tinygrad_lstm.reflexes import is_function

__all__ = ["checked_carries", "loop_items", "loop_node", "scan", "short_name", "stacked"]


def _scan(*types: TensorType, body: Graph, carries: int, xs: int, length: int, reverse: bool) -> NodeType:
    for k, (given, inner) in enumerate(zip(types, body.inputs, strict=True)):
        wanted = inner.type
        if carries <= k < carries + xs:
            wanted = TensorType((length, *wanted.shape), wanted.dtype, wanted.device)
        if given != wanted:
            raise ShapeError(f"operand {k} is {given} where the body wants {wanted}")
    ys = [TensorType((length, *y.shape), y.dtype, y.device) for y in body.outputs[carries:]]
    return (*types[:carries], *ys)


def _item(loop: tuple[TensorType, ...], *, index: int) -> TensorType:
    return loop[index]


def _stacked(loop: tuple[TensorType, ...], *, value: Tensor, length: int) -> TensorType:
    return TensorType((length, *value.shape), value.dtype, value.device)


define("scan", _scan, label="scan", kind="loop")
define("item", _item, label="item", kind="projection")
define("stacked", _stacked, label="stacked", kind="projection")


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    *,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """A loop: ``carry, y_t = f(carry, x_t)`` for each ``t``.

    ``f`` is called once, on symbols; it becomes the body of one node, so the graph has the same size for 10 steps and
    for 10,000. What the body reads from outside is differentiated like any other input. Where a carry starts as a
    Python number, ``f`` is called a first time to see which type it takes.

    Args:
        f: ``(carry, x) -> (carry, y)``; the new carry has the structure, shapes and element types of the old one.
        init: the first carry: a tensor, or nested tuples, lists, dicts or dataclasses of tensors. A number takes the
            type that it has after a step.
        xs: arrays to step through along their first axis, nested likewise; None for none.
        length: the number of steps; needed when ``xs`` is None.
        reverse: whether to go from the last step to the first. Results stay in the order of ``xs``.
        unroll: how many steps the body takes at once, or True for all of them, which leaves no loop: fewer turns of a
            larger body. The results are the same.

    Returns:
        The last carry, and the ``y_t`` stacked along a new first axis.

    Raises:
        ShapeError, DTypeError, StructureError: when a carry leaves in another form than it entered, or the arrays of
            ``xs`` differ in length.
        UsageError: when the body changes a Parameter or State, which would happen once and not in each step.

    >>> total, sums = tl.scan(lambda c, x: (c + x, c + x), tl.tensor(0.0), tl.tensor([1.0, 2.0, 3.0]))
    >>> print(total, sums)
    6.0 [1. 3. 6.]
    """
    if not is_function(f):
        raise UsageError(f"scan: the body f comes first, then init and xs; f is a function, not {type(f).__name__}")
    init_leaves, carry_structure = flatten(init)
    x_leaves, x_structure = flatten(xs)
    device = shared_device(*init_leaves, *x_leaves)
    first = [as_tensor(v, device=device) for v in init_leaves]
    sequences = [as_tensor(v, device=device) for v in x_leaves]
    steps = _length(sequences, paths(x_structure, "xs"), length)

    names = [short_name(p) for p in paths(carry_structure, "carry")]
    slices = [TensorType(s.shape[1:], s.dtype, s.device) for s in sequences]
    count, owner = len(first), name_body("scan")

    def traced_with(types: Sequence[TensorType | type]) -> Traced:
        return trace(
            lambda arguments: _called(
                f, unflatten(carry_structure, arguments[:count]), unflatten(x_structure, arguments[count:])
            ),
            [*types, *slices],
            [*names, *[short_name(p) for p in paths(x_structure, "x")]],
            owner,
            repeats=Repeated(
                owner, "at each step", "let the value be part of the carry, and assign what the scan gives"
            ),
        )

    if any(map(is_scalar, init_leaves)):
        kinds = [number_class(v) if is_scalar(v) else t.type for v, t in zip(init_leaves, first, strict=True)]
        first = _met(lambda: traced_with(kinds), init_leaves, first, sequences)
    try:
        traced = traced_with([t.type for t in first])
    except DTypeError as error:
        for name, value, node in zip(names, init_leaves, first, strict=True):
            if is_scalar(value) and node.dtype.is_float:
                error.add_note(
                    f"carry {name!r} starts as the number {value!r}, which became {node.dtype}; for another type start "
                    f"with tl.tensor({value!r}, dtype=…)"
                )
        raise
    result = traced.result
    if not isinstance(result, tuple) or len(result) != 2:
        raise StructureError(f"scan body: return a pair (carry, y), not {type(result).__name__}; y may be None")
    new_leaves, new_structure = flatten(result[0])
    new = checked_carries(
        "scan body", names, list(traced.arguments[:count]), new_leaves, carry_structure, new_structure
    )
    y_leaves, y_structure = flatten(result[1])
    body, operands = traced.closed([*new, *y_leaves])
    together = at_once(unroll, steps)
    if together == 1 or not steps:
        items = _results(body, first, sequences, operands, steps, reverse)
    else:
        items = several_at_once(_results, body, first, sequences, operands, steps, reverse, together)
    return unflatten(carry_structure, items[:count]), unflatten(y_structure, items[count:])


def loop_node(
    body: Graph, init: list[Tensor], xs: list[Tensor], operands: list[Tensor], length: int, reverse: bool
) -> Node:
    """The tuple-typed node of a loop whose closed body takes carries, slices of ``xs`` and operands in this order."""
    node: Node = make(
        "scan",
        *init,
        *xs,
        *operands,
        body=body,
        carries=len(init),
        xs=len(xs),
        length=length,
        reverse=reverse,
    )
    return node


def _results(
    body: Graph, init: list[Tensor], xs: list[Tensor], operands: list[Tensor], length: int, reverse: bool
) -> list[Tensor]:
    return loop_items(loop_node(body, init, xs, operands, length, reverse))


def loop_items(loop: Any) -> list[Tensor]:
    """All results of a loop: the last carries, then ``ys``."""
    return [make("item", loop, index=k) for k in range(len(loop.type))]


def stacked(loop: Any, value: Tensor) -> Tensor:
    """``value``, a node of the loop's body, at every step, along a new first axis. The loop still runs only once."""
    body, carries, length = loop.attrs["body"], loop.attrs["carries"], loop.attrs["length"]
    for k, y in enumerate(body.outputs[carries:], carries):
        if y is value:
            return make("item", loop, index=k)
    for k in range(carries, carries + loop.attrs["xs"]):
        if body.inputs[k] is value:
            return cast(Tensor, loop.inputs[k])
    return make("stacked", loop, value=value, length=length)


def _met(step: Callable[[], Traced], values: list[Any], first: list[Tensor], sequences: list[Tensor]) -> list[Tensor]:
    """The first carries, where those that start as numbers take the type that they have after a step.

    Where the step does not say, it is that of the first floats among the other carries and ``sequences``.

    Args:
        step: traces the body with numbers for them.
    """
    after: list[Any] = []
    try:
        carry, _ = step().result
        after = flatten(carry)[0]
    except Exception:  # what is wrong with the body is reported of the tensors that it is about to be called with
        pass
    if len(after) != len(values):
        strong = [node for v, node in zip(values, first, strict=True) if not is_scalar(v)]
        partner = next((node for node in (*strong, *sequences) if node.dtype.is_float), None)
        after = [partner if is_scalar(v) and partner is not None else v for v in values]
    typed = []
    for value, node, new in zip(values, first, after, strict=True):
        if not is_scalar(value):
            typed.append(node)
        elif is_scalar(new):
            typed.append(constant(as_number(value), lone_dtype(value, new), node.device))
        else:
            typed.append(as_tensor(value, like=as_tensor(new)))
    return typed


def _called(f: Callable[[Any, Any], Any], carry: Any, x: Any) -> Any:
    """``f(carry, x)``; where it fails, the error says what its arguments are."""
    try:
        return f(carry, x)
    except Exception as error:
        trace = error.__traceback__
        if type(error) is TypeError and trace is not None and trace.tb_next is None:
            # The call itself failed, before the first line of f ran.
            raise UsageError(f"scan body: f takes (carry, x), but {error}") from None
        error.add_note(f"scan calls its body as f(carry, x), with carry = {_shown(carry)} and x = {_shown(x)}")
        raise


def _shown(tree: Any) -> str:
    """A nested value with types in place of its tensors."""
    leaves, structure = flatten(tree)
    return structure.filled([str(leaf.type) for leaf in leaves])


def _length(sequences: list[Tensor], names: list[str], length: int | None) -> int:
    """The number of steps, from ``length`` or from the first axis of ``xs``; raises where they disagree."""
    steps: int | None = None
    if length is not None:
        steps = whole(length)
        if steps is None or steps < 0:
            raise UsageError(f"scan: length is an integer ≥ 0, the number of steps, not {length!r}")
    first = "length"
    for sequence, name in zip(sequences, names, strict=True):
        if not sequence.shape:
            advice = "; a list holds arrays to step through side by side, one array of numbers is tl.tensor(xs)"
            raise ShapeError(
                f"scan: {name} is {sequence.type} and has no axis to step along{advice if '[' in name else ''}"
            )
        if steps is None:
            steps, first = sequence.shape[0], name
        elif sequence.shape[0] != steps:
            raise ShapeError(f"scan: {name} has {sequence.shape[0]} steps, but {first} says {steps}")
    if steps is None:
        raise UsageError("scan: without xs the number of steps is unknown; give length=")
    return steps


def checked_carries(
    what: str, names: list[str], old: list[Tensor], new: list[Any], entered: Structure, left: Structure
) -> list[Tensor]:
    """The new carries of ``what`` as tensors of the types of the old ones; raises where one has another form."""
    if not entered.fits(left):
        at_first, at_last = entered.told_from(left)
        raise StructureError(
            f"{what}: the carry enters as {at_first} but leaves as {at_last}; return the entry structure"
        )
    nodes = [as_tensor(v, like=o) for v, o in zip(new, old, strict=True)]
    for name, before, after in zip(names, old, nodes, strict=True):
        if before.dtype.kind in "iub" and after.dtype.is_float:
            raise DTypeError(
                f"{what}: carry {name!r} enters as {before.type} but leaves as {after.type}; start with "
                + ("a float, such as 0.0" if after.dtype is float32 else f"tl.tensor(…, dtype={after.dtype!r})")
            )
        message = f"{what}: carry {name!r} enters as {before.type} but leaves as {after.type}"
        if after.shape != before.shape:
            raise ShapeError(f"{message}; return the entry shape")
        if after.dtype is not before.dtype:
            raise DTypeError(f"{message}; convert with .astype({before.dtype!r})")
    return nodes


def short_name(path: str) -> str:
    """``carry.h`` as ``h``: the last name that the user gave, or the whole path where there is none."""
    tail = path.rsplit(".", 1)[-1]
    return tail if "." in path and "[" not in tail else path
