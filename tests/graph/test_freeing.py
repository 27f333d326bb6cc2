"""A deep graph is freed without recursion, whatever the version of Python, in a thread with a small stack."""

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.graph import freeing
from tinygrad_lstm.graph.freeing import LONGEST, FreedLater

DEEP = """
import gc, threading
import tinygrad_lstm as tl

def chain(length):
    x = tl.symbol("x")
    y = x
    for _ in range(length):
        y = tl.tanh(y) + x
    return y, x

def by_reference():
    y, x = chain(DEPTH)
    del y

def by_collector():
    y, x = chain(DEPTH)
    ring = [tl.gradients(y, x), y]
    ring.append(ring)
    del y, x, ring
    gc.collect()
    tl.symbol("x")

threading.stack_size(256 * 1024)
for work in (by_reference, by_collector):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print("freed")
"""


@pytest.mark.parametrize("depth", [12_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_a_thread_with_a_small_stack_frees_a_deep_graph(depth: int) -> None:
    """In a process of its own, which a deep recursion would end with a segmentation fault."""
    done = subprocess.run(
        [sys.executable, "-c", DEEP.replace("DEPTH", str(depth))], capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "freed\n", "")


class Recursion:
    """An input that notes how many `FreedLater` are being freed when it is freed."""

    def __init__(self, noted: list[bool]) -> None:
        self.noted = noted

    def __del__(self) -> None:
        self.noted.append(threading.current_thread() is threading.main_thread() and freeing._WAITING.inputs is not None)


def test_inputs_are_freed_by_the_loop_of_the_outermost() -> None:
    noted: list[bool] = []
    outer = FreedLater((FreedLater((Recursion(noted),)), Recursion(noted)))
    del outer
    assert noted == [True, True]
    assert freeing._WAITING.inputs is None


def test_one_node_in_many_keeps_its_inputs_and_every_way_meets_one() -> None:
    x = tl.symbol("x")
    nodes = [x]
    for k in range(10 * LONGEST):
        nodes.append(tl.tanh(nodes[-1]) if k % 3 else nodes[-1] * nodes[-2 if k else -1])
    longest: dict[tl.Tensor, int] = {}
    for node in nodes:
        below = 1 + max((longest[y] for y in node.inputs), default=0)
        longest[node] = 0 if node.later is not None else below
    assert max(longest.values()) == LONGEST + 1
    kept = [node for node in nodes if node.later is not None]
    assert len(kept) < len(nodes) / LONGEST * 2
    assert all(node.later.inputs is node.inputs for node in kept)


@pytest.mark.parametrize("order", [1, -1])
def test_what_the_collector_leaves_is_freed_in_any_order(order: int) -> None:
    x = tl.symbol("x")
    nodes = [x]
    for _ in range(20 * LONGEST):
        nodes.append(tl.tanh(nodes[-1]))
    seen = [weakref.ref(node) for node in nodes]
    kept = [node.later for node in nodes if node.later is not None]
    while kept:
        # As the collector does it, while the nodes still refer to their inputs.
        kept.pop().__del__()
    assert len(freeing._LEFT) > 10
    freeing._LEFT[:] = freeing._LEFT[::order]
    del nodes, x
    tl.symbol("x")
    assert not freeing._LEFT
    assert [node() for node in seen] == [None] * len(seen)


def test_ctrl_c_while_a_graph_is_freed_is_raised_by_the_next_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[bool] = []

    def count(inputs: object) -> int:
        monkeypatch.undo()
        raise KeyboardInterrupt

    inputs = (FreedLater((Recursion(freed),)), Recursion(freed))
    kept = FreedLater(inputs)
    del inputs
    monkeypatch.setattr(freeing, "getrefcount", count)
    del kept
    assert len(freed) == 2
    with pytest.raises(KeyboardInterrupt):
        tl.symbol("x")
    tl.symbol("x")


def test_a_node_is_freed_at_once() -> None:
    functions: list[Callable[[tl.Tensor], tl.Tensor]] = [tl.tanh, tl.sigmoid, lambda y: y * y]
    y = tl.symbol("x")
    seen = []
    for k in range(5 * LONGEST):
        y = functions[k % 3](y)
        seen.append(weakref.ref(y))
    del y
    assert [node() for node in seen] == [None] * len(seen)
    assert gc.isenabled()
