"""The order of a fused kernel's loops, and which loop computes which value.

The loops over the reduced axes come last and run once for each *pass*: the first finds the reductions of the loads,
the next those that need their results, the last stores. What a further pass needs again is computed again where that is
cheap and kept in a row of scratch memory where it is not. A kernel without reductions has one pass over its innermost
loop.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

from tinygrad_lstm.codegen.program import Kernel, Store
from tinygrad_lstm.graph.registry import OPS

__all__ = ["LoopNest"]


_SHARED_FROM: Final = 16384
"""The least cost of a kernel that workers share. It is counted as 4 for each point, and 8 more for each costly op."""


def _costly(op: str) -> bool:
    """Whether the result of an op is stored rather than computed twice."""
    return op in OPS and OPS[op].costly


class LoopNest:
    """The loops of one kernel.

    Attributes:
        outer, inner: axes of the space, outermost first; axes of size 1 have no loop.
        live: for each value of the body whether a store needs it.
        stage: for each value how many reductions it waits for, one after the other.
        varies: for each value whether it differs within the inner loops.
        depth: for each value that does not, how many outer loops it is computed in.
        stores_in: the stores of each pass.
        needed: the varying values that each pass computes or loads.
        kept: values that are stored for a whole row, with their offsets in the scratch memory.
        scratch: the bytes of scratch memory.
        split: the axis along which workers share the work; None where one worker does it all.
    """

    def __init__(self, kernel: Kernel, overlap: Callable[[int, int], bool]) -> None:
        self.kernel, self.overlap = kernel, overlap
        self.live = self._live()
        self._order_loops()
        self._classify()
        self.stores_in, self.needed = self._plan_passes()
        self.kept, self.scratch = self._plan_scratch()
        self.split = self._shared_axis()

    def _live(self) -> list[bool]:
        live = [False] * len(self.kernel.body)
        for store in self.kernel.stores:
            live[store.value] = True
        for k in range(len(live) - 1, -1, -1):
            if live[k]:
                for a in self.kernel.body[k].args:
                    live[a] = True
        return live

    def _order_loops(self) -> None:
        shape = self.kernel.shape
        axes = [k for k, n in enumerate(shape) if n != 1]
        border = len(shape) - self.kernel.reduced
        self.reduces = any(s.op == "reduce" for s, live in zip(self.kernel.body, self.live, strict=True) if live)
        if self.reduces:
            self.outer = self._ordered([k for k in axes if k < border])
            self.inner = self._ordered([k for k in axes if k >= border])
        else:
            loops = self._ordered(axes)
            self.outer, self.inner = loops[:-1], loops[-1:]
        self.loops = [*self.outer, *self.inner]

    def _ordered(self, axes: list[int]) -> list[int]:
        """The axes in the order of their loops. The innermost is the one along which most views are contiguous."""

        def contiguous(k: int) -> tuple[float, int]:
            enough = min(self.kernel.shape[k], 16)
            stores = sum(2 for s in self.kernel.stores if s.view.strides[k] == 1)
            stores += sum(1 for s in self.kernel.stores if s.combine and s.view.strides[k] == 0)
            reads = sum(1 for v in self.kernel.reads if v.strides[k] == 1) + sum(
                0.5 for v in self.kernel.reads if v.strides[k] == 0
            )
            return enough * (stores + reads), k

        if len(axes) < 2:
            return axes
        last = max(axes, key=contiguous)
        return [*[k for k in axes if k != last], last]

    def _classify(self) -> None:
        """Find for each value its stage, whether it varies within a row, its depth, and whether it is costly."""
        self.stage: list[int] = []
        self.varies: list[bool] = []
        self.depth: list[int] = []
        self.costly: list[bool] = []
        for s in self.kernel.body:
            match s.op:
                case "load":
                    strides = self.kernel.reads[s.attr].strides
                    own = [j for j, k in enumerate(self.loops) if strides[k] != 0]
                case "index":
                    own = [j for j, k in enumerate(self.loops) if k == s.attr]
                case _:
                    own = []
            stages = [self.stage[a] for a in s.args]
            reduces = s.op == "reduce"
            self.stage.append(max(stages, default=0) + reduces)
            varies = any(j >= len(self.outer) for j in own) or any(self.varies[a] for a in s.args)
            self.varies.append(varies and not reduces)
            depth = max([j + 1 for j in own] + [self.depth[a] for a in s.args], default=0)
            self.depth.append(len(self.outer) if self.stage[-1] and not self.varies[-1] else depth)
            self.costly.append(
                not reduces and (_costly(s.op) or any(self.costly[a] and self.varies[a] for a in s.args))
            )

    def _plan_passes(self) -> tuple[list[list[Store]], list[set[int]]]:
        """The stores of each pass over the inner loops, and the varying values that it computes."""
        body = self.kernel.body
        last = max((self.stage[k] for k, live in enumerate(self.live) if live), default=0)
        delayed: set[int] = set()
        while True:
            stores: list[list[Store]] = [[] for _ in range(last + 1)]
            for j, store in enumerate(self.kernel.stores):
                if self.within(store):
                    stores[last if j in delayed else self.stage[store.value]].append(store)
            needed: list[set[int]] = []
            for p in range(last + 1):
                roots = [s.value for s in stores[p]]
                roots += [s.args[0] for k, s in enumerate(body) if self.live[k] and self.reduced_in(k, p)]
                needed.append(self._closure(roots, needed))
            # A store over a row that a later pass still loads is delayed to the last pass.
            early = {
                j
                for j, store in enumerate(self.kernel.stores)
                if j not in delayed
                and self.within(store)
                and any(self._loads_overlap(store, needed[p]) for p in range(self.stage[store.value] + 1, last + 1))
            }
            if not early:
                return stores, needed
            delayed |= early

    def within(self, store: Store) -> bool:
        """Whether a store stands in the inner loops."""
        if self.varies[store.value] or any(store.view.strides[k] != 0 for k in self.inner):
            return True
        # A combining store counts the result of a reduction once a row, and all other values once a point.
        return store.combine is not None and not self.stage[store.value]

    def reduced_in(self, k: int, p: int) -> bool:
        """Whether a value is a reduction that pass ``p`` computes."""
        return self.kernel.body[k].op == "reduce" and self.stage[k] == p + 1

    def _loads_overlap(self, store: Store, values: set[int]) -> bool:
        body, reads = self.kernel.body, self.kernel.reads
        return any(body[k].op == "load" and self.overlap(reads[body[k].attr].buffer, store.view.buffer) for k in values)

    def _closure(self, roots: list[int], earlier: list[set[int]]) -> set[int]:
        """The varying values that the roots need, up to those that an earlier pass has stored."""
        needed: set[int] = set()
        stack = [k for k in roots if self.varies[k]]
        while stack:
            k = stack.pop()
            if k in needed:
                continue
            needed.add(k)
            if not self.comes_from_scratch(k, earlier):
                stack.extend(a for a in self.kernel.body[k].args if self.varies[a])
        return needed

    def comes_from_scratch(self, k: int, earlier: Sequence[set[int]]) -> bool:
        """Whether a value is read from scratch memory because it is costly and an earlier pass has computed it."""
        return self.costly[k] and any(k in values for values in earlier)

    def _plan_scratch(self) -> tuple[dict[int, int], int]:
        kept: dict[int, int] = {}
        scratch = 0
        row = math.prod(self.kernel.shape[k] for k in self.inner)
        for p, values in enumerate(self.needed):
            for k in sorted(values):
                if k not in kept and self.comes_from_scratch(k, self.needed[:p]):
                    kept[k] = scratch
                    scratch += -(-row * 8 // 64) * 64
        return kept, scratch

    def _shared_axis(self) -> int | None:
        """The axis of the outermost loop whose steps write to different places; None where sharing does not pay."""
        loops = self.outer if self.reduces else self.loops
        expensive = sum(_costly(s.op) for s, live in zip(self.kernel.body, self.live, strict=True) if live)
        if math.prod(self.kernel.shape) * (4 + 8 * expensive) < _SHARED_FROM:
            return None
        for k in loops:
            if self.kernel.shape[k] > 1 and all(s.view.strides[k] != 0 for s in self.kernel.stores):
                return k
        return None
