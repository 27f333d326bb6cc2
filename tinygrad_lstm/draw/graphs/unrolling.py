"""Loops written out: the same computation with a copy of the body for each step, so that each step can be looked at."""

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tinygrad_lstm.functions.arrangement import stack
from tinygrad_lstm.functions.indexing import getitem
from tinygrad_lstm.graph.function import Graph, slot_of, topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.scopes import Scope
from tinygrad_lstm.graph.tensor import Deriving, Node, Tensor, deriving, make, origin_of
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.ops.loop import loop_items
from tinygrad_lstm.ops.source import full_node

__all__ = ["Path", "Stack", "Unrolled", "body_of", "unroll"]

Path = tuple[Node, ...]
"""The loops round a node, the outermost first."""

Steps = tuple[int, ...]


@dataclass(eq=False)
class Stack:
    """What a loop stacks, a tensor for each step; they are joined when somebody reads the whole."""

    parts: list[Any]
    type: TensorType
    place: Callable[[], AbstractContextManager[None]]
    """Where the joining belongs."""
    joined: Tensor | None = None

    def tensor(self) -> Tensor:
        """The whole, as a node."""
        if self.joined is None:
            parts = [_tensor(p) for p in self.parts]
            with self.place():
                empty = (0, *self.type.shape)
                self.joined = stack(parts) if parts else full_node(empty, 0, self.type.dtype, self.type.device)
        return self.joined


@dataclass(eq=False)
class Unrolled:
    """The results without loops, and what became of each node.

    Attributes:
        copies: for a node in the loops ``path``, its copies by the numbers of the steps, one for each scan.
        slices: what was made to bring one element of a sequence into a step.
    """

    outputs: list[Tensor] = field(default_factory=list)
    copies: dict[tuple[Path, Node], dict[Steps, Tensor | Stack]] = field(default_factory=dict)
    slices: set[Node] = field(default_factory=set)


def body_of(loop: Node, around: Iterable[Node]) -> list[Node]:
    """The nodes of a loop's body, the inputs first, with those that only nodes of ``around`` the loop stack."""
    body: Graph = loop.attrs["body"]
    stacked = [n.attrs["value"] for n in around if n.op == "stacked" and n.inputs[0] is loop]
    return topological((*body.inputs, *body.outputs, *stacked))


def unroll(outputs: Sequence[Tensor]) -> Unrolled:
    """``outputs`` with each loop replaced by its steps, in scopes named ``step 0``, ``step 1``, and so on.

    Nodes outside of loops that read none are kept. Copies keep their lines; a copy that helps to compute a gradient
    belongs to the copy of its forward node at the same step.

    >>> last, _ = tl.scan(lambda c, x: (c * x, None), tl.tensor(1.0), tl.symbol("xs", (3,)))
    >>> (y,) = unroll([last]).outputs
    >>> str(y.scope), y.inputs[0].op
    ('step 2', 'multiply')
    """
    work = _Unrolling()
    env: dict[Node, Any] = {}
    work.walk(topological(outputs), env, (), (), None, 0)
    work.result.outputs = [_tensor(env[y]) for y in outputs]
    return work.result


def _tensor(value: Any) -> Tensor:
    result: Tensor = value.tensor() if isinstance(value, Stack) else value
    return result


def _picked(node: Node, env: dict[Node, Any]) -> Any:
    """The one step that ``node`` takes from a stack; None where it is something else."""
    sliced = node.inputs[0] if node.op == "reshape" else None
    if sliced is None or sliced.op != "slice" or not isinstance(env[sliced.inputs[0]], Stack):
        return None
    whole = sliced.inputs[0].shape
    single = sliced.shape == (1, *whole[1:]) and node.type.shape == whole[1:]
    forward = all(step > 0 for step in sliced.attrs["step"])
    return env[sliced.inputs[0]].parts[sliced.attrs["start"][0]] if single and forward else None


def _put_out(origin: Node | None) -> Node | None:
    """For a scan, what it puts out at each step: to that a step of its gradient belongs as a whole."""
    if origin is None or origin.op != "scan":
        return origin
    outputs = origin.attrs["body"].outputs
    return outputs[min(origin.attrs["carries"], len(outputs) - 1)] if outputs else None


