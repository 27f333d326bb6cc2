"""The legend of curves over time covers none of them, where a corner is free."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.draw.time.frames import frame_of_curves
from tinygrad_lstm.draw.time.legends import CORNERS, place_legend

STEPS = np.arange(1000)


def test_a_curve_that_falls_late_does_not_cross_it() -> None:
    layer = tl.nn.RNN(3, 16, key=tl.random.key(0))
    for weight in layer.parameters():
        weight.assign(weight / 2)
    svg = tl.draw.gradient_over_time(layer, tl.random.normal(tl.random.key(0), (1000, 1, 3))).svg()
    (x, y), *_ = re.findall(r'<path d="M(\S+) (\S+)h26" ', svg)
    points = re.findall(r"(\d+\.\d+),(\d+\.\d+)", svg)
    left, foot = float(x), float(y)
    assert len(points) > 20
    assert not [(x, y) for x, y in points if left <= float(x) <= left + 60 and abs(float(y) - foot) < 12]


@pytest.mark.parametrize(
    ("corner", "curves"),
    [
        ("lower right", {"h": 10.0 ** -(10 - STEPS / 100)}),
        ("upper left", {"h": 10.0 ** np.maximum(-10, STEPS / 11 - 91)}),
        ("upper right", {"h": 10.0 ** -(STEPS / 100)}),
        ("lower left", {"h": 10.0 ** -(STEPS / 100), "c": np.full(1000, 0.1)}),
    ],
)
def test_the_first_corner_that_is_free(corner: str, curves: dict[str, np.ndarray]) -> None:
    assert place_legend(curves, (-10, 0), frame_of_curves([""] * 1000)).corner == corner


def test_where_none_is_free_it_is_where_it_covers_least() -> None:
    everywhere = 10.0 ** -(10.0 * (STEPS % 2))
    frame = frame_of_curves([""] * 1000)
    assert place_legend({"h": everywhere}, (-10, 0), frame).corner == CORNERS[0]
    assert place_legend({"h": np.where(STEPS > 990, 0.1, everywhere)}, (-10, 0), frame).corner == "lower right"
    assert place_legend({"h": np.where(STEPS < 10, 0.1, everywhere)}, (-10, 0), frame).corner == "lower left"


def test_steps_that_are_wider_than_the_legend_and_curves_without_values() -> None:
    frame = frame_of_curves(["a", "b"])
    assert place_legend({"h": np.array([1e-10, 1.0])}, (-10, 0), frame).corner == "lower right"
    assert place_legend({"h": np.array([1.0, 1e-10])}, (-10, 0), frame).corner == "upper right"
    assert place_legend({"h": np.array([0.0, np.nan])}, (-10, 0), frame).corner == "lower right"
