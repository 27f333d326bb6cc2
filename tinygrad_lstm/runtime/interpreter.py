"""The interpreter: one kernel for each node, in topological order.

A graph is lowered once to a list of calls on numbered registers, and the list is run: once at the top level, once a
step for the body of a loop.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

from tinygrad_lstm.errors import (
    AnomalyError,
    BackendError,
    Error,
    UnboundSymbolError,
)
from tinygrad_lstm.graph.function import Graph, slot_of, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor, set_value
from tinygrad_lstm.kernels.halves import of_bfloat16
from tinygrad_lstm.runtime.anomaly import at_step, detecting, watched
from tinygrad_lstm.runtime.backend import Backend
from tinygrad_lstm.runtime.failures import failure

__all__ = ["RegisterProgram", "bound", "register_program", "without_kernel"]

Instruction = tuple[Callable[..., Any], tuple[int, ...], int]


@dataclass(slots=True)
class RegisterProgram:
    """A list of calls on registers. ``known`` are the registers whose values are known before the run."""

    nodes: list[Node]
    steps: list[Instruction]
    known: dict[int, Any]
    registers: dict[Node, int]
    releases: list[tuple[int, ...]]

    def run(self, registers: list[Any]) -> None:
        """Fill the registers; where a kernel raises, the error is in terms of the graph."""
        at = 0
        try:
            for f, reads, writes in self.steps:
                registers[writes] = f(*[registers[i] for i in reads])
                at += 1
        except Error:
            raise
        except Exception as error:
            raise failure(error, self.nodes[at]) from error

    def run_releasing(self, registers: list[Any]) -> None:
        """Fill the registers, and release every value after its last use."""
        at = 0
        try:
            for (f, reads, writes), last in zip(self.steps, self.releases, strict=True):
                registers[writes] = f(*[registers[i] for i in reads])
                for i in last:
                    registers[i] = None
                at += 1
        except Error:
            raise
        except Exception as error:
            raise failure(error, self.nodes[at]) from error

    def fresh(self) -> list[Any]:
        """New registers, with the values that are known before the run."""
        registers: list[Any] = [None] * len(self.registers)
        for i, value in self.known.items():
            registers[i] = value
        return registers


def register_program(
    outputs: Sequence[Node], known: Mapping[Node, Any], backend: Backend, keep: bool = False
) -> RegisterProgram:
    """The program that computes ``outputs``.

    Args:
        known: values of symbols and of nodes that were evaluated before; the walk stops at them. The value None marks
            a register that is filled later, such as the carry of a loop.
        keep: whether loops keep their last carries on their nodes, which costs nothing: then asking for the state of a
            recurrent layer after its gradient does not run the layer again.

    Raises:
        UnboundSymbolError: for a symbol that is not known.
    """
    order = topological(outputs, stop=lambda n: n in known or _value(n) is not None)
    registers: dict[Node, int] = {}
    requested: dict[Node, list[Any]] = {}
    for node in (*known, *order):
        if node in registers:
            continue
        identity = OPS[node.op].kind == "identity" and node not in known and node.value is None
        registers[node] = registers[node.inputs[0]] if identity else len(registers)
        if node.op in _PROJECTIONS and node not in known and _value(node) is None:
            requested.setdefault(node.inputs[0], []).append(slot_of(node))

    program = RegisterProgram([], [], {}, registers, [])
    watching = detecting()
    for node in order:
        register = registers[node]
        if node in known:
            program.known[register] = known[node]
        elif (value := _value(node)) is not None:
            program.known[register] = value
        elif node.op == "symbol":
            raise _unbound(node, known)
        elif node.op in _SOURCES:
            try:
                program.known[register] = _SOURCES[node.op](node, backend)
            except Error:
                raise
            except Exception as error:
                raise failure(error, node) from error
        elif OPS[node.op].kind != "identity":
            if node.op in _BODIES:
                f = _BODIES[node.op](node, requested.get(node, []), backend, keep)
            elif node.op in _PROJECTIONS:
                f = itemgetter(slot_of(node))
            else:
                f = _kernel(node, backend)
                if watching:
                    f = watched(f, node, backend)
            program.nodes.append(node)
            program.steps.append((f, tuple([registers[x] for x in node.inputs]), register))
    program.releases = _last_uses(program, [registers[y] for y in outputs])
    return program


def _value(node: Node) -> Any:
    """The value that is kept on a node; that of a loop's last carry is kept on the loop's node."""
    if node.op == "scan":
        return None
    if node.value is None and node.op == "item":
        return (node.inputs[0].value or {}).get(node.attrs["index"])
    return node.value


def _last_uses(program: RegisterProgram, kept: Iterable[int]) -> list[tuple[int, ...]]:
    seen = set(kept)
    releases: list[tuple[int, ...]] = []
    for _, reads, _ in reversed(program.steps):
        last = tuple({i for i in reads if i not in seen})
        seen.update(last)
        releases.append(last)
    releases.reverse()
    return releases


def _constant(node: Node, backend: Backend) -> Any:
    return _filled(backend, (), node.attrs["value"], node.type)


def _filled(backend: Backend, shape: tuple[int, ...], value: Any, type_: Any) -> Any:
    array = backend.empty(shape, type_.dtype, type_.device)
    array[...] = value
    return array


def _unbound(node: Node, known: Iterable[Node]) -> UnboundSymbolError:
    """The error for a symbol without a value; ``known`` are the nodes that have one."""
    name, owner = node.attrs["name"], node.attrs.get("owner")
    if owner:
        return UnboundSymbolError(
            f"{name!r} belongs to {owner} and has no value outside it; return it from there instead of keeping it"
        )
    if any(other.op == "symbol" and other.attrs["name"] == name for other in known):
        return UnboundSymbolError(
            f"symbol {name!r} ({node.type}) has no value: another symbol named {name!r} was bound, but this graph was "
            "built from an earlier one; build it again from the new one"
        )
    return UnboundSymbolError(f"symbol {name!r} ({node.type}) has no value; bind it: evaluate({{{name}: …}})")


_SOURCES: dict[str, Callable[[Node, Backend], Any]] = {
    "constant": _constant,
    "arange": lambda node, backend: backend.arange(node.type.shape[0], node.type.dtype, node.type.device),
}
_PROJECTIONS = frozenset(("item", "stacked"))


def _kernel(node: Node, backend: Backend) -> Callable[..., Any]:
    try:
        f = backend.kernels[node.op]
    except KeyError:
        raise without_kernel(node.op, backend) from None
    return bound(f, node)


def bound(f: Callable[..., Any], node: Node) -> Callable[..., Any]:
    """The kernel of a node's op as a function of arrays alone."""
    types = (getattr(x.type, "dtype", None) for x in (node, *node.inputs))
    return of_bfloat16(partial(f, **node.attrs) if node.attrs else f, *types)


