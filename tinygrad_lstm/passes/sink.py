"""sink: heavy operations that no carry needs are computed for all steps at once, after the loop.

A sum over time of products is one product: a carry that only accumulates ``a_tᵀ @ b_t`` leaves the loop, and what it
needs is stacked instead.
"""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.graph.tensor import Node, Tensor, make_like
from tinygrad_lstm.passes.all_steps import Batch, can_batch
from tinygrad_lstm.passes.classes import FIXED, SLICED, Classes
from tinygrad_lstm.passes.normal_form import is_heavy
from tinygrad_lstm.passes.rewriting import LoopParts, carry_stack, each_loop, is_zero, slice_along

__all__ = ["sink"]


def sink(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``S ← S + a_tᵀ @ b_t`` in a loop becomes ``Aᵀ @ B`` after it, and so does ``y_t = h_t @ W``.

    >>> from tinygrad_lstm.passes.contraction import contractions
    >>> from tinygrad_lstm.passes.rewriting import everywhere
    >>> x = tl.symbol("x", (9, 2, 3))
    >>> f = lambda c, x: ((tl.tanh(c[0] + x), c[1] + tl.transpose(x) @ c[0]), None)
    >>> (_, total), _ = tl.scan(f, (tl.zeros((2, 3)), tl.zeros((3, 3))), x)
    >>> print(tl.printed(*sink(everywhere([total], contractions))).splitlines()[-2].partition("left")[2])
    =abc right=abd out=cd
    """
    return each_loop(outputs, _sunk)


def _sunk(loop: LoopParts) -> dict[int, Tensor] | None:
    """For :func:`each_loop`: the results of a loop without the work that can go after it; None where nothing can."""
    if not loop.length:
        # Without steps the carries keep their first values, even −0.0, which the sum over no steps would turn into 0.0.
        return None
    classes = Classes(loop)
    leaving = _leaving(classes)
    stored = _edge(classes, leaving)
    free = _free(loop, classes, {*stored, *[y for y in loop.ys if y not in leaving]})
    sums: dict[int, list[Tensor]] = {
        k: [t for t in a.terms if t in leaving or (t.op == "sum" and t in free)]
        for k, a in classes.accumulators.items()
    }
    if not leaving and not any(sums.values()):
        return None
    for k, accumulator in classes.accumulators.items():
        total = loop.carries[k]
        for term in accumulator.terms:
            if not any(term is t for t in sums[k]):
                total = make_like(accumulator.path[0], "add", total, term)
        loop.new[k] = total

    n = len(loop.new)
    after = {k: loop.ys[k - n] for k in loop.used if k >= n and loop.ys[k - n] in leaving}
    rows: dict[Node, int] = {}
    kept: list[Tensor] = []
    becomes: dict[Any, Any] = dict(zip(loop.carries, loop.new, strict=True))
    for y in [*[y for y in loop.ys if y not in leaving], *[becomes.get(y, y) for y in stored]]:
        if y not in rows:
            rows[y] = n + len(kept)
            kept.append(y)
    places = {k: rows[y] for k, y in enumerate(loop.ys, n) if y in rows}
    loop.ys = kept
    items = loop.items()
    batch = _batch(loop, classes, rows, items)
    results = {k: items[places.get(k, k)] for k in loop.used if k < n or k in places}
    results.update({k: batch.stack(y) for k, y in after.items()})
    for k in loop.used & set(sums):
        if sums[k]:
            results[k] = _total(batch, loop, items[k], k, sums[k])
    return results


def _leaving(classes: Classes) -> set[Node]:
    """Heavy nodes that no carry but an accumulator needs, and all that is computed from them."""
    paths = {node for a in classes.accumulators.values() for node in a.path}
    stays: set[Node] = set()
    for node in reversed(classes.order):
        above = [r for r in classes.readers[node] if r not in paths]
        if node in classes.feeding or node in paths or not can_batch(node) or not stays.isdisjoint(above):
            stays.add(node)
    leaving: set[Node] = set()
    for node in classes.order:
        may_leave = classes.dep[node] != FIXED and node not in stays and node.inputs
        if may_leave and (is_heavy(node) or not leaving.isdisjoint(node.inputs)):
            leaving.add(node)
    return leaving


def _edge(classes: Classes, leaving: set[Node]) -> list[Node]:
    """The values that the loop has to stack for the leaving nodes; what depends on slices alone is computed outside."""
    edge: dict[Node, None] = {}
    pending = [x for node in classes.order if node in leaving for x in node.inputs if x not in leaving]
    seen: set[Node] = set()
    while pending:
        node = pending.pop()
        if node in seen or classes.dep[node] == FIXED or (classes.dep[node] == SLICED and not node.inputs):
            continue
        seen.add(node)
        if classes.dep[node] == SLICED and can_batch(node):
            pending.extend(node.inputs)
        else:
            edge[node] = None
    return [node for node in classes.order if node in edge]


def _free(loop: LoopParts, classes: Classes, stacked: set[Node]) -> set[Node]:
    """Nodes that can be computed outside, without heavy work, from values that are stacked anyway."""
    free = {*loop.xs, *stacked, *[c for c, y in zip(loop.carries, loop.new, strict=True) if y in stacked]}
    for node in reversed(classes.order):
        if node in free and node.op == "concatenate":
            free.update(node.inputs)
    for node in classes.order:
        if classes.dep[node] == FIXED or (
            node.inputs and not is_heavy(node) and can_batch(node) and free.issuperset(node.inputs)
        ):
            free.add(node)
    return free


def _batch(loop: LoopParts, classes: Classes, rows: dict[Node, int], items: list[Tensor]) -> Batch:
    """The values of the body at all steps, from the results of the loop.

    Args:
        rows: for each stacked value, the number of its result.
        items: the results of the loop.
    """
    fixed: dict[Any, Tensor] = dict(zip(loop.operands, loop.operand_values, strict=True))
    fixed.update({x: x for x in classes.order if not x.inputs and x.op != "symbol"})  # type: ignore[misc]  # constants
    stacks: dict[Any, Tensor] = dict(zip(loop.xs, loop.sequences, strict=True))
    carries: dict[Any, int] = {symbol: k for k, symbol in enumerate(loop.carries)}
    for y, row in rows.items():
        stacks.setdefault(y, items[row])
    for c, k in carries.items():
        if loop.new[k] in rows:
            last = items[rows[loop.new[k]]]
            stacks[c] = carry_stack(loop.place, loop.init[k], last, loop.length, loop.reverse)
    for y in reversed(classes.order):
        if y in stacks and y.op == "concatenate":
            start = 0
            for x in y.inputs:
                size = x.shape[y.attrs["axis"]]
                if x not in stacks:
                    stacks[x] = slice_along(y, stacks[y], y.attrs["axis"] + 1, start, start + size)
                start += size
    return Batch(loop.length, fixed, stacks)


def _total(batch: Batch, loop: LoopParts, last: Tensor, k: int, terms: list[Tensor]) -> Tensor:
    """The last value of carry ``k``, with the sums that left the loop added."""
    parts = [batch.total(t) for t in terms]
    start = loop.init[k] if loop.new[k] is loop.carries[k] else last
    if not is_zero(start):
        parts.insert(0, start)
    total = parts[0]
    for part in parts[1:]:
        total = make_like(part, "add", total, part)
    return total
