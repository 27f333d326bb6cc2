"""A fused kernel as one C function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from tinygrad_lstm.codegen.c_family.loop_nest import LoopNest
from tinygrad_lstm.codegen.c_family.scalar import (
    REGISTER,
    STORAGE,
    SUFFIX,
    braced,
    c_expression,
    combined,
    identity_text,
    literal,
    loaded,
    stored,
)
from tinygrad_lstm.codegen.program import Buffer, Kernel, Store, View
from tinygrad_lstm.graph.dtypes import DType

__all__ = ["KernelText", "kernel_text"]

_CHUNK: Final = 2048
"""Longer sums of floats are added up in pieces of this many terms, since the error grows with the longest chain."""
_SPREAD_FROM: Final = 1 << 15
"""The least number of points of a kernel without outer loops whose inner loops workers share piece by piece."""
_FEWEST: Final = 4
"""The least number of such pieces."""


@dataclass(frozen=True, slots=True)
class KernelText:
    """A C function without its name.

    Attributes:
        parameters: its parameter list in brackets, beginning with the bounds ``low`` and ``high`` of the shared axis.
        body: its body in braces.
        views: the views to which the pointers among the parameters point.
        shared: the size of the axis that workers share, or the number of pieces; 0 if one worker does it all.
        scratch: bytes that each worker needs.
        common: bytes that all workers need together, to reduce what they share piece by piece; 0 if they do not. If
            there are some, the parameters behind the bounds are the worker and these bytes.
    """

    parameters: str
    body: str
    views: tuple[View, ...]
    shared: int
    scratch: int
    common: int


@dataclass(slots=True)
class _Accumulator:
    """Two variables of a value that is combined over loops: ``name`` for all loops, ``part`` for the innermost."""

    name: str
    value: int
    combine: str
    dtype: DType
    part: str = ""


def kernel_text(kernel: Kernel, buffers: Sequence[Buffer], overlap: Callable[[int, int], bool]) -> KernelText:
    """The C function of a kernel.

    Args:
        overlap: whether two buffers share memory.
    """
    return _Printer(kernel, buffers, overlap).text()


class _Printer:
    def __init__(self, kernel: Kernel, buffers: Sequence[Buffer], overlap: Callable[[int, int], bool]) -> None:
        self.kernel, self.buffers, self.overlap = kernel, buffers, overlap
        self.nest = LoopNest(kernel, overlap)
        self.views: list[View] = []
        self.pieces = self._pieces()
        self.common: list[int] = []

    def _pieces(self) -> int:
        """In how many pieces workers share the inner loops of a kernel without outer ones; 0 if they do not.

        The pieces do not depend on the number of workers, so that the result does not either.
        """
        kernel, inner = self.kernel, self.nest.inner
        if self.nest.outer or not self.nest.reduces or not inner or prod(kernel.shape) < _SPREAD_FROM:
            return 0
        if any(s.combine is not None or self._reaches_others(s) for s in kernel.stores):
            return 0
        pieces = kernel.shape[inner[0]] if len(inner) > 1 else -(-kernel.shape[inner[0]] // _CHUNK)
        return pieces if pieces >= _FEWEST else 0

    def _reaches_others(self, store: Store) -> bool:
        """Whether a store may write what the kernel reads at another point."""
        read = [v for v in self.kernel.reads if self.overlap(v.buffer, store.view.buffer)]
        return any(not self.nest.within(store) or v != store.view for v in read)

    def _pointer(self, view: View) -> str:
        if view not in self.views:
            self.views.append(view)
        return f"p{self.views.index(view)}"

    def _place(self, view: View) -> str:
        terms = [
            f"i{k}" if view.strides[k] == 1 else f"i{k} * {view.strides[k]}"
            for k in self.nest.loops
            if view.strides[k] != 0
        ]
        return f"{self._pointer(view)}[{' + '.join(terms) or '0'}]"

    def _name(self, k: int) -> str:
        s = self.kernel.body[k]
        return literal(s.attr, s.dtype) if s.op == "constant" else f"v{k}"

    def _dtype(self, view: View) -> DType:
        return self.buffers[view.buffer].dtype

    def _definition(self, k: int, from_scratch: bool = False) -> list[str]:
        """The declaration of a value; with ``from_scratch`` it is read from its row of scratch memory."""
        s = self.kernel.body[k]
        if s.op == "constant":
            return []
        if from_scratch:
            text = self._row(k)
        elif s.op == "load":
            text = loaded(self._place(self.kernel.reads[s.attr]), s.dtype)
        elif s.op == "index":
            text = f"({REGISTER[s.dtype.name]})" + (f"i{s.attr}" if s.attr in self.nest.loops else "0")
        else:
            body = self.kernel.body
            exponent = body[s.args[1]] if s.op == "power" else None
            constant = float(exponent.attr) if exponent is not None and exponent.op == "constant" else None
            text = c_expression(s.op, [self._name(a) for a in s.args], body[s.args[-1]].dtype, s.dtype, constant)
        return [f"const {REGISTER[s.dtype.name]} v{k} = {text};"]

    def _row(self, k: int) -> str:
        terms, stride = [], 1
        for axis in reversed(self.nest.inner):
            terms.append(f"i{axis} * {stride}" if stride > 1 else f"i{axis}")
            stride *= self.kernel.shape[axis]
        return f"row{k}[{' + '.join(terms) or '0'}]"

    def _header(self, axis: int) -> str:
        low, high = ("low", "high") if axis == self.nest.split else ("0", str(self.kernel.shape[axis]))
        return f"for (int64_t i{axis} = {low}; i{axis} < {high}; ++i{axis}) {{"

    def text(self) -> KernelText:
        """The whole function: outer loops, the passes over the inner loops, and the stores between them."""
        opening: list[list[str]] = [[] for _ in range(len(self.nest.outer) + 1)]
        closing: list[list[str]] = [[] for _ in range(len(self.nest.outer) + 1)]
        fills: list[str] = []
        for k, live in enumerate(self.nest.live):
            if live and not self.nest.varies[k] and not self.nest.stage[k]:
                opening[min(self.nest.depth[k], len(self.nest.outer))] += self._definition(k)
        accumulators = self._combining_stores(fills, opening, closing)

        core: list[str] = []
        for p, (stores, needed) in enumerate(zip(self.nest.stores_in, self.nest.needed, strict=True)):
            reduces = [k for k in range(len(self.nest.live)) if self.nest.live[k] and self.nest.reduced_in(k, p)]
            if stores or reduces:
                core += self._pass(p, stores, reduces, needed, accumulators)
            for k, live in enumerate(self.nest.live):
                if (
                    live
                    and not self.nest.varies[k]
                    and self.nest.stage[k] == p + 1
                    and self.kernel.body[k].op != "reduce"
                ):
                    core += self._definition(k)
        once = [
            line
            for j, store in enumerate(self.kernel.stores)
            if not self.nest.within(store)
            for line in self._row_store(j, store, accumulators)
        ]
        core += ["if (w->worker == 0) {", *once, "}"] if self.pieces and once else once

        lines: list[str] = [*fills]
        for d, axis in enumerate(self.nest.outer):
            lines += [*opening[d], self._header(axis)]
        lines += [*opening[len(self.nest.outer)], *core]
        for d in range(len(self.nest.outer), 0, -1):
            lines += [*closing[d], "}"]
        lines += closing[0]
        return self._function(lines)

    def _combining_stores(
        self, fills: list[str], opening: list[list[str]], closing: list[list[str]]
    ) -> dict[int, _Accumulator]:
        """Declare a variable for each store that is combined over the inner loops; the others combine in memory."""
        accumulators = {}
        for j, store in enumerate(self.kernel.stores):
            if store.combine is None:
                continue
            loops = self.nest.loops if self.nest.within(store) else self.nest.outer
            own = [store.view.strides[k] != 0 for k in loops]
            depth = max((d + 1 for d, mine in enumerate(own) if mine), default=0)
            dtype, place = self._dtype(store.view), self._place(store.view)
            # If the target has a stride along each of the outer loops, every place is written once.
            once = all(own[:depth]) and depth < len(loops) and depth <= len(self.nest.outer)
            start = identity_text(store.combine, dtype)
            if not once:
                fills += self._fill(store, stored(start, dtype))
            if depth == len(loops) or depth > len(self.nest.outer):
                continue
            accumulator = _Accumulator(f"sum{j}", store.value, store.combine, dtype)
            accumulators[j] = accumulator
            wide = store.combine == "add" and dtype.is_float
            opening[depth].append(f"{'double' if wide else REGISTER[dtype.name]} {accumulator.name} = {start};")
            total = f"({REGISTER[dtype.name]}){accumulator.name}"
            if not once:
                total = combined(store.combine, loaded(place, dtype), total, dtype)
            closing[depth].append(f"{place} = {stored(total, dtype)};")
        return accumulators

    def _fill(self, store: Store, start: str) -> list[str]:
        axes = [k for k in self.nest.loops if store.view.strides[k] != 0]
        return [*[self._header(k) for k in axes], f"{self._place(store.view)} = {start};", *["}"] * len(axes)]

    def _pass(
        self,
        p: int,
        stores: list[Store],
        reduces: list[int],
        needed: set[int],
        accumulators: dict[int, _Accumulator],
    ) -> list[str]:
        """The inner loops of one pass."""
        body = self.kernel.body
        lines: list[str] = []
        summing = [accumulators[j] for j, s in enumerate(self.kernel.stores) if j in accumulators and s in stores]
        summing += [_Accumulator(f"v{k}", body[k].args[0], body[k].attr, body[k].dtype) for k in reduces]
        size = self.kernel.shape[self.nest.inner[-1]] if self.nest.inner else 1
        if self.pieces:
            return self._pass_in_pieces(p, stores, reduces, needed)
        chunked = size > 2 * _CHUNK and any(a.combine == "add" and a.dtype.is_float for a in summing)
        partial = chunked or len(self.nest.inner) > 1 or (bool(self.nest.inner) and len(summing) > len(reduces))
        for a in summing:
            a.part = f"part_{a.name}" if partial else a.name
        narrowed: list[str] = []
        for a, k in zip(summing[-len(reduces) or len(summing) :], reduces, strict=True):
            register, start = REGISTER[a.dtype.name], identity_text(a.combine, a.dtype)
            if partial and a.combine == "add" and a.dtype.is_float:
                # The parts are added up in float64, so that the error is only that of one part.
                a.name = f"total{k}"
                lines.append(f"double {a.name} = {start};")
                narrowed.append(f"const {register} v{k} = ({register}){a.name};")
            else:
                lines.append(f"{register} {a.name} = {start};")

        point = self._point(p, stores, needed, summing, accumulators)
        if not self.nest.inner:
            return [*lines, *point]

        for axis in self.nest.inner[:-1]:
            lines.append(self._header(axis))
        axis = self.nest.inner[-1]
        header = self._header(axis)
        if chunked:
            low, high = ("low", "high") if axis == self.nest.split else ("0", str(size))
            lines.append(f"for (int64_t chunk = {low}; chunk < {high}; chunk += {_CHUNK}) {{")
            lines.append(f"const int64_t end = chunk + {_CHUNK} < {high} ? chunk + {_CHUNK} : {high};")
            header = f"for (int64_t i{axis} = chunk; i{axis} < end; ++i{axis}) {{"
        if partial:
            lines += [f"{REGISTER[a.dtype.name]} {a.part} = {identity_text(a.combine, a.dtype)};" for a in summing]
        if not self._races(stores, accumulators):
            lines.append(self._pragma(summing))
        lines += [header, *point, "}"]
        if partial:
            lines += [f"{a.name} = {combined(a.combine, a.name, a.part, a.dtype)};" for a in summing]
        return [*lines, *["}"] * (len(self.nest.inner) - 1 + chunked), *narrowed]

    def _point(
        self,
        p: int,
        stores: list[Store],
        needed: set[int],
        summing: list[_Accumulator],
        accumulators: dict[int, _Accumulator],
    ) -> list[str]:
        """What one pass does at each point."""
        point: list[str] = []
        for k in sorted(needed):
            kept = self.nest.comes_from_scratch(k, self.nest.needed[:p])
            point += self._definition(k, kept)
            if k in self.nest.kept and not kept:
                point.append(f"{self._row(k)} = v{k};")
        for a in summing:
            point.append(f"{a.part} = {combined(a.combine, a.part, self._name(a.value), a.dtype)};")
        return point + self._point_stores(stores, accumulators)

    def _pass_in_pieces(self, p: int, stores: list[Store], reduces: list[int], needed: set[int]) -> list[str]:
        """The inner loops of one pass, shared: each piece is reduced on its own, and then every worker combines all."""
        body, inner = self.kernel.body, self.nest.inner
        summing = [_Accumulator(f"v{k}", body[k].args[0], body[k].attr, body[k].dtype, f"part_v{k}") for k in reduces]
        parts = [f"{REGISTER[a.dtype.name]} {a.part} = {identity_text(a.combine, a.dtype)};" for a in summing]
        loop = [self._pragma(summing)]
        axis, size = inner[-1], self.kernel.shape[inner[-1]]
        opening = ["for (int64_t piece = low; piece < high; ++piece) {"]
        if len(inner) == 1:
            end = f"start + {_CHUNK} < {size} ? start + {_CHUNK} : {size}"
            opening.append(f"const int64_t start = piece * {_CHUNK}, end = {end};")
            loop.append(f"for (int64_t i{axis} = start; i{axis} < end; ++i{axis}) {{")
        else:
            opening.append(f"const int64_t i{inner[0]} = piece;")
            loop.append(self._header(axis))
        loop += [*self._point(p, stores, needed, summing, {}), "}"]
        totals, closing, after = [], [], []
        for k, a in zip(reduces, summing, strict=True):
            wide = a.combine == "add" and a.dtype.is_float
            register, start = "double" if wide else REGISTER[a.dtype.name], identity_text(a.combine, a.dtype)
            pieces, total = f"(({register} *)(common + {8 * self.pieces * len(self.common)}))[{{}}]", f"total{k}"
            self.common.append(k)
            totals.append(f"{register} {total} = {start};")
            added = f"{total} = {f'{total} + {{}}' if wide else combined(a.combine, total, '{}', a.dtype)};"
            loop.append(added.format(a.part))
            closing.append(f"{pieces.format('piece')} = {total};")
            after += [
                f"{register} {total} = {start};",
                f"for (int64_t piece = 0; piece < {self.pieces}; ++piece) {added.format(pieces.format('piece'))}",
                f"const {REGISTER[a.dtype.name]} v{k} = ({REGISTER[a.dtype.name]}){total};",
            ]
        middle = [self._header(k) for k in inner[1:-1]]
        lines = [*opening, *totals, *middle, *parts, *loop, *["}"] * len(middle), *closing, "}"]
        return [*lines, "WAIT", *after] if reduces else lines

    def _pragma(self, summing: list[_Accumulator]) -> str:
        clauses = ""
        for a in summing:
            operator = f"{a.combine}_{SUFFIX[a.dtype.name]}"
            if a.combine == "add":
                operator = "|" if a.dtype.kind == "b" else "+"
            clauses += f" reduction({operator} : {a.part})"
        return f"#pragma omp simd{clauses}"

    def _races(self, stores: list[Store], accumulators: dict[int, _Accumulator]) -> bool:
        """Whether steps of the innermost loop combine into one place in memory."""
        in_memory = [s for j, s in enumerate(self.kernel.stores) if s in stores and s.combine and j not in accumulators]
        return any(s.view.strides[self.nest.inner[-1]] == 0 for s in in_memory)

    def _point_stores(self, stores: list[Store], accumulators: dict[int, _Accumulator]) -> list[str]:
        lines = []
        for j, store in enumerate(self.kernel.stores):
            if store in stores and j not in accumulators:
                lines.append(self._written(store))
        return lines

    def _written(self, store: Store) -> str:
        dtype, place, value = self._dtype(store.view), self._place(store.view), self._name(store.value)
        if store.combine is not None:
            value = combined(store.combine, loaded(place, dtype), value, dtype)
        return f"{place} = {stored(value, dtype)};"

    def _row_store(self, j: int, store: Store, accumulators: dict[int, _Accumulator]) -> list[str]:
        if j in accumulators:
            a = accumulators[j]
            return [f"{a.name} = {combined(a.combine, a.name, self._name(a.value), a.dtype)};"]
        return [self._written(store)]

    def _function(self, lines: list[str]) -> KernelText:
        """The function with these lines as its body; pointers whose memory no other reaches are ``restrict``."""
        written = [s.view.buffer for s in self.kernel.stores]
        parameters = ["const int64_t low", "const int64_t high"]
        common = 8 * self.pieces * len(self.common)
        if common:
            parameters += ["const context *w", "char *common"]
        if self.nest.kept:
            parameters.append("char *restrict scratch")
            rows = [
                f"{REGISTER[t]} *restrict row{k} = ({REGISTER[t]} *)(scratch + {place});"
                for k, place in self.nest.kept.items()
                for t in [self.kernel.body[k].dtype.name]
            ]
            lines = [*rows, *lines]
        targets = {s.view for s in self.kernel.stores}
        for j, view in enumerate(self.views):
            touching = sum(self.overlap(view.buffer, b) for b in written) - (view in targets)
            also_read = any(v != view and self.overlap(v.buffer, view.buffer) for v in self.views)
            alone = not touching and not (view in targets and also_read)
            const = "" if view in targets else "const "
            restrict = "restrict " if alone else ""
            parameters.append(f"{const}{STORAGE[self._dtype(view).name]} *{restrict}p{j}")
        shared = self.kernel.shape[self.nest.split] if self.nest.split is not None else self.pieces
        text, views = f"({', '.join(parameters)})", tuple(self.views)
        return KernelText(text, braced(lines), views, shared, self.nest.scratch, common)
