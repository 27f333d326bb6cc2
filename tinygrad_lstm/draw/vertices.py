"""A computation graph as vertices, edges and clusters: what a picture of it shows before anything is folded.

``named`` nodes become names of what they name. Parameters, states and constants stand beside each of their readers.
A loop is a cluster with its body inside: what it carries comes back by a dashed edge, and the projections of its
results are edges out of the body.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal

from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.registry import OPS, NodeType
from tinygrad_lstm.graph.tensor import Node, name_of
from tinygrad_lstm.graph.walk import topological

__all__ = ["Cluster", "Edge", "Vertex", "VertexKind", "described", "survey"]

VertexKind = Literal[
    "pointwise", "op", "view", "symbol", "parameter", "state", "leaf", "constant", "carry", "slice", "output", "folded"
]


@dataclass(eq=False)
class Cluster:
    """A scope, or a loop's body, inside its parent."""

    name: str
    role: str | None
    parent: "Cluster | None"
    level: int
    loop: bool = False


@dataclass(eq=False)
class Vertex:
    """One thing to draw: a node of the graph, or a place where values enter or leave.

    Attributes:
        label: the operation, or the name of a leaf.
        names: what the user called the value.
        type: of the value.
        node: what it stands for, if that is one node.
        role: of the scope that it stands for.
        gradient: whether it helps to compute a gradient.
    """

    kind: VertexKind
    label: str
    cluster: Cluster | None
    names: list[str] = field(default_factory=list)
    type: NodeType | None = None
    node: Node | None = None
    role: str | None = None
    gradient: bool = False
    count: int = 1


@dataclass(eq=False)
class Edge:
    """A value on its way: its type, and what happens to it at the border of a loop."""

    source: Vertex
    target: Vertex
    type: NodeType | None = None
    note: str = ""
    back: bool = False


@dataclass(frozen=True)
class _Value:
    """Where a value comes from: a vertex, or a leaf that is drawn again at each use."""

    vertex: Vertex | None
    leaf: Node | None = None
    note: str = ""


@dataclass(frozen=True)
class _Body:
    """A loop's body as it was drawn: values outside and inside, its cluster, and the scopes round it."""

    env: dict[Node, _Value]
    inner: dict[Node, _Value]
    cluster: Cluster
    outer: tuple[str, ...]


def survey(inputs: Sequence[Node], outputs: Sequence[Node], names: Sequence[str]) -> tuple[list[Vertex], list[Edge]]:
    """The vertices and edges of the graph of ``outputs``, which bear ``names``; inputs come before their readers."""
    work = _Survey()
    for node in inputs:
        work.symbol(node, None)
    env: dict[Node, _Value] = {x: _Value(v) for x, v in work.symbols.items()}
    work.walk((*inputs, *outputs), env, None, ())
    for node, name in zip(outputs, names, strict=True):
        end = Vertex("output", name, None, type=node.type)
        work.vertices.append(end)
        work.connect(env[node], end, node)
    return work.vertices, work.edges


