"""PyTorch: its own layer, and the four equations step by step."""

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.problems import BETAS, CLIP, EPSILON, LEARNING_RATE, Arrays, Layer, Prepared, Words, by_gate, from_gates


def layer(problem: Layer | Words) -> Prepared:
    """``torch.nn.LSTM``."""
    if isinstance(problem, Words):
        return _words(problem)
    arrays = problem.arrays()
    lstm = torch.nn.LSTM(problem.inputs, problem.units)
    _fill(lstm, [arrays])
    x = torch.tensor(arrays["x"], requires_grad=problem.training)
    if not problem.training:
        return _inference(lambda: lstm(x)[0])
    parameters = [lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0]

    def step() -> Any:
        outputs, _ = lstm(x)
        loss = (outputs * outputs).sum()
        return loss, *torch.autograd.grad(loss, [x, *parameters])

    def read(results: Any) -> Arrays:
        loss, dx, dW, dU, db, _ = [r.detach().numpy() for r in results]
        return {"loss": loss, "x": dx, "W": dW.T, "U": dU.T, "b": db}

    return Prepared(step, read)


def eager(problem: Layer) -> Prepared:
    """The four equations over [h, x]."""
    arrays = problem.arrays()
    gates = by_gate(arrays)
    weights, biases = ([torch.tensor(a, requires_grad=problem.training) for a in part] for part in gates)
    x = torch.tensor(arrays["x"], requires_grad=problem.training)

    def outputs() -> Any:
        h = c = torch.zeros(problem.batch, problem.units)
        stacked = []
        for x_t in x:
            hx = torch.cat([h, x_t], dim=1)
            i, f, g, o = (hx @ w + b for w, b in zip(weights, biases, strict=True))
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            stacked.append(h)
        return torch.stack(stacked)

    if not problem.training:
        return _inference(outputs)

    def step() -> Any:
        hs = outputs()
        loss = (hs * hs).sum()
        return loss, *torch.autograd.grad(loss, [x, *weights, *biases])

    def read(results: Any) -> Arrays:
        loss, dx, *found = [r.detach().numpy() for r in results]
        return {"loss": loss, "x": dx, **from_gates(found[:4], found[4:])}

    return Prepared(step, read)


def _inference(outputs: Callable[[], Any]) -> Prepared:
    def step() -> Any:
        with torch.inference_mode():
            return outputs()

    return Prepared(step, lambda hs: {"outputs": hs.numpy()})


def _fill(lstm: Any, layers: list[Arrays]) -> None:
    """Set the weights of an LSTM. It has two biases with equal gradients; the second one is set to 0."""
    with torch.no_grad():
        for k, arrays in enumerate(layers):
            getattr(lstm, f"weight_ih_l{k}").copy_(torch.tensor(arrays["W"].T))
            getattr(lstm, f"weight_hh_l{k}").copy_(torch.tensor(arrays["U"].T))
            getattr(lstm, f"bias_ih_l{k}").copy_(torch.tensor(arrays["b"]))
            getattr(lstm, f"bias_hh_l{k}").zero_()


def _words(problem: Words) -> Prepared:
    """The word model, prepared."""
    arrays = problem.arrays()
    embedding = torch.nn.Embedding(problem.words, problem.units)
    lstm = torch.nn.LSTM(problem.units, problem.units, 2)
    output = torch.nn.Linear(problem.units, problem.words)
    _fill(lstm, [{name: arrays[f"{name}{k}"] for name in "WUb"} for k in range(2)])
    with torch.no_grad():
        embedding.weight.copy_(torch.tensor(arrays["embedding"]))
        output.weight.copy_(torch.tensor(arrays["V"].T))
        output.bias.copy_(torch.tensor(arrays["d"]))
    # The second biases are not trained and stay 0, since the other systems have none.
    held = {id(lstm.bias_hh_l0), id(lstm.bias_hh_l1)}
    parameters = [p for module in (embedding, lstm, output) for p in module.parameters() if id(p) not in held]
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE, betas=BETAS, eps=EPSILON)
    indices, targets = torch.tensor(arrays["indices"]), torch.tensor(arrays["targets"]).flatten()

    def step() -> Any:
        logits = output(lstm(embedding(indices))[0])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimiser.step()
        return loss

    return Prepared(step, lambda loss: {"loss": loss.detach().numpy()})
