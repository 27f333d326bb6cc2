"""Tracing: a Python function, called once on symbols, becomes a graph."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Final

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.function import Graph, close, fresh_symbol
from tinygrad_lstm.graph.number import NumberArgument
from tinygrad_lstm.graph.scopes import user_line
from tinygrad_lstm.graph.tensor import Node, Tensor, rebuilt
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Repeated, Tracer, repeated, tracer

__all__ = ["Traced", "followed", "following", "name_body", "resolved", "trace"]

following: Final[ContextVar[bool]] = ContextVar("following", default=False)
"""Whether somebody wants the history of what is computed here: to differentiate it, or as the body of a loop."""


def followed(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What ``f`` gives, with its history, also where ``f`` would run a compiled program."""
    token = following.set(True)
    try:
        return f(*args, **kwargs)
    except TypeError as error:
        trace = error.__traceback__
        if type(error) is not TypeError or trace is None or trace.tb_next is not None:
            raise
        # The call itself failed, before the first line of f ran.
        raise UsageError(f"the function that is differentiated does not take these arguments: {error}") from None
    finally:
        following.reset(token)


@dataclass(frozen=True, eq=False, slots=True)
class Traced:
    """A function that was called once on symbols.

    Attributes:
        owner: what was called, for errors.
        arguments: what stood for its arguments: symbols, or numbers that are traced.
        result: what it gave for them.
    """

    owner: str
    arguments: tuple[Any, ...]
    result: Any

    def closed(self, outputs: Iterable[Any], made: Set[Node] | None = None) -> tuple[Graph, list[Tensor]]:
        """The graph from the arguments to ``outputs``; with the operands for its further inputs, see :func:`close`."""
        return close(self.arguments, [as_tensor(y) for y in outputs], self.owner, made)


def trace(
    function: Callable[[list[Any]], Any],
    types: Sequence[TensorType | type],
    names: Sequence[str],
    owner: str = "",
    *,
    by: Tracer | None = None,
    repeats: Repeated | None = None,
) -> Traced:
    """What ``function`` makes of a list of symbols. This is how a loop, a checkpoint, ``jit`` and pictures get a graph.

    Args:
        types: of the arguments; ``float``, ``int`` or ``bool`` for a Python number.
        names: of the arguments.
        owner: what is called, for errors; none says that the symbols are the user's own.
        by: who is asked for the contents of variables, and told of their changes; by default who traces already.
        repeats: how the graph will run several times for this one call, which may then change no variable.

    Raises:
        TraceError: when Python needs the value of a symbol.

    >>> doubled = trace(lambda xs: xs[0] + xs[0], [tl.ones(3).type], ["x"])
    >>> print(tl.printed(doubled.closed([doubled.result])[0]))
    %0: f32[3] = symbol "x"
    %1: f32[3] = add %0 %0
    return %1
    """
    arguments = [
        fresh_symbol(n, t, owner) if isinstance(t, TensorType) else NumberArgument(t, n, owner)
        for t, n in zip(types, names, strict=True)
    ]
    tracing = tracer.set(by if by is not None else tracer.get())
    around = repeated.get()
    if repeats is not None and around is not None and around.examples:
        repeats = replace(repeats, examples=True)
    repeating = repeated.set(around if repeats is None else repeats)
    try:
        result = followed(function, list(arguments))
    finally:
        repeated.reset(repeating)
        tracer.reset(tracing)
    return Traced(owner, tuple(arguments), result)


def name_body(kind: str) -> str:
    """What errors call the body of an operation that is made on the user's present line."""
    line = user_line()
    return f"the body of a {kind} at {line[0]}:{line[1]}" if line else f"the body of a {kind}"


def resolved(outputs: Sequence[Tensor], stands_for: Mapping[Any, Tensor]) -> tuple[list[Tensor], set[Node]]:
    """``outputs`` with symbols replaced by what they stand for, and the symbols that are left."""
    new: dict[Node, Any] = {}
    symbols: set[Node] = set()
    stack: list[Node] = list(outputs)
    while stack:
        node = stack[-1]
        if node in new:
            stack.pop()
            continue
        value = stands_for.get(node)
        before: tuple[Node, ...] = node.inputs if value is None else (value,)
        if not node.symbolic:
            before = ()
        missing = [x for x in before if x not in new]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        if value is not None:
            new[node] = new[value]
        else:
            new[node] = rebuilt(node, new) if before else node
            if node.op == "symbol":
                symbols.add(node)
    return [new[y] for y in outputs], symbols
