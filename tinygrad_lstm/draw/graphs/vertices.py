"""What a picture of a graph is made of: vertices, edges, and clusters."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal

from tinygrad_lstm.draw.graphs.unrolling import Path
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.registry import NodeType
from tinygrad_lstm.graph.tensor import Node

__all__ = [
    "LEAVES",
    "TO_THE_NEXT_STEP",
    "Cluster",
    "Edge",
    "Vertex",
    "VertexKind",
    "around",
    "computes_gradient",
    "node_in_words",
    "place_of",
]

VertexKind = Literal[
    "pointwise",
    "op",
    "view",
    "symbol",
    "parameter",
    "state",
    "leaf",
    "constant",
    "carry",
    "slice",
    "loop",
    "output",
    "folded",
]
LEAVES = ("parameter", "state", "leaf", "constant")
TO_THE_NEXT_STEP = ", dashed: to the next step"
"""Said of a loop whose body is shown."""


@dataclass(eq=False)
class Cluster:
    """A scope, or a loop's body, inside its parent."""

    name: str
    role: str | None
    parent: "Cluster | None"
    level: int
    loop: bool = False
    note: str = ""

    @property
    def function(self) -> bool:
        """Whether it is a function that a reader knows by its name."""
        return self.role == "function"


@dataclass(eq=False)
class Vertex:
    """One thing to draw: a node of the graph, or a place where values enter or leave.

    Attributes:
        label: the operation, or the name of a leaf.
        names: what the user called the value.
        type: of the value.
        node: what it stands for, if that is one node, in the loops ``path``.
        role: of the scope that it stands for.
        gradient: whether it helps to compute a gradient.
        origin: the vertex of the forward pass that it belongs to then.
        count: how many vertices it stands for.
        times: how many equal blocks it stands for.
        notes: small print.
        heat: its place on the scale of heat colours, from 0 to 1.
        closed: whether it is a gate or layer that is drawn as one.
        part: whether it stands for a function, drawn like one operation.
        factor: what it multiplies by, adds or takes away, where that is no vertex: a value of the forward pass.
        lent: the names of values of the forward pass that it reads without lines.
        before: whether it is a leaf that enters the loop whose body it is counted to, and stands before its box.
    """

    kind: VertexKind
    label: str
    cluster: Cluster | None
    names: list[str] = field(default_factory=list)
    type: NodeType | None = None
    node: Node | None = None
    path: Path = ()
    role: str | None = None
    gradient: bool = False
    origin: "Vertex | None" = None
    count: int = 1
    times: int = 0
    notes: list[str] = field(default_factory=list)
    heat: float | None = None
    closed: bool = False
    factor: str = ""
    lent: list[str] = field(default_factory=list)
    before: bool = False
    part: bool = False

    @property
    def frame(self) -> Cluster | None:
        """The cluster that it is drawn in."""
        return self.cluster.parent if self.before and self.cluster is not None else self.cluster


@dataclass(eq=False)
class Edge:
    """A value on its way.

    Attributes:
        type: of the value.
        note: what happens to it at the border of a loop.
        back: whether it leads to the next step.
        reads: the loops, the reading node and the number of its operand; the number −1 stands for the reader itself.
        mark: which operand of its reader it is, where that makes a difference.
        flow: the norm of the gradient that comes back over it, the largest of all steps.
        range: the smallest and the largest of them, where there are several.
    """

    source: Vertex
    target: Vertex
    type: NodeType | None = None
    note: str = ""
    back: bool = False
    reads: tuple[Path, Node, int] | None = None
    mark: str = ""
    flow: float | None = None
    range: tuple[float, float] | None = None


def around(cluster: Cluster | None) -> list[Cluster]:
    """The clusters round something, the outermost first."""
    found = []
    while cluster is not None:
        found.append(cluster)
        cluster = cluster.parent
    return found[::-1]


def computes_gradient(vertices: Iterable[Vertex]) -> bool:
    """Whether all operations among ``vertices`` help to compute a gradient; leaves belong to their readers."""
    own = [v.gradient for v in vertices if v.kind not in LEAVES]
    return bool(own) and all(own)


def place_of(node: Node) -> tuple[str, int] | None:
    """File and number of the line of the user's that made ``node``; the start of Python or of the command is none."""
    if node.line is None or node.line[0].startswith("<frozen"):
        return None
    # The command is a script, and on Windows an executable with a script inside.
    path = PurePath(node.line[0])
    return None if path.name == "tinygrad-lstm" or path.parent.name == "tinygrad-lstm.exe" else node.line


def node_in_words(node: Node) -> str:
    """Operation, attributes, type and place in the user's file, in one line."""
    skipped = ("name", "label", "value", "body", "owner", "dtype", "device", "shape")
    attributes = [f"{k}={_shown(v)}" for k, v in node.attrs.items() if k not in skipped]
    place = place_of(node)
    line = f"{PurePath(place[0]).name}:{place[1]}" if place is not None else ""
    scope = str(node.scope) if node.scope is not None else ""
    return " · ".join(part for part in (" ".join([node.op, *attributes]), str(node.type), scope, line) if part)


def _shown(value: Any) -> str:
    if isinstance(value, DType):
        return value.short
    # The text of any other object may hold its address.
    plain = value is None or isinstance(value, bool | int | float | str | tuple)
    return str(value) if plain else getattr(value, "__name__", type(value).__name__)
