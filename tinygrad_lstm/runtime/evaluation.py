"""Evaluation of tensors: all of them in one pass, with each intermediate freed after its last use."""

from collections.abc import Mapping
from typing import Any

from tinygrad_lstm.errors import DTypeError, ShapeError, TraceError, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.scopes import at_line, user_line
from tinygrad_lstm.graph.tensor import Node, Tensor, make_leaf, set_value
from tinygrad_lstm.graph.variables import Variable, repeated, tracer
from tinygrad_lstm.runtime.backend import backend_for
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.runtime.interpreter import register_program

__all__ = ["evaluate", "evaluated"]


def evaluate(*tensors: Any) -> Any:
    """Compute the values of all ``tensors`` in one pass, and keep them on their nodes.

    Returns:
        The tensors: one for one argument, a tuple for several.

    Raises:
        UnboundSymbolError: when one depends on a symbol; bind it with ``y.evaluate({x: …})``.

    >>> x = tl.tensor([1.0, 2.0])
    >>> tl.evaluate(x + 1, x.sum())
    (tensor([2., 3.]), tensor(3.))
    """
    nodes = tuple(as_tensor(t) for t in tensors)
    evaluated(nodes)
    return nodes[0] if len(nodes) == 1 else nodes


@function
def evaluated(tensors: tuple[Tensor, ...], bindings: Mapping[Tensor, Any] | None = None) -> tuple[Tensor, ...]:
    """``tensors`` with their values: themselves, or new leaves if ``bindings`` gives values to symbols."""
    bound = _bound(bindings)
    pending = [t for t in tensors if t.value is None]
    if not bound and (tracing := tracer.get()) is not None:
        for t in pending:
            if t.symbolic:
                raise _traced(t, tracing.owner)
    if not bound and (body := repeated.get()) is not None:
        for t in pending:
            if t.symbolic and any(n.attrs.get("owner") == body.owner for n in topological([t]) if n.op == "symbol"):
                raise _traced(t, body.owner)
    values: dict[Node, Any] = {}
    for kind in {t.type.device.partition(":")[0] for t in pending}:
        group = list(dict.fromkeys(t for t in pending if t.type.device.partition(":")[0] == kind))
        device = group[0].type.device
        backend = backend_for(device)
        with backend.running(device):
            program = register_program(group, bound, backend, keep=not bound)
            registers = program.fresh()
            program.run_releasing(registers)
            for t in group:
                values[t] = backend.finished(registers[program.registers[t]])
    if bound:
        return tuple(t if t.value is not None else make_leaf(values[t], t.type) for t in tensors)
    for node, value in values.items():
        set_value(node, value)
    return tensors


def _traced(tensor: Tensor, owner: str) -> TraceError:
    return TraceError(
        f"{tensor!r} is traced in {owner} and has no value yet, so Python cannot read it; choose with tl.where or "
        f"tl.cond, repeat with tl.scan or tl.while_loop, and return what you want to see{at_line(user_line())}"
    )


def _bound(bindings: Mapping[Tensor, Any] | None) -> dict[Node, Any]:
    """The array of each symbol in ``bindings``; raises where a value does not fit its symbol."""
    bound: dict[Node, Any] = {}
    if bindings is not None and not isinstance(bindings, Mapping):
        raise UsageError(
            f"evaluate takes a dict from symbols to values, not {type(bindings).__name__}: evaluate({{x: 1.0}})"
        )
    for symbol, binding in (bindings or {}).items():
        if not isinstance(symbol, Tensor) or symbol.op != "symbol":
            raise UsageError(f"evaluate binds symbols, and {symbol!r} is none; make one with tl.symbol")
        name = symbol.attrs["name"]
        value = binding.leaf if isinstance(binding, Variable) else binding
        if not isinstance(value, Tensor):
            value = tensor(value, dtype=symbol.dtype, device=symbol.device)
        if value.shape != symbol.shape:
            raise ShapeError(f"symbol {name!r} is {symbol.type}, the value bound to it has shape {list(value.shape)}")
        if value.dtype is not symbol.dtype:
            raise DTypeError(f"symbol {name!r} is {symbol.type}, the value is {value.type}; convert it with .astype")
        bound[symbol] = evaluated((value,))[0].value
    return bound