def without_kernel(op: str, backend: Backend) -> BackendError:
    """The error for an op that a backend has no kernel for."""
    return BackendError(
        f"the backend {backend.name!r} has no kernel for op {op!r}; evaluate it with another backend, such as "
        "tl.use_backend('numpy'), or give its kernels one"
    )


def _loop(node: Node, slots: list[Any], backend: Backend, keep: bool) -> Callable[..., Mapping[Any, Any]]:
    """A function that runs a loop on the arrays of its inputs and returns the results in ``slots``, by slot."""
    body, n, m = node.attrs["body"], node.attrs["carries"], node.attrs["xs"]
    length, backwards = node.attrs["length"], node.attrs["reverse"]
    ins, outs = body.inputs, body.outputs
    traced: dict[Any, Tensor] = {s: outs[s] if isinstance(s, int) else s for s in slots}
    stacked_values = {s: value for s, value in traced.items() if not isinstance(s, int) or s >= n}
    program = register_program([*outs[:n], *stacked_values.values()], dict.fromkeys(ins), backend)
    register = program.registers
    enters = [register[x] for x in ins]
    leaves = [register[y] for y in outs[:n]]
    device = (outs[0] if outs else ins[0]).type.device if outs or ins else ""
    stacks = [(s, register[v], (length, *v.type.shape), v.type.dtype) for s, v in stacked_values.items()]
    times = range(length - 1, -1, -1) if backwards else range(length)
    run = program.run

    def loop(*operands: Any) -> Mapping[Any, Any]:
        """Run the loop on arrays; returns its results by slot."""
        registers = program.fresh()
        carries: Sequence[Any] = operands[:n]
        sliced = list(zip(enters[n : n + m], operands[n : n + m], strict=True))
        for i, value in zip(enters[n + m :], operands[n + m :], strict=True):
            registers[i] = value
        results = {s: backend.empty(shape, dtype, device) for s, _, shape, dtype in stacks}
        writes = [(results[s], i) for s, i, _, _ in stacks]
        entering = enters[:n]
        t = 0
        try:
            for t in times:
                for i, value in zip(entering, carries):  # noqa: B905  # `strict` costs in the innermost loop
                    registers[i] = value
                for i, values in sliced:
                    registers[i] = values[t]
                run(registers)
                for stack, i in writes:
                    stack[t] = registers[i]
                carries = [registers[i] for i in leaves]
        except AnomalyError as error:
            raise at_step(error, t, length) from None
        last = {k: backend.finished(carry) for k, carry in enumerate(carries)}
        if keep:
            set_value(node, last)
        return {**results, **last}

    return loop


