"""The value and the gradient of every node, at every step of every loop.

A graph is computed by the interpreter. The body of a loop is computed again step by step with what the loop gave it,
so that the values inside are seen; backwards each step is differentiated by itself, and hands the gradient of its
carry to the step before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.autodiff.reverse import cotangents
from tinygrad_lstm.draw.pages.page_graph import PageGraph, ShownLoop
from tinygrad_lstm.errors import GradientError
from tinygrad_lstm.graph.function import fresh_symbol
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.ops.loop import stacked
from tinygrad_lstm.runtime.evaluation import evaluated

__all__ = ["Array", "Run", "kept_steps", "run"]

Array = NDArray[Any]
_STEPS: Final = 40
_INNER: Final = 5


@dataclass(eq=False)
class Run:
    """What one run of a graph, or of one step of a loop, gave.

    Attributes:
        values: of the nodes.
        gradients: of those that the results depend on.
        seeds: what backpropagation started with at each result.
        loops: for each loop its steps, by their number in time; only those of :func:`kept_steps`.
    """

    values: dict[Node, Array] = field(default_factory=dict)
    gradients: dict[Node, Array] = field(default_factory=dict)
    seeds: dict[Node, Array] = field(default_factory=dict)
    loops: dict[ShownLoop, dict[int, "Run"]] = field(default_factory=dict)


def kept_steps(loop: ShownLoop) -> list[int]:
    """The steps of a loop that a page shows: all of them, or some at equal distances with the first and the last."""
    most = _STEPS if loop.parent is None else _INNER
    if loop.steps <= most:
        return list(range(loop.steps))
    return sorted({round(k * (loop.steps - 1) / (most - 1)) for k in range(most)})


def run(shown: PageGraph, outputs: Sequence[Tensor], bindings: Mapping[Tensor, Any]) -> tuple[Run, str]:
    """Compute the graph, and the gradients of the sum of its float results.

    Returns:
        The run, and why there are no gradients, if there are none.

    Raises:
        UnboundSymbolError: when a symbol has no value.
    """
    level = _Level(shown.order, [loop for loop in shown.loops if loop.parent is None], shown.loops)
    result = level.forward(bindings)
    seeds: list[tuple[Tensor, Array]] = []
    for y in outputs:
        if y.dtype.is_float:
            seeds.append((y, np.ones_like(result.values[y])))
    if not seeds:
        return result, "The results are no floats, so there are no gradients."
    try:
        level.backward(result, seeds)
    except GradientError as error:
        _forget_gradients(result)
        return result, f"There are no gradients: {error}"
    result.seeds.update(seeds)
    return result, ""


def _forget_gradients(result: Run) -> None:
    """Half of them would be wrong ones."""
    pending = [result]
    while pending:
        at = pending.pop()
        at.gradients = {}
        pending += [step for steps in at.loops.values() for step in steps.values()]


class _Level:
    """A graph whose nodes are computed together: the whole, or the body of a loop."""

    def __init__(self, order: list[Node], loops: Sequence[ShownLoop], everything: Sequence[ShownLoop]) -> None:
        self.order = order
        self.tensors = [n for n in order if isinstance(n, Tensor) and n.op != "symbol"]
        self.loops = [(loop, _Steps(loop, order, everything)) for loop in loops]
        # The gradient graphs, by the results that have a cotangent.
        self.rules: dict[tuple[Tensor, ...], _Rule] = {}

    def forward(self, bindings: Mapping[Tensor, Any], keep: bool = True) -> Run:
        histories = [stack for _, steps in self.loops for stack in steps.histories]
        wanted = (*self.tensors, *histories)
        found = [t.numpy() for t in evaluated(wanted, bindings)]
        result = Run({n: np.asarray(a) for n, a in zip(wanted, found, strict=True)})
        for symbol, value in bindings.items():
            result.values[symbol] = np.asarray(value.numpy() if isinstance(value, Tensor) else value)
        if keep:
            for loop, steps in self.loops:
                result.loops[loop] = {t: steps.forward(result, t) for t in kept_steps(loop)}
        return result

    def backward(self, result: Run, seeds: Sequence[tuple[Tensor, Array]], keep: bool = True) -> None:
        """Add the gradients to ``result``, whose results have these cotangents."""
        results = tuple(y for y, _ in seeds)
        if results not in self.rules:
            self.rules[results] = _Rule(results, self.order)
        result.gradients = self.rules[results].apply(result.values, [g for _, g in seeds])
        if keep:
            for loop, steps in self.loops:
                steps.backward(result, result.loops[loop])


class _Rule:
    """The gradients of results by all nodes before them, as graphs of the nodes and of the results' cotangents."""

    def __init__(self, results: Sequence[Tensor], order: list[Node]) -> None:
        self.arriving = [fresh_symbol("d", y.type) for y in results]
        # What cuts the gradient cannot be asked for one.
        known = [n for n in order if not n.inputs or OPS[n.op].differentiable]
        sources = [n for n in known if isinstance(n, Tensor) and n.dtype.is_float]
        found = cotangents(list(zip(results, self.arriving, strict=True)), sources, order)
        self.found = {n: g for n, g in zip(sources, found, strict=True) if g is not None}
        self.symbols = [n for n in order if isinstance(n, Tensor) and n.op == "symbol"]

    def apply(self, values: Mapping[Node, Array], seeds: Sequence[Array]) -> dict[Node, Array]:
        bindings: dict[Tensor, Any] = {x: values[x] for x in self.symbols}
        bindings.update(zip(self.arriving, seeds, strict=True))
        found = evaluated(tuple(self.found.values()), bindings)
        return {n: np.asarray(g.numpy()) for n, g in zip(self.found, found, strict=True)}


