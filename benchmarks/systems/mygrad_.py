"""MyGrad: the four equations as one writes them."""

from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet import sigmoid

from benchmarks.problems import Arrays, Layer, Prepared, by_gate, from_gates


def prepare(problem: Layer) -> Prepared:
    """The problem, traced anew in each step."""
    arrays = problem.arrays()
    x = mg.tensor(arrays["x"], constant=not problem.training)
    weights, biases = ([mg.tensor(a, constant=not problem.training) for a in part] for part in by_gate(arrays))

    def outputs() -> Any:
        h = c = mg.tensor(np.zeros((problem.batch, problem.units), np.float32), constant=True)
        stacked = []
        for t in range(problem.steps):
            hx = mg.concatenate([h, x[t]], axis=1)
            i, f, g, o = (hx @ w + b for w, b in zip(weights, biases, strict=True))
            c = sigmoid(f) * c + sigmoid(i) * mg.tanh(g)
            h = sigmoid(o) * mg.tanh(c)
            stacked.append(h)
        return mg.stack(stacked)

    if not problem.training:
        with mg.no_autodiff:
            return Prepared(mg.no_autodiff(outputs), lambda hs: {"outputs": hs.data})

    def step() -> Any:
        loss = (outputs() ** 2).sum()
        loss.backward()
        return loss

    def read(loss: Any) -> Arrays:
        return {"loss": loss.data, "x": x.grad, **from_gates([w.grad for w in weights], [b.grad for b in biases])}

    return Prepared(step, read)
