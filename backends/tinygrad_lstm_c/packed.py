"""Products inside a loop whose right operand is the same at every step: it is packed once, before the loop.

BLAS would pack it at every step, which for the weights of a recurrent network takes as long as the product. The packed
form is panels of two vectors of columns, one row after the other, filled up with zeros; the product is computed in
tiles of some rows by one panel, whose sums stay in registers.
"""

from typing import Final

from tinygrad_lstm.codegen.c_family.scalar import STORAGE, SUFFIX
from tinygrad_lstm.codegen.program import Gemm
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm_c.steps import StepText

__all__ = ["PACKED", "pack_text", "packable", "packed_bytes", "packed_text"]

_ROWS: Final = (14, 6)
"""The most rows of a tile, with 32 vector registers and with 16."""
_WIDEST: Final = 32
"""The columns of the widest panel of float32."""

PACKED: Final = f"""
/* Vectors as wide as the processor has them, and how many rows of two such sums its registers hold. */
#if defined(__AVX512F__)
#define BYTES 64
#define ROWS {_ROWS[0]}
#elif defined(__AVX__)
#define BYTES 32
#define ROWS {_ROWS[1]}
#else
#define BYTES 16
#define ROWS {_ROWS[1]}
#endif
typedef float vector_f32 __attribute__((vector_size(BYTES), aligned(4)));
typedef double vector_f64 __attribute__((vector_size(BYTES), aligned(8)));
#define LANES(type) (BYTES / (int)sizeof(type))
#define PANELS(n, type) (((n) + 2 * LANES(type) - 1) / (2 * LANES(type)))
/* Here a·b + c may be rounded once. */
#if defined(__clang__)
#define FUSED
#define FUSE _Pragma("clang fp contract(fast)")
#else
#define FUSED __attribute__((optimize("fp-contract=fast")))
#define FUSE
#endif
"""
"""Definitions that the texts of this file need before them."""


def packable(gemm: Gemm, length: int) -> bool:
    """Whether it pays to pack the right operand of a product in a loop of this length, if it does not change there."""
    if len(gemm.left.shape) != 2 or length < 3 or gemm.out.strides[1] != 1:
        return False
    m, k = gemm.left.shape
    return 2 <= m <= 256 and k >= 16 and gemm.right.shape[1] >= 32


def packed_bytes(gemm: Gemm, dtype: DType) -> int:
    """The most bytes that the packed operand takes."""
    k, n = gemm.right.shape
    columns = _WIDEST * 4 // dtype.itemsize
    return -(-n // columns) * columns * k * dtype.itemsize


def pack_text(gemm: Gemm, dtype: DType) -> StepText:
    """The C function that packs an operand; workers share the panels."""
    k, n = gemm.right.shape
    sk, sn = gemm.right.strides
    ctype = STORAGE[dtype.name]
    body = f"""{{
  const int64_t wide = 2 * LANES({ctype});
  for (int64_t panel = low; panel < high; ++panel) {{
    const int64_t first = panel * wide, columns = {n} - first < wide ? {n} - first : wide;
    {ctype} *out = packed + panel * wide * {k};
    for (int64_t l = 0; l < {k}; ++l) {{
      for (int64_t j = 0; j < columns; ++j) out[l * wide + j] = p0[l * {sk} + (first + j) * {sn}];
      for (int64_t j = columns; j < wide; ++j) out[l * wide + j] = 0;
    }}
  }}
}}
"""
    parameters = f"(const int64_t low, const int64_t high, {ctype} *restrict packed, const {ctype} *restrict p0)"
    return StepText(parameters, body, (gemm.right,), n, extent=f"PANELS({n}, {ctype})")


def _blocks(m: int, most: int) -> list[int]:
    """``m`` rows in blocks of nearly equal size, of at most ``most`` rows."""
    count = -(-m // most)
    return [m // count + (i < m % count) for i in range(count)]


def _tile(rows: int, gemm: Gemm, dtype: DType) -> str:
    """C text: the product of some rows with one panel, a block that reads ``first``, ``columns``, ``b`` and ``row``."""
    (am, ak), cm = gemm.left.strides, gemm.out.strides[0]
    k = gemm.left.shape[1]
    ctype, vector = STORAGE[dtype.name], f"vector_{SUFFIX[dtype.name]}"
    every = range(rows)
    names = ", ".join(f"s{i}_{h} = {{0}}" for i in every for h in (0, 1))
    sums = "\n".join(
        f"        s{i}_0 += a[{i * am} + l * {ak}] * b0; s{i}_1 += a[{i * am} + l * {ak}] * b1;" for i in every
    )
    before = "+=" if gemm.accumulate else "="
    whole = "\n".join(
        f"        *({vector} *)(c + {i * cm}) {before} s{i}_0; *({vector} *)(c + {i * cm} + wide / 2) {before} s{i}_1;"
        for i in every
    )
    part = "\n".join(
        f"        memcpy(edge, &s{i}_0, BYTES); memcpy(edge + wide / 2, &s{i}_1, BYTES);\n"
        f"        for (int64_t j = 0; j < columns; ++j) c[{i * cm} + j] {before} edge[j];"
        for i in every
    )
    return f"""    {{
      const {ctype} *a = p0 + row * {am};
      {ctype} *c = p1 + row * {cm} + first;
      {vector} {names};
      for (int64_t l = 0; l < {k}; ++l) {{
        const {vector} b0 = *(const {vector} *)(b + l * wide), b1 = *(const {vector} *)(b + l * wide + wide / 2);
        __builtin_prefetch(b + (l + {k}) * wide, 0, 2);
        __builtin_prefetch(b + (l + {k}) * wide + wide / 2, 0, 2);
{sums}
      }}
      if (columns == wide) {{
{whole}
      }} else {{
        {ctype} edge[2 * LANES({ctype})];
{part}
      }}
      row += {rows};
    }}
"""


def _tiles(most: int, gemm: Gemm, dtype: DType) -> str:
    text = ""
    blocks = _blocks(gemm.left.shape[0], most)
    for rows in sorted(set(blocks), reverse=True):
        text += f"    for (int k = 0; k < {blocks.count(rows)}; ++k)\n{_tile(rows, gemm, dtype)}"
    return text


def packed_text(gemm: Gemm, dtype: DType, shared: int) -> StepText:
    """The C function of a product with the packed operand; workers share the panels, unless ``shared`` is 0."""
    k, n = gemm.right.shape
    ctype = STORAGE[dtype.name]
    body = f"""{{
  FUSE
  enum {{ wide = 2 * LANES({ctype}) }};
  for (int64_t panel = low; panel < high; ++panel) {{
    const int64_t first = panel * wide, columns = {n} - first < wide ? {n} - first : wide;
    const {ctype} *b = packed + panel * wide * {k};
    int64_t row = 0;
#if ROWS == {_ROWS[0]}
{_tiles(_ROWS[0], gemm, dtype)}#else
{_tiles(_ROWS[1], gemm, dtype)}#endif
  }}
}}
"""
    parameters = (
        f"(const int64_t low, const int64_t high, const {ctype} *restrict packed, const {ctype} *restrict p0, "
        f"{ctype} *restrict p1)"
    )
    return StepText(parameters, body, (gemm.left, gemm.out), shared, "FUSED ", f"PANELS({n}, {ctype})")