class _Steps:
    """The steps of one loop."""

    def __init__(self, loop: ShownLoop, outside: list[Node], everything: Sequence[ShownLoop]) -> None:
        self.loop, self.node = loop, loop.node
        self.body = loop.node.attrs["body"]
        self.carries, self.xs = self.node.attrs.get("carries", 0), self.node.attrs.get("xs", 0)
        self.level = _Level(loop.order, [inner for inner in everything if inner.parent is loop], everything)
        self.histories = [stacked(self.node, x) for x in self.body.inputs[: self.carries]]
        self.projections = [n for n in outside if n.inputs and n.inputs[0] is self.node]

    def bindings(self, outer: Run, t: int) -> dict[Tensor, Any]:
        """What the body reads at step ``t``."""
        given = [outer.values[x] for x in self.node.inputs]
        bound: dict[Tensor, Any] = {}
        for k, symbol in enumerate(self.body.inputs):
            if k < self.carries:
                bound[symbol] = outer.values[self.histories[k]][t]
            else:
                bound[symbol] = given[k][t] if k < self.carries + self.xs else given[k]
        return bound

    def forward(self, outer: Run, t: int) -> Run:
        return self.level.forward(self.bindings(outer, t))

    def backward(self, outer: Run, kept: Mapping[int, Run]) -> None:
        arriving: list[tuple[Tensor, Array, bool]] = []
        carried: dict[int, Array] = {}
        for p in self.projections:
            g = outer.gradients.get(p)
            index = p.attrs.get("index")
            if g is None:
                continue
            if index is None:
                arriving.append((p.attrs["value"], g, True))
            elif index < self.carries:
                carried[index] = carried[index] + g if index in carried else g
            else:
                arriving.append((self.body.outputs[index], g, self.node.op == "scan"))
        times = range(self.loop.steps)
        for t in times if self.node.attrs.get("reverse") else reversed(times):
            seeds = [(self.body.outputs[k], g) for k, g in carried.items()]
            seeds += [(y, g[t] if by_time else g) for y, g, by_time in arriving]
            if not seeds:
                return
            # A step that is not shown only hands the gradient of its carry on.
            result = kept[t] if t in kept else self.level.forward(self.bindings(outer, t), keep=False)
            self.level.backward(result, seeds, keep=t in kept)
            found = {k: result.gradients.get(x) for k, x in enumerate(self.body.inputs[: self.carries])}
            carried = {k: g for k, g in found.items() if g is not None}
