"""A function called once on symbols."""

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.number import Number
from tinygrad_lstm.graph.trace import following, trace
from tinygrad_lstm.graph.variables import Repeated, Tracer, tracer

F3 = tl.ones(3).type


def test_arguments_are_symbols_of_the_types() -> None:
    traced = trace(lambda xs: {"sum": xs[0] + xs[1]}, [F3, F3], ["a", "b"], "f")
    assert [(x.op, x.attrs["name"], x.type) for x in traced.arguments] == [("symbol", "a", F3), ("symbol", "b", F3)]
    assert traced.result["sum"].inputs == traced.arguments


def test_a_number_stays_a_number() -> None:
    traced = trace(lambda xs: xs[0] * xs[1], [F3, float], ["x", "rate"])
    assert isinstance(traced.arguments[1], Number)
    assert traced.result.type == F3


def test_what_depends_on_no_argument_is_an_operand() -> None:
    w = tl.tensor([1.0, 2.0, 3.0]) * 2.0
    traced = trace(lambda xs: xs[0] * w, [F3], ["x"])
    graph, operands = traced.closed([traced.result])
    assert operands == [w]
    assert len(graph.inputs) == 2


def test_what_is_repeated_changes_no_variable() -> None:
    w = tl.Parameter([1.0, 2.0, 3.0], name="w")
    with pytest.raises(UsageError, match=r"the body of a walk changes 'w', which would .* not at each turn; do not"):
        trace(lambda xs: w.assign(xs[0]), [F3], ["x"], repeats=Repeated("the body of a walk", "at each turn", "do not"))


def test_a_tracer_keeps_the_changes_and_the_variable_its_value() -> None:
    w = tl.Parameter([1.0, 2.0, 3.0])
    state = Tracer("f")
    traced = trace(lambda xs: (w.assign(w + xs[0]), w.leaf)[1], [F3], ["x"], by=state)
    assert w.numpy().tolist() == [1.0, 2.0, 3.0]
    assert state.contents[w] is traced.result
    assert state.stands_for[traced.result].op == "add"


def test_nothing_is_left_behind_by_a_function_that_fails() -> None:
    def failing(xs: list[tl.Tensor]) -> None:
        assert following.get()
        assert tracer.get() is not None
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trace(failing, [F3], ["x"], by=Tracer("f"), repeats=Repeated("f", "", ""))
    assert not following.get()
    assert tracer.get() is None
    tl.Parameter(1.0).assign(2.0)
