"""One step of a cell on symbols, and what cannot be traced told in a sentence."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_lstm.draw.markup import last_name
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.function import fresh_symbol
from tinygrad_lstm.graph.scopes import current_scope
from tinygrad_lstm.graph.structure import Structure, flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.trace import trace
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.reflexes import is_function

__all__ = ["TracedStep", "example", "first_state", "is_cell", "names_of", "trace_step"]


@dataclass(frozen=True, eq=False)
class TracedStep:
    """One step of time as a graph: what goes in and what comes out, the new states first.

    Attributes:
        title: what it is a step of.
        names: of the states.
        depth: how many of the scopes round its operations are those that it was called in, or its own.
    """

    title: str
    inputs: tuple[Tensor, ...]
    states: tuple[Tensor, ...]
    results: tuple[Tensor, ...]
    names: tuple[str, ...]
    depth: int = 0


def trace_step(cell: Any, x: Any = None, state: Any = None, *, caller: str = "draw.cell") -> TracedStep:
    """One step of ``cell`` on symbols.

    Args:
        x: an input that tells the shapes, when the cell has no ``input_size``.
        state: a state that tells the shapes, when the cell has no ``zeros(batch)``.
        caller: who asks, for the errors.

    Raises:
        UsageError: when ``cell`` is no cell, or the sizes of its input or of its state cannot be told.
    """
    kind = _checked(cell, caller)
    state = first_state(cell, x, caller=caller) if state is None else state
    leaves, structure = _leaves(state, f"{caller}: the state of {kind}")
    if x is None:
        size = getattr(cell, "input_size", None)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1 or not leaves:
            raise UsageError(f"{caller}: {kind} has no input_size that is a number; give x=tl.symbol('x', (1, 3))")
        x = fresh_symbol("x_t", TensorType((1, size), leaves[0].dtype, leaves[0].device))
    given, x_structure = _leaves(x, f"{caller}: the input of {kind}")
    _check_call(getattr(cell, "forward", cell), 2, f"{caller}: {kind} is called as cell(x, state)")
    names = names_of(paths(structure))
    count = len(given)
    traced = trace(
        lambda symbols: cell(unflatten(x_structure, symbols[:count]), unflatten(structure, symbols[count:])),
        [v.type for v in (*given, *leaves)],
        [*[_name_of(v, k) for k, v in enumerate(given)], *[f"{name}_{{t-1}}" for name in names]],
    )
    inputs, states, result = traced.arguments[:count], traced.arguments[count:], traced.result
    results = [v for v in flatten(result)[0] if isinstance(v, Tensor)]
    if len(results) < len(states):
        raise UsageError(f"{caller}: {kind} takes {len(states)} states and returns {len(results)}; return all of them")
    if isinstance(result, tuple) and len(result) == 2 and len(results) > len(states):
        first, second = (flatten(part)[0] for part in result)
        if len(first) != len(states) and len(second) == len(states):
            results = [*second, *first]
    around = current_scope()
    depth = len(around.path) if around is not None else 0
    return TracedStep(kind, inputs, states, tuple(results), tuple(names), depth + isinstance(cell, Module))


def _checked(cell: Any, caller: str) -> str:
    """The name of the cell's kind."""
    kind = type(cell).__name__
    if isinstance(cell, type):
        raise UsageError(f"{caller}: {cell.__name__} is a class; give it one of its cells, such as {_made(cell)}")
    if isinstance(cell, Tensor):
        raise UsageError(f"{caller} takes a cell, not a tensor; draw.graph shows the graph of one")
    if not is_function(cell):
        raise UsageError(f"{caller}: {kind} is not callable; give it a cell: cell(x, state) -> new state")
    if hasattr(cell, "cells"):
        raise UsageError(
            f"{caller} shows one step of time, and {kind} is a layer over time: give it {kind}.cells[0], "
            "or the whole to draw.chain or draw.graph"
        )
    return kind


def first_state(cell: Any, x: Any, *, caller: str) -> Any:
    """The state of zeros that goes with an input; with a batch of 1 where there is none.

    Raises:
        UsageError: when ``cell`` is no cell, or has no method ``zeros(batch)``.
    """
    kind = _checked(cell, caller)
    make_zeros = getattr(cell, "zeros", None)
    if not callable(make_zeros):
        raise UsageError(
            f"{caller}: {kind} has no method zeros(batch) that tells its state; give state=, or the graph to draw.graph"
        )
    _check_call(make_zeros, 1, f"{caller}: the method zeros of {kind} is called as zeros(batch)")
    given = [as_tensor(v) for v in flatten(x)[0]]
    return make_zeros(given[0].shape[0] if given and given[0].ndim > 1 else 1)


def is_cell(what: Any) -> bool:
    """Whether ``what`` is one step of time that tells its state, and no layer."""
    return not isinstance(what, type) and callable(getattr(what, "zeros", None)) and not hasattr(what, "cells")


def example(cell: Any, *, caller: str) -> tuple[Any, Any]:
    """An input and a state in the middle of a sequence: normally distributed numbers, the same ones each time.

    Raises:
        UsageError: when ``cell`` is no cell, or does not tell the sizes of its input and of its state.
    """
    step = trace_step(cell, caller=caller)
    x = random.normal(random.key(1), step.inputs[0].shape, dtype=step.inputs[0].dtype)
    _, structure = flatten(first_state(cell, x, caller=caller))
    state = [random.normal(random.key(2 + k), v.shape, std=0.5, dtype=v.dtype) for k, v in enumerate(step.states)]
    return x, unflatten(structure, state)


def _made(kind: type) -> str:
    """How an instance of a class may be made, as its parameters without defaults suggest."""
    try:
        wanted = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
    except (TypeError, ValueError):
        wanted = []
    positional = [p for p in wanted if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return f"{kind.__name__}({', '.join(str(3 + k) for k in range(len(positional)))})"


def _check_call(function: Callable[..., Any], arguments: int, said: str) -> None:
    """Find out before the call whether it takes so many arguments: an error from inside is then the user's own."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        raise UsageError(f"{said}, but takes {signature}; change its parameters") from None


def _leaves(value: Any, said: str) -> tuple[list[Tensor], Structure]:
    leaves, structure = flatten(value)
    if not leaves:
        raise UsageError(f"{said} holds no tensor, got {value!r}; give at least one")
    return [as_tensor(v) for v in leaves], structure


def names_of(found: Sequence[str]) -> list[str]:
    """What states are called that stand at these paths: by their fields, else h and C."""
    default = ["h", "C"] if len(found) == 2 else ["h"] if len(found) == 1 else [f"s{k}" for k in range(len(found))]
    names = [last_name(path) or name for path, name in zip(found, default, strict=True)]
    return ["C" if name == "c" and len(names) == 2 else name for name in names]


def _name_of(value: Tensor, index: int) -> str:
    if value.op == "symbol":
        return str(value.attrs["name"])
    return "x_t" if index == 0 else f"x{index}_t"
