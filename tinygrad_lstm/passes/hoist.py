"""hoist: heavy operations that depend on slices alone are computed for all steps at once, before the loop."""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.graph.function import substitute
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.passes.all_steps import Batch, can_batch
from tinygrad_lstm.passes.classes import SLICED, Classes
from tinygrad_lstm.passes.normal_form import is_heavy
from tinygrad_lstm.passes.rewriting import LoopParts, each_loop

__all__ = ["hoist"]


def hoist(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``x_t @ W`` in a loop becomes a slice of ``X @ W`` before it; a loop without carries disappears.

    >>> from tinygrad_lstm.passes.contraction import contractions
    >>> from tinygrad_lstm.passes.rewriting import everywhere
    >>> x, w = tl.symbol("x", (9, 2, 3)), tl.symbol("w", (3, 4))
    >>> last, _ = tl.scan(lambda h, x: (tl.tanh(h + x @ w), None), tl.zeros((2, 4)), x)
    >>> print("left=abc right=cd out=abd" in tl.printed(*hoist(everywhere([last], contractions))))
    True
    """
    return each_loop(outputs, _hoisted)


def _hoisted(loop: LoopParts) -> dict[int, Tensor] | None:
    """For :func:`each_loop`: the results of a loop without the heavy nodes that can go before it; None without any."""
    classes = Classes(loop)
    batchable: set[Node] = {x for x in classes.order if classes.dep[x] < SLICED} | set(loop.xs)
    for node in classes.order:
        if classes.dep[node] == SLICED and node.inputs and can_batch(node) and batchable.issuperset(node.inputs):
            batchable.add(node)
    constants: dict[Any, Any] = {x: x for x in classes.order if not x.inputs and x.op != "symbol"}
    batch = Batch(
        loop.length,
        {**constants, **dict(zip(loop.operands, loop.operand_values, strict=True))},
        dict(zip(loop.xs, loop.sequences, strict=True)),
    )
    if not loop.carries and batchable.issuperset(loop.ys):
        return {k: batch.stack(loop.ys[k]) for k in loop.used}
    heavy: set[Any] = {
        x for x in classes.order if classes.dep[x] == SLICED and x.inputs and is_heavy(x) and x in batchable
    }
    if not heavy:
        return None
    inside = _before(heavy, classes)
    results = set(loop.results)
    edge = [
        x for x in classes.order if x in heavy and (x in results or any(r not in inside for r in classes.readers[x]))
    ]
    mapping = {x: loop.sliced(batch.stack(x)) for x in edge}
    loop.replace_results(substitute(loop.results, mapping))
    items = loop.items()
    return {k: items[k] for k in loop.used}


def _before(heavy: set[Any], classes: Classes) -> set[Node]:
    """The heavy nodes, and the nodes that only they read, directly or through each other."""
    inside: set[Node] = set()
    for node in reversed(classes.order):
        if node in heavy or (classes.readers[node] and inside.issuperset(classes.readers[node])):
            inside.add(node)
    return inside
