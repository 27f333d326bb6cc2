"""PyTensor: a scan of the four equations in its default mode."""

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from benchmarks.problems import Arrays, Layer, Prepared, by_gate, from_gates


def prepare(problem: Layer) -> Prepared:
    """The problem, compiled."""
    pytensor.config.floatX = "float32"
    arrays = problem.arrays()
    x = pytensor.shared(arrays["x"], "x")
    weights, biases = ([pytensor.shared(a) for a in part] for part in by_gate(arrays))

    def step(x_t: Any, h: Any, c: Any) -> Any:
        hx = pt.concatenate([h, x_t], axis=1)
        i, f, g, o = (hx @ w + b for w, b in zip(weights, biases, strict=True))
        c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
        return pt.sigmoid(o) * pt.tanh(c), c

    zeros = pt.zeros((problem.batch, problem.units), dtype="float32")
    hs, _ = pytensor.scan(step, sequences=x, outputs_info=[zeros, zeros], return_updates=False)
    if not problem.training:
        return Prepared(pytensor.function([], hs), lambda hs: {"outputs": np.asarray(hs)})
    loss = (hs**2).sum()
    run = pytensor.function([], [loss, *pytensor.grad(loss, [x, *weights, *biases])])

    def read(results: Any) -> Arrays:
        loss, dx, *found = [np.asarray(r) for r in results]
        return {"loss": loss, "x": dx, **from_gates(found[:4], found[4:])}

    return Prepared(run, read)
