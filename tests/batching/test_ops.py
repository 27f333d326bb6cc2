"""Every case of the table of operations, mapped: values, first and second derivatives, on each choice of arguments."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.batching.looping import agree, looped, weighed
from tests.covering import covering, parted, ranked
from tests.ops.cases import CASES, Array, Case
from tests.ops.cases.forms import forms
from tests.ops.test_cases import over_time
from tinygrad_lstm.batching.nodes import has_rule
from tinygrad_lstm.graph.function import verify
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.structure import flatten

EXAMPLES = 3


def choices(case: Case) -> Iterator[tuple[list[Any], list[int | None]]]:
    """Arguments and axes: all mapped, in front or behind, and each one alone."""
    axes: list[list[int | None]] = [[0] * len(case.inputs), [-1] * len(case.inputs)]
    if len(case.inputs) > 1:
        axes += [[0 if k == place else None for k in range(len(case.inputs))] for place in range(len(case.inputs))]
    for chosen in axes:
        yield [tl.tensor(placed(x, axis)) for x, axis in zip(case.inputs, chosen, strict=True)], chosen


def placed(x: Array, axis: int | None) -> Array:
    """Examples made of ``x`` along ``axis``; ``x`` itself for None."""
    return x if axis is None else np.moveaxis(over_time(x, EXAMPLES), 0, axis)


@pytest.mark.parametrize("case", covering([c for c in CASES if c.inputs], forms), ids=str)
def test_values(case: Case) -> None:
    for args, axes in choices(case):
        got = tl.vmap(case.f, tuple(axes))(*args)
        for y in flatten(got)[0]:
            verify(y)
        agree(got, looped(case.f, axes)(*args))


COVER, OTHERS = parted([c for c in CASES if c.smooth], forms)


@pytest.mark.parametrize(
    ("case", "every"),
    ranked(
        [(c, False) for c in COVER],
        [(c, True) for c in COVER],
        [(c, True) for c in OTHERS],
    ),
    ids=lambda value: {False: "some choices", True: "every choice"}.get(value, str(value)),
)
def test_derivatives(case: Case, every: bool) -> None:
    """Of each example, and through the examples; and those of the derivatives.

    With every choice of arguments, or with all mapped behind and the last alone.
    """
    f = weighed(case.f)
    floats = tuple(k for k, x in enumerate(case.inputs) if x.dtype.kind == "f")
    first = tl.grad(f, floats)
    second = tl.grad(weighed(first), floats)
    chosen = list(choices(case))
    for args, axes in chosen if every else [chosen[1], *chosen[3:][-1:]]:
        mapped, loop = tl.vmap(first, tuple(axes)), looped(first, axes)
        agree(mapped(*args), loop(*args), 1e4)
        agree(tl.vmap(second, tuple(axes))(*args), looped(second, axes)(*args), 1e6)
        through, of_loop = (tl.grad(weighed(g), floats) for g in (tl.vmap(case.f, tuple(axes)), looped(case.f, axes)))
        agree(through(*args), of_loop(*args), 1e4)
        twice, of_both = (tl.grad(weighed(g), floats) for g in (mapped, loop))
        agree(twice(*args), of_both(*args), 1e6)


def test_every_primitive_has_a_rule_or_needs_none() -> None:
    apart = {
        "leaf",
        "symbol",
        "constant",
        "arange",
        "scan",
        "call",
        "branch",
        "while_loop",
        "pullback",
        "item",
        "stacked",
    }
    assert {name for name in OPS if not has_rule(name)} - {n for n in OPS if OPS[n].user} == apart


@pytest.mark.parametrize("count", [0, 1, 4])
def test_keys_go_with_their_counters(count: int) -> None:
    keys = tl.random.bits(tl.random.key(0), (count, 2))
    counters = tl.random.bits(tl.random.key(1), (count, 5, 2))
    for axes in ((0, 0), (0, None), (None, 0)):
        args = [x if axis == 0 else x0 for x, x0, axis in zip(
            (keys, counters), (tl.random.key(3), tl.ones((5, 2), tl.uint32)), axes, strict=True
        )]  # fmt: skip
        got = tl.vmap(tl.threefry2x32, axes)(*args)
        assert got.shape == (count, 5, 2)
        if count:
            agree(got, looped(tl.threefry2x32, axes)(*args))
