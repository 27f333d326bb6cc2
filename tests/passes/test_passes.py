"""Each rewriting on small graphs in text form, and on random ones by value."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Tensor, _build
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.passes import optimize, stages
from tinygrad_lstm.passes.pipeline import run_passes, simplified
from tinygrad_lstm.passes.simplify import drop_names, exact_form, fold_constants, simplify

X = tl.symbol("x", (2,))


def text(outputs: list[Tensor]) -> str:
    return tl.printed(*outputs)


def test_drop_names_removes_every_name() -> None:
    (plain,) = drop_names([tl.tanh(X.named("a")).named("b")])
    assert text([plain]) == text([tl.tanh(X)])


def test_fold_constants_computes_in_the_element_type() -> None:
    tenth = tl.full((), 0.1) + 0.2
    (folded,) = fold_constants([tenth * X])
    assert folded.inputs[0].op == "constant"
    assert np.float32(folded.inputs[0].attrs["value"]) == np.float32(0.1) + np.float32(0.2)


def test_fold_constants_overflows_where_the_element_type_does() -> None:
    large, many = tl.full((), 1e30), tl.full((), 1 << 30, dtype=tl.int32)
    for y in (large * large / 1e30, large * large * 0.0, many * 4, many * 3 - many, tl.exp(tl.full((), 1.0))):
        (folded,) = fold_constants([y])
        assert folded.op == "constant"
        np.testing.assert_array_equal(folded.numpy(), y.numpy())


def test_fold_constants_casts() -> None:
    (folded,) = fold_constants([tl.full((), 2.75).astype(tl.int32)])
    assert (folded.op, folded.dtype, folded.attrs["value"]) == ("constant", tl.int32, 2)


def test_what_a_reader_expects_has_neither_names_nor_factors_of_1() -> None:
    one = tl.full((), 3.0) - 2.0
    assert simplified((X * one).named("n"))[0] is X
    (named,) = simplified((X * one).named("n"), keep_names=True)
    assert (named.op, named.inputs[0]) == ("named", X)


def test_fold_constants_leaves_what_depends_on_a_symbol() -> None:
    y = X + 1
    assert fold_constants([y])[0] is y


@pytest.mark.parametrize(
    "expression",
    [
        *[1.0 * X, X * 1, X / 1, X - 0, X**1, tl.negative(-X), tl.where(True, X, 2.0), tl.ones(2) * X, X.sum(axis=())],
        tl.broadcast_to(tl.full((), 1.0).reshape((1,)), (2,)) * X,  # as the gradient of a sum has it
    ],
    ids=["1x", "x1", "x/1", "x-0", "x^1", "--x", "where", "ones", "sum()", "reshaped"],
)
def test_simplify_gives_x(expression: Tensor) -> None:
    assert simplify(fold_constants([expression]))[0] is X


@pytest.mark.parametrize("expression", [X * 0, X + 0, X / 2, X * tl.ones((3, 1)), 1.0 - X, X - (-0.0)], ids=str)
def test_simplify_keeps_what_may_differ(expression: Tensor) -> None:
    """``0·x`` may be nan, ``x + 0`` and ``x − −0`` turn −0 into 0, and a broadcast has another shape."""
    (result,) = simplify([expression])
    assert text([result]) == text([expression])


def test_a_power_of_zero_is_one_everywhere() -> None:
    (ones,) = simplify([X**0])
    assert ones.evaluate({X: [np.nan, 0.0]}).tolist() == [1.0, 1.0]


def test_the_pipeline_names_what_a_broken_pass_left() -> None:
    def broken(outputs: list[Tensor]) -> list[Tensor]:
        lying = _build("tanh", (X,), {}, TensorType((7,), tl.float32), None, None)
        return [lying]

    with pytest.raises(tl.errors.GraphError, match="tanh claims the type"):
        run_passes([X], [broken])  # type: ignore[list-item]  # it answers for any iterable


def test_simplify_leaves_a_graph_that_is_simple_as_it_is() -> None:
    """Node for node, or the passes would never come to rest."""
    joined = tl.concatenate([tl.sin(X), X])
    parts = [joined, X.reshape(2, 1), tl.broadcast_to(X, (3, 2)), X[1:], tl.where(X > 0, X, 1.0), joined[::2]]
    assert all(a is b for a, b in zip(simplify(parts), parts, strict=True))


def test_empty_parts_are_not_joined() -> None:
    (both,) = simplify([tl.concatenate([X[:0], tl.sin(X), X, X[1:1]])])
    assert [x.op for x in both.inputs] == ["sin", "symbol"]
    (last,) = simplify([tl.concatenate([tl.sin(X), X, X[1:1]])])
    assert [x.op for x in last.inputs] == ["sin", "symbol"]
    (nothing,) = simplify([tl.concatenate([X[:0], X[2:]])])
    assert nothing.shape == (0,)


def test_all_that_is_simple_is_done_by_all_passes() -> None:
    step = lambda c, x: (c + (x * (tl.full((), 2.0) - 1.0)).named("x") / 1.0, None)  # noqa: E731
    _, ys = tl.scan(lambda c, x: (c, step(c, x)[0]), 0.0, X)
    ops = [node.op for node in optimize(Graph((X,), (step(X, X)[0], ys))).nodes()]
    assert sorted(ops) == ["add", "add", "constant", "symbol"]


class Unhashable:
    __hash__ = None  # type: ignore[assignment]


def test_what_differs_in_bits_is_not_merged() -> None:
    object_ = Unhashable()
    values: list[Any] = [
        0, 0.0, -0.0, False, None, "0", 1, 1.0, True, (0.0,), (-0.0,), [0.0], (0,), (False,),
        ((0.0,), 1), ((0.0,), 1.0),
        {"a": 0.0}, {"a": -0.0}, {"b": 0.0}, tl.float32, tl.float64, object_, Unhashable(), frozenset((1,)),
    ]  # fmt: skip
    forms = [exact_form(value) for value in values]
    assert len(set(forms)) == len(values)
    again = [(0.0, float("nan")), {"b": 1, "a": [2.0]}, frozenset((1, 2)), object_]
    for value, copy in zip(again, [(0.0, float("nan")), {"a": [2.0], "b": 1}, frozenset((2, 1)), object_], strict=True):
        assert exact_form(value) == exact_form(copy)


LEAVES = st.sampled_from([X, tl.full((), 2.0), tl.full((), 0.0), tl.full((), 1.0), tl.full((), -1.5)])
UNARY = ["negative", "tanh", "sin", "exp", "sigmoid", "abs", "named"]
BINARY = ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum"]


def grow(children: st.SearchStrategy[Tensor]) -> st.SearchStrategy[Tensor]:
    unary = st.tuples(st.sampled_from(UNARY), children).map(
        lambda p: p[1].named("n") if p[0] == "named" else getattr(tl, p[0])(p[1])
    )
    binary = st.tuples(st.sampled_from(BINARY), children, children).map(lambda p: getattr(tl, p[0])(p[1], p[2]))
    chosen = st.tuples(children, children).map(lambda p: tl.where(p[0] < p[1], p[0], p[1]))
    return unary | binary | chosen


@given(st.recursive(LEAVES, grow, max_leaves=12))
def test_random_programs_keep_their_values_and_gradients(program: Tensor) -> None:
    y = program + X
    slope = tl.gradients(y, X)
    at = {X: [0.7, -1.3]}
    for before, after in zip((y, slope), simplified(y, slope), strict=True):
        np.testing.assert_array_equal(before.evaluate(at).numpy(), after.evaluate(at).numpy())
        assert before.type == after.type


def test_a_loop_survives_the_passes() -> None:
    x = tl.symbol("x", (3,))
    last, _ = tl.scan(lambda c, x_t: ((c * x_t).named("c"), None), tl.tensor(1.0), x * 1.0)
    slope = tl.gradients(last, x)
    at = {x: [2.0, 3.0, 4.0]}
    for before, after in zip((last, slope), simplified(last, slope), strict=True):
        assert before.evaluate(at).tolist() == after.evaluate(at).tolist()


def test_the_passes_that_compile_are_all_run() -> None:
    """Each of the first ones has something to do here, and says so."""
    x, w = tl.symbol("x", (5, 2)), tl.symbol("w", (2, 2))

    def step(c: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        y = tl.tanh(v @ tl.transpose(w) + tl.sqrt(tl.tensor(4.0) * 1.0) * tl.exp(tl.sqrt(4.0)))
        return c + y + tl.exp(w).sum() + 0.0 * 1.0, y

    _, ys = tl.scan(step, tl.zeros(2), x)
    graph = Graph((x, w), (ys * 1.0, tl.gradients(ys.sum(), [w])[0]))
    names = [name for name, _ in stages(graph)]
    assert {"normal_form", "fold_constants", "simplify", "contractions", "cse", "dead_code"} <= set(names)
    assert {"lift", "hoist", "sink"} & set(names)
