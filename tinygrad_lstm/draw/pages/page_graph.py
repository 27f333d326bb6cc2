"""What a page shows of a graph: items that are computed one after another, where they stand, and what they read.

An *item* is a step of the computation, or a value that is there from the beginning. ``named`` nodes become names of
what they name; a number becomes part of the picture beside each reader; a loop is a box with its body inside.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.formula.notation import power_of
from tinygrad_lstm.graph.function import slot_value, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.scopes import at_line
from tinygrad_lstm.graph.tensor import Node, Tensor, name_of

__all__ = ["Box", "Item", "ItemKind", "PageGraph", "PageWire", "ShownLoop", "Site", "page_graph_of", "reading_order"]

ItemKind = Literal[
    "input", "parameter", "state", "data", "constant", "carry", "slice", "pointwise", "op", "view", "result"
]
GIVEN = ("input", "parameter", "state", "data", "constant")
"""The kinds of what is there before anything is computed."""


@dataclass(eq=False)
class ShownLoop:
    """A loop as one reader of its body met it: two loops may share one body.

    Attributes:
        order: the nodes of the body, those that only a projection reads included.
        program: what a step computes, in order: items, and loops within the loop.
        env: the item that each node of the body is; what the body reads of the outside is an item there.
    """

    index: int
    node: Node
    label: str
    parent: "ShownLoop | None"
    order: list[Node]
    program: "list[Item | ShownLoop]" = field(default_factory=list)
    env: "dict[Node, Item]" = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """How often the body runs."""
        return int(self.node.attrs.get("length", 1))


@dataclass(eq=False)
class Box:
    """A scope, or the body of a loop, inside its parent."""

    index: int
    name: str
    role: str | None
    parent: "Box | None"
    loop: ShownLoop | None = None


@dataclass(eq=False)
class Item:
    """One value: its node, its names, and the loop whose steps it is computed in."""

    index: int
    kind: ItemKind
    label: str
    node: Tensor
    loop: ShownLoop | None
    names: list[str] = field(default_factory=list)
    reads: "list[Item]" = field(default_factory=list)


@dataclass(eq=False)
class Site:
    """A place in the picture. Parameters and numbers have one beside each reader."""

    item: Item
    box: Box | None


@dataclass(eq=False)
class PageWire:
    """A value on its way; ``back`` leads to the next step of a loop."""

    source: Site
    target: Site
    note: str = ""
    back: bool = False


@dataclass(eq=False)
class PageGraph:
    """All of it. ``program`` lists items and loops in the order of computation, results last; ``env`` is a loop's."""

    items: list[Item] = field(default_factory=list)
    loops: list[ShownLoop] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    wires: list[PageWire] = field(default_factory=list)
    program: list[Item | ShownLoop] = field(default_factory=list)
    order: list[Node] = field(default_factory=list)
    env: dict[Node, Item] = field(default_factory=dict)


def reading_order(outputs: Iterable[Node], first: Iterable[Node] = ()) -> list[Node]:
    """The ancestors of ``outputs`` as a person would compute them: what is done soonest, with all it needs, first."""
    depth: dict[Node, int] = {}
    for node in topological(outputs := list(outputs)):
        depth[node] = 1 + max([depth[x] for x in node.inputs], default=0)
    return topological((*first, *sorted(outputs, key=lambda y: depth[y])))


def page_graph_of(inputs: Sequence[Tensor], outputs: Sequence[Tensor], names: Sequence[str]) -> PageGraph:
    """The structure of the graph of ``outputs``, which bear ``names``."""
    return _Building(inputs, outputs, names).result


