"""Functions that a reader knows by name are one vertex each in the picture of a graph, forwards and backwards."""

import itertools

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn

X = tl.symbol("x", (2, 5))
FUNCTIONS = {
    "relu": tl.relu,
    "gelu": tl.gelu,
    "silu": tl.silu,
    "elu": tl.elu,
    "softmax": tl.softmax,
    "log_softmax": tl.log_softmax,
    "mean": tl.mean,
    "std": tl.std,
    "cross entropy": lambda x: nn.cross_entropy(x, tl.tensor([1, 2])),
    "mean squared error": lambda x: nn.mse(x, tl.zeros((2, 5))),
    "normalise": nn.LayerNorm(5),
}


def words(drawing):
    return [dot.shown(look) for look in dot.nodes(drawing).values() if look["class"] != "title"]


def operations(drawing):
    """The labels of all that computes, without types and small print."""
    looks = [look for look in dot.nodes(drawing).values() if look["class"] in ("pointwise", "op", "view", "folded")]
    return [dot.shown(look).partition(" f32")[0] for look in looks]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_one_part_forwards_and_backwards(name):
    y = FUNCTIONS[name](tl.sin(X))
    found = operations(draw.graph((y, tl.gradients(y, X))))
    assert next(text for text in found if not text.startswith("sin")) == name
    assert found.count(name) == 1
    # The gradient of a mean is a number, the same everywhere.
    assert f"gradient of {name}" in found or name == "mean"
    assert not set(found) & {"−", "exp", "max", "÷", "where"}


def test_what_is_all_of_the_graph_is_open_and_depth_opens_the_rest():
    assert "log_softmax" in operations(draw.graph(tl.softmax(X)))
    assert "exp" in operations(draw.graph(tl.softmax(X)))
    y = tl.softmax(tl.sin(X))
    assert operations(draw.graph(y, depth=0)) == operations(draw.graph(y)) == ["sin", "softmax"]
    assert operations(draw.graph(y, depth=1)) == ["sin", "log_softmax", "exp"]
    assert "log Σ exp" in operations(draw.graph(y, depth=2))


def test_a_function_of_the_users_is_a_part():
    with tl.scope("swish", role="function"):
        y = X * tl.sigmoid(X)
    assert operations(draw.graph(tl.sin(y))) == ["swish", "sin"]


def test_calls_that_differ_have_pictures_that_differ():
    a, b = tl.symbol("a", (3, 3)), tl.symbol("b", (3, 3))
    calls = [tl.softmax(a), tl.softmax(a, 0), tl.gelu(a), tl.gelu(a, approximate=True), tl.leaky_relu(a)]
    calls += [
        tl.leaky_relu(a, 0.2),
        tl.clip(a, 0, 1),
        tl.clip(a, 0, 2),
        tl.std(a, 0),
        tl.std(a, 1),
        tl.std(a, 1, ddof=1),
    ]
    calls += [nn.kl_div(a, b), nn.kl_div(b, a), nn.mse(a, b, reduction="sum"), nn.mse(a, b)]
    drawn = [draw.graph((tl.sin(y), a + b)).dot for y in calls]
    same = [(k, n) for (k, one), (n, other) in itertools.combinations(enumerate(drawn), 2) if one == other]
    assert not same


def test_a_gradient_that_is_added_up_in_between_makes_no_circle():
    w = tl.Parameter(np.ones((5, 5), "f"), name="w")

    def loss(x):
        h = x @ w
        return (tl.silu(h) + tl.silu(h * tl.relu(h)) + tl.gelu(h)).sum()

    y = loss(X)
    picture = draw.graph((y, tl.gradients(y, [X, w])))
    after: dict[str, set[str]] = {}
    for a, b, _ in dot.edges(picture):
        after.setdefault(a, set()).add(b)

    def reachable(start):
        seen, pending = set(), [start]
        while pending:
            for b in after.get(pending.pop(), ()):
                if b not in seen:
                    seen.add(b)
                    pending.append(b)
        return seen

    assert not [v for v in after if v in reachable(v)]
    assert [text for text in operations(picture) if text == "gradient of gelu"]


def test_what_a_function_is_called_with_stands_beside_it_once():
    w = tl.Parameter(np.ones(5, "f"), name="w")
    found = words(draw.graph(tl.sin(tl.silu(w))))
    assert [text.split()[0] for text in found] == ["w", "silu", "sin", "result"]


def test_values_are_those_of_the_function():
    found = words(draw.graph(lambda x: tl.softmax(x * 2.0), tl.tensor([[0.0, 0.0]]), values="numbers"))
    assert [text for text in found if text.startswith("softmax")] == ["softmax 0.5, 0.5"]
