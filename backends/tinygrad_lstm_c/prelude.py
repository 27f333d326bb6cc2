"""The text that every printed C text begins with."""

from typing import Final

from tinygrad_lstm.codegen.c_family.integers import HALF, INTEGERS
from tinygrad_lstm.codegen.c_family.math import MATH
from tinygrad_lstm_c.packed import PACKED

__all__ = ["PRELUDE"]

_HEAD: Final = """#include <math.h>
#include <stdint.h>
#include <string.h>

#define FUNCTION static inline __attribute__((always_inline, unused))
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT
#endif
#define KERNEL static __attribute__((noinline))
#define PRAGMA(text) _Pragma(#text)
#define REDUCTION(f, type, start) \\
  PRAGMA(omp declare reduction(f : type : omp_out = f(omp_out, omp_in)) initializer(omp_priv = start))
"""

_CONTEXT: Final = """
#ifndef BLAS_INT
#define BLAS_INT int64_t
#endif
typedef void (*sgemm_t)(int, int, int, BLAS_INT, BLAS_INT, BLAS_INT, float, const float *, BLAS_INT, const float *,
                        BLAS_INT, float, float *, BLAS_INT);
typedef void (*dgemm_t)(int, int, int, BLAS_INT, BLAS_INT, BLAS_INT, double, const double *, BLAS_INT, const double *,
                        BLAS_INT, double, double *, BLAS_INT);
typedef void (*sgemv_t)(int, int, BLAS_INT, BLAS_INT, float, const float *, BLAS_INT, const float *, BLAS_INT, float,
                        float *, BLAS_INT);
typedef void (*dgemv_t)(int, int, BLAS_INT, BLAS_INT, double, const double *, BLAS_INT, const double *, BLAS_INT,
                        double, double *, BLAS_INT);
/* One worker of a team that runs the same program: each does its share of a step, then they wait for each other. */
typedef struct {
  int64_t worker, workers;
  char *scratch, *packed;
  void (*wait)(void *);
  void *team;
  sgemm_t gemm_f32;
  dgemm_t gemm_f64;
  sgemv_t gemv_f32;
  dgemv_t gemv_f64;
  int64_t fault, index;  /* the first step that met an index out of range, and the index */
} context;

#define WAIT if (w->workers > 1) w->wait(w->team);
/* Where the share of a worker begins; that of the next begins where it ends. */
FUNCTION int64_t share(int64_t n, int64_t worker, int64_t workers) {
  const int64_t start = n * worker / workers;
  return worker < workers && n >= 64 * workers ? start / 16 * 16 : start;
}
/* Whether any worker has met an index out of range. Their contexts lie side by side. */
FUNCTION int faulted(const context *w) {
  const context *const first = w - w->worker;
  for (int64_t k = 0; k < w->workers; ++k) if (first[k].fault) return 1;
  return 0;
}
"""

PRELUDE: Final = _HEAD + MATH + INTEGERS + HALF + _CONTEXT + PACKED
"""Headers, the functions of the elementwise ops, and the context that a program runs in."""