def _call(node: Node, slots: list[Any], backend: Backend, keep: bool) -> Callable[..., Mapping[Any, Any]]:
    """A function that computes the results in ``slots`` of a call on its inputs, and releases intermediate values."""
    body: Graph = node.attrs["body"]
    program = register_program([body.outputs[k] for k in slots], dict.fromkeys(body.inputs), backend)
    enters = [program.registers[x] for x in body.inputs]
    leaves = [(k, program.registers[body.outputs[k]]) for k in slots]

    def call(*operands: Any) -> Mapping[Any, Any]:
        registers = program.fresh()
        for i, value in zip(enters, operands, strict=True):
            registers[i] = value
        program.run_releasing(registers)
        return {k: registers[i] for k, i in leaves}

    return call


def _branch(node: Node, slots: list[Any], backend: Backend, keep: bool) -> Callable[..., Mapping[Any, Any]]:
    """A function that computes the results in ``slots`` of a branch where its condition holds, and hands on what stands
    for them otherwise.
    """
    count = len(node.attrs["body"].outputs)
    run = _call(node, slots, backend, keep)

    def branch(condition: Any, *operands: Any) -> Mapping[Any, Any]:
        return run(*operands[count:]) if bool(condition) else {k: operands[k] for k in slots}

    return branch


def _while_loop(node: Node, slots: list[Any], backend: Backend, keep: bool) -> Callable[..., Mapping[Any, Any]]:
    """A function that runs a loop as long as its condition holds."""
    body, n = node.attrs["body"], node.attrs["carries"]
    program = register_program(body.outputs, dict.fromkeys(body.inputs), backend)
    enters = [program.registers[x] for x in body.inputs]
    leaves = [program.registers[y] for y in body.outputs]

    def loop(condition: Any, *operands: Any) -> Mapping[Any, Any]:
        registers = program.fresh()
        for i, value in zip(enters, operands, strict=True):
            registers[i] = value
        carries: Sequence[Any] = operands[:n]
        while bool(condition):
            for i, value in zip(enters[:n], carries, strict=True):
                registers[i] = value
            program.run(registers)
            condition, *carries = [registers[i] for i in leaves]
        return {k: backend.finished(carry) for k, carry in enumerate(carries)}

    return loop


_BODIES = {"scan": _loop, "call": _call, "branch": _branch, "while_loop": _while_loop}
