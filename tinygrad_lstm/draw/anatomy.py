"""What one step of a recurrent cell consists of, read off its graph: layers, pointwise operations, wires.

A *layer* is all that was made in one outermost scope of the role ``gate`` or ``layer``; outside of scopes, a product
with a weight together with its bias. A function of one argument right behind a layer that has none is its
activation. Everything else elementwise is a *pointwise operation*, and concatenations are *joins*.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tinygrad_lstm.draw.markup import last_name
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.scopes import Scope
from tinygrad_lstm.graph.structure import flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Node, Tensor, make, name_of
from tinygrad_lstm.graph.types import Shape
from tinygrad_lstm.graph.walk import topological

__all__ = ["Anatomy", "Part", "dissect", "is_relu", "trace_step"]

PartKind = Literal["input", "state", "layer", "pointwise", "join", "op", "next", "output"]

_PASSED = ("named", "stop_gradient", "cast", "broadcast_to", "reshape")
_POWERS = str.maketrans("0123456789.-", "⁰¹²³⁴⁵⁶⁷⁸⁹·⁻")


@dataclass(eq=False)
class Part:
    """One thing in the picture, and the nodes of the graph that it stands for.

    Attributes:
        label: what is written in it; for inputs, states and outputs their name.
        reads: the parts whose values it takes, in order.
        name: the name that the user gave to its value.
        about: the name of the scope that it was made in.
    """

    kind: PartKind
    label: str
    nodes: tuple[Node, ...] = ()
    reads: list["Part"] = field(default_factory=list)
    name: str | None = None
    about: str = ""
    affine: bool = False


@dataclass(frozen=True)
class Anatomy:
    """All parts, each after those that it reads; the pairs of a state and its next value; what else is put out.

    ``shown`` are the parts that the arrows out of the top of the cell carry.
    """

    title: str
    parts: tuple[Part, ...]
    states: tuple[tuple[Part, Part], ...]
    shown: tuple[Part, ...]


def trace_step(cell: Any, x: Any = None, state: Any = None) -> tuple[list[Tensor], list[Tensor], list[Tensor], Any]:
    """One step of ``cell`` on symbols: its inputs, states and results, and the names of the states.

    Raises:
        UsageError: when the sizes of the input or of the state can not be told from the cell.
    """
    kind = type(cell).__name__
    if not callable(cell):
        raise UsageError(f"draw.cell: {kind} is not callable; give it a cell: cell(x, state) -> new state")
    if hasattr(cell, "cells"):
        raise UsageError(f"draw.cell draws one step of time: give it {kind}.cells[0], or the whole to draw.graph")
    if state is None:
        if not hasattr(cell, "zeros"):
            raise UsageError(f"draw.cell: {kind} has no method zeros(batch) that tells its state; give state=")
        state = cell.zeros(1)
    leaves, structure = [as_tensor(v) for v in flatten(state)[0]], flatten(state)[1]
    if x is None:
        if not hasattr(cell, "input_size"):
            raise UsageError(f"draw.cell: {kind} has no input_size; give an input: x=tl.symbol('x', (1, 3))")
        x = _symbol("x_t", (1, cell.input_size), leaves[0])
    given = [as_tensor(v) for v in flatten(x)[0]]
    inputs = [_symbol(_name_of(v, k), v.shape, v) for k, v in enumerate(given)]
    default = ["h", "C"] if len(leaves) == 2 else ["h"] if len(leaves) == 1 else []
    default = default or [f"s{k}" for k in range(len(leaves))]
    names = [last_name(path) or name for path, name in zip(paths(structure), default, strict=True)]
    names = ["C" if name == "c" and len(names) == 2 else name for name in names]
    states = [_symbol(f"{name}_{{t-1}}", v.shape, v) for name, v in zip(names, leaves, strict=True)]
    result = cell(unflatten(flatten(x)[1], inputs), unflatten(structure, states))
    results = [v for v in flatten(result)[0] if isinstance(v, Tensor)]
    if len(results) < len(states):
        raise UsageError(f"draw.cell: {kind} takes {len(states)} states and returns {len(results)}; return all of them")
    if isinstance(result, tuple) and len(result) == 2 and len(results) > len(states):
        first, second = (flatten(part)[0] for part in result)
        if len(first) != len(states) and len(second) == len(states):
            results = [*second, *first]
    return inputs, states, results, names


def _symbol(name: str, shape: Shape, like: Tensor) -> Tensor:
    result: Tensor = make("symbol", name=name, shape=shape, dtype=like.dtype, device=like.device, owner="")
    return result


def _name_of(value: Tensor, index: int) -> str:
    if value.op == "symbol":
        return str(value.attrs["name"])
    return "x_t" if index == 0 else f"x{index}_t"


def dissect(cell: Any, x: Any = None, state: Any = None) -> Anatomy:
    """The parts of one step of ``cell``; see :func:`trace_step` for ``x`` and ``state``."""
    inputs, states, results, names = trace_step(cell, x, state)
    return _Dissection(cell, inputs, states, results, names).anatomy()


class _Dissection:
    """The work of :func:`dissect`, in the order of the methods."""

    def __init__(
        self, cell: Any, inputs: list[Tensor], states: list[Tensor], results: list[Tensor], names: Sequence[str]
    ) -> None:
        self.title = type(cell).__name__
        self.inputs, self.states, self.state_names = inputs, states, names
        self.given: dict[Node, str] = {}
        self.order = topological([*inputs, *states, *reversed(results)])
        # The scope of the cell's own call is round everything; a role on it tells nothing apart.
        outer = {n.scope.path[0] for n in self.order if n.scope is not None and n.symbolic and n.op != "symbol"}
        self.enclosed = len(outer) == 1 and (hasattr(cell, "forward") or all(s.role == "cell" for s in outer))
        for node in self.order:
            if node.op == "named":
                self.given.setdefault(self.value(node), node.attrs["name"])
        self.results = [self.value(r) for r in results]
        self.result_names = [r.attrs["name"] if r.op == "named" else self.given.get(self.value(r)) for r in results]
        # The comparison inside a relu is no operation of its own, unless something else reads it too.
        inside = {n.inputs[0] for n in self.order if is_relu(n)}
        inside -= {i for n in self.order if not is_relu(n) for i in n.inputs}
        self.computed = [
            n for n in self.order if n.symbolic and n.op != "symbol" and self.value(n) is n and n not in inside
        ]
        self.readers: dict[Node, list[Node]] = {}
        for node in self.computed:
            for operand in self.operands(node):
                self.readers.setdefault(operand, []).append(node)
        self.group: dict[Node, int] = {}
        self.members: list[list[Node]] = []
        self.of_scope: dict[Scope, int] = {}

    def value(self, node: Node) -> Node:
        """The node that computes what ``node`` is: names, casts and broadcasts are looked through."""
        while node.op in _PASSED and node.inputs:
            node = node.inputs[0]
        return node

    def operands(self, node: Node) -> list[Node]:
        """The values that ``node`` reads and that depend on the step's inputs; a relu reads its argument alone."""
        if is_relu(node):
            return [self.value(node.inputs[2])]
        return [self.value(i) for i in node.inputs if i.symbolic]

    def layer_scope(self, node: Node) -> Scope | None:
        """The outermost scope inside the cell that makes a layer of ``node``."""
        if node.scope is None:
            return None
        inside = node.scope.path[1:] if self.enclosed else node.scope.path
        return next((s for s in inside if s.role in ("gate", "layer")), None)

    def find_layers(self) -> None:
        """Put every node that belongs to a layer into its group."""
        behind: dict[Node, frozenset[int]] = {}
        for node in self.computed:
            operands = self.operands(node)
            # Layers that end before this node, with something else in between: it can not be part of them.
            ended = frozenset[int]().union(*[behind.get(i, frozenset()) - {self.group.get(i)} for i in operands])
            scope = self.layer_scope(node)
            index = None
            if node.op != "concatenate" or any(i in self.group for i in operands):
                index = self._scoped(scope, ended) if scope is not None else self._unscoped(node, operands, ended)
            here = frozenset[int]().union(*[behind.get(i, frozenset()) for i in operands])
            if index is not None:
                self.group[node] = index
                self.members[index].append(node)
                here |= {index}
            behind[node] = here

    def _scoped(self, scope: Scope, ended: frozenset[int]) -> int:
        index = self.of_scope.get(scope)
        if index is None or index in ended:
            index = self.of_scope[scope] = self._new_group()
        return index

    def _unscoped(self, node: Node, operands: list[Node], ended: frozenset[int]) -> int | None:
        if node.op == "matmul" and len(operands) == 1:
            return self._new_group()
        groups = [self.group.get(i, -1) for i in operands]
        final = set(self.results)
        read_elsewhere = any(len(self.readers[i]) > 1 or i in final for i in operands)
        if not groups or read_elsewhere or any(g < 0 or g in ended or self._activation(g) for g in groups):
            return None
        if node.op in ("add", "subtract"):
            target = groups[0]
            for other in set(groups) - {target}:
                self.group.update(dict.fromkeys(self.members[other], target))
                self.members[target] += self.members[other]
            return target
        return groups[0] if self._is_function(node) else None

    def _is_function(self, node: Node) -> bool:
        plain = len(node.inputs) == 1 and OPS[node.op].kind == "elementwise" and node.op != "negative"
        return plain or is_relu(node)

    def _new_group(self) -> int:
        self.members.append([])
        return len(self.members) - 1

    def _activation(self, index: int) -> str | None:
        """The label of the last function of one argument in a layer: its activation."""
        prefix = ""
        members = set(self.members[index])
        node: Node | None = self.members[index][-1] if self.members[index] else None
        while node is not None and OPS[node.op].kind == "elementwise":
            inner = [i for i in self.operands(node) if i in members]
            if is_relu(node):
                return prefix + "relu"
            if self._is_function(node):
                return prefix + OPS[node.op].label
            if len(inner) != 1 or not (node.op == "negative" or any(_is_scalar(i) for i in node.inputs)):
                return None
            prefix += _with_constant(node) if len(node.inputs) > 1 else OPS[node.op].label
            node = inner[0]
        return None

    def anatomy(self) -> Anatomy:
        """The parts, wired."""
        self.find_layers()
        made: dict[Any, Part] = {}
        kinds: list[tuple[PartKind, list[Tensor]]] = [("input", self.inputs), ("state", self.states)]
        for kind, symbol in ((kind, symbol) for kind, symbols in kinds for symbol in symbols):
            made[symbol] = Part(kind, self.given.get(symbol, symbol.attrs["name"]), (symbol,))
        parts = list(made.values())
        reading: list[tuple[Part, list[Node]]] = []
        for node in self.computed:
            index = self.group.get(node)
            key: Any = node if index is None else index
            if node.op == "concatenate" and index is None:
                # Gates that each join the same vectors look at one and the same line.
                key = (node.attrs["axis"], *self.operands(node))
            if key not in made:
                part = made[key] = self._layer(index) if index is not None else self._single(node)
                reading.append((part, list(part.nodes)))
            made[node] = made[key]
        for node, index in self.group.items():
            made[node] = made[index]
        for part, nodes in reading:
            for operand in (i for n in nodes for i in self.operands(n)):
                other = made[operand]
                if other is not part and (part.kind != "layer" or other not in part.reads):
                    part.reads.append(other)
            part.name = part.name or next((self.given[n] for n in reversed(nodes) if n in self.given), None)
        for result in self.results:
            if result not in made:
                made[result] = Part("op", OPS[result.op].label, (result,))
                parts.append(made[result])
        parts += _sorted([part for part, _ in reading])
        return self._finished(_merged_joins(parts, {made[r] for r in self.results}), made)

    def _layer(self, index: int) -> Part:
        nodes = tuple(self.members[index])
        scope = self.layer_scope(nodes[-1])
        about = scope.name if scope is not None else "layer"
        activation = self._activation(index)
        affine = sum(n.op == "matmul" for n in nodes) == 1 and any(n.op == "add" for n in nodes)
        return Part("layer", activation or about, nodes, about=about, affine=affine and activation is not None)

    def _single(self, node: Node) -> Part:
        about = node.scope.name if node.scope is not None else ""
        if node.op == "concatenate":
            return Part("join", "concatenate", (node,), about=about)
        definition = OPS[node.op]
        if is_relu(node):
            return Part("pointwise", "relu", (node,), about=about)
        if definition.kind == "elementwise":
            bound = len(node.inputs) == 2 and len(self.operands(node)) == 1
            return Part("pointwise", _with_constant(node) if bound else definition.label, (node,), about=about)
        return Part("op", definition.label, (node,), about=about)

    def _finished(self, parts: list[Part], made: dict[Any, Part]) -> Anatomy:
        pairs = []
        for symbol, result, name in zip(self.states, self.results, self.result_names, strict=False):
            before = made[symbol]
            named = name if result.op != "symbol" and self.result_names.count(name) == 1 else None
            after = Part("next", named or _next(before.label), (result,), [made[result]])
            pairs.append((before, after))
            if before.label == symbol.attrs["name"] and named is not None and named.endswith("_t"):
                before.label = named.removesuffix("_t") + "_{t-1}"
        extra = self.results[len(self.states) :]
        shown = []
        hidden = list(self.state_names).index("h") if "h" in self.state_names else 0
        for k, result in enumerate(extra or [self.results[hidden]]):
            name = self.result_names[len(self.states) + k] if extra else pairs[hidden][1].label
            label = name or ("y_t" if k == 0 else f"y{k}_t")
            shown.append(Part("output", label, (result,), [made[result]]))
        everything = (*parts, *(after for _, after in pairs), *shown)
        return Anatomy(self.title, everything, tuple(pairs), tuple(shown))


