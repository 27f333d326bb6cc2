"""Random programs and random cells keep their values and gradients, also when the passes run in another order."""

from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.passes.cells import Subject, cells, differences
from tests.programs import Program, programs
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.passes import compiling, optimize, stages

POINTS = [np.array([0.3, -0.7, 0.9]), np.array([-0.4, 0.1, 0.8])]
Passes = dict[str, compiling.Pass]
MOST = 60
"""Stages of a program of this size; passes that undo each other give hundreds."""

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
bounded = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
)


@given(programs(inputs=2, outputs=2, most=8, kinks=True))
@settings(max_examples=60)
def test_programs(program: Program) -> None:
    xs = [tl.symbol(f"x{k}", (3,), tl.float64) for k in range(2)]
    ys = program.run(xs, symbolic=True)
    loss = sum(((y * y).sum() for y in ys), start=tl.full((), 0.0, tl.float64))
    subject = Subject(Graph(tuple(xs), (*ys, *tl.gradients(loss, xs, allow_unused=True))), POINTS)
    assert differences(subject, optimize(subject.graph)) < 1e-12


def through_all(subject: Subject) -> Graph:
    """The graph after all passes, of the same values."""
    graphs = [subject.graph, *[graph for _, graph in stages(subject.graph)]]
    assert len(graphs) <= MOST
    assert differences(subject, graphs[-1]) < 1e-12
    return graphs[-1]


def check(subject: Subject) -> None:
    after = through_all(subject)
    assert [name for name, _ in stages(after) if name not in compiling.START] == []


@given(cells())
@settings(bounded, max_examples=40)
def test_cells(subject: Subject) -> None:
    check(subject)


@given(cells(order=2))
@settings(bounded, max_examples=8)
def test_cells_at_second_order(subject: Subject) -> None:
    check(subject)


@given(cells(), st.randoms(use_true_random=False))
@settings(bounded, max_examples=25)
def test_cells_under_any_order_of_the_passes(subject: Subject, random: Random) -> None:
    def shuffled(passes: Passes, first: str = "") -> Passes:
        names = [name for name in passes if name != first]
        random.shuffle(names)
        return {name: passes[name] for name in ([first] if first else []) + names}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "START", shuffled(compiling.START, first="normal_form"))
        patch.setattr(compiling, "IN_BODIES", shuffled(compiling.IN_BODIES))
        patch.setattr(compiling, "ACROSS", shuffled(compiling.ACROSS))
        through_all(subject)
