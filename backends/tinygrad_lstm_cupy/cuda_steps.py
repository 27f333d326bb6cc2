"""Products, gathers and scatters on a GPU: products by cuBLAS if it takes the strides, the rest by CUDA functions."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from tinygrad_lstm.codegen.c_family.scalar import REGISTER, STORAGE, braced, loaded, stored
from tinygrad_lstm.codegen.products import blas_matrix
from tinygrad_lstm.codegen.program import Gather, Gemm, Scatter, View
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm_cupy.cuda_kernel import Function, points_geometry

__all__ = ["Product", "gather_functions", "product_launches", "scatter_functions"]


@dataclass(frozen=True, slots=True)
class Product:
    """One call of cuBLAS: ``out = left @ right`` or ``out += left @ right`` for row-major matrices.

    cuBLAS counts along columns, so it is asked for the transposed product of the transposed operands.

    Attributes:
        size: m, n, k.
        transposed: whether left and right lie in memory column by column.
        leading: the distance of the rows (or columns) of left, right and out.
        batch: how many products.
        steps: how far apart those are in left, right and out.
    """

    left: View
    right: View
    out: View
    dtype: DType
    size: tuple[int, int, int]
    transposed: tuple[bool, bool]
    leading: tuple[int, int, int]
    batch: int
    steps: tuple[int, int, int]
    accumulate: bool


def product_launches(gemm: Gemm, dtype: DType) -> list[Product] | list[Function]:
    """The launches that compute a product of matrices; none if it has no elements."""
    *_, m, k = gemm.left.shape
    n = gemm.right.shape[-1]
    if not math.prod(gemm.out.shape):
        return []
    left, right = blas_matrix(m, k, gemm.left.strides), blas_matrix(k, n, gemm.right.strides)
    out = blas_matrix(m, n, gemm.out.strides)
    if not k or left is None or right is None or out is None or out.transposed:
        return [_plain(gemm, dtype)]
    transposed, leading = (left.transposed, right.transposed), (left.leading, right.leading, out.leading)
    return [
        Product(*views, dtype, (m, n, k), transposed, leading, batch, steps, gemm.accumulate)
        for views, batch, steps in _batches(gemm)
    ]


def _batches(gemm: Gemm) -> Iterator[tuple[tuple[View, View, View], int, tuple[int, int, int]]]:
    """The calls of cuBLAS for a product: its longest leading axis is the batch, and each place along others one call.

    The manual of cuBLAS does not say whether steps may be negative, so an axis with a negative stride is no batch.
    """
    views = (gemm.left, gemm.right, gemm.out)
    sizes = gemm.out.shape[:-2]
    forward = [d for d in range(len(sizes)) if all(v.strides[d] >= 0 for v in views)]
    axis = max(forward, key=lambda d: sizes[d], default=None)
    batch = sizes[axis] if axis is not None else 1
    steps = [v.strides[axis] if axis is not None else 0 for v in views]
    others = [d for d in range(len(sizes)) if d != axis]
    for at in itertools.product(*[range(sizes[d]) for d in others]):
        left, right, out = [
            replace(v, offset=v.offset + sum(v.strides[d] * i for d, i in zip(others, at, strict=True))) for v in views
        ]
        yield (left, right, out), batch, (steps[0], steps[1], steps[2])


def _offset(letters: list[str], strides: tuple[int, ...]) -> str:
    return " + ".join(f"{i} * (int64_t){s}" for i, s in zip(letters, strides, strict=True) if s) or "0"


def _coordinates(letters: list[str], shape: tuple[int, ...], linear: str) -> list[str]:
    lines, below = [], 1
    for letter, n in zip(reversed(letters), reversed(shape), strict=True):
        lines.append(f"const int64_t {letter} = {linear} / {below} % {n};")
        below *= n
    return lines


def _header(points: int, threads: int) -> str:
    step = f"(int64_t)gridDim.x * {threads}"
    return f"for (int64_t x = (int64_t)blockIdx.x * {threads} + threadIdx.x; x < {points}; x += {step}) {{"


def _plain(gemm: Gemm, dtype: DType) -> Function:
    """A product as a CUDA function, one thread for each element."""
    ctype, register = STORAGE[dtype.name], REGISTER[dtype.name]
    letters = [f"i{d}" for d in range(len(gemm.out.shape))]
    batch, k = letters[:-2], gemm.left.shape[-1]
    points = math.prod(gemm.out.shape)
    grid, threads = points_geometry(points)
    out = f"p2[{_offset(letters, gemm.out.strides)}]"
    lines = [_header(points, threads), *_coordinates(letters, gemm.out.shape, "x")]
    lines.append(f"{register} sum = {loaded(out, dtype) if gemm.accumulate else '0'};")
    if k:
        left = _offset([*batch, letters[-2], "l"], gemm.left.strides)
        right = _offset([*batch, "l", letters[-1]], gemm.right.strides)
        factors = f"{loaded(f'p0[{left}]', dtype)} * {loaded(f'p1[{right}]', dtype)}"
        lines.append(f"for (int64_t l = 0; l < {k}; ++l) sum += {factors};")
    lines += [f"{out} = {stored('sum', dtype)};", "}"]
    parameters = f"(const {ctype} *p0, const {ctype} *p1, {ctype} *__restrict__ p2)"
    return Function(parameters, braced(lines), (gemm.left, gemm.right, gemm.out), grid, threads)


_AT: Final = """const int64_t given = (int64_t)p1[j * (int64_t){stride}];
const bool fits = given >= -{size}LL && given < {size}LL;
const int64_t at = !fits ? 0 : given < 0 ? given + {size} : given;"""


def _parameters(source: DType, indices: DType) -> str:
    ctype = STORAGE[source.name]
    return (
        f"(const {ctype} *__restrict__ p0, const {STORAGE[indices.name]} *__restrict__ p1, "
        f"{ctype} *__restrict__ p2, int64_t *__restrict__ p3)"
    )


def _at(stride: int, size: int, step: int) -> list[str]:
    return [*_AT.format(stride=stride, size=size).splitlines(), f"if (!fits) note_fault(p3, {step}, given);"]


def gather_functions(step: Gather, dtype: DType, indices: DType, fault: View, number: int) -> list[Function]:
    """A gather as CUDA functions, one thread for each element; for an index out of range it notes its ``number``."""
    before, size, after = step.source.shape
    shape = (before, step.indices.shape[0], after)
    points = math.prod(shape)
    if not points:
        return _checked(step, dtype, indices, fault, number)
    grid, threads = points_geometry(points)
    source = f"p0[{_offset(['i', 'at', 'k'], step.source.strides)}]"
    lines = [_header(points, threads), *_coordinates(["i", "j", "k"], shape, "x")]
    lines += _at(step.indices.strides[0], size, number)
    if size:
        lines.append(f"p2[{_offset(['i', 'j', 'k'], step.out.strides)}] = {source};")
    views = (step.source, step.indices, step.out, fault)
    return [Function(_parameters(dtype, indices), braced([*lines, "}"]), views, grid, threads)]


def _checked(step: Gather | Scatter, dtype: DType, indices: DType, fault: View, number: int) -> list[Function]:
    """A function that only checks the indices, for a gather or scatter without elements."""
    count = step.indices.shape[0]
    if not count:
        return []
    source, size = (
        (step.source, step.source.shape[1]) if isinstance(step, Gather) else (step.updates, step.out.shape[1])
    )
    grid, threads = points_geometry(count)
    lines = [_header(count, threads), "const int64_t j = x;", *_at(step.indices.strides[0], size, number), "}"]
    views = (source, step.indices, step.out, fault)
    return [Function(_parameters(dtype, indices), braced(lines), views, grid, threads)]


def scatter_functions(step: Scatter, dtype: DType, indices: DType, fault: View, number: int) -> list[Function]:
    """A scatter as CUDA functions, which adds in the order of the indices; the order of atomic additions is random.

    If there are fewer places than indices, the thread of each element searches the indices for its own place.
    Otherwise the places are set to 0, and the thread of the first index of each place adds up all of its updates.
    """
    before, size, after = step.out.shape
    count, stride = step.indices.shape[0], step.indices.strides[0]
    functions = _checked(step, dtype, indices, fault, number)
    views = (step.updates, step.indices, step.out, fault)
    ctype = REGISTER[dtype.name]
    update = f"p0[{_offset(['i', 'j', 'k'], step.updates.strides)}]"
    target = f"p2[{_offset(['i', 'at', 'k'], step.out.strides)}]"
    added = f"if (place == at) sum = sum + {loaded(update, dtype)};"
    placed = f"{target} = {stored('sum', dtype)};"

    def function(shape: tuple[int, int, int], letter: str, body: list[str]) -> list[Function]:
        points = math.prod(shape)
        if not points:
            return []
        grid, threads = points_geometry(points)
        lines = [_header(points, threads), *_coordinates(["i", letter, "k"], shape, "x"), *body, "}"]
        return [Function(_parameters(dtype, indices), braced(lines), views, grid, threads)]

    def where(name: str, j: str) -> list[str]:
        at = f"(int64_t)p1[{j} * (int64_t){stride}]"
        return [
            f"const int64_t given_{name} = {at};",
            f"const int64_t {name} = given_{name} + (given_{name} < 0) * {size}LL;",
        ]

    if size <= count:
        body = [
            f"{ctype} sum = 0;",
            f"for (int64_t j = 0; j < {count}; ++j) {{",
            *where("place", "j"),
            added,
            "}",
            placed,
        ]
        return [*functions, *function((before, size, after), "at", body)]
    body = [
        *where("at", "first"),
        f"bool new_place = at >= 0 && at < {size};",
        "for (int64_t j = 0; j < first && new_place; ++j) {",
        *where("place", "j"),
        "new_place = place != at;",
        "}",
        "if (new_place) {",
        f"{ctype} sum = 0;",
        f"for (int64_t j = first; j < {count}; ++j) {{",
        *where("place", "j"),
        added,
        "}",
        placed,
        "}",
    ]
    zeroed = function((before, size, after), "at", [f"{target} = 0;"])
    return [*functions, *zeroed, *function((before, count, after), "first", body)]
