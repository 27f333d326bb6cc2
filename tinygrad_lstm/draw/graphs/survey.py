"""A computation graph as vertices, edges and clusters: what a picture of it shows before anything is folded.

``named`` nodes become names of what they name. Parameters, states and constants stand beside each of their readers.
A loop is a cluster with its body inside: what it carries comes back by a dashed edge, and the projections of its
results are edges out of the body. Or it is one vertex.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_lstm.draw.graphs.unrolling import Path
from tinygrad_lstm.draw.graphs.vertices import TO_THE_NEXT_STEP, Cluster, Edge, Vertex, VertexKind
from tinygrad_lstm.draw.marks import attribute_note, operand_marks
from tinygrad_lstm.formula.notation import power_of
from tinygrad_lstm.graph.function import Graph, read_by_body, slot_value, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.scopes import Scope
from tinygrad_lstm.graph.tensor import Node, name_of, origin_of

__all__ = ["survey"]

ENTERING = ("symbol", "carry", "slice")
"""Kinds of vertices at which something enters that may have two names."""
ENTERS = ("first", "each step")
"""How a loop reads what comes from the outside."""


@dataclass(frozen=True)
class _Value:
    """Where a value comes from: a vertex, or a leaf that is drawn again at each use."""

    vertex: Vertex | None
    leaf: Node | None = None
    note: str = ""


@dataclass(frozen=True)
class _Frame:
    """The top level or a body: the values known there, the cluster and the scopes round it, and its loops."""

    env: dict[Node, _Value]
    cluster: Cluster | None
    outer: tuple[str, ...]
    path: Path


def survey(
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    names: Sequence[str],
    *,
    boxes: bool = False,
    together: bool = False,
) -> tuple[list[Vertex], list[Edge]]:
    """The vertices and edges of the graph of ``outputs``, which bear ``names``; inputs come before their readers.

    Args:
        boxes: whether a loop is one vertex.
        together: whether what computes a gradient stands in the scopes of the forward pass.
    """
    work = _Survey(boxes, together)
    top = _Frame({}, None, (), ())
    for node in inputs:
        top.env[node] = _Value(work.add(node, "symbol", node.attrs["name"], top, None))
    work.walk((*inputs, *outputs), top)
    for node, name in zip(outputs, names, strict=True):
        end = Vertex("output", name, None, type=node.type)
        work.vertices.append(end)
        work.connect(top.env[node], end, node)
    for v in work.vertices:
        _call_once(v, work.vertices)
        origin = origin_of(v.node) if v.gradient and v.node is not None else None
        if origin is not None:
            found = work.standing.get(origin)
            v.origin = found if found is not v else None
    return work.vertices, work.edges


def _call_once(v: Vertex, others: Sequence[Vertex]) -> None:
    """Call what enters by its textbook's name alone, where its own is the letter of it: ``x`` and ``x_t`` are one."""
    if v.kind not in ENTERING or not v.names:
        return
    letter = (v.label.rpartition(".")[2] or v.label).casefold()
    name = next((n for n in v.names if n.partition("_")[0].casefold() == letter), None)
    if name is not None and not any(o is not v and o.label == name and o.kind == v.kind for o in others):
        v.names.remove(name)
        v.label = name


