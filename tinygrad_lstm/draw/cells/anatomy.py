"""What one step of a recurrent cell consists of, read off its graph: layers, pointwise operations, wires.

A *layer* is all that was made in one outermost scope of the role ``gate`` or ``layer``; outside of scopes, a product
with a weight together with its bias. A function of one argument right behind a layer that has none is its
activation. Everything else elementwise is a *pointwise operation*, and concatenations are *joins*.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tinygrad_lstm.draw.cells.parts import Anatomy, Part, PartKind, in_order, merged_joins
from tinygrad_lstm.draw.cells.recognising import (
    PASSED,
    clip_of,
    is_literal,
    is_relu,
    is_softmax,
    normalising,
    value_of,
)
from tinygrad_lstm.draw.cells.timestep import TracedStep
from tinygrad_lstm.draw.marks import attribute_note, operand_marks
from tinygrad_lstm.formula.expression import text
from tinygrad_lstm.graph.function import reaching, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.scopes import Scope, around_functions
from tinygrad_lstm.graph.tensor import Node, Tensor, name_of

__all__ = ["dissect"]

SHORT = 4
"""Names of weights of so many letters stand beside wires."""
_POWERS = str.maketrans("0123456789.-", "⁰¹²³⁴⁵⁶⁷⁸⁹·⁻")
_BELOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def dissect(step: TracedStep) -> Anatomy:
    """The parts of one step."""
    return _Dissection(step).anatomy()


class _Dissection:
    """The work of :func:`dissect`, in the order of the methods."""

    def __init__(self, step: TracedStep) -> None:
        self.step = step
        self.given: dict[Node, str] = {}
        self.order = topological([*step.inputs, *step.states, *reversed(step.results)])
        known = reaching(self.order, [*step.inputs, *step.states])
        self.around = _enclosing(step, known)
        # What a layer makes of parameters alone is its own: a gate that looks at nothing is a gate.
        made = (n for n in self.order if n.inputs and n not in known and n.op not in PASSED)
        lone = [n for n in made if self.layer_scope(n) is not None]
        self.active = reaching(self.order, known.union(lone))
        for node in self.order:
            if node.op == "named":
                self.given.setdefault(value_of(node), node.attrs["name"])
        self.results = [value_of(r) for r in step.results]
        self.result_names = [r.attrs["name"] if r.op == "named" else self.given.get(value_of(r)) for r in step.results]
        # The comparison inside a relu is no operation of its own, unless something else reads it too.
        inside = {n.inputs[0] for n in self.order if is_relu(n)}
        inside -= {i for n in self.order if not is_relu(n) for i in n.inputs}
        outside = {*inside, *step.inputs, *step.states}
        self.computed = [n for n in self.order if n in self.active and value_of(n) is n and n not in outside]
        self.readers: dict[Node, list[Node]] = {}
        for node in self.computed:
            for operand in self.operands(node):
                self.readers.setdefault(operand, []).append(node)
        # Of a clip the lower bound comes first; both are one operation, unless something reads what lies between.
        bounded = {clip.inner: node for node in self.computed if (clip := clip_of(node)) is not None}
        ends = set(self.results)
        self.clips = {n: clip for n, clip in bounded.items() if len(self.readers.get(n, ())) == 1 and n not in ends}
        self.group: dict[Node, int] = {}
        self.members: list[list[Node]] = []
        self.of_scope: dict[Scope, int] = {}
        self.unnamed: dict[Node, int] = {}
        self.weights: dict[Node, str] = {}

    def operands(self, node: Node) -> list[Node]:
        """The values that ``node`` reads and that are parts of the step; a relu reads its argument alone."""
        given = node.inputs[2:] if is_relu(node) else node.inputs
        return [value_of(i) for i in given if i in self.active]

    def layer_scope(self, node: Node) -> Scope | None:
        """The outermost scope inside the cell that makes a layer of ``node``."""
        path = _path(node)
        inside = path[len(self.around) :] if path[: len(self.around)] == self.around else ()
        return next((s for s in inside if s.role in ("gate", "layer")), None)

    def find_layers(self) -> None:
        """Put every node that belongs to a layer into its group."""
        behind: dict[Node, frozenset[int]] = {}
        for node in self.computed:
            operands = self.operands(node)
            # Layers that end before this node, with something else in between: it cannot be part of them.
            ended = frozenset[int]().union(*[behind.get(i, frozenset()) - {self.group.get(i)} for i in operands])
            scope = self.layer_scope(node)
            index = None
            if node.op != "concatenate" or not operands or any(i in self.group for i in operands):
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
            if any(scope.role == "gate" and index in groups for scope, index in self.of_scope.items()):
                # What gates let through is added up behind them.
                return None
            target = groups[0]
            for other in set(groups) - {target}:
                self.group.update(dict.fromkeys(self.members[other], target))
                self.members[target] += self.members[other]
            return target
        # What only normalises is an operation, and the function behind it another one.
        return groups[0] if self._is_function(node) and _has_product(self.members[groups[0]]) else None

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
                return prefix + ("softmax" if is_softmax(node) else OPS[node.op].label)
            if len(inner) != 1 or not (node.op == "negative" or any(is_literal(i) for i in node.inputs)):
                return None
            prefix += self._with_constant(node) if len(node.inputs) > 1 else OPS[node.op].label
            node = inner[0]
        return None

    def anatomy(self) -> Anatomy:
        """The parts, wired."""
        self.find_layers()
        made: dict[Any, Part] = {}
        kinds: list[tuple[PartKind, Sequence[Tensor]]] = [("input", self.step.inputs), ("state", self.step.states)]
        for kind, symbol in ((kind, symbol) for kind, symbols in kinds for symbol in symbols):
            made[symbol] = Part(kind, self.given.get(symbol, symbol.attrs["name"]), (symbol,))
        parts = list(made.values())
        reading: list[tuple[Part, list[Node]]] = []
        for node in self.computed:
            index = self.group.get(node)
            key: Any = self.clips.get(node, node) if index is None else index
            if node.op == "concatenate" and index is None:
                # Gates that each join the same vectors look at one and the same line.
                key = (node.attrs["axis"], *self.operands(node))
            if key not in made:
                part = made[key] = self._layer(index) if index is not None else self._single(self.clips.get(node, node))
                reading.append((part, list(part.nodes)))
            made[node] = made[key]
        for node, index in self.group.items():
            made[node] = made[index]
        for part, nodes in reading:
            for operand in (i for n in nodes for i in self.operands(n)):
                other = made[operand]
                if other is not part and (part.kind != "layer" or other not in part.reads):
                    part.reads.append(other)
            self._mark(part, nodes, made)
            part.name = part.name or self._name_outside(nodes)
        _tell_shared({part: nodes for part, nodes in reading if part.kind == "layer"}, self.active)
        for result in self.results:
            if result not in made:
                made[result] = Part("op", OPS[result.op].label, (result,))
                parts.append(made[result])
        parts += in_order([part for part, _ in reading])
        return self._finished(merged_joins(parts, {made[r] for r in self.results}, made), made)

    def _name_outside(self, nodes: Sequence[Node]) -> str | None:
        """The name of what others read of a part; values inside of it may have names too."""
        own, results = set(nodes), set(self.results)
        read = [n for n in nodes if n in results or any(r not in own for r in self.readers.get(n, ()))]
        return next((self.given[n] for n in reversed(read) if n in self.given), None)

    def _mark(self, part: Part, nodes: Sequence[Node], made: Mapping[Any, Part]) -> None:
        """Say which of the values that an operation reads is which, where their order makes a difference."""
        if part.kind == "layer":
            self._mark_weights(part, nodes, made)
            return
        if len(nodes) != 1 or is_relu(nodes[0]):
            return
        (node,) = nodes
        read = [made[value_of(x)] for x in node.inputs if x in self.active]
        kinds = [one.kind for one in read]
        if len(read) < 2 or (part.kind == "join" and len(read) == 2 and kinds[1] == "input" != kinds[0]):
            # What comes from the state and then the input is the textbook's [h, x].
            return
        if len(set(read)) == 1 and part.kind == "pointwise":
            # All operands are one value, and come on one wire.
            part.label = f"x{part.label}x" if len(read) == 2 else f"{part.label} {'x' * len(read)}"
            return
        marks = [mark for x, mark in zip(node.inputs, operand_marks(node), strict=True) if x in self.active]
        for one, mark in zip(read, marks, strict=True):
            part.marks[one] = ", ".join(m for m in (part.marks.get(one), mark) if m)

    def _mark_weights(self, part: Part, nodes: Sequence[Node], made: Mapping[Any, Part]) -> None:
        """Say which of the values that a layer reads goes to which weight, where weights have names of their own.

        What is only added to the product says so: without a mark, a layer multiplies by a weight what it reads.
        """
        of: dict[str, Part] = {}
        products = [n for n in nodes if n.op == "matmul" and len(self.operands(n)) == 1]
        for product in products:
            weight = next((x for x in product.inputs if x not in self.active), product)
            name = (self.given.get(value_of(weight)) or name_of(value_of(weight)) or "").rpartition(".")[2]
            if name and len(name) <= SHORT:
                of[name] = made[self.operands(product)[0]]
        if 1 < len(products) == len(of) == len(set(of.values())) and part not in of.values():
            part.marks = {source: name for name, source in of.items()}
        multiplied = {made[x] for product in products for x in self.operands(product)}
        for node in nodes if products else ():
            for x in self.operands(node) if node.op in ("add", "subtract") else ():
                source = made[x]
                if source is not part and source not in multiplied:
                    part.marks[source] = "−" if node.op == "subtract" and value_of(node.inputs[1]) is x else "+"

    def _layer(self, index: int) -> Part:
        nodes = tuple(self.members[index])
        scope = next((scope for n in reversed(nodes) if (scope := self.layer_scope(n)) is not None), None)
        about = scope.name if scope is not None else "layer"
        activation = self._activation(index)
        norm = bool(normalising(nodes))
        if not _has_product(nodes):
            label = f"{activation}(LN)" if activation and norm else "LN" if norm else activation or about
            return Part("op" if norm else "layer", label, nodes, about=about)
        if activation is None:
            return Part("layer", "LN" if norm else "linear" if _is_affine(nodes) else about, nodes, about=about)
        return Part("layer", f"{activation}(LN)" if norm else activation, nodes, about=about)

    def _single(self, node: Node) -> Part:
        scope = around_functions(node.scope)
        about = scope.name if scope is not None else ""
        if node.op == "concatenate":
            return Part("join", "concatenate", (node,), about=about)
        definition = OPS[node.op]
        if is_relu(node):
            return Part("pointwise", "relu", (node,), about=about)
        if (clip := clip_of(node)) is not None and clip.inner in self.clips:
            return Part("pointwise", clip.label, (clip.inner, node), about=about)
        if definition.kind == "elementwise":
            bound = len(node.inputs) == 2 and len(self.operands(node)) == 1
            return Part("pointwise", self._with_constant(node) if bound else definition.label, (node,), about=about)
        note = attribute_note(node)
        label = note if node.op == "slice" else f"{definition.label} {note}" if note else definition.label
        return Part("op", label, (node,), about=about)

    def _finished(self, parts: list[Part], made: dict[Any, Part]) -> Anatomy:
        pairs = []
        for symbol, result, name in zip(self.step.states, self.results, self.result_names, strict=False):
            before = made[symbol]
            named = name if result.op != "symbol" and self.result_names.count(name) == 1 else None
            after = Part("next", named or _next(before.label), (result,), [made[result]])
            pairs.append((before, after))
            if before.label == symbol.attrs["name"] and named is not None and named.endswith("_t"):
                before.label = named.removesuffix("_t") + "_{t-1}"
        states = len(self.step.states)
        extra = self.results[states:]
        shown = []
        hidden = next((k for k, name in enumerate(self.step.names) if name in ("h", "hidden")), 0)
        for k, result in enumerate(extra or [self.results[hidden]]):
            name = self.result_names[states + k] if extra else pairs[hidden][1].label
            label = name or ("y_t" if k == 0 else f"y{k}_t")
            shown.append(Part("output", label, (result,), [made[result]]))
        everything = (*parts, *(after for _, after in pairs), *shown)
        of = {n: part for n, part in made.items() if isinstance(n, Node)}
        return Anatomy(self.step.title, everything, tuple(pairs), tuple(shown), of, self.weights)

    def _with_constant(self, node: Node) -> str:
        """The label of an operation whose other operand is a number or a weight: ``1−``, ``×2``, ``×decay``."""
        first = node.inputs[0] not in self.active
        known = value_of(node.inputs[0] if first else node.inputs[1])
        value = self.weights[known] = self._weight_name(known)
        label = OPS[node.op].label
        if node.op == "power":
            return f"{value}ˣ" if first else f"x{value.translate(_POWERS)}" if is_literal(known) else label
        return f"{value}{label}" if first and node.op in ("subtract", "divide") else f"{label}{value}"

    def _weight_name(self, node: Node) -> str:
        """What to call a value that depends on nothing that goes into the step."""
        if is_literal(node):
            return f"{node.attrs['value']:g}"
        name = (self.given.get(node) or name_of(node) or "").rpartition(".")[2]
        if name:
            return name
        short = text(node) if node.inputs and len(node.inputs) <= 2 else ""
        if short and len(short) <= 12:
            return short if node.op not in ("add", "subtract") else f"({short})"
        number = self.unnamed.setdefault(node, len(self.unnamed) + 1)
        return "w" + str(number).translate(_BELOW) if number > 1 else "w"


def _has_product(nodes: Iterable[Node]) -> bool:
    return any(n.op in ("matmul", "contract") for n in nodes)


def _is_affine(nodes: Iterable[Node]) -> bool:
    """Whether nodes are a product with a weight and a bias, and nothing else."""
    return [n.op for n in nodes if n.op not in PASSED] in (["matmul"], ["matmul", "add"])


def _tell_shared(layers: Mapping[Part, Sequence[Node]], active: Collection[Node]) -> None:
    """Put the name of a weight into the boxes of layers that share it; else two of one kind would look alike."""
    users: dict[Node, list[Part]] = {}
    for part, nodes in layers.items():
        weights = [value_of(x) for n in nodes if n.op == "matmul" for x in n.inputs if x not in active]
        for weight in dict.fromkeys(weights):
            users.setdefault(weight, []).append(part)
    shared = [(weight, parts) for weight, parts in users.items() if len(parts) > 1]
    for number, (weight, parts) in enumerate(shared, 1):
        name = name_of(weight) or "W" + str(number).translate(_BELOW) * (len(shared) > 1)
        for part in parts:
            part.label += f" {name}"


def _path(node: Node) -> tuple[Scope, ...]:
    scope = around_functions(node.scope)
    return scope.path if scope is not None else ()


def _enclosing(step: TracedStep, known: set[Node]) -> tuple[Scope, ...]:
    """The scopes round the whole step: that of its call, and cells; a role on them tells nothing apart."""
    ends = {*step.inputs, *step.states}
    found = [_path(n) for n in known if n not in ends and value_of(n) is n]
    common = 0
    while found and all(len(path) > common and path[common] is found[0][common] for path in found):
        common += 1
    depth = min(step.depth, common)
    while depth < common and found[0][depth].role == "cell":
        depth += 1
    return found[0][:depth] if found else ()


def _next(name: str) -> str:
    return name.replace("_{t-1}", "_t") if "_{t-1}" in name else f"new {name}"
