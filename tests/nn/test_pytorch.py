"""Weights from and to PyTorch, against what PyTorch computed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.nn.test_recurrent import assert_near
from tinygrad_lstm.errors import StateDictError, UsageError

RECORDED = tl.load(Path(__file__).parent.parent / "recorded" / "torch.safetensors")
CASES = sorted({name.partition("/")[0] for name in RECORDED})


def case_of(name: str) -> dict[str, Any]:
    return {key.partition("/")[2]: v.numpy() for key, v in RECORDED.items() if key.startswith(f"{name}/")}


def made(name: str, **options: Any) -> Any:
    kind, layers, directions, option = name.split("-")
    options = {"projected": {"proj_size": 2}, "relu": {"nonlinearity": "relu"}}.get(option, {}) | options
    if kind == "GRU":
        options = {"reset_after": True} | options
    return getattr(tl.nn, kind)(4, 5, int(layers), bidirectional=directions == "both", **options)


def test_all_kinds_were_recorded() -> None:
    assert len(CASES) == 15


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_pytorch(name: str) -> None:
    case = case_of(name)
    module = made(name)
    state = {key.removeprefix("state."): v for key, v in case.items() if key.startswith("state.")}
    tl.nn.from_pytorch(module, state)
    lstm = name.startswith("LSTM")
    inputs = [tl.tensor(case[key]) for key in ("x", "h0", *(["c0"] if lstm else []))]
    outputs, last = module(inputs[0], tuple(inputs[1:]) if lstm else inputs[1])
    names = ("outputs", "h", *(["c"] if lstm else []))
    results = [outputs, *(last if lstm else [last])]
    for key, got in zip(names, results, strict=True):
        assert_near(got, case[key], 1e-5, key)

    parameters = dict(module.named_parameters())
    slopes, d_inputs = tl.gradients(results, [parameters, inputs], [case[f"weights.{key}"] for key in names])
    for key, got in zip(("x", "h0", "c0"), d_inputs, strict=False):
        assert_near(got, case[f"gradient.{key}"], 1e-5, key)
    # A module whose values are the gradients gives them in PyTorch's layout.
    gradient = made(name)
    gradient.load_state_dict(slopes)
    found = tl.nn.to_pytorch(gradient)
    for key in state:
        if key.startswith("bias_hh") and not name.startswith("GRU"):
            continue  # the sum of both biases has one gradient; it is given as that of the first
        if key.startswith("bias_hh"):
            found[key][: 2 * 5] = found[key.replace("hh", "ih")][: 2 * 5]
        assert_near(found[key], case[f"gradient.{key}"], 1e-5, key)


@pytest.mark.parametrize("name", CASES)
def test_there_and_back(name: str) -> None:
    module, other = made(name, key=tl.random.key(0)), made(name, key=tl.random.key(1))
    tl.nn.from_pytorch(other, {f"a.{k}": v for k, v in tl.nn.to_pytorch(module).items()} | {"b": np.ones(1)}, "a.")
    for (key, mine), (_, theirs) in zip(module.named_variables(), other.named_variables(), strict=True):
        np.testing.assert_array_equal(mine.detach().numpy(), theirs.detach().numpy(), err_msg=key)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_there_and_back_without_biases(kind: str) -> None:
    options = {"reset_after": True} if kind == "GRU" else {}
    plain, biased = (getattr(tl.nn, kind)(4, 5, 2, bias=bias, **options) for bias in (False, True))
    theirs = tl.nn.to_pytorch(plain)
    assert list(theirs) == ["weight_ih_l0", "weight_hh_l0", "weight_ih_l1", "weight_hh_l1"]
    other = getattr(tl.nn, kind)(4, 5, 2, bias=False, **options)
    tl.nn.from_pytorch(other, theirs)
    tl.nn.from_pytorch(biased, theirs)
    x = tl.random.normal(tl.random.key(0), (3, 2, 4))
    for module in (other, biased):
        np.testing.assert_allclose(module(x)[0].numpy(), plain(x)[0].numpy(), rtol=1e-6, atol=1e-7)
    with pytest.raises(StateDictError, match="not known are bias_ih_l0"):
        tl.nn.from_pytorch(plain, tl.nn.to_pytorch(biased))


def test_linear_and_embedding() -> None:
    layer, table = tl.nn.Linear(2, 3), tl.nn.Embedding(4, 2)
    weight = np.arange(6.0).reshape(3, 2)
    tl.nn.from_pytorch(layer, {"weight": weight, "bias": np.zeros(3)})
    assert layer([1.0, 1.0]).tolist() == [1, 5, 9]
    assert tl.nn.to_pytorch(layer)["weight"].tolist() == weight.tolist()
    tl.nn.from_pytorch(table, {"weight": np.ones((4, 2))})
    assert table(tl.tensor([3])).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (UsageError, "reset gate behind the product, this one before it; make it with reset_after=True",
         lambda: tl.nn.to_pytorch(tl.nn.GRU(2, 3))),
        (UsageError, "no peepholes", lambda: tl.nn.to_pytorch(tl.nn.LSTM(2, 3, peephole=True))),
        (UsageError, "coupled", lambda: tl.nn.to_pytorch(tl.nn.LSTM(2, 3, coupled=True))),
        (UsageError, "layer normalisation", lambda: tl.nn.to_pytorch(tl.nn.RNN(2, 3, layer_norm=True))),
        (UsageError, "no learned initial state", lambda: tl.nn.to_pytorch(tl.nn.RNN(2, 3, learn_initial=True))),
        (UsageError, "no bounds on its states", lambda: tl.nn.to_pytorch(tl.nn.LSTM(2, 3, cell_clip=1.0))),
        (UsageError, "this one backward only", lambda: tl.nn.to_pytorch(tl.nn.LSTM(2, 3, reverse=True))),
        (UsageError, "Dropout has no counterpart", lambda: tl.nn.to_pytorch(tl.nn.Dropout(0.0))),
        (StateDictError, r"does not fit this RNN: missing are p\.weight_ih_l0, p\.weight_hh_l0; not known are p\.x",
         lambda: tl.nn.from_pytorch(tl.nn.RNN(2, 3), {"p.x": 1.0}, "p.")),
        (StateDictError, r"weight is \[2, 3\], expected \[3, 2\]",
         lambda: tl.nn.from_pytorch(tl.nn.Linear(2, 3), {"weight": np.ones((2, 3)), "bias": np.ones(3)})),
    ],
)  # fmt: skip
def test_mistakes(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call()


class TheirRNN:
    """A module of PyTorch, as far as it is read."""

    def __init__(self, nonlinearity: str, module: Any, **inner: Any) -> None:
        self.nonlinearity, self.module, self.inner = nonlinearity, module, inner
        self.__dict__ |= inner

    def state_dict(self) -> dict[str, Any]:
        own = {} if self.module is None else tl.nn.to_pytorch(self.module)
        return own | {f"{k}.{n}": v for k, part in self.inner.items() for n, v in part.state_dict().items()}


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_the_module_of_pytorch_says_its_nonlinearity(nonlinearity: str) -> None:
    ours, theirs = (tl.nn.RNN(2, 3, nonlinearity=nonlinearity, key=tl.random.key(k)) for k in (0, 1))
    other = tl.nn.RNN(2, 3, nonlinearity="tanh" if nonlinearity == "relu" else "relu")
    alone = TheirRNN(nonlinearity, theirs)
    for given, prefix in ((alone, ""), (TheirRNN("", None, encoder=alone), "encoder.")):
        with pytest.raises(UsageError, match=f"computes {nonlinearity}, .* make it with nonlinearity='{nonlinearity}'"):
            tl.nn.from_pytorch(other, given, prefix)
        tl.nn.from_pytorch(ours, given, prefix)
    np.testing.assert_array_equal(ours(tl.ones((3, 1, 2)))[0].numpy(), theirs(tl.ones((3, 1, 2)))[0].numpy())


W, B = np.arange(6.0).reshape(3, 2), np.zeros(3)


class Foreign:
    """A tensor of PyTorch that must be detached, and brought from a GPU, before it is an array."""

    def __init__(self, value: Any, where: str = "graph") -> None:
        self.value, self.where = value, where

    def detach(self) -> Any:
        return Foreign(self.value, "cuda")

    def cpu(self) -> Any:
        return Foreign(self.value, "cpu" if self.where == "cuda" else self.where)

    def numpy(self) -> Any:
        if self.where != "cpu" or isinstance(self.value, Exception):
            raise self.value if isinstance(self.value, Exception) else RuntimeError(self.where)
        return self.value


@pytest.mark.parametrize(
    "weight",
    [
        W,
        W.tolist(),
        W.astype("int8"),
        W.astype(">f4"),
        W.astype("float16"),
        W.astype(object),
        tl.tensor(W),
        tl.Parameter(W),
        Foreign(W),
        np.asfortranarray(W),
    ],
    ids=lambda value: type(value).__name__,
)
def test_all_that_holds_real_numbers_is_read(weight: Any) -> None:
    layer = tl.nn.Linear(2, 3)
    tl.nn.from_pytorch(layer, {"weight": weight, "bias": B})
    np.testing.assert_array_equal(layer.weight.leaf.numpy(), W.T)


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ([[1.0, 2.0], [3.0]], "nested lists must all have the same lengths"),
        (W.astype(str), "the values are no numbers, got str_"),
        (W.astype("S8"), "the values are no numbers, got bytes_"),
        (np.array([[None, 1], [2, 3], [4, 5]], dtype=object), "the values are no numbers, got NoneType None"),
        (W.astype("datetime64[s]"), "the values are of dtype datetime64"),
        (W.astype("timedelta64[s]"), "the values are of dtype timedelta64"),
        (W + 1j, "complex128, whose imaginary part would be lost"),
        (np.zeros((3, 2), dtype=[("a", "f4")]), "the values are no numbers, got void"),
        (np.ma.masked_array(W, W > 2), "there are no masks here"),
        ("weights.pt", "the values are no numbers, got str_"),
        (Path("weights.pt"), "the values are no numbers, got PosixPath"),
        (None, "the values are no numbers, got NoneType"),
        ({1: 2}, "the values are no numbers, got dict"),
        (Foreign(TypeError("Got unsupported ScalarType BFloat16\nC++ stack")), r"BFloat16\); give value\.float\(\)"),
        (tl.symbol("x", (3, 2)), "symbol 'x' .* has no value"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_no_real_numbers_is_named_by_its_key(weight: Any, said: str) -> None:
    layer = tl.nn.Linear(2, 3)
    before = layer.weight.leaf
    with pytest.raises(StateDictError, match=f"^out.weight.*{said}") as told:
        tl.nn.from_pytorch(layer, {"out.weight": weight, "out.bias": B}, prefix="out.")
    assert "\n" not in str(told.value)
    assert layer.weight.leaf is before


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (np.full((3, 2), np.nan), "out.weight has values that are nan or infinite"),
        (np.full((3, 2), -np.inf), "out.weight has values that are nan or infinite"),
        (np.full((3, 2), -1e300), "out.weight has values beyond those of float32, which become infinite"),
    ],
)
def test_values_that_are_no_finite_numbers_are_copied_with_a_warning(weight: Any, said: str) -> None:
    layer = tl.nn.Linear(2, 3)
    with pytest.warns(UserWarning, match=f"from_pytorch: {said}") as told:
        tl.nn.from_pytorch(layer, {"out.weight": weight, "out.bias": B}, prefix="out.")
    assert len(told) == 1
    assert told[0].filename == __file__
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(layer.weight.leaf.numpy(), weight.T.astype("float32"))


@pytest.mark.parametrize("state", [[W], "weights.pt", Path("weights.pt"), None, 5, W, tl.nn.Linear(2, 3)])
def test_a_state_that_is_no_dict(state: Any) -> None:
    with pytest.raises(UsageError, match=r"a dict of arrays by name, not an? \w+; (read a file|give its \.state_d)"):
        tl.nn.from_pytorch(tl.nn.Linear(2, 3), state)


@pytest.mark.parametrize("name", [0, None, b"weight", ("weight",)])
def test_names_that_are_no_strings(name: Any) -> None:
    with pytest.raises(UsageError, match="the names of a state are strings such as 'weight', not"):
        tl.nn.from_pytorch(tl.nn.Linear(2, 3), {name: W, "weight": W, "bias": B})
    with pytest.raises(UsageError, match="the prefix is a string such as"):
        tl.nn.from_pytorch(tl.nn.Linear(2, 3), {"weight": W, "bias": B}, name)


@pytest.mark.parametrize("module", [5, None, "x", {}])
def test_what_is_no_module(module: Any) -> None:
    for act in (tl.nn.to_pytorch, lambda m: tl.nn.from_pytorch(m, {"weight": W})):
        with pytest.raises(UsageError, match=r"is no module of this package; give one of tl\.nn"):
            act(module)


def test_states_of_this_package_name_the_key_of_what_is_no_number(tmp_path: Path) -> None:
    layer = tl.nn.Linear(2, 3)
    with pytest.raises(tl.errors.DTypeError, match=r"^weight: tensor: there are no complex numbers here"):
        layer.load_state_dict({"weight": W.T + 1j, "bias": B})
    with pytest.raises(tl.errors.DTypeError, match=r"^save: w: tensor: the values are no numbers"):
        tl.save(tmp_path / "a", {"w": W.astype(str)})
