"""C text of the functions that fused kernels call on floats.

In float32 exp, log, log1p, expm1, tanh, sigmoid, softplus and erf have no branches and no tables, so that compilers
vectorise the loop they stand in. Their polynomials were fitted for this file by weighted minimax approximation
(Lawson's iteration on Chebyshev nodes). In float64 they call the C library.

Largest error found, against float64 at every 97th float32 number, in units of the last place of float32:

=========  ====
exp        0.98
log        0.81
log1p      2.43
expm1      1.41
tanh       2.40
sigmoid    2.63
softplus   2.71
erf        1.24
=========  ====
"""

from collections.abc import Sequence
from typing import Final

__all__ = ["MATH"]


def _horner(x: str, coefficients: Sequence[float]) -> str:
    text = f"{coefficients[-1].hex()}f"
    for c in reversed(coefficients[:-1]):
        text = f"FMA_F32({text}, {x}, {c.hex()}f)"
    return text


_EXP: Final = (
    0.4999999341226102,
    0.1666652010554632,
    0.041668394259143565,
    0.008368780622217792,
    0.0013814464753270136,
)
"""``(eʳ − 1 − r) / r²`` on ±log 2 / 2, relative to ``eʳ``."""
_EXPM1: Final = (
    0.5000000046760416, 0.16666666813266573, 0.04166635329822012, 0.008333273915845525, 0.0013941116073243516,
    0.0001991370650047998,
)  # fmt: skip
"""``(eʳ − 1 − r) / r²`` again, fitted relative to ``eʳ − 1``."""
_LOG: Final = (
    0.3333331260280282, -0.25000009603653983, 0.2000211873220404, -0.16667995667107557, 0.14219550908220152,
    -0.12405591416922411, 0.11888174598173462, -0.11675641304471515, 0.06746601329567589,
)  # fmt: skip
"""``(log(1 + f) − f + f²/2) / f³`` for 1 + f in 1/√2 … √2."""
_ERF_SMALL: Final = (
    0.12837916664232754, -0.3761263369710584, 0.11283693942142811, -0.02685927078446183, 0.005200634306091001,
    -0.0008137437563942914, 8.345224890274846e-05,
)  # fmt: skip
"""``erf(x) / x − 1`` as a polynomial in x², for \\|x\\| below 0.93."""
_ERF_TAIL: Final = (
    -0.00017587460150014778, 1.1295208235355623, 0.6333346525807724, 0.1082939471358316, -0.025128624938706424,
    0.004174643161758027, -0.0004352189170021692, 2.1161909340944642e-05,
)  # fmt: skip
"""``−log(1 − erf x)`` for x in 0.92 … 4."""

