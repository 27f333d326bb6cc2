"""Different cells have different pictures and different words; one cell has one picture.

Pairs of random cells that differ in one thing: an operand, the order of two, a weight, a number, a slice.
"""

import re
from random import Random
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.draw.test_pairs import PAIRS, differ
from tinygrad_lstm import draw

N = 4
UNARY = ("tanh", "sigmoid", "negative", "one minus", "scale", "square", "slice", "flip", "decay", "softmax", "layer")
BINARY = ("add", "multiply", "subtract", "divide", "maximum", "two products", "joined", "where")
LEAVES = ("x", "h")
Step = tuple[str, tuple[int, ...], Any]
RANDOM = np.random.default_rng(0)
SQUARE, JOINED, DECAY = (
    [RANDOM.uniform(low, 1, shape).astype("float32") for _ in range(3)]
    for low, shape in ((-1, (N, N)), (-1, (2 * N, N)), (0.2, (N,)))
)
X, H = (RANDOM.uniform(0.2, 1.2, (1, N)).astype("float32") for _ in range(2))


def attribute(random: Random, op: str) -> Any:
    match op:
        case "scale":
            return random.choice((2, 3, 0.5))
        case "slice":
            return random.choice(((0, 2), (1, 3), (2, 4)))
        case "layer" | "decay" | "joined" | "two products":
            return random.randrange(3)
    return None


def program(random: Random) -> list[Step]:
    """Steps, each an operation on earlier values; −1 is the input and −2 the state."""
    steps: list[Step] = []
    for k in range(random.randrange(2, 7)):
        op = random.choice(random.choice((UNARY, BINARY, ("layer",))))
        count = 1 if op in UNARY else 3 if op == "where" else 2
        earlier = [-1, -2, *[j for j in range(k) for _ in range(3)]]
        steps.append((op, tuple(random.choice(earlier) for _ in range(count)), attribute(random, op)))
    return steps


def changed(random: Random, steps: list[Step]) -> list[Step]:
    """The same with one thing changed."""
    k = random.randrange(len(steps))
    op, operands, attr = steps[k]
    listed, kind = list(operands), random.random()
    if attr is not None and kind < 0.4:
        attr = attribute(random, op)
    elif len(operands) > 1 and kind < 0.8:
        a, b = random.sample(range(len(operands)), 2)
        listed[a], listed[b] = listed[b], listed[a]
    else:
        listed[random.randrange(len(listed))] = random.randrange(-len(LEAVES), k)
    return [*steps[:k], (op, tuple(listed), attr), *steps[k + 1 :]]


def cell_of(steps: list[Step], *, alike: bool = False) -> Any:
    """The cell; with weights that are all ``alike`` where they stand in layers."""
    square, joined, decay = (
        [tl.Parameter(values[0 if alike and letter != "d" else k], f"{letter}{k}") for k in range(3)]
        for letter, values in (("W", SQUARE), ("U", JOINED), ("d", DECAY))
    )

    def applied(op: str, v: list[Any], attr: Any) -> Any:
        match op:
            case "negative":
                return -v[0]
            case "one minus":
                return 1 - v[0]
            case "scale":
                return v[0] * attr
            case "square":
                return v[0] ** 2
            case "slice":
                return tl.concatenate([v[0][:, attr[0] : attr[1]]] * 2, axis=-1)
            case "flip":
                return tl.flip(v[0], 1)
            case "decay":
                return v[0] * decay[attr]
            case "divide":
                return v[0] / (v[1] + 3)
            case "where":
                return tl.where(v[0] > 0.5, v[1], v[2])
            case "joined":
                return tl.tanh(tl.concatenate(v, axis=-1) @ joined[attr])
            case "two products":
                return v[0] @ square[attr] + v[1] @ square[(attr + 1) % 3]
            case "layer":
                return tl.sigmoid(v[0] @ square[attr])
            case _:
                return getattr(tl, op)(*v)

    def cell(x: Any, h: Any) -> Any:
        values = {-1: x, -2: h}
        for k, (op, operands, attr) in enumerate(steps):
            values[k] = applied(op, [values[j] for j in operands], attr)
        return values[len(steps) - 1] * 1.0

    return cell


def picture(steps: list[Step]) -> Any:
    return draw.cell(cell_of(steps), x=tl.tensor(X), state=tl.tensor(H))


def seen(drawing: Any) -> list[str]:
    """What one sees, whatever the order of the lines."""
    return sorted(re.sub(r'tooltip="(?:[^"\\]|\\.)*"', "", drawing.dot).splitlines())


def pairs(numbers: range) -> None:
    different = 0
    for number in numbers:
        random = Random(number)
        steps = program(random)
        others = changed(random, steps)
        with np.errstate(all="ignore"):
            values = [cell_of(s)(tl.tensor(X), tl.tensor(H)).numpy() for s in (steps, others)]
        one = picture(steps)
        assert one.dot == picture(steps).dot, steps
        if not differ(*values):
            continue
        different += 1
        two = picture(others)
        assert one.description != two.description, f"{number}: {steps} {others} {one.description}"
        with np.errstate(all="ignore"):
            values = [cell_of(s, alike=True)(tl.tensor(X), tl.tensor(H)).numpy() for s in (steps, others)]
        if differ(*values):
            # Boxes of layers say nothing of the weights in them, which the words do.
            assert seen(one) != seen(two), f"{number}: {steps} {others}"
    assert different > len(numbers) / 5


@pytest.mark.parametrize("numbers", PAIRS)
def test_cells_that_differ_look_different(numbers: range) -> None:
    pairs(numbers)


def test_a_layer_that_is_used_twice_is_told_from_two() -> None:
    weights = [tl.Parameter(value, f"W{k}") for k, value in enumerate(SQUARE)]

    def twice(a: int, b: int) -> Any:
        return draw.cell(
            lambda x, h: tl.tanh(x @ weights[a]) * tl.tanh(h @ weights[b]), x=tl.tensor(X), state=tl.tensor(H)
        )

    assert seen(twice(0, 0)) != seen(twice(0, 1))
    assert "tanh W0" in twice(0, 0).dot
    assert "W0" not in twice(0, 1).dot


def test_values_that_many_read_get_a_name_where_formulas_would_be_long() -> None:
    def doubling(x: Any, h: Any) -> Any:
        h = (h * x).named("v_1")
        for _ in range(12):
            h = tl.where(h > 0.5, tl.sin(h), tl.cos(h))
        return h

    words = draw.cell(doubling, x=tl.tensor(X), state=tl.tensor(H)).description
    equations = re.findall(r"(\S+) = ", words)
    assert equations == ["v_1", "v_2", "v_3", "v_4", "h_t"]
    assert "…" not in words
    assert len(words) < 4000
