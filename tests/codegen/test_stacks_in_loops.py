"""Loops in loops whose results are joined with what is computed from them: who writes which rows, and what lies where.

Each program is lowered and verified; that takes a few milliseconds, so many can be tried.
"""

from random import Random
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.test_lowering import symbols
from tests.covering import covering
from tinygrad_lstm.codegen.lowering import lowered
from tinygrad_lstm.codegen.verify_program import verify_program
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.passes import optimize


def program(seed: int) -> Graph:
    """An outer loop over a product, with an inner loop in it; parts of both are joined, summed and returned."""
    random = Random(seed)
    length, width = random.choice((1, 2, 2, 3)), random.choice((1, 2, 4))
    a, b, s = symbols([np.ones((3, 2)), np.ones((2, length * width)), np.ones(())])
    reverse, inner_reverse = random.random() < 0.3, random.random() < 0.3

    def body(c: Any, x: Any) -> Any:
        def inner(d: Any, z: Any) -> Any:
            ways = [d + 1.0, tl.tanh(d)] + ([d * z + x[0], tl.tanh(d) * z] if z is not None else [])
            new = random.choice(ways)
            return new, random.choice((new, new * 2, d))

        parts = [x[k * length : (k + 1) * length] for k in range(width)]
        steps = random.choice([*parts, *[None] * len(parts)])
        _, q = tl.scan(inner, c, steps, length=length, reverse=inner_reverse)
        made = [q, *parts]
        for _ in range(random.randrange(1, 4)):
            one, other = random.choice(made), random.choice(made)
            made.append(random.choice((one * other, one + other, one * other + q, tl.tanh(one))))
        chosen = random.sample(made, min(len(made), random.randrange(1, 4)))
        y = tl.concatenate(chosen) if random.random() < 0.7 else tl.stack(chosen)
        return tl.sum(random.choice(made)), (y, random.choice(made)) if random.random() < 0.4 else y

    xs = random.choice((lambda: tl.transpose(a @ b), lambda: a @ b, lambda: tl.tanh(a @ b)))()
    if xs.shape[1] != length * width:
        xs = tl.transpose(xs)
    last, ys = tl.scan(body, s, xs, reverse=reverse)
    ys = list(ys) if isinstance(ys, tuple) else [ys]
    outputs = [last]
    for y in ys:
        # What is no output itself may lie over another array.
        outputs += random.choice(([y], [tl.sum(y)], [y * 2], [tl.sum(y), y[::-1] * 2], [y, tl.sum(y)]))
    random.shuffle(outputs)
    if random.random() < 0.3:
        outputs += tl.gradients(tl.sum(outputs[0]), [a, b], allow_unused=True)
    return Graph((a, b, s), tuple(outputs))


@pytest.mark.parametrize("seed", covering(range(0, 600, 50), lambda seed: {seed % 150}))
def test_every_row_is_read_before_it_is_written_over(seed: int) -> None:
    for k in range(seed, seed + 50):
        graph = program(k)
        for one in (graph, optimize(graph)):
            forms = lowered(one)
            verify_program(forms.operations, forms.emitted)
