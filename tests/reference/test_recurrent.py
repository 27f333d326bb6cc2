"""The referee itself: values against the equations in scalar Python, gradients against finite differences."""

import math
from typing import Any

import numpy as np
import pytest

from tests.reference.recurrent import KINDS, Array, Layer, Tape, backward, forward, parameter_shapes, sigmoid

BATCH, INPUT, HIDDEN = 3, 2, 4

Inputs = dict[str, Array]  # "x", "h0", "c0" (LSTM only), and "0.forget.weight", … for the layers


def random_inputs(kind: str, num_layers: int, length: int, rng: np.random.Generator) -> Inputs:
    inputs = {
        "x": rng.normal(size=(length, BATCH, INPUT)),
        "h0": rng.normal(size=(num_layers, BATCH, HIDDEN)),
    }
    if kind == "lstm":
        inputs["c0"] = rng.normal(size=(num_layers, BATCH, HIDDEN))
    for number in range(num_layers):
        for name, shape in parameter_shapes(kind, INPUT if number == 0 else HIDDEN, HIDDEN).items():
            inputs[f"{number}.{name}"] = rng.normal(size=shape)
    return inputs


def layers_of(inputs: Inputs) -> list[Layer]:
    layers: list[Layer] = []
    for key, value in inputs.items():
        number, dot, name = key.partition(".")
        if dot:
            if int(number) == len(layers):
                layers.append({})
            layers[int(number)][name] = value
    return layers


def run(kind: str, inputs: Inputs) -> tuple[Array, Array, Array | None, Tape]:
    return forward(kind, layers_of(inputs), inputs["x"], inputs["h0"], inputs.get("c0"))


@pytest.mark.parametrize("length", [0, 1, 5])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_central_differences(kind: str, num_layers: int, length: int) -> None:
    """Of a random linear function of all results, along random directions in each input and in all."""
    rng = np.random.default_rng([length, num_layers])
    inputs = random_inputs(kind, num_layers, length, rng)
    outputs, hT, cT, tape = run(kind, inputs)
    d_outputs, d_hT = rng.normal(size=outputs.shape), rng.normal(size=hT.shape)
    d_cT = None if cT is None else rng.normal(size=cT.shape)

    def loss(at: Inputs) -> float:
        outputs, hT, cT, _ = run(kind, at)
        total = np.vdot(outputs, d_outputs) + np.vdot(hT, d_hT)
        return float(total if cT is None else total + np.vdot(cT, d_cT))

    d_layers, d_x, d_h0, d_c0 = backward(kind, tape, d_outputs, d_hT, d_cT)
    gradients: dict[str, Any] = {"x": d_x, "h0": d_h0}
    if kind == "lstm":
        gradients["c0"] = d_c0
    for number, d_layer in enumerate(d_layers):
        gradients |= {f"{number}.{name}": value for name, value in d_layer.items()}
    assert {key: value.shape for key, value in gradients.items()} == {key: value.shape for key, value in inputs.items()}

    directions = {key: rng.normal(size=value.shape) for key, value in inputs.items()}
    step = 1e-5
    for moved in [*([key] for key in inputs), list(inputs)]:
        ahead = inputs | {key: inputs[key] + step * directions[key] for key in moved}
        behind = inputs | {key: inputs[key] - step * directions[key] for key in moved}
        expected = (loss(ahead) - loss(behind)) / (2 * step)
        got = sum(np.vdot(gradients[key], directions[key]) for key in moved)
        assert got == pytest.approx(expected, rel=1e-6, abs=1e-8), f"the gradient by {moved}"


