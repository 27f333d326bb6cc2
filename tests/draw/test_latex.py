"""Expressions as LaTeX."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

import tinygrad_lstm as tl
from tinygrad_lstm.errors import UsageError

X, Y = tl.symbol("x"), tl.symbol("y")
A, B = tl.symbol("a", (2, 3)), tl.symbol("b", (2, 3))
HOSTILE = [
    '"<script>',
    'a"];',
    "]]>",
    "x\ny",
    "漢字 ∂",
    "\x00\udc80",
    "_",
    "^",
    "~",
    "a'",
    "%$#&{}\\",
    "\\frac{",
    "$$",
    " ",
]


def parts_are_closed(latex):
    depth = 0
    for part in re.findall(r"\\.|[{}]", latex):
        depth += {"{": 1, "}": -1}.get(part, 0)
        assert depth >= 0
    assert depth == 0
    assert latex.count(r"\left") == latex.count(r"\right")
    assert not re.search(r"_\{[^{}]*\}_", latex)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (tl.sin(X**2), r"\sin\left(x^{2}\right)"),
        (tl.gradients(tl.sin(X**2), X), r"2 \, x \, \cos\left(x^{2}\right)"),
        (1 / (X * Y), r"\frac{1}{x \, y}"),
        ((X + Y) ** 2 / (X - Y), r"\frac{\left(x + y\right)^{2}}{x - y}"),
        (-X / Y, r"-\frac{x}{y}"),
        (tl.sqrt(X + 1), r"\sqrt{x + 1}"),
        (tl.abs(X - Y), r"\left|x - y\right|"),
        (A * B * 2, r"2 \, a \odot b"),
        (A @ B.T, r"a \, b^{\top}"),
        ((A * B) @ B.T, r"\left(a \odot b\right) \, b^{\top}"),
        (A.sum(axis=1), r"\sum_{\mathrm{axis}\,\mathrm{1}}\left(a\right)"),
        (A[0], "a[0]"),
        (A[1:, ::2], r"a[1:, ::2]"),
        (X * 1.5e-7, r"1.5 \cdot 10^{-7} \, x"),
        (X * 1e-5, r"10^{-5} \, x"),
        (X**0.5, "x^{0.5}"),
        (tl.symbol("C̃_t") + tl.symbol("h_{t-1}"), r"\tilde{C}_{t} + h_{t-1}"),
        (tl.symbol("α") * tl.symbol("weight decay"), r"\alpha \, \mathrm{weight\ decay}"),
        (X // Y, r"\left\lfloor \frac{x}{y} \right\rfloor"),
        (tl.concatenate([A, B]), r"\left[a, b\right]"),
        (tl.silu(X), r"x \, \sigma\left(x\right)"),
    ],
    ids=str,
)
def test_latex(expression, wanted):
    assert tl.latex(expression) == wanted
    parts_are_closed(wanted)


def test_cells_read_as_their_equations():
    cell = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))
    gates = cell.gates(tl.symbol("x", (1, 3)), (tl.symbol("h", (1, 4)), tl.symbol("c", (1, 4))))
    assert tl.latex(gates.cell) == r"f_{t} \odot C_{t-1} + i_{t} \odot \tilde{C}_{t}"
    assert tl.latex(gates.hidden) == r"o_{t} \odot \tanh\left(C_{t}\right)"


def test_shared_subexpressions_have_names():
    cell = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))
    h, _ = cell(tl.symbol("x", (1, 3)), (tl.symbol("h", (1, 4)), tl.symbol("c", (1, 4))))
    found = tl.latex(tl.gradients(h.sum(), cell.forget.weight))
    assert r"C_{t-1} \odot f_{t} \odot \left(1 - f_{t}\right)" in found
    parts_are_closed(found)
    deep = A
    for _ in range(3):
        deep = tl.sin(deep) * tl.exp(deep)
    found = tl.latex(deep)
    assert r"\quad\text{where}\quad v_{1} = \sin\left(a\right) \odot \exp\left(a\right)" in found
    parts_are_closed(found)


def test_long_sums_stand_in_aligned_lines():
    cell = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))
    x = tl.symbol("x", (1, 3))
    h, _ = cell(x, (tl.symbol("h", (1, 4)), tl.symbol("c", (1, 4))))
    found = tl.latex(tl.gradients(h.sum(), x))
    assert found.startswith(r"\begin{aligned}& ")
    assert found.endswith(r"\end{aligned}")
    rows = found.split(r" \\ & ")
    assert [row.count("W_") for row in rows] == [0, 0, 1, 1, 1, 1]
    parts_are_closed(found)


def test_the_gradient_of_a_loop_is_closed_latex():
    layer, x = tl.nn.LSTM(3, 4, key=tl.random.key(0)), tl.symbol("x", (5, 1, 3))
    parts_are_closed(tl.latex(tl.gradients((layer(x)[0][-1] ** 2).sum(), x)))


@pytest.mark.parametrize("name", [*HOSTILE, *string.punctuation])
def test_hostile_names_are_text(name):
    found = tl.latex(tl.symbol(name) ** 2 + 1)
    parts_are_closed(found)
    assert "<s" not in found
    assert "\n" not in found
    assert "\udc80" not in found
    # A dollar sign would end the mathematics.
    assert not re.search(r"(?<!\\)\$", found)


@given(st.text(min_size=1))
def test_any_name_is_closed_latex(name):
    parts_are_closed(tl.latex(tl.exp(tl.symbol(name))))


@pytest.mark.parametrize("name", ["x", "h_{t-1}", "C̃_t", "forget.weight", "a b", "%$#", "α", "a_b_c"])
def test_an_independent_reader_takes_it(name):
    x = tl.symbol(name)
    expression = tl.gradients(tl.sqrt(tl.sin(x**2) / (1 + tl.exp(-x))), x)
    assert MathTextParser("path").parse(f"${tl.latex(expression)}$").width > 0


def test_jupyter_typesets_it():
    assert tl.latex(X**2)._repr_latex_() == "$\\displaystyle x^{2}$"


@pytest.mark.parametrize("wrong", [[X, "y"], "x", None, lambda: X, {"x": X}])
def test_what_is_no_tensor_is_refused(wrong):
    with pytest.raises(UsageError, match="latex writes a tensor down, or a list or tuple of tensors, not "):
        tl.latex(wrong)


@pytest.mark.parametrize("count", [5_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_many_nodes_are_no_recursion(count):
    deep = X
    for _ in range(count):
        deep = tl.sin(deep) + deep
    assert r"\dots" in tl.latex(deep)