_FLOAT32: Final = f"""
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__CUDACC__)
#define FMA_F32(a, b, c) fmaf(a, b, c)
#else
#define FMA_F32(a, b, c) ((a) * (b) + (c))
#endif

FUNCTION uint32_t bits_f32(float x) {{ uint32_t u; memcpy(&u, &x, 4); return u; }}
FUNCTION float float_f32(uint32_t u) {{ float x; memcpy(&x, &u, 4); return x; }}
/* 2^n for n in -126 ... 127 */
FUNCTION float power_of_two_f32(int32_t n) {{ return float_f32((uint32_t)(n + 127) << 23); }}

/* x = n·log 2 + r; adding 1.5·2^23 rounds to the nearest integer, which is then in the low bits. */
#define REDUCE_F32(x)                                                     \\
  const float shifted = FMA_F32(x, 0x1.715476p+0f, 0x1.8p+23f);           \\
  const int32_t n = (int32_t)(bits_f32(shifted) - bits_f32(0x1.8p+23f));  \\
  const float whole = shifted - 0x1.8p+23f;                               \\
  const float high = FMA_F32(whole, -0x1.62e4p-1f, x);                    \\
  const float r = FMA_F32(whole, -0x1.7f7d1cp-20f, high);

FUNCTION float exp_f32(float x) {{
  const float lower = x < -104.0f ? -104.0f : x;
  const float bounded = lower > 89.0f ? 89.0f : lower;
  REDUCE_F32(bounded)
  const float q = {_horner("r", _EXP)};
  const float p = FMA_F32(r * r, q, r) + 1.0f;
  const int32_t half = n >> 1;  /* in two steps, as 2^n itself may be no normal number */
  return p * power_of_two_f32(half) * power_of_two_f32(n - half);
}}

FUNCTION float expm1_f32(float x) {{
  const float lower = x < -20.0f ? -20.0f : x;
  const float bounded = lower > 89.0f ? 89.0f : lower;
  REDUCE_F32(bounded)
  const float q = {_horner("r", _EXPM1)};
  const float p = FMA_F32(r * r, q, r);
  const float half = power_of_two_f32(n - 1);
  const float result = FMA_F32(half, p, half - 0.5f) * 2.0f;
  return fabsf(x) < 0x1p-24f ? x : result;
}}

FUNCTION float log_f32(float x) {{
  const int tiny = x < 0x1p-126f;
  const uint32_t shifted = bits_f32(tiny ? x * 0x1p23f : x) - 0x3f3504f3u;
  const float e = (float)(((int32_t)shifted >> 23) - (tiny ? 23 : 0));
  const float f = float_f32((shifted & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
  const float q = {_horner("f", _LOG)};
  const float square = f * f;
  const float rest = FMA_F32(e, -0x1.05c610p-29f, square * FMA_F32(f, q, -0.5f));
  const float result = FMA_F32(e, 0x1.62e430p-1f, rest + f);
  const float positive = x < INFINITY ? result : x;
  return x > 0.0f ? positive : x == 0.0f ? -INFINITY : NAN;
}}

/* Kahan: the rounding of 1 + x cancels in log(u)·x/(u − 1). */
FUNCTION float log1p_f32(float x) {{
  const float u = 1.0f + x;
  const float d = u - 1.0f;
  const float result = log_f32(u) * (x / d);
  const float finite = x < INFINITY ? result : u;
  return d == 0.0f ? x : finite;
}}

/* e^(2|x|) − 1 = t, tanh |x| = t / (t + 2) */
FUNCTION float tanh_f32(float x) {{
  const float size = fabsf(x);
  const float doubled = size > 10.0f ? 20.0f : 2.0f * size;
  REDUCE_F32(doubled)
  const float q = {_horner("r", _EXPM1)};
  const float p = FMA_F32(r * r, q, r);
  const float scale = power_of_two_f32(n);
  const float t = FMA_F32(scale, p, scale - 1.0f);
  const float result = copysignf(t / (t + 2.0f), x);
  return size < 0x1p-13f ? x : result;
}}

/* By e^(−|x|), which cannot overflow; written by tanh it would lose every digit for negative x. */
FUNCTION float sigmoid_f32(float x) {{
  const float e = exp_f32(-fabsf(x));
  const float result = 1.0f / (1.0f + e);
  return x < 0.0f ? e * result : result;
}}

FUNCTION float softplus_f32(float x) {{
  const float tail = log1p_f32(exp_f32(-fabsf(x)));
  return x > 0.0f ? x + tail : tail;
}}

FUNCTION float erf_f32(float x) {{
  const float size = fabsf(x);
  const float square = x * x;
  const float p = {_horner("square", _ERF_SMALL)};
  const float small = FMA_F32(x, p, x);
  const float t = size > 4.0f ? 4.0f : size;
  const float q = {_horner("t", _ERF_TAIL)};
  const float tail = copysignf(1.0f - exp_f32(-q), x);
  return size < 0.925f ? small : tail;
}}
"""

