"""merge: two loops that share a carry become one, which computes the shared part once."""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.graph.function import reaching, substitute, topological
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.passes.rewriting import LoopParts, everywhere, inner_symbol
from tinygrad_lstm.passes.simplify import exact_form

__all__ = ["merge"]


def merge(outputs: Iterable[Tensor]) -> list[Tensor]:
    """Two loops of equal length that share a carry become one loop.

    Two carries are the same when they start from the same value and a step makes the same of them, as long as the other
    carries that are assumed to be the same are so. A forward pass that was written twice, for a loss and again for its
    gradient, runs once.

    >>> x = tl.symbol("x", (5,))
    >>> total = lambda k: tl.scan(lambda c, x: (tl.tanh(c + x), c * k), 0.0, x)[1]
    >>> from tinygrad_lstm.passes.simplify import cse
    >>> tl.printed(*merge(cse([total(2.0), total(3.0)]))).count("scan")
    1
    """
    return everywhere(outputs, _merged)


def _merged(outputs: Iterable[Tensor]) -> list[Tensor]:
    current = list(outputs)
    while True:
        order = topological(current)
        scans = [node for node in order if node.op == "scan"]
        mapping = _first_pair(order, scans)
        if mapping is None:
            return current
        current = substitute(current, mapping)


def _first_pair(order: list[Node], scans: list[Any]) -> dict[Tensor, Tensor] | None:
    for k, a in enumerate(scans):
        alike = [
            b for b in scans[k + 1 :]
            if a.attrs["length"] == b.attrs["length"] and a.attrs["reverse"] == b.attrs["reverse"]
        ]  # fmt: skip
        if not alike:
            continue
        after = reaching(order, [a])
        for b in alike:
            if b not in after:
                together = _together(a, b)
                if together is not None:
                    return _replaced(order, a, b, *together)
    return None


def _together(a: Any, b: Any) -> tuple[LoopParts, list[int], list[int]] | None:
    """One loop for both, and where the results of each are among its results; None when they share no carry."""
    first, second = LoopParts.of(a, set()), LoopParts.of(b, set())
    same: dict[int, int] = {}
    for k, x in enumerate(second.init):
        # Where several carries start from the same value, the one with the same number is assumed.
        from_it = [j for j, y in enumerate(first.init) if x is y and j not in same.values()]
        if from_it:
            same[k] = k if k in from_it else from_it[0]
    if not same:
        return None
    while True:
        equal = _equal_nodes(first, second, same)
        wrong = [k for k, j in same.items() if equal.get(second.new[k]) is not first.new[j]]
        if not wrong:
            break
        for k in wrong:
            del same[k]
    if not same:
        return None
    mapping: dict[Any, Tensor] = {x: y for x, y in equal.items() if x.op == "symbol"}
    carries = len(first.carries)
    own = [k for k in range(len(second.carries)) if k not in same]
    for symbol, value in zip(second.xs, second.sequences, strict=True):
        mapping[symbol] = first.sliced(value)
    for symbol, value in zip(second.operands, second.operand_values, strict=True):
        mapping[symbol] = first.operand(value)
    for k in own:
        # New symbols, since the two bodies may share theirs: one loop may have been made from the other.
        mapping[second.carries[k]] = inner_symbol(second.carries[k], second.carries[k].type)
        first.carries.append(mapping[second.carries[k]])
        first.init.append(second.init[k])
    results = substitute([*[second.new[k] for k in own], *second.ys], mapping)
    ys = len(first.ys)
    first.new += results[: len(own)]
    first.ys += results[len(own) :]
    total = len(first.new)
    of_a = [*range(carries), *range(total, total + ys)]
    place = {k: carries + i for i, k in enumerate(own)} | same
    of_b = [place[k] for k in range(len(second.carries))]
    of_b += range(total + ys, total + ys + len(second.ys))
    return first, of_a, of_b


def _equal_nodes(first: LoopParts, second: LoopParts, same: dict[int, int]) -> dict[Node, Any]:
    """For nodes of the second body, the node of the first with the same value, assuming that ``same`` carries agree."""
    equal: dict[Node, Any] = {second.carries[k]: first.carries[j] for k, j in same.items()}
    pairs = (
        (second.xs, second.sequences, first.xs, first.sequences),
        (second.operands, second.operand_values, first.operands, first.operand_values),
    )
    for symbols, values, others, theirs in pairs:
        known = dict(zip(theirs, others, strict=True))
        equal.update({s: known[v] for s, v in zip(symbols, values, strict=True) if v in known})
    table = {_key(node, node.inputs): node for node in first.order() if node.op not in ("symbol", "leaf")}
    for node in second.order():
        if node.op == "leaf":
            equal[node] = node
        elif node.op != "symbol" and all(x in equal for x in node.inputs):
            twin = table.get(_key(node, tuple(equal[x] for x in node.inputs)))
            if twin is not None:
                equal[node] = twin
    return equal


def _key(node: Node, inputs: tuple[Any, ...]) -> Any:
    return (node.op, tuple(map(id, inputs)), exact_form(node.attrs))


def _replaced(
    order: list[Node], a: Any, b: Any, loop: LoopParts, of_a: list[int], of_b: list[int]
) -> dict[Tensor, Tensor]:
    items = loop.items()
    mapping: dict[Tensor, Tensor] = {}
    for node in order:
        if node.op == "item" and node.inputs[0] is a:
            mapping[node] = items[of_a[node.attrs["index"]]]  # type: ignore[index]  # an item is a tensor
        elif node.op == "item" and node.inputs[0] is b:
            mapping[node] = items[of_b[node.attrs["index"]]]  # type: ignore[index]  # an item is a tensor
    return mapping
