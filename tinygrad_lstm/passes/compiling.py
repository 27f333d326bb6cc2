"""The passes that make a program fast, in their order; none of them knows what an LSTM is."""

from collections.abc import Iterator

from tinygrad_lstm.graph.function import Graph, topological, verify
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.passes.contraction import contractions
from tinygrad_lstm.passes.dead_code import dead_code, lift
from tinygrad_lstm.passes.hoist import hoist
from tinygrad_lstm.passes.inline_views import inline_views
from tinygrad_lstm.passes.merge import merge
from tinygrad_lstm.passes.normal_form import normal_form
from tinygrad_lstm.passes.rewriting import Pass, everywhere
from tinygrad_lstm.passes.simplify import cse, drop_names, fold_constants, simplify
from tinygrad_lstm.passes.sink import sink
from tinygrad_lstm.passes.split_concat import split_concat
from tinygrad_lstm.passes.split_slice import split_slice
from tinygrad_lstm.passes.stack_matmuls import stack_matmuls

__all__ = ["PASSES", "optimize", "stages"]


def _inside_and_out(rewriting: Pass) -> Pass:
    return lambda outputs: everywhere(outputs, rewriting)


START: dict[str, Pass] = {
    "normal_form": normal_form,
    "drop_names": _inside_and_out(drop_names),
    "fold_constants": _inside_and_out(fold_constants),
    "simplify": _inside_and_out(simplify),
    "inline_views": inline_views,
    "contractions": _inside_and_out(contractions),
    "cse": _inside_and_out(cse),
    "merge": merge,
    "dead_code": dead_code,
    "lift": lift,
}
IN_BODIES: dict[str, Pass] = {
    "cse": _inside_and_out(cse),
    "stack_matmuls": stack_matmuls,
    "split_concat": split_concat,
    "split_slice": split_slice,
}
ACROSS: dict[str, Pass] = {
    "sink": sink,
    "hoist": hoist,
    "simplify": _inside_and_out(simplify),
    "contractions": _inside_and_out(contractions),
    "cse": _inside_and_out(cse),
    "dead_code": dead_code,
    "lift": lift,
}
PASSES = tuple(dict.fromkeys((*START, *IN_BODIES, *ACROSS)))
OF_LOOPS = frozenset(("inline_views", "merge", "dead_code", "lift", "split_concat", "split_slice", "sink", "hoist"))
"""Passes that change only loops; they are skipped where the graph has none."""
ROUNDS = 8
"""An upper bound, more than any program has needed, so that two passes that undo each other cannot run for ever."""


def stages(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """The name of each pass that changed the graph, and the verified graph after it.

    First loops and products get their normal forms. Then two groups of passes take turns until nothing changes: those
    that move work within bodies, and those that move it out of them.

    Raises:
        GraphError: when a pass leaves a graph that is not well formed.
    """
    outputs = list(graph.outputs)
    known: set[Node] = set()

    def applied(passes: dict[str, Pass]) -> Iterator[tuple[str, Graph]]:
        nonlocal outputs
        for name, rewriting in passes.items():
            if name in OF_LOOPS and not _has_loops(outputs):
                continue
            after = rewriting(outputs)
            if not _same(after, outputs):
                outputs = after
                yield name, verify(Graph(graph.inputs, tuple(outputs)), known)

    yield from applied(START)
    for _ in range(ROUNDS):
        before = outputs
        for _ in range(ROUNDS):
            start = outputs
            yield from applied(IN_BODIES)
            if _same(start, outputs):
                break
        yield from applied(ACROSS)
        if _same(before, outputs):
            break


def _has_loops(outputs: list[Tensor]) -> bool:
    return any(OPS[node.op].kind == "loop" for node in topological(outputs))


def _same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(x is y for x, y in zip(a, b, strict=True))


def optimize(graph: Graph) -> Graph:
    """The graph after all passes: the same values, computed with less work."""
    last = graph
    for _, after in stages(graph):
        last = after
    return last
