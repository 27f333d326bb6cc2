"""Part 5: whether the loss falls in training as on the CPU."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from benchmarks.gpu_day.part import Check, Context, FailedError
from tests.backends.test_gpu import training
from tests.optim.test_half_precision import run as halves

__all__ = ["checks"]

Losses = Callable[[], list[float]]


def checks(context: Context) -> Iterator[Check]:
    """The same model and the same numbers on both; rounding grows with the steps, so few are allowed more than many."""
    steps = 5 if context.small else 200
    yield Check("float32, compiled", partial(parity, partial(training, steps), partial(training, steps), 1e-4))
    few = steps // 10
    if context.small:
        return
    yield Check("float32, interpreter", partial(parity, partial(training, few, False), partial(training, few), 1e-4))
    mixed = partial(halves, "float16", scaled=True, compiled=True, steps=steps)
    wide = partial(halves, "float32", scaled=False, compiled=True, steps=steps)
    yield Check("float16 with scaling, beside float32", partial(parity, mixed, wide, 0.05))


def parity(ours: Losses, theirs: Losses, allowed: float) -> dict[str, Any]:
    """Compare the losses step by step; returns them with the first step at which they differ too much."""
    with tl.use_backend("cupy"):
        start = time.perf_counter()
        got = np.array(ours())
        seconds = time.perf_counter() - start
    with tl.use_backend("numpy"):
        want = np.array(theirs())
    apart = np.abs(got - want) / np.abs(want)
    found = {
        "steps": len(got),
        "first and last": [got[0], got[-1]],
        "on the CPU": [want[0], want[-1]],
        "largest difference": float(apart.max()),
        "milliseconds a step, with compiling": 1e3 * seconds / len(got),
    }
    wrong = np.flatnonzero(~(apart <= allowed))
    if wrong.size:
        k = int(wrong[0])
        raise FailedError(f"step {k}: the loss is {got[k]}, on the CPU {want[k]}; allowed are {allowed}", **found)
    return found