class _Survey:
    def __init__(self) -> None:
        self.vertices: list[Vertex] = []
        self.edges: list[Edge] = []
        self.clusters: dict[Any, Cluster] = {}
        self.symbols: dict[Node, Vertex] = {}
        # Two loops may share one body, and with it the loops inside: a loop is drawn once for each `env` it is in.
        self.bodies: dict[tuple[int, Node], _Body] = {}

    def symbol(self, node: Node, cluster: Cluster | None) -> Vertex:
        self.symbols[node] = self._add(node, "symbol", node.attrs["name"], cluster)
        return self.symbols[node]

    def _add(self, node: Node, kind: VertexKind, label: str, cluster: Cluster | None) -> Vertex:
        vertex = Vertex(kind, label, cluster, type=node.type, node=node, gradient=node.origin is not None)
        self.vertices.append(vertex)
        return vertex

    def walk(
        self, outputs: Iterable[Node], env: dict[Node, _Value], inside: Cluster | None, outer: tuple[str, ...]
    ) -> None:
        """Draw what ``outputs`` need and ``env`` does not have yet; called again for each loop within a loop."""
        for node in topological(outputs):
            if node in env or (id(env), node) in self.bodies:
                continue
            definition = OPS[node.op]
            if node.op == "symbol":
                env[node] = _Value(self.symbol(node, None))
            elif node.op == "named":
                env[node] = self._named(node, env[node.inputs[0]])
            elif definition.kind == "loop":
                self._loop(node, env, self._cluster(node, inside, outer), (*outer, *_names(node, outer)))
            elif definition.kind == "projection":
                env[node] = self._projected(node, env)
            elif _is_repeated(node):
                env[node] = _Value(None, node)
            elif definition.kind == "view" and env[node.inputs[0]].leaf is not None and _is_number(env[node.inputs[0]]):
                # The same number everywhere, in another shape.
                env[node] = _Value(None, env[node.inputs[0]].leaf)
            else:
                self._operation(node, env, self._cluster(node, inside, outer))

    def _operation(self, node: Node, env: dict[Node, _Value], cluster: Cluster | None) -> None:
        definition = OPS[node.op]
        if node.op == "leaf":
            vertex = self._add(node, "leaf", "data", cluster)
        else:
            kinds: dict[str, VertexKind] = {"elementwise": "pointwise", "view": "view", "identity": "view"}
            label = node.op.replace("_", " ") if definition.kind == "view" else definition.label
            vertex = self._add(node, kinds.get(definition.kind, "op"), label, cluster)
        for x in node.inputs:
            self.connect(env[x], vertex, x)
        env[node] = _Value(vertex)

    def _named(self, node: Node, value: _Value) -> _Value:
        name = node.attrs["name"]
        if value.vertex is not None and not value.note and name not in (value.vertex.label, *value.vertex.names):
            value.vertex.names.append(name)
        return value

    def connect(self, value: _Value, target: Vertex, node: Node, note: str = "") -> None:
        """An edge from where ``node`` comes from; a repeated leaf is drawn beside its reader."""
        if value.vertex is not None:
            self.edges.append(Edge(value.vertex, target, node.type, note or value.note))
            return
        assert value.leaf is not None
        leaf = value.leaf
        kind, label = _leaf_label(leaf)
        vertex = Vertex(kind, label, target.cluster, type=node.type, node=leaf)
        # Before its reader, so that the inputs of a vertex always precede it.
        at = len(self.vertices) - 1 if self.vertices and self.vertices[-1] is target else len(self.vertices)
        self.vertices.insert(at, vertex)
        self.edges.append(Edge(vertex, target, None, note))

    def _cluster(self, node: Node, inside: Cluster | None, outer: tuple[str, ...]) -> Cluster | None:
        """The innermost cluster of ``node``; scopes that are round the whole loop are not drawn again in its body."""
        if node.scope is None:
            return inside
        path = node.scope.path
        keys: list[Any] = list(path)
        origin = node.origin() if node.origin is not None else None
        if origin is not None and len(origin.scope.path if origin.scope is not None else ()) + 1 == len(path):
            # Each gradient makes its own scopes; what belongs to one scope of the forward pass stands together.
            keys = ["gradient", *(origin.scope.path if origin.scope is not None else ())]
        skipped = _shared(tuple(s.name for s in path), outer)
        at = inside
        for s, own in zip(path[skipped:], keys[skipped:], strict=True):
            key = (at, own)
            if key not in self.clusters:
                self.clusters[key] = Cluster(s.name, s.role, at, at.level + 1 if at else 1)
            at = self.clusters[key]
        return at

    def _loop(self, loop: Node, env: dict[Node, _Value], around: Cluster | None, outer: tuple[str, ...]) -> None:
        body: Graph = loop.attrs["body"]
        carries, xs = loop.attrs.get("carries", 0), loop.attrs.get("xs", 0)
        cluster = Cluster(_loop_label(loop), None, around, around.level + 1 if around else 1, loop=True)
        inner: dict[Node, _Value] = {}
        entering: list[Vertex] = []
        for k, (symbol, given) in enumerate(zip(body.inputs, loop.inputs, strict=True)):
            if k >= carries + xs:
                inner[symbol] = env[given]
                continue
            vertex = self._add(symbol, "carry" if k < carries else "slice", symbol.attrs["name"], cluster)
            vertex.gradient = loop.origin is not None
            self.connect(env[given], vertex, given, "first" if k < carries else "each step")
            inner[symbol] = _Value(vertex)
            entering.append(vertex)
        self.walk(body.outputs, inner, cluster, outer)
        for vertex, result in zip(entering[:carries], body.outputs[:carries], strict=True):
            value = inner[result]
            if value.vertex is None:
                self.connect(value, vertex, result, "next")
            elif value.vertex is not vertex:
                self.edges.append(Edge(value.vertex, vertex, None, "next", back=True))
        self.bodies[id(env), loop] = _Body(env, inner, cluster, outer)

    def _projected(self, node: Node, env: dict[Node, _Value]) -> _Value:
        loop = node.inputs[0]
        index = node.attrs.get("index")
        value = loop.attrs["body"].outputs[index] if index is not None else node.attrs["value"]
        note = "all steps"
        if index is not None:
            note = "" if loop.op == "call" else "last" if index < loop.attrs["carries"] else note
        drawn = self.bodies[id(env), loop]
        # A gradient stacks values that the body itself has no use for.
        self.walk((value,), drawn.inner, drawn.cluster, drawn.outer)
        found = drawn.inner[value]
        return _Value(found.vertex, found.leaf, note)


def _loop_label(loop: Node) -> str:
    if loop.op == "call":
        return "computed again" if loop.origin is not None else "computed again for the gradient"
    length = loop.attrs["length"]
    words = f"scan: {length} step{'s' * (length != 1)}{' backwards' * bool(loop.attrs['reverse'])}"
    return words + (", dashed: to the next step" if loop.attrs["carries"] else "")


def _names(node: Node, outer: tuple[str, ...]) -> tuple[str, ...]:
    path = tuple(s.name for s in node.scope.path) if node.scope is not None else ()
    return path[_shared(path, outer) :]


def _shared(path: tuple[str, ...], outer: tuple[str, ...]) -> int:
    """How many names two paths begin with together."""
    count = 0
    while count < min(len(path), len(outer)) and path[count] == outer[count]:
        count += 1
    return count


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


def described(node: Node) -> str:
    """Operation, attributes, type and place in the user's file, in one line."""
    skipped = ("name", "label", "value", "body", "owner", "dtype", "device", "shape")
    attributes = [f"{k}={_shown(v)}" for k, v in node.attrs.items() if k not in skipped]
    line = f"{PurePath(node.line[0]).name}:{node.line[1]}" if node.line is not None else ""
    scope = str(node.scope) if node.scope is not None else ""
    return " · ".join(part for part in (" ".join([node.op, *attributes]), str(node.type), scope, line) if part)


def _shown(value: Any) -> str:
    return value.short if isinstance(value, DType) else str(value)
