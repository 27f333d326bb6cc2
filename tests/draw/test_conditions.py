"""What is computed only where, or as long as, a condition holds: pictures, pages, expressions."""

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import UsageError

X = tl.symbol("x", (3,))
LAYER = tl.nn.Linear(3, 3, key=tl.random.key(0))


def chosen(x):
    return tl.cond(x.sum() > 0, lambda x: tl.log(x) + 1, lambda x: tl.tanh(LAYER(x)), x)


def root(a, bound=None):
    return tl.while_loop(lambda x: tl.abs(x * x - a) > 1e-5, lambda x: (x + a / x) / 2, a, bound=bound)


def test_expressions() -> None:
    x, a = tl.symbol("x"), tl.symbol("a")
    y = tl.cond(x > 0, tl.log, lambda x: tl.sin(x) * 2, x)
    assert tl.text(y) == "where(0 < x, log(x), 2·sin(x))"
    assert tl.text(tl.cond(x > 0, tl.log, lambda x: x, x)) == "where(0 < x, log(x), x)"
    assert "where(0 < x, 1/x, 0)" in tl.text(tl.gradients(y, x))
    assert tl.latex(y) == r"\operatorname{where}\left(0 < x, \log\left(x\right), 2 \, \sin\left(x\right)\right)"
    assert tl.text(root(a)) == "while(value = a).value"
    assert str(root(a)) == "while(value = a).value"


def test_a_branch_is_a_part_with_its_name() -> None:
    dot = tl.draw.graph(chosen(X)).dot
    assert dot.count("subgraph") >= 2
    for word in ("then", "else", "if", "where"):
        assert word in dot
    assert "¬" not in dot


def test_a_loop_shows_its_condition() -> None:
    dot = tl.draw.graph(root(tl.symbol("a"))).dot
    assert "while the condition holds" in dot
    assert "go on?" in dot
    assert "while the condition holds" in tl.draw.graph(root(tl.symbol("a")), loops="box").dot


@pytest.mark.parametrize("options", [{}, {"loops": "box"}, {"loops": "unrolled"}, {"values": "numbers"}], ids=str)
def test_each_kind_of_picture(options) -> None:
    for f, x in ((chosen, tl.ones(3)), (root, tl.tensor(2.0)), (lambda a: root(a, 5), tl.tensor(2.0))):
        drawing = tl.draw.graph(f, x, **options)
        assert drawing.dot
        assert drawing.mermaid


def test_gradients_and_pages() -> None:
    x = tl.tensor([1.0, 2.0, 3.0])
    for f, at in ((lambda x: chosen(x).sum(), x), (lambda a: root(a, 5), tl.tensor(2.0))):
        assert tl.draw.graph(f, at, values="gradients").dot
        assert tl.draw.page(f, at)
    with pytest.raises(UsageError, match="a while_loop has gradients only with bound="):
        tl.draw.graph(root, tl.tensor(2.0), values="gradients")
    with pytest.raises(UsageError, match=r"draw\.page: nothing says how many steps.*give it bound="):
        tl.draw.page(root, tl.tensor(2.0))
