"""The operations that each op becomes: views, maps, reductions, products, joins, pads, gathers and scatters."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any, Final

from tinygrad_lstm.codegen.operations import (
    Block,
    Carried,
    OperationKind,
    Operations,
    Reference,
    row_major,
    whole_result,
)
from tinygrad_lstm.codegen.references import (
    broadcast,
    canonical,
    coordinates,
    flipped,
    reshaped,
    sliced,
    through,
    transposed,
)
from tinygrad_lstm.codegen.regions import Builder, Translation
from tinygrad_lstm.errors import GraphError
from tinygrad_lstm.graph.dtypes import DType, bool_, float16, float32, float64
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.types import Shape
from tinygrad_lstm.ops.linalg import LETTERS

__all__ = ["build"]

_COMBINES: Final = {"sum": "add", "max": "maximum", "min": "minimum"}


def build(graph: Graph, halves: bool) -> Operations:
    """The operations of a graph; ``halves`` as in ``lower``.

    Raises:
        GraphError: for a graph that reads a symbol which is not among its inputs.
    """
    return Builder(graph, _RULES, (float16, float32, float64) if halves else (float32, float64)).operations()


def _constant(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    return built.constant(node.attrs["value"], node.dtype, block)


def _arange(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    return built.map("arange", [], node.shape, node.dtype, block, node)


def _symbol(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    raise GraphError(f"symbol {node.attrs['name']!r} is no input of the graph that is compiled; make it one")


def _reshape(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    result = reshaped(refs[0], node.shape)
    if result is None:
        copied = built.contiguous(refs[0], block, node)
        result = Reference(copied.operation, node.shape, row_major(node.shape))
    return result


def _slice(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    ref = sliced(refs[0], node.attrs["start"], node.shape, node.attrs["step"])
    return _from_part(built, ref) if ref.operation.kind == "join" else ref


def _from_part(built: Builder, ref: Reference) -> Reference:
    """A reference to a join that stays within one part of it, as a reference to that part."""
    join = ref.operation
    axes = coordinates(ref, join.shape, built.lengths)
    if axes is None or 0 in ref.shape:
        return ref
    along = axes[join.attr[0]]
    reach = [s * (n - 1) for s, n in zip(along.strides, ref.shape, strict=True)]
    reach += [s * (built.lengths[loop] - 1) for loop, s in along.loops]
    low = along.offset + sum(r for r in reach if r < 0)
    high = along.offset + sum(r for r in reach if r > 0)
    for target, written in zip(join.attr[1], join.args, strict=True):
        start, stop = target
        if start <= low and high < stop:
            axes[join.attr[0]] = along._replace(offset=along.offset - start)
            source = written.operation.args[0]
            shape = tuple([stop - start if k == join.attr[0] else n for k, n in enumerate(join.shape)])
            kept = [axis for axis, n in zip(axes, shape, strict=True) if n != 1]
            return through(kept, ref.shape, source)
    return ref


def _pieces(built: Builder, ref: Reference, axis: int) -> list[Reference]:
    """A reference to a join, cut along ``axis`` into one for each part that it reads."""
    join = ref.operation
    axes = coordinates(ref, join.shape, built.lengths) if join.kind == "join" else None
    if axes is None or 0 in ref.shape:
        return [ref]
    along, spans = axes[join.attr[0]], join.attr[1]
    if along.loops or any(s != (k == axis) for k, s in enumerate(along.strides)):
        return [ref]
    first, last = along.offset, along.offset + ref.shape[axis]
    cuts = [
        (max(first, start) - first, min(last, stop) - first) for start, stop in spans if start < last and first < stop
    ]
    pieces = []
    for low, high in cuts:
        shape = tuple([high - low if k == axis else n for k, n in enumerate(ref.shape)])
        start = tuple([low if k == axis else 0 for k in range(len(shape))])
        pieces.append(_from_part(built, sliced(ref, start, shape, (1,) * len(shape))))
    return pieces


def _concatenate(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    """A join of copies of the parts; one join serves for all old values of a carry."""
    axis = node.attrs["axis"]
    parts = [ref for ref in refs if ref.shape[axis]] or refs[:1]
    if len(parts) == 1:
        return parts[0]
    carried = _previous(built, parts, block) if axis == 0 and len(parts) == 2 else None
    if carried is not None and carried in built.before:
        return whole_result(built.before[carried])
    if carried is None:
        parts = [piece for ref in parts for piece in _pieces(built, ref, axis)]
    ends = [0]
    for ref in parts:
        ends.append(ends[-1] + ref.shape[axis])
    args = tuple([whole_result(built.copy(ref, block, node)) for ref in parts])
    spans = list(itertools.pairwise(ends))
    join = built.add(block, "join", node.shape, node.dtype, args=args, attr=(axis, spans), node=node)
    if carried is not None:
        built.before[carried] = join
    return whole_result(join)


def _previous(built: Builder, parts: list[Reference], block: Block) -> Carried | None:
    """The carry whose old values the two parts are: the value before the loop, and its stack without the last row."""
    for rows, first, reverse in ((parts[1], parts[0], False), (parts[0], parts[1], True)):
        stack = rows.operation
        if (
            stack.kind != "stack"
            or stack.block is not block
            or first.shape[0] != 1
            or rows.shape[0] != stack.shape[0] - 1
        ):
            continue
        body: Block = stack.attr.attr
        step = row_major(stack.shape)[0]
        if body.reverse is not reverse or replace(rows, offset=rows.offset - reverse * step) != Reference(
            stack, rows.shape, row_major(rows.shape)
        ):
            continue
        for carried in built.carried[body]:
            if carried.stack is stack and _alike(carried.initial.args[0], first):
                return carried
    return None


def _alike(a: Reference, b: Reference) -> bool:
    if a.operation.kind == b.operation.kind == "constant":
        return repr(a.operation.attr) == repr(b.operation.attr) and a.operation.dtype is b.operation.dtype
    return (a.operation, a.offset, a.loops, *canonical(a.shape, a.strides)) == (
        b.operation, b.offset, b.loops, *canonical(b.shape, b.strides)
    )  # fmt: skip


def _pad(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    low, interior = node.attrs["low"], node.attrs["interior"]
    if node.shape == refs[0].shape:
        return refs[0]
    zero = built.copy(broadcast(built.constant(0, node.dtype, block), node.shape), block, node)
    if 0 in refs[0].shape:
        return Reference(zero, node.shape, row_major(node.shape))
    part = built.copy(refs[0], block, node, after=(zero,))
    lies = (low, tuple([k + 1 for k in interior]), refs[0].shape)
    args = (whole_result(zero), whole_result(part))
    return whole_result(built.add(block, "pad", node.shape, node.dtype, args=args, attr=lies, node=node, after=(zero,)))


def _sum(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    if node.dtype is bool_ or (node.dtype.is_float and node.dtype not in built.floats):
        return built.call(node, refs, block)
    total = built.reduce(_COMBINES[node.op], refs[0], node.attrs["axis"], block, node)
    result = reshaped(total, node.shape)
    assert result is not None
    return result


def _logsumexp(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    """``log Σ eˣ``, with the largest element subtracted first where it is finite, as in the interpreter's kernel.

    Of ``x − max x`` the largest element is 0, or not a number, and nothing is to be subtracted.
    """
    (x,), axes, dtype = refs, node.attrs["axis"], node.dtype
    if dtype not in built.floats:
        return built.call(node, refs, block)
    if dtype is float16:
        # float16 is rounded once, at the end.
        x, dtype = built.map("cast", [x], x.shape, float32, block, node), float32
    kept = tuple([1 if k in axes else n for k, n in enumerate(x.shape)])

    def mapped(name: str, *args: Reference, shape: Shape = kept, of: DType = dtype) -> Reference:
        return built.map(name, args, shape, of, block, node)

    shift = None
    if not _is_shifted(node.inputs[0], axes):
        largest = built.reduce("maximum", x, axes, block, node)
        finite = mapped("less", mapped("abs", largest), built.constant(inf, dtype, block), of=bool_)
        shift = mapped("where", finite, largest, built.constant(0, dtype, block))
        x = mapped("subtract", x, shift, shape=x.shape)
    total = mapped("log", built.reduce("add", mapped("exp", x, shape=x.shape), axes, block, node))
    if shift is not None:
        total = mapped("add", total, shift)
    if dtype is not node.dtype:
        total = built.map("cast", [total], total.shape, node.dtype, block, node)
    result = reshaped(total, node.shape)
    assert result is not None
    return result


def _is_shifted(x: Any, axes: tuple[int, ...]) -> bool:
    """Whether a value is ``y − max y`` over these axes, with each maximum under the row that it is of."""
    if x.op != "subtract":
        return False
    y, largest = x.inputs
    while largest.op in ("stop_gradient", "broadcast_to"):
        (largest,) = largest.inputs
    if largest.op != "max" or largest.inputs[0] is not y or largest.attrs["axis"] != axes or x.shape != y.shape:
        return False
    # Without its axes, a maximum may be broadcast along another axis of the same size.
    return bool(largest.attrs["keepdims"] or axes == tuple(range(len(axes))))


def _contract(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    if node.dtype not in built.floats:
        return built.call(node, refs, block)
    left, right, out = (node.attrs[side] for side in ("left", "right", "out"))
    return _product(built, node, refs, (left, right, out), block)


def _product(
    built: Builder, node: Any, refs: list[Reference], letters: tuple[str, str, str], block: Block
) -> Reference:
    """A ``contract``, or a multiplication where no letter is summed."""
    sizes = {x: n for ref, names in zip(refs, letters, strict=False) for x, n in zip(names, ref.shape, strict=True)}
    if all(n == 1 for x, n in sizes.items() if x not in letters[2]):
        return built.map(
            "multiply",
            [_along(ref, a, letters[2]) for ref, a in zip(refs, letters, strict=False)],
            node.shape,
            node.dtype,
            block,
            node,
        )
    args = tuple([built.array(ref, block) for ref in refs])
    return whole_result(built.add(block, "contract", node.shape, node.dtype, args=args, attr=letters, node=node))


def _along(ref: Reference, letters: str, out: str) -> Reference:
    """A reference with one axis for each letter of the result; letters that it lacks get size 1."""
    places = [letters.find(x) for x in out]
    shape = tuple([ref.shape[k] if k >= 0 else 1 for k in places])
    return replace(ref, shape=shape, strides=tuple([ref.strides[k] if k >= 0 else 0 for k in places]))


def _matmul(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    """A ``matmul`` as a ``contract``, with its leading axes broadcast and given letters."""
    if node.dtype not in built.floats:
        return built.call(node, refs, block)
    rank = len(node.shape) - 2
    m, k, n, *names = list(LETTERS[: rank + 3])
    args, letters = [], []
    for ref, last in zip(refs, (m + k, k + n), strict=True):
        args.append(broadcast(ref, (*node.shape[:-2], *ref.shape[-2:])))
        letters.append("".join(names) + last)
    return _product(built, node, args, (letters[0], letters[1], "".join(names) + m + n), block)


def _take(built: Builder, node: Any, refs: list[Reference], block: Block) -> Reference:
    args = tuple([built.array(ref, block) for ref in refs])
    kind: OperationKind = "gather" if node.op == "take" else "scatter"
    if kind == "scatter" and (node.dtype is bool_ or (node.dtype.is_float and node.dtype not in built.floats)):
        return built.call(node, refs, block)
    return whole_result(built.add(block, kind, node.shape, node.dtype, args=args, node=node))


_RULES: Final[Mapping[str, Translation]] = {
    "constant": _constant,
    "arange": _arange,
    "symbol": _symbol,
    "reshape": _reshape,
    "slice": _slice,
    "transpose": lambda built, node, refs, block: transposed(refs[0], node.attrs["axes"]),
    "flip": lambda built, node, refs, block: flipped(refs[0], node.attrs["axis"]),
    "broadcast_to": lambda built, node, refs, block: broadcast(refs[0], node.shape),
    "concatenate": _concatenate,
    "pad": _pad,
    "sum": _sum,
    "max": _sum,
    "min": _sum,
    "logsumexp": _logsumexp,
    "contract": _contract,
    "matmul": _matmul,
    "take": _take,
    "scatter_add": _take,
}
