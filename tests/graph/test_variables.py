"""Parameter and State: the only things that change."""

import copy
import gc
import weakref

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError, GradientError, ShapeError, UsageError
from tinygrad_lstm.graph.variables import assign_all


def test_a_graph_keeps_the_value_that_it_was_built_with() -> None:
    w = tl.Parameter(2.0)
    y = w * 10
    w.assign(5.0)
    assert (y.item(), (w * 10).item()) == (20.0, 50.0)


def test_the_leaf_knows_its_variable_weakly() -> None:
    w = tl.Parameter(2.0, name="w")
    leaf = w.leaf
    assert leaf.variable() is w
    assert w.detach().variable is None
    dead = weakref.ref(w)
    del w
    gc.collect()
    assert dead() is None
    assert leaf.item() == 2.0
    assert leaf.variable() is None


def test_gradients_by_a_variable_are_those_by_what_the_graph_read() -> None:
    w = tl.Parameter(2.0)
    y = w * w
    w.assign(100.0)
    assert tl.gradients(y, w).item() == 4.0
    z = y + w * 3
    assert tl.gradients(z, w).item() == 7.0
    assert tl.gradients(tl.tensor(1.0), w, allow_unused=True).item() == 0.0


@pytest.mark.parametrize("op", ["+=", "-=", "*=", "/=", "**=", "@="])
@pytest.mark.parametrize("kind", [tl.Parameter, tl.State])
def test_in_place_operators_say_what_to_write(op: str, kind) -> None:
    with pytest.raises(UsageError, match=rf"a {kind.__name__} does not change by \+= .*p\.assign"):
        exec(f"w {op} 1.0", {"w": kind([1.0])})


def test_a_module_refuses_to_lose_a_parameter() -> None:
    layer = tl.nn.Linear(2, 2, key=tl.random.key(0))
    with pytest.raises(UsageError, match=r"Linear\.weight is a Parameter; .*self\.weight\.assign"):
        layer.weight = layer.weight + 1
    layer.weight = tl.Parameter(np.zeros((2, 2), np.float32))
    layer.bias = None
    assert [path for path, _ in layer.named_parameters()] == ["weight"]


def test_backward_accumulates_until_zero_grad() -> None:
    w, unused = tl.Parameter([1.0, 2.0]), tl.Parameter(1.0)
    (w * w).sum().backward()
    (w * 3).sum().backward()
    assert w.grad.tolist() == [5.0, 7.0]
    assert w.grad.op == "leaf"
    assert unused.grad is None
    w.grad = None
    (w * w).sum().backward()
    assert w.grad.tolist() == [2.0, 4.0]


def test_backward_reaches_parameters_and_not_states() -> None:
    w, s = tl.Parameter(2.0), tl.State(3.0)
    (w * s).backward()
    assert w.grad.item() == 3.0
    assert not hasattr(s, "grad")


def test_backward_adds_up_all_leaves_of_one_variable() -> None:
    w = tl.Parameter(2.0)
    y = w * w
    w.assign(3.0)
    (y + w * w).backward()
    assert w.grad.item() == 4.0 + 6.0


def test_backward_keeps_the_loss() -> None:
    w = tl.Parameter(2.0)
    loss = (w * w).reshape(1, 1)
    loss.backward()
    assert loss.value is not None
    assert w.grad.item() == 4.0


def test_backward_of_what_has_no_gradient() -> None:
    w = tl.Parameter([1.0, 2.0])
    with pytest.raises(GradientError, match=r"the loss is f32\[2\]; reduce it to a scalar"):
        (w * w).backward()
    with pytest.raises(GradientError, match=r"the loss is i64\[\]; only floats"):
        w.sum().astype(tl.int64).backward()
    with pytest.raises(GradientError, match="reaches no Parameter; what is trained is tl"):
        tl.tensor(1.0).backward()


def test_assign_evaluates_and_checks() -> None:
    s = tl.State([1.0, 2.0], "s")
    s.assign(s * 2 + 1)
    assert s.detach().tolist() == [3.0, 5.0]
    assert s.leaf.op == "leaf"
    assert s.leaf.inputs == ()
    with pytest.raises(ShapeError, match=r"assign to 's': the State holds f32\[2\], the new value is f32\[3\]"):
        s.assign([1.0, 2.0, 3.0])
    with pytest.raises(DTypeError, match=r"the State holds f32\[2\], the new value is i64\[2\]; convert"):
        s.assign([1, 2])
    assert s.detach().tolist() == [3.0, 5.0]
    tl.State(1).assign(7)


