"""Loops written out step by step, and what is measured on them."""

import numpy as np
import pytest
from hypothesis import given

import tinygrad_lstm as tl
from tests.covering import examples
from tests.programs import programs
from tinygrad_lstm.draw.graphs.measures import measure
from tinygrad_lstm.draw.graphs.unrolling import unroll
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.function import topological

STEPS = 5
RNG = np.random.default_rng(0)


def layer(kind, **options):
    model = kind(3, 4, key=tl.random.key(0), **options)
    x = tl.symbol("x", (STEPS, 2, 3))
    return model, x, model(x)[0]


def nested():
    w = tl.Parameter(1.5, name="w")

    def outer(c, x):
        inner, seen = tl.scan(lambda q, _: (tl.tanh(q * w) + x, q), c, length=3)
        return inner, seen.sum()

    xs = tl.symbol("xs", (4,))
    last, ys = tl.scan(outer, tl.tensor(0.5), xs, reverse=True)
    return xs, (last * ys).sum(), w


def agrees(outputs, bindings):
    written_out = unroll(outputs).outputs
    assert not [n for n in topological(written_out) if n.op in ("scan", "call", "item", "stacked")]
    for rolled, unrolled in zip(outputs, written_out, strict=True):
        assert unrolled.type == rolled.type
        np.testing.assert_allclose(
            unrolled.evaluate(bindings).numpy(), rolled.evaluate(bindings).numpy(), rtol=2e-5, atol=1e-6
        )


@pytest.mark.parametrize("kind", [tl.nn.RNN, tl.nn.LSTM, tl.nn.GRU])
def test_layers_and_their_gradients_have_the_same_values(kind):
    model, x, outputs = layer(kind, num_layers=2, bidirectional=True)
    loss = (outputs**2).sum()
    agrees([loss, outputs, *tl.gradients(loss, [x, *model.parameters()])], {x: RNG.normal(size=x.shape)})


def test_loops_in_loops_and_second_derivatives_have_the_same_values():
    xs, loss, w = nested()
    slope = tl.gradients(loss, w)
    agrees([loss, slope, tl.gradients(slope, xs)], {xs: RNG.normal(size=4)})


def test_what_is_computed_again_is_computed_in_place():
    x = tl.symbol("x", (3,))
    y = tl.checkpoint(lambda a: tl.sin(a * a))(x)
    agrees([y, tl.gradients(y.sum(), x)], {x: RNG.normal(size=3)})


def test_a_loop_of_no_steps_keeps_its_first_carry():
    last, ys = tl.scan(lambda c, x: (c * x, c), tl.tensor(2.0), tl.zeros((0,)))
    agrees([last, ys], None)


@examples(60)
@given(programs(inputs=2, outputs=1, most=8))
def test_random_programs_and_their_gradients_have_the_same_values(program):
    xs = [tl.symbol(name, (3,), tl.float64) for name in "ab"]
    outputs = program.run(xs, symbolic=True)
    agrees([*outputs, *tl.gradients(outputs, xs)], {xs[0]: [0.3, -0.7, 0.9], xs[1]: [-0.4, 0.1, 0.8]})


@examples(40)
@given(programs(inputs=2, outputs=1, most=8))
def test_gradients_at_every_node_agree_with_those_by_the_inputs(program):
    xs = [tl.symbol(name, (3,), tl.float64) for name in "ab"]
    outputs = program.run(xs, symbolic=True)
    given = {xs[0]: [0.3, -0.7, 0.9], xs[1]: [-0.4, 0.1, 0.8]}
    found = measure(outputs, given)
    for x, slope in zip(xs, tl.gradients(outputs, xs), strict=True):
        if ((), x) in found.gradients:
            np.testing.assert_allclose(found.gradients[(), x], slope.evaluate(given).numpy(), rtol=1e-9, atol=1e-12)


def test_without_loops_nothing_is_made_new():
    y = tl.sin(tl.symbol("x") * 2).named("y")
    assert unroll([y]).outputs[0] is y


def test_steps_are_scopes_and_a_gradient_belongs_to_its_step():
    _, x, outputs = layer(tl.nn.RNN)
    slope = tl.gradients((outputs**2).sum(), x)
    unrolled = unroll([outputs, slope])
    found = topological(unrolled.outputs)
    steps = {str(n.scope).split("/")[1] for n in found if n.op == "tanh"}
    assert steps == {f"step {t}" for t in range(STEPS)}
    matched = 0
    for n in found:
        origin = n.origin() if n.origin is not None else None
        if origin is not None and origin.op == "tanh":
            matched += 1
            assert str(n.scope) == f"gradient/{origin.scope}"
    assert matched >= STEPS


def test_one_step_of_a_stack_is_read_without_the_stack():
    _, _, outputs = layer(tl.nn.RNN)
    (last,) = unroll([outputs[-1]]).outputs
    assert last.op == "named"
    assert not [n for n in topological((last,)) if n.op == "concatenate" and n.shape[0] == STEPS]


def test_values_in_a_loop_are_those_of_all_steps():
    _, x, outputs = layer(tl.nn.RNN)
    given = {x: RNG.normal(size=x.shape)}
    found = measure([outputs], given, gradient=False)
    loop = outputs.inputs[0]
    hidden = loop.attrs["body"].outputs[-1]
    np.testing.assert_allclose(found.values[(loop,), hidden], outputs.evaluate(given).numpy(), rtol=1e-6)
    np.testing.assert_allclose(found.values[(), outputs], outputs.evaluate(given).numpy(), rtol=1e-6)


def test_gradients_are_those_of_the_summed_results_and_edges_add_up_to_them():
    x = tl.symbol("x", (3,))
    y = tl.sin(x) * x + x
    found = measure([y], {x: [0.1, 0.2, 0.3]})
    want = tl.gradients(y, x).evaluate({x: [0.1, 0.2, 0.3]}).numpy()
    np.testing.assert_allclose(found.gradients[(), x], want, rtol=1e-6)
    product = y.inputs[0]
    np.testing.assert_allclose(found.flows[(), y, 1], np.sqrt(3), rtol=1e-6)
    np.testing.assert_allclose(found.flows[(), product, 1], np.linalg.norm(np.sin([0.1, 0.2, 0.3])), rtol=1e-6)


def test_the_gradient_of_each_step_is_what_a_perturbation_of_it_gives():
    _, x, outputs = layer(tl.nn.LSTM)
    given = {x: RNG.normal(size=x.shape)}
    loss = (outputs[-1] ** 2).sum()
    found = measure([loss], given)
    loop = next(n for n in topological((loss,)) if n.op == "scan")
    entering = loop.attrs["body"].inputs[2]
    assert found.gradients[(loop,), entering].shape == x.shape
    np.testing.assert_allclose(
        found.gradients[(loop,), entering], tl.gradients(loss, x).evaluate(given).numpy(), rtol=1e-4, atol=1e-7
    )


def test_a_symbol_without_a_value_is_named():
    with pytest.raises(UsageError, match=r"the symbol 'x' \(f32\[\]\) has no value .* at=\{x: …\}"):
        measure([tl.symbol("x") * 2])


def test_integers_have_no_gradient_to_show():
    with pytest.raises(UsageError, match="no result is a float tensor of the forward pass"):
        measure([tl.arange(3) + 1])


def test_1_000_steps_are_no_recursion():
    last, _ = tl.scan(lambda c, x: (tl.sin(c + x), None), tl.tensor(0.0), tl.zeros((1000,)))
    agrees([last], None)
