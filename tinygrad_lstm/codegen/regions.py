"""From a graph to operations: views become references, bodies become regions, and every result that has to lie at a
certain place gets an operation that writes it there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tinygrad_lstm.codegen.operations import Carried, Kind, Operation, Reference, Region, row_major, whole
from tinygrad_lstm.codegen.references import (
    at_time,
    broadcast,
    canonical,
)
from tinygrad_lstm.graph.dtypes import DType, bool_, float16
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node
from tinygrad_lstm.graph.types import Shape
from tinygrad_lstm.graph.walk import topological
from tinygrad_lstm.kernels.custom import CUSTOM

__all__ = ["Built", "Rule"]

Environment = dict[Node, Any]
Rule = Callable[["Built", Any, list[Reference], Region], Reference]
"""From a node and references to its arguments to a reference to its result."""


class Built:
    """The regions of a graph.

    Attributes:
        inputs: for each input of the graph its operation.
        outputs: for each output the operation that writes it.
        lengths: the number of steps of each loop.
        floats: the float types that kernels and products compute with.
    """

    def __init__(self, graph: Graph, rules: Mapping[str, Rule], floats: Sequence[DType]) -> None:
        self.rules, self.floats = rules, floats
        self.lengths: dict[int, int] = {}
        self.region = Region()
        self._arrays: dict[Operation, Operation] = {}
        environment: Environment = {}
        self.inputs: list[Operation] = []
        for x in graph.inputs:
            op = self.add(self.region, "input", x.shape, x.dtype, node=x)
            op.stored = True
            self.inputs.append(op)
            environment[x] = whole(op)
        self.visit(graph.outputs, environment, self.region)
        self.outputs = [self.copy(environment[y], self.region, y) for y in graph.outputs]

    def add(self, region: Region, kind: Kind, shape: Shape, dtype: DType, **rest: Any) -> Operation:
        """A new operation at the end of a region."""
        op = Operation(kind, shape, dtype, region, **rest)
        region.operations.append(op)
        return op

    def visit(self, outputs: Sequence[Node], environment: Environment, region: Region) -> None:
        """Fill the environment with what ``outputs`` depend on."""
        order = topological(outputs, stop=lambda n: n in environment or _known(n))
        requested: dict[Node, dict[Any, None]] = {}
        for node in order:
            if node.op in ("item", "stacked") and node not in environment and not _known(node):
                slot = node.attrs["index"] if node.op == "item" else node.attrs["value"]
                requested.setdefault(node.inputs[0], {})[slot] = None
        for node in order:
            if node in environment:
                continue
            if _known(node):
                op = self.add(region, "array", node.type.shape, node.type.dtype, attr=node.value, node=node)
                op.stored = True
                environment[node] = whole(op)
            elif node.op == "scan":
                environment[node] = self.scan(node, list(requested.get(node, ())), environment, region)
            elif node.op == "call":
                inner = dict(zip(node.attrs["body"].inputs, [environment[x] for x in node.inputs], strict=True))
                ys = node.attrs["body"].outputs
                wanted = [ys[k] for k in requested.get(node, ())]
                self.visit(wanted, inner, region)
                environment[node] = {k: inner[ys[k]] for k in requested.get(node, ())}
            elif node.op in ("item", "stacked"):
                slot = node.attrs["index"] if node.op == "item" else node.attrs["value"]
                environment[node] = environment[node.inputs[0]][slot]
            elif OPS[node.op].kind == "identity":
                environment[node] = environment[node.inputs[0]]
            else:
                environment[node] = self.operation(node, [environment[x] for x in node.inputs], region)

    def operation(self, node: Any, refs: list[Reference], region: Region) -> Reference:
        """One node of the table."""
        rule = self.rules.get(node.op)
        if rule is not None:
            return rule(self, node, refs, region)
        if OPS[node.op].kind == "elementwise" and node.op not in CUSTOM:
            return self.elementwise(node, refs, region)
        return self.call(node, refs, region)

    def call(self, node: Any, refs: list[Reference], region: Region) -> Reference:
        """An op that is left to the backend's own kernel."""
        args = [self.array(ref, region) for ref in refs]
        return whole(self.add(region, "call", node.shape, node.dtype, args=args, node=node))

    def elementwise(self, node: Any, refs: list[Reference], region: Region) -> Reference:
        """An op of the elementwise table; halves are left to the backend's own kernel where it does not want them."""
        if float16 not in self.floats and float16 in (node.dtype, *[x.dtype for x in node.inputs]):
            return self.call(node, refs, region)
        if node.op == "cast" and node.dtype is node.inputs[0].dtype:
            return refs[0]
        return self.map(node.op, refs, node.shape, node.dtype, region, node)

    def map(
        self, name: str, refs: Sequence[Reference], shape: Shape, dtype: DType, region: Region, node: Node | None
    ) -> Reference:
        """An elementwise function of references that broadcast to ``shape``."""
        args = []
        for ref in refs:
            full = broadcast(ref, shape)
            kept, strides = canonical(full.shape, full.strides)
            args.append(Reference(ref.operation, kept, strides, ref.offset, ref.loops))
        op = self.add(region, "map", tuple([n for n in shape if n != 1]), dtype, args=args, name=name, node=node)
        return Reference(op, shape, row_major(shape))

    def copy(self, ref: Reference, region: Region, node: Node | None = None) -> Operation:
        """An operation of its own with the value of a reference."""
        return self.map("copy", [ref], ref.shape, ref.operation.dtype, region, node).operation

    def constant(self, value: Any, dtype: DType, region: Region) -> Reference:
        """A number."""
        return whole(self.add(region, "constant", (), dtype, attr=value))

    def array(self, ref: Reference, region: Region) -> Reference:
        """The same, from memory: what is no kernel can not make constants up."""
        if ref.operation.kind != "constant":
            return ref
        source = self._arrays.get(ref.operation)
        if source is None or source.region is not region:
            source = self._arrays[ref.operation] = self.copy(whole(ref.operation), region)
        return replace(ref, operation=source)

    def contiguous(self, ref: Reference, region: Region, node: Node | None) -> Reference:
        """The same as a whole array."""
        return Reference(self.copy(ref, region, node), ref.shape, row_major(ref.shape))

    def reduce(self, name: str, ref: Reference, axes: tuple[int, ...], region: Region, node: Node) -> Reference:
        """``ref`` combined over ``axes``, which keep the size 1."""
        kept = tuple([1 if k in axes else n for k, n in enumerate(ref.shape)])
        if all(ref.shape[k] == 1 for k in axes):
            return ref
        shape, strides = canonical(ref.shape, ref.strides)
        places = [k for k, n in enumerate(ref.shape) if n != 1]
        reduced = tuple([i for i, k in enumerate(places) if k in axes])
        result = tuple([n for n in kept if n != 1])
        trailing = reduced == tuple(range(len(shape) - len(reduced), len(shape)))
        op = self.add(
            region, "reduce", result, ref.operation.dtype, args=[replace(ref, shape=shape, strides=strides)],
            name=name, attr=reduced, node=node, row=trailing, space=shape,
        )  # fmt: skip
        return Reference(op, kept, row_major(kept))

    def scan(self, node: Node, slots: list[Any], outer: Environment, region: Region) -> dict[Any, Reference]:
        """A loop; the references to the results that are asked for."""
        graph: Graph = node.attrs["body"]
        n, m, length = node.attrs["carries"], node.attrs["xs"], node.attrs["length"]
        refs = [outer[x] for x in node.inputs]
        values = {s: graph.outputs[s] if isinstance(s, int) else s for s in slots}
        if length == 0:
            return {s: refs[s] if isinstance(s, int) and s < n else self.nothing(v, region) for s, v in values.items()}
        number = len(self.lengths)
        self.lengths[number] = length
        body = Region(region, None, number, length, node.attrs["reverse"], region.depth + 1)
        environment: Environment = dict(zip(graph.inputs, refs, strict=True))
        for x, ref in zip(graph.inputs[n : n + m], refs[n : n + m], strict=True):
            environment[x] = at_time(ref, number)
        changing = [k for k in range(n) if graph.outputs[k] is not graph.inputs[k]]
        symbols = {}
        for k in changing:
            x = graph.inputs[k]
            symbols[k] = self.add(body, "carry", x.shape, x.dtype, node=x)
            environment[x] = whole(symbols[k])
        stacked = {s: v for s, v in values.items() if not isinstance(s, int) or s >= n}
        self.visit([*graph.outputs[:n], *stacked.values()], environment, body)

        initial = {k: self.copy(refs[k], region, node) for k in changing}
        loop = self.add(region, "loop", (), bool_, args=[whole(x) for x in initial.values()], attr=body, node=node)
        body.loop = loop
        results: dict[Any, Reference] = {}
        stacks: dict[Reference, Operation] = {}
        for slot, value in stacked.items():
            ref = environment[value]
            if ref not in stacks:
                shape = (length, *value.type.shape)
                stacks[ref] = self.add(region, "stack", shape, value.type.dtype, attr=loop, node=node)
                body.stacks.append((stacks[ref], self.copy(ref, body, value)))
            results[slot] = whole(stacks[ref])
        for k in changing:
            ref = environment[graph.outputs[k]]
            last = self.add(region, "last", graph.inputs[k].shape, graph.inputs[k].dtype, attr=loop, node=node)
            updated = self.copy(ref, body, graph.outputs[k])
            body.carried.append(Carried(initial[k], symbols[k], updated, last, refs[k], stacks.get(ref)))
            results[k] = whole(last)
        for k in range(n):
            results.setdefault(k, refs[k])
        return results

    def nothing(self, value: Any, region: Region) -> Reference:
        """What no step has stacked."""
        return broadcast(self.constant(0, value.dtype, region), (0, *value.shape))


def _known(node: Node) -> bool:
    """Whether a node is an array: a leaf, or evaluated before."""
    return node.value is not None and node.op != "scan"
