"""Random recurrent cells: programs with a loop whose body does whatever a body may do."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph, topological
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.runtime.evaluation import evaluated

__all__ = ["Choose", "Subject", "cells", "differences", "random_cell"]

Choose = Callable[[int], int]
"""From a count ``n`` to one of 0 … n − 1."""


class Subject:
    """A graph, and values for its inputs."""

    def __init__(self, graph: Graph, values: Sequence[Any]) -> None:
        self.graph = graph
        self.at = dict(zip(graph.inputs, values, strict=True))


def differences(subject: Subject, after: Graph) -> float:
    """The largest difference between the outputs of two graphs, in parts of the largest value met on the way."""
    before = subject.graph.outputs
    nodes: list[Any] = [n for n in topological(before) if not isinstance(n.type, tuple) and n.op != "symbol"]
    values = [v.numpy() for v in evaluated(tuple(nodes), subject.at)]
    scale = max([1.0, *[float(np.abs(v[np.isfinite(v)]).max(initial=0.0)) for v in values if v.dtype == np.float64]])
    place = {n: k for k, n in enumerate(nodes)}
    worst = 0.0
    for y, new in zip(before, evaluated(after.outputs, subject.at), strict=True):
        old = values[place[y]] if y in place else np.asarray(subject.at[y])
        assert new.type == y.type
        if old.dtype == np.float64:
            rough = ~np.isfinite(old)
            np.testing.assert_array_equal(old[rough], new.numpy()[rough])
            worst = max(worst, float(np.max(np.abs(old[~rough] - new.numpy()[~rough]), initial=0.0)))
        else:
            np.testing.assert_array_equal(old, new.numpy())
    return worst / scale


class _Cell:
    """Makes a body step by step; what was made is there for the next step."""

    def __init__(self, choose: Choose, depth: int, dtype: DType) -> None:
        self.choose, self.depth, self.dtype = choose, depth, dtype
        self.floats: list[Tensor] = []
        self.indices: list[Tensor] = []

    def one(self) -> Tensor:
        recent = self.floats if self.choose(3) == 0 else self.floats[-3:]
        return recent[-1 - self.choose(len(recent))]

    def shaped(self, shape: tuple[int, ...]) -> Tensor:
        """Some value of this shape."""
        same = [x for x in self.floats if x.shape == shape]
        if same and self.choose(6):
            recent = same if self.choose(3) == 0 else same[-2:]
            return recent[-1 - self.choose(len(recent))]
        x = self.one()
        total = x.mean() if x.size else tl.full((), 0.25, dtype=self.dtype)
        return tl.broadcast_to(total, shape) if self.choose(2) else tl.zeros(shape, dtype=self.dtype) + total

    def step(self) -> None:
        kinds = [
            self.linear, self.linear, self.linear, self.linear, self.linear, self.gates, self.gates, self.gates,
            self.pointwise, self.pair, self.pair, self.product, self.product, self.join, self.join, self.part,
            self.part, self.reduction, self.turned, self.widened, self.gathered, self.masked, self.remembered,
            self.attended, self.several, self.several, self.padded, self.scattered,
        ]  # fmt: skip
        if self.depth:
            kinds += [self.inner, self.inner]
        new = kinds[self.choose(len(kinds))]()
        if new.size <= 64:
            self.floats.append(new)

    def pointwise(self) -> Tensor:
        fs: list[Any] = [
            tl.tanh, tl.sigmoid, tl.sin, tl.negative, lambda x: 1.0 - x, lambda x: tl.tanh(x) * x, tl.softplus,
            lambda x: x.named("n"), tl.stop_gradient, lambda x: tl.exp(tl.sin(x)),
        ]  # fmt: skip
        return fs[self.choose(len(fs))](self.one())  # type: ignore[no-any-return]  # functions of tensors

    def pair(self) -> Tensor:
        a = self.one()
        b = self.shaped(a.shape)
        fs: list[Any] = [tl.add, tl.add, tl.subtract, lambda a, b: a * tl.tanh(b), lambda a, b: tl.where(a < b, a, b)]
        return fs[self.choose(len(fs))](a, b)  # type: ignore[no-any-return]  # functions of tensors

    def product(self) -> Tensor:
        pairs = [(a, b) for a in self.floats for b in self.floats if a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0]]
        if not pairs:
            return self.pointwise()
        a, b = pairs[-1 - self.choose(len(pairs))]
        return a @ b * 0.5 if self.choose(3) else tl.tanh(a @ b)

    def weight(self) -> Tensor:
        shape = [(5, 3), (3, 2), (5, 4), (2, 2), (3, 3), (4, 2)][self.choose(6)]
        same = [x for x in self.floats if x.shape == shape]
        return same[self.choose(len(same))] if same else self.shaped(shape)

    def linear(self) -> Tensor:
        """``[a, b] @ w``, ``a @ w``, or ``(wᵀ @ aᵀ)ᵀ``."""
        w = self.weight()
        k = w.shape[0]
        a = self.shaped((2, k))
        if k > 3:
            parts = [self.shaped((2, 2)), self.shaped((2, k - 2))]
            a = tl.concatenate(parts if self.choose(2) else [parts[1], parts[0]], 1)
        y = a @ w if self.choose(4) else tl.transpose(tl.transpose(w) @ tl.transpose(a))
        return y if self.choose(2) else tl.tanh(y)

    def gates(self) -> Tensor:
        """Parts of one product, for different uses."""
        y = self.linear()
        half = y.shape[1] // 2
        a, b = y[:, :half], y[:, half:]
        self.floats += [tl.tanh(a) if self.choose(2) else a, tl.sigmoid(b) if self.choose(2) else b]
        return self.floats[-1] * self.shaped(b.shape)

    def several(self) -> Tensor:
        """Sums of products, and products that share an operand: what the passes look for."""
        pairs = [(a, b) for a in self.floats for b in self.floats if a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0]]
        if not pairs:
            return self.pointwise()
        a, b = pairs[-1 - self.choose(len(pairs))]
        alike = [(c, d) for c, d in pairs if (c.shape[0], d.shape[1]) == (a.shape[0], b.shape[1])]
        c, d = alike[-1 - self.choose(len(alike))]
        if self.choose(2):
            return tl.tanh(a @ b) + c @ d
        return tl.tanh(a @ b + c @ d + self.shaped((a.shape[0], b.shape[1])))

    def join(self) -> Tensor:
        x = self.one()
        if not x.ndim:
            return self.pointwise()
        axis = self.choose(x.ndim)
        parts = [x, self.shaped(x.shape)]
        if self.choose(2):
            parts.append(self.shaped(x.shape))
        return tl.concatenate(parts[:: 1 if self.choose(2) else -1], axis)

    def part(self) -> Tensor:
        x = self.one()
        if not x.ndim:
            return self.pointwise()
        axis = self.choose(x.ndim)
        start, step = self.choose(2), 1 + (self.choose(4) == 0)
        stop = x.shape[axis] - (self.choose(2) if x.shape[axis] > 2 else 0)
        return x[(slice(None),) * axis + (slice(start, stop, step),)]

    def padded(self) -> Tensor:
        x = self.one()
        return tl.pad(x, [(self.choose(2), self.choose(2)) for _ in x.shape]) if x.ndim else self.pointwise()

    def reduction(self) -> Tensor:
        x = self.one()
        if not x.ndim:
            return self.pointwise()
        axis = self.choose(x.ndim)
        kept = bool(self.choose(2))
        if not x.shape[axis]:
            return x.sum(axis=axis, keepdims=kept)
        fs: list[Any] = [tl.sum, tl.sum, tl.mean, tl.max, tl.logsumexp, tl.min]
        total = fs[self.choose(len(fs))](x, axis=axis, keepdims=kept)
        return x - total if kept and self.choose(2) else total

    def turned(self) -> Tensor:
        x = self.one()
        return [tl.transpose, tl.flip, tl.ravel][self.choose(3)](x) if x.ndim else self.pointwise()

    def widened(self) -> Tensor:
        x = self.one()
        return tl.broadcast_to(x, (2, *x.shape)) if x.ndim < 2 else x.reshape(x.shape[::-1])

    def gathered(self) -> Tensor:
        x = self.one()
        if not x.ndim or 0 in x.shape:
            return self.pointwise()
        axis = self.choose(x.ndim)
        if not self.indices or not self.choose(2):
            return tl.take(x, [x.shape[axis] - 1, 0], axis=axis)
        return tl.take(x, self.indices[-1 - self.choose(len(self.indices))] % x.shape[axis], axis=axis)

    def scattered(self) -> Tensor:
        x = self.one()
        if not self.indices or x.ndim != 2:
            return self.pointwise()
        index = self.indices[-1 - self.choose(len(self.indices))]
        if index.ndim != 1 or index.shape[0] > x.shape[0]:
            return self.pointwise()
        return tl.scatter_add(x[: index.shape[0]], index % 3, size=3)

    def masked(self) -> Tensor:
        x = self.one()
        if self.choose(2):
            return tl.where(tl.random.uniform(tl.random.key(7), x.shape) < 0.7, x / 0.7, 0.0)
        known = tl.tensor(np.arange(x.size).reshape(x.shape) % 2 == 0)
        return tl.where(known, x, self.shaped(x.shape))

    def remembered(self) -> Tensor:
        x = self.one()
        return tl.checkpoint(lambda v: tl.sin(tl.tanh(v) * v) + x)(self.shaped(x.shape))

    def attended(self) -> Tensor:
        tables = [x for x in self.floats if x.ndim == 2 and x.size]
        if not tables:
            return self.pointwise()
        table = tables[-1 - self.choose(len(tables))]
        query = self.shaped((2, table.shape[1]))
        return tl.softmax(query @ tl.transpose(table), axis=-1) @ table

    def inner(self) -> Tensor:
        cell = _Cell(self.choose, self.depth - 1, self.dtype)
        cell.floats, cell.indices = list(self.floats), list(self.indices)
        last, ys = cell.loop()
        floats = [x for x in (*last, *ys) if x.dtype is self.dtype]
        if not floats:
            return self.pointwise()
        self.floats += [x for x in floats if x.size <= 64]
        return floats[self.choose(len(floats))].sum(0) if floats[0].ndim else floats[0]

    def loop(self) -> tuple[list[Tensor], list[Tensor]]:
        """A scan over what there is: its last carries and its stacks."""
        choose = self.choose
        sequences = [x for x in self.floats if x.ndim and x.shape[0] == self.length()]
        xs = [sequences[-1 - choose(len(sequences))] for _ in range(choose(3))] if sequences else []
        init = [self.shaped((2, 2 + choose(2))) if choose(3) else self.one() for _ in range((2, 1, 2, 3, 0)[choose(5)])]
        counts = choose(3) == 0
        f = self.body(len(init), choose(5), counts)
        steps = self.length()
        carry: Any = (init, [tl.tensor(0, dtype=tl.int64)] if counts else [])
        reverse = bool(choose(2))
        constant = (
            [tl.tensor(np.linspace(-1, 1, steps * 2, dtype=self.dtype.name).reshape(steps, 2))]
            if choose(5) == 0
            else []
        )
        (last, _), ys = tl.scan(f, carry, [*xs, *constant] or None, length=steps, reverse=reverse)
        return last, ys

    def length(self) -> int:
        return 3

    def body(self, carries: int, more: int, counts: bool) -> Callable[[Any, Any], Any]:
        outer = self

        def f(carry: Any, x: Any) -> Any:
            (old, number), choose = carry, outer.choose
            cell = _Cell(choose, outer.depth, outer.dtype)
            cell.floats = [*outer.floats[-6:], *(x or []), *old]
            cell.indices = [*outer.indices, *number]
            if not cell.floats:
                cell.floats = [tl.full((2,), 0.5, dtype=outer.dtype)]
            for _ in range(2 + 2 * more):
                cell.step()
            new: list[Tensor] = []
            for state in old:
                value = cell.shaped(state.shape)
                kind = choose(8)
                if kind < 3:
                    new.append(state + value * 0.5)
                elif kind == 3:
                    swap = [c for c in old if c.shape == state.shape]
                    new.append(swap[choose(len(swap))])
                elif kind == 4:
                    new.append(state - value)
                elif kind == 5 and [x for x in (x or []) if x.shape == state.shape]:
                    new.append(next(x for x in (x or []) if x.shape == state.shape))
                else:
                    new.append(tl.tanh(value))
            pool = [*cell.floats, *new, *old]
            ys = [pool[-1 - choose(len(pool))] for _ in range(choose(4))]
            return (new, [n + 1 for n in number]), ys

        return f


class _Top(_Cell):
    """The outermost level, whose loop has a length of its own."""

    def __init__(self, choose: Choose, depth: int, dtype: DType, steps: int) -> None:
        super().__init__(choose, depth, dtype)
        self._steps = steps

    def length(self) -> int:
        return self._steps


def _twice(top: _Top) -> list[Tensor]:
    """Two loops of which the second begins as the first does, and ends otherwise."""
    choose, floats = top.choose, list(top.floats)
    tape: list[int] = []

    def recording(n: int) -> int:
        tape.append(choose(n))
        return tape[-1]

    top.choose = recording
    last, ys = top.loop()
    rest = tape[: len(tape) - choose(4)][::-1]
    top.choose = lambda n: min(rest.pop(), n - 1) if rest else choose(n)
    top.floats = floats
    again, more = top.loop()
    top.choose = choose
    return [*last, *ys, *again, *more]


def random_cell(choose: Choose, order: int = 1, dtype: DType = tl.float64) -> Subject:
    """A loss over a random loop, or two of them, its gradients, and those of their product with a vector."""
    steps = (3, 4, 1, 0)[choose(4)]
    top = _Top(choose, 1 if choose(4) == 0 else 0, dtype, steps)
    shapes = [(steps, 2, 3), (steps, 2, 2), (5, 3), (3, 2), (2, 2), (2, 3), (5, 4), (2,)][: 3 + choose(6)]
    inputs = [tl.symbol(f"x{k}", s, dtype=dtype) for k, s in enumerate(shapes)]
    noise = np.random.default_rng(choose(1000))
    values: list[Any] = [(noise.normal(size=s) * 0.6).astype(dtype.name) for s in shapes]
    top.floats = list(inputs)
    if choose(3) == 0:
        inputs.append(tl.symbol("places", (2,), dtype=tl.int64))
        values.append(np.array([1, 0]))
        top.indices = [inputs[-1]]
    results: list[Tensor] = []
    kind = choose(5)
    if kind == 0:
        results += _twice(top)
    for _ in range(1 if kind < 4 else 2):
        last, ys = top.loop()
        results += [*last, *ys]
        top.floats += [x for x in (*last, *ys) if x.size <= 64]
    loss: Tensor = tl.full((), 0.0, dtype=dtype)
    for y in results:
        if y.dtype is dtype and choose(4):
            loss = loss + (tl.sin(y) * tl.tensor(np.asarray(noise.normal(size=y.shape), dtype.name))).sum()
    floats = [x for x in inputs if x.dtype is dtype]
    found = tl.gradients(loss, floats, allow_unused=True)
    outputs = [loss, *found, *results]
    if order == 2:
        turned = loss
        for g in found:
            turned = turned + (g * tl.tensor(np.asarray(noise.normal(size=g.shape), dtype.name))).sum()
        outputs += tl.gradients(turned, floats, allow_unused=True)
    return Subject(Graph(tuple(inputs), tuple(outputs)), values)


@st.composite
def cells(draw: Any, order: int = 1) -> Subject:
    """Random loops with their gradients of first or second order."""
    return random_cell(lambda n: draw(st.integers(0, n - 1)) if n > 1 else 0, order)
