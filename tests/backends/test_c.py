"""The C backend on the table of cases: values against their referees, the rest against the interpreter.

Many cases make one program, since each is compiled.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import compile_c, needs_c
from tests.codegen.test_lowering import assert_same, symbols
from tests.covering import parted, ranked, share
from tests.ops.cases import CASES, Array, Case
from tests.ops.cases.forms import forms
from tests.ops.test_cases import assert_close, of_floats, over_time
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.runtime.evaluation import evaluated

pytestmark = needs_c


def programs_of(cases: Sequence[Case]) -> list[Any]:
    """The cases in parts, each for one program: three quick ones, two ``slow`` ones, and seven ``long`` ones."""
    quick, others = parted(cases, forms)
    slow, long = share(others, 4)
    return ranked([quick[k::3] for k in range(3)], [slow[k::2] for k in range(2)], [long[k::7] for k in range(7)])


SMOOTH = [c for c in CASES if c.smooth]
GIVEN = programs_of(CASES)
NARROW = programs_of([c for c in SMOOTH if c.name != "cast"])


def narrowed(case: Case, dtype: Any) -> tuple[Array, ...]:
    return tuple(x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs)


def run(inputs: Sequence[Tensor], outputs: Sequence[Tensor], values: Sequence[Array]) -> list[Any]:
    return compile_c(lower(Graph(tuple(inputs), tuple(outputs))))(values)


def agree(made: Sequence[tuple[Case, Sequence[Tensor], Sequence[Tensor], Sequence[Array]]]) -> None:
    """One program of all the cases gives what the interpreter gives for each."""
    xs = [x for _, own, _, _ in made for x in own]
    values = [v for _, _, _, own in made for v in own]
    got = run(xs, [y for _, _, ys, _ in made for y in ys], values)
    for case, own, ys, given in made:
        want = evaluated(tuple(ys), dict(zip(own, given, strict=True)))
        mine, got = got[: len(ys)], got[len(ys) :]
        for y, w in zip(mine, want, strict=True):
            try:
                # Terms that cancel leave the rounding of 1.
                assert_same(y, np.asarray(w.numpy()), 10, least=10.0)
            except AssertionError as error:
                raise AssertionError(f"{case}: {error}") from None


def assert_values(cases: Sequence[Case], given: Sequence[tuple[Array, ...]]) -> None:
    inputs = [symbols(values) for values in given]
    outputs = [flatten(c.f(*xs))[0] for c, xs in zip(cases, inputs, strict=True)]
    got = run(list(chain(*inputs)), list(chain(*outputs)), list(chain(*given)))
    for case, values, ys in zip(cases, given, outputs, strict=True):
        with np.errstate(all="ignore"):
            want = flatten(case.referee(*values))[0]
        mine, got = got[: len(ys)], got[len(ys) :]
        for y, w in zip(mine, want, strict=True):
            try:
                assert_close(case, y, w, values)
            except AssertionError as error:
                raise AssertionError(f"{case}: {error}, got {y!r}, want {w!r}") from None


@pytest.mark.parametrize("cases", GIVEN)
def test_values(cases: Sequence[Case]) -> None:
    assert_values(cases, [c.inputs for c in cases])


@pytest.mark.parametrize("cases", NARROW)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_values_in_narrower_floats(dtype: Any, cases: Sequence[Case]) -> None:
    assert_values(cases, [narrowed(c, dtype) for c in cases])


@pytest.mark.parametrize("cases", programs_of(SMOOTH))
def test_gradients(cases: Sequence[Case]) -> None:
    made = []
    for case in cases:
        f, points = of_floats(case)
        xs = symbols(points)
        ys = flatten(f(*xs))[0]
        first = tl.gradients(ys, xs, allow_unused=True)
        made.append((case, xs, [*ys, *first, *tl.gradients(first, xs, allow_unused=True)], points))
    agree(made)


@pytest.mark.parametrize("cases", programs_of([c for c in CASES if c.inputs]))
def test_in_the_body_of_a_loop(cases: Sequence[Case]) -> None:
    made = []
    for case in cases:
        series = [over_time(x, 3) for x in case.inputs]
        given = [*series, *case.inputs]
        xs = symbols(given)
        rolled, fixed = xs[: len(series)], xs[len(series) :]
        start = tl.tensor(0.0)
        loops = [
            tl.scan(lambda c, x, f=case.f: (c, f(*x)), start, rolled)[1],
            tl.scan(lambda c, x, f=case.f, ys=fixed: (c, f(x, *ys[1:])), start, rolled[0], reverse=True)[1],
        ]
        made.append((case, xs, [y for loop in loops for y in flatten(loop)[0]], given))
    agree(made)
