"""The time of a step on the GPU, by the clock of the GPU."""

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

__all__ = ["Times", "timed"]

_WARM: Final = 10
_FIRST: Final = 3
_MOST_SECONDS: Final = 4.0
Times = dict[str, float]


def timed(step: Callable[[int], Any], rounds: int, cupy: Any) -> Times:
    """Milliseconds of single steps, each of which begins on an idle GPU: the median, the least, and that of Python.

    Where Python is slower than the GPU, the time is Python's. What would take more than a few seconds in all is
    repeated less often, though three times at least.

    Args:
        step: a function of the number of the step.
        cupy: the module, by whose events the GPU's time is taken; None for a step on the CPU.
    """
    start = time.perf_counter()
    for k in range(_FIRST):
        step(k)
    _idle(cupy)
    each = (time.perf_counter() - start) / _FIRST
    # The first steps compile, so this estimate is too high rather than too low.
    for k in range(min(_WARM, int(_MOST_SECONDS / 4 / each))):
        step(_FIRST + k)
    _idle(cupy)
    found, spent = [], []
    until = time.perf_counter() + _MOST_SECONDS
    for k in range(max(rounds, 3)):
        start = time.perf_counter()
        found.append(_once(step, k, cupy))
        spent.append(1e3 * (time.perf_counter() - start))
        if time.perf_counter() > until and k > 1:
            break
    return {
        "milliseconds": statistics.median(found),
        "least": min(found),
        "as Python sees it": statistics.median(spent),
        "rounds": float(len(found)),
    }


def _once(step: Callable[[int], Any], k: int, cupy: Any) -> float:
    if cupy is None:
        start = time.perf_counter()
        step(k)
        return 1e3 * (time.perf_counter() - start)
    # All libraries compute on the default stream, where these events stand.
    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    begin.record()
    step(k)
    end.record()
    end.synchronize()
    return float(cupy.cuda.get_elapsed_time(begin, end))


def _idle(cupy: Any) -> None:
    if cupy is not None:
        cupy.cuda.Device().synchronize()
