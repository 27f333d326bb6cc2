"""The threads that run a program together: the caller and helpers that wait for it between calls.

All of them run the same C function, each its share of every step, and they wait for each other after each step. That
is cheaper than handing out the steps one by one: a barrier takes a fraction of a microsecond, and each thread finds its
part of the weights in its own cache.
"""

import ctypes
import os
import threading
from functools import lru_cache
from typing import Any, Final

from tinygrad_lstm_c.toolchain import shared_object

__all__ = ["BUSY", "MOST", "Team", "processors", "team_of"]

MOST: Final = 8 if os.name == "posix" else 1
"""The most threads in a team: one step of a recurrent network can use no more. Without POSIX threads it is one."""

SOURCE: Final = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__x86_64__) || defined(__i386__)
#define PAUSE __builtin_ia32_pause()
#else
#define PAUSE atomic_signal_fence(memory_order_seq_cst)
#endif
/* About 70 µs; then others may have the processor. */
#define SPINS 2000

typedef int64_t (*function)(void *const *, const int64_t *, void *);
typedef struct {
  _Alignas(64) atomic_uint arrived;
  _Alignas(64) atomic_uint epoch;
  _Alignas(64) atomic_uint job;
  _Alignas(64) atomic_uint done;
  atomic_int sleeping;
  int workers, processor;
  function f;
  void *const *buffers;
  const int64_t *times;
  char *contexts;
  int64_t stride;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
} team;
typedef struct { team *g; int worker; } helper;

/* Spins until *place is no longer old, then yields; or gives up, where it may. */
static unsigned until_changed(atomic_uint *place, unsigned old, int may_give_up) {
  unsigned now;
  for (int k = 0; (now = atomic_load_explicit(place, memory_order_acquire)) == old; ++k) {
    if (k < SPINS) PAUSE;
    else if (may_give_up) return old;
    else sched_yield();
  }
  return now;
}

/* Every worker comes here before any goes on. */
void team_wait(void *arg) {
  team *g = arg;
  const unsigned epoch = atomic_load_explicit(&g->epoch, memory_order_acquire);
  if (atomic_fetch_add_explicit(&g->arrived, 1, memory_order_acq_rel) == (unsigned)g->workers - 1) {
    atomic_store_explicit(&g->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&g->epoch, epoch + 1, memory_order_release);
  } else {
    until_changed(&g->epoch, epoch, 0);
  }
}

#ifdef __linux__
/* Woken threads tend to land on the processor of whoever woke them, and stay there for seconds. */
static void leave(int processor) {
  cpu_set_t set;
  if (processor < 0 || sched_getcpu() != processor) return;
  if (sched_getaffinity(0, sizeof set, &set)) return;
  CPU_CLR(processor, &set);
  if (CPU_COUNT(&set)) sched_setaffinity(0, sizeof set, &set);
}
#else
static void leave(int processor) { (void)processor; }
static int sched_getcpu(void) { return -1; }
#endif

static void *helping(void *arg) {
  helper *h = arg;
  team *g = h->g;
  const int worker = h->worker;
  unsigned seen = 0;
#ifdef __linux__
  cpu_set_t everywhere;
  const int known = sched_getaffinity(0, sizeof everywhere, &everywhere) == 0;
#endif
  free(h);
  for (;;) {
    unsigned job = until_changed(&g->job, seen, 1);
    if (job == seen) {
      pthread_mutex_lock(&g->mutex);
      atomic_fetch_add(&g->sleeping, 1);
      while ((job = atomic_load(&g->job)) == seen) pthread_cond_wait(&g->wake, &g->mutex);
      atomic_fetch_sub(&g->sleeping, 1);
      pthread_mutex_unlock(&g->mutex);
#ifdef __linux__
      if (known) sched_setaffinity(0, sizeof everywhere, &everywhere);
#endif
      leave(g->processor);
    }
    seen = job;
    g->f(g->buffers, g->times, g->contexts + worker * g->stride);
    atomic_fetch_add_explicit(&g->done, 1, memory_order_release);
  }
  return 0;
}

/* A team of the caller and `helpers` threads; 0 when they cannot be made. */
void *team_new(int helpers) {
  team *g = aligned_alloc(64, (sizeof(team) + 63) / 64 * 64);
  if (!g) return 0;
  *g = (team){.workers = helpers + 1};
  pthread_mutex_init(&g->mutex, 0);
  pthread_cond_init(&g->wake, 0);
  for (int k = 0; k < helpers; ++k) {
    pthread_t thread;
    helper *h = malloc(sizeof *h);
    if (!h) return 0;
    *h = (helper){g, k + 1};
    if (pthread_create(&thread, 0, helping, h)) return 0;
    pthread_detach(thread);
  }
  return g;
}

/* Run f in every worker. The BLAS must not start threads of its own meanwhile. */
void team_run(void *arg, function f, void *const *buffers, const int64_t *times, char *contexts, int64_t stride,
              void (*set_threads)(int)) {
  team *g = arg;
  const unsigned helpers = (unsigned)g->workers - 1;
  set_threads(1);
  g->processor = sched_getcpu();
  g->f = f;
  g->buffers = buffers;
  g->times = times;
  g->contexts = contexts;
  g->stride = stride;
  atomic_store(&g->done, 0);
  atomic_fetch_add(&g->job, 1);
  if (atomic_load(&g->sleeping)) {
    pthread_mutex_lock(&g->mutex);
    pthread_cond_broadcast(&g->wake);
    pthread_mutex_unlock(&g->mutex);
  }
  f(buffers, times, contexts);
  unsigned done;
  while ((done = atomic_load_explicit(&g->done, memory_order_acquire)) < helpers) until_changed(&g->done, done, 0);
  set_threads((int)helpers + 1);
}
"""


def processors() -> int:
    """How many processors this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


class Team:
    """Threads that run the same function.

    Attributes:
        handle: the team in C; None where its threads could not be made.
        wait: the address of the function by which its workers wait for each other.
    """

    def __init__(self, workers: int) -> None:
        library = shared_object(SOURCE, "-pthread")
        library.team_new.restype = ctypes.c_void_p
        library.team_run.restype = None
        self._run: Any = library.team_run
        self.wait = ctypes.cast(library.team_wait, ctypes.c_void_p).value
        self.handle: int | None = library.team_new(ctypes.c_int(workers - 1))

    def run(self, function: Any, buffers: Any, times: Any, contexts: Any, set_threads: Any) -> None:
        """Run a segment in every worker; meanwhile each product of matrices uses one thread."""
        size = ctypes.c_int64(ctypes.sizeof(contexts) // len(contexts))
        self._run(ctypes.c_void_p(self.handle), function, buffers, times, contexts, size, set_threads)


BUSY: Final = threading.Lock()
"""Held while a team runs: only one may run at a time, since the number of BLAS threads is that of the process."""


@lru_cache(maxsize=MOST)
def team_of(workers: int) -> Team:
    """The team of this many threads, including the caller."""
    return Team(workers)


def _after_fork() -> None:
    # After a fork the child process has none of its parent's threads.
    team_of.cache_clear()
    if BUSY.locked():
        BUSY.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
