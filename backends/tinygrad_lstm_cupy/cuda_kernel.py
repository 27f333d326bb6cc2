"""The parts of fused kernels as CUDA functions."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

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
from tinygrad_lstm.codegen.operations import row_major
from tinygrad_lstm.codegen.program import Buffer, Kernel, Scalar, Store, View
from tinygrad_lstm.graph.dtypes import DType, float32
from tinygrad_lstm_cupy.cuda_parts import KernelPart, LaunchMemory, RowNest

__all__ = ["Function", "part_functions", "points_geometry"]

_BLOCK: Final = 256
_MOST_BLOCKS: Final = 1 << 14
"""The most blocks of a launch; beyond it, threads compute several points, rows or sums one after the other."""
_WISHED_BLOCKS: Final = 264
"""The blocks that give each multiprocessor of a large GPU two; sums with fewer blocks are cut into chunks."""
_SHORTEST_CHAIN: Final = 64
"""Sums with fewer terms for each thread are not cut."""
_LONGEST_CHAIN: Final = 2048
"""The most terms that one thread adds up, since the error grows with the longest chain."""
_MOST_CHUNKS: Final = 65535
"""The most blocks that CUDA allows along the second axis of a grid."""
_WRAPPING: Final = frozenset(("add", "subtract", "multiply", "negative"))
"""Ops on signed integers that can overflow."""


@dataclass(frozen=True, slots=True)
class Function:
    """A CUDA function without its name, and how it is launched.

    Attributes:
        parameters: its parameter list in brackets.
        body: its body in braces.
        views: the views to which the pointers among the parameters point.
        grid: blocks along x and y.
        threads: threads of a block, all along x.
        waits: whether threads of a block wait for each other.
    """

    parameters: str
    body: str
    views: tuple[View, ...]
    grid: tuple[int, int]
    threads: int
    waits: bool = False


def points_geometry(points: int) -> tuple[tuple[int, int], int]:
    """Grid and threads for one thread for each point; few points are spread over more and smaller blocks.

    >>> points_geometry(1024), points_geometry(10**9)
    (((16, 1), 64), ((16384, 1), 256))
    """
    threads = 64 if points < 1 << 14 else 128 if points < 1 << 16 else _BLOCK
    return (min(-(-points // threads), _MOST_BLOCKS), 1), threads


def part_functions(part: KernelPart, scratch: LaunchMemory, overlap: Callable[[int, int], bool]) -> list[Function]:
    """The functions that compute a part, in the order of their launches; none if there is nothing to compute."""
    if part.kind == "points":
        return _points(part.kernel, scratch.buffers, overlap) if math.prod(part.kernel.shape) else []
    if part.kind == "rows":
        border = len(part.kernel.shape) - part.kernel.reduced
        return [_rows(part.kernel, scratch.buffers, overlap)] if math.prod(part.kernel.shape[:border]) else []
    return _sums(part.kernel, scratch, overlap)


class _Text:
    """The values of a kernel as C text, with the coordinates ``i0``, ``i1``, … of a point."""

    def __init__(self, kernel: Kernel, buffers: Sequence[Buffer], overlap: Callable[[int, int], bool]) -> None:
        self.kernel, self.buffers, self.overlap = kernel, buffers, overlap
        self.nest = RowNest(kernel, overlap)
        self.views: list[View] = []
        # A thread steps through the points by the number of threads, so that its count may go beyond the last point.
        small = math.prod(kernel.shape) < 1 << 30 and all(
            sum(abs(s) * (n - 1) for s, n in zip(v.strides, v.shape, strict=True) if n) < 1 << 31
            for v in (*kernel.reads, *[s.view for s in kernel.stores])
        )
        self.index = "int32_t" if small else "int64_t"

    def pointer(self, view: View) -> str:
        if view not in self.views:
            self.views.append(view)
        return f"p{self.views.index(view)}"

    def place(self, view: View) -> str:
        strides = [(k, view.strides[k]) for k in self.nest.loops if view.strides[k]]
        terms = [f"i{k}" if s == 1 else f"i{k} * {s}" for k, s in strides]
        return f"{self.pointer(view)}[{' + '.join(terms) or '0'}]"

    def dtype(self, view: View) -> DType:
        return self.buffers[view.buffer].dtype

    def coordinates(self, axes: Sequence[int], linear: str) -> list[str]:
        """The C text of the position along each axis of the point number ``linear``; the last axis runs fastest."""
        lines = []
        below = 1
        for k in reversed(axes):
            n = self.kernel.shape[k]
            high = f"{linear} / {below}" if below > 1 else linear
            text = high if k == axes[0] else f"{high} % {n}"
            lines.append(f"const {self.index} i{k} = {text};")
            below *= n
        return lines

    def name(self, k: int) -> str:
        s = self.kernel.body[k]
        return literal(s.attr, s.dtype) if s.op == "constant" else f"v{k}"

    def definition(self, k: int) -> list[str]:
        """The declaration of a value at the present point."""
        s, body = self.kernel.body[k], self.kernel.body
        if s.op == "constant":
            return []
        if s.op == "load":
            text = loaded(self.place(self.kernel.reads[s.attr]), self.dtype(self.kernel.reads[s.attr]))
        elif s.op == "index":
            text = f"({REGISTER[s.dtype.name]})" + (f"i{s.attr}" if s.attr in self.nest.loops else "0")
        else:
            exponent = body[s.args[1]] if s.op == "power" else None
            constant = float(exponent.attr) if exponent is not None and exponent.op == "constant" else None
            args = [self.name(a) for a in s.args]
            if s.op in _WRAPPING and s.dtype.kind == "i":
                # In C an overflow of signed integers is undefined, and NVRTC would compute x + 1 > x as true.
                args = [f"(u{STORAGE[s.dtype.name]}){a}" for a in args]
            text = c_expression(s.op, args, body[s.args[-1]].dtype, s.dtype, constant)
        return [f"const {REGISTER[s.dtype.name]} v{k} = {text};"]

    def definitions(self, wanted: Callable[[int], bool]) -> list[str]:
        return [line for k, live in enumerate(self.nest.live) if live and wanted(k) for line in self.definition(k)]

    def written(self, store: Store) -> str:
        return f"{self.place(store.view)} = {stored(self.name(store.value), self.dtype(store.view))};"

    def function(
        self, lines: list[str], written: Sequence[View], grid: tuple[int, int], threads: int, waits: bool = False
    ) -> Function:
        parameters = []
        for j, view in enumerate(self.views):
            alone = not any(v != view and self.overlap(v.buffer, view.buffer) for v in self.views)
            const = "" if view in written else "const "
            parameters.append(f"{const}{STORAGE[self.dtype(view).name]} *{'__restrict__ ' if alone else ''}p{j}")
        return Function(f"({', '.join(parameters)})", braced(lines), tuple(self.views), grid, threads, waits)


def _points(kernel: Kernel, buffers: Sequence[Buffer], overlap: Callable[[int, int], bool]) -> list[Function]:
    text = _Text(kernel, buffers, overlap)
    points = math.prod(kernel.shape)
    grid, threads = points_geometry(points)
    defined = text.definitions(lambda _: True)
    lines = [
        f"const {text.index} threads = ({text.index})gridDim.x * {threads};",
        f"for ({text.index} i = ({text.index})blockIdx.x * {threads} + threadIdx.x; i < {points}; i += threads) {{",
        *text.coordinates(text.nest.loops, "i"),
        *defined,
        *[text.written(s) for s in kernel.stores],
        "}",
    ]
    return [text.function(lines, [s.view for s in kernel.stores], grid, threads)]


def _shared(dtypes: Sequence[DType], threads: int) -> tuple[list[str], list[str]]:
    """Shared memory for trees that run one after the other: the declarations, and the name of each tree's array.

    Trees of one type use two arrays in turn, however many there are. So no tree writes to an array that the tree before
    may still read: the barriers of that one have made sure that all have read the array before it.
    """
    declared, arrays, turns = [], [], Counter[str]()
    for dtype in dtypes:
        name = SUFFIX[dtype.name]
        arrays.append(f"shared_{name}_{turns[name] % 2}")
        if turns[name] < 2:
            declared.append(f"__shared__ {REGISTER[dtype.name]} {arrays[-1]}[{threads}];")
        turns[name] += 1
    return declared, arrays


def _tree(shared: str, value: str, combine: str, dtype: DType, group: int, step: int, lane: str) -> list[str]:
    """C text that combines the values of ``group`` threads, ``step`` apart, into the first of them."""
    together = combined(combine, f"{shared}[threadIdx.x]", f"{shared}[threadIdx.x + n * {step}]", dtype)
    return [
        f"{shared}[threadIdx.x] = {value};",
        "__syncthreads();",
        f"for (int n = {group // 2}; n > 0; n /= 2) {{",
        f"if ({lane} < n) {shared}[threadIdx.x] = {together};",
        "__syncthreads();",
        "}",
    ]


def _power_of_two(n: int, most: int) -> int:
    """The smallest power of two that is at least ``n``, but not more than ``most``."""
    return min(1 << max(n - 1, 0).bit_length(), most)


def _rows(kernel: Kernel, buffers: Sequence[Buffer], overlap: Callable[[int, int], bool]) -> Function:
    """The function of a part in which a group of threads reduces each row."""
    text = _Text(kernel, buffers, overlap)
    nest, body, index = text.nest, kernel.body, text.index
    rows = math.prod(kernel.shape[k] for k in nest.outer)
    row = math.prod(kernel.shape[k] for k in nest.inner) if 0 not in kernel.shape else 0
    lanes = _power_of_two(row, _BLOCK)
    together = max(128 // lanes, 1)
    threads = lanes * together
    passes = [
        [k for k in range(len(body)) if nest.live[k] and nest.reduced_in(k, p)] for p in range(len(nest.stores_in))
    ]
    reduced = [k for found in passes for k in found]
    declared, arrays = _shared([body[k].dtype for k in reduced], threads)
    shared = dict(zip(reduced, arrays, strict=True))
    lines = [
        *(declared if lanes > 1 else []),
        f"const int lane = threadIdx.x % {lanes};",
        f"for ({index} first = ({index})blockIdx.x * {together}; first < {rows}; "
        f"first += ({index})gridDim.x * {together}) {{",
        f"const {index} mine = first + threadIdx.x / {lanes};",
        # All threads of a block must reach each barrier, so those without a row compute the last row and write nothing.
        f"const {index} r = mine < {rows} ? mine : {rows - 1};",
        *text.coordinates(nest.outer, "r"),
        *text.definitions(lambda k: not nest.varies[k] and not nest.stage[k]),
    ]
    once = [s for s in kernel.stores if not nest.within(s)]
    for p, (stores, needed, found) in enumerate(zip(nest.stores_in, nest.needed, passes, strict=True)):
        lines += [f"{REGISTER[body[k].dtype.name]} v{k} = {identity_text(body[k].attr, body[k].dtype)};" for k in found]
        if row and (found or stores):
            lines += [f"for ({index} j = lane; j < {row}; j += {lanes}) {{", *text.coordinates(nest.inner, "j")]
            lines += text.definitions(lambda k, needed=needed: k in needed)  # type: ignore[misc]
            for k in found:
                total = combined(body[k].attr, f"v{k}", text.name(body[k].args[0]), body[k].dtype)
                lines.append(f"v{k} = {total};")
            if stores:
                lines += [f"if (mine < {rows}) {{", *[text.written(s) for s in stores], "}"]
            lines.append("}")
        if lanes > 1:
            for k in found:
                lines += _tree(shared[k], f"v{k}", body[k].attr, body[k].dtype, lanes, 1, "lane")
                lines += [f"v{k} = {shared[k]}[threadIdx.x - lane];"]
        lines += text.definitions(
            lambda k, p=p: not nest.varies[k] and nest.stage[k] == p + 1 and body[k].op != "reduce"  # type: ignore[misc]
        )
    if lanes > 1:
        # The next row reuses this row's shared memory, and this row's stores may go where it was loaded.
        lines.append("__syncthreads();")
    if once:
        lines += [f"if (lane == 0 && mine < {rows}) {{", *[text.written(s) for s in once], "}"]
    lines.append("}")
    grid = (min(-(-rows // together), _MOST_BLOCKS), 1)
    return text.function(lines, [s.view for s in kernel.stores], grid, threads, lanes > 1)


def _sums(kernel: Kernel, scratch: LaunchMemory, overlap: Callable[[int, int], bool]) -> list[Function]:
    """The functions of sums over axes of stride 0 of the targets: one over chunks, and one over their sums."""
    text = _Text(kernel, scratch.buffers, overlap)
    index = text.index
    axes = text.nest.loops
    strides = kernel.stores[0].view.strides
    kept, summed = [k for k in axes if strides[k]], [k for k in axes if not strides[k]]
    if not all(kernel.shape[k] for k in kept):
        return []
    targets, terms = math.prod(kernel.shape[k] for k in kept), math.prod(kernel.shape[k] for k in summed)
    columns = _power_of_two(targets, 32) if axes and axes[-1] in kept else 1
    group = _power_of_two(terms, _BLOCK // columns)
    columns = _power_of_two(targets, _BLOCK // group)
    threads = columns * group
    blocks = min(-(-targets // columns), _MOST_BLOCKS)
    chunks = min(_WISHED_BLOCKS // blocks, -(-terms // (group * _SHORTEST_CHAIN)))
    chunks = min(max(chunks, -(-terms // (group * _LONGEST_CHAIN)), 1), _MOST_CHUNKS)
    size = -(-terms // chunks)
    chunks = max(-(-terms // size), 1) if size else 1

    values = [kernel.body[s.value] for s in kernel.stores]
    hows = [s.combine or "add" for s in kernel.stores]
    declared, shared = _shared([v.dtype for v in values], threads)
    lines = [
        *(declared if group > 1 else []),
        f"const int column = threadIdx.x % {columns}, lane = threadIdx.x / {columns};",
        f"for ({index} first = ({index})blockIdx.x * {columns}; first < {targets}; "
        f"first += ({index})gridDim.x * {columns}) {{",
        f"const {index} mine = first + column;",
        f"const {index} q = mine < {targets} ? mine : {targets - 1};",
        *text.coordinates(kept, "q"),
        *[
            f"{REGISTER[v.dtype.name]} part{j} = {identity_text(how, v.dtype)};"
            for j, (v, how) in enumerate(zip(values, hows, strict=True))
        ],
    ]
    if terms:
        lines += [
            f"const {index} low = ({index})blockIdx.y * {size};",
            f"const {index} high = low + {size} < {terms} ? low + {size} : {terms};",
            f"for ({index} s = low + lane; s < high; s += {group}) {{",
            *text.coordinates(summed, "s"),
            *text.definitions(lambda _: True),
        ]
        for j, (store, how) in enumerate(zip(kernel.stores, hows, strict=True)):
            lines.append(f"part{j} = {combined(how, f'part{j}', text.name(store.value), values[j].dtype)};")
        lines.append("}")
    totals = [f"part{j}" for j in range(len(values))]
    if group > 1:
        for j, (v, how) in enumerate(zip(values, hows, strict=True)):
            lines += _tree(shared[j], f"part{j}", how, v.dtype, group, columns, "lane")
            lines.append(f"part{j} = {shared[j]}[threadIdx.x];")
    lines.append(f"if (lane == 0 && mine < {targets}) {{")
    further: list[Function] = []
    written = [s.view for s in kernel.stores]
    if chunks == 1:
        for total, store in zip(totals, kernel.stores, strict=True):
            lines.append(f"{text.place(store.view)} = {stored(total, text.dtype(store.view))};")
    else:
        written = []
        for total, store, value in zip(totals, kernel.stores, values, strict=True):
            dtype = float32 if value.dtype.name == "float16" else value.dtype
            shape = (chunks, *[kernel.shape[k] for k in kept])
            partial = View(scratch.buffer(chunks * targets, dtype), shape, row_major(shape))
            written.append(partial)
            lines.append(f"{text.pointer(partial)}[({index})blockIdx.y * {targets} + q] = {total};")
            target = replace(store.view, shape=shape, strides=(0, *[store.view.strides[k] for k in kept]))
            body = (Scalar("load", (), dtype, 0),)
            finish = Kernel(shape, 0, (partial,), body, (replace(store, value=0, view=target),), kernel.scope)
            further += _sums(finish, scratch, overlap)
    lines.append("}")
    if group > 1:
        lines.append("__syncthreads();")
    lines.append("}")
    return [text.function(lines, written, (blocks, chunks), threads, group > 1), *further]
