"""Expressions as text."""

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.formula.expression import node_texts
from tinygrad_lstm.graph.function import topological

X, Y = tl.symbol("x"), tl.symbol("y")


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (tl.sin(X**2), "sin(x²)"),
        (X * Y - (X - Y), "x·y − x + y"),
        ((X + Y) * 2, "2·(x + y)"),
        ((X + Y) ** 2 / (X - Y), "(x + y)²/(x − y)"),
        (1 / (X * Y), "1/(x·y)"),
        (X / Y / Y, "x/y²"),
        (-X * -Y, "x·y"),
        (-(X**2), "−x²"),
        ((-X) ** 3, "−x³"),
        (X**0.5, "x^0.5"),
        (2**X, "2^x"),
        (X * X * X, "x³"),
        (X + X, "2·x"),
        (X - X, "0"),
        (tl.sqrt(X + 1), "√(x + 1)"),
        (tl.abs(X - Y), "|x − y|"),
        (tl.sigmoid(-X), "σ(−x)"),
        (tl.where(X > 0, X, 0), "where(0 < x, x, 0)"),
        ((X * 3) * (Y * 2), "6·x·y"),
        (X * 0.1, "0.1·x"),
        (tl.exp(X) * tl.exp(X), "exp(x)²"),
        (tl.maximum(X, Y), "maximum(x, y)"),
        (tl.arctan(X), "arctan(x)"),
        (tl.arctan2(Y, X), "arctan2(y, x)"),
        (X // (Y * 2), "⌊0.5·x/y⌋"),
        (X % (Y + 1), "x mod (y + 1)"),
        (tl.logical_not((X < Y) & (Y < 1)), "¬(x < y ∧ (y < 1))"),
        (X != Y, "¬(x = y)"),
        (tl.symbol("a", (2, 3)) @ tl.symbol("b", (3, 2)), "a @ b"),
        (tl.symbol("a", (2, 3)).sum(), "Σ(a)"),
        (tl.symbol("a", (2, 3)).sum(axis=1), "Σ(a, axis=1)"),
        (tl.symbol("a", (2, 3)).T, "aᵀ"),
        (tl.concatenate([tl.symbol("h", 2), tl.symbol("x", 3)]), "[h, x]"),
        ((tl.symbol("a", (2, 2)) * 3) @ tl.symbol("b", (2, 2)), "(3·a) @ b"),
        (tl.symbol("a", (2, 3))[1], "a[1]"),
        (tl.symbol("a", (2, 3))[:, 1:], "a[:, 1:]"),
        (X * 1e200 * 1e200, "inf·x"),
    ],
    ids=str,
)
def test_text(expression: Any, wanted: str) -> None:
    assert tl.text(expression) == wanted


@pytest.mark.parametrize(
    ("expression", "first", "second"),
    [
        (tl.sin(X**2), "2·x·cos(x²)", "2·cos(x²) − 4·x²·sin(x²)"),
        (X**3, "3·x²", "6·x"),
        (1 / X, "−1/x²", "2/x³"),
        (tl.exp(-X * X), "−2·x·exp(−x²)", "4·x²·exp(−x²) − 2·exp(−x²)"),
        (X * tl.log(X), "log(x) + 1", "1/x"),
        (tl.tanh(X) * Y, "y·(1 − tanh(x)²)", "−2·y·tanh(x)·(1 − tanh(x)²)"),
        (tl.sqrt(X), "0.5/√x", "−0.25/(√x)³"),
    ],
    ids=str,
)
def test_gradients_read_as_in_a_textbook(expression: Any, first: str, second: str) -> None:
    slope = tl.gradients(expression, X)
    assert tl.text(slope) == first
    assert tl.text(tl.gradients(slope, X)) == second


def test_cells_read_as_their_equations() -> None:
    cell = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))
    gates = cell.gates(tl.symbol("x", (1, 3)), (tl.symbol("h", (1, 4)), tl.symbol("c", (1, 4))))
    assert tl.text(gates.forget) == "σ([h_{t-1}, x_t] @ W_f + b_f)"
    assert tl.text(gates.cell) == "f_t·C_{t-1} + i_t·C̃_t"
    assert tl.text(gates.hidden) == "o_t·tanh(C_t)"


