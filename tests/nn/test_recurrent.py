"""RNN, LSTM and GRU against the referee in plain NumPy: values, and the gradients by everything they read."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.covering import covering, pairs
from tests.reference import recurrent as reference
from tinygrad_lstm.errors import DTypeError, ShapeError, StructureError, UsageError
from tinygrad_lstm.graph.function import Graph, topological, verify
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.testing import check_gradients

KINDS = {"rnn": tl.nn.RNN, "lstm": tl.nn.LSTM, "gru": tl.nn.GRU}
BATCH, INPUT, HIDDEN = 3, 4, 5
TOLERANCE = {"float32": 2e-6, "float64": 1e-12}


def assert_near(got: Any, want: Any, tolerance: float, what: str) -> None:
    got = np.asarray(got)
    assert got.shape == want.shape, what
    norm = float(np.linalg.norm(want.astype(float)))
    error = float(np.linalg.norm(got.astype(float) - want.astype(float)))
    assert error <= tolerance * norm + 1e-300, f"{what}: {error / max(norm, 1e-300):.3g}"


@pytest.mark.parametrize(
    ("kind", "layers", "length", "batch_first", "dtype"),
    covering(product(KINDS, [1, 2], [0, 1, 5, 50], [False, True], ["float32", "float64"]), pairs),
)
def test_values_and_all_gradients(kind: str, layers: int, length: int, batch_first: bool, dtype: str) -> None:
    random = np.random.default_rng([layers, length])

    def drawn(*shape: int) -> Any:
        return random.normal(size=shape).astype(dtype)

    model = KINDS[kind](INPUT, HIDDEN, layers, batch_first=batch_first, key=tl.random.key(1), dtype=dtype)
    starts = [drawn(layers, BATCH, HIDDEN) for _ in range(2 if kind == "lstm" else 1)]
    x = drawn(length, BATCH, INPUT)
    weights = [drawn(length, BATCH, HIDDEN), *[drawn(layers, BATCH, HIDDEN) for _ in starts]]

    # The referee computes in float64 whatever the model computes in.
    wide = [{n: c.detach().numpy().astype(np.float64) for n, c in cell.named_parameters()} for cell in model.cells]
    outputs, *finals, tape = reference.forward(kind, wide, *[v.astype(np.float64) for v in (x, *starts)])
    d_layers, *d_inputs = reference.backward(kind, tape, *[w.astype(np.float64) for w in weights])

    inputs = [tl.tensor(v) for v in (x, *starts)]
    state = tuple(inputs[1:]) if kind == "lstm" else inputs[1]
    y, last = model(tl.swapaxes(inputs[0], 0, 1) if batch_first else inputs[0], state)
    if batch_first:
        assert y.shape == (BATCH, length, HIDDEN)
        y = tl.swapaxes(y, 0, 1)
    results = [y, *flatten(last)[0]]
    tolerance = TOLERANCE[dtype]
    for got, want in zip(results, [outputs, *[v for v in finals if v is not None]], strict=True):
        verify(got)
        assert got.dtype == dtype
        assert_near(got, want, tolerance, "a result")

    parameters = dict(model.named_parameters())
    found = tl.gradients(results, [parameters, inputs], cotangents=weights)
    tl.evaluate(tl.tensor(0.0), *flatten(found)[0])
    wanted = {f"cells.{k}.{n}": g for k, layer in enumerate(d_layers) for n, g in layer.items()}
    assert set(wanted) == set(found[0])
    for name, want in wanted.items():
        verify(found[0][name])
        assert_near(found[0][name], want, tolerance, f"the gradient by {name}")
    d_inputs = [g for g in d_inputs if g is not None]
    for got, want, name in zip(found[1], d_inputs, ("x", "h0", "c0")[: len(inputs)], strict=True):
        assert_near(got, want, tolerance, f"the gradient by {name}")


@pytest.mark.parametrize("kind", KINDS)
def test_backward_gives_every_parameter_its_gradient(kind: str) -> None:
    model = KINDS[kind](INPUT, HIDDEN, 2, key=tl.random.key(1))
    y, _ = model(tl.ones((4, BATCH, INPUT)))
    loss = (y * y).mean()
    wanted = tl.gradients(loss, model.parameters())
    loss.backward()
    for p, w in zip(model.parameters(), wanted, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), w.numpy(), rtol=1e-6)
        assert np.abs(p.grad.numpy()).max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_second_order_through_a_layer(kind: str) -> None:
    model = KINDS[kind](2, 3, key=tl.random.key(2), dtype=tl.float64)
    random = np.random.default_rng(0)
    check_gradients(lambda x: model(x), random.normal(size=(3, 2, 2)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_cell_step_by_step(kind: str) -> None:
    model = KINDS[kind](INPUT, HIDDEN, key=tl.random.key(3))
    x = tl.random.normal(tl.random.key(4), (3, BATCH, INPUT))
    (cell,) = model.cells
    state, ys = cell.zeros(BATCH), []
    for t in range(3):
        state = cell(x[t], state)
        ys.append(flatten(state)[0][0])
    outputs, last = model(x)
    np.testing.assert_allclose(outputs.numpy(), tl.stack(ys).numpy(), rtol=1e-6)
    for got, want in zip(flatten(last)[0], flatten(state)[0], strict=True):
        np.testing.assert_allclose(got[0].numpy(), want.numpy(), rtol=1e-6)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_a_cell_starts_from_zeros_where_no_state_is_given(kind: str) -> None:
    cell, x = getattr(tl.nn, kind)(INPUT, HIDDEN, key=tl.random.key(0)), tl.ones((BATCH, INPUT))
    for got, want in zip(flatten(cell(x))[0], flatten(cell(x, cell.zeros(BATCH)))[0], strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())
    with pytest.raises(ShapeError, match=rf"{kind}: x has the shape \[4\], expected \[batch, 4\]"):
        cell(tl.ones(INPUT))


def test_the_state_of_one_window_starts_the_next() -> None:
    model = tl.nn.LSTM(INPUT, HIDDEN, 2, key=tl.random.key(5))
    x = tl.random.normal(tl.random.key(6), (6, BATCH, INPUT))
    whole, end = model(x)
    first, middle = model(x[:4])
    second, last = model(x[4:], middle)
    np.testing.assert_allclose(tl.concatenate([first, second]).numpy(), whole.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last.c.numpy(), end.c.numpy(), rtol=1e-5, atol=1e-6)


def test_the_parts_have_the_textbooks_names_and_shapes() -> None:
    cell = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))
    assert {path: c.shape for path, c in cell.named_parameters()} == {
        f"{layer}.{part}": (7, 4) if part == "weight" else (4,)
        for layer in ("forget", "input", "candidate", "output")
        for part in ("weight", "bias")
    }
    assert cell.forget.bias.detach().tolist() == [1.0] * 4
    assert tl.nn.LSTMCell(3, 4, forget_bias=0.0, key=tl.random.key(0)).forget.bias.detach().tolist() == [0.0] * 4
    gates = cell.gates(tl.ones((2, 3)), cell.zeros(2))
    assert gates._fields == ("forget", "input", "candidate", "output", "cell", "hidden")
    np.testing.assert_allclose(
        gates.cell.numpy(), (gates.input * gates.candidate).numpy(), rtol=1e-6
    )  # the first state is 0
    np.testing.assert_allclose(gates.hidden.numpy(), (gates.output * tl.tanh(gates.cell)).numpy(), rtol=1e-6)


def nodes_of(outputs: list[Any]) -> int:
    count, pending = 0, [topological(outputs)]
    while pending:
        order = pending.pop()
        count += len(order)
        pending += [n.attrs["body"].nodes() for n in order if isinstance(n.attrs.get("body"), Graph)]
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_has_one_size_for_all_lengths(kind: str) -> None:
    model = KINDS[kind](INPUT, HIDDEN, 2, key=tl.random.key(7))
    sizes = set()
    for length in (10, 10_000):
        loss = model(tl.zeros((length, BATCH, INPUT)))[0].mean()
        sizes.add(nodes_of([loss, *tl.gradients(loss, model.parameters())]))
    assert len(sizes) == 1
    assert sizes.pop() < 1000


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ShapeError, r"LSTM: x has the shape \[5, 3\], expected \[time, batch, 3\]", lambda m: m(tl.ones((5, 3)))),
        (ShapeError, r"x has the shape \[5, 2, 4\], expected", lambda m: m(tl.ones((5, 2, 4)))),
        (DTypeError, r"LSTM: x is i64\[5,2,3\]; embed it", lambda m: m(tl.ones((5, 2, 3), tl.int64))),
        (
            ShapeError,
            r"a state has the shape \[1, 2, 5\], expected \[1, 2, 4\]: \[layers, batch, hidden\]",
            lambda m: m(tl.ones((5, 2, 3)), (tl.zeros((1, 2, 5)), tl.zeros((1, 2, 4)))),
        ),
        (
            StructureError,
            r"the state is \(h, c\), not one array; zeros",
            lambda m: m(tl.ones((5, 2, 3)), tl.zeros((1, 2, 4))),
        ),
        (
            ShapeError,
            r"LSTMCell: x has the shape \[2, 4\], expected \[batch, 3\]",
            lambda m: m.cells[0](tl.ones((2, 4)), m.cells[0].zeros(2)),
        ),
        (
            ShapeError,
            r"LSTMCell: h has the shape \[1, 4\], expected \[2, 4\]",
            lambda m: m.cells[0](tl.ones((2, 3)), m.cells[0].zeros(1)),
        ),
        (
            DTypeError,
            r"LSTMCell: x is i64\[2,3\]; convert it with",
            lambda m: m.cells[0](tl.ones((2, 3), tl.int64), m.cells[0].zeros(2)),
        ),
        (UsageError, "LSTM: hidden_size is an integer of at least 1, not 0", lambda m: tl.nn.LSTM(3, 0)),
        (UsageError, "LSTM: batch is an integer of at least 1, not 0", lambda m: m.zeros(0)),
        (UsageError, "GRUCell: input_size is an integer of at least 1, not 1.5", lambda m: tl.nn.GRUCell(1.5, 2)),
    ],
)
def test_mistakes(error, message: str, call) -> None:
    with pytest.raises(error, match=message):
        call(tl.nn.LSTM(3, 4, key=tl.random.key(0)))


def test_batch_first_says_so_in_its_error() -> None:
    with pytest.raises(ShapeError, match=r"expected \[batch, time, 3\]"):
        tl.nn.GRU(3, 4, batch_first=True, key=tl.random.key(0))(tl.ones((5, 3)))


def test_an_empty_batch() -> None:
    model = tl.nn.LSTM(3, 4, key=tl.random.key(0))
    y, (h, c) = model(tl.ones((5, 0, 3)))
    assert (y.shape, h.shape, c.shape) == ((5, 0, 4), (1, 0, 4), (1, 0, 4))
    assert tl.gradients(y, model.cells[0].forget.weight).numpy().max() == 0
