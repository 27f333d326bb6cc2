"""Computations that play."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tinygrad_lstm.errors import UsageError


def notes(dot):
    """The numbers that can be seen, and those that cannot."""
    found = re.findall(r'COLOR="(#[0-9a-f]+)">([=∂] [^<]*)<', dot)
    return [n for color, n in found if color != "#00000000"], [n for color, n in found if color == "#00000000"]


def dots(moving):
    return [drawing.dot for drawing, _ in moving.frames]


def test_values_come_forwards_and_gradients_backwards():
    moving = tl.draw.animation(lambda x, w: tl.tanh(x * w).named("y"), 0.5, 2.0)
    pictures = dots(moving)
    assert notes(pictures[0])[0] == ["= 0.5", "= 2"]
    assert notes(pictures[1])[0] == ["= 0.5", "= 2", "= 1"]
    assert notes(pictures[2])[0] == ["= 0.5", "= 2", "= 1", "= 0.762"]
    assert [len(notes(p)[0]) for p in pictures] == [2, 3, 4, 5, 6, 7, 8, 8]
    assert notes(pictures[-1])[1] == []
    slope = 1 - float(tl.tanh(tl.tensor(1.0)).numpy()) ** 2
    assert {f"∂ {2 * slope:.3g}", f"∂ {0.5 * slope:.3g}", "∂ 1"} <= set(notes(pictures[-1])[0])
    assert "∂y/∂w = 0.21" in moving.description
    assert "y = 0.762" in moving.description


def test_nothing_changes_its_place():
    moving = tl.draw.animation(lambda x: tl.sin(x) * x, 0.5)
    assert len({tuple(re.findall(r' (?:cx|cy|rx|ry)="[^"]*"', d.svg())) for d, _ in moving.frames}) == 1


@given(st.lists(st.sampled_from(["sin", "tanh", "times", "plus", "square"]), min_size=1, max_size=6))
@settings(max_examples=15)
def test_each_picture_adds_one_number(names):
    ops = {
        "sin": lambda x, y: tl.sin(x),
        "tanh": lambda x, y: tl.tanh(x),
        "times": lambda x, y: x * y,
        "plus": lambda x, y: x + y,
        "square": lambda x, y: x * x,
    }

    def function(x, y):
        for name in names:
            x = ops[name](x, y)
        return x

    pictures = dots(tl.draw.animation(function, 0.3, 0.7))
    seen = [notes(p)[0] for p in pictures]
    assert all(len(b) == len(a) + 1 for a, b in pairwise(seen[:-1]))
    assert seen[-1] == seen[-2]
    assert all(sorted(notes(p)[0] + notes(p)[1]) == sorted(seen[-1]) for p in pictures)


def test_loops_are_unrolled_and_themes_are_kept(tmp_path):
    rnn = tl.nn.RNN(2, 2, key=tl.random.key(0))
    moving = tl.draw.animation(lambda x: rnn(x)[0][-1], tl.ones((2, 1, 2)), theme="dark", transparent=True)
    assert moving.frames[0][0].dot.count(">hidden.weight<") == 2
    assert "bgcolor=transparent" in moving.frames[0][0].dot
    assert moving.ground == "#12161b"


def test_it_is_a_small_file(tmp_path):
    path = tl.draw.animation(lambda x, w: x * w, 0.5, 2.0).save(tmp_path / "x.gif")
    assert path.read_bytes()[:6] == b"GIF89a"
    assert path.stat().st_size < 1_000_000


def deep(x):
    for _ in range(100):
        x = tl.sin(x)
    return x


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tl.draw.animation(deep, 1.0), "this graph has 102 vertices, and one plays that has 60"),
        (lambda: tl.draw.animation(tl.sin(tl.symbol("x"))), "the symbol 'x' .* has no value"),
        (lambda: tl.draw.animation(lambda x: x + 1, 1), "no result is a float tensor"),
        (lambda: tl.draw.animation(lambda x: x, 1.0, theme="grey"), "theme is 'light' or 'dark'"),
    ],
)
def test_what_does_not_play_is_told(call, said):
    with pytest.raises(UsageError, match=f"draw.animation: {said}"):
        call()
