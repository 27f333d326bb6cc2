"""What a traced function does: a graph, and the variables and gradients that it reads and changes."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lstm.errors import DeviceError, TraceError, UnboundSymbolError, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.function import Graph, fresh_symbol, topological
from tinygrad_lstm.graph.number import Number
from tinygrad_lstm.graph.scopes import inside
from tinygrad_lstm.graph.structure import Structure, flatten
from tinygrad_lstm.graph.tensor import Node, Tensor, bind_variable, make_leaf, rebuilt
from tinygrad_lstm.graph.trace import resolved, trace
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Parameter, Tracer, Variable
from tinygrad_lstm.runtime.evaluation import evaluated

__all__ = ["Effects", "Kept", "effects_of"]


@dataclass(frozen=True, slots=True)
class Effects:
    """What a function does, as a graph.

    Attributes:
        graph: its inputs are the traced arguments, then the contents of ``variables``, then those of ``gradients``; its
            outputs are numbered by the fields below.
        arguments: for each of the first inputs the number of the argument. A Python number that meets tensors of
            several types is an input for each of them.
        variables: variables that are read.
        gradients: Parameters whose gradient is read.
        presence: Parameters of which it matters whether they have a gradient, and whether they had one.
        structure: that of the function's result.
        results: for each leaf of the result the number of an output, or what is returned as it is.
        writes: for each variable that changes the number of the output that it holds then, or an evaluated leaf.
        gradient_writes: likewise for gradients; None forgets.
    """

    graph: Graph
    arguments: tuple[int, ...]
    variables: tuple[Variable, ...]
    gradients: tuple[Parameter, ...]
    presence: tuple[tuple[Parameter, bool], ...]
    structure: Structure
    results: "tuple[int | Kept, ...]"
    writes: "tuple[tuple[Variable, int | Kept], ...]"
    gradient_writes: "tuple[tuple[Parameter, int | Kept], ...]"


@dataclass(frozen=True, slots=True)
class Kept:
    """A value that is the same at every run."""

    value: Any


class _Recorder(Tracer):
    """The tracer: what was read and written so far. What variables hold enters as symbols."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.inputs: dict[Variable, Tensor] = {}
        self.gradient_inputs: dict[Parameter, Tensor] = {}
        self.presence: dict[Parameter, bool] = {}
        self.changed: dict[Variable, None] = {}
        self.graded: dict[Parameter, None] = {}

    def read(self, variable: Variable, held: Tensor) -> Tensor:
        known = self.contents.get(variable)
        if known is None:
            # What holds a symbol was itself made by a traced function.
            known = self.contents[variable] = held if held.symbolic else self._input(variable, held)
            if known is not held:
                self.inputs[variable] = known
        return known

    def write(self, variable: Variable, leaf: Tensor) -> None:
        super().write(variable, leaf)
        self.changed[variable] = None

    def read_gradient(self, variable: Parameter, held: Tensor | None) -> Tensor | None:
        if variable not in self.gradients:
            self.presence[variable] = held is not None
            symbol = None
            if held is not None:
                with inside(None):
                    symbol = fresh_symbol(f"grad of {variable.name or 'parameter'}", held.type, self.owner)
                self.gradient_inputs[variable] = symbol
            self.gradients[variable] = symbol
        return self.gradients[variable]

    def write_gradient(self, variable: Parameter, value: Tensor | None) -> None:
        super().write_gradient(variable, value)
        self.graded[variable] = None

    def cut(self, value: Tensor) -> Tensor:
        # A variable that the function makes is a new one at each run, so even what has a value is none of its own.
        return self.symbol_for(value)

    def _input(self, variable: Variable, held: Tensor) -> Tensor:
        with inside(None):
            symbol = fresh_symbol(variable.name or type(variable).__name__.lower(), held.type, self.owner)
        bind_variable(symbol, variable)
        return symbol


