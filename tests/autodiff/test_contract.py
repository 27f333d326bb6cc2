"""The product with letters, which the compiler makes of ``matmul``: its gradients, and those of compiled graphs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.tensor import make
from tinygrad_lstm.testing import check_gradients

SIZES = {"a": 2, "b": 3, "c": 1, "d": 2, "e": 0}


@st.composite
def letters(draw) -> tuple[str, str, str]:
    """Left, right and result: each letter is in two of the three at least."""
    places = [(1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)]
    chosen = {x: draw(st.sampled_from(places)) for x in draw(st.sets(st.sampled_from("abcde"), max_size=4))}
    left, right, out = ([x for x, where in chosen.items() if where[k]] for k in range(3))
    return tuple("".join(draw(st.permutations(group))) for group in (left, right, out))


def operands(left: str, right: str) -> list[np.ndarray]:
    random = np.random.default_rng(7)
    return [random.normal(size=[SIZES[x] for x in group]) for group in (left, right)]


@given(letters())
def test_to_second_order(found: tuple[str, str, str]) -> None:
    left, right, out = found

    def product(a: tl.Tensor, b: tl.Tensor) -> tl.Tensor:
        return make("contract", a, b, left=left, right=right, out=out)

    a, b = operands(left, right)
    np.testing.assert_allclose(product(tl.tensor(a), tl.tensor(b)).numpy(), np.einsum(f"{left},{right}->{out}", a, b))
    check_gradients(product, a, b)
    check_gradients(lambda a, b: tl.sin(product(tl.tanh(a), b)), a, b)


def test_one_operand_twice_and_forward_mode() -> None:
    def square(a: tl.Tensor) -> tl.Tensor:
        return make("contract", a, a, left="ab", right="cb", out="ca")

    a = np.random.default_rng(0).normal(size=(2, 3))
    v = np.ones((2, 3))
    check_gradients(square, a, order=3)
    _, slope = tl.jvp(square, (a,), (v,))
    np.testing.assert_allclose(slope.numpy(), a @ v.T + v @ a.T)


def test_in_the_body_of_a_loop() -> None:
    def run(h: tl.Tensor, w: tl.Tensor, xs: tl.Tensor) -> tl.Tensor:
        def step(h: tl.Tensor, x: tl.Tensor):
            h = tl.tanh(make("contract", h, w, left="ab", right="cb", out="ac") + x)
            return h, h

        return tl.scan(step, h, xs)[1]

    random = np.random.default_rng(1)
    check_gradients(run, random.normal(size=(2, 3)), random.normal(size=(3, 3)), random.normal(size=(4, 2, 3)))


@pytest.mark.parametrize("layer", [tl.nn.LSTM, tl.nn.GRU, tl.nn.RNN])
def test_a_compiled_graph_has_the_gradients_of_the_graph_it_was_made_of(layer) -> None:
    model = layer(3, 4, key=tl.random.key(0))

    @tl.jit
    def loss(x: tl.Tensor) -> tl.Tensor:
        return (model(x)[0] ** 2).sum()

    x = tl.random.normal(tl.random.key(1), (5, 2, 3))
    found = []
    for graph in (loss.graph(x), loss.optimized(x)):
        values = {s: x if s.variable is None else s.variable().leaf for s in graph.inputs}
        slopes = tl.gradients(graph.outputs, graph.inputs)
        found.append([g.evaluate(values).numpy() for g in slopes])
    assert "contract" in {node.op for node in loss.optimized(x).nodes()}
    assert len(found[0]) > 2
    for before, after in zip(*found, strict=True):
        assert np.abs(before).max() > 0
        np.testing.assert_allclose(after, before, rtol=2e-4, atol=1e-6)


def test_a_compiled_cell_has_them_too() -> None:
    cell = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))
    step = tl.jit(lambda x: cell(x, cell.zeros(batch=1))[0])
    graph = step.optimized(tl.ones((1, 3)))
    assert "contract" in {node.op for node in topological(graph.outputs)}
    x = graph.inputs[0]
    values = {s: tl.ones((1, 3)) if s.variable is None else s.variable().leaf for s in graph.inputs}
    slope = tl.gradients(graph.outputs, x).evaluate(values)
    wanted = tl.grad(lambda x: cell(x, cell.zeros(batch=1))[0].sum())(tl.ones((1, 3)))
    np.testing.assert_allclose(slope.numpy(), wanted.numpy(), rtol=1e-5)
