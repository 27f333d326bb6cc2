"""Graphs that every printer is held to: random programs, random loops, and all cells, each with its gradients."""

from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.codegen.test_lowering import symbols
from tests.nn.test_recurrent import KINDS
from tests.nn.test_variants import LENGTHS
from tests.programs import Program
from tinygrad_lstm.graph.function import substitute
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.graph.tensor import Tensor

__all__ = ["POINTS", "Traced", "cell", "loop", "straight"]

POINTS = [np.array([0.3, -0.7, 0.9]), np.array([-0.4, 0.1, 0.8]), np.array([0.55, -0.25, -0.6])]
Traced = tuple[list[Tensor], list[Tensor], list[Any]]
"""Symbols, what is computed from them, and values for them."""


def straight(program: Program, second: bool) -> Traced:
    """The results of a program, their gradients, and perhaps the gradients of those."""
    xs = symbols(POINTS)
    ys = program.run(xs, symbolic=True)
    first = tl.gradients([y.sum() for y in ys], xs, allow_unused=True)
    return xs, [*ys, *first, *(tl.gradients(first, xs, allow_unused=True) if second else ())], POINTS


def loop(program: Program, length: int, reverse: bool, nested: bool) -> Traced:
    """Two carries and one stacked result, read and written in every way that a random body does it."""
    series = np.linspace(-0.8, 0.9, length * 3).reshape(length, 3)
    values = [*POINTS[:2], series]
    a, b, xs = symbols(values)

    def step(carry: Any, x: Any) -> Any:
        p, q, y = program.run([*carry, x], symbolic=True)
        return (tl.tanh(p), tl.sin(q)), y

    def outer(carry: Any, x: Any) -> Any:
        return tl.scan(step, carry, tl.stack([x, x * 0.5]), reverse=not reverse)

    (p, q), ys = tl.scan(outer if nested else step, (a, b), xs, reverse=reverse)
    gradients = tl.gradients([p.sum(), tl.sin(q).sum(), (ys * ys).sum()], [a, b, xs])
    return [a, b, xs], [p, q, ys, *gradients], values


def cell(kind: str, options: dict[str, Any], dtype: str) -> Traced:
    """A bidirectional stack of two layers over sequences of different lengths, and its gradients."""
    random = np.random.default_rng(0)
    model = KINDS[kind](3, 4, 2, bidirectional=True, key=tl.random.key(1), dtype=dtype, **options)
    x = tl.symbol("x", (4, 3, 3), dtype)
    y, last = model(x, lengths=tl.tensor(LENGTHS))
    results = [y, *flatten(last)[0]]
    leaves = [p.leaf for p in model.parameters()]
    gradients = tl.gradients([(r * r).sum() for r in results], [x, *leaves])
    inputs = [x, *[tl.symbol(f"p{k}", p.shape, dtype) for k, p in enumerate(leaves)]]
    outputs = substitute([*results, *gradients], dict(zip(leaves, inputs[1:], strict=True)))
    return inputs, outputs, [random.normal(size=s.shape).astype(dtype) for s in inputs]