def test_two_things_of_one_name_are_told_apart() -> None:
    other = tl.symbol("x")
    assert tl.text(X * other) == "x·x⁽²⁾"
    assert tl.text(tl.tensor([1.0, 2.0]) * tl.tensor([3.0, 4.0])) == "array[2]·array[2]⁽²⁾"
    assert tl.text((tl.sin(X).named("f") * tl.cos(X).named("f")) ** 2) == "f²·(f⁽²⁾)²"


def test_loops_read_as_what_they_start_with_and_step_through() -> None:
    last, ys = tl.scan(lambda c, x: (c * x, tl.sin(c)), tl.tensor(1.0), tl.symbol("xs", (3,)))
    assert tl.text(last) == "scan(carry = 1, x in xs).carry"
    assert tl.text(ys) == "scan(carry = 1, x in xs).y_0"


def test_nodes_have_their_own_expressions() -> None:
    y = tl.exp(tl.sin(X) + 1).named("y")
    order = topological((y,))
    numbers = {node: f"%{k}" for k, node in enumerate(order)}
    assert list(node_texts(order, numbers).values()) == [
        "x",
        "sin(x)",
        "1",
        "sin(x) + 1",
        "exp(sin(x) + 1)",
        "y = exp(sin(x) + 1)",
    ]
    long = X
    for _ in range(200):
        long = tl.sin(long)
    texts = list(node_texts(order := topological((long,)), {n: f"%{k}" for k, n in enumerate(order)}).values())
    assert max(map(len, texts)) < 80
    assert re.search(r"sin\(%\d+\)", texts[-1] + texts[-2])


def test_several_tensors_are_written_in_their_brackets() -> None:
    z = tl.sin(X) * Y
    assert tl.text(tl.gradients(z, [X, Y])) == "[y·cos(x), sin(x)]"
    assert tl.text((X, [Y, (1.0,)])) == "(x, [y, (1,)])"
    assert tl.text([]) == "[]"
    assert tl.latex([X, Y]) == r"\left[x, y\right]"
    other = tl.symbol("x")
    assert tl.text([X, other * 2]) == "[x, 2·x⁽²⁾]"


def test_only_names_that_are_read_are_defined() -> None:
    h = tl.symbol("h", (1, 3))
    for what in (tl.gradients(tl.log(tl.softmax(h))[0, 1], h), [tl.softmax(h), tl.gradients(tl.softmax(h)[0, 1], h)]):
        text = tl.text(what)
        assert " where v₁ = " in text
        named = {f"v{digits}" for digits in re.findall("v([₀-₉]+)", text)}
        for name in named:
            assert re.search(f"{name}(?![₀-₉])", text.replace(f"{name} = ", "")), name
        assert named == {f"v{'₀₁₂₃₄₅₆₇₈₉'[k]}" for k in range(1, len(named) + 1)}
        assert "pad(1, low=(0, 1), high=(0, 1))" in text


def test_print_shows_the_expression_of_what_has_no_value_yet() -> None:
    z = tl.sin(X**2)
    slope = tl.gradients(z, X)
    assert f"{X} {z} {slope}" == "x sin(x²) 2·x·cos(x²)"
    assert repr(slope) == "<f32[] = 2·x·cos(x²)>"
    assert slope._repr_latex_() == r"$\displaystyle 2 \, x \, \cos\left(x^{2}\right)$"
    assert tl.ones(2)._repr_latex_() is None
    deep, wide = X, tl.symbol("w", (3,))
    for k in range(100):
        deep, wide = tl.sin(deep) + k, tl.where(wide < k, wide, tl.cos(wide))
    for large in (deep, wide, tl.scan(lambda c, v: (c + deep * v, v), 0.0, wide)[0]):
        assert str(large) == repr(large)
        assert large._repr_latex_() is None
    seen: list[str] = []

    @tl.jit
    def step(a: tl.Tensor) -> tl.Tensor:
        b = tl.tanh(a) * 2
        seen.append(str(b))
        return b

    assert str(step(tl.zeros(2))) == "[0. 0.]"
    assert seen == ["2·tanh(a)"]


