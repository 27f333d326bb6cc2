"""``observe``: named values against loops in Python, their gradients, and units that follow a signal."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import GradientError, UnknownNameError, UsageError

STEPS, BATCH, INPUT, HIDDEN = 5, 3, 2, 4


def drawn(*shape: int, seed: int = 0) -> Any:
    return tl.tensor(np.random.default_rng([seed, *shape]).normal(size=shape))


class Tagger(tl.nn.Module):
    """Two layers, one of them in both directions, and a linear layer."""

    def __init__(self, kind: str) -> None:
        options = {"dtype": tl.float64}
        self.recurrent = getattr(tl.nn, kind)(INPUT, HIDDEN, 2, bidirectional=True, key=tl.random.key(0), **options)
        self.output = tl.nn.Linear(2 * HIDDEN, 3, key=tl.random.key(1), dtype=tl.float64)

    def forward(self, x: Any) -> Any:
        outputs, _ = self.recurrent(x)
        return self.output(outputs).named("scores")


def by_hand(model: Tagger, x: Any) -> dict[tuple[str, str], Any]:
    """The gates of each cell, step by step."""
    found, sequence = {}, x
    for layer in range(2):
        sides = []
        for cells, order in (("cells", 1), ("reverse_cells", -1)):
            cell = getattr(model.recurrent, cells)[layer]
            state, values = cell.zeros(BATCH), []
            for x_t in list(sequence)[::order]:
                gates = cell.gates(x_t, state)
                state = (gates.hidden, gates.cell) if hasattr(gates, "cell") else gates.hidden
                values.append(gates)
            stacks = {n: tl.stack([getattr(g, n) for g in values][::order]) for n in values[0]._fields}
            found |= {(f"recurrent.{cells}.{layer}", n): s for n, s in stacks.items()}
            sides.append(stacks["hidden"])
        sequence = tl.concatenate(sides, axis=-1)
    return found


NAMES = {
    "forget": "f_t",
    "input": "i_t",
    "output": "o_t",
    "cell": "C_t",
    "hidden": "h_t",
    "update": "z_t",
    "reset": "r_t",
}


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_values_and_gradients_are_those_of_a_loop(kind: str) -> None:
    model, x = Tagger(kind), drawn(STEPS, BATCH, INPUT)
    seen = tl.observe(model, x)
    np.testing.assert_allclose(seen.result.numpy(), model(x).numpy())
    np.testing.assert_array_equal(seen.scores, seen.result.numpy())
    slopes = seen.gradients(lambda y: tl.sin(y).sum())
    values = by_hand(model, x)
    for (path, field), want in values.items():
        if field in NAMES:
            np.testing.assert_allclose(seen[path][NAMES[field]], want.numpy(), rtol=1e-12)
            assert slopes[path][NAMES[field]].shape == (STEPS, BATCH, HIDDEN)
    # The last layer's outputs reach the loss at once: its gradient by them is that by a layer on their values.
    last = [values["recurrent.cells.1", "hidden"], values["recurrent.reverse_cells.1", "hidden"]]
    (beyond,) = tl.gradients(tl.sin(model.output(tl.concatenate(last, axis=-1))).sum(), [model.output.bias])
    np.testing.assert_allclose(slopes.scores.sum((0, 1)), beyond.numpy(), rtol=1e-10)


@pytest.mark.parametrize("path", ["recurrent.cells.0", "recurrent.reverse_cells.1"])
@pytest.mark.parametrize("name", ["f_t", "C_t"])
def test_a_gradient_is_what_the_loss_gains(path: str, name: str) -> None:
    """Finite differences: the value is moved at one step, in one sequence, in one unit."""
    model, x, at = Tagger("LSTM"), drawn(STEPS, BATCH, INPUT), (2, 1, 3)
    slope = tl.observe(model, x).gradients(lambda y: (y**2).sum())[path][name]
    cells, layer = path.split(".")[1:]
    cell = getattr(model.recurrent, cells)[int(layer)]

    def loss(by: float) -> float:
        return float((loops(model, x, cell, name, at, by) ** 2).sum())

    np.testing.assert_allclose(slope[at], (loss(1e-6) - loss(-1e-6)) / 2e-6, rtol=1e-5)


def loops(model: Tagger, x: Any, changed: Any, name: str, at: tuple[int, int, int], by: float) -> Any:
    """The model as loops in Python, in which one value of one cell is moved."""
    sequence = x
    for layer in range(2):
        sides = []
        for cell, order in ((model.recurrent.cells[layer], 1), (model.recurrent.reverse_cells[layer], -1)):
            h, c = cell.zeros(BATCH)
            outputs = []
            for t in list(range(STEPS))[::order]:
                hx = tl.concatenate([h, sequence[t]], axis=-1)
                f, i, o = (tl.sigmoid(layer(hx)) for layer in (cell.forget, cell.input, cell.output))
                nudge = np.zeros((BATCH, HIDDEN))
                if cell is changed and t == at[0]:
                    nudge[at[1:]] = by
                f = f + nudge if name == "f_t" else f
                c = f * c + i * tl.tanh(cell.candidate(hx))
                c = c + nudge if name == "C_t" else c
                h = o * tl.tanh(c)
                outputs.append(h)
            sides.append(tl.stack(outputs[::order]))
        sequence = tl.concatenate(sides, axis=-1)
    return model.output(sequence)


def test_loops_of_python_calls_and_loops_in_loops() -> None:
    @tl.checkpoint
    def block(x: Any) -> Any:
        return tl.tanh(x).named("inner") * 2

    def model(x: Any) -> Any:
        with tl.scope("outer"):
            for k in range(3):
                x = (x * (k + 1)).named("scaled")

            def row(c: Any, v: Any) -> tuple[Any, Any]:
                last, _ = tl.scan(lambda d, u: ((d + block(u)).named("sum"), None), c, v)
                return last, last.named("row")

            return tl.scan(row, tl.tensor(0.0, dtype=tl.float64), x)[1] + block(x[0, 0])

    x = drawn(2, 4)
    seen = tl.observe(model, x)
    assert [(v.path, v.name, v.array.shape) for v in seen] == [
        ("outer", "scaled", (3, 2, 4)),
        ("outer", "inner", (2, 4)),
        ("outer", "sum", (2, 4)),
        ("outer", "row", (2,)),
        ("outer", "inner", ()),
    ]
    np.testing.assert_allclose(seen.scaled[2], 6 * x.numpy())
    inner = np.tanh(6 * x.numpy())
    np.testing.assert_allclose(seen.values[1].array, inner)
    np.testing.assert_allclose(seen["sum"], np.cumsum(2 * inner).reshape(2, 4))
    np.testing.assert_allclose(seen.row, seen["sum"][:, -1])
    slopes = seen.gradients(lambda y: (y * tl.tensor([1.0, 10.0], dtype=tl.float64)).sum())
    np.testing.assert_allclose(slopes.row, [1.0, 10.0])
    np.testing.assert_allclose(slopes["sum"], np.repeat([11.0, 10.0], 4).reshape(2, 4))
    np.testing.assert_allclose(slopes.values[1].array, 2 * slopes["sum"])
    np.testing.assert_allclose(slopes.values[4].array, 22.0)
    np.testing.assert_allclose(slopes.scaled[0], 6 * slopes.scaled[2])


def test_what_a_gradient_reads_again_is_listed_once() -> None:
    lstm = tl.nn.LSTM(INPUT, HIDDEN, key=tl.random.key(0))

    def slope(x: Any) -> Any:
        return tl.gradients((lstm(x)[0] ** 2).sum(), x)

    seen = tl.observe(slope, tl.ones((STEPS, BATCH, INPUT)))
    assert seen["LSTM.cells.0"].f_t.shape == (STEPS, BATCH, HIDDEN)
    assert len({(v.path, v.name) for v in seen}) == len(seen)


def test_it_looks_through_jit_and_takes_scopes_and_keywords() -> None:
    lstm = tl.nn.LSTM(INPUT, HIDDEN, key=tl.random.key(0))
    x = tl.ones((STEPS, BATCH, INPUT))
    with tl.scope("analysis"):
        seen = tl.observe(lstm, x, lengths=tl.tensor([5, 1, 2]))
    assert seen["cells.0"].C_t.shape == (STEPS, BATCH, HIDDEN)
    compiled = tl.observe(tl.jit(lambda x: lstm(x)[0]), x)
    np.testing.assert_array_equal(compiled["LSTM.cells.0"].f_t, tl.observe(lstm, x)["cells.0"].f_t)
    assert tl.observe(lstm.cells[0], x[0]).f_t.shape == (BATCH, HIDDEN)
    assert repr(tl.observe(lstm.cells[0], x[0])).splitlines()[-2:] == [
        "  cell state    C_t      float32[3, 4]",
        "  hidden state  h_t      float32[3, 4]",
    ]
    assert "f_t" in dir(seen)


def follower(weights: Any) -> Any:
    """A model whose units are sums of its inputs, some of them of those of the past."""

    def model(x: Any) -> Any:
        def step(h: Any, x_t: Any) -> tuple[Any, Any]:
            h = (h * 0.5 + x_t @ tl.tensor(weights)).named("h_t")
            return h, h

        return tl.scan(step, tl.zeros((x.shape[1], weights.shape[1]), tl.float64), x)[1]

    return model


@pytest.mark.parametrize("batch", [1, 4])
def test_correlations_are_numpys(batch: int) -> None:
    random = np.random.default_rng(0)
    x, weights = random.normal(size=(50, batch, 3)), random.normal(size=(3, 7))
    seen = tl.observe(follower(weights), tl.tensor(x))
    signal = random.normal(size=50)
    found = seen.correlate(signal, top=100)
    wanted = [np.corrcoef(np.repeat(signal, batch), unit)[0, 1] for unit in seen.h_t.reshape(-1, 7).T]
    assert sorted(c.unit for c in found) == list(range(7))
    assert [abs(c.r) for c in found] == sorted([abs(c.r) for c in found], reverse=True)
    for c in found:
        assert c.r == pytest.approx(wanted[c.unit])
        assert (c.path, c.name) == ("", "h_t")
    each = random.normal(size=(50, batch))
    best = seen.correlate(each, names=["h_t"], top=1)[0]
    assert best.r == pytest.approx(np.corrcoef(each.reshape(-1), seen.h_t[..., best.unit].reshape(-1))[0, 1])
    inside = np.arange(50) % 10 < 5
    assert repr(seen.correlate(inside.tolist(), top=2)).count("h_t[") == 2


def test_a_unit_that_is_the_signal_is_found() -> None:
    signal = np.sin(np.arange(30.0))
    x = np.zeros((30, 2, 3))
    x[:, :, 1] = -signal[:, None] + 0.5 * np.concatenate([[0], signal[:-1]])[:, None]
    found = tl.observe(follower(np.eye(3)), tl.tensor(x)).correlate(tl.tensor(signal))
    assert found[0].unit == 1
    assert found[0].r == pytest.approx(-1)
    assert len(found) == 1  # units that never change follow nothing
    assert repr(found) == "−1.000  h_t[1]"


X = tl.ones((STEPS, BATCH, INPUT))
LSTM = tl.nn.LSTM(INPUT, HIDDEN, 2, key=tl.random.key(0))


def gated(x: Any) -> Any:
    """A branch, and a loop by its condition, each with a name inside; and one outside of both."""
    shown = tl.cond(x.sum() > 0, lambda x: tl.tanh(x).named("inner"), lambda x: x, x)
    return tl.while_loop(lambda x: x.sum() < 50, lambda x: (x * 2).named("doubled"), shown.named("outer"))


def scanned(x: Any) -> Any:
    """A branch in the step of a loop."""

    def step(h: Any, x_t: Any) -> Any:
        with tl.scope("step"):
            return tl.cond(x_t.sum() > 0, lambda h: tl.tanh(h).named("inner"), lambda h: h, h), None

    return tl.scan(step, x[0], x)[0]


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (UnknownNameError, "inner is in a branch of cond, which may not be computed, and so is not observed; let the",
            lambda: tl.observe(gated, X).inner),
        (UnknownNameError, "doubled is in a while_loop, which takes any number of steps, and so is not observed",
            lambda: tl.observe(gated, X)["doubled"]),
        (UnknownNameError, "nothing is named 'middle', and no path begins so; names are outer",
            lambda: tl.observe(gated, X).middle),
        (UsageError, "inner is in a branch of cond", lambda: tl.observe(scanned, X)),
        (UsageError, "observe takes a model and its arguments, observe.model, x., not Tensor", lambda: tl.observe(X)),
        (UsageError, "nothing that the model computes has a name; write .named", lambda: tl.observe(tl.tanh, X)),
        (UnknownNameError, r"f_t is at cells.0.forget gate, cells.1.forget gate; say which: observed\['cells",
            lambda: tl.observe(LSTM, X).f_t),
        (UnknownNameError, "nothing is named 'gate', and no path begins so; names are .*f_t",
            lambda: tl.observe(LSTM, X)["gate"]),
        (UsageError, r"observed\[…\] takes a path or a name, not 0; the steps", lambda: tl.observe(LSTM, X)[0]),
        (GradientError, "the loss is a scalar of floats, not 3 values; give a function of the result",
            lambda: tl.observe(LSTM, X).gradients()),
        (GradientError, r"not f32\[5,3,4\]", lambda: tl.observe(LSTM, X).gradients(lambda y: y[0])),
        (UsageError, r"the signal is \(time,\) or \(time, batch\), not of the shape \[1, 1, 1\]",
            lambda: tl.observe(LSTM, X).correlate([[[1.0]]])),
        (UsageError, "the signal is the same at all steps", lambda: tl.observe(LSTM, X).correlate([1.0] * STEPS)),
        (UsageError, r"no value goes along a signal of the shape \[4\]; the observed loops have 5 steps",
            lambda: tl.observe(LSTM, X).correlate(range(4))),
        (UsageError, "no q_t goes along", lambda: tl.observe(LSTM, X).correlate(range(5), names=["q_t"])),
    ],
)  # fmt: skip
def test_mistakes(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call()
