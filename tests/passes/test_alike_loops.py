"""Loops that differ in one thing alone stay apart; loops that differ in nothing that counts become one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.passes.dead_code import dead_code
from tinygrad_lstm.passes.merge import merge
from tinygrad_lstm.passes.simplify import cse

X, C = tl.symbol("x", (4,)), tl.symbol("c")
NUMBER = tl.tensor(3.0)


def last(f: Callable[[Any, Any], Any], **options: Any) -> Tensor:
    found: Tensor = tl.scan(lambda c, x: (f(c, x), None), C, None if "length" in options else X, **options)[0]
    return found


APART: dict[str, tuple[Tensor, Tensor]] = {
    "the order of operands": (last(lambda c, x: c - x), last(lambda c, x: x - c)),
    "the number of steps": (last(lambda c, x: c * 2, length=3), last(lambda c, x: c * 2, length=5)),
    "the direction": (last(lambda c, x: c * 2 + x), last(lambda c, x: c * 2 + x, reverse=True)),
    "a number": (last(lambda c, x: c * 2 + x), last(lambda c, x: c * 3 + x)),
    "an array": (last(lambda c, x: c + tl.tensor(2.0)), last(lambda c, x: c + tl.tensor(4.0))),
    "an attribute": (
        last(lambda c, x: c + tl.stack([c, x, x])[:2].sum()), last(lambda c, x: c + tl.stack([c, x, x])[1:].sum()),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", APART)
def test_loops_that_differ_in(name: str) -> None:
    given = {X: np.arange(4, dtype=np.float32), C: np.float32(1.5)}
    pair = APART[name]
    want = [y.evaluate(given).tolist() for y in pair]
    assert want[0] != want[1]
    for after in (cse(pair), merge(pair), optimize(Graph((X, C), pair)).outputs):
        assert [y.evaluate(given).tolist() for y in after] == want


@pytest.mark.parametrize(
    "f",
    [
        lambda c, x: tl.tanh(c + x) * 2,
        lambda c, x: tl.tanh(c + x) * NUMBER,
        lambda c, x: c + tl.scan(lambda d, _: (d * x, None), c, length=2)[0],
        lambda c, x: c + tl.scan(lambda d, _: (d * x - NUMBER, None), c, length=2)[0],
    ],
    ids=["numbers", "arrays", "a loop within", "arrays in a loop within"],
)
@pytest.mark.parametrize("rewriting", [cse, lambda pair: merge(cse(pair))], ids=["cse", "merge"])
def test_loops_that_do_not_differ_are_one(f: Callable[[Any, Any], Any], rewriting: Any) -> None:
    one, other = rewriting([last(f), last(f)])
    assert one is other


def test_loops_that_share_a_carry_and_an_array_run_as_one() -> None:
    one = last(lambda c, x: tl.tanh(c + x) * NUMBER)
    _, other = tl.scan(lambda c, x: (tl.tanh(c + x) * NUMBER, c * x), C, X)
    assert tl.printed(*merge(cse([one, other]))).count("scan") == 1


def test_loops_in_what_is_computed_again_are_rewritten() -> None:
    """Where a graph has no other loop."""

    def f(x: Tensor) -> Tensor:
        (a, _), _ = tl.scan(lambda c, v: ((c[0] + v, c[1] * v), None), (0.0, 1.0), x)
        return a * 2

    y = tl.checkpoint(f)(X)
    assert "carries=2" in tl.printed(y)
    assert "carries=1" in tl.printed(*dead_code([y]))
