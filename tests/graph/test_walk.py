"""Walks, substitution, and making a computation a function of some of its inputs."""

import tinygrad_lstm as tl
from tinygrad_lstm.graph.function import close, reaching, substitute, topological, verify


def test_inputs_come_before_their_readers_and_each_node_once() -> None:
    x = tl.symbol("x")
    y = tl.sin(x) * tl.cos(x)
    z = y + tl.sin(y) * x
    order = topological([z, y, z])
    places = {node: k for k, node in enumerate(order)}
    assert len(places) == len(order)
    assert all(places[i] < places[node] for node in order for i in node.inputs)
    assert all(a is b for a, b in zip(order, topological([z, y, z]), strict=True))


def test_the_walk_stops_where_it_is_told() -> None:
    x = tl.symbol("x")
    y = tl.sin(x)
    z = y * 2
    assert set(topological([z], stop=lambda n: n is y)) == {z, y, z.inputs[1]}


def test_reaching() -> None:
    x, y = tl.symbol("x"), tl.symbol("y")
    a, b = tl.sin(x), tl.cos(y)
    c = a * b
    assert reaching(topological([c]), [x]) == {x, a, c}


def test_substitute_rebuilds_what_depends_on_a_key_and_keeps_the_rest() -> None:
    x, y = tl.symbol("x"), tl.symbol("y")
    kept = tl.cos(y)
    with tl.scope("here"):
        changed = tl.sin(x)
    (result,) = substitute([changed * kept], {x: y})
    assert result.inputs[1] is kept
    assert result.inputs[0] is not changed
    assert (str(result.inputs[0].scope), result.inputs[0].line) == ("here", changed.line)
    assert result.evaluate({y: 0.0}).item() == 0.0
    assert substitute([kept], {x: y})[0] is kept


def test_substitute_infers_new_types() -> None:
    x, wide = tl.symbol("x", 3), tl.symbol("w", (2, 3))
    (result,) = substitute([tl.sin(x)], {x: wide})
    assert result.shape == (2, 3)


def test_close_lifts_the_largest_parts_that_depend_on_no_input() -> None:
    x, outside, w = tl.symbol("x"), tl.symbol("outside"), tl.Parameter(2.0)
    large = tl.sin(outside) * w
    graph, operands = close([x], [x * large + 1.0, large, tl.tensor(3.0)], "a test")
    assert len(operands) == 2
    assert operands[0] is large
    assert len(graph.inputs) == 3
    assert {n.op for n in graph.nodes()} == {"symbol", "multiply", "constant", "add"}
    assert verify(graph) is graph