def scalar_step(kind: str, layer: Layer, x: list[float], h: list[float], c: list[float]) -> Any:
    """One step for one example, number by number."""

    def sigma(v: float) -> float:
        return 1 / (1 + math.exp(-v))

    def gate(name: str, hidden: list[float]) -> list[float]:
        weight, bias = layer[f"{name}.weight"], layer[f"{name}.bias"]
        joined = [*hidden, *x]
        return [sum(v * weight[row, k] for row, v in enumerate(joined)) + bias[k] for k in range(len(h))]

    units = range(len(h))
    if kind == "rnn":
        return [math.tanh(v) for v in gate("hidden", h)], c
    if kind == "lstm":
        f, i, o = ([sigma(v) for v in gate(name, h)] for name in ("forget", "input", "output"))
        candidate = [math.tanh(v) for v in gate("candidate", h)]
        c = [f[k] * c[k] + i[k] * candidate[k] for k in units]
        return [o[k] * math.tanh(c[k]) for k in units], c
    z, r = ([sigma(v) for v in gate(name, h)] for name in ("update", "reset"))
    candidate = [math.tanh(v) for v in gate("candidate", [r[k] * h[k] for k in units])]
    return [(1 - z[k]) * h[k] + z[k] * candidate[k] for k in units], c


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_forward_equals_the_equations_number_by_number(kind: str, num_layers: int) -> None:
    inputs = random_inputs(kind, num_layers, 4, np.random.default_rng(3))
    outputs, hT, cT, _ = run(kind, inputs)
    for example in range(BATCH):
        sequence = inputs["x"][:, example].tolist()
        for number, layer in enumerate(layers_of(inputs)):
            h = inputs["h0"][number, example].tolist()
            c = inputs["c0"][number, example].tolist() if kind == "lstm" else []
            states = []
            for x in sequence:
                h, c = scalar_step(kind, layer, x, h, c)
                states.append(h)
            np.testing.assert_allclose(hT[number, example], h, rtol=1e-12)
            if cT is not None:
                np.testing.assert_allclose(cT[number, example], c, rtol=1e-12)
            sequence = states
        np.testing.assert_allclose(outputs[:, example], sequence, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_cut_in_two_gives_the_same(kind: str) -> None:
    inputs = random_inputs(kind, 2, 5, np.random.default_rng(4))
    outputs, hT, cT, _ = run(kind, inputs)
    first_outputs, h, c, _ = run(kind, inputs | {"x": inputs["x"][:2]})
    middle = {"h0": h} if c is None else {"h0": h, "c0": c}
    last_outputs, last_h, last_c, _ = run(kind, inputs | middle | {"x": inputs["x"][2:]})
    np.testing.assert_array_equal(np.concatenate([first_outputs, last_outputs]), outputs)
    np.testing.assert_array_equal(last_h, hT)
    if cT is not None and last_c is not None:
        np.testing.assert_array_equal(last_c, cT)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_length_zero_passes_the_states_through(kind: str, num_layers: int) -> None:
    inputs = random_inputs(kind, num_layers, 0, np.random.default_rng(5))
    outputs, hT, cT, tape = run(kind, inputs)
    assert outputs.shape == (0, BATCH, HIDDEN)
    np.testing.assert_array_equal(hT, inputs["h0"])
    d_layers, d_x, d_h0, _ = backward(kind, tape, outputs, hT, cT)
    assert d_x.shape == (0, BATCH, INPUT)
    np.testing.assert_array_equal(d_h0, hT)
    assert not any(value.any() for d_layer in d_layers for value in d_layer.values())


@pytest.mark.parametrize("length", [0, 1, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_the_dtype_of_the_inputs_is_kept(kind: str, dtype: type, length: int) -> None:
    inputs = random_inputs(kind, 2, length, np.random.default_rng(6))
    inputs = {key: value.astype(dtype) for key, value in inputs.items()}
    outputs, hT, cT, tape = run(kind, inputs)
    d_layers, d_x, d_h0, d_c0 = backward(kind, tape, outputs, hT, cT)
    results = [outputs, hT, d_x, d_h0, *(value for d_layer in d_layers for value in d_layer.values())]
    results += [value for value in (cT, d_c0) if value is not None]
    assert {value.dtype for value in results} == {np.dtype(dtype)}


def test_float32_agrees_with_float64() -> None:
    for kind in KINDS:
        inputs = random_inputs(kind, 2, 5, np.random.default_rng(7))
        narrow = {key: value.astype(np.float32) for key, value in inputs.items()}
        np.testing.assert_allclose(run(kind, narrow)[0], run(kind, inputs)[0], rtol=1e-4, atol=1e-5)


def test_sigmoid_is_accurate_in_the_tails_and_does_not_overflow() -> None:
    v = np.array([-1e4, -700.0, -40.0, 0.0, 40.0, 1e4])
    expected = [0.0, math.exp(-700.0), math.exp(-40.0), 0.5, 1.0, 1.0]
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_allclose(sigmoid(v), expected, rtol=1e-12)


def test_wrong_names_and_missing_cell_states_are_refused() -> None:
    inputs = random_inputs("lstm", 1, 1, np.random.default_rng(8))
    with pytest.raises(ValueError, match=r"gru layer 0 has .*forget\.weight"):
        forward("gru", layers_of(inputs), inputs["x"], inputs["h0"])
    with pytest.raises(ValueError, match="takes a cell state"):
        forward("lstm", layers_of(inputs), inputs["x"], inputs["h0"])
