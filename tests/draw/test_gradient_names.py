"""Gradients have the names of what they are of: those that formulas use."""

import subprocess

import pytest

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.graphs.sources import sources

KEY = tl.random.key(0)
GATES = [f"∂L/∂{letter}_{gate}" for gate in "fiCo" for letter in "Wb"]


def test_weights_have_the_letters_of_formulas_in_a_cell_and_in_a_loop():
    cell, layer = nn.LSTMCell(3, 4, key=KEY), nn.LSTM(3, 4, key=KEY)
    h, _ = cell(tl.symbol("x_t", (1, 3)), cell.zeros(1))
    outputs, _ = layer(tl.symbol("x", (5, 1, 3)))
    for module, loss in ((cell, h.sum()), (layer, outputs.sum())):
        assert sources((loss, tl.gradients(loss, list(module.parameters())))).names == ["L", *GATES]
    total = h.sum()
    picture = draw.graph((total, tl.gradients(total, cell.forget.weight)))
    words = [dot.shown(look) for look in dot.nodes(picture).values()]
    assert "∂L/∂W_f f32[7,4]" in words
    assert [text for text in words if text.startswith("forget.weight W")]


def test_backward_names_its_gradients_alike_and_the_loss_by_its_name():
    cell = nn.LSTMCell(3, 4, key=KEY)

    def step(x_t):
        loss = cell(x_t, cell.zeros(1))[0].sum()
        loss.backward()
        return loss

    assert sorted(sources(step, (tl.ones((1, 3)),)).names) == sorted(["L", *GATES])
    assert sorted(sources(tl.jit(step), (tl.ones((1, 3)),)).names) == sorted(["L", *GATES])

    def named(w):
        loss = (w * w).named("E")
        return {"energy": loss, "slope": tl.gradients(loss, w)}, tl.gradients(loss, w)

    assert sources(named, (tl.ones(()),)).names == ["E", "slope", "∂E/∂w"]


def test_values_are_y_and_what_is_nameless_stays_a_gradient():
    x, z = tl.symbol("x"), tl.symbol("z")
    y = tl.sin(x * z)
    assert sources((y, tl.gradients(y, [x, z]))).names == ["y", "∂y/∂x", "∂y/∂z"]
    assert sources({"loss": y, "g": [tl.gradients(y, x)]}).names == ["∂loss/∂x", "loss"]
    inner = x * z
    assert sources(tl.gradients(tl.sin(inner), inner)).names == ["gradient"]
    # One node is the gradient by both.
    assert sources(tl.gradients(x + z, [x, z])).names == ["result 0", "result 1"]


@pytest.mark.parametrize("name", ["loss", "a<b>&c", "x_{t-1}", "W_f", "\\N|{}", "学"])
def test_the_names_are_safe_in_every_form(name, tmp_path):
    w, x = tl.Parameter(2.0, name=name), tl.symbol("x")
    y = (w * x).named(name)
    picture = draw.graph((y, tl.gradients(y, w)))
    assert picture.svg().count("∂") >= 2
    assert picture.mermaid().startswith("flowchart")
    text = picture.tikz()
    assert "partial" in text
    if name != "学":
        (tmp_path / "a.tex").write_text(text, encoding="utf-8")
        try:
            command = ["pdflatex", "-interaction=batchmode", "-halt-on-error", "a.tex"]
            assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False).returncode == 0
        except FileNotFoundError:
            pytest.skip("there is no pdflatex")
