"""Nodes: immutable, one for each call, typed when they are made, and readable in every state."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import (
    DTypeError,
    EvaluationError,
    GradientError,
    IndexingError,
    ShapeError,
    TraceError,
    UnboundSymbolError,
    UsageError,
)
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.registry import FUNCTIONS, apply
from tinygrad_lstm.graph.tensor import Node, make_leaf, origin_of


def test_a_node_never_changes() -> None:
    y = tl.tensor(1.0) + 1
    for name in ("op", "inputs", "type", "value", "color"):
        with pytest.raises(UsageError, match=f"never changes .*{name}"):
            setattr(y, name, None)
    with pytest.raises(UsageError, match="never changes"):
        del y.op
    with pytest.raises(UsageError, match="made by operations"):
        tl.Tensor()
    with pytest.raises(UsageError, match="made by operations"):
        Node()


def test_two_calls_make_two_nodes() -> None:
    a, b = tl.symbol("a"), tl.symbol("b")
    y, z = a + b, a + b
    dy = tl.gradients(y * z, y)
    assert y is not z
    assert dy.evaluate({a: 2.0, b: 3.0}).item() == 5.0
    assert z in set(topological([dy]))


def test_in_place_operators_make_new_nodes() -> None:
    x = y = tl.tensor([1.0])
    x += 1
    assert (x.tolist(), y.tolist()) == ([2.0], [1.0])


def test_shape_and_dtype_are_known_before_the_value() -> None:
    y = tl.zeros((2, 3)) @ tl.zeros((3, 4)) > 0
    assert (y.shape, y.dtype, y.device, y.ndim, y.size, len(y)) == ((2, 4), tl.bool_, "cpu", 2, 8, 2)
    assert y.value is None


def test_tensor_copies_its_argument() -> None:
    array = np.ones(2, np.float32)
    x = tl.tensor(array)
    array[0] = 7
    assert x.tolist() == [1.0, 1.0]


def test_numpy_is_read_only_and_a_copy_is_not() -> None:
    x = tl.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        x.numpy()[0] = 5
    own = np.array(x)
    own[0] = 5
    assert x.tolist() == [1.0, 2.0]
    assert np.asarray(x, np.float64).dtype == np.float64


def test_numpy_functions_give_tensors() -> None:
    x = tl.tensor([1.0, 4.0])
    for got in (np.sqrt(x), np.sum(x), np.ones(2, np.float32) * x, np.concatenate([x, x]), np.amax(x), np.absolute(x)):
        assert isinstance(got, tl.Tensor)
    assert np.sqrt(x).tolist() == [1.0, 2.0]
    with pytest.raises(TypeError):
        np.fft.fft(x)
    with pytest.raises(UsageError, match=r"np\.add: out= is not supported"):
        np.add(x, x, out=np.zeros(2, np.float32))


def test_comparison_is_elementwise_and_hash_is_identity() -> None:
    x, y = tl.tensor([1.0, 2.0]), tl.tensor([1.0, 3.0])
    assert (x == y).tolist() == [True, False]
    assert (x != y).tolist() == [False, True]
    assert len({x, y, x}) == 2
    with pytest.raises(UsageError, match="ambiguous; write bool"):
        1.0 in x  # noqa: B015


def test_truth() -> None:
    assert tl.tensor([2.0]) > 1
    assert not tl.tensor(0.0)
    with pytest.raises(UsageError, match=r"shape \[2\] is ambiguous; reduce it first"):
        bool(tl.ones(2) > 0)
    with pytest.raises(TraceError, match=r"tl\.where.*tl\.scan"):
        bool(tl.symbol("x") > 0)

    def body(c, x):
        return (c if c > x else x), None

    with pytest.raises(TraceError, match=r"tl\.where"):
        tl.scan(body, tl.tensor(0.0), tl.ones(3))


def test_operators_and_methods_are_those_of_numpy() -> None:
    a, b = np.array([0.5, 1.5], np.float32), np.array([2.0, -1.0], np.float32)
    x, y = tl.tensor(a), tl.tensor(b)
    same = {
        "radd": (1 + x, 1 + a),
        "rsub": (1 - x, 1 - a),
        "rmul": (2 * x, 2 * a),
        "rtruediv": (1 / x, 1 / a),
        "rpow": (2**x, 2**a),
        "rmatmul": (b @ x, b @ a),
        "neg": (-x, -a),
        "pos": (+x, +a),
        "abs": (abs(y), abs(b)),
        "and": ((x > 1) & (y > 0), (a > 1) & (b > 0)),
        "rand": (True & (x > 1), a > 1),
        "or": ((x > 1) | (y > 0), (a > 1) | (b > 0)),
        "ror": (False | (x > 1), a > 1),
        "invert": (~(x > 1), ~(a > 1)),
        "ge": (x >= 1.5, a >= 1.5),
        "le": (x <= y, a <= b),
        "exp": (x.exp(), np.exp(a)),
        "log": (x.log(), np.log(a)),
        "sqrt": (x.sqrt(), np.sqrt(a)),
        "tanh": (x.tanh(), np.tanh(a)),
        "sigmoid": (x.sigmoid(), 1 / (1 + np.exp(-a))),
        "astype": (x.astype("int64"), a.astype(np.int64)),
        "sum": (x.sum(0, True), a.sum(0, keepdims=True)),
        "mean": (x.mean(), a.mean()),
        "max": (x.max(), a.max()),
        "min": (x.min(), a.min()),
        "argmax": (x.argmax(), a.argmax()),
        "reshape": (x.reshape((2, 1)), a.reshape(2, 1)),
        "T": (x.reshape(1, 2).T, a.reshape(1, 2).T),
        "transpose": (x.reshape(1, 2).transpose((1, 0)), a.reshape(2, 1)),
    }
    for name, (got, want) in same.items():
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-6, err_msg=name)
        assert got.dtype == np.asarray(want).dtype, name


def test_a_function_that_is_not_registered() -> None:
    with pytest.raises(UsageError, match="no function is registered under the name 'frobnicate'"):
        apply("frobnicate", 1)


def test_python_numbers() -> None:
    x = tl.tensor(2.5)
    assert (float(x), int(x), x.item(), f"{x:.2f}", f"{x}", str(x)) == (2.5, 2, 2.5, "2.50", "2.5", "2.5")
    with pytest.raises(UsageError, match="one element"):
        float(tl.ones(2))
    with pytest.raises(UsageError, match="no length"):
        len(x)


def test_symbols_are_bound_by_evaluate() -> None:
    x, y = tl.symbol("x", 2), tl.symbol("y")
    z = x * y
    assert z.evaluate({x: [1.0, 2.0], y: tl.tensor(3.0)}).tolist() == [3.0, 6.0]
    assert z.evaluate({x: np.ones(2), y: tl.Parameter(5.0)}).tolist() == [5.0, 5.0]
    assert z.value is None
    with pytest.raises(UnboundSymbolError, match=r"symbol 'y' \(f32\[\]\) has no value; bind it"):
        z.evaluate({x: [1.0, 2.0]})
    with pytest.raises(ShapeError, match=r"symbol 'x' is f32\[2\], the value bound to it has shape \[3\]"):
        z.evaluate({x: [1.0, 2.0, 3.0], y: 1.0})
    with pytest.raises(DTypeError, match=r"symbol 'y' is f32\[\], the value is i64\[\]; convert"):
        z.evaluate({x: [1.0, 2.0], y: tl.tensor(1)})
    with pytest.raises(UsageError, match="binds symbols"):
        z.evaluate({z: 1.0})


def test_a_symbol_of_the_same_name_is_another_one() -> None:
    x = tl.symbol("x")
    y = tl.sin(x**2)
    x = tl.symbol("x")
    with pytest.raises(
        UnboundSymbolError, match="another symbol named 'x' was bound, but this graph was built from an"
    ):
        y.evaluate({x: 1.0})


def test_a_symbol_that_leaks_from_a_loop_is_named() -> None:
    kept = []

    def body(carry, x):
        kept.append(x * 2)
        return carry + x, None

    tl.scan(body, tl.tensor(0.0), tl.ones(3))
    with pytest.raises(UnboundSymbolError, match=r"'x' belongs to the body of a scan at .*test_tensor\.py:\d+"):
        kept[0].numpy()


def test_only_what_is_asked_for_is_kept() -> None:
    x = tl.tensor([1.0, 2.0])
    inner = x * 2
    outer = inner + 1
    outer.numpy()
    assert outer.value is not None
    assert inner.value is None
    a, b = tl.evaluate(inner, inner * 3)
    assert a is inner
    assert b.tolist() == [6.0, 12.0]
    assert inner.value is not None


def test_detach_has_no_history() -> None:
    w = tl.Parameter([2.0])
    y = (w * 3).detach()
    assert (y.op, y.inputs, y.tolist()) == ("leaf", (), [6.0])
    assert tl.gradients(y * y, w, allow_unused=True).tolist() == [0.0]
    with pytest.raises(GradientError, match=r"a Parameter f32\[1\]: it was computed .* from what detach\(\) gave"):
        tl.gradients(y * y, w)


def test_what_no_one_refers_to_is_freed() -> None:
    x = tl.tensor([1.0])
    inner = x + 1
    dead = weakref.ref(inner)
    y = inner * 2
    y.numpy()
    del inner
    assert dead() is not None
    y = y.detach()
    assert dead() is None
    gc.collect()


@pytest.mark.parametrize(
    "make",
    [
        lambda: tl.symbol("x", (2,)),
        lambda: tl.symbol("x") * 2,
        lambda: tl.tensor([1.0, 2.0]),
        lambda: tl.tensor(np.ones((2, 0))),
        lambda: tl.tensor(np.array(3, np.uint32)),
        lambda: tl.take(tl.ones(2), tl.tensor([9])),
        lambda: tl.scan(lambda c, x: (c, x), tl.tensor(0.0), tl.ones(2))[1],
        lambda: tl.gradients(tl.symbol("y") ** 2, tl.symbol("y"), allow_unused=True),
        lambda: tl.Parameter([1.0], name="w"),
        lambda: tl.State(1),
        lambda: tl.nn.LSTM(1, 1, key=tl.random.key(0)),
        lambda: tl.zeros((2, 2)).named("n"),
        lambda: tl.zeros((1000, 1000)),
    ],
)
def test_repr_never_raises(make) -> None:
    assert repr(make())
    assert str(make())
    assert f"{make()}"


def test_repr_shows_values_or_the_symbolic_line() -> None:
    assert repr(tl.tensor([1.0, 2.0]) * 2) == "tensor([2., 4.])"
    assert repr(tl.tensor(np.array([1.0]))) == "tensor([1.], dtype=float64)"
    assert repr(tl.tensor([[1, 2], [3, 4]])) == "tensor([[1, 2],\n        [3, 4]])"
    assert repr(tl.symbol("x", 3)) == "<f32[3] = symbol 'x'>"
    assert repr(tl.symbol("x") + 1) == "<f32[] = x + 1>"
    assert repr((tl.symbol("x") + 1).named("y")) == "<f32[] = named 'y'>"
    shown = repr(tl.take(tl.ones(2), tl.tensor(9)))
    assert shown.startswith("<f32[] = take, cannot be evaluated: take(f32[2], i64[]): index 9 is out of bounds")
    assert repr(tl.Parameter(1.0, name="w")) == "Parameter('w', tensor(1.))"


def test_a_repr_of_a_loop_node() -> None:
    item = tl.scan(lambda c, x: (c, x), tl.tensor(0.0), tl.ones(2))[1]
    assert repr(item.inputs[0]) == "<scan node>"


def test_pickling_is_refused_and_copies_are_the_node_itself() -> None:
    x = tl.tensor([1.0])
    with pytest.raises(UsageError, match=r"cannot be pickled; save numpy\(\)"):
        pickle.dumps(x)
    assert copy.copy(x) is x
    assert copy.deepcopy({"x": x})["x"] is x


def test_a_kernel_that_fails_is_told_in_terms_of_the_graph(monkeypatch) -> None:
    backend = tl.runtime.backend.load_backend("numpy")

    def fails(x):
        raise ZeroDivisionError

    monkeypatch.setitem(backend.kernels, "exp", fails)
    with tl.scope("here"):
        y = tl.exp(tl.ones(2))
    with pytest.raises(EvaluationError, match=r"^exp\(f32\[2\]\) in 'here': ZeroDivisionError \[.*test_tensor\.py"):
        y.numpy()


def test_an_error_in_a_loop_body_names_the_op_and_the_line() -> None:
    _, ys = tl.scan(lambda c, i: (c, tl.take(tl.ones(2), i)), tl.tensor(0.0), tl.tensor([0, 5]))
    with pytest.raises(IndexingError, match=r"take\(f32\[2\], i64\[\]\).*test_tensor\.py"):
        ys.numpy()


def test_gradient_nodes_know_their_forward_node_while_it_lives() -> None:
    x = tl.symbol("x")
    y = tl.tanh(x)
    dy = tl.gradients(y, x)
    origins = {origin_of(n) for n in topological([dy])} - {None}
    assert y in origins
    assert origin_of(y) is None


def test_make_leaf_holds_what_it_is_given() -> None:
    x = tl.tensor([1.0])
    assert make_leaf(x.value, x.type).tolist() == [1.0]


def test_threads_build_and_evaluate_their_own_graphs() -> None:
    shared = tl.Parameter(np.ones(4))
    found: dict[int, float] = {}
    scopes: dict[int, str] = {}

    def work(k: int) -> None:
        with tl.scope(f"thread {k}"):
            y = shared
            for _ in range(200):
                y = tl.tanh(y * (k + 1))
            scopes[k] = str(y.scope)
            found[k] = tl.gradients(y.sum(), shared).sum().item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert scopes == {k: f"thread {k}" for k in range(4)}
    for k in range(4):
        y = shared
        for _ in range(200):
            y = tl.tanh(y * (k + 1))
        assert found[k] == tl.gradients(y.sum(), shared).sum().item()


def test_print_hides_no_fault_of_the_printer(monkeypatch) -> None:
    def broken(tensor):
        raise AssertionError("a bug of the printer")

    monkeypatch.setitem(FUNCTIONS, "expressed", broken)
    with pytest.raises(AssertionError, match="a bug of the printer"):
        str(tl.symbol("x") * 2)
    monkeypatch.setattr(tl.Tensor, "numpy", broken)
    with pytest.raises(AssertionError, match="a bug of the printer"):
        str(tl.tensor(1.0))