def test_assign_all_changes_everything_or_nothing() -> None:
    a, b = tl.State(1.0), tl.State(2.0)
    assign_all([(a, b.leaf), (b, a.leaf)])
    assert (a.detach().item(), b.detach().item()) == (2.0, 1.0)
    with pytest.raises(ShapeError):
        assign_all([(a, 5.0), (b, [1.0])])
    assert a.detach().item() == 2.0


def test_a_parameter_holds_floats() -> None:
    with pytest.raises(DTypeError, match=r"a Parameter holds floats, not int64; write 1\.0"):
        tl.Parameter([1, 2])
    assert isinstance(tl.tensor([1.0], requires_grad=True), tl.Parameter)
    with pytest.raises(DTypeError, match="holds floats"):
        tl.tensor([1], requires_grad=True)


def test_variables_behave_as_tensors() -> None:
    w = tl.Parameter([[1.0, 2.0], [3.0, 4.0]], name="w")
    assert (w.shape, w.dtype, w.device, w.ndim, w.size, len(w)) == ((2, 2), tl.float32, "cpu", 2, 4, 2)
    assert (w @ w)[0].tolist() == [7.0, 10.0]
    assert (w == w).tolist() == [[True, True], [True, True]]
    assert str(tl.Parameter(1.5)) == "1.5"
    assert f"{tl.Parameter(1.5):.2f}" == "1.50"
    assert len({w, w}) == 1
    assert w.numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_a_move_to_where_it_is_changes_nothing() -> None:
    w = tl.Parameter(2.0)
    (w * w).backward()
    leaf = w.leaf
    w.move("cpu")
    assert w.leaf is leaf
    assert w.grad is not None
    assert w.detach().item() == 2.0


def test_a_variable_does_not_keep_the_graph_of_its_value() -> None:
    s = tl.State(0.0)
    step = s + 1
    dead = weakref.ref(step)
    s.assign(step)
    del step
    assert dead() is None


def test_a_copy_has_gradients_of_its_own() -> None:
    first = tl.nn.Linear(2, 1, key=tl.random.key(0))
    second = copy.deepcopy(first)
    (second(tl.ones((1, 2))) ** 2).sum().backward()
    assert first.weight.grad is None
    assert second.weight.grad is not None
    assert second.weight.name == "weight"
    p = tl.Parameter([1.0, 2.0])
    q, r = copy.deepcopy(p), copy.copy(p)
    found = tl.gradients((q * q).sum() + (p * 3).sum() + (r * r * r).sum(), [q, p, r])
    assert [g.tolist() for g in found] == [[2.0, 4.0], [3.0, 3.0], [3.0, 12.0]]
    assert copy.deepcopy(second).weight.grad.tolist() == second.weight.grad.tolist()


def test_a_model_is_copied_with_its_optimizer() -> None:
    first = tl.nn.LSTM(2, 3, key=tl.random.key(0))
    optimizer = tl.optim.Adam(first.parameters())
    second, other = copy.deepcopy((first, optimizer))
    second(tl.ones((1, 1, 2)))[0].sum().backward()
    other.step()
    assert optimizer.count.item() == 0
    assert not np.array_equal(first.cells[0].output.weight.numpy(), second.cells[0].output.weight.numpy())


@pytest.mark.parametrize(
    ("error", "value"),
    [
        (UsageError, np.ones(2)),
        (ShapeError, tl.ones(3)),
        (ShapeError, tl.ones((2, 1))),
        (DTypeError, tl.ones(2, dtype="float64")),
    ],
    ids=["array", "length", "rank", "type"],
)
def test_a_gradient_fits_its_parameter(error, value) -> None:
    p = tl.Parameter([1.0, 2.0])
    with pytest.raises(error, match=r"Parameter.grad"):
        p.grad = value
    assert p.grad is None


def test_a_new_name_is_that_of_graphs_built_from_then_on() -> None:
    p = tl.Parameter(2.0, name="before")
    old = p * 3
    p.name = "after"
    new = p * 3
    assert [tl.text(old), tl.text(new)] == ["3·before", "3·after"]
    assert '"before"' in tl.printed(old)
    assert p.item() == 2.0
    assert tl.gradients(old + new, p).item() == 6.0
    (old + new).backward()
    assert p.grad is not None
    assert p.grad.item() == 6.0
    layer = tl.nn.Linear(1, 1)
    drawn = tl.printed(layer(tl.ones(1)))
    model = tl.nn.Sequential(layer)
    assert tl.printed(model(tl.ones(1))) != drawn
    assert '"weight"' in drawn
    assert model.layers[0].weight.name == "layers.0.weight"
