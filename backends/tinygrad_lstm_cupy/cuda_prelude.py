"""The text that every printed CUDA text begins with."""

from typing import Final

from tinygrad_lstm.codegen.c_family.integers import INTEGERS
from tinygrad_lstm.codegen.c_family.math import MATH

__all__ = ["FUNCTIONS", "PRELUDE"]

_HEAD: Final = """typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef short int16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define INT8_MIN (-128)
#define INT8_MAX 127
#define UINT8_MAX 255
#define INT16_MIN (-32768)
#define INT16_MAX 32767
#define UINT16_MAX 65535
#define INT32_MIN (-2147483647 - 1)
#define INT32_MAX 2147483647
#define UINT32_MAX 4294967295U
#define INT64_MIN (-9223372036854775807LL - 1)
#define INT64_MAX 9223372036854775807LL
#define UINT64_MAX 18446744073709551615ULL
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fc00000)
#define FUNCTION static __device__ __forceinline__
"""
"""The types and constants of the C library, whose headers NVRTC lacks."""

FUNCTIONS: Final = f"""#define _Bool bool
#define REDUCTION(f, type, start)
{MATH}{INTEGERS}
/* The first index out of range that is noted stays; the caller looks when all is done. */
FUNCTION void note_fault(int64_t *fault, int64_t step, int64_t index) {{
  if (atomicCAS((unsigned long long *)fault, 0ULL, (unsigned long long)step) == 0) fault[1] = index;
}}
"""
"""The functions that kernels call, except those of float16; ``FUNCTION`` and the integer types stand before them."""

_HALF: Final = """
FUNCTION float float_from_half(uint16_t h) { float x; asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h)); return x; }
FUNCTION uint16_t half_from_float(float x) { uint16_t h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x)); return h; }
FUNCTION float rounded_to_half(float x) { return float_from_half(half_from_float(x)); }
FUNCTION float rounded_to_half_f64(double x) {
  uint16_t h;
  asm("cvt.rn.f16.f64 %0, %1;" : "=h"(h) : "d"(x));
  return float_from_half(h);
}
"""
"""The conversions of float16, which GPUs do in one instruction."""

PRELUDE: Final = _HEAD + FUNCTIONS + _HALF
