"""The sweep that finds where wires cross finds what a comparison of each stretch with each finds."""

from itertools import pairwise

import numpy as np

from tinygrad_lstm.draw.cells.crossings import ASKEW, _crossings


def each_with_each(lines):
    for k, line in enumerate(lines):
        for j, other in enumerate(lines[:k]):
            for a, b in pairwise(line):
                for c, d in pairwise(other):
                    u, v, between = b - a, d - c, c - a
                    turn = u[0] * v[1] - u[1] * v[0]
                    if abs(turn) <= ASKEW * np.hypot(*u) * np.hypot(*v):
                        continue
                    s = (between[0] * v[1] - between[1] * v[0]) / turn
                    t = (between[0] * u[1] - between[1] * u[0]) / turn
                    if 0 <= s < 1 and 0 <= t < 1:
                        yield k, j, tuple((a + s * u).tolist()), bool(abs(u[1] * v[0]) > abs(v[1] * u[0]))


def test_the_sweep_finds_what_each_with_each_finds(monkeypatch):
    for seed in range(60):
        rng = np.random.default_rng(seed)
        # Whole numbers, so that ends touch, stretches are upright, level, parallel or of no length.
        lines = [rng.integers(0, 12, (rng.integers(2, 9), 2)).astype(float) for _ in range(rng.integers(0, 7))]
        monkeypatch.setattr("tinygrad_lstm.draw.cells.crossings.AT_ONCE", int(rng.integers(1, 50)))
        found, wanted = list(_crossings(lines)), list(each_with_each(lines))
        assert [(k, j, steeper) for k, j, _, steeper in found] == [(k, j, steeper) for k, j, _, steeper in wanted], seed
        np.testing.assert_allclose([at for *_, at, _ in found], [at for *_, at, _ in wanted])
