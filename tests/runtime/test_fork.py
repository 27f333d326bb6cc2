"""A process that is forked while another thread of its parent compiles or runs goes on, and computes the same."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import pytest

from tests.codegen.small_programs import needs_c
from tinygrad_lstm.runtime.locks import Lock, once

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    # Python warns of it from 3.12 on; that it is harmless here is what these tests show.
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]

PROGRAM = """
    import os, signal, sys, threading, time
    import numpy as np
    import tinygrad_lstm as tl
    from tinygrad_lstm.jit import entry
    from tinygrad_lstm.runtime.backend import load_backend

    signal.alarm(60)
    inside, wait = threading.Event(), threading.Event()
    lower = entry.lower

    def slow(*args):
        inside.set()
        wait.wait(20)
        return lower(*args)

    f, g = tl.jit(lambda x: tl.tanh(x) * 2), tl.jit(lambda x: x + 1)
    tl.nn.Linear(2, 2)
    backend = {backend!r}

    def compiled():
        with tl.use_backend(backend):
            f(1.0)

    entry.lower = slow
    thread = threading.Thread(target=compiled)
    thread.start()
    inside.wait()
    entry.lower = lower
    children = []
    for k in range(3):
        child = os.fork()
        if not child:
            signal.alarm(20)
            with tl.use_backend(backend):
                same = f(1.0).item() == (tl.tanh(tl.tensor(1.0)) * 2).item() or backend == "c"
                tl.nn.Linear(2, 2)
                os._exit(0 if same and g(2.0).item() == 3.0 else 1)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    wait.set()
    thread.join()
    print(statuses)
    sys.exit(any(statuses))
"""


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
def test_a_fork_while_another_thread_compiles(backend: str) -> None:
    text = textwrap.dedent(PROGRAM).replace("{backend!r}", repr(backend))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", timeout=90, check=False)
    if backend == "c" and "there is no C compiler" in done.stderr:
        pytest.skip("there is no C compiler")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == "[0, 0, 0]"


def test_a_lock_that_another_thread_holds_is_free_in_a_child() -> None:
    lock, held, end = Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if not child:
        signal.alarm(10)
        with lock:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    end.set()
    thread.join()


def test_different_objects_are_computed_at_one_time() -> None:
    both = threading.Barrier(2, timeout=10)

    class Slow:
        calls = 0

        @once
        def value(self) -> int:
            type(self).calls += 1
            both.wait()
            return 1

    objects: list[Any] = [Slow(), Slow()]
    threads = [threading.Thread(target=lambda o=o: o.value) for o in objects for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Slow.calls == 2
    assert [o.value for o in objects] == [1, 1]
    assert isinstance(Slow.value, once)


def test_what_fails_is_computed_again() -> None:
    class Flaky:
        tries = 0

        @once
        def value(self) -> float:
            self.tries += 1
            if self.tries == 1:
                raise ValueError("not yet")
            return time.time()

    flaky = Flaky()
    with pytest.raises(ValueError, match="not yet"):
        _ = flaky.value
    assert flaky.value == flaky.value