def is_relu(node: Node) -> bool:
    """Whether ``node`` is ``where(x <= 0, 0, x)``, which is how a relu is composed."""
    if node.op != "where" or node.inputs[0].op != "less_equal":
        return False
    condition, zero, x = node.inputs
    numbers = (zero, condition.inputs[1])
    return condition.inputs[0] is x and all(_is_scalar(n) and n.attrs["value"] == 0 for n in numbers)


def _is_scalar(node: Node) -> bool:
    return node.op == "constant"


def _with_constant(node: Node) -> str:
    """The label of an operation whose other operand is a number or a weight: ``1−``, ``×2``."""
    first = not node.inputs[0].symbolic
    known = node.inputs[0] if first else node.inputs[1]
    while known.op in _PASSED and known.inputs:
        known = known.inputs[0]
    value = f"{known.attrs['value']:g}" if _is_scalar(known) else name_of(known) or "w"
    label = OPS[node.op].label
    if node.op == "power":
        return f"{value}ˣ" if first else f"x{value.translate(_POWERS)}" if _is_scalar(known) else label
    return f"{value}{label}" if first and node.op in ("subtract", "divide") else f"{label}{value}"


def _next(name: str) -> str:
    return name.replace("_{t-1}", "_t") if "_{t-1}" in name else f"new {name}"


def _sorted(parts: Iterable[Part]) -> list[Part]:
    """The parts in an order in which each comes after those that it reads, otherwise as they come."""
    wanted = list(parts)
    mine, done, result = set(wanted), set[Part](), list[Part]()
    stack = wanted[::-1]
    while stack:
        part = stack[-1]
        missing = [r for r in part.reads if r in mine and r not in done]
        if part not in done and missing:
            stack += missing[::-1]
            continue
        stack.pop()
        if part not in done:
            done.add(part)
            result.append(part)
    return result


def _merged_joins(parts: list[Part], results: set[Part]) -> list[Part]:
    """A concatenation that only another one reads becomes part of that one: the lines merge one by one."""
    gone: set[Part] = set()
    for part in parts:
        if part.kind == "join":
            for inner in [r for r in part.reads if r.kind == "join" and r not in results]:
                if sum(inner in p.reads for p in parts) == 1:
                    at = part.reads.index(inner)
                    part.reads[at : at + 1] = inner.reads
                    part.nodes = (*inner.nodes, *part.nodes)
                    gone.add(inner)
    return [p for p in parts if p not in gone]