def effects_of(
    function: Callable[[list[Any]], Any], types: Sequence[TensorType | type], names: Sequence[str], owner: str
) -> Effects:
    """What ``function`` does. If it raises, nothing has changed.

    Args:
        types: of the arguments; ``float``, ``int`` or ``bool`` for a Python number.
        names: of the arguments.
        owner: what is traced, for errors.

    Raises:
        TraceError: when Python needs the value of a traced tensor, or when one escapes.
        DeviceError: when the function works on two devices.
        UsageError: when it returns a generator or a coroutine.
    """
    state = _Recorder(owner)
    traced = trace(lambda given: flatten(function(given)), types, names, owner, by=state)
    leaves, structure = traced.result
    for leaf in leaves:
        if isinstance(leaf, Generator | Coroutine | AsyncGenerator):
            if isinstance(leaf, Coroutine):
                leaf.close()
            raise UsageError(
                f"{owner} returns a {type(leaf).__name__}, whose lines run later, when nothing is traced; return all "
                "results at once, as a tuple, and repeat steps with tl.scan"
            )

    leaves = [as_tensor(leaf) if isinstance(leaf, Number) else leaf for leaf in leaves]
    # Variables that the function itself made hold symbols: they are of no account outside it.
    outer = [variable for variable in state.changed if not variable.leaf.symbolic]
    outputs: dict[Tensor, int] = {}

    def place(value: Any) -> int | Kept:
        if not isinstance(value, Tensor) or not value.symbolic:
            return Kept(value.copy() if isinstance(value, np.ndarray) else value)
        return outputs.setdefault(value, len(outputs))

    results = tuple(place(leaf) for leaf in leaves)
    writes = tuple((variable, place(state.contents[variable])) for variable in outer)
    gradient_writes = tuple((p, place(state.gradients[p])) for p in state.graded if not p.leaf.symbolic)

    known_by, symbols = resolved(list(outputs), state.stands_for)
    entering = [(k, x) for k, a in enumerate(traced.arguments) for x in _inputs(a, symbols)]
    known = {*(x for _, x in entering), *state.inputs.values(), *state.gradient_inputs.values()}
    for symbol in symbols - known:
        raise _escaped(symbol, owner)
    variables = {c: s for c, s in state.inputs.items() if s in symbols}
    gradients = {p: s for p, s in state.gradient_inputs.items() if s in symbols}
    graph = Graph(
        (*(x for _, x in entering), *variables.values(), *gradients.values()), tuple(_data_evaluated(known_by))
    )
    devices = {x.type.device for x in (*graph.inputs, *graph.outputs)}
    if len(devices) > 1:
        raise DeviceError(
            f"{owner} works on {' and '.join(sorted(devices))}; a compiled function works on one device: move the "
            "others with .to, or a module with model.to"
        )
    presence = tuple((p, had) for p, had in state.presence.items() if not p.leaf.symbolic)
    places = tuple(k for k, _ in entering)
    return Effects(
        graph, places, tuple(variables), tuple(gradients), presence, structure, results, writes, gradient_writes
    )


def _inputs(argument: Tensor | Number, symbols: set[Node]) -> list[Tensor]:
    """The symbols through which an argument enters the graph, of which ``symbols`` are used."""
    if isinstance(argument, Tensor):
        return [argument]
    return [x for x in argument.made.values() if x in symbols] or [argument.typed(argument.dtype, argument.device)]


def _data_evaluated(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``outputs`` with what depends on data alone evaluated, once and for all; it is the same at every run."""
    outputs = list(outputs)
    order = topological(outputs, stop=lambda n: n.value is not None and n.op != "scan")
    data: set[Node] = set()
    for node in order:
        if not node.symbolic and (node.value is not None or any(x in data for x in node.inputs)):
            data.add(node)
    wanted: dict[Node, None] = {y: None for y in outputs if y in data}
    for node in order:
        if node not in data:
            # A tuple-typed node is no value by itself: its projections, which are data too, stand for it.
            wanted.update((x, None) for x in node.inputs if x in data)
    known: tuple[Any, ...] = tuple(wanted)  # of a loop only its projections
    evaluated(known)
    new: dict[Node, Any] = {n: n if n.op == "leaf" else make_leaf(n.value, n.type) for n in known}
    for node in order:
        if node not in new:
            new[node] = node if node in data else rebuilt(node, new)
    return [new[y] for y in outputs]


def _escaped(symbol: Node, owner: str) -> TraceError:
    name, other = symbol.attrs["name"], symbol.attrs["owner"]
    if not other:
        return UnboundSymbolError(
            f"{owner} reads the symbol {name!r}, which has no value; pass its value as an argument"
        )
    if other == owner:
        return TraceError(
            f"{owner} reads {name!r} of an earlier call of it; return it from there instead of keeping it"
        )
    return TraceError(
        f"{owner} reads {name!r}, which belongs to {other} and has no value outside it; return it from there instead "
        "of keeping it, and cut its gradient with tl.stop_gradient, not with detach"
    )
