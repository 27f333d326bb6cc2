"""The RNN, the LSTM and the GRU in plain NumPy: loops forward, and backpropagation through time by hand.

This is the referee of the tests, so it shares no code with the package: every derivative below is written out
and held against finite differences in `test_recurrent.py`.

Arrays are time-major, and the dtype of the results is that of the inputs. T is the length, B the batch, I the
input size of the layer, H its hidden size, L the number of stacked layers:

    x (T, B, I)    outputs (T, B, H)    h0, c0, hT, cT (L, B, H)    weight (H + I, H)    bias (H,)

A layer is a dict from name to array. `W·[h, x]` in the equations is `concatenate([h, x], -1) @ W`.
In the backward functions `d_v` is the gradient of the loss by `v`, and `v_in` what entered the nonlinearity.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Layer = dict[str, Array]
State = tuple[Array, ...]  # (h,), or (h, c) for the LSTM
Record = tuple[Array, ...]  # what one step keeps for its backward step


class Tape(NamedTuple):
    """What `forward` keeps for `backward`."""

    layers: list[Layer]
    records: list[list[Record]]  # [layer][time]
    x: Array


def sigmoid(v: Array) -> Array:
    """σ(v) = 1 / (1 + e^-v), as e^-log(1 + e^-v): it cannot overflow and is accurate in both tails."""
    return np.exp(-np.logaddexp(0, -v))


def affine(layer: Layer, name: str, joined: Array) -> Array:
    """W·[h, x] + b, of the gate called `name`."""
    return joined @ layer[f"{name}.weight"] + layer[f"{name}.bias"]


def affine_back(layer: Layer, name: str, joined: Array, d_out: Array, d_layer: Layer) -> Array:
    """The gradient by `joined`; those by weight and bias are added to `d_layer` in place."""
    d_layer[f"{name}.weight"] += joined.T @ d_out
    d_layer[f"{name}.bias"] += d_out.sum(axis=0)
    return d_out @ layer[f"{name}.weight"].T


# ---- RNN: h_t = tanh(W·[h_{t-1}, x_t] + b)


def rnn_step(layer: Layer, x: Array, state: State) -> tuple[State, Record]:
    (h_prev,) = state
    joined = np.concatenate([h_prev, x], axis=-1)
    h = np.tanh(affine(layer, "hidden", joined))
    return (h,), (joined, h)


def rnn_step_back(layer: Layer, record: Record, d_state: State, d_layer: Layer) -> tuple[Array, State]:
    joined, h = record
    (d_h,) = d_state
    d_h_in = d_h * (1 - h * h)
    d_joined = affine_back(layer, "hidden", joined, d_h_in, d_layer)
    d_h_prev, d_x = split(d_joined, h)
    return d_x, (d_h_prev,)


# ---- LSTM: f, i, o = σ(W·[h_{t-1}, x_t] + b), C̃ = tanh(W_C·[h_{t-1}, x_t] + b_C), each with its own W and b
#            C_t = f * C_{t-1} + i * C̃
#            h_t = o * tanh(C_t)


def lstm_step(layer: Layer, x: Array, state: State) -> tuple[State, Record]:
    h_prev, c_prev = state
    joined = np.concatenate([h_prev, x], axis=-1)
    f = sigmoid(affine(layer, "forget", joined))
    i = sigmoid(affine(layer, "input", joined))
    candidate = np.tanh(affine(layer, "candidate", joined))
    o = sigmoid(affine(layer, "output", joined))
    c = f * c_prev + i * candidate
    tanh_c = np.tanh(c)
    h = o * tanh_c
    return (h, c), (joined, c_prev, f, i, candidate, o, tanh_c)


def lstm_step_back(layer: Layer, record: Record, d_state: State, d_layer: Layer) -> tuple[Array, State]:
    joined, c_prev, f, i, candidate, o, tanh_c = record
    d_h, d_c = d_state
    d_o = d_h * tanh_c
    d_c = d_c + d_h * o * (1 - tanh_c * tanh_c)  # C_t reaches the loss through C_{t+1} and through h_t
    d_f = d_c * c_prev
    d_i = d_c * candidate
    d_candidate = d_c * i
    d_c_prev = d_c * f
    d_joined = (
        affine_back(layer, "forget", joined, d_f * f * (1 - f), d_layer)
        + affine_back(layer, "input", joined, d_i * i * (1 - i), d_layer)
        + affine_back(layer, "candidate", joined, d_candidate * (1 - candidate * candidate), d_layer)
        + affine_back(layer, "output", joined, d_o * o * (1 - o), d_layer)
    )
    d_h_prev, d_x = split(d_joined, o)
    return d_x, (d_h_prev, d_c_prev)


# ---- GRU, with the reset gate inside the product:
#            z, r = σ(W·[h_{t-1}, x_t] + b), each with its own W and b
#            h̃   = tanh(W_h·[r * h_{t-1}, x_t] + b_h)
#            h_t = (1 - z) * h_{t-1} + z * h̃


def gru_step(layer: Layer, x: Array, state: State) -> tuple[State, Record]:
    (h_prev,) = state
    joined = np.concatenate([h_prev, x], axis=-1)
    z = sigmoid(affine(layer, "update", joined))
    r = sigmoid(affine(layer, "reset", joined))
    joined_reset = np.concatenate([r * h_prev, x], axis=-1)
    candidate = np.tanh(affine(layer, "candidate", joined_reset))
    h = (1 - z) * h_prev + z * candidate
    return (h,), (joined, joined_reset, h_prev, z, r, candidate)


def gru_step_back(layer: Layer, record: Record, d_state: State, d_layer: Layer) -> tuple[Array, State]:
    joined, joined_reset, h_prev, z, r, candidate = record
    (d_h,) = d_state
    d_z = d_h * (candidate - h_prev)
    d_candidate = d_h * z
    d_candidate_in = d_candidate * (1 - candidate * candidate)
    d_joined_reset = affine_back(layer, "candidate", joined_reset, d_candidate_in, d_layer)
    d_reset_h, d_x_candidate = split(d_joined_reset, r)
    d_r = d_reset_h * h_prev
    d_joined = affine_back(layer, "update", joined, d_z * z * (1 - z), d_layer) + affine_back(
        layer, "reset", joined, d_r * r * (1 - r), d_layer
    )
    d_h_gates, d_x_gates = split(d_joined, r)
    d_h_prev = d_h * (1 - z) + d_reset_h * r + d_h_gates
    return d_x_candidate + d_x_gates, (d_h_prev,)


def split(d_joined: Array, like_h: Array) -> tuple[Array, Array]:
    """The gradient by [h, x] as the gradients by h and by x."""
    hidden_size = like_h.shape[-1]
    return d_joined[:, :hidden_size], d_joined[:, hidden_size:]


# ---- Layers over time, and stacks of layers


class Kind(NamedTuple):
    gates: tuple[str, ...]
    step: Callable[[Layer, Array, State], tuple[State, Record]]
    step_back: Callable[[Layer, Record, State, Layer], tuple[Array, State]]


KINDS = {
    "rnn": Kind(("hidden",), rnn_step, rnn_step_back),
    "lstm": Kind(("forget", "input", "candidate", "output"), lstm_step, lstm_step_back),
    "gru": Kind(("update", "reset", "candidate"), gru_step, gru_step_back),
}


def forward(
    kind: str, layers: list[Layer], x: Array, h0: Array, c0: Array | None = None
) -> tuple[Array, Array, Array | None, Tape]:
    """Run the stack over the sequence; `kind` is "rnn", "lstm" or "gru" in any case.

    Returns (outputs, hT, cT, tape): the hidden states of the last layer at all times, the last states of all
    layers (cT is None unless the kind is the LSTM), and what `backward` needs.
    """
    step = checked(kind, layers, c0).step
    starts = (h0,) if c0 is None else (h0, c0)
    records: list[list[Record]] = []
    finals: list[State] = []
    sequence = x
    for number, layer in enumerate(layers):
        state: State = tuple(start[number] for start in starts)
        outputs = np.zeros((len(x), *h0[number].shape), h0.dtype)
        records.append([])
        for t, x_t in enumerate(sequence):
            state, record = step(layer, x_t, state)
            outputs[t] = state[0]
            records[number].append(record)
        finals.append(state)
        sequence = outputs
    hT = np.stack([state[0] for state in finals])
    cT = None if c0 is None else np.stack([state[1] for state in finals])
    return sequence, hT, cT, Tape(layers, records, x)


def backward(
    kind: str, tape: Tape, d_outputs: Array, d_hT: Array, d_cT: Array | None = None
) -> tuple[list[Layer], Array, Array, Array | None]:
    """Backpropagation through time: from the gradients by the results of `forward` to those by its inputs.

    Returns (d_layers, d_x, d_h0, d_c0), of the shapes of layers, x, h0 and c0 (d_c0 is None unless the
    kind is the LSTM).
    """
    step_back = checked(kind, tape.layers, d_cT).step_back
    ends = (d_hT,) if d_cT is None else (d_hT, d_cT)
    d_layers = [{name: np.zeros_like(value) for name, value in layer.items()} for layer in tape.layers]
    d_starts: list[State] = []
    d_sequence = d_outputs
    for number in reversed(range(len(tape.layers))):
        layer, d_layer, records = tape.layers[number], d_layers[number], tape.records[number]
        d_state: State = tuple(end[number] for end in ends)
        d_inputs = np.zeros((*tape.x.shape[:2], input_size(layer)), tape.x.dtype)
        for t in reversed(range(len(records))):
            d_h, *d_rest = d_state
            d_state = (d_h + d_sequence[t], *d_rest)  # h_t is both carried on and an output
            d_inputs[t], d_state = step_back(layer, records[t], d_state, d_layer)
        d_starts.insert(0, d_state)
        d_sequence = d_inputs
    d_h0 = np.stack([d_state[0] for d_state in d_starts])
    d_c0 = None if d_cT is None else np.stack([d_state[1] for d_state in d_starts])
    return d_layers, d_sequence, d_h0, d_c0


def parameter_shapes(kind: str, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the arrays of one layer."""
    shapes: dict[str, tuple[int, ...]] = {}
    for gate in KINDS[kind.lower()].gates:
        shapes[f"{gate}.weight"] = (hidden_size + input_size, hidden_size)
        shapes[f"{gate}.bias"] = (hidden_size,)
    return shapes


def input_size(layer: Layer) -> int:
    weight = next(value for name, value in layer.items() if name.endswith(".weight"))
    rows, hidden_size = weight.shape
    return int(rows - hidden_size)


def checked(kind: str, layers: list[Layer], cell_state: Array | None) -> Kind:
    """The row of `KINDS`, once the names of the parameters and the presence of the cell state are right."""
    name = kind.lower()
    for number, layer in enumerate(layers):
        expected = set(parameter_shapes(name, 0, 0))
        if set(layer) != expected:
            raise ValueError(f"{kind} layer {number} has {sorted(layer)}; expected {sorted(expected)}")
    if (cell_state is not None) != (name == "lstm"):
        raise ValueError(f"{kind}: the LSTM, and only the LSTM, takes a cell state (c0, d_cT)")
    return KINDS[name]