class _Survey:
    def __init__(self, boxes: bool, together: bool) -> None:
        self.boxes = boxes
        self.together = together
        self.vertices: list[Vertex] = []
        self.edges: list[Edge] = []
        self.clusters: dict[Any, Cluster] = {}
        self.standing: dict[Node, Vertex] = {}
        # Two loops may share one body, and with it the loops inside: a loop is drawn once for each frame it is in.
        self.bodies: dict[tuple[int, Node], _Frame | Vertex] = {}
        self.leaving: dict[Any, Vertex] = {}

    def add(self, node: Node, kind: VertexKind, label: str, frame: _Frame, cluster: Cluster | None) -> Vertex:
        vertex = Vertex(kind, label, cluster, type=node.type, node=node, path=frame.path)
        vertex.gradient = node.origin is not None
        self.vertices.append(vertex)
        self.standing.setdefault(node, vertex)
        return vertex

    def walk(self, outputs: Sequence[Node], frame: _Frame) -> None:
        """Draw what ``outputs`` need and ``frame`` does not have yet; called again for each loop within a loop."""
        env = frame.env
        order = topological(outputs)
        joined = _stacked_only(order, outputs)
        for node in order:
            if node in env or (id(env), node) in self.bodies:
                continue
            definition = OPS[node.op]
            if node.op == "symbol":
                env[node] = _Value(self.add(node, "symbol", node.attrs["name"], frame, None))
            elif node.op == "named":
                env[node] = self._named(node, env[node.inputs[0]])
            elif definition.kind == "loop":
                self._loop(node, frame)
            elif definition.kind == "projection":
                env[node] = self._projected(node, frame)
            elif _is_repeated(node):
                env[node] = _Value(None, node)
            elif definition.kind == "view" and _is_number(env[node.inputs[0]]):
                # The same number everywhere, in another shape.
                env[node] = _Value(None, env[node.inputs[0]].leaf)
            elif node in joined:
                env[node] = env[node.inputs[0]]
            elif _is_pick(node) and env[node.inputs[0]].vertex is not None:
                env[node] = self._picked(node, env[node.inputs[0]])
            else:
                self._operation(node, frame, joined)

    def _operation(self, node: Node, frame: _Frame, joined: set[Node]) -> None:
        definition = OPS[node.op]
        cluster = self._cluster(node, frame)
        if node.op == "leaf":
            vertex = self.add(node, "leaf", _data_label(node), frame, _outside_functions(cluster))
        else:
            kinds: dict[str, VertexKind] = {"elementwise": "pointwise", "view": "view", "identity": "view"}
            label = node.op.replace("_", " ") if definition.kind == "view" else definition.label
            if any(x in joined for x in node.inputs):
                label = "stack"
            vertex = self.add(node, kinds.get(definition.kind, "op"), label, frame, cluster)
        exponent = _exponent(node, frame.env)
        if exponent is not None:
            vertex.label = exponent
        elif note := attribute_note(node):
            vertex.notes.append(note)
        marks = operand_marks(node)
        for slot, x in enumerate(node.inputs):
            if slot and exponent is not None:
                continue
            read = x.inputs[0] if x in joined else x
            mark = marks[slot] if exponent is None else ""
            self.connect(frame.env[x], vertex, read, reads=(frame.path, node, slot), mark=mark)
        frame.env[node] = _Value(vertex)

    def _named(self, node: Node, value: _Value) -> _Value:
        name = node.attrs["name"]
        if value.vertex is not None:
            self.standing.setdefault(node, value.vertex)
            if not value.note and name not in (value.vertex.label, *value.vertex.names):
                value.vertex.names.append(name)
        return value

    def _picked(self, node: Node, value: _Value) -> _Value:
        vertex, sliced = value.vertex, node.inputs[0]
        assert vertex is not None
        if vertex.node is sliced:
            vertex.notes.clear()
            vertex.label, vertex.type, vertex.node = f"[{sliced.attrs['start'][0]}]", node.type, node
            self.standing.setdefault(node, vertex)
        return value

    def connect(
        self,
        value: _Value,
        target: Vertex,
        node: Node,
        note: str = "",
        reads: tuple[Path, Node, int] | None = None,
        mark: str = "",
    ) -> None:
        """An edge from where ``node`` comes from; a repeated leaf is drawn beside its reader."""
        if value.vertex is not None:
            self.edges.append(Edge(value.vertex, target, node.type, note or value.note, reads=reads, mark=mark))
            return
        assert value.leaf is not None
        leaf = value.leaf
        kind, label = _leaf_label(leaf)
        # What a function is called with is no part of it, other than the numbers that it is made of.
        around = target.cluster if kind == "constant" else _outside_functions(target.cluster)
        vertex = Vertex(kind, label, around, type=node.type, node=leaf, path=target.path)
        vertex.before = note in ENTERS and target.kind in ("carry", "slice")
        # Before its reader, so that the inputs of a vertex always precede it.
        at = len(self.vertices) - 1 if self.vertices and self.vertices[-1] is target else len(self.vertices)
        self.vertices.insert(at, vertex)
        self.edges.append(Edge(vertex, target, None, note, reads=reads, mark=mark))

    def _scopes(self, node: Node) -> list[tuple[Scope, Any]]:
        """The scopes of ``node``, each with what tells it from others."""
        path = node.scope.path if node.scope is not None else ()
        keys: list[Any] = list(path)
        origin = origin_of(node)
        around = origin.scope.path if origin is not None and origin.scope is not None else ()
        if node.origin is None or not path or path[0].name != "gradient":
            return list(zip(path, keys, strict=True))
        if [s.name for s in around[: len(path) - 1]] == [s.name for s in path[1:]]:
            # Each gradient makes its own scopes; what belongs to one scope of the forward pass stands together.
            keys = ["gradient", *around[: len(path) - 1]]
        found = list(zip(path, keys, strict=True))
        return found[1:] if self.together else found

    def _cluster(self, node: Node, frame: _Frame) -> Cluster | None:
        """The innermost cluster of ``node``; scopes that are round the whole loop are not drawn again in its body."""
        scopes = self._scopes(node)
        at = frame.cluster
        for s, own in scopes[_shared([s.name for s, _ in scopes], frame.outer) :]:
            if at is not None and _is_same(s, at):
                continue
            key = (at, own)
            if key not in self.clusters:
                self.clusters[key] = Cluster(s.name, s.role, at, at.level + 1 if at else 1, note=s.note)
            at = self.clusters[key]
        return at

    def _loop(self, loop: Node, frame: _Frame) -> None:
        body: Graph = loop.attrs["body"]
        carries, xs = loop.attrs.get("carries", 0), loop.attrs.get("xs", 0)
        # In front of the carries of a `while_loop` stands its condition.
        first = int(loop.op == "while_loop")
        around = self._cluster(loop, frame)
        reads = [(frame.path, loop, slot) for slot in range(len(loop.inputs))]
        if self.boxes:
            box = self.add(loop, "loop", _loop_label(loop), frame, around)
            for slot, x in enumerate(loop.inputs):
                note = "first" if slot < first + carries else "each step" if slot < first + carries + xs else ""
                self.connect(frame.env[x], box, x, note, reads[slot])
            self.bodies[id(frame.env), loop] = box
            return
        dashed = TO_THE_NEXT_STEP if carries else ""
        cluster = Cluster(_loop_label(loop) + dashed, None, around, around.level + 1 if around else 1, loop=True)
        names = [s.name for s, _ in self._scopes(loop)]
        outer = (*frame.outer, *names[_shared(names, frame.outer) :])
        inner = _Frame({}, cluster, outer, (*frame.path, loop))
        if first:
            going = Vertex("carry", "go on?", cluster, type=loop.inputs[0].type, path=inner.path)
            going.gradient = loop.origin is not None
            self.vertices.append(going)
            self.connect(frame.env[loop.inputs[0]], going, loop.inputs[0], "first")
        entering: list[Vertex] = []
        for k, (symbol, given) in enumerate(zip(body.inputs, read_by_body(loop), strict=True)):
            if k >= carries + xs:
                inner.env[symbol] = frame.env[given]
                continue
            vertex = self.add(symbol, "carry" if k < carries else "slice", symbol.attrs["name"], inner, cluster)
            vertex.gradient = loop.origin is not None
            reader = (inner.path, symbol, -1)
            if k >= carries:
                vertex.notes.append("each step")
            self.connect(frame.env[given], vertex, given, "first" if k < carries else "each step", reader)
            inner.env[symbol] = _Value(vertex)
            entering.append(vertex)
        self.walk(body.outputs, inner)
        if first:
            again = inner.env[body.outputs[0]]
            if again.vertex is None:
                self.connect(again, going, body.outputs[0], "next")
            else:
                self.edges.append(Edge(again.vertex, going, None, "next", back=True))
        for vertex, symbol, result in zip(entering[:carries], body.inputs, body.outputs[first:], strict=False):
            value = inner.env[result]
            reader = (inner.path, symbol, -1)
            if value.vertex is None:
                self.connect(value, vertex, result, "next", reader)
            elif value.vertex is not vertex:
                self.edges.append(Edge(value.vertex, vertex, None, "next", back=True, reads=reader))
        self.bodies[id(frame.env), loop] = inner

    def _projected(self, node: Node, frame: _Frame) -> _Value:
        loop = node.inputs[0]
        index = node.attrs.get("index")
        value = slot_value(node)
        note = "all steps"
        if index is not None:
            note = "" if loop.op == "call" else "last" if index < loop.attrs["carries"] else note
        drawn = self.bodies[id(frame.env), loop]
        if isinstance(drawn, Vertex):
            return _Value(drawn, None, f"{note} {name_of(value)}" if name_of(value) and note else note)
        # A gradient stacks values that the body itself has no use for.
        self.walk((value,), drawn)
        found = drawn.env[value]
        return self._put_out(node, found, drawn, note) if note else _Value(found.vertex, found.leaf)

    def _put_out(self, node: Node, found: _Value, drawn: _Frame, note: str) -> _Value:
        """Where a value leaves the body of a loop."""
        key = (drawn.cluster, found.vertex or found.leaf, note)
        if key not in self.leaving:
            vertex = Vertex("slice", note, drawn.cluster, type=node.type, node=node, path=drawn.path[:-1])
            vertex.gradient = node.origin is not None
            self.vertices.append(vertex)
            self.connect(found, vertex, node)
            self.leaving[key] = vertex
        self.standing.setdefault(node, self.leaving[key])
        return _Value(self.leaving[key])


