"""From a graph to operations: views become references, bodies become regions, and every result that has to lie at a
certain place gets an operation that writes it there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tinygrad_lstm.codegen.operations import (
    Block,
    Carried,
    Operation,
    OperationKind,
    Operations,
    Reference,
    Region,
    row_major,
    wanted,
    whole_result,
)
from tinygrad_lstm.codegen.program import UNBOUNDED, identity
from tinygrad_lstm.codegen.references import at_time, broadcast, canonical
from tinygrad_lstm.graph.dtypes import DType, bool_
from tinygrad_lstm.graph.function import Graph, slot_of, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node
from tinygrad_lstm.graph.types import Shape

__all__ = ["Builder", "Translation"]

Environment = dict[Node, Any]
Translation = Callable[["Builder", Any, list[Reference], Block], Reference]
"""A function from a node and the references to its arguments to the reference to its result."""


class Builder:
    """Makes the operations of a graph, one after the other.

    Attributes:
        floats: the float types that kernels and products compute with.
        carried: for each block of a loop its carries so far.
        before: the join that holds all old values of a carry, if the graph has one.
    """

    def __init__(self, graph: Graph, rules: Mapping[str, Translation], floats: Sequence[DType]) -> None:
        self.rules, self.floats = rules, floats
        self.top = Block()
        self.lengths: dict[int, int] = {}
        self.carried: dict[Block, list[Carried]] = {}
        self.before: dict[Carried, Operation] = {}
        self._operations: dict[Block, list[Operation]] = {self.top: []}
        self._stacks: dict[Block, list[tuple[Operation, Operation]]] = {}
        self._arrays: dict[Operation, Operation] = {}
        environment: Environment = {}
        inputs = []
        for x in graph.inputs:
            op = self.add(self.top, "input", x.shape, x.dtype, node=x)
            inputs.append(op)
            environment[x] = whole_result(op)
        self.visit(graph.outputs, environment, self.top)
        outputs = [self.copy(environment[y], self.top, y) for y in graph.outputs]
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)

    def operations(self) -> Operations:
        """All operations that an output depends on."""
        regions = {}
        for block, operations in self._operations.items():
            carried = [replace(x, before=self.before.get(x)) for x in self.carried.get(block, ())]
            regions[block] = Region(block, tuple(operations), tuple(carried), tuple(self._stacks.get(block, ())))
        return wanted(Operations(regions, self.top, self._inputs, self._outputs, self.lengths))

    def add(self, block: Block, kind: OperationKind, shape: Shape, dtype: DType, **rest: Any) -> Operation:
        """A new operation at the end of a block."""
        op = Operation(kind, shape, dtype, block, **rest)
        self._operations[block].append(op)
        return op

    def visit(self, outputs: Sequence[Node], environment: Environment, block: Block) -> None:
        """Make operations for all nodes that ``outputs`` depend on, and put references to them in the environment."""
        order = topological(outputs, stop=lambda n: n in environment or _known(n))
        requested: dict[Node, dict[Any, None]] = {}
        for node in order:
            if node.op in ("item", "stacked") and node not in environment and not _known(node):
                slot = slot_of(node)
                requested.setdefault(node.inputs[0], {})[slot] = None
        for node in order:
            if node in environment:
                continue
            if _known(node):
                op = self.add(block, "array", node.type.shape, node.type.dtype, attr=node.value, node=node)
                environment[node] = whole_result(op)
            elif node.op == "scan":
                environment[node] = self.scan(node, list(requested.get(node, ())), environment, block)
            elif node.op in ("branch", "while_loop"):
                slots = list(requested.get(node, ()))
                make = self.branch if node.op == "branch" else self.while_loop
                environment[node] = make(node, slots, environment, block)
            elif node.op == "call":
                inner = dict(zip(node.attrs["body"].inputs, [environment[x] for x in node.inputs], strict=True))
                ys = node.attrs["body"].outputs
                self.visit([ys[k] for k in requested.get(node, ())], inner, block)
                environment[node] = {k: inner[ys[k]] for k in requested.get(node, ())}
            elif node.op in ("item", "stacked"):
                slot = slot_of(node)
                environment[node] = environment[node.inputs[0]][slot]
            elif OPS[node.op].kind == "identity":
                environment[node] = environment[node.inputs[0]]
            else:
                environment[node] = self.operation(node, [environment[x] for x in node.inputs], block)

    def operation(self, node: Any, refs: list[Reference], block: Block) -> Reference:
        """The reference to the result of a node that is neither a loop, a call, nor a projection."""
        rule = self.rules.get(node.op)
        if rule is not None:
            return rule(self, node, refs, block)
        if OPS[node.op].c is not None:
            return self.elementwise(node, refs, block)
        return self.call(node, refs, block)

    def call(self, node: Any, refs: list[Reference], block: Block) -> Reference:
        """The result of an op that the backend's own kernel computes."""
        args = tuple([self.array(ref, block) for ref in refs])
        return whole_result(self.add(block, "call", node.shape, node.dtype, args=args, node=node))

    def elementwise(self, node: Any, refs: list[Reference], block: Block) -> Reference:
        """The result of an elementwise op; floats that programs do not compute with go to the backend's own kernel."""
        if any(t.is_float and t not in self.floats for t in (node.dtype, *[x.dtype for x in node.inputs])):
            return self.call(node, refs, block)
        if node.op == "cast" and node.dtype is node.inputs[0].dtype:
            return refs[0]
        return self.map(node.op, refs, node.shape, node.dtype, block, node)

    def map(
        self,
        name: str,
        refs: Sequence[Reference],
        shape: Shape,
        dtype: DType,
        block: Block,
        node: Node | None,
        after: tuple[Operation, ...] = (),
    ) -> Reference:
        """The result of an elementwise function of references, which are broadcast to ``shape``."""
        args = []
        for ref in refs:
            full = broadcast(ref, shape)
            kept, strides = canonical(full.shape, full.strides)
            args.append(Reference(ref.operation, kept, strides, ref.offset, ref.loops))
        kept = tuple([n for n in shape if n != 1])
        op = self.add(block, "map", kept, dtype, args=tuple(args), name=name, node=node, after=after)
        return Reference(op, shape, row_major(shape))

    def copy(
        self, ref: Reference, block: Block, node: Node | None = None, after: tuple[Operation, ...] = ()
    ) -> Operation:
        """An operation that copies what a reference reads."""
        return self.map("copy", [ref], ref.shape, ref.operation.dtype, block, node, after).operation

    def constant(self, value: Any, dtype: DType, block: Block) -> Reference:
        """A constant scalar."""
        return whole_result(self.add(block, "constant", (), dtype, attr=value))

    def array(self, ref: Reference, block: Block) -> Reference:
        """The reference, with a constant copied to memory: only kernels can compute with constants."""
        if ref.operation.kind != "constant":
            return ref
        source = self._arrays.get(ref.operation)
        if source is None or source.block is not block:
            source = self._arrays[ref.operation] = self.copy(whole_result(ref.operation), block)
        return replace(ref, operation=source)

    def contiguous(self, ref: Reference, block: Block, node: Node | None) -> Reference:
        """A copy of what a reference reads, as a whole array."""
        return Reference(self.copy(ref, block, node), ref.shape, row_major(ref.shape))

    def reduce(self, name: str, ref: Reference, axes: tuple[int, ...], block: Block, node: Node) -> Reference:
        """``ref`` combined over ``axes``, which get the size 1; without elements it is a constant."""
        kept = tuple([1 if k in axes else n for k, n in enumerate(ref.shape)])
        if all(ref.shape[k] == 1 for k in axes):
            return ref
        if any(ref.shape[k] == 0 for k in axes):
            return broadcast(self.constant(identity(name, ref.operation.dtype), ref.operation.dtype, block), kept)
        shape, strides = canonical(ref.shape, ref.strides)
        places = [k for k, n in enumerate(ref.shape) if n != 1]
        reduced = tuple([i for i, k in enumerate(places) if k in axes])
        result = tuple([n for n in kept if n != 1])
        args = (replace(ref, shape=shape, strides=strides),)
        op = self.add(
            block, "reduce", result, ref.operation.dtype, args=args, name=name, attr=reduced, node=node,
            rowwise=reduced == tuple(range(len(shape) - len(reduced), len(shape))),
        )  # fmt: skip
        return Reference(op, kept, row_major(kept))

    def scan(self, node: Node, slots: list[Any], outer: Environment, block: Block) -> dict[Any, Reference]:
        """Make the operations of a loop, and return references to the results in ``slots``."""
        graph: Graph = node.attrs["body"]
        n, m, length = node.attrs["carries"], node.attrs["xs"], node.attrs["length"]
        refs = [outer[x] for x in node.inputs]
        values = {s: graph.outputs[s] if isinstance(s, int) else s for s in slots}
        if length == 0:
            return {s: refs[s] if isinstance(s, int) and s < n else self.nothing(v, block) for s, v in values.items()}
        number = len(self.lengths)
        self.lengths[number] = length
        body = Block(block, number, length, node.attrs["reverse"], block.depth + 1)
        self._operations[body] = []
        self.carried[body], self._stacks[body] = [], []
        environment: Environment = dict(zip(graph.inputs, refs, strict=True))
        for x, ref in zip(graph.inputs[n : n + m], refs[n : n + m], strict=True):
            environment[x] = at_time(ref, number)
        changing = [k for k in range(n) if graph.outputs[k] is not graph.inputs[k]]
        symbols = {}
        for k in changing:
            x = graph.inputs[k]
            symbols[k] = self.add(body, "carry", x.shape, x.dtype, node=x)
            environment[x] = whole_result(symbols[k])
        stacked = {s: v for s, v in values.items() if not isinstance(s, int) or s >= n}
        self.visit([*graph.outputs[:n], *stacked.values()], environment, body)

        initial = {k: self.copy(refs[k], block, node) for k in changing}
        starts = tuple([whole_result(x) for x in initial.values()])
        loop = self.add(block, "loop", (), bool_, args=starts, attr=body, node=node)
        results: dict[Any, Reference] = {}
        stacks: dict[Reference, Operation] = {}
        for slot, value in stacked.items():
            ref = environment[value]
            if ref not in stacks:
                shape = (length, *value.type.shape)
                stacks[ref] = self.add(block, "stack", shape, value.type.dtype, attr=loop, node=node)
                self._stacks[body].append((stacks[ref], self.copy(ref, body, value)))
            results[slot] = whole_result(stacks[ref])
        for k in changing:
            ref = environment[graph.outputs[k]]
            last = self.add(block, "last", graph.inputs[k].shape, graph.inputs[k].dtype, attr=loop, node=node)
            updated = self.copy(ref, body, graph.outputs[k])
            self.carried[body].append(Carried(initial[k], symbols[k], updated, last, stacks.get(ref)))
            results[k] = whole_result(last)
        for k in range(n):
            results.setdefault(k, refs[k])
        return results

    def branch(self, node: Node, slots: list[Any], outer: Environment, block: Block) -> dict[Any, Reference]:
        """The results in ``slots`` of a branch: of a loop of one step, or of none where its condition does not hold."""
        graph: Graph = node.attrs["body"]
        go, *refs = [outer[x] for x in node.inputs]
        count = len(graph.outputs)
        environment: Environment = dict(zip(graph.inputs, refs[count:], strict=True))

        def step(body: Block, _: list[Operation]) -> list[Reference]:
            self.visit([graph.outputs[k] for k in slots], environment, body)
            return [self.constant(False, bool_, body), *[environment[graph.outputs[k]] for k in slots]]

        last = self.conditional(node, 1, [go, *[refs[k] for k in slots]], step, block)
        return dict(zip(slots, last[1:], strict=True))

    def while_loop(self, node: Node, slots: list[Any], outer: Environment, block: Block) -> dict[Any, Reference]:
        """The last carries in ``slots`` of a loop that goes on while its condition holds; others are left out."""
        graph: Graph = node.attrs["body"]
        n, outs = node.attrs["carries"], graph.outputs[1:]
        go, *refs = [outer[x] for x in node.inputs]
        needed: set[Node] = set()
        kept = set(slots)
        while True:
            needed = set(topological([graph.outputs[0], *[outs[k] for k in kept]]))
            more = {k for k in range(n) if graph.inputs[k] in needed} - kept
            if not more:
                break
            kept |= more
        changing = [k for k in sorted(kept) if outs[k] is not graph.inputs[k]]
        environment: Environment = dict(zip(graph.inputs, refs, strict=True))

        def step(body: Block, symbols: list[Operation]) -> list[Reference]:
            for k, symbol in zip(changing, symbols[1:], strict=True):
                environment[graph.inputs[k]] = whole_result(symbol)
            self.visit([graph.outputs[0], *[outs[k] for k in changing]], environment, body)
            return [environment[graph.outputs[0]], *[environment[outs[k]] for k in changing]]

        last = self.conditional(node, UNBOUNDED, [go, *[refs[k] for k in changing]], step, block)
        found = dict(zip(changing, last[1:], strict=True))
        return {k: found.get(k, refs[k]) for k in slots}

    def conditional(
        self,
        node: Node,
        length: int,
        starts: list[Reference],
        step: Callable[[Block, list[Operation]], list[Reference]],
        block: Block,
    ) -> list[Reference]:
        """The last carries of a loop whose first carry is the condition of its steps.

        Args:
            step: from the body and the carries, which it makes the operations of, to the next carries.
        """
        number = len(self.lengths)
        self.lengths[number] = length
        body = Block(block, number, length, False, block.depth + 1, conditional=True)
        self._operations[body] = []
        self.carried[body], self._stacks[body] = [], []
        symbols = [self.add(body, "carry", ref.shape, ref.operation.dtype, node=node) for ref in starts]
        new = step(body, symbols)
        initial = [self.copy(ref, block, node) for ref in starts]
        loop = self.add(
            block, "loop", (), bool_, args=tuple([whole_result(x) for x in initial]), attr=body, node=node
        )  # fmt: skip
        results = []
        for start, symbol, ref in zip(initial, symbols, new, strict=True):
            last = self.add(block, "last", symbol.shape, symbol.dtype, attr=loop, node=node)
            self.carried[body].append(Carried(start, symbol, self.copy(ref, body, node), last))
            results.append(whole_result(last))
        return results

    def nothing(self, value: Any, block: Block) -> Reference:
        """The stack of a loop without steps."""
        return broadcast(self.constant(0, value.dtype, block), (0, *value.shape))


def _known(node: Node) -> bool:
    """Whether the value of a node is known: a leaf, or a node that was evaluated before."""
    return node.value is not None and node.op != "scan"
