"""HIPS autograd: the four equations as one writes them, concatenating once a step."""

from typing import Any

import autograd
import autograd.numpy as np

from benchmarks.problems import Arrays, Layer, Prepared, by_gate, from_gates


def prepare(problem: Layer) -> Prepared:
    """The problem, traced anew in each step."""
    arrays = problem.arrays()
    x, (weights, biases) = arrays["x"], by_gate(arrays)

    def outputs(x: Any, weights: Any, biases: Any) -> Any:
        h = c = np.zeros((problem.batch, problem.units), np.float32)
        stacked = []
        for t in range(problem.steps):
            hx = np.concatenate([h, x[t]], axis=1)
            i, f, g, o = (hx @ w + b for w, b in zip(weights, biases, strict=True))
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(c)
            stacked.append(h)
        return np.stack(stacked)

    if not problem.training:
        return Prepared(lambda: outputs(x, weights, biases), lambda hs: {"outputs": hs})
    run = autograd.value_and_grad(lambda own: np.sum(outputs(*own) ** 2))

    def read(results: Any) -> Arrays:
        loss, (dx, weights, biases) = results
        return {"loss": loss, "x": dx, **from_gates(weights, biases)}

    return Prepared(lambda: run((x, weights, biases)), read)


def _sigmoid(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))
