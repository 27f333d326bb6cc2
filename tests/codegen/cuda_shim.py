"""CUDA text on the CPU: g++ behind definitions that stand in for the device, one block after the other.

The threads of a block whose functions wait are fibres, switched where they wait; all others are turns of a loop.
Every other launch takes blocks and threads from the last to the first, as nothing may depend on their order.
"""

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from tinygrad_lstm_cupy.cuda import PrintedCuda
from tinygrad_lstm_cupy.cuda_prelude import FUNCTIONS

from tinygrad_lstm.codegen.c_family.integers import HALF

__all__ = ["Shim", "needs_compiler"]

COMPILER = shutil.which("g++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no g++ to run CUDA text on the CPU with")

HEAD = """#include <math.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <stdlib.h>
#define FUNCTION static inline __attribute__((always_inline, unused))
#define __global__ static
#define __shared__ static
struct dim { int x, y; };
static dim blockIdx, threadIdx, gridDim;
static unsigned long long atomicCAS(unsigned long long *p, unsigned long long expected, unsigned long long v) {
  const unsigned long long old = *p;
  if (old == expected) *p = v;
  return old;
}
static const int MOST = 1024, STACK = 1 << 16;
static ucontext_t fibres[MOST], scheduler;
static bool ended[MOST];
static void (*body)(void **);
static void **arguments;
static void __syncthreads() { swapcontext(&fibres[threadIdx.x], &scheduler); }
static void fibre() { body(arguments); ended[threadIdx.x] = true; }
"""

TAIL = """
extern "C" void launch(void (*f)(void **), int waits, int x, int y, int threads, void **a) {
  static char *stacks = (char *)malloc((size_t)MOST * STACK);
  static bool backwards = true;
  backwards = !backwards;
  gridDim = {x, y};
  for (int b = 0; b < x * y; ++b) {
    const int number = backwards ? x * y - 1 - b : b;
    blockIdx = {number % x, number / x};
    if (!waits) {
      for (int k = 0; k < threads; ++k) {
        threadIdx.x = backwards ? threads - 1 - k : k;
        f(a);
      }
      continue;
    }
    body = f; arguments = a;
    for (int k = 0; k < threads; ++k) {
      getcontext(&fibres[k]);
      fibres[k].uc_stack.ss_sp = stacks + (size_t)k * STACK;
      fibres[k].uc_stack.ss_size = STACK;
      fibres[k].uc_link = &scheduler;
      makecontext(&fibres[k], fibre, 0);
      ended[k] = false;
    }
    for (int going = threads; going > 0;) {
      going = 0;
      for (int k = 0; k < threads; ++k) {
        threadIdx.x = backwards ? threads - 1 - k : k;
        if (ended[threadIdx.x]) continue;
        swapcontext(&scheduler, &fibres[threadIdx.x]);
        going += !ended[threadIdx.x];
      }
      if (going != 0 && going != threads) abort();  /* some wait for threads that have ended */
    }
  }
}
"""


@cache
def built(text: str) -> ctypes.CDLL:
    place = Path(tempfile.gettempdir()) / "tinygrad_lstm_cuda_shim"
    place.mkdir(exist_ok=True)
    name = place / hashlib.sha256(text.encode()).hexdigest()[:24]
    source, library, fresh = name.with_suffix(".cpp"), name.with_suffix(".so"), Path(tempfile.mktemp(dir=place))
    if not library.exists():
        source.write_text(text, encoding="utf-8")
        command = [str(COMPILER), "-O1", "-w", "-ffp-contract=off", "-shared", "-fPIC", str(source), "-o", str(fresh)]
        subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
        fresh.rename(library)
    return ctypes.CDLL(str(library))


class Shim:
    """The functions of a printed program."""

    def __init__(self, printed: PrintedCuda) -> None:
        runs = []
        for f in printed.functions:
            # A kernel that reads and stores nothing has no parameters.
            given = [p for p in f.parameters[1:-1].split(", ") if p]
            types = [p.rpartition("p")[0].replace("__restrict__", "") for p in given]
            arguments = ", ".join(f"({t})a[{k}]" for k, t in enumerate(types))
            runs.append(f'extern "C" void run_{f.name}(void **a) {{ {f.name}({arguments}); }}')
        source = printed.source.replace('extern "C" __global__', "__global__")
        self._library = built("\n".join([HEAD, FUNCTIONS, HALF, source, *runs, TAIL]))
        self._waits = {f.name: f.waits for f in printed.functions}

    def launch(self, name: str, grid: tuple[int, int], threads: int, addresses: Sequence[int]) -> None:
        f = getattr(self._library, f"run_{name}")
        pointers = (ctypes.c_void_p * max(len(addresses), 1))(*addresses)
        self._library.launch(f, int(self._waits[name]), *grid, threads, pointers)
