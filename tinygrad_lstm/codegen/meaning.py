"""For the verifier: the results of operations over numbers that differ for different values.

A value is an integer modulo 2⁶⁴. Inputs are random; addition and multiplication are those of integers, so that the
order of a sum does not matter; the largest and the smallest are those of integers too; every other function is a hash
of its name and its arguments. Equal results were computed from the same elements by the same functions, but for a
chance of one in 10¹⁹.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.codegen.operations import Block, Operation, Operations, Reference
from tinygrad_lstm.graph.dtypes import DType

__all__ = [
    "COMBINE",
    "IDENTITY",
    "Numbers",
    "Values",
    "applied",
    "elements",
    "meaning_of_call",
    "meaning_of_constant",
    "picked",
    "trips",
]

Numbers = NDArray[np.uint64]
COMBINE: Final[Mapping[str, Any]] = {"add": np.add, "maximum": np.maximum, "minimum": np.minimum}
IDENTITY: Final = {"add": 0, "maximum": 0, "minimum": 2**64 - 1}
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)


def _mixed(x: Any) -> Any:
    """A permutation in which each bit depends on all: the finaliser of SplitMix64 (Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@lru_cache(maxsize=4096)
def _seed(*words: str) -> np.uint64:
    return np.uint64(reduce(lambda h, c: (h * 1000003 + ord(c)) % 2**64, "/".join(words), 1469598103934665603))


def meaning_of_constant(value: Any, dtype: DType) -> np.uint64:
    """The number that stands for a constant: an integer stands for itself, and 0 of every type is 0."""
    if dtype.kind in "iub":
        return np.uint64(int(value) % 2**64)
    bits = np.array([value], np.float64).view(np.uint64)
    return np.uint64(_mixed(bits)[0]) if bits[0] else np.uint64(0)


def applied(name: str, dtype: DType, args: Sequence[Numbers]) -> Numbers:
    """The numbers of an elementwise function."""
    if name == "copy":
        return args[0]
    if name == "add":
        return args[0] + args[1]
    if name == "multiply":
        return args[0] * args[1]
    result: Any = np.full(1, _seed(name, dtype.name))
    for x in args:
        result = _mixed(result + x * _ODD)
    return np.asarray(result, np.uint64).reshape(np.broadcast_shapes(*[x.shape for x in args]))


def meaning_of_call(op: int, shape: Sequence[int], args: Sequence[Numbers]) -> Numbers:
    """The numbers of an op that no printer knows: each element depends on all elements of the arguments."""
    digest = np.full(1, np.uint64(op % 2**64))
    for x in args:
        flat = _mixed(np.ravel(x) + np.arange(x.size, dtype=np.uint64) * _ODD)
        digest = _mixed(digest + np.add.reduce(flat, keepdims=True))
    return np.asarray(_mixed(digest + np.arange(prod(shape), dtype=np.uint64)).reshape(shape))


@lru_cache(maxsize=1024)
def elements(shape: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[np.int64]:
    """The numbers of the elements that strides reach, counted from the first."""
    where = np.zeros((), np.int64)
    for n, s in zip(shape, strides, strict=True):
        where = where[..., None] + np.arange(n, dtype=np.int64) * s
    where.setflags(write=False)
    return where


def trips(length: int, conditional: bool) -> int:
    """How many steps of a loop are run. What a condition says is not known here, and its body is the same each time."""
    return min(length, 2) if conditional else length


class Values:
    """The values of all operations, at the present step of each loop.

    Attributes:
        clock: the time index of each loop that runs.
    """

    def __init__(self, form: Operations, seed: int = 0) -> None:
        self.form = form
        self.random = np.random.default_rng(seed)
        self.clock: dict[int, int] = {}
        self.known: dict[tuple[Operation, tuple[int, ...]], Numbers] = {}
        self.arrays: dict[int, Numbers] = {}
        self.block(form.top)

    def drawn(self, size: int) -> Numbers:
        return self.random.integers(0, 2**64, size, np.uint64)

    def array(self, value: Any, size: int) -> Numbers:
        """The values of a constant array as a vector: the same for the same array."""
        return self.arrays.setdefault(id(value), self.drawn(size))

    def times(self, block: Block) -> tuple[int, ...]:
        """The time indices of the loops that a block lies in."""
        result = []
        at: Block | None = block
        while at is not None and at.parent is not None:
            result.append(self.clock[at.number])
            at = at.parent
        return tuple(result)

    def of(self, op: Operation) -> Numbers:
        """The value of an operation at the present step; that of a copy that ``placing`` has added is computed here."""
        value = self.known.get((op, self.times(op.block)))
        return self.result(op) if value is None else value

    def at(self, ref: Reference) -> Numbers:
        """The values that a reference reads at the present step."""
        where = elements(ref.shape, ref.strides) + self.start(ref.offset, ref.loops)
        return np.asarray(self.of(ref.operation).ravel()[where])

    def start(self, offset: int, loops: Sequence[tuple[int, int]]) -> int:
        """Where a view or a reference begins at the present step."""
        return offset + sum(self.clock[loop] * stride for loop, stride in loops)

    def block(self, block: Block) -> None:
        times = self.times(block)
        for op in self.form.regions[block].operations:
            if op.kind == "loop":
                self.loop(op)
            elif op.kind not in ("carry", "stack", "last"):
                self.known[op, times] = self.result(op)

    def loop(self, op: Operation) -> None:
        """Compute the results of a loop: its stacks and last carries, step by step."""
        body: Block = op.attr
        region, outer = self.form.regions[body], self.times(op.block)
        carries = [self.of(c.initial) for c in region.carried]
        rows: dict[Operation, dict[int, Numbers]] = {stack: {} for stack, _ in region.stacks}
        steps = range(trips(body.length, body.conditional))
        for t in reversed(steps) if body.reverse else steps:
            self.clock[body.number] = t
            times = self.times(body)
            for c, value in zip(region.carried, carries, strict=True):
                self.known[c.symbol, times] = value.reshape(c.symbol.shape)
            self.block(body)
            carries = [self.of(c.updated) for c in region.carried]
            for stack, write in region.stacks:
                rows[stack][t] = self.of(write)
        del self.clock[body.number]
        for c, value in zip(region.carried, carries, strict=True):
            self.known[c.last, outer] = value.reshape(c.last.shape)
        for stack, _ in region.stacks:
            found = [rows[stack][t].reshape(stack.shape[1:]) for t in steps]
            self.known[stack, outer] = np.stack(found)

    def result(self, op: Operation) -> Numbers:
        """The value of an operation that is neither a loop nor one of its results."""
        if op.kind == "input":
            return self.drawn(op.size).reshape(op.shape)
        if op.kind == "array":
            return self.array(op.attr, op.size).reshape(op.shape)
        if op.kind == "constant":
            return np.asarray(meaning_of_constant(op.attr, op.dtype))
        args = [self.at(ref) for ref in op.args]
        if op.kind == "map" and op.name == "arange":
            at = np.arange(op.size, dtype=np.uint64).reshape(op.shape)
            return at if op.dtype.name == "int64" else applied("cast", op.dtype, [at])
        if op.kind == "map":
            return np.broadcast_to(applied(op.name, op.dtype, args), op.shape)
        if op.kind == "reduce":
            return np.asarray(COMBINE[op.name].reduce(args[0], axis=op.attr, initial=IDENTITY[op.name]))
        if op.kind == "call":
            return meaning_of_call(id(op.node), op.shape, args)
        if op.kind == "contract":
            return self.product(op, args)
        if op.kind in ("gather", "scatter"):
            return self.indexed(op, args)
        return self.joined(op, args)

    def product(self, op: Operation, args: Sequence[Numbers]) -> Numbers:
        # Letters of size 1 are left out, since NumPy takes at most 52 letters.
        sizes = {x: n for a, side in zip(args, op.attr, strict=False) for x, n in zip(side, a.shape, strict=True)}
        known = {x: k for k, x in enumerate([x for x, n in sizes.items() if n != 1])}
        left, right, out = ([known[x] for x in side if x in known] for side in op.attr)
        return np.asarray(np.einsum(args[0].squeeze(), left, args[1].squeeze(), right, out)).reshape(op.shape)

    def indexed(self, op: Operation, args: Sequence[Numbers]) -> Numbers:
        values, indices = args
        assert op.node is not None
        axis = op.node.attrs["axis"]
        if op.kind == "gather":
            return np.asarray(np.take(values, picked(indices, values.shape[axis]), axis))
        result = np.zeros(op.shape, np.uint64)
        np.add.at(result, (slice(None),) * axis + (picked(indices, op.shape[axis]),), values)
        return result

    def joined(self, op: Operation, args: Sequence[Numbers]) -> Numbers:
        result = np.zeros(op.shape, np.uint64)
        if op.kind == "join":
            axis, spans = op.attr
            for part, (start, stop) in zip(args, spans, strict=True):
                target = result[(slice(None),) * axis + (slice(start, stop),)]
                target[...] = part.reshape(target.shape)
        else:
            low, step, shape = op.attr
            target = result[tuple([slice(a, a + (n - 1) * k + 1, k) for a, n, k in zip(low, shape, step, strict=True)])]
            result[...] = args[0].reshape(op.shape)
            target[...] = args[1].reshape(shape)
        return result


def picked(indices: Numbers, count: int) -> NDArray[np.int64]:
    """The indices within an axis of ``count`` elements that numbers stand for."""
    return np.asarray(indices % np.uint64(max(count, 1)), np.int64)
