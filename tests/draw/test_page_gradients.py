"""The gradients of a page: the rule that each says, those of compiled graphs, and graphs that have none."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.covering import examples
from tests.draw.payloads import arrays, data, main
from tests.programs import programs
from tinygrad_lstm.draw.graphs.sources import sources
from tinygrad_lstm.graph.function import Graph


def written(graph, name):
    """The rule that a page gives for the gradient of an item, with the items that it speaks of in ⟨⟩."""
    terms = next(x for x in graph["items"] if name in (x["called"], *x["names"]))["rule"]
    said = ["".join(p if isinstance(p, str) else f"⟨{graph['items'][p]['called']}⟩" for p in t[2:]) for t in terms]
    return " + ".join(f"{t[0]}: {text}" if t[0] else text for t, text in zip(terms, said, strict=True))


def test_a_gradient_says_the_rule_that_it_follows_from(cell):
    graph = main(tl.draw.page(lambda x: tl.sin(x**2), 1.0))["graph"]
    assert written(graph, "sin(x²)") == "1 (as a result)"
    assert written(graph, "x²") == "⟨sin(x²)⟩ · cos(x²)"
    assert written(graph, "x") == "⟨x²⟩ · 2·x"
    graph = main(tl.draw.page(cell))["graph"]
    assert written(graph, "o_t") == "⟨h_t⟩ · tanh(C_t)"
    assert written(graph, "C_t") == "⟨tanh(C_t)⟩ · (1 − tanh(C_t)²) + 1 (as a result)"
    assert written(graph, "the + for f_t") == "⟨f_t⟩ · f_t·(1 − f_t)"
    assert written(graph, "forget.weight") == "[h_{t−1}, x_t]ᵀ @ ⟨the @ for f_t⟩"
    assert written(graph, "forget.bias") == "Σ(⟨the + for f_t⟩, axis=0)"
    assert written(graph, "[h_{t-1}, x_t]").count(" @ ⟨") == 0
    assert written(graph, "[h_{t-1}, x_t]").count("⟩ @ ") == 4
    assert written(graph, "x_t") == "⟨[h_{t-1}, x_t]⟩[:, 4:]"


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda x: x + x, "⟨2·x⟩ · 2"),
        (lambda x: x * tl.sin(x), "⟨sin(x)⟩ · cos(x) + ⟨x·sin(x)⟩ · sin(x)"),
        (lambda x: -tl.exp(x), "⟨exp(x)⟩ · exp(x)"),
        (lambda x: 1.0 / x, "−⟨1/x⟩/x²"),
        (lambda x: tl.sum(x), "⟨Σ(x)⟩"),
        (lambda x: x - 3.0, "⟨x − 3⟩"),
        (lambda x: 3.0 - x, "−⟨3 − x⟩"),
        (lambda x: x.max(), "what max makes of ⟨max(x)⟩"),
    ],
)
def test_rules_of_single_operations(f, said):
    assert written(main(tl.draw.page(f, tl.tensor([1.0, 2.0])))["graph"], "x") == said


def test_in_a_loop_gradients_come_from_the_next_step_and_from_outside(lstm, sequence):
    graph = main(tl.draw.page(lambda x: lstm(x)[0], sequence))["graph"]
    assert written(graph, "h_t") == "next: ⟨h_{t−1}⟩ at the next step + ⟨h_t of all steps⟩ at this step"
    assert written(graph, "C_{t−1}") == "⟨f_t·C_{t-1}⟩ · f_t"
    assert written(graph, "x") == "⟨x_t⟩, step by step"
    assert written(graph, "cells.0.forget.bias").startswith("the sum over all steps of Σ(")


@settings(examples(40), suppress_health_check=[HealthCheck.too_slow])
@given(program=programs(2, 2), seed=st.integers(0, 99))
def test_every_gradient_has_a_rule_of_readers_that_have_one_too(program, seed):
    def f(a, b):
        return tuple(program.run([a, b], symbolic=True))

    graph = main(tl.draw.page(f, *(tl.random.normal(tl.random.key(seed + k), (3,)) for k in range(2))))["graph"]
    for x in graph["items"]:
        has = any(n >= 0 for n in x["g"]) and x["kind"] != "result"
        flowing = [t for t in x["rule"] if any(n >= 0 for n in graph["items"][t[1]]["g"])]
        assert bool(flowing) == has


def test_the_compiled_view_has_the_gradients_of_the_graph(lstm, sequence):
    step = tl.jit(lambda x: lstm(x)[0])
    graph, compiled = (
        view["graph"]
        for view in data(tl.draw.page(step, sequence, stages=[("compiled", step.optimized(sequence))]))["views"]
    )
    for name in ("x", *(p.name for p in lstm.parameters())):
        # The first of a name is the input itself, others are what a step of the loop reads of it.
        ours, theirs = (arrays(g, next(x for x in g["items"] if x["name"] == name), "g")[0] for g in (graph, compiled))
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-6)


def test_a_stage_without_gradients_says_why_and_shows_none():
    twice = tl.define_op("twice_in_a_stage", lambda x: x, lambda xp, x: x * 2)
    found = sources(lambda x: tl.scan(lambda c, e: (c + twice(e), c), tl.tensor(0.0), x)[0], (tl.ones(3),))
    stage = Graph(tuple(found.inputs), tuple(found.outputs))
    view = data(tl.draw.page(lambda x: x.sum(), tl.ones(3), stages=[("stage", stage)]))["views"][1]
    assert re.search("There are no gradients: .*twice_in_a_stage.* has no gradient", view["note"])
    assert all(n < 0 for x in view["graph"]["items"] for n in x["g"])
    assert all(x["rule"] == [] for x in view["graph"]["items"])


def test_what_comes_back_is_told_by_the_number_of_its_item():
    items = data(tl.draw.page(lambda x: tl.sin(x**2), 1.0))["views"][0]["graph"]["items"]
    terms = [term for item in items for term in item["rule"]]
    assert terms
    for _, origin, *pieces in terms:
        assert origin in pieces or pieces == ["1 (as a result)"]
        assert all(isinstance(piece, int) or piece.isprintable() for piece in pieces)
