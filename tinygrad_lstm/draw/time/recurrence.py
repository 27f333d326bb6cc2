"""The loops over time inside a layer or a model, read off its graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.parts import Anatomy
from tinygrad_lstm.draw.cells.timestep import TracedStep, is_cell, names_of, trace_step
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import uint32
from tinygrad_lstm.graph.function import fresh_symbol, substitute, topological
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.nn.module import device_of
from tinygrad_lstm.ops.loop import scan

__all__ = ["TimeLoop", "loops_of", "results_of"]


@dataclass(frozen=True, eq=False)
class TimeLoop:
    """One loop: a layer of a recurrent network over time.

    Attributes:
        node: the ``scan``.
        anatomy: of its body, one step of time.
        states: what it carries from step to step: ``h``, ``C``.
        reads: the loops, by their numbers, whose values it steps through; empty for what steps through the input.
        steps_through: whether there is anything that it steps through.
        shown: whether the result is made of its values directly.
    """

    node: Node
    anatomy: Anatomy
    states: tuple[str, ...]
    reads: tuple[int, ...]
    steps_through: bool
    shown: bool

    @property
    def reverse(self) -> bool:
        """Whether it goes from the last step to the first."""
        return bool(self.node.attrs["reverse"])


def results_of(layer: Any, x: Any, caller: str, steps: int = 4) -> list[Tensor]:
    """What ``layer`` makes of a sequence: tensors as they are, a cell in a loop, a layer or model called on ``x``.

    Raises:
        UsageError: when ``layer`` is none of these, or the shape of its input is not known.
    """
    leaves, _ = flatten(layer)
    if leaves and all(isinstance(v, Tensor | Variable) for v in leaves):
        return [as_tensor(v) for v in leaves]
    kind = type(layer).__name__
    if isinstance(layer, type):
        raise UsageError(f"{caller}: {layer.__name__} is a class; give it a layer that was made of it")
    if not callable(layer):
        raise UsageError(f"{caller}: {kind} is no layer, model or cell, nor what one of them made of a sequence")
    if is_cell(layer) and x is None and isinstance(getattr(layer, "input_size", None), int):
        return _over_time(layer, caller, steps)
    if x is None:
        if not getattr(layer, "input_size", None) or not hasattr(layer, "cells"):
            raise UsageError(
                f"{caller}: {kind} does not tell what it is called with; give it, for a sequence of vectors of 3 "
                "numbers x=tl.symbol('x', (4, 1, 3)), for one of characters or words x=tl.symbol('x', (4, 1), tl.int32)"
            )
        shape = (1, steps, layer.input_size) if getattr(layer, "batch_first", False) else (steps, 1, layer.input_size)
        x = fresh_symbol("x", TensorType(shape, layer.dtype, device_of(layer)))
    results = flatten(layer(x))[0]
    return [v for v in results if isinstance(v, Tensor)]


def _over_time(cell: Any, caller: str, steps: int) -> list[Tensor]:
    """A cell in a loop over a sequence of symbols."""
    step = trace_step(cell, caller=caller)
    zeros, structure = flatten(cell.zeros(1))
    (x,) = step.inputs
    xs = fresh_symbol("x", TensorType((steps, *x.shape), x.dtype, x.device))

    def body(state: Any, x_t: Tensor) -> tuple[Any, Any]:
        results = [v for v in flatten(cell(x_t, state))[0] if isinstance(v, Tensor)]
        return unflatten(structure, results[: len(zeros)]), results[0]

    _, outputs = scan(body, unflatten(structure, zeros), xs)
    return [outputs]


def loops_of(results: Sequence[Tensor], caller: str) -> list[TimeLoop]:
    """The loops that ``results`` depend on, each after those that it reads.

    Raises:
        UsageError: when there is none.
    """
    nodes = [n for n in topological(results) if n.op == "scan"]
    if not nodes:
        raise UsageError(
            f"{caller}: there is no loop over time in this graph; a layer such as tl.nn.LSTM makes one, "
            "and what was detached or compiled has none left"
        )
    number = {node: k for k, node in enumerate(nodes)}
    last = [n for n in topological(results[:1], stop=_is_scan) if _is_scan(n)]
    found = []
    for node in nodes:
        carries, xs = node.attrs["carries"], node.attrs["xs"]
        sequences = node.inputs[carries : carries + xs]
        reads = [number[n] for n in topological(sequences, stop=_is_scan) if _is_scan(n)]
        shown = any(n is node for n in last)
        step = _body(node)
        found.append(TimeLoop(node, dissect(step), step.names, tuple(sorted(reads)), bool(xs), shown))
    return found


def _is_scan(node: Node) -> bool:
    return node.op == "scan"


def _body(node: Node) -> TracedStep:
    """One step of a loop. What its body reads from outside is put back, so that it is told from inputs and states."""
    body, carries, xs = node.attrs["body"], node.attrs["carries"], node.attrs["xs"]
    names = names_of([s.attrs["name"].removeprefix("carry") for s in body.inputs[:carries]])
    states = [fresh_symbol(f"{name}_{{t-1}}", s.type) for name, s in zip(names, body.inputs, strict=False)]
    slices = body.inputs[carries : carries + xs]
    # What a step reads besides, the key of a dropout, is no input of the cell.
    keys = [s for s in slices if s.dtype is uint32 and s.shape == (2,)]
    called = iter(["x_t"] if xs - len(keys) == 1 else [f"x{k}_t" for k in range(xs)])
    inputs = [fresh_symbol("k_t" if any(s is key for key in keys) else next(called), s.type) for s in slices]
    mapping = dict(zip(body.inputs, [*states, *inputs, *node.inputs[carries + xs :]], strict=True))
    outputs = substitute(body.outputs, mapping)
    new, ys = outputs[:carries], outputs[carries:]
    further = [y for y in ys if not any(y is state for state in new)]
    depth = len(node.scope.path) if node.scope is not None else 0
    title = node.scope.name if node.scope is not None else "loop"
    return TracedStep(title, tuple(inputs), tuple(states), (*new, *further), tuple(names), depth)
