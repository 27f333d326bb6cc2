"""Scopes and lines: names for parts of a computation, which never change a result."""

import sys

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.scopes import current_scope


def test_scopes_nest() -> None:
    with tl.scope("cell", role="cell") as outer, tl.scope("gate", role="gate") as inner:
        y = tl.tanh(tl.symbol("x"))
    assert y.scope is inner
    assert inner.parent is outer
    assert str(y.scope) == "cell/gate"
    assert [s.role for s in y.scope.path] == ["cell", "gate"]
    assert current_scope() is None
    assert repr(inner) == "Scope('cell/gate', role='gate')"


def test_entering_a_name_twice_makes_two_scopes() -> None:
    with tl.scope("a") as first:
        pass
    with tl.scope("a") as second:
        pass
    assert first is not second


def test_a_scope_closes_when_its_block_fails() -> None:
    with pytest.raises(ShapeError), tl.scope("a"):
        tl.zeros(2) + tl.zeros(3)
    assert current_scope() is None


def test_roles_are_closed() -> None:
    with (
        pytest.raises(UsageError, match="role 'door' is not one of cell, layer, gate, pointwise, state"),
        tl.scope("a", role="door"),
    ):
        pass
    with pytest.raises(UsageError, match="name is a string, not 3"), tl.scope(3):
        pass


def test_names_and_scopes_change_no_result() -> None:
    x = tl.tensor([1.0, 2.0])
    plain = tl.tanh(x * 2).sum()
    with tl.scope("a"):
        told = tl.tanh((x * 2).named("y")).sum().named("z")
    assert plain.item() == told.item()
    assert tl.gradients(plain, x).tolist() == tl.gradients(told, x).tolist()


def test_a_node_keeps_the_line_of_the_users_code_and_no_frame() -> None:
    line = sys._getframe().f_lineno + 1
    y = tl.softmax(tl.symbol("x", 3))
    for node in topological([y]):
        if node.op != "symbol":
            assert node.line == (__file__, line)


def test_gradient_nodes_carry_the_line_and_scope_of_their_forward_node() -> None:
    x = tl.symbol("x")
    with tl.scope("layer"):
        line = sys._getframe().f_lineno + 1
        y = tl.tanh(x)
    dy = tl.gradients(y, x)
    assert dy.line == (__file__, line)
    assert str(dy.scope) == "gradient/layer"


def test_an_error_tells_op_operands_scope_and_line() -> None:
    line = sys._getframe().f_lineno + 2
    with pytest.raises(ShapeError) as caught, tl.scope("forget gate"):
        tl.zeros((2, 3)) + tl.zeros((2, 4))
    text = str(caught.value)
    assert text.startswith("add(f32[2,3], f32[2,4]) in 'forget gate': shapes [2, 3] and [2, 4] do not broadcast")
    assert text.endswith(f"[{__file__}:{line}]")


def test_a_module_runs_in_a_scope_of_its_name() -> None:
    cell = tl.nn.LSTMCell(1, 2, key=tl.random.key(0))
    gates = cell.gates(tl.ones((1, 1)), cell.zeros(1))
    assert str(gates.forget.scope) == "forget gate"
    h, _ = cell(tl.ones((1, 1)), cell.zeros(1))
    paths = {str(n.scope) for n in topological([h])}
    assert {"LSTMCell/forget gate/forget", "LSTMCell/cell state", "LSTMCell/hidden state"} <= paths