class _Building:
    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], names: Sequence[str]) -> None:
        self.result = PageGraph(order=reading_order(outputs, inputs))
        self.single: dict[Item, Site] = {}
        self.made: dict[Any, Box] = {}
        env = self.result.env
        self.walk(self.result.order, env, None, None, (), self.result.program)
        for y, name in zip(outputs, names, strict=True):
            item = self.add("result", name, y, None, self.result.program)
            self.connect(env[y], self.place(item, None))

    def add(
        self, kind: ItemKind, label: str, node: Any, loop: ShownLoop | None, program: list[Item | ShownLoop]
    ) -> Item:
        item = Item(len(self.result.items), kind, label, node, loop)
        self.result.items.append(item)
        program.append(item)
        return item

    def place(self, item: Item, box: Box | None) -> Site:
        site = Site(item, box)
        self.result.sites.append(site)
        self.single.setdefault(item, site)
        return site

    def connect(self, source: Item, target: Site, note: str = "", back: bool = False) -> None:
        if source.kind in ("parameter", "state", "constant"):
            start = self.place(source, target.box)
        else:
            start = self.single[source]
        if not back:
            target.item.reads.append(source)
        self.result.wires.append(PageWire(start, target, note, back))

    def walk(
        self,
        order: list[Node],
        env: dict[Node, Item],
        loop: ShownLoop | None,
        around: Box | None,
        outer: tuple[str, ...],
        program: list[Item | ShownLoop],
    ) -> None:
        """Make items of the nodes that ``env`` does not have yet; called again for each loop within a loop."""
        projections: dict[Node, list[Node]] = {}
        for node in order:
            if OPS[node.op].kind == "projection":
                projections.setdefault(node.inputs[0], []).append(node)
        bodies: dict[Node, dict[Node, Item]] = {}
        for node in order:
            kind = OPS[node.op].kind
            if node in env:
                continue
            if kind == "loop":
                found = projections.get(node, [])
                bodies[node] = self.loop(node, found, env, loop, self.box(node, around, outer), outer, program)
            elif kind == "projection":
                self.projection(node, env, bodies[node.inputs[0]], loop, self.box(node, around, outer), program)
            elif node.op == "named":
                env[node] = self.named(node, env[node.inputs[0]])
            elif kind == "view" and env[node.inputs[0]].kind == "constant":
                # The same number everywhere, in another shape.
                env[node] = env[node.inputs[0]]
            else:
                told, label = _told(node)
                # An exponent that is a number is part of the label.
                raised = node.op == "power" and env[node.inputs[1]].node.op == "constant"
                if raised:
                    label = power_of(env[node.inputs[1]].node.attrs["value"])
                env[node] = item = self.add(told, label, node, loop, program)
                if item.kind not in ("parameter", "state", "constant"):
                    # What is given stands outside of the scope that happened to be open when it was made.
                    box = around if item.kind in GIVEN else self.box(node, around, outer)
                    site = self.place(item, box)
                    for x in node.inputs[:1] if raised else node.inputs:
                        self.connect(env[x], site)

    def named(self, node: Node, item: Item) -> Item:
        name = node.attrs["name"]
        if item.kind not in ("parameter", "state", "constant") and name not in (item.label, *item.names):
            item.names.append(name)
        return item

    def loop(
        self,
        node: Node,
        projections: list[Node],
        env: dict[Node, Item],
        parent: ShownLoop | None,
        around: Box | None,
        outer: tuple[str, ...],
        program: list[Item | ShownLoop],
    ) -> dict[Node, Item]:
        """The items of a loop's body."""
        if node.op == "while_loop":
            raise UsageError(
                "draw.page: nothing says how many steps this while_loop has, and a page shows each; give it bound=, or "
                f"draw it with draw.graph{at_line(node.line)}"
            )
        body = node.attrs["body"]
        stacks = [p.attrs["value"] for p in projections if "value" in p.attrs]
        loop = ShownLoop(
            len(self.result.loops), node, _name(node), parent, reading_order([*body.outputs, *stacks], body.inputs)
        )
        self.result.loops.append(loop)
        program.append(loop)
        box = self.enclose(loop.label, None, around, loop)
        carries, xs = node.attrs.get("carries", 0), node.attrs.get("xs", 0)
        inner = loop.env
        for k, (symbol, given) in enumerate(zip(body.inputs, node.inputs, strict=True)):
            if k >= carries + xs:
                inner[symbol] = env[given]
                continue
            kind: ItemKind = "carry" if k < carries else "slice"
            inner[symbol] = item = self.add(kind, symbol.attrs["name"], symbol, loop, loop.program)
            self.connect(env[given], self.place(item, box), "first step" if k < carries else "each step")
        path = tuple(s.name for s in node.scope.path) if node.scope is not None else ()
        self.walk(loop.order, inner, loop, box, (*outer, *path[_shared(path, outer) :]), loop.program)
        for symbol, y in zip(body.inputs[:carries], body.outputs[:carries], strict=True):
            if inner[y] is not inner[symbol]:
                self.connect(inner[y], self.single[inner[symbol]], "next step", back=True)
        return inner

    def projection(
        self,
        node: Node,
        env: dict[Node, Item],
        inner: dict[Node, Item],
        loop: ShownLoop | None,
        box: Box | None,
        program: list[Item | ShownLoop],
    ) -> None:
        source = node.inputs[0]
        index = node.attrs.get("index")
        value = slot_value(node)
        label = "all steps"
        if index is not None and index < source.attrs.get("carries", 0):
            label = "last step"
        if source.op != "scan":
            label = "result"
        env[node] = item = self.add("view", label, node, loop, program)
        self.connect(inner[value], self.place(item, box))

    def box(self, node: Node, around: Box | None, outer: tuple[str, ...]) -> Box | None:
        """The innermost box of ``node``; scopes that are round the whole loop are not drawn again in its body."""
        if node.scope is None:
            return around
        path = node.scope.path
        at = around
        for s in path[_shared(tuple(s.name for s in path), outer) :]:
            # Each gradient makes scopes of its own; those of one name belong together.
            key = (at, s.name if node.origin is not None else s)
            if key not in self.made:
                self.made[key] = self.enclose(s.name, s.role, at, None)
            at = self.made[key]
        return at

    def enclose(self, name: str, role: str | None, parent: Box | None, loop: ShownLoop | None) -> Box:
        box = Box(len(self.result.boxes), name, role, parent, loop)
        self.result.boxes.append(box)
        return box


def _told(node: Node) -> tuple[ItemKind, str]:
    """Kind and label of a node that is one item."""
    definition = OPS[node.op]
    if node.op == "symbol":
        return "input", node.attrs["name"]
    if node.op == "constant":
        value = node.attrs["value"]
        return "constant", (f"{value:g}" if isinstance(value, float) else str(value)).replace("-", "−")
    if node.op == "arange":
        return "constant", f"0 … {node.attrs['length'] - 1}"
    if node.op == "leaf":
        label = node.attrs.get("label")
        kind: ItemKind = label.kind if label is not None and label.kind in ("parameter", "state") else "data"
        return kind, name_of(node) or kind
    kinds: dict[str, ItemKind] = {"elementwise": "pointwise", "view": "view", "identity": "view"}
    label = node.op.replace("_", " ") if definition.kind == "view" else definition.label
    return kinds.get(definition.kind, "op"), label


def _name(loop: Node) -> str:
    if loop.op != "scan":
        return "computed again for the gradient"
    length = loop.attrs["length"]
    return f"scan: {length:,} step{'s' * (length != 1)}{' backwards' * bool(loop.attrs['reverse'])}"


def _shared(path: tuple[str, ...], outer: tuple[str, ...]) -> int:
    """How many names two paths begin with together."""
    count = 0
    while count < min(len(path), len(outer)) and path[count] == outer[count]:
        count += 1
    return count
