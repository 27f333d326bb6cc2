"""Depth is bounded by memory alone, and training does not use more of it with every step."""

import gc
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tl


def deep_chain(depth: int) -> None:
    """Build, print, differentiate, evaluate and free a chain that no recursive walk could follow."""
    x = tl.Parameter(1.0)
    y = x * 1.0
    for _ in range(depth):
        y = y + 0.0
    assert tl.printed(y).count("\n") == 2 * depth + 3
    assert repr(y.named("end"))
    tl.evaluate(y, slope := tl.gradients(y, x))
    assert (y.item(), slope.item()) == (1.0, 1.0)
    y.backward()
    assert x.grad.item() == 1.0
    last = weakref.ref(y)
    del y, slope
    assert last() is None


def deep_gradients(depth: int) -> None:
    """A chain whose gradient reads every value of it, and a wide sum of ever deeper terms."""
    x = tl.symbol("x", (), tl.float64)
    y = x
    for _ in range(depth // 4):
        y = tl.sin(y)
    slope = tl.gradients(y, x)
    assert np.isfinite(slope.evaluate({x: 0.5}).item())


@pytest.mark.parametrize("depth", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("f", [deep_chain, deep_gradients])
def test_depth(f: Callable[[int], None], depth: int) -> None:
    """In a thread with a small stack, where Python allows few nested calls."""
    failures: list[BaseException] = []
    limit = sys.getrecursionlimit()

    def run() -> None:
        sys.setrecursionlimit(80)
        try:
            f(depth)
        except BaseException as error:
            failures.append(error)
        finally:
            sys.setrecursionlimit(limit)

    old = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
    finally:
        threading.stack_size(old)
    thread.join()
    if failures:
        raise failures[0]


def test_a_deep_body_of_a_loop() -> None:
    def body(c, x):
        for _ in range(2000):
            c = c + x
        return c, None

    x = tl.tensor(1.0)
    c, _ = tl.scan(lambda c, _: body(c, x), tl.tensor(0.0), length=2)
    assert c.item() == 4000.0
    assert tl.gradients(c, x).item() == 4000.0


class Training:
    """A tiny LSTM, trained on windows that carry its state from one to the next."""

    def __init__(self) -> None:
        self.model = tl.nn.LSTM(1, 2, key=tl.random.key(0))
        self.optimizer = tl.optim.SGD(self.model.parameters(), lr=1e-3)
        self.state = self.model.zeros(1)
        self.x = tl.tensor(np.full((2, 1, 1), 0.5, np.float32))

    def steps(self, count: int) -> None:
        for _ in range(count):
            y, state = self.model(self.x, self.state)
            tl.mean(tl.square(y - 1.0)).backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.state = tl.nn.LSTMState(*[s.detach() for s in state])
        gc.collect()


def test_a_step_of_training_leaves_nothing_behind() -> None:
    training = Training()
    training.steps(20)
    tracemalloc.start()
    try:
        # NumPy keeps some blocks of each small size for later; that they are there takes a few hundred steps.
        training.steps(300)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        training.steps(100)
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A step makes some hundred nodes of some hundred bytes; one array kept by each step would show as 10 kB;
    # a tracer that measures coverage keeps some of its own.
    assert after - before < 9_000
    assert peak - before < 2_000_000


def resident() -> int:
    """The memory of this process in bytes, or the most that it ever had where that is not told."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        resource = pytest.importorskip("resource", reason="no way to ask for the memory of the process")
        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return pages * 4096


@pytest.mark.parametrize(("first", "last"), [(200, 600), pytest.param(1_000, 10_000, marks=pytest.mark.slow)])
def test_thousands_of_steps_of_training_hold_memory_flat(first: int, last: int) -> None:
    training = Training()
    training.steps(first)
    objects, memory = len(gc.get_objects()), resident()
    training.steps(last - first)
    assert len(gc.get_objects()) - objects < 200
    assert resident() - memory < 4_000_000