_SHARED: Final = """
FUNCTION FLOAT sign_SUFFIX(FLOAT x) { return x > 0 ? (FLOAT)1 : x < 0 ? (FLOAT)-1 : x == 0 ? (FLOAT)0 : x; }
/* nan wherever either is nan */
FUNCTION FLOAT maximum_SUFFIX(FLOAT a, FLOAT b) { return a > b || a != a ? a : b; }
FUNCTION FLOAT minimum_SUFFIX(FLOAT a, FLOAT b) { return a < b || a != a ? a : b; }
/* of the sign of b; NumPy's fmod with a correction */
FUNCTION FLOAT remainder_SUFFIX(FLOAT a, FLOAT b) {
  const FLOAT m = FMOD(a, b);
  const FLOAT zero = COPYSIGN((FLOAT)0, b);
  return b == 0 || m != m ? m : m == 0 ? zero : (m < 0) != (b < 0) ? m + b : m;
}
FUNCTION FLOAT floor_divide_SUFFIX(FLOAT a, FLOAT b) {
  const FLOAT m = FMOD(a, b);
  const FLOAT exact = (a - m) / b;
  const FLOAT quotient = m != 0 && (m < 0) != (b < 0) ? exact - 1 : exact;
  const FLOAT whole = FLOOR(quotient);
  const FLOAT nearest = quotient - whole > (FLOAT)0.5 ? whole + 1 : whole;
  return b == 0 ? a / b : quotient == 0 ? COPYSIGN((FLOAT)0, a / b) : nearest;
}
REDUCTION(maximum_SUFFIX, FLOAT, -INFINITY)
REDUCTION(minimum_SUFFIX, FLOAT, INFINITY)
"""

_FLOAT64: Final = """
FUNCTION double exp_f64(double x) { return exp(x); }
FUNCTION double expm1_f64(double x) { return expm1(x); }
FUNCTION double log_f64(double x) { return x < 0 ? NAN : log(x); }
FUNCTION double log1p_f64(double x) { return x < -1 ? NAN : log1p(x); }
FUNCTION double tanh_f64(double x) { return tanh(x); }
FUNCTION double erf_f64(double x) { return erf(x); }
FUNCTION double sigmoid_f64(double x) {
  const double e = exp(-fabs(x));
  const double result = 1.0 / (1.0 + e);
  return x < 0.0 ? e * result : result;
}
FUNCTION double softplus_f64(double x) {
  const double tail = log1p(exp(-fabs(x)));
  return x > 0.0 ? x + tail : tail;
}
"""


def _library(suffix: str, ctype: str, letter: str) -> str:
    unary = "".join(
        f"FUNCTION {ctype} {f}_{suffix}({ctype} x) {{ return {f}{letter}(x); }}\n" for f in ("sqrt", "sin", "cos")
    )
    return unary + (
        f"FUNCTION {ctype} abs_{suffix}({ctype} x) {{ return fabs{letter}(x); }}\n"
        f"FUNCTION {ctype} power_{suffix}({ctype} a, {ctype} b) {{ return pow{letter}(a, b); }}\n"
        f"FUNCTION {ctype} arctan2_{suffix}({ctype} a, {ctype} b) {{ return atan2{letter}(a, b); }}\n"
    )


def _shared(suffix: str, ctype: str, letter: str) -> str:
    text = _SHARED.replace("SUFFIX", suffix).replace("FLOAT", ctype)
    return (
        text.replace("FMOD", f"fmod{letter}")
        .replace("COPYSIGN", f"copysign{letter}")
        .replace("FLOOR", f"floor{letter}")
    )


MATH: Final = "".join(
    [
        _library("f32", "float", "f"),
        _library("f64", "double", ""),
        _FLOAT32,
        _FLOAT64,
        _shared("f32", "float", "f"),
        _shared("f64", "double", ""),
    ]
)
"""Definitions of ``name_f32`` and ``name_f64`` for every elementwise op on floats. ``FUNCTION`` and ``REDUCTION`` are
macros that the including text defines."""