def test_an_operand_of_a_loop_is_called_what_it_is() -> None:
    w = tl.Parameter(2.0)
    last, _ = tl.scan(lambda c, x: (c * w + x, None), tl.symbol("c"), tl.symbol("xs", (3,)))
    assert tl.text(tl.gradients(last, w)).endswith(".Σ d parameter 0")


@pytest.mark.parametrize("count", [3_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_long_expressions_name_what_they_share_and_stay_short(count: int) -> None:
    deep: tl.Tensor = X
    for _ in range(count):
        deep = tl.sin(deep) + deep
    text = tl.text(deep)
    assert " where v₁ = " in text
    assert "more …" in text
    assert len(text) < 10_000


CELLS = {
    "LSTM": lambda key: tl.nn.LSTMCell(3, 4, key=key),
    "peephole LSTM": lambda key: tl.nn.LSTMCell(3, 4, peephole=True, key=key),
    "coupled LSTM": lambda key: tl.nn.LSTMCell(3, 4, coupled=True, key=key),
    "GRU": lambda key: tl.nn.GRUCell(3, 4, key=key),
    "RNN": lambda key: tl.nn.RNNCell(3, 4, key=key),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_gradient_reads_in_the_names_of_its_cell(name: str) -> None:
    cell = CELLS[name](tl.random.key(0))
    state = cell.zeros(1)
    state = tuple(tl.symbol(f"s{k}", s.shape) for k, s in enumerate(state)) if isinstance(state, tuple) else state
    hidden = cell(tl.symbol("x", (1, 3)), state)
    hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    named = {str(n.attrs["name"]) for n in topological((hidden,)) if n.op == "named"}
    for parameter in cell.parameters():
        text = tl.text(tl.gradients(hidden.sum(), parameter))
        # What has a name is not written out: no gate, and no sum of a layer.
        assert "σ(" not in text
        assert "weight" not in text
        assert any(given in text for given in named)


def test_weights_have_the_letters_of_what_their_layers_compute() -> None:
    x = tl.symbol("x", (1, 2))
    a, b = (tl.nn.Linear(2, 2, key=tl.random.key(k)) for k in range(2))
    z = (a(x) + b(tl.tanh(x))).named("z_t")
    assert tl.text(z) == "x @ W_z + b_z + tanh(x) @ U_z + c_z"
    assert tl.latex(tl.sigmoid(b(z)).named("p_{1}") * 2) == r"2 \, p_{1}"
    assert tl.text(tl.sigmoid(a(x))) == "σ(x @ weight + bias)"
    w = tl.Parameter(np.ones((2, 2), np.float32), name="W_z")
    assert tl.text((a(x) + x @ w).named("z_t")) == "x @ U_z + b_z + x @ W_z"
    both = [a(x).named("u"), a(tl.tanh(x)).named("v")]
    assert tl.text(both) == "[x @ weight + bias, tanh(x) @ weight + bias]"


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_is_called_so(axis: int) -> None:
    x, g = tl.symbol("x", (2, 3)), tl.symbol("g", (2, 3))
    told = "" if axis in (1, -1) else f", axis={axis}"
    assert tl.text(tl.softmax(x, axis)) == f"softmax(x{told})"
    assert tl.text(tl.log_softmax(x, axis)) == f"log_softmax(x{told})"
    assert f"softmax(x{told})" in tl.text(tl.gradients(tl.log_softmax(x, axis), x, g))
    assert tl.text(tl.exp(x - tl.logsumexp(x, axis, keepdims=True))) == f"softmax(x{told})"
    assert "softmax" not in tl.text(tl.exp(x - tl.logsumexp(2 * x, axis, keepdims=True)))
    assert "softmax" not in tl.text(tl.exp(x - x.max(axis, keepdims=True)))


def test_a_value_that_has_a_name_is_not_written_out_beside_it() -> None:
    y = tl.tanh(X * 3)
    named = y.named("u")
    assert tl.text(named * y + y) == "u² + u"
    assert tl.text(tl.gradients(named.named("v") * 2, X)) == "6·(1 − u²)"
