"""The verifier finds each kind of broken graph."""

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import GraphError
from tinygrad_lstm.graph.function import Graph, verify
from tinygrad_lstm.graph.tensor import _build
from tinygrad_lstm.graph.types import TensorType

F32 = TensorType((), tl.float32)


def build(op, *inputs, type_=F32, **attrs):
    return _build(op, inputs, attrs, type_, None, None)


def loop(reverse=False):
    return tl.scan(lambda c, x: (tl.tanh(c + x), c), tl.tensor(0.0), tl.ones(3), reverse=reverse)[1].inputs[0]


def with_body(node, body):
    return build("scan", *node.inputs, type_=node.type, **{**node.attrs, "body": body})


def test_a_sound_graph_is_given_back() -> None:
    y = tl.tanh(tl.symbol("x") * 2)
    assert verify(y) is y
    graph = Graph((tl.symbol("x"),), (tl.ones(2),))
    assert verify(graph) is graph


def test_an_unknown_op() -> None:
    with pytest.raises(GraphError, match="op 'frobnicate' is not in the table"):
        verify(build("frobnicate", tl.tensor(1.0)))


def test_a_type_that_the_rule_does_not_infer() -> None:
    with pytest.raises(GraphError, match=r"tanh claims the type f32\[3\], its rule infers f32\[\]"):
        verify(build("tanh", tl.tensor(1.0), type_=TensorType((3,), tl.float32)))
    with pytest.raises(GraphError, match="tanh claims the type f64"):
        verify(build("tanh", tl.tensor(1.0), type_=TensorType((), tl.float64)) * 1.0)


def test_inputs_that_do_not_fit() -> None:
    with pytest.raises(GraphError, match="matmul does not fit its inputs: the inner sizes 3 and 2 differ"):
        verify(build("matmul", tl.ones((2, 3)), tl.ones((2, 3)), type_=TensorType((2, 3), tl.float32)))


F64, I64, BOOL = (TensorType((), d) for d in (tl.float64, tl.int64, tl.bool_))


@pytest.mark.parametrize(
    ("op", "types", "attrs", "message"),
    [
        ("add", (F32, F64), {}, "operands of one element type are wanted"),
        ("add", (BOOL, BOOL), {}, "bools are no numbers"),
        ("exp", (I64,), {}, "floats are wanted, not int64"),
        ("right_shift", (F32, F32), {}, "integers are wanted, not float32"),
        ("bitwise_and", (BOOL, I64), {}, "of one element type are wanted"),
        ("invert", (F32,), {}, "bools or integers are wanted"),
        ("where", (F32, F32, F32), {}, "condition is of bools"),
        ("sum", (BOOL,), {"axis": (), "keepdims": False}, "bools are no numbers"),
        ("logsumexp", (I64,), {"axis": (), "keepdims": False}, "floats are wanted"),
        ("argmax", (TensorType((0,), tl.float32),), {"axis": 0}, "axis 0 has size 0"),
        ("matmul", (TensorType((1, 1), tl.float32), TensorType((1, 1), tl.float64)), {}, "of one element type"),
        ("threefry2x32", (I64, I64), {}, "key and counters are uint32"),
    ],
)
def test_element_types_that_a_rule_does_not_take(op, types, attrs, message) -> None:
    inputs = [tl.symbol(f"x{k}", t.shape, t.dtype) for k, t in enumerate(types)]
    with pytest.raises(GraphError, match=f"{op} does not fit its inputs: .*{message}"):
        verify(build(op, *inputs, **attrs))


def test_a_loop_whose_operands_do_not_fit_its_body() -> None:
    node = loop()
    init, xs = node.inputs
    broken = build("scan", init, xs[:2], type_=node.type, **node.attrs)
    with pytest.raises(GraphError, match=r"scan does not fit its inputs: operand 1 is f32\[2\] where .* f32\[3\]"):
        verify(build("item", broken, type_=node.type[0], index=0))


def test_a_leaf_with_inputs() -> None:
    with pytest.raises(GraphError, match="the leaf leaf has inputs"):
        verify(build("leaf", tl.tensor(1.0)))


def test_a_tuple_typed_node_that_is_read_without_a_projection() -> None:
    with pytest.raises(GraphError, match="tanh reads the tuple-typed scan directly; it needs an item"):
        verify(build("tanh", loop()))


def test_a_body_that_reads_a_symbol_from_outside() -> None:
    node = loop()
    body = node.attrs["body"]
    open_body = Graph(body.inputs, (body.outputs[0] + tl.symbol("stranger"), body.outputs[1]))
    with pytest.raises(GraphError, match="symbol 'stranger' is not an input of the body"):
        verify(build("item", with_body(node, open_body), type_=node.type[0], index=0))


def test_a_body_whose_inputs_are_no_symbols_or_come_twice() -> None:
    node = loop()
    body = node.attrs["body"]
    with pytest.raises(GraphError, match=r"of a body is a .*, not a symbol"):
        verify(Graph((tl.tensor(1.0), body.inputs[1]), body.outputs))
    with pytest.raises(GraphError, match="a body lists an input twice"):
        verify(Graph((body.inputs[0], body.inputs[0]), body.outputs[:1]))


def test_a_stacked_value_of_another_body() -> None:
    node, other = loop(), loop()
    value = other.attrs["body"].outputs[0]
    stranger = build("stacked", node, type_=TensorType((3,), tl.float32), value=value, length=3)
    with pytest.raises(GraphError, match="no node of the loop's body"):
        verify(stranger)
    own = build("stacked", other, type_=TensorType((3,), tl.float32), value=value, length=3)
    assert verify(own) is own


def test_a_body_of_a_body_is_looked_at() -> None:
    def outer(c, x):
        return tl.scan(lambda d, y: (d * y, None), c, x)[0], None

    result, _ = tl.scan(outer, tl.tensor(1.0), tl.ones((2, 3)))
    node = result.inputs[0]
    body = node.attrs["body"]
    inner = body.outputs[0].inputs[0]
    wrong = Graph(inner.attrs["body"].inputs, (build("tanh", tl.symbol("loose")),))
    broken = Graph(body.inputs, (build("item", with_body(inner, wrong), type_=inner.type[0], index=0),))
    with pytest.raises(GraphError, match="symbol 'loose'"):
        verify(build("item", with_body(node, broken), type_=node.type[0], index=0))
