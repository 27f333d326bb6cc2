"""This package: interpreted, and compiled for the backends ``numpy`` and ``c``."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from benchmarks.problems import (
    BETAS,
    CLIP,
    EPSILON,
    GATES,
    LEARNING_RATE,
    Layer,
    MissingError,
    Prepared,
    Words,
    by_gate,
    from_gates,
)


def reference(problem: Layer | Words) -> Prepared:
    """Interpreted, in float64."""
    return _prepared(problem, "numpy", lambda f: f, tl.float64)


def interpreter(problem: Layer | Words) -> Prepared:
    """A graph is built and walked in each step."""
    return _prepared(problem, "numpy", lambda f: f)


def compiled_numpy(problem: Layer | Words) -> Prepared:
    """Straight-line NumPy."""
    return _prepared(problem, "numpy", tl.jit)


def compiled_c(problem: Layer | Words) -> Prepared:
    """Generated C."""
    try:
        return _prepared(problem, "c", tl.jit)
    except tl.errors.BackendError as error:
        raise MissingError(str(error)) from None


def _prepared(problem: Layer | Words, backend: str, compiled: Callable[..., Any], dtype: Any = tl.float32) -> Prepared:
    with tl.use_backend(backend):
        f, args, read = _words(problem, dtype) if isinstance(problem, Words) else _layer(problem, dtype)
    run = compiled(f)

    def step() -> Any:
        with tl.use_backend(backend):
            results = run(*args)
            tl.evaluate(*results)
            return results

    return Prepared(step, read)


def _fill(cell: Any, arrays: Any, dtype: Any) -> list[Any]:
    """Give the cell its weights; its Parameters, weights first."""
    layers = [getattr(cell, gate) for gate in GATES]
    for layer, weight, bias in zip(layers, *by_gate(arrays), strict=True):
        layer.weight.assign(tl.tensor(weight, dtype=dtype))
        layer.bias.assign(tl.tensor(bias, dtype=dtype))
    return [layer.weight for layer in layers] + [layer.bias for layer in layers]


def _layer(problem: Layer, dtype: Any) -> Any:
    """The step of a layer, not compiled; its arguments; and a function that reads its results."""
    arrays = problem.arrays()
    lstm = tl.nn.LSTM(problem.inputs, problem.units, key=tl.random.key(0), dtype=dtype)
    parameters = _fill(lstm.cells[0], arrays, dtype)
    if not problem.training:
        x = tl.tensor(arrays["x"], dtype=dtype)
        return lambda x: (lstm(x)[0],), (x,), lambda results: {"outputs": results[0].numpy()}

    def loss_and_gradients(x: Any) -> Any:
        outputs, _ = lstm(x)
        loss = (outputs * outputs).sum()
        return loss, *tl.gradients(loss, [x, *parameters])

    def read(results: Any) -> Any:
        loss, x, *found = [np.asarray(r.numpy()) for r in results]
        return {"loss": loss, "x": x, **from_gates(found[:4], found[4:])}

    # x is a Parameter, so that its gradient can be computed without jit too.
    return loss_and_gradients, (tl.tensor(arrays["x"], dtype=dtype, requires_grad=True),), read


class WordModel(tl.nn.Module):
    """The scores of each word as the next one."""

    def __init__(self, words: int, hidden: int, dtype: Any) -> None:
        self.embedding = tl.nn.Embedding(words, hidden, key=tl.random.key(0), dtype=dtype)
        self.lstm = tl.nn.LSTM(hidden, hidden, 2, key=tl.random.key(1), dtype=dtype)
        self.output = tl.nn.Linear(hidden, words, key=tl.random.key(2), dtype=dtype)

    def forward(self, indices: Any) -> Any:
        return self.output(self.lstm(self.embedding(indices))[0])


def _words(problem: Words, dtype: Any) -> Any:
    """The update of the word model, not compiled; its arguments; and a function that reads its results."""
    arrays = problem.arrays()
    model = WordModel(problem.words, problem.units, dtype)
    for k, cell in enumerate(model.lstm.cells):
        _fill(cell, {name: arrays[f"{name}{k}"] for name in "WUb"}, dtype)
    output = model.output
    for name, parameter in {"embedding": model.embedding.weight, "V": output.weight, "d": output.bias}.items():
        parameter.assign(tl.tensor(arrays[name], dtype=dtype))
    parameters = list(model.parameters())
    optimiser = tl.optim.Adam(parameters, lr=LEARNING_RATE, betas=BETAS, eps=EPSILON)

    def update(indices: Any, targets: Any) -> Any:
        loss = tl.nn.cross_entropy(model(indices), targets)
        optimiser.zero_grad()
        loss.backward()
        tl.optim.clip_grad_norm(parameters, CLIP)
        optimiser.step()
        return (loss,)

    args = tuple(tl.tensor(arrays[name], dtype=tl.int64) for name in ("indices", "targets"))
    return update, args, lambda results: {"loss": results[0].numpy()}
