"""Products, gathers and scatters as C."""

from dataclasses import dataclass
from typing import Final

from tinygrad_lstm.codegen.c_family.scalar import STORAGE, SUFFIX, braced
from tinygrad_lstm.codegen.products import blas_matrix
from tinygrad_lstm.codegen.program import Gather, Gemm, Scatter, View
from tinygrad_lstm.graph.dtypes import DType

__all__ = ["StepText", "gather_text", "gemm_text", "scatter_text"]

_SHARED_FLOPS: Final = 1 << 16
"""The least number of multiplications of a product that workers share."""
_SHARED_FROM: Final = 4096
"""The least number of elements of a gather or scatter that workers share."""


@dataclass(frozen=True, slots=True)
class StepText:
    """A C function without its name; the fields are those of :class:`KernelText`.

    Attributes:
        attributes: the attributes that stand before the function.
        extent: the end of the bounds as C text, if it is not the size of the shared axis.
    """

    parameters: str
    body: str
    views: tuple[View, ...]
    shared: int
    attributes: str = ""
    extent: str = ""


def gemm_text(gemm: Gemm, dtype: DType) -> StepText:
    """The C function of a product of matrices: by BLAS if it takes the strides, or else as three loops."""
    *batch, m, k = gemm.left.shape
    n = gemm.right.shape[-1]
    left, right, out = gemm.left.strides[-2:], gemm.right.strides[-2:], gemm.out.strides[-2:]
    ctype, suffix = STORAGE[dtype.name], SUFFIX[dtype.name]
    letters = [f"j{d}" for d in range(len(batch))]
    a, b, c = (
        " + ".join([p, *(f"{j} * {s}" for j, s in zip(letters, view.strides[:-2], strict=True) if s)])
        for p, view in (("p0", gemm.left), ("p1", gemm.right), ("p2", gemm.out))
    )
    large = m * n * k >= _SHARED_FLOPS
    share_columns = n >= m
    shared = (n if share_columns else m) if large and max(n, m) >= 32 else 0
    if shared:
        if share_columns:
            b, c, n_text, m_text = f"{b} + low * {right[1]}", f"{c} + low * {out[1]}", "(high - low)", str(m)
        else:
            a, c, n_text, m_text = f"{a} + low * {left[0]}", f"{c} + low * {out[0]}", str(n), "(high - low)"
    else:
        n_text, m_text = str(n), str(m)
    one, beta = (
        ("1.0f", "1.0f" if gemm.accumulate else "0.0f") if suffix == "f32" else ("1.0", f"{gemm.accumulate:d}.0")
    )
    lm, rm, om = blas_matrix(m, k, left), blas_matrix(k, n, right), blas_matrix(m, n, out)
    blas = lm is not None and rm is not None and om is not None and not om.transposed and min(m, n, k) > 0
    if blas and n == 1 and k > 1 and lm is not None:
        shape = f"{k}, {m_text}" if lm.transposed else f"{m_text}, {k}"
        line = (
            f"w->gemv_{suffix}(101, {112 if lm.transposed else 111}, {shape}, {one}, {a}, {lm.leading}, "
            f"{b}, {right[0]}, {beta}, {c}, {out[0] if m > 1 else 1});"
        )
        blas = right[0] > 0 and (out[0] > 0 or m == 1)
    elif blas and m == 1 and k > 1 and rm is not None:
        shape = f"{n_text}, {k}" if rm.transposed else f"{k}, {n_text}"
        line = (
            f"w->gemv_{suffix}(101, {111 if rm.transposed else 112}, {shape}, {one}, {b}, {rm.leading}, "
            f"{a}, {left[1]}, {beta}, {c}, {out[1] if n > 1 else 1});"
        )
        blas = left[1] > 0 and (out[1] > 0 or n == 1)
    elif blas and k > 1 and lm is not None and rm is not None and om is not None:
        line = (
            f"w->gemm_{suffix}(101, {112 if lm.transposed else 111}, {112 if rm.transposed else 111}, "
            f"{m_text}, {n_text}, {k}, {one}, {a}, {lm.leading}, {b}, {rm.leading}, {beta}, {c}, {om.leading});"
        )
    else:
        blas = False
    if not blas:
        line = _plain(gemm, ctype, a, b, c, m_text, n_text, k)
    loops = [f"for (int64_t {j} = 0; {j} < {size}; ++{j}) {{" for j, size in zip(letters, batch, strict=True)]
    body = braced([*loops, *line.splitlines(), *["}"] * len(loops)])
    parameters = (
        f"(const int64_t low, const int64_t high, const context *w, const {ctype} *p0, const {ctype} *p1, "
        f"{ctype} *restrict p2)"
    )
    return StepText(parameters, body, (gemm.left, gemm.right, gemm.out), shared)


