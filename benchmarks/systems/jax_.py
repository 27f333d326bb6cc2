"""JAX: a scan of the four equations under ``jit``."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.problems import BETAS, CLIP, EPSILON, LEARNING_RATE, Arrays, Layer, Prepared, Words, by_gate, from_gates


def prepare(problem: Layer | Words) -> Prepared:
    """The problem, compiled by XLA."""
    if isinstance(problem, Words):
        return _words(problem)
    arrays = problem.arrays()
    x = jnp.asarray(arrays["x"])
    gates = _gates(arrays)
    if not problem.training:
        f = jax.jit(_lstm)
        return Prepared(lambda: jax.block_until_ready(f(x, gates)), lambda hs: {"outputs": np.asarray(hs)})
    g = jax.jit(jax.value_and_grad(lambda x, gates: (_lstm(x, gates) ** 2).sum(), (0, 1)))

    def read(results: Any) -> Arrays:
        loss, (dx, (weights, biases)) = jax.tree.map(np.asarray, results)
        return {"loss": loss, "x": dx, **from_gates(weights, biases)}

    return Prepared(lambda: jax.block_until_ready(g(x, gates)), read)


def _gates(arrays: Arrays) -> Any:
    return jax.tree.map(jnp.asarray, by_gate(arrays))


def _lstm(x: Any, gates: Any) -> Any:
    def step(carry: Any, x_t: Any) -> Any:
        h, c = carry
        hx = jnp.concatenate([h, x_t], axis=-1)
        i, f, g, o = (hx @ w + b for w, b in zip(*gates, strict=True))
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((x.shape[1], gates[1][0].shape[0]))
    return jax.lax.scan(step, (zeros, zeros), x)[1]


def _loss(parameters: Any, indices: Any, targets: Any) -> Any:
    sequence = parameters["embedding"][indices]
    for gates in parameters["layers"]:
        sequence = _lstm(sequence, gates)
    scores = jax.nn.log_softmax(sequence @ parameters["V"] + parameters["d"])
    return -jnp.take_along_axis(scores, targets[..., None], axis=-1).mean()


@partial(jax.jit, donate_argnums=0)
def _update(state: Any, indices: Any, targets: Any) -> Any:
    parameters, count, means, squares = state
    loss, gradients = jax.value_and_grad(_loss)(parameters, indices, targets)
    norm = jnp.sqrt(sum((g * g).sum() for g in jax.tree.leaves(gradients)))
    gradients = jax.tree.map(lambda g: g * jnp.minimum(CLIP / (norm + 1e-6), 1.0), gradients)
    first, second = BETAS
    count = count + 1
    means = jax.tree.map(lambda m, g: first * m + (1 - first) * g, means, gradients)
    squares = jax.tree.map(lambda v, g: second * v + (1 - second) * g * g, squares, gradients)
    rate, scale = LEARNING_RATE / (1 - first**count), 1 / (1 - second**count)
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v * scale) + EPSILON), parameters, means, squares
    )
    return loss, (parameters, count, means, squares)


def _words(problem: Words) -> Prepared:
    arrays = problem.arrays()
    parameters = {name: jnp.asarray(arrays[name]) for name in ("embedding", "V", "d")}
    parameters["layers"] = [_gates({name: arrays[f"{name}{k}"] for name in "WUb"}) for k in range(2)]
    indices, targets = (jnp.asarray(arrays[name]) for name in ("indices", "targets"))
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = [(parameters, jnp.zeros(()), zeros, jax.tree.map(jnp.copy, zeros))]

    def step() -> Any:
        loss, state[0] = jax.block_until_ready(_update(state[0], indices, targets))
        return loss

    return Prepared(step, lambda loss: {"loss": np.asarray(loss)})