def _is_nothing(x: Node) -> bool:
    while x.op in ("broadcast_to", "reshape"):
        x = x.inputs[0]
    return x.op == "constant" and x.attrs["value"] == 0


class _Unrolling:
    def __init__(self) -> None:
        self.result = Unrolled()
        self.copied: dict[tuple[Node, Steps], Tensor] = {}
        self.scopes: dict[tuple[Scope | None, Scope | None], Scope | None] = {}
        self.nothing: set[Node] = set()
        """Zeros that a gradient was padded with."""
        self.begins: set[Node] = set()
        """Zeros that a loop for a gradient begins with."""
        self.elements: set[Node] = set()
        """What is left of padded gradients."""

    def walk(
        self, order: Iterable[Node], env: dict[Node, Any], path: Path, steps: Steps, inside: Scope | None, depth: int
    ) -> None:
        """Copy a part; ``inside`` is the scope of the step, which stands for the first ``depth`` scopes of a node."""
        # What a body reads of the outside at every step is no value of the step.
        body = path[-1].attrs["body"].inputs if path else ()
        lent = set(body[path[-1].attrs.get("carries", 0) + path[-1].attrs.get("xs", 0) :]) if path else set()
        results: dict[Node, dict[Any, Any]] = {}
        order = list(order)
        for node in order:
            if node not in env:
                if OPS[node.op].kind == "loop":
                    run = {"scan": self.scan, "call": self.call}.get(node.op, self.kept)
                    results[node] = run(node, order, env, path, steps, inside, depth)
                    continue
                if OPS[node.op].kind == "projection":
                    slot = slot_of(node)
                    env[node] = results[node.inputs[0]][slot]
                else:
                    env[node] = self.copy(node, env, steps, inside, depth)
            if node not in lent:
                self.result.copies.setdefault((path, node), {})[steps] = env[node]
            if not isinstance(env[node], Stack):
                self.copied.setdefault((node, steps), env[node])

    def copy(self, node: Node, env: dict[Node, Any], steps: Steps, inside: Scope | None, depth: int) -> Any:
        picked = _picked(node, env)
        if picked is not None:
            return picked
        inputs = [_tensor(env[x]) for x in node.inputs]
        if node.op == "add" and node.origin is not None:
            # A gradient that enters at the last step alone is no sum, there and at the others.
            begins = self.begins if any(x in self.elements for x in inputs) else set()
            left = [x for x in inputs if x not in self.nothing and x not in begins]
            if len(left) == 1 and left[0].type == node.type:
                return left[0]
        same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
        if not node.inputs or (same and inside is None):
            return node
        with self.in_place_of(node, steps, inside, depth):
            return make(node.op, *inputs, **node.attrs)

    @contextmanager
    def in_place_of(self, node: Node, steps: Steps, inside: Scope | None, depth: int) -> Iterator[None]:
        """What is made here has the line of ``node``, its scope in the step, and its origin's copy as origin."""
        made: Any = object.__new__(Deriving)
        made.line = node.line
        made.scope = self.scope(node.scope, inside, depth)
        origin = _put_out(origin_of(node))
        copy = None
        if origin is not None:
            copy = self.copied.get((origin, steps), self.copied.get((origin, ())))
        made.origin = weakref.ref(copy) if copy is not None else node.origin
        token = deriving.set(made)
        try:
            yield
        finally:
            deriving.reset(token)

    def scope(self, scope: Scope | None, inside: Scope | None, depth: int) -> Scope | None:
        """``scope`` with the scope of the step in place of its first ``depth`` names."""
        if inside is None:
            return scope
        if (scope, inside) not in self.scopes:
            at = inside
            for s in scope.path[depth:] if scope is not None else ():
                key = (s, inside)
                known = self.scopes.get(key)
                at = self.scopes[key] = known if known is not None else Scope(s.name, s.role, at, s.note)
            self.scopes[scope, inside] = at
        return self.scopes[scope, inside]

    def scan(
        self, loop: Node, around: list[Node], env: dict[Node, Any], path: Path, steps: Steps, inside: Any, depth: int
    ) -> dict[Any, Any]:
        """The results of a scan by slot."""
        body: Graph = loop.attrs["body"]
        n, m, length = loop.attrs["carries"], loop.attrs["xs"], loop.attrs["length"]
        order = body_of(loop, around)
        stacked = [x.attrs["value"] for x in around if x.op == "stacked" and x.inputs[0] is loop]
        slots = {k: y for k, y in enumerate(body.outputs) if k >= n} | {v: v for v in stacked}
        carries = [_tensor(env[x]) for x in loop.inputs[:n]]
        if loop.origin is not None:
            self.begins |= {x for x in carries if _is_nothing(x)}
        whole = [env[x] for x in loop.inputs[n : n + m]]
        rest: dict[Node, Any] = dict(zip(body.inputs[n + m :], [env[x] for x in loop.inputs[n + m :]], strict=True))
        place = partial(self.in_place_of, loop, steps, inside, depth)
        kept = {slot: Stack([None] * length, value.type, place) for slot, value in slots.items()}
        here = self.scope(loop.scope, inside, depth)
        below = len(loop.scope.path) if loop.scope is not None else 0
        for t in reversed(range(length)) if loop.attrs["reverse"] else range(length):
            step = Scope(f"step {t}", None, here)
            within = dict(rest)
            within.update(zip(body.inputs[:n], carries, strict=True))
            for x, values in zip(body.inputs[n : n + m], whole, strict=True):
                if isinstance(values, Stack):
                    within[x] = values.parts[t]
                    continue
                with self.in_place_of(loop, (*steps, t), step, below):
                    within[x] = self.element(values, t)
            self.walk(order, within, (*path, loop), (*steps, t), step, below)
            carries = [_tensor(within[y]) for y in body.outputs[:n]]
            for slot, value in slots.items():
                kept[slot].parts[t] = within[value]
        return {**dict(enumerate(carries)), **kept}

    def element(self, values: Tensor, t: int) -> Tensor:
        """What one step reads of a sequence; of one that is padded what was there before, or zeros."""
        attrs = values.attrs
        if (
            values.op != "pad"
            or values.origin is None
            or any(attrs["interior"])
            or any(attrs["low"][1:] + attrs["high"][1:])
        ):
            return self.slice(values, t)
        low, inner = attrs["low"], values.inputs[0]
        if not 0 <= t - low[0] < inner.shape[0]:
            zeros = full_node(values.shape[1:], 0, values.dtype, values.device)
            self.nothing.add(zeros)
            return zeros
        whole = inner.op == "reshape" and inner.shape == (1, *inner.inputs[0].shape)
        found = inner.inputs[0] if whole else self.slice(inner, t - low[0])
        self.elements.add(found)
        return found

    def slice(self, values: Tensor, t: int) -> Tensor:
        """One element, made to be read by one step."""
        made: Tensor = getitem(values, t)
        self.result.slices.add(made)
        return made

    def kept(
        self, node: Node, around: list[Node], env: dict[Node, Any], path: Path, steps: Steps, inside: Any, depth: int
    ) -> dict[Any, Any]:
        """The results by slot of a loop that stays one: nothing says how many steps it has."""
        with self.in_place_of(node, steps, inside, depth):
            return dict(enumerate(loop_items(make(node.op, *[_tensor(env[x]) for x in node.inputs], **node.attrs))))

    def call(
        self, node: Node, around: list[Node], env: dict[Node, Any], path: Path, steps: Steps, inside: Any, depth: int
    ) -> dict[Any, Any]:
        """The results of a call by slot: its body, once."""
        body: Graph = node.attrs["body"]
        within: dict[Node, Any] = dict(zip(body.inputs, [env[x] for x in node.inputs], strict=True))
        self.walk(body_of(node, around), within, (*path, node), steps, inside, depth)
        return {k: within[y] for k, y in enumerate(body.outputs)}