def _plain(gemm: Gemm, ctype: str, a: str, b: str, c: str, m: str, n: str, k: int) -> str:
    (am, ak), (bk, bn), (cm, cn) = (v.strides[-2:] for v in (gemm.left, gemm.right, gemm.out))
    start = "" if gemm.accumulate else f"for (int64_t j = 0; j < {n}; ++j) c[j * {cn}] = 0;\n"
    return f"""for (int64_t i = 0; i < {m}; ++i) {{
const {ctype} *a = {a} + i * {am};
const {ctype} *b = {b};
{ctype} *restrict c = {c} + i * {cm};
{start}for (int64_t l = 0; l < {k}; ++l) {{
for (int64_t j = 0; j < {n}; ++j) c[j * {cn}] += a[l * {ak}] * b[l * {bk} + j * {bn}];
}}
}}"""


_AT: Final = """const int64_t given = (int64_t)p1[j * {stride}];
const int fits = given >= -{size} && given < {size};
const int64_t at = !fits ? 0 : given < 0 ? given + {size} : given;
if (!fits && !w->fault) {{ w->fault = fault; w->index = given; }}"""
"""An index out of range is noted, and replaced by 0: workers that wait for each other must all go on."""


def _parameters(source: DType, indices: DType) -> str:
    ctype = STORAGE[source.name]
    return (
        f"(const int64_t low, const int64_t high, context *w, const int64_t fault, const {ctype} *restrict p0, "
        f"const {STORAGE[indices.name]} *restrict p1, {ctype} *restrict p2)"
    )


def gather_text(step: Gather, dtype: DType, indices: DType) -> StepText:
    """The C function of a gather; workers share the indices."""
    before, size, after = step.source.shape
    count = step.indices.shape[0]
    (s0, s1, s2), (o0, o1, o2), stride = step.source.strides, step.out.strides, step.indices.strides[0]
    shared = count if before * count * after >= _SHARED_FROM else 0
    low, high = ("low", "high") if shared else ("0", str(count))
    element = f"p2[i * {o0} + j * {o1} + k * {o2}] = p0[i * {s0} + at * {s1} + k * {s2}];" if size else "(void)at;"
    body = f"""for (int64_t i = 0; i < {before}; ++i) {{
for (int64_t j = {low}; j < {high}; ++j) {{
{_AT.format(stride=stride, size=size)}
for (int64_t k = 0; k < {after}; ++k) {element}
}}
}}"""
    return StepText(
        _parameters(dtype, indices), braced(body.splitlines()), (step.source, step.indices, step.out), shared
    )


def scatter_text(step: Scatter, dtype: DType, indices: DType) -> StepText:
    """The C function of a scatter, which adds in the order of the indices; workers share the elements of the rows."""
    before, size, after = step.out.shape
    count = step.indices.shape[0]
    (u0, u1, u2), (o0, o1, o2), stride = step.updates.strides, step.out.strides, step.indices.strides[0]
    shared = after if before * (count + size) * after >= _SHARED_FROM and after >= 32 else 0
    low, high = ("low", "high") if shared else ("0", str(after))
    target, update = f"p2[i * {o0} + at * {o1} + k * {o2}]", f"p0[i * {u0} + j * {u1} + k * {u2}]"
    total = f"{target} + {update}"
    if dtype.name == "float16":
        total = f"half_from_float(float_from_half({target}) + float_from_half({update}))"
    added = f"for (int64_t k = {low}; k < {high}; ++k) {target} = {total};" if size else "(void)at;"
    body = f"""for (int64_t i = 0; i < {before}; ++i) {{
for (int64_t at = 0; at < {size}; ++at) {{
for (int64_t k = {low}; k < {high}; ++k) {target} = 0;
}}
for (int64_t j = 0; j < {count}; ++j) {{
{_AT.format(stride=stride, size=size)}
{added}
}}
}}"""
    return StepText(
        _parameters(dtype, indices), braced(body.splitlines()), (step.updates, step.indices, step.out), shared
    )
