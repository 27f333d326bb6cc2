"""Functions that call backward and change cells, in pictures and on pages: what they change is shown, and not done."""

import json
import re

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import draw
from tinygrad_lstm.draw.graphs.measures import measure
from tinygrad_lstm.draw.graphs.sources import sources
from tinygrad_lstm.errors import TraceError


class Line:
    """A parameter, its optimiser, and a step of training on ``(w·x − 6)²``."""

    def __init__(self):
        self.w = tl.Parameter([1.0, 2.0], name="w")
        self.optimizer = tl.optim.SGD([self.w], lr=0.1)

    def step(self, x):
        loss = ((self.w * x).sum() - 6.0) ** 2
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    @tl.jit
    def compiled(self, x):
        return self.step(x)


@pytest.fixture
def line():
    return Line()


def test_the_results_and_what_changes_are_the_ends_of_the_graph(line):
    x = tl.ones(2)
    found = sources(line.step, (x,))
    assert found.names == ["L", "∂L/∂w", "w after"]
    assert (found.changes, found.results) == (2, found.outputs[:1])
    shown = [y.evaluate(found.bindings).numpy() for y in found.outputs]
    assert line.w.grad is None
    np.testing.assert_array_equal(line.w.numpy(), [1.0, 2.0])
    loss = line.step(x)
    for value, wanted in zip(shown, (loss, line.w.grad, line.w), strict=True):
        np.testing.assert_allclose(value, wanted.numpy(), rtol=1e-6)


def test_gradients_that_were_there_are_added_to(line):
    x = tl.ones(2)
    (line.w * 5.0).sum().backward()
    found = sources(lambda x: (line.w * x).sum().backward() or x.sum(), (x,))
    assert found.names == ["result", "∂L/∂w"]
    np.testing.assert_allclose(found.outputs[1].evaluate(found.bindings).numpy(), [6.0, 6.0])


@pytest.mark.parametrize("form", ["step", "compiled", "jitted"])
def test_a_page_plays_a_step_of_training(line, form):
    f = tl.jit(line.step) if form == "jitted" else getattr(line, form)
    page = draw.page(f, tl.ones(2))
    assert page.title == ("step" if form == "jitted" else form) + ", step by step"
    view = json.loads(re.search(r'id="data">(.*?)</script>', page.html, re.DOTALL)[1])["views"][0]
    assert view["note"] == "Gradients are those of L."
    graph = view["graph"]
    items = {x["name"]: x for x in graph["items"] if x["kind"] in ("result", "parameter")}
    assert {"w", "∂L/∂w", "w after"} <= items.keys()
    grids = {name: graph["values"][item["v"][0]]["grid"] for name, item in items.items()}
    assert grids["∂L/∂w"] == [[-6.0, -6.0]]
    # What arrives at the parameter on the way back is what the step computes as its gradient.
    assert graph["values"][items["w"]["g"][0]]["grid"] == grids["∂L/∂w"]
    np.testing.assert_allclose(grids["w after"], [[1.6, 2.6]])
    np.testing.assert_array_equal(line.w.numpy(), [1.0, 2.0])


def test_a_picture_of_a_step_shows_values_and_the_flow_of_the_loss_alone(line):
    x = tl.ones(2)
    assert "w after" in draw.graph(line.step, x, values="numbers").dot
    assert "<I>∂L/∂w" in draw.graph(line.step, x, flow=True, gradients="together").dot
    found = sources(line.step, (x,))
    flows = measure(found.outputs, found.bindings, changes=found.changes)
    (w,) = {n for _, n in flows.gradients if n.op == "leaf" and n.shape == (2,)}
    np.testing.assert_allclose(flows.gradients[(), w], [-6.0, -6.0])


def test_a_layer_with_a_key_keeps_it():
    dropout = tl.nn.Dropout(0.5, key=tl.random.key(0))
    before = [cell.numpy() for _, cell in dropout.named_variables()]
    draw.graph(dropout, tl.ones(3))
    for (_, cell), value in zip(dropout.named_variables(), before, strict=True):
        np.testing.assert_array_equal(cell.numpy(), value)


def test_layers_that_a_function_makes_have_their_values():
    def loss(x):
        cell = tl.nn.RNNCell(3, 2, key=tl.random.key(0))
        return cell(x, cell.zeros(1)).sum()

    found = sources(loss, (tl.ones((1, 3)),))
    assert (found.names, found.changes) == (["result"], 0)
    assert found.outputs[0].evaluate(found.bindings).item() == pytest.approx(loss(tl.ones((1, 3))).item())


def test_a_value_that_python_reads_is_told_with_what_to_do():
    def half(x):
        return x * float(x.sum())

    with pytest.raises(TraceError, match=r"function half in draw\.page and has no value yet.* tl\.where"):
        draw.page(half, tl.ones(2))
