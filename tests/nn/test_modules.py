"""Modules: paths, state dicts, Linear, Embedding, cross entropy."""

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError, Error, IndexingError, ShapeError, StateDictError, UsageError
from tinygrad_lstm.testing import check_gradients


class Model(tl.nn.Module):
    def __init__(self) -> None:
        self.embed = tl.nn.Embedding(5, 3, key=tl.random.key(0))
        self.layers = [tl.nn.Linear(3, 3, key=tl.random.key(k)) for k in (1, 2)]
        self.heads = {"a": tl.nn.Linear(3, 2, bias=False, key=tl.random.key(3))}
        self.count = tl.State(0)
        self.shared = self.layers[0]
        self.size = 3

    def forward(self, i):
        y = self.embed(i)
        for layer in self.layers:
            y = tl.tanh(layer(y))
        return self.heads["a"](y)


PATHS = ["embed.weight", "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "heads.a.weight"]


def test_cells_are_found_by_their_paths_and_shared_ones_once() -> None:
    model = Model()
    assert [path for path, _ in model.named_parameters()] == PATHS
    assert [path for path, _ in model.named_variables()] == [*PATHS, "count"]
    assert len(model.parameters()) == 6
    assert model(tl.tensor([0, 4])).shape == (2, 2)


def test_a_module_shows_what_it_holds_one_line_for_each_part() -> None:
    model = Model()
    model.nothing = tl.nn.Identity()
    assert repr(model).splitlines() == [
        "Model(",
        "  embed: Embedding(weight: f32[5,3])",
        "  layers.0: Linear(weight: f32[3,3], bias: f32[3])",
        "  layers.1: Linear(weight: f32[3,3], bias: f32[3])",
        "  heads.a: Linear(weight: f32[3,2])",
        "  count: i64[]",
        "  shared: Linear(weight: f32[3,3], bias: f32[3])",
        ")",
    ]
    nested = repr(tl.nn.Sequential(tl.nn.Identity(), tl.nn.LSTM(3, 4))).splitlines()
    assert nested[1:5] == [
        "  layers.0: Identity()",
        "  layers.1: LSTM(",
        "    cells.0: LSTMCell(",
        "      forget: Linear(weight: f32[7,4], bias: f32[4])",
    ]
    many = repr(tl.optim.Adam(tl.nn.LSTM(3, 4).parameters()))
    assert max(map(len, many.splitlines())) < 100
    model.heads["b"] = model
    assert "heads.b: …" in repr(model)


def test_cells_bear_the_names_of_their_attributes() -> None:
    model = Model()
    assert model.count.name == "count"
    assert model.embed.weight.name.endswith("weight")


def test_a_state_dict_goes_round() -> None:
    model, other = Model(), Model()
    for p in model.parameters():
        p.assign(p * 2 + 1)
    model.count.assign(7)
    other.load_state_dict(model.state_dict())
    for path, cell in other.named_variables():
        assert cell.detach().tolist() == dict(model.named_variables())[path].detach().tolist()
    other.load_state_dict({path: value.numpy() for path, value in model.state_dict().items()})


def test_the_state_is_a_copy_in_time() -> None:
    model = Model()
    before = model.state_dict()
    old = before["heads.a.weight"].tolist()
    model.heads["a"].weight.assign(np.zeros((3, 2), np.float32))
    assert before["heads.a.weight"].tolist() == old
    assert before["heads.a.weight"].variable is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("layers.1.bias"), r"does not fit Model: missing are layers\.1\.bias"),
        (lambda s: s.update(extra=1.0), "not known are extra"),
        (lambda s: s.update({"embed.weight": tl.zeros((5, 4))}), r"weight is f32\[5,3\] here and f32\[5,4\] there"),
        (lambda s: s.update(count=tl.tensor(1.0)), r"count is i64\[\] here and f32\[\] there"),
    ],
)
def test_a_state_that_does_not_fit_names_the_paths_and_changes_nothing(change, message: str) -> None:
    model = Model()
    before = {path: value.tolist() for path, value in model.state_dict().items()}
    state = {path: value + 1 for path, value in Model().state_dict().items()}
    change(state)
    with pytest.raises(StateDictError, match=message):
        model.load_state_dict(state)
    assert {path: value.tolist() for path, value in model.state_dict().items()} == before


def test_zero_grad_and_to() -> None:
    model = Model()
    tl.sum(model(tl.tensor([1]))).backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert model.to("cpu") is model
    with pytest.raises(Error, match=r"cuda|cupy"):
        model.to("cuda:9")


def test_names_of_classes_have_their_article() -> None:
    with pytest.raises(UsageError, match=r"wanted, not an LSTM; give model\.parameters"):
        tl.optim.Adam(tl.nn.LSTM(3, 4))
    with pytest.raises(AttributeError, match="an RNN has no attribute 'quux'"):
        tl.nn.RNN(3, 4).quux  # noqa: B018


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(UsageError, match="Empty has no forward method"):
        type("Empty", (tl.nn.Module,), {})()()


