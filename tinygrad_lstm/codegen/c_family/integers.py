"""C text of the functions on integers and bools, of the casts to integers, and of the conversions of float16."""

import re
from typing import Final

__all__ = ["BITS", "HALF", "INTEGERS"]

_SIGNED: Final = """
/* Without a sign: a compiler takes the usual form to be never below 0, and the least integer has no opposite. */
FUNCTION INT abs_SUFFIX(INT x) { return (INT)(x < 0 ? 0 - (uINT)x : (uINT)x); }
FUNCTION INT sign_SUFFIX(INT x) { return (INT)((x > 0) - (x < 0)); }
FUNCTION INT maximum_SUFFIX(INT a, INT b) { return a > b ? a : b; }
FUNCTION INT minimum_SUFFIX(INT a, INT b) { return a < b ? a : b; }
FUNCTION INT floor_divide_SUFFIX(INT a, INT b) {
  if (b == 0) return 0;
  if (b == -1) return -a;  /* the least integer has no opposite and traps */
  const INT q = a / b;
  return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}
FUNCTION INT remainder_SUFFIX(INT a, INT b) {
  if (b == 0 || b == -1) return 0;
  const INT m = a % b;
  return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}
FUNCTION INT power_SUFFIX(INT a, INT b) {
  WIDE p = 1, square = (WIDE)a;  /* by squares, one for each binary digit of b, which is not below 0 */
  for (uINT rest = (uINT)b; rest != 0; rest >>= 1, square *= square) if (rest & 1) p *= square;
  return (INT)p;
}
FUNCTION INT right_shift_SUFFIX(INT a, INT b) {
  return b >= 0 && b < (INT)(8 * sizeof(INT)) ? a >> b : (INT)-(a < 0);
}
REDUCTION(maximum_SUFFIX, INT, LEAST)
REDUCTION(minimum_SUFFIX, INT, GREATEST)
"""

_UNSIGNED: Final = """
FUNCTION INT abs_SUFFIX(INT x) { return x; }
FUNCTION INT sign_SUFFIX(INT x) { return x != 0; }
FUNCTION INT maximum_SUFFIX(INT a, INT b) { return a > b ? a : b; }
FUNCTION INT minimum_SUFFIX(INT a, INT b) { return a < b ? a : b; }
FUNCTION INT floor_divide_SUFFIX(INT a, INT b) { return b == 0 ? 0 : a / b; }
FUNCTION INT remainder_SUFFIX(INT a, INT b) { return b == 0 ? 0 : a % b; }
FUNCTION INT power_SUFFIX(INT a, INT b) {
  WIDE p = 1, square = a;
  for (; b != 0; b >>= 1, square *= square) if (b & 1) p *= square;
  return (INT)p;
}
FUNCTION INT right_shift_SUFFIX(INT a, INT b) { return b < 8 * sizeof(INT) ? a >> b : 0; }
REDUCTION(maximum_SUFFIX, INT, 0)
REDUCTION(minimum_SUFFIX, INT, GREATEST)
"""

_BOOL: Final = """
FUNCTION _Bool maximum_bool(_Bool a, _Bool b) { return a | b; }
FUNCTION _Bool minimum_bool(_Bool a, _Bool b) { return a & b; }
REDUCTION(maximum_bool, _Bool, 0)
REDUCTION(minimum_bool, _Bool, 1)
"""

HALF: Final = """
FUNCTION float float_from_half(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
  const uint32_t size = h & 0x7fffu;
  /* Multiplied by 2^112 the exponent is right, also of what has no leading one. */
  const float finite = float_f32(size << 13) * 0x1p112f;
  const uint32_t special = 0x7f800000u | (size & 0x3ffu) << 13;
  return float_f32((size < 0x7c00u ? bits_f32(finite) : special) | sign);
}
FUNCTION uint16_t half_from_float(float x) {
  const uint32_t u = bits_f32(x);
  const uint16_t sign = (uint16_t)(u >> 16 & 0x8000u);
  const uint32_t size = u & 0x7fffffffu;
  /* Round to nearest, ties to even, by the carry of an addition; below 2^-14 by that of a float addition. */
  const uint32_t normal = (size + 0xfffu + (size >> 13 & 1u) - 0x38000000u) >> 13;
  const uint32_t tiny = bits_f32(float_f32(size) + 0.5f) - 0x3f000000u;
  const uint32_t rounded = size < 0x38800000u ? tiny : normal > 0x7c00u ? 0x7c00u : normal;
  const uint32_t wide = size > 0x7f800000u ? 0x7e00u : size >= 0x47800000u ? 0x7c00u : rounded;
  return (uint16_t)(sign | wide);
}
FUNCTION float rounded_to_half(float x) { return float_from_half(half_from_float(x)); }
/* To odd first: then the second rounding cannot turn a near miss into a tie. */
FUNCTION float rounded_to_half_f64(double x) {
  const float f = (float)x;
  const int inexact = (double)f != x && f == f && fabsf(f) < INFINITY;
  const int away = fabs((double)f) > fabs(x);
  const uint32_t u = bits_f32(f) - (uint32_t)(inexact && away);
  return rounded_to_half(float_f32(inexact ? u | 1u : u));
}
"""
"""The conversions between float16, kept in 16 bits, and float32, by arithmetic on bits, which compilers vectorise."""


BITS: Final = (8, 16, 32, 64)
"""How many bits the types of integers have, with a sign and without."""


def _functions(bits: int, signed: bool) -> str:
    """The functions on one type. Powers are computed without a sign, in at least 32 bits: C makes int of less."""
    text = (_SIGNED if signed else _UNSIGNED).replace("SUFFIX", f"{'i' if signed else 'u'}{bits}")
    text = text.replace("WIDE", f"uint{bits if bits > 32 else 32}_t")
    text = text.replace("LEAST", f"INT{bits}_MIN").replace("GREATEST", f"{'' if signed else 'U'}INT{bits}_MAX")
    return re.sub(r"\b(u?)INT\b", lambda m: f"{'u' if m[1] or not signed else ''}int{bits}_t", text)


def _truncated() -> list[str]:
    """The casts from float32 and float64 to each type of integers."""
    texts = []
    for real, letter, suffix in (("float", "f", "f32"), ("double", "", "f64")):
        for bits in BITS:
            for signed in (True, False):
                name, ctype = (f"i{bits}", f"int{bits}_t") if signed else (f"u{bits}", f"uint{bits}_t")
                least, greatest = (f"INT{bits}_MIN", f"INT{bits}_MAX") if signed else ("0", f"UINT{bits}_MAX")
                lowest, beyond = (f"-0x1p{bits - 1}", f"0x1p{bits - 1}") if signed else ("0x0p0", f"0x1p{bits}")
                texts.append(f"""
FUNCTION {ctype} {name}_from_{suffix}({real} x) {{
  const {real} inside = x >= {lowest}{letter} && x < {beyond}{letter} ? x : 0;
  return x >= {beyond}{letter} ? {greatest} : x < {lowest}{letter} ? {least} : ({ctype})inside;
}}
""")
    return texts


_TRUNCATED_HEAD: Final = """
/* Floats cut off towards 0. What is out of range becomes the nearest integer, and nan becomes 0: C defines neither, so
   nothing but what is in range is converted. */"""

INTEGERS: Final = "".join(
    [
        *[_functions(bits, signed) for bits in BITS for signed in (True, False)],
        _BOOL,
        _TRUNCATED_HEAD,
        *_truncated(),
    ]
)
"""Definitions of ``name_i8`` to ``name_u64`` and ``name_bool``, and of the casts from floats to integers, such as
``i32_from_f64``."""
