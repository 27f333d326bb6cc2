"""Different computations have different pictures and different texts; one computation has one picture.

Pairs of random small graphs that differ in one thing: an operand, the order of two, a weight, a number, an axis, a
slice. Where their values differ, so must what one sees, whatever the order of the lines of DOT.
"""

import re
from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.covering import ranked

N = 3
UNARY = ("sin", "tanh", "exp", "flip", "transpose", "sum", "slice", "square", "power", "scale", "cumsum")
BINARY = ("add", "multiply", "subtract", "divide", "maximum", "matmul", "where", "less", "concatenate", "stack", "take")
LEAVES = ("x", "y", "W", "V")
Step = tuple[str, tuple[int, ...], Any]


def attribute(random: Random, op: str) -> Any:
    match op:
        case "flip" | "sum" | "concatenate" | "cumsum":
            return random.randrange(2)
        case "slice":
            start = random.randrange(N - 1)
            return (random.randrange(2), start, random.randrange(start + 1, N + 1))
        case "power" | "scale":
            return random.choice((2, 3, 0.5, -1, 4))
        case "take":
            return random.randrange(2)
    return None


def program(random: Random) -> list[Step]:
    """Steps, each an op on earlier values; the leaves are the values −1 … −4."""
    steps: list[Step] = []
    for k in range(random.randrange(1, 6)):
        op = random.choice(UNARY if random.random() < 0.4 else BINARY)
        count = 1 if op in UNARY else 3 if op == "where" else 2
        earlier = [*range(-len(LEAVES), 0), *[j for j in range(k) for _ in range(3)]]
        steps.append((op, tuple(random.choice(earlier) for _ in range(count)), attribute(random, op)))
    return steps


def changed(random: Random, steps: list[Step]) -> list[Step]:
    """The same with one thing changed."""
    k = random.randrange(len(steps))
    op, operands, attr = steps[k]
    kind = random.random()
    if attr is not None and kind < 0.4:
        attr = attribute(random, op)
    elif len(operands) > 1 and kind < 0.8:
        a, b = random.sample(range(len(operands)), 2)
        listed = list(operands)
        listed[a], listed[b] = listed[b], listed[a]
        operands = tuple(listed)
    else:
        listed = list(operands)
        listed[random.randrange(len(listed))] = random.randrange(-len(LEAVES), k)
        operands = tuple(listed)
    return [*steps[:k], (op, operands, attr), *steps[k + 1 :]]


def applied(op: str, xs: list[Any], attr: Any) -> Any:
    match op:
        case "flip":
            return tl.flip(xs[0], attr)
        case "transpose":
            return tl.transpose(xs[0])
        case "sum":
            return xs[0].sum(attr, keepdims=True) + tl.zeros((N, N))
        case "cumsum":
            return tl.cumsum(xs[0], attr)
        case "slice":
            axis, start, stop = attr
            part = xs[0][start:stop] if axis == 0 else xs[0][:, start:stop]
            return part.sum(axis, keepdims=True) * tl.ones((N, N))
        case "power":
            return xs[0] ** attr
        case "scale":
            return xs[0] * attr
        case "where":
            return tl.where(xs[0] < 0.3, xs[1], xs[2])
        case "less":
            return (xs[0] < xs[1]).astype(tl.float32)
        case "concatenate":
            joined = tl.concatenate([xs[0], xs[1]], axis=attr)
            return joined[1 : N + 1] if attr == 0 else joined[:, 1 : N + 1]
        case "stack":
            return tl.stack([xs[0], xs[1]])[0] * 2 + tl.stack([xs[0], xs[1]]).sum(0)
        case "take":
            return tl.take(xs[0], tl.tensor([1, 0, 2]), attr) + xs[1]
        case _:
            return getattr(tl, op)(*xs)


def built(steps: list[Step]) -> tuple[Any, dict[Any, Any]]:
    x, y = tl.symbol("x", (N, N)), tl.symbol("y", (N, N))
    random = np.random.default_rng(0)
    w, v, at_x, at_y = (random.uniform(0.2, 1.2, (N, N)).astype("float32") for _ in range(4))
    values = [x, y, tl.Parameter(w, "W"), tl.Parameter(v, "V")]
    # So negative numbers count from the leaves' end, and the steps follow.
    known = {k - len(LEAVES): value for k, value in enumerate(values)}
    for k, (op, operands, attr) in enumerate(steps):
        known[k] = applied(op, [known[j] for j in operands], attr)
    return known[len(steps) - 1] * 1.0, {x: at_x, y: at_y}


def seen(dot: str) -> Counter[Any]:
    """What a picture shows: its vertices with their words, told apart by what leads to and from them."""
    shown = re.sub(r'(label)?tooltip="(?:[^"\\]|\\.)*"|tooltip=[^\s\]]+', "", dot)
    labels = dict(re.findall(r"^\s*(n\d+) \[label=(.*)\]$", shown, re.MULTILINE))
    edges = re.findall(r"^\s*(n\d+) -> (n\d+)(?: \[(.*)\])?$", shown, re.MULTILINE)
    assert labels
    for _ in range(8):
        around: dict[str, list[Any]] = {n: [] for n in labels}
        for a, b, look in edges:
            around[b].append(("in", labels[a], look))
            around[a].append(("out", labels[b], look))
        labels = {n: str(hash((labels[n], tuple(sorted(around[n]))))) for n in labels}
    return Counter(labels.values())


def differ(a: Any, b: Any) -> bool:
    """By more than rounding; a text shortens x/x to 1, which says nothing of where x is 0."""
    known = np.isfinite(a) & np.isfinite(b)
    return not np.allclose(a[known], b[known], rtol=1e-3, atol=1e-3)


def pairs(numbers: range) -> None:
    different = 0
    for number in numbers:
        random = Random(number)
        steps = program(random)
        others = changed(random, steps)
        (one, at), (two, at_two) = built(steps), built(others)
        with np.errstate(all="ignore"):
            same = not differ(one.evaluate(at).numpy(), two.evaluate(at_two).numpy())
        first_picture = tl.draw.graph(one).dot
        assert first_picture == tl.draw.graph(built(steps)[0]).dot, steps
        if same:
            continue
        different += 1
        assert seen(first_picture) != seen(tl.draw.graph(two).dot), f"{number}: {steps} {others}"
        assert tl.text(one) != tl.text(two), f"{number}: {steps} {others} {tl.text(one)}"
        assert tl.latex(one) != tl.latex(two), f"{number}: {steps} {others} {tl.latex(one)}"
    assert different > len(numbers) / 3


# Ten thousand.
PAIRS = ranked([range(100)], [range(100, 1000)], [range(first, first + 1000) for first in range(1000, 10_000, 1000)])


@pytest.mark.parametrize("numbers", PAIRS)
def test_what_differs_looks_different(numbers: range) -> None:
    pairs(numbers)
