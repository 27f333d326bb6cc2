"""``Recurrent`` over cells of all kinds: the package's own against its layers, and one's own against loops."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tests.covering import covering, pairs
from tinygrad_lstm.errors import ShapeError, StructureError, UsageError
from tinygrad_lstm.graph.function import verify
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.testing import check_gradients

STEPS, BATCH, INPUT, HIDDEN = 5, 3, 4, 6


def linear(inputs: int, outputs: int, seed: int) -> tl.nn.Linear:
    return tl.nn.Linear(inputs, outputs, key=tl.random.key(seed), dtype=tl.float64)


class MinimalGatedUnit(tl.nn.Module):
    """One tensor as state."""

    def __init__(self, input_size: int, hidden_size: int, seed: int = 0) -> None:
        self.input_size, self.hidden_size = input_size, hidden_size
        self.forget = linear(hidden_size + input_size, hidden_size, seed)
        self.candidate = linear(hidden_size + input_size, hidden_size, seed + 1)

    def zeros(self, batch: int) -> Any:
        return tl.zeros((batch, self.hidden_size), tl.float64)

    def forward(self, x: Any, h: Any) -> Any:
        with tl.scope("forget gate", role="gate"):
            f = tl.sigmoid(self.forget(tl.concatenate([h, x], axis=-1))).named("f_t")
        with tl.scope("candidate", role="layer"):
            new = tl.tanh(self.candidate(tl.concatenate([f * h, x], axis=-1))).named("h̃_t")
        return ((1 - f) * h + f * new).named("h_t")


class Fading(tl.nn.Module):
    """A state in a dict whose keys are not in the order of the alphabet; the output is ``h``."""

    def __init__(self, input_size: int, hidden_size: int, seed: int = 0) -> None:
        self.input_size, self.hidden_size = input_size, hidden_size
        self.layer = linear(input_size + hidden_size, hidden_size, seed)
        self.rate = tl.Parameter(tl.tensor(0.25, dtype=tl.float64))

    def zeros(self, batch: int) -> Any:
        h = tl.zeros((batch, self.hidden_size), tl.float64)
        return {"h": h, "average": tl.zeros((batch, 2, self.hidden_size), tl.float64)}

    def forward(self, x: Any, state: Any) -> Any:
        h = tl.tanh(self.layer(tl.concatenate([x, state["h"]], axis=-1)))
        average = state["average"] + self.rate * (tl.stack([h, h * h], axis=1) - state["average"])
        return {"h": h + average[:, 1], "average": average}


@dataclass(frozen=True)
class Counted:
    """What a step carries: a maximum that starts low, and how many steps there were."""

    top: Any
    steps: Any


class Counting(tl.nn.Module):
    """A dataclass as state, that does not start at zero and holds integers; and an output beside it."""

    def __init__(self, input_size: int, hidden_size: int, seed: int = 0) -> None:
        self.input_size, self.hidden_size = input_size, hidden_size
        self.layer = linear(input_size, hidden_size, seed)

    def zeros(self, batch: int) -> Any:
        return Counted(tl.full((batch, self.hidden_size), -0.1, tl.float64), tl.ones(batch, tl.int64))

    def forward(self, x: Any, state: Any) -> Any:
        top = tl.maximum(state.top, self.layer(x))
        new = Counted(top * 0.9, state.steps + 1)
        return new, tl.sin(top) / tl.expand_dims(new.steps, 1).astype(tl.float64)


class Lettered(tl.nn.Module):
    """Reads integers: it has no ``input_size``, and its state has names in a tuple."""

    def __init__(self, _: int, hidden_size: int, seed: int = 0) -> None:
        self.hidden_size = hidden_size
        self.table = tl.nn.Embedding(7, hidden_size, key=tl.random.key(seed), dtype=tl.float64)
        self.layer = linear(hidden_size, hidden_size, seed)

    def zeros(self, batch: int) -> Any:
        return tuple(tl.zeros((batch, self.hidden_size), tl.float64) for _ in range(3))

    def forward(self, x: Any, state: Any) -> Any:
        a, b, c = state
        return tl.tanh(self.layer(b) + self.table(x)), c, a


class Two(tl.nn.Module):
    """An LSTM as the package has it, in float64."""

    def __new__(cls, input_size: int, hidden_size: int, seed: int = 0) -> Any:
        return tl.nn.LSTMCell(input_size, hidden_size, key=tl.random.key(seed), dtype=tl.float64)


OWN = {c.__name__: c for c in (MinimalGatedUnit, Fading, Counting, Two)}


def by_hand(cells: list[Any], reverse_cells: list[Any], x: Any, lengths: list[int] | None) -> Any:
    """The layers as loops in Python, one sequence and one step at a time: outputs, and the last state of each cell."""
    counts = [len(x)] * x.shape[1] if lengths is None else lengths
    rows, states = [], []
    for b, count in enumerate(counts):
        sequence = [x[t, b : b + 1] for t in range(count)]
        last = []
        for k, cell in enumerate(cells):
            sides = []
            for one, order in ((cell, 1), *[(r, -1) for r in reverse_cells[k : k + 1]]):
                state, outputs = one.zeros(1), []
                for value in sequence[::order]:
                    new = one(value, state)
                    state, y = new if isinstance(one, Counting) else (new, None)
                    hidden = state["h"] if isinstance(state, dict) else flatten(state)[0][0]
                    outputs.append(hidden if y is None else y)
                last.append(state)
                sides.append(outputs[::order])
            sequence = [tl.concatenate(list(pair), axis=-1) for pair in zip(*sides, strict=True)]
        width = (2 if reverse_cells else 1) * cells[0].hidden_size
        padding = [tl.zeros((1, width), tl.float64)] * (len(x) - count)
        rows.append(tl.concatenate([*sequence, *padding], axis=0) if len(x) else tl.zeros((0, width), tl.float64))
        states.append([flatten(s)[0] for s in last])
    per_leaf = [
        tl.stack(
            [tl.concatenate([states[b][k][leaf] for b in range(len(counts))], axis=0) for k in range(len(states[0]))]
        )
        for leaf in range(len(states[0][0]))
    ]
    return tl.stack(rows, axis=1), per_leaf


@pytest.mark.parametrize(
    ("kind", "layers", "both", "ragged", "batch_first"),
    covering(product(OWN, [1, 2], [False, True], [False, True], [False, True]), pairs),
)
def test_a_layer_of_ones_own_cell_is_a_loop_over_it(
    kind: str, layers: int, both: bool, ragged: bool, batch_first: bool
) -> None:
    width = [INPUT, (1 + both) * HIDDEN]
    cells, reverse = ([OWN[kind](width[k], HIDDEN, 10 * k + r) for k in range(layers)] for r in (0, 5))
    layer = tl.nn.Recurrent(cells if layers > 1 else cells[0], reverse if both else None, batch_first=batch_first)
    lengths = [5, 1, 3] if ragged else None
    x = tl.tensor(np.random.default_rng(0).normal(size=(STEPS, BATCH, INPUT)))
    outputs, last = layer(
        tl.swapaxes(x, 0, 1) if batch_first else x, lengths=None if lengths is None else tl.tensor(lengths)
    )
    outputs = tl.swapaxes(outputs, 0, 1) if batch_first else outputs
    verify(outputs)
    wanted, states = by_hand(cells, reverse if both else [], x, lengths)
    results, expected = [outputs, *flatten(last)[0]], [wanted, *states]
    for got, want in zip(results, expected, strict=True):
        assert got.dtype is want.dtype
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12, atol=1e-14)
    parameters = layer.parameters()
    slopes, slopes_by_hand = (
        tl.gradients([tl.sin(y) for y in ys if y.dtype.is_float], [x, *parameters], allow_unused=True)
        for ys in (results, expected)
    )
    for got, want in zip(slopes, slopes_by_hand, strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"num_layers": 2, "learn_initial": True}])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_packages_own_layers_are_recurrent_over_their_cells(kind: str, options: dict[str, Any]) -> None:
    layer = getattr(tl.nn, kind)(INPUT, HIDDEN, key=tl.random.key(3), **options)
    again = tl.nn.Recurrent(layer.cells, layer.reverse_cells or None, learn_initial=bool(options.get("learn_initial")))
    assert [p for p, _ in again.named_parameters()] == [p for p, _ in layer.named_parameters()]
    x = tl.random.normal(tl.random.key(1), (STEPS, BATCH, INPUT))
    state = tl.random.normal(tl.random.key(2), flatten(layer.zeros(BATCH))[0][0].shape)
    for given in (None, (state, state) if kind == "LSTM" else state):
        for got, want in zip(flatten(again(x, given))[0], flatten(layer(x, given))[0], strict=True):
            np.testing.assert_array_equal(got.numpy(), want.numpy())


def test_tokens_go_in_where_a_cell_has_no_input_size() -> None:
    cell = Lettered(0, HIDDEN)
    layer = tl.nn.Recurrent(cell)
    x = tl.tensor([[1, 2, 6], [0, 0, 3]])
    outputs, state = layer(x)
    by_steps = cell.zeros(3)
    for t in range(2):
        by_steps = cell(x[t], by_steps)
        np.testing.assert_allclose(outputs[t].numpy(), by_steps[0].numpy())
    assert [s.shape for s in state] == [(1, 3, HIDDEN)] * 3
    with pytest.raises(ShapeError, match=r"Recurrent: x has the shape \[2\], expected \[time, batch, …\]"):
        layer(tl.tensor([1, 2]))


def test_second_order_and_windows() -> None:
    layer = tl.nn.Recurrent([MinimalGatedUnit(2, 3), MinimalGatedUnit(3, 3, 7)])
    check_gradients(lambda x: layer(x), np.random.default_rng(0).normal(size=(3, 2, 2)))
    x = tl.tensor(np.random.default_rng(1).normal(size=(6, 2, 2)))
    whole, end = layer(x)
    first, middle = layer(x[:4])
    second, last = layer(x[4:], middle)
    np.testing.assert_allclose(tl.concatenate([first, second]).numpy(), whole.numpy(), rtol=1e-12)
    np.testing.assert_allclose(last.numpy(), end.numpy(), rtol=1e-12)
    assert layer(tl.ones((4, 0, 2), tl.float64))[0].shape == (4, 0, 3)
    assert layer.zeros(5).shape == (2, 5, 3)


@pytest.mark.parametrize("kind", OWN)
def test_learned_states_start_where_the_cells_start(kind: str) -> None:
    layer = tl.nn.Recurrent([OWN[kind](HIDDEN, HIDDEN), OWN[kind](HIDDEN, HIDDEN, 3)], learn_initial=True)
    plain = tl.nn.Recurrent(layer.cells)
    x = tl.ones((3, 2, HIDDEN), tl.float64)
    for got, want in zip(flatten(layer(x))[0], flatten(plain(x))[0], strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())
    for got, want in zip(flatten(layer.start(2))[0], flatten(plain.zeros(2))[0], strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())
    names = {"MinimalGatedUnit": {"h"}, "Fading": {"h", "average"}, "Counting": {"top"}, "Two": {"h", "c"}}
    assert set(layer.initial) == names[kind]
    for p in layer.initial.values():
        assert np.abs(tl.gradients(layer(x)[0], p).numpy()).max() > 0


def test_dropout_between_layers() -> None:
    cells = [MinimalGatedUnit(INPUT, HIDDEN), MinimalGatedUnit(HIDDEN, HIDDEN, 3)]
    layer = tl.nn.Recurrent(cells, dropout=0.5, key=tl.random.key(1))
    x = tl.ones((STEPS, BATCH, INPUT), tl.float64)
    first, second = layer(x)[0].numpy(), layer(x)[0].numpy()
    assert np.abs(first - second).max() > 0
    still = tl.nn.deterministic(layer)
    np.testing.assert_array_equal(still(x)[0].numpy(), tl.nn.Recurrent(cells)(x)[0].numpy())


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
@pytest.mark.parametrize("kind", OWN)
def test_compiled(kind: str, backend: str) -> None:
    layer = tl.nn.Recurrent(OWN[kind](INPUT, HIDDEN), OWN[kind](INPUT, HIDDEN, 5))

    def loss_and_gradients(x: Any) -> Any:
        loss = (layer(x)[0] ** 2).sum()
        return loss, tl.gradients(loss, layer.parameters())

    x = tl.tensor(np.random.default_rng(0).normal(size=(STEPS, BATCH, INPUT)))
    with tl.use_backend(backend):
        got = flatten(tl.jit(loss_and_gradients)(x))[0]
        for a, b in zip(got, flatten(loss_and_gradients(x))[0], strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", OWN)
def test_pictures(kind: str) -> None:
    layer = tl.nn.Recurrent(OWN[kind](3, 4))
    title = "LSTMCell" if kind == "Two" else kind
    assert tl.draw.chain(layer).title == f"The chain of {title}: one step between its neighbours"
    assert tl.draw.rolled(layer).description.startswith("The layer A reads x_t")
    assert "3 steps" in tl.draw.unrolled(layer).description
    x = tl.ones((4, 1, 3), tl.float64)
    tl.draw.page(layer(x)[0])
    tl.draw.gradient_over_time(layer, x).svg()
    if kind == "MinimalGatedUnit":
        assert repr(tl.draw.gates(layer, "four", x=x)) == (
            "<Figure 'Gates of MinimalGatedUnit along the sequence': f_t, h̃_t, h_t>"
        )
    both = tl.nn.Recurrent([OWN[kind](3, 4), OWN[kind](8, 4)], [OWN[kind](3, 4), OWN[kind](8, 4)])
    assert "A′" in tl.draw.rolled(both).description


class Gives(tl.nn.Module):
    """A cell that gives what it is told to."""

    def __init__(self, start: Any, step: Any) -> None:
        self.start, self.step = start, step

    def zeros(self, batch: int) -> Any:
        return self.start

    def forward(self, x: Any, state: Any) -> Any:
        return self.step


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (UsageError, "MinimalGatedUnit is a class; give it a cell", lambda: tl.nn.Recurrent(MinimalGatedUnit)),
        (UsageError, "LSTM is a layer over time already; give it a cell", lambda: tl.nn.Recurrent(tl.nn.LSTM(3, 4))),
        (UsageError, r"cells holds 3, and a cell is called as cell\(x, state\)", lambda: tl.nn.Recurrent(3)),
        (UsageError, "cells holds Linear, and a cell", lambda: tl.nn.Recurrent(tl.nn.Linear(3, 4))),
        (UsageError, "cells is a cell, or a list of at least one", lambda: tl.nn.Recurrent([])),
        (
            UsageError,
            "2 cells go forward and 1 backward; give one reverse cell",
            lambda: tl.nn.Recurrent([tl.nn.GRUCell(3, 3), tl.nn.GRUCell(3, 3)], tl.nn.GRUCell(3, 3)),
        ),
        (
            UsageError,
            "dropout works between layers, and there is one",
            lambda: tl.nn.Recurrent(tl.nn.GRUCell(3, 4), dropout=0.5),
        ),
        (
            StructureError,
            r"the state of one cell is f32\[1,4\] and that of another is f32\[1,5\]",
            lambda: tl.nn.Recurrent([tl.nn.GRUCell(3, 4), tl.nn.GRUCell(4, 5)]),
        ),
        (
            ShapeError,
            r"zeros\(1\) of Gives gives f32\[4\]; each tensor of a state starts with the batch",
            lambda: tl.nn.Recurrent(Gives(tl.zeros(4), None)),
        ),
        (ShapeError, "zeros.1. of Gives gives nothing; each", lambda: tl.nn.Recurrent(Gives((), ()))),
        (
            StructureError,
            r"Gives: a step gives \(\*, \*, \*\) where the state is \*; return the next state, or the pair",
            lambda: tl.nn.Recurrent(Gives(tl.zeros((1, 2)), (tl.ones((1, 2)),) * 3))(tl.ones((3, 1, 2))),
        ),
        (
            StructureError,
            r"the state is \(top, steps\), not one array; zeros\(batch\) makes one",
            lambda: tl.nn.Recurrent(Counting(3, 4))(tl.ones((3, 1, 3), tl.float64), tl.zeros((1, 1, 4))),
        ),
    ],
)
def test_mistakes(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call()


class Dropping(tl.nn.Module):
    """A state that is what the dropout leaves of ones; with ``step_keys`` each step has a mask of its own."""

    def __init__(self, own: bool) -> None:
        self.dropout = tl.nn.Dropout(0.5, key=tl.random.key(0))
        if own:
            self.step_keys = self.dropout.keys

    def zeros(self, batch: int) -> Any:
        return tl.zeros((batch, 50))

    def forward(self, x: Any, state: Any, key: Any = None) -> Any:
        return self.dropout(tl.ones_like(state), key)


@pytest.mark.parametrize("own", [False, True])
def test_dropout_in_a_cell_has_one_mask_or_one_for_each_step(own: bool) -> None:
    layer = tl.nn.Recurrent(Dropping(own))
    for lengths in (None, [3, 3]):
        outputs = layer(tl.ones((3, 2, 1)), lengths=lengths)[0].numpy()
        assert set(outputs.ravel()) == {0.0, 2.0}
        assert (outputs[0] == outputs[1]).all() != own
    assert (tl.nn.deterministic(Dropping(False))(None, tl.zeros((1, 50))).numpy() == 1).all()
