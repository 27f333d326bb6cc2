"""What people write in their first hour, compiled, against the interpreter: sums of losses, penalties and products."""

import functools
import itertools
import operator
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tests.covering import covering

A = np.array([0.3, -0.7, 0.9])
B = np.array([-0.4, 0.1, 0.8])
W = np.array([[0.5, -0.2, 0.1], [0.3, 0.4, -0.6], [-0.1, 0.2, 0.7]])

TERMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "dot": lambda a, b, w: a @ b,
    "square": lambda a, b, w: b @ b,
    "mse": lambda a, b, w: ((a - b) ** 2).mean(),
    "form": lambda a, b, w: a @ w @ b,
    "penalty": lambda a, b, w: (w * w).sum(),
    "trace": lambda a, b, w: tl.trace(w @ w),
    "tensordot": lambda a, b, w: tl.tensordot(a, b, 1),
    "einsum": lambda a, b, w: tl.einsum("i,ij,j->", a, w, a),
    "norm": lambda a, b, w: tl.norm(w @ a),
    "entropy": lambda a, b, w: -(tl.softmax(a) * tl.log_softmax(b)).sum(),
    "max": lambda a, b, w: tl.max(w @ b),
    "element": lambda a, b, w: (w @ a)[1],
    "constant": lambda a, b, w: tl.tensor(2.0, dtype="float64"),
}
VECTORS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "a": lambda a, b, w: a,
    "wa": lambda a, b, w: w @ a,
    "bw": lambda a, b, w: b @ w,
    "w'b": lambda a, b, w: w.T @ b,
    "rows": lambda a, b, w: w.sum(0),
    "row": lambda a, b, w: w[1],
    "column": lambda a, b, w: w[:, 2],
    "reshaped": lambda a, b, w: (a.reshape((1, 3)) @ w).reshape((3,)),
    "outer": lambda a, b, w: tl.outer(a, b) @ a,
    "scalar": lambda a, b, w: a @ b * b,
}

KINDS = {"scalars": TERMS, "vectors": VECTORS}
PARTS = 6
BACKENDS = ["numpy", pytest.param("c", marks=needs_c)]


def sums(terms: dict[str, Callable[..., Any]], part: int) -> list[Callable[..., Any]]:
    """Sums of one, two and three of the terms, every ``PARTS``-th of them."""
    names = [c for n in (1, 2, 3) for c in itertools.permutations(terms, n)][part :: PARTS * 6]
    return [lambda *x, found=found: functools.reduce(operator.add, [terms[n](*x) for n in found]) for found in names]


@pytest.mark.parametrize(
    ("of", "differentiated", "part"),
    covering(product(KINDS, [False, True], range(PARTS)), lambda case: {case[:2], case[2]}),
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_sums(backend: str, of: str, differentiated: bool, part: int) -> None:
    """Each on inputs of its own, so that no two share a product."""
    chosen = sums(KINDS[of], part)

    def everything(given: list[Any]) -> Any:
        ys = [f(*x) for f, x in zip(chosen, given, strict=True)]
        return ys, tl.gradients([(y * y).sum() for y in ys], given, allow_unused=True) if differentiated else []

    given = [(A * k, B, W + k) for k in np.linspace(0.5, 1.5, len(chosen))]
    ys, gradients = everything([tuple(map(tl.tensor, x)) for x in given])
    with tl.use_backend(backend):
        got_ys, got_gradients = tl.jit(everything)(given)
    want = [*ys, *itertools.chain(*gradients)]
    for got, wanted in zip([*got_ys, *itertools.chain(*got_gradients)], want, strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-10, atol=1e-11)
