"""Variants of the recurrent cells and layers in plain NumPy: loops over steps and examples' masks, nothing shared.

Every function below is analytic in its real inputs and written so that it takes complex ones. So its derivative by
any number x is ``Im f(x + i·h) / h`` for a tiny h, exact to rounding (J. Squire, G. Trapp, "Using complex variables to
estimate derivatives of real functions", 1998), and no line of backpropagation has to be trusted.

Parameters come by their names in the package, such as ``cells.0.forget.weight``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = dict[str, Array]


def sigmoid(v: Array) -> Array:
    return 1 / (1 + np.exp(-v))


def layer_norm(v: Array) -> Array:
    mean = v.sum(axis=-1, keepdims=True) / v.shape[-1]
    variance = ((v - mean) ** 2).sum(axis=-1, keepdims=True) / v.shape[-1]
    return (v - mean) / np.sqrt(variance + 1e-5)


def look(w: Weights, gate: str, seen: Array, c: Array | None = None) -> Array:
    """``LN(W·seen)∘g + p∘C + b``, without the parts that the weights do not have."""
    y = seen @ w[f"{gate}.weight"]
    if f"{gate}.norm.weight" in w:
        y = layer_norm(y) * w[f"{gate}.norm.weight"]
    if f"{gate}.peephole.weight" in w:
        y = y + w[f"{gate}.peephole.weight"] * c
    return y + w[f"{gate}.bias"] if f"{gate}.bias" in w else y


def clipped(v: Array, bound: float | None) -> Array:
    """``v`` between ± bound, told by its real part."""
    return v if bound is None else np.where(v.real > bound, bound, np.where(v.real < -bound, -bound, v))


def rnn(w: Weights, x: Array, h: Array, **o: Any) -> tuple[Array, ...]:
    y = look(w, "hidden", np.concatenate([h * o["recalled"], x], -1))
    return (np.where(y.real > 0, y, 0) if o.get("nonlinearity") == "relu" else np.tanh(y),)


def lstm(w: Weights, x: Array, h: Array, c: Array, **o: Any) -> tuple[Array, ...]:
    seen = np.concatenate([h * o["recalled"], x], -1)
    f = sigmoid(look(w, "forget", seen, c))
    i = sigmoid(look(w, "input", seen, c)) if "input.weight" in w else 1 - f
    new = clipped(f * c + i * np.tanh(look(w, "candidate", seen)) * o["stored"], o.get("cell_clip"))
    out = sigmoid(look(w, "output", seen, new))
    shown = layer_norm(new) * w["norm.weight"] + w["norm.bias"] if "norm.weight" in w else new
    h = out * np.tanh(shown)
    return (clipped(h @ w["projection.weight"], o.get("proj_clip")) if "projection.weight" in w else h), new


def gru(w: Weights, x: Array, h: Array, **o: Any) -> tuple[Array, ...]:
    past = h * o["recalled"]
    seen = np.concatenate([past, x], -1)
    z, r = sigmoid(look(w, "update", seen)), sigmoid(look(w, "reset", seen))
    if "recurrent.weight" in w:
        candidate = np.tanh(look(w, "candidate", x) + r * look(w, "recurrent", past))
    else:
        candidate = np.tanh(look(w, "candidate", np.concatenate([r * past, x], -1)))
    return ((1 - z) * h + z * candidate * o["stored"],)


STEPS: dict[str, Callable[..., tuple[Array, ...]]] = {"rnn": rnn, "lstm": lstm, "gru": gru}


def forward(
    kind: str,
    weights: Weights,
    x: Array,
    starts: list[Array],
    direction: str = "forward",
    lengths: list[int] | None = None,
    masks: dict[str, Array] | None = None,
    **options: Any,
) -> list[Array]:
    """Outputs and last states; each sequence of the batch is run by itself, for as many steps as it has.

    Args:
        direction: ``forward``, ``reverse`` or ``both``.
        masks: of dropout, by what they multiply: ``recalled`` h ``(rows, B, H)``, ``stored`` ``(rows, T, B, H)``.
    """
    step, masks = STEPS[kind], masks or {}
    T, B, _ = x.shape
    rows, _, H = starts[0].shape
    directions = 2 if direction == "both" else 1
    valid = [T] * B if lengths is None else lengths
    dtype = np.result_type(x, *starts, *weights.values())
    lasts = [np.zeros(start.shape, dtype) for start in starts]
    sequence = x
    for layer in range(rows // directions):
        outputs = np.zeros((T, B, H * directions), dtype)
        for second in range(directions):
            row = layer * directions + second
            prefix = f"{'reverse_cells' if second else 'cells'}.{layer}."
            own = {n.removeprefix(prefix): v for n, v in weights.items() if n.startswith(prefix)}
            for b in range(B):
                state = tuple(start[row, b] for start in starts)
                times = range(valid[b])
                for t in reversed(times) if second or direction == "reverse" else times:
                    kept = {"recalled": 1.0, "stored": 1.0}
                    kept |= {
                        name: mask[row, b] if name == "recalled" else mask[row, t, b] for name, mask in masks.items()
                    }
                    state = step(own, sequence[t, b], *state, **options, **kept)
                    outputs[t, b, H * second : H * (second + 1)] = state[0]
                for last, value in zip(lasts, state, strict=True):
                    last[row, b] = value
        sequence = outputs
    return [sequence, *lasts]


def gradient(f: Callable[[Weights], Array], at: Weights) -> Weights:
    """The derivative of a number by every number in ``at``."""
    step = 1e-200
    result = {}
    for name, value in at.items():
        slopes = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[index] += 1j * step
            slopes[index] = np.imag(f(at | {name: moved})) / step
        result[name] = slopes
    return result