def test_properties_of_modules_can_be_set() -> None:
    class Doubled(tl.nn.Module):
        @property
        def half(self) -> float:
            return self.value / 2

        @half.setter
        def half(self, value: float) -> None:
            self.value = value * 2

    module = Doubled()
    module.half = 3.0
    assert module.value == 6.0


def test_linear() -> None:
    layer = tl.nn.Linear(3, 2, key=tl.random.key(0), dtype=tl.float64)
    x = np.random.default_rng(0).normal(size=(4, 5, 3))
    want = x @ layer.weight.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(layer(x).numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(layer(x[0, 0]).numpy(), want[0, 0], rtol=1e-12)
    check_gradients(layer, x)
    bound = 1 / np.sqrt(3)
    assert np.abs(layer.weight.numpy()).max() <= bound
    assert len(tl.nn.Linear(3, 2, bias=False).parameters()) == 1
    with pytest.raises(ShapeError, match=r"Linear: x has the shape \[4, 2\], its last size must be 3"):
        layer(np.ones((4, 2)))


def test_embedding() -> None:
    table = tl.nn.Embedding(5, 3, key=tl.random.key(0))
    indices = np.array([[1, 4], [1, 0]])
    assert np.array_equal(table(indices).numpy(), table.weight.numpy()[indices])
    table(indices).sum().backward()
    assert table.weight.grad.tolist() == [[1] * 3, [2] * 3, [0] * 3, [0] * 3, [1] * 3]
    with pytest.raises(DTypeError, match=r"Embedding: indices are integers, got f32\[\]; convert"):
        table(1.0)
    with pytest.raises(IndexingError, match="out of bounds for axis 0 with size 5"):
        table([5]).numpy()


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_cross_entropy(shape) -> None:
    random = np.random.default_rng(0)
    logits, targets = random.normal(size=(*shape, 6)), random.integers(0, 6, shape)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    want = -np.log(np.take_along_axis(p, targets[..., None], -1)).mean()
    loss = tl.nn.cross_entropy(logits, targets)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(want, rel=1e-12)
    check_gradients(lambda x: tl.nn.cross_entropy(x, tl.tensor(targets)), logits)
    x = tl.symbol("x", logits.shape, tl.float64)
    slope = tl.gradients(tl.nn.cross_entropy(x, tl.tensor(targets)), x).evaluate({x: logits}).numpy()
    count = max(int(np.prod(shape)), 1)
    np.testing.assert_allclose(slope, (p - np.eye(6)[targets]) / count, rtol=1e-9, atol=1e-12)


def test_cross_entropy_of_extreme_logits() -> None:
    logits = tl.tensor([[1e4, 0.0, -1e4], [-np.inf, 0.0, 0.0]])
    assert tl.nn.cross_entropy(logits, tl.tensor([0, 1])).item() == pytest.approx(np.log(2) / 2, rel=1e-6)
    x = tl.symbol("x", (1, 3))
    slope = tl.gradients(tl.nn.cross_entropy(x, tl.tensor([1])), x)
    assert slope.evaluate({x: [[-np.inf, 0.0, 0.0]]}).tolist() == [[0.0, -0.5, 0.5]]


@pytest.mark.parametrize(
    ("error", "message", "logits", "targets"),
    [
        (DTypeError, "targets are class numbers, got f32", np.ones((2, 3)), [0.0, 1.0]),
        (ShapeError, r"logits f64\[2,3\] want targets of shape \[2\], got i64\[3\]", np.ones((2, 3)), [0, 1, 2]),
        (ShapeError, "cross_entropy", 1.0, 1),
    ],
)
def test_cross_entropy_mistakes(error, message, logits, targets) -> None:
    with pytest.raises(error, match=message):
        tl.nn.cross_entropy(logits, targets)


def test_initial_values_follow_the_key_or_the_seed() -> None:
    def first(**options):
        return tl.nn.Linear(2, 2, **options).weight.numpy().tolist()

    assert first(key=tl.random.key(1)) == first(key=tl.random.key(1)) != first(key=tl.random.key(2))
    tl.seed(3)
    a, b = first(), first()
    tl.seed(3)
    assert [first(), first()] == [a, b]
    assert a != b


@pytest.mark.parametrize(("padding", "dtype"), [(0, "int64"), (2, "uint32"), (-1, "int64")])
def test_padding_has_no_vector_and_no_gradient(padding: int, dtype: str) -> None:
    table = tl.nn.Embedding(4, 3, padding_idx=padding, key=tl.random.key(0))
    place = padding % 4
    assert table.padding_idx == place
    assert not table.weight.numpy()[place].any()
    assert table.weight.numpy().any(axis=1).sum() == 3
    places = [0, 1, 2, 3, place] + ([place - 4] if dtype == "int64" else [])
    indices = tl.tensor(np.array(places, dtype))
    (table(indices) ** 2 + table(indices)).sum().backward()
    slope = table.weight.grad.numpy()
    assert not slope[place].any()
    assert slope.any(axis=1).sum() == 3
    plain = tl.take(table.weight, indices, 0)
    np.testing.assert_array_equal(table(indices).numpy(), plain.numpy())