def _outside_functions(cluster: Cluster | None) -> Cluster | None:
    while cluster is not None and cluster.function:
        cluster = cluster.parent
    return cluster


def _is_same(scope: Scope, around: Cluster) -> bool:
    """Whether a layer has the name of the gate or layer that it is all of: ``forget`` in ``forget gate``."""
    return scope.role == "layer" and around.role in ("gate", "layer") and around.name.split(" ")[0] == scope.name


def _data_label(leaf: Any) -> str:
    """A single number as it is; ``data`` for the others."""
    if leaf.type.shape or leaf.value is None:
        return "data"
    value = leaf.numpy().item()
    return (f"{value:g}" if isinstance(value, float) else str(value)).replace("-", "−")


def _loop_label(loop: Node) -> str:
    if loop.op == "call":
        return "computed again" if loop.origin is not None else "computed again for the gradient"
    if loop.op == "while_loop":
        return "while the condition holds"
    length = loop.attrs["length"]
    return f"scan: {length} step{'s' * (length != 1)}{' backwards' * bool(loop.attrs['reverse'])}"


def _shared(path: Sequence[str], outer: Sequence[str]) -> int:
    """How many names two paths begin with together."""
    count = 0
    while count < min(len(path), len(outer)) and path[count] == outer[count]:
        count += 1
    return count


