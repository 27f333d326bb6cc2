"""normal_form: projections by value become outputs of the loop, and a backward loop may compute values again.

Reverse mode asks a forward loop for the stack of every value that its gradient reads. Which of them are stored is a
minimum cut: the fewest bytes from which a backward step computes the rest again. Slices and operands can be read
anyway; carries and the results of heavy operations are not computed again. The stack of a carry is that of
what it becomes, one step later.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tinygrad_lstm.graph.function import slot_of, slot_value, substitute, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor, make_like, rebuilt, remake
from tinygrad_lstm.passes.minimum_cut import minimum_cut
from tinygrad_lstm.passes.rewriting import LoopParts, carry_stack

__all__ = ["is_heavy", "normal_form"]

_LIGHT = frozenset(("concatenate", "pad", "sum", "max", "min", "logsumexp"))


def is_heavy(node: Node) -> bool:
    """Whether a result is stored rather than computed twice, and worth computing for all steps at once."""
    kind = OPS[node.op].kind
    return kind in ("compute", "loop", "projection", "compiled") and node.op not in _LIGHT


def normal_form(outputs: Iterable[Tensor]) -> list[Tensor]:
    """Loops without ``stacked`` projections: all results are read by ``item``.

    >>> x = tl.symbol("x", (5,))
    >>> last, _ = tl.scan(lambda c, x: (tl.tanh(c * x), None), 0.5, x)
    >>> before, after = tl.printed(tl.gradients(last, x)), tl.printed(*normal_form([tl.gradients(last, x)]))
    >>> "stacked" in before, "stacked" in after
    (True, False)
    """
    outputs = list(outputs)
    new = _normal(outputs, {})
    return [new[y] for y in outputs]


class _Forward:
    """A loop in normal form, and the stacks that later loops may read.

    Args:
        names: for each node of the old body, its node in the new one.
        kept: nodes of the new body to stack.
        shifted: the numbers of carries to stack, by way of the values that they become.
    """

    def __init__(self, loop: LoopParts, names: Mapping[Node, Any], kept: list[Tensor], shifted: list[int]) -> None:
        self.loop, self.names = loop, names
        self.kept_carries = {loop.carries[k] for k in shifted}
        n = len(loop.new)
        self._row = {y: n + k for k, y in reversed(list(enumerate(loop.ys)))}
        for y in kept:
            if y not in self._row:
                self._row[y] = n + len(loop.ys)
                loop.ys.append(y)
        for k in shifted:
            if loop.new[k] not in self._row:
                self._row[loop.new[k]] = n + len(loop.ys)
                loop.ys.append(loop.new[k])
        self._carries = {symbol: k for k, symbol in enumerate(loop.carries)}
        self._node = loop.node()
        self._stacks: dict[Node, Tensor] = dict(zip(loop.xs, loop.sequences, strict=True))

    def item(self, index: int) -> Tensor:
        return make_like(self._node, "item", self._node, index=index)

    def stack(self, value: Any) -> Tensor:
        """The stack of a value of the body."""
        if value not in self._stacks:
            if value in self._row:
                self._stacks[value] = self.item(self._row[value])
            else:
                self._stacks[value] = self._shifted(self._carries[value])
        return self._stacks[value]

    def _shifted(self, k: int) -> Tensor:
        loop = self.loop
        return carry_stack(self._node, loop.init[k], self.stack(loop.new[k]), loop.length, loop.reverse)


def _normal(outputs: list[Any], known: dict[Node, Any]) -> dict[Node, Any]:
    """The normal form of each node that ``outputs`` are computed from; ``known`` are those that are there already."""
    order = topological(outputs, stop=known.__contains__)
    readers: dict[Node, list[tuple[Node, int]]] = {}
    for node in order:
        if node not in known:
            for place, x in enumerate(node.inputs):
                readers.setdefault(x, []).append((node, place))
    results = set(outputs)
    projections: dict[Node, list[Any]] = {}
    for node in order:
        if node.op in ("item", "stacked") and node not in known:
            projections.setdefault(node.inputs[0], []).append(node)
    new: dict[Node, Any] = dict(known)
    loops: dict[Node, _Forward] = {}
    dropped: dict[Node, Node] = {}
    for node in order:
        if node in new:
            continue
        if node.op == "scan":
            recomputed = {p for p in projections.get(node, []) if p not in results and _only_sliced(readers[p])}
            loops[node] = forward = _forward(node, new, projections.get(node, []), recomputed, dropped, loops)
            for p in projections.get(node, []):
                value = _value(p)
                if p in recomputed and not _is_kept(forward, value):
                    dropped[p] = value
                elif isinstance(value, int):
                    new[p] = forward.item(value)
                else:
                    new[p] = forward.stack(forward.names[value])
            continue
        if node.op in ("item", "stacked") and node.inputs[0] in loops:
            continue
        if node.op == "named":
            # Names go: else a carry and the same carry under a name would both be stored.
            new[node] = new[node.inputs[0]]
            continue
        body = node.attrs.get("body")
        if body is not None:
            inputs, inside = tuple([new[x] for x in node.inputs]), normal_form(body.outputs)
            new[node] = remake(node, inputs, {**node.attrs, "body": type(body)(body.inputs, tuple(inside))})
            continue
        new[node] = rebuilt(node, new)
    return new


def _value(projection: Any) -> Any:
    """What a projection of a loop reads: a node of its body, as a stack, or a last carry, by its number."""
    slot = slot_of(projection)
    return slot if isinstance(slot, int) and slot < projection.inputs[0].attrs["carries"] else slot_value(projection)


def _only_sliced(readers: list[tuple[Node, int]]) -> bool:
    """Whether all readers are loops that have it among their ``xs``."""
    for node, place in readers:
        if node.op != "scan" or not node.attrs["carries"] <= place < node.attrs["carries"] + node.attrs["xs"]:
            return False
    return True


def _is_kept(forward: _Forward, value: Any) -> bool:
    if isinstance(value, int):
        return True
    now = forward.names[value]
    return now in forward._row or now in forward._stacks or now in forward.kept_carries


def _forward(
    node: Any,
    new: Mapping[Node, Any],
    projections: list[Any],
    recomputed: set[Any],
    dropped: Mapping[Node, Node],
    loops: Mapping[Node, _Forward],
) -> _Forward:
    """The normal form of a loop, in which values of earlier loops that were not stored are computed again.

    Args:
        recomputed: projections whose readers may compute them again.
        dropped: projections of earlier loops that are not stored, and the value of the body that each reads.
    """
    loop = LoopParts.of(node, set())
    replaced: dict[Node, Any] = {}
    n, m = len(loop.carries), len(loop.xs)
    loop.init = [new[x] for x in loop.init]
    loop.operand_values = [new[x] for x in loop.operand_values]
    symbols, sequences = loop.xs, list(node.inputs[n : n + m])
    loop.xs, loop.sequences = [], []
    for symbol, sequence in zip(symbols, sequences, strict=True):
        if sequence not in dropped:
            loop.xs.append(symbol)
            loop.sequences.append(new[sequence])
    again: dict[Node, dict[Node, Node]] = {}
    for symbol, sequence in zip(symbols, sequences, strict=True):
        if sequence in dropped:
            again.setdefault(sequence.inputs[0], {})[symbol] = dropped[sequence]
    for source, wanted in again.items():
        replaced.update(zip(wanted, _again(loop, loops[source], list(wanted.values())), strict=True))
    values = [v for p in projections if not isinstance(v := _value(p), int)]
    body = [*loop.results, *values]
    names = _normal(body, replaced)
    names.update({x: x for x in loop.symbols if x not in names})
    loop.replace_results([names[y] for y in loop.results])

    stacked_values = {names[v] for p in projections if p not in recomputed and not isinstance(v := _value(p), int)}
    sinks = [names[v] for p in projections if p in recomputed and not isinstance(v := _value(p), int)]
    order = topological([*loop.symbols, *loop.new, *sinks, *stacked_values])
    free = stacked_values | {c for c, y in zip(loop.carries, loop.new, strict=True) if y in stacked_values}
    sources = {x for x in order if is_heavy(x)} | set(loop.carries)
    cut = minimum_cut(order, sources, sinks, lambda x: 0 if x in free else _bytes(x)) if sinks else []
    kept = {*stacked_values, *cut}
    inputs = {*loop.carries, *loop.xs}
    stored: list[Any] = [x for x in order if x in kept and x not in inputs]
    shifted = [k for k, c in enumerate(loop.carries) if c in kept]
    loop.ys = [y for y in loop.ys if y in kept and y not in inputs]
    return _Forward(loop, names, stored, shifted)


def _bytes(node: Node) -> int:
    if isinstance(node.type, tuple):
        return 1 << 60
    size: int = node.type.dtype.itemsize
    for n in node.type.shape:
        size *= n
    # The 1 makes a cut prefer one value to several of the same total size.
    return size * 4096 + 1


def _again(loop: LoopParts, forward: _Forward, values: list[Node]) -> list[Tensor]:
    """Nodes in the body of ``loop`` that compute ``values`` of an earlier loop again, from the stacks it stored."""
    targets = [forward.names[value] for value in values]
    mapping: dict[Any, Tensor] = {}

    def stored(node: Any) -> bool:
        return node in forward._row or node in forward.kept_carries or node.op == "symbol"

    for node in topological(targets, stop=stored):
        if node in forward._row or node in forward.kept_carries or node in forward._stacks:
            mapping[node] = loop.sliced(forward.stack(node))
        elif node.op == "symbol":
            for symbol, value in zip(forward.loop.operands, forward.loop.operand_values, strict=True):
                if symbol is node:
                    mapping[node] = loop.operand(value)
    return substitute(targets, mapping)
