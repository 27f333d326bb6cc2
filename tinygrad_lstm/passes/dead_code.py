"""dead_code: loops lose what no result needs. lift: what is the same at every step is computed before the loop."""

from collections.abc import Iterable, Mapping
from typing import Any

from tinygrad_lstm.graph.function import substitute, topological
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.passes.rewriting import LoopParts, each_loop

__all__ = ["dead_code", "lift"]


def dead_code(outputs: Iterable[Tensor]) -> list[Tensor]:
    """Loops without the carries, slices, operands and stacks that nothing needs; equal ones become one.

    A carry that never changes becomes an operand, and a stack of the slices of an array becomes this array.

    >>> x = tl.symbol("x", (5,))
    >>> (a, b), _ = tl.scan(lambda c, x: ((c[0] + x, c[1] * x), None), (0.0, 1.0), x)
    >>> before, after = tl.printed(a), tl.printed(*dead_code([a]))
    >>> "carries=2" in before, "carries=1" in after, "multiply" in after
    (True, True, False)
    """
    return each_loop(outputs, _alive)


def _alive(loop: LoopParts) -> dict[int, Tensor] | None:
    """For :func:`each_loop`: the results of a smaller loop; None where nothing in the loop is dead."""
    results: dict[int, Tensor] = {}
    joined = _join_doubles(loop)
    n = len(loop.carries)
    needed = set(loop.used)
    _settle_constant_carries(loop, results, needed)
    symbols = dict(zip(loop.xs, loop.sequences, strict=True))
    rows: dict[Any, int] = {}
    doubles: dict[int, int] = {}
    for k, y in enumerate(loop.ys, n):
        if k not in needed:
            continue
        if y in symbols:
            results[k] = symbols[y]
        elif y in rows:
            doubles[k] = rows[y]
        else:
            rows[y] = k
    kept_ys = [k for k in rows.values() if k not in results]
    kept = _needed_carries(loop, kept_ys, needed - set(results))
    reached = set(topological([*[loop.new[k] for k in kept], *[loop.ys[k - n] for k in kept_ys]]))
    if not kept and not kept_ys:
        return results
    unchanged = not results and not doubles and not joined and len(kept) == n and len(kept_ys) == len(loop.ys)
    if unchanged and reached.issuperset(loop.xs) and reached.issuperset(loop.operands):
        return None
    xs = [k for k, x in enumerate(loop.xs) if x in reached]
    operands = [k for k, x in enumerate(loop.operands) if x in reached]
    small = LoopParts(
        loop.place,
        [loop.carries[k] for k in kept], [loop.init[k] for k in kept], [loop.new[k] for k in kept],
        [loop.xs[k] for k in xs], [loop.sequences[k] for k in xs],
        [loop.operands[k] for k in operands], [loop.operand_values[k] for k in operands],
        [loop.ys[k - n] for k in kept_ys], loop.length, loop.reverse, set(),
    )  # fmt: skip
    items = small.items()
    results.update({k: items[i] for i, k in enumerate([*kept, *kept_ys])})
    results.update({k: results[row] for k, row in doubles.items()})
    return results


def _join_doubles(loop: LoopParts) -> bool:
    """Give the body one symbol for each array, where it has several; returns whether there were any."""
    mapping: dict[Tensor, Tensor] = {}
    for symbols, values in ((loop.xs, loop.sequences), (loop.operands, loop.operand_values)):
        first: dict[Tensor, Tensor] = {}
        for symbol, value in zip(symbols, values, strict=True):
            if first.setdefault(value, symbol) is not symbol:
                mapping[symbol] = first[value]
    if mapping:
        loop.replace_results(substitute(loop.results, mapping))
    return bool(mapping)


def _settle_constant_carries(loop: LoopParts, results: dict[int, Tensor], needed: set[int]) -> None:
    """Make each carry that never changes an operand, and put its value into ``results``."""
    mapping: dict[Tensor, Tensor] = {}
    for k, (symbol, new, init) in enumerate(zip(loop.carries, loop.new, loop.init, strict=True)):
        if new is symbol:
            results[k] = init
            mapping[symbol] = loop.operand(init)
            needed.discard(k)
    if mapping:
        loop.replace_results(substitute(loop.results, mapping))


def _needed_carries(loop: LoopParts, ys: list[int], results: set[int]) -> list[int]:
    """The carries that a needed result depends on, in the same step or in a later one."""
    n = len(loop.carries)
    place: dict[Any, int] = {symbol: k for k, symbol in enumerate(loop.carries)}
    needed = {k for k in results if k < n}
    pending: list[Node] = [*[loop.new[k] for k in needed], *[loop.ys[k - n] for k in ys]]
    seen: set[Node] = set()
    while pending:
        order = topological(pending, stop=seen.__contains__)
        pending = []
        for node in order:
            if node in seen:
                continue
            seen.add(node)
            if node in place and place[node] not in needed:
                needed.add(place[node])
                pending.append(loop.new[place[node]])
    return sorted(needed)


def lift(outputs: Iterable[Tensor]) -> list[Tensor]:
    """What a body computes from operands alone is computed once, before the loop.

    >>> w, x = tl.symbol("w"), tl.symbol("x", (5,))
    >>> _, ys = tl.scan(lambda c, x: (c, x * tl.exp(w)), 0.0, x)
    >>> print(tl.printed(*lift([ys])).splitlines()[3])
    %3: f32[] = exp %2
    """
    return each_loop(outputs, _lifted)


def _lifted(loop: LoopParts) -> dict[int, Tensor] | None:
    """For :func:`each_loop`: the results of a loop that reads fixed values as operands; None where it has none."""
    steps = {*loop.carries, *loop.xs}
    outside: Mapping[Node, Tensor] = dict(zip(loop.operands, loop.operand_values, strict=True))
    varying: set[Node] = set(steps)
    fixed: set[Node] = set(outside)
    order = loop.order()
    for node in order:
        if any(x in varying for x in node.inputs):
            varying.add(node)
        elif any(x in fixed for x in node.inputs) or (_is_large(node) and node not in varying):
            fixed.add(node)
    edge: dict[Any, None] = {}
    for node in order:
        if node in varying:
            edge.update(dict.fromkeys(x for x in node.inputs if x in fixed and x not in outside))
    edge.update(dict.fromkeys(y for y in loop.results if y in fixed and y not in outside))
    if not edge:
        return None
    values = substitute(list(edge), outside)
    mapping = {node: loop.operand(value) for node, value in zip(edge, values, strict=True)}
    loop.replace_results(substitute(loop.results, mapping))
    items = loop.items()
    return {k: items[k] for k in loop.used}


def _is_large(node: Node) -> bool:
    """Whether a node without inputs becomes an operand. Constants, also repeated ones, stay in the body."""
    return node.op in ("leaf", "arange") or (node.op in ("scan", "call", "threefry2x32") and not node.inputs)
