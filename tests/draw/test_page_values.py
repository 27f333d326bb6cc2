"""Values and gradients on pages against the interpreter."""

import math

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.covering import examples
from tests.draw.payloads import arrays, item, main
from tests.programs import programs
from tinygrad_lstm.draw.graphs.sources import sources
from tinygrad_lstm.draw.pages.page_graph import page_graph_of
from tinygrad_lstm.draw.pages.running import kept_steps, run


def played(f, *args):
    """Structure and run of a function, as a page makes them."""
    found = sources(f, args, "draw.page")
    built = page_graph_of(found.inputs, found.outputs, found.names)
    return found, built, *run(built, found.outputs, found.bindings)


def test_values_and_gradients_of_a_cell_are_those_of_the_interpreter(cell):
    x = tl.Parameter(tl.random.normal(tl.random.key(1), (1, 3)))
    state = cell.zeros(1)
    graph = main(tl.draw.page(cell, x, state))["graph"]
    h, c = cell(x, state)
    for parameter in cell.parameters():
        parameter.grad = None
    (h.sum() + c.sum()).backward()
    gates = cell.gates(x, state)
    for name, value in {"f_t": gates.forget, "i_t": gates.input, "o_t": gates.output, "h_t": h, "C_t": c}.items():
        np.testing.assert_allclose(arrays(graph, item(graph, name))[0], value.numpy(), rtol=1e-5)
    np.testing.assert_allclose(arrays(graph, item(graph, "x_t"), "g")[0], x.grad.numpy(), rtol=1e-4)
    for parameter in cell.parameters():
        found = item(graph, parameter.name)
        np.testing.assert_allclose(arrays(graph, found)[0], parameter.leaf.numpy(), rtol=1e-5)
        np.testing.assert_allclose(arrays(graph, found, "g")[0], parameter.grad.numpy(), rtol=1e-4, atol=1e-7)


def test_inside_a_loop_every_step_has_its_values_and_gradients(lstm, sequence):
    found, built, result, why = played(lambda x: lstm(x)[0], sequence)
    assert why == ""
    (loop,) = built.loops
    steps = result.loops[loop]
    state = lstm.cells[0].zeros(1)
    xs = [tl.Parameter(sequence[t]) for t in range(5)]
    hs = []
    for t in range(5):
        state = lstm.cells[0](xs[t], state)
        hs.append(state[0])
    sum(h.sum() for h in hs).backward()
    named = {name: x for x in built.items for name in x.names}
    for t in range(5):
        np.testing.assert_allclose(steps[t].values[named["h_t"].node], hs[t].numpy(), rtol=1e-5)
        np.testing.assert_allclose(steps[t].gradients[named["x_t"].node], xs[t].grad.numpy(), rtol=1e-4)
    np.testing.assert_allclose(
        result.gradients[found.inputs[0]], np.stack([x.grad.numpy() for x in xs]), rtol=1e-4, atol=1e-7
    )


def test_a_loop_in_a_loop_that_runs_backwards():
    def f(x):
        def outer(c, row):
            s, seen = tl.scan(lambda a, e: (a * 0.5 + e * c, a), tl.tensor(0.0), row, reverse=True)
            return c + s * seen.sum(), s

        return tl.scan(outer, tl.tensor(1.0), x)[0]

    x = tl.random.normal(tl.random.key(2), (4, 3))
    found, built, result, _ = played(f, x)
    (symbol,) = found.inputs
    np.testing.assert_allclose(result.gradients[symbol], tl.grad(f)(x).numpy(), rtol=1e-4)
    outer, inner = built.loops
    slices = [i.node for i in built.items if i.kind == "slice" and i.loop is inner]
    per_step = [[result.loops[outer][t].loops[inner][k].gradients[slices[0]] for k in range(3)] for t in range(4)]
    np.testing.assert_allclose(per_step, tl.grad(f)(x).numpy(), rtol=1e-4)


@settings(examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(program=programs(2, 2), seed=st.integers(0, 99))
def test_random_programs_end_with_the_values_and_gradients_of_the_interpreter(program, seed):
    def f(a, b):
        return tuple(program.run([a, b], symbolic=True))

    given_values = [tl.random.normal(tl.random.key(seed + k), (3,)) for k in range(2)]
    found, _, result, why = played(f, *given_values)
    assert why == ""
    for y, expected in zip(found.outputs, f(*given_values), strict=True):
        np.testing.assert_allclose(result.values[y], expected.numpy(), rtol=1e-5, atol=1e-6)
    slopes = tl.gradients(found.outputs, found.inputs)
    for symbol, slope in zip(found.inputs, slopes, strict=True):
        wanted = slope.evaluate(found.bindings).numpy()
        got = result.gradients.get(symbol, np.zeros_like(wanted))
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_a_long_loop_shows_some_steps_with_the_first_and_the_last():
    found, built, result, _ = played(
        lambda x: tl.scan(lambda c, e: (tl.tanh(c * 0.9 + e), c), tl.tensor(0.0), x)[0], tl.ones(2000)
    )
    steps = kept_steps(built.loops[0])
    assert (steps[0], steps[-1], len(steps)) == (0, 1999, 40)
    carried = [i.node for i in built.items if i.kind == "slice"]
    slope = tl.gradients(found.outputs[0], found.inputs[0]).evaluate(found.bindings).numpy()
    got = [result.loops[built.loops[0]][t].gradients[carried[0]] for t in steps]
    np.testing.assert_allclose(got, slope[steps], rtol=1e-4, atol=1e-30)


def test_what_is_behind_a_stop_has_no_gradient():
    _, built, result, why = played(lambda x: x * tl.stop_gradient(tl.sin(x)), tl.tensor(2.0))
    by_label = {i.label: i.node for i in built.items}
    assert why == ""
    assert by_label["sin"] not in result.gradients
    np.testing.assert_allclose(result.gradients[built.items[0].node], math.sin(2.0), rtol=1e-6)


def test_an_op_without_a_gradient_leaves_the_values():
    twice = tl.define_op("twice_on_a_page", lambda x: x, lambda xp, x: x * 2)
    view = main(tl.draw.page(twice, 3.0))
    assert "no gradient" in view["note"]
    assert arrays(view["graph"], view["graph"]["items"][1])[0] == 6.0
    assert all(n < 0 for x in view["graph"]["items"] for n in x["g"])


def test_a_cell_alone_is_shown_at_an_example(cell):
    graph = main(tl.draw.page(cell))["graph"]
    assert np.any(arrays(graph, item(graph, "C_{t−1}"))[0] != 0)
    x = tl.random.normal(tl.random.key(4), (2, 3))
    graph = main(tl.draw.page(cell, x))["graph"]
    np.testing.assert_allclose(arrays(graph, item(graph, "x_t"))[0], x.numpy(), rtol=1e-5)
    assert np.all(arrays(graph, item(graph, "C_{t−1}"))[0] == 0)
