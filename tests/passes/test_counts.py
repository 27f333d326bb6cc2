"""How many products of matrices are left, in a step and outside the loops, for cells that no pass knows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.passes.cells import Subject, differences
from tinygrad_lstm.graph.function import Graph, topological
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes import optimize

STEPS, BATCH, INPUT, HIDDEN = 50, 16, 32, 64
OPTIONS: dict[str, Any] = {"key": tl.random.key(0), "dtype": tl.float64}

Weights = Callable[..., Tensor]
Start = Callable[[], Tensor]
Case = Callable[[Tensor], tuple[Tensor, list[Any]]]


def products(outputs: Any) -> int:
    return sum(node.op == "contract" for node in topological(outputs))


def counts(graph: Graph) -> tuple[int, list[int]]:
    """Products at the top level, and a step of each loop."""
    loops = [node for node in topological(graph.outputs) if node.op == "scan"]
    return products(graph.outputs), [products(loop.attrs["body"].outputs) for loop in loops]


def layer(kind: str, lengths: bool = False, **options: Any) -> Case:
    def case(x: Tensor) -> tuple[Tensor, list[Any]]:
        model = getattr(tl.nn, kind)(INPUT, HIDDEN, **options, **OPTIONS)
        y, _ = model(x, None, tl.tensor([3 * i for i in range(BATCH)]) if lengths else None)
        return (y * y).sum(), list(model.parameters())

    return case


def cell(step: Callable[..., Any], shapes: dict[str, tuple[int, ...]], states: int = 2) -> Case:
    """A loss over a loop of ``step(states, x, weights)``, from zeros."""

    def case(x: Tensor) -> tuple[Tensor, list[Any]]:
        noise = np.random.default_rng(0)
        weights = {n: tl.Parameter(noise.normal(size=s) / np.sqrt(s[0]), name=n) for n, s in shapes.items()}
        start = (tl.zeros((BATCH, HIDDEN), tl.float64),) * states
        _, ys = tl.scan(lambda state, x_t: step(state, x_t, weights), start, x)
        return (ys * ys).sum(), list(weights.values())

    return case


def lstm(state: Any, f: Tensor, i: Tensor, o: Tensor, g: Tensor) -> Any:
    c = tl.sigmoid(f) * state[1] + tl.sigmoid(i) * tl.tanh(g)
    h = tl.sigmoid(o) * tl.tanh(c)
    return (h, c), h


def separate(state: Any, x: Tensor, w: Any) -> Any:
    """A weight for the input and one for the state in each gate."""
    return lstm(state, *[x @ w[f"w{k}"] + state[0] @ w[f"u{k}"] for k in range(4)])


def user_stacked(state: Any, x: Tensor, w: Any) -> Any:
    """The four gates as parts of one product, written by hand."""
    return lstm(state, *tl.split(tl.concatenate([state[0], x], 1) @ w["w"], 4, axis=1))


def minimal_gated_unit(state: Any, x: Tensor, w: Any) -> Any:
    (h,) = state
    f = tl.sigmoid(tl.concatenate([h, x], 1) @ w["f"])
    n = tl.tanh(tl.concatenate([f * h, x], 1) @ w["n"])
    new = (1 - f) * h + f * n
    return (new,), new


def multiplicative_lstm(state: Any, x: Tensor, w: Any) -> Any:
    m = tl.concatenate([(x @ w["wm"]) * (state[0] @ w["um"]), x], 1)
    return lstm(state, *[m @ w[f"w{k}"] for k in range(4)])


def invented(state: Any, x: Tensor, w: Any) -> Any:
    """Three states, two of which see the past, with a softmax, a product of gates, and a state that only rests."""
    h, c, rest = state
    hx = tl.concatenate([x, h], 1)
    a = tl.softmax(hx @ w["a"] + rest, axis=-1)
    b = tl.sin(x @ w["b"] + h @ w["c"])
    d = tl.softplus(hx @ w["d"]) * tl.tanh(c)
    new = tl.tanh(a * b + d)
    return (new, a * c + b, 0.5 * rest + 0.1 * tl.cos(new)), new


JOINT = (INPUT + HIDDEN, HIDDEN)
IN, OWN = (INPUT, HIDDEN), (HIDDEN, HIDDEN)
CASES: dict[str, tuple[Case, int, list[int]]] = {
    "RNN": (layer("RNN"), 4, [1, 1]),
    "LSTM": (layer("LSTM"), 3, [1, 1]),
    "peephole": (layer("LSTM", peephole=True), 3, [1, 1]),
    "coupled": (layer("LSTM", coupled=True), 3, [1, 1]),
    "layer norm": (layer("LSTM", layer_norm=True), 3, [1, 1]),
    "masked": (layer("LSTM", lengths=True), 3, [1, 1]),
    "two layers": (layer("LSTM", num_layers=2), 6, [1, 1, 1, 1]),
    "bidirectional": (layer("LSTM", bidirectional=True), 5, [1, 1, 1, 1]),
    "GRU": (layer("GRU"), 5, [2, 2]),
    "GRU, reset outside": (layer("GRU", reset_after=True), 4, [1, 1]),
    "separate": (cell(separate, {f"{n}{k}": s for n, s in (("w", IN), ("u", OWN)) for k in range(4)}), 3, [1, 1]),
    "user-stacked": (cell(user_stacked, {"w": (INPUT + HIDDEN, 4 * HIDDEN)}), 3, [1, 1]),
    "minimal gated unit": (cell(minimal_gated_unit, {"f": JOINT, "n": JOINT}, states=1), 5, [2, 2]),
    "multiplicative LSTM": (
        cell(multiplicative_lstm, {"wm": IN, "um": OWN, **{f"w{k}": JOINT for k in range(4)}}), 5, [2, 2],
    ),
    "invented": (cell(invented, {"a": JOINT, "b": IN, "c": OWN, "d": JOINT}, states=3), 3, [1, 1]),
}  # fmt: skip


def subject(outputs: list[Tensor], x: Tensor) -> Subject:
    return Subject(Graph((x,), tuple(outputs)), [np.random.default_rng(1).normal(size=x.shape)])


@pytest.mark.parametrize("name", CASES)
def test_a_training_step(name: str) -> None:
    case, outside, steps = CASES[name]
    x = tl.symbol("x", (STEPS, BATCH, INPUT), tl.float64)
    loss, weights = case(x)
    plain = subject([loss, *tl.gradients(loss, [*weights, x])], x)
    fast = optimize(plain.graph)
    assert counts(fast) == (outside, steps)
    assert differences(plain, fast) < 1e-12


def test_the_product_of_the_hessian_with_a_vector() -> None:
    """Four loops, forward and backward twice, with one product a step in each."""
    x = tl.symbol("x", (STEPS, BATCH, INPUT), tl.float64)
    loss, weights = layer("LSTM")(x)
    noise = np.random.default_rng(2)
    slopes = tl.gradients(loss, weights)
    along = sum(((g * tl.tensor(noise.normal(size=g.shape))).sum() for g in slopes), start=tl.full((), 0.0, tl.float64))
    plain = subject(tl.gradients(along, weights), x)
    fast = optimize(plain.graph)
    outside, steps = counts(fast)
    assert steps == [1, 1, 1, 1]
    assert outside <= 8
    assert differences(plain, fast) < 1e-12


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_forward_pass_alone(kind: str) -> None:
    x = tl.symbol("x", (STEPS, BATCH, INPUT), tl.float64)
    y, last = getattr(tl.nn, kind)(INPUT, HIDDEN, **OPTIONS)(x)
    finals = [last] if isinstance(last, Tensor) else list(last)
    plain = subject([y, *finals], x)
    fast = optimize(plain.graph)
    assert counts(fast) == (1, [2 if kind == "GRU" else 1])
    assert differences(plain, fast) < 1e-12