def _stacked_only(order: Iterable[Node], outputs: Iterable[Node]) -> set[Node]:
    """Views that only give an array the axis along which it is joined with others."""
    found: set[Node] = set()
    kept: set[Node] = set(outputs)
    for node in order:
        axis = node.attrs.get("axis") if node.op == "concatenate" else None
        adding = axis is not None and all(
            x.op == "reshape" and x.shape == (*x.inputs[0].shape[:axis], 1, *x.inputs[0].shape[axis:])
            for x in node.inputs
        )
        (found if adding else kept).update(node.inputs)
    return found - kept


def _is_pick(node: Node) -> bool:
    """Whether ``node`` drops the axis of a slice that is one element along the first axis."""
    x = node.inputs[0] if node.op == "reshape" else None
    return x is not None and x.op == "slice" and x.shape[:1] == (1,) and node.type.shape == x.shape[1:]


def _exponent(node: Node, env: Mapping[Node, _Value]) -> str | None:
    """The label of a power whose exponent is a number: ``x²``."""
    leaf = env[node.inputs[1]].leaf if node.op == "power" else None
    return power_of(leaf.attrs["value"]) if leaf is not None and leaf.op == "constant" else None


def _is_repeated(node: Node) -> bool:
    return node.op in ("constant", "arange") or (node.op == "leaf" and "label" in node.attrs)


def _is_number(value: _Value) -> bool:
    return value.leaf is not None and value.leaf.op == "constant"


def _leaf_label(leaf: Node) -> tuple[VertexKind, str]:
    if leaf.op == "constant":
        value = leaf.attrs["value"]
        return "constant", f"{value:g}".replace("-", "−") if isinstance(value, float) else str(value)
    if leaf.op == "arange":
        return "constant", f"0 … {leaf.attrs['length'] - 1}"
    label = leaf.attrs.get("label")
    kind: VertexKind = label.kind if label is not None and label.kind in ("parameter", "state") else "leaf"
    return kind, name_of(leaf) or kind
