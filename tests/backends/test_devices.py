"""A model on the GPU and data on the CPU, with g++ standing in for the GPU: what is copied, when, and what is told."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.backends.fake_cupy import FakeCupy
from tests.codegen.cuda_shim import needs_compiler
from tests.ops.cases import CASES, Case
from tinygrad_lstm.errors import CopyWarning, DeviceError, EvaluationError
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.runtime.backend import load_backend

X = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
Copied = list[tuple[str, tuple[int, ...]]]


@pytest.fixture
def copied(gpu: FakeCupy, monkeypatch: pytest.MonkeyPatch) -> Copied:
    """What crosses between the two memories, as it does."""
    backend: Any = load_backend("cupy")
    seen: Copied = []
    put, get = backend.put, backend.get
    monkeypatch.setattr(backend, "put", lambda a, device: seen.append(("put", a.shape)) or put(a, device))
    monkeypatch.setattr(backend, "get", lambda a: seen.append(("get", a.shape)) or get(a))
    return seen


def on_gpu() -> Any:
    return tl.nn.Linear(3, 4, key=tl.random.key(0)).to("cuda")


def test_to_copies_once_and_only_what_is_elsewhere(copied: Copied) -> None:
    x = tl.tensor(X)
    there = tl.to(x, "cuda")
    assert copied == [("put", X.shape)]
    assert there.to("cuda:0") is there
    assert tl.to(x, "cpu") is x
    assert copied == [("put", X.shape)]
    assert there.to("cpu").numpy().tobytes() == X.tobytes()
    assert copied == [("put", X.shape), ("get", X.shape)]
    # From one GPU to another the way is through host memory.
    assert there.to("cuda:1").device == "cuda:1"
    assert copied[2:] == [("get", X.shape), ("put", X.shape)]


def test_a_model_moves_whole_and_once(copied: Copied) -> None:
    model = tl.nn.LSTM(3, 4, key=tl.random.key(0))
    (model(X)[0] ** 2).sum().backward()
    count = len(list(model.named_variables()))
    assert model.to("cuda") is model
    assert len(copied) == count
    assert {cell.device for _, cell in model.named_variables()} == {"cuda:0"}
    assert all(p.grad is None for p in model.parameters())
    (model(X)[0] ** 2).sum().backward()
    del copied[:]
    model.to("cuda:0")
    assert copied == []
    assert all(p.grad is not None for p in model.parameters())


def test_a_model_that_does_not_fit_has_not_moved(gpu: FakeCupy) -> None:
    model = tl.nn.Linear(3, 4, key=tl.random.key(0))
    (model(X) ** 2).sum().backward()
    before = model.weight.tolist()
    made, arrays = np.array, []

    def array(*args: Any, **options: Any) -> Any:
        if arrays:
            raise MemoryError("none left")
        arrays.append(made(*args, **options))
        return arrays[-1]

    load_backend("cupy").devices()
    gpu.array = array  # type: ignore[attr-defined]
    with pytest.raises(EvaluationError, match="out of memory on the GPU"):
        model.to("cuda")
    assert arrays
    assert [cell.device for _, cell in model.named_variables()] == ["cpu", "cpu"]
    assert model.weight.tolist() == before
    assert model.weight.grad is not None


PLAIN: dict[str, Callable[[Any], Any]] = {
    "an operand": lambda m: m.weight * np.ones(4, np.float32),
    "an operand before it": lambda m: [[1.0, 2.0, 3.0]] @ m.weight,
    "a module's input": lambda m: m(X),
    "a list for a module": lambda m: m([[1.0, 2.0, 3.0]]),
    "indices in brackets": lambda m: m.weight[[0, 2]],
    "indices": lambda m: tl.take(m.weight, np.array([0, 2]), 0),
    "indices along an axis": lambda m: tl.take_along_axis(m.weight, np.zeros((1, 4), int), 0),
    "updates": lambda m: tl.scatter_add(m.weight, [0, 1, 0], size=2),
    "a table": lambda m: tl.take([1.0, 2.0], tl.argmax(m.weight, 1) * 0),
    "a condition": lambda m: tl.where(np.ones(4, bool), m.weight, 0.0),
    "what is chosen": lambda m: tl.where(m.weight > 0, 1.0, 2.0),
    "a bound": lambda m: tl.clip(m.weight, 0.0, np.float32(1)),
    "a part": lambda m: tl.concatenate([m.bias, [1.0]]),
    "targets": lambda m: tl.nn.cross_entropy(m.weight, [0, 3, 1]),
    "weights of classes": lambda m: tl.nn.cross_entropy(m.weight, [0, 3, 1], weight=[1.0, 2.0, 3.0, 4.0]),
    "a start": lambda m: tl.scan(lambda c, x: (c + x, c), np.zeros(4, np.float32), m.weight)[0],
    "steps": lambda m: tl.scan(lambda c, x: (c * x, c), m.bias, np.ones((3, 4), np.float32))[1],
}


@pytest.mark.parametrize("use", PLAIN.values(), ids=PLAIN)
def test_plain_values_go_to_where_their_partner_lives(gpu: FakeCupy, use: Callable[[Any], Any]) -> None:
    """A list or an array has no device of its own, whatever backend is in use."""
    want = use(tl.nn.Linear(3, 4, key=tl.random.key(0)))
    got = use(on_gpu())
    assert got.device == "cuda:0"
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6)
    model = tl.nn.Linear(3, 4, key=tl.random.key(0))
    with tl.use_backend("cupy"):
        assert use(model).device == "cpu"


def test_layers_take_plain_values(gpu: FakeCupy) -> None:
    lstm = tl.nn.LSTM(3, 4, 2, key=tl.random.key(0), dropout=0.5).to("cuda")
    outputs, (h, c) = lstm(X, (np.zeros((2, 2, 4), np.float32), np.zeros((2, 2, 4), np.float32)), [5, 3])
    assert (outputs.device, h.device, c.device) == ("cuda:0",) * 3
    table = tl.nn.Embedding(5, 2, key=tl.random.key(0)).to("cuda")
    assert table([1, 4]).device == "cuda:0"
    assert tl.nn.LSTMCell(3, 4, key=tl.random.key(0)).to("cuda").zeros(2).h.device == "cuda:0"


def test_every_function_stays_on_the_device_of_its_inputs(gpu: FakeCupy) -> None:
    """Also where another backend is in use: what a composition makes for itself lives where its inputs do."""

    def places(case: Case) -> set[str]:
        return {y.device for y in flatten(case.f(*[tl.tensor(x, device="cuda") for x in case.inputs]))[0]}

    assert [str(case) for case in CASES if case.inputs and places(case) != {"cuda:0"}] == []


DRAWN: dict[str, Callable[[Any], Any]] = {
    "bernoulli": lambda key: tl.random.bernoulli(key, [0.5, 0.1]),
    "one chance": lambda key: tl.random.bernoulli(key, 0.5, (3,)),
    "categorical": lambda key: tl.random.categorical(key, [0.1, 0.2]),
    "permutation": lambda key: tl.random.permutation(key, np.arange(4)),
    "uniform": lambda key: tl.random.uniform(key, (3,)),
    "Dropout": lambda key: tl.nn.Dropout(0.5, key=key.to("cpu")).to("cuda")(np.ones(4, np.float32)),
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_what_is_drawn_lives_with_its_key(gpu: FakeCupy, draw: Callable[[Any], Any]) -> None:
    got = draw(tl.random.key(0).to("cuda"))
    assert got.device == "cuda:0"
    assert got.tolist() == draw(tl.random.key(0).to("cuda")).tolist()


def test_tensors_on_two_devices_are_told_which_way(gpu: FakeCupy) -> None:
    """What lives on the GPU is the model, so the advice is never to bring it back."""
    model, x = on_gpu(), tl.tensor(X)
    for wrong in (lambda: model(x), lambda: model.weight * x[0, 0, 0], lambda: x[0, 0, 0] * model.weight):
        with pytest.raises(
            DeviceError, match=r"move one with \.to\('cuda:0'\), or what it belongs to, a model or its "
        ):
            wrong()
    assert model(x.to("cuda")).device == "cuda:0"


@needs_compiler
@pytest.mark.parametrize("make", [tl.optim.SGD, tl.optim.Adam])
def test_an_optimiser_moves_too(gpu: FakeCupy, make: Any) -> None:
    def losses(device: str) -> list[float]:
        model = tl.nn.Linear(3, 4, key=tl.random.key(0))
        optimizer = make(model.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            loss = (model(x) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        found = [step(tl.tensor(X)).item()]
        model.to(device)
        x = tl.tensor(X, device=device)
        if device != "cpu":
            for wrong in (step, tl.jit(step)):
                with pytest.raises(
                    DeviceError,
                    match=r"step: weight lives on cuda:0 and the state of the optimiser on cpu; .*to\('cu",
                ):
                    wrong(x)
        optimizer.to(device)
        found += [step(x).item()]
        compiled = tl.jit(step)
        found += [compiled(x).item() for _ in range(3)]
        model.to("cpu"), optimizer.to("cpu")
        return [*found, tl.jit(step)(tl.tensor(X)).item()]

    np.testing.assert_allclose(losses("cuda"), losses("cpu"), rtol=1e-5)


def test_a_cell_stays_where_it_is(gpu: FakeCupy) -> None:
    here, there = tl.State([1.0, 2.0]), tl.State(tl.ones(2).to("cuda"))
    there.assign([3.0, 4.0])
    assert (there.device, there.tolist()) == ("cuda:0", [3.0, 4.0])
    there.assign(np.array([5.0, 6.0], np.float32))
    here.assign(there)
    assert (here.device, here.tolist()) == ("cpu", [5.0, 6.0])
    there.assign(here.leaf * 2)
    assert (there.device, there.tolist()) == ("cuda:0", [10.0, 12.0])


def test_state_dicts_cross(gpu: FakeCupy, tmp_path: Path) -> None:
    there, here = on_gpu(), tl.nn.Linear(3, 4, key=tl.random.key(1))
    here.load_state_dict(there.state_dict())
    assert [c.device for _, c in here.named_variables()] == ["cpu", "cpu"]
    assert here.weight.tolist() == there.weight.tolist()
    tl.save(tmp_path / "there.safetensors", there)
    other = tl.nn.Linear(3, 4, key=tl.random.key(2))
    tl.save(tmp_path / "other.safetensors", other)
    there.load_state_dict(tl.load(tmp_path / "other.safetensors"))
    assert [c.device for _, c in there.named_variables()] == ["cuda:0", "cuda:0"]
    assert there.weight.tolist() == other.weight.tolist()
    with tl.use_backend("cupy"):
        other.load_state_dict(tl.load(tmp_path / "there.safetensors"))
    assert (other.weight.device, other.weight.tolist()) == ("cpu", here.weight.tolist())


@needs_compiler
@pytest.mark.parametrize(("first", "then"), [("numpy", "cupy"), ("cupy", "numpy")])
def test_training_is_resumed_on_the_other(gpu: FakeCupy, tmp_path: Path, first: str, then: str) -> None:
    text = tl.data.Corpus("to be or not to be, that is the question: " * 20, "a question")
    model = tl.train.ModelConfig(hidden=4, embedding=3)
    config = tl.train.TrainConfig(steps=6, window=6, batch=3, validate_every=3)
    path = tmp_path / "model.safetensors"
    whole = tl.train.LanguageModelTrainer(text, model, config)
    whole.run()
    with tl.use_backend(first):
        begun = tl.train.LanguageModelTrainer(text, model, config)
        for _ in range(3):
            begun.step()
        begun.save(path)
    with tl.use_backend(then):
        resumed = tl.train.LanguageModelTrainer.resume(path, text)
        device = {"numpy": "cpu", "cupy": "cuda:0"}[then]
        assert {variable.device for variable in resumed._variables()} == {device}
        resumed.run()
    np.testing.assert_allclose(resumed.losses, whole.losses, rtol=1e-4)


def copies(what: Callable[[], Any], times: int) -> list[Any]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(times):
            what()
    return caught


@needs_compiler
def test_a_program_that_copies_at_every_step_is_told(gpu: FakeCupy) -> None:
    x, y = np.zeros((20, 30), np.float32), np.zeros((20, 30), np.float32)
    kept = tl.ones((20, 30))
    double = tl.jit(lambda x: x * 2)
    model = tl.nn.Linear(30, 4, key=tl.random.key(0)).to("cuda")
    with tl.use_backend("cupy"):
        assert copies(lambda: double(np.zeros_like(x)), 20) == []
        assert copies(lambda: double(x), 7) == []
        found = copies(lambda: double(x), 1)
    found += copies(lambda: model(y), 40)
    found += copies(lambda: kept.to("cuda"), 40)
    assert [w.filename for w in found] == [__file__] * 3
    told = found[0]
    assert issubclass(told.category, CopyWarning)
    assert str(told.message) == (
        "the same array, float32[20, 30], was copied to cuda:0 8 times; unless its values change, copy it once, with "
        "tl.tensor(x, device='cuda:0') before the loop"
    )


def test_batches_of_a_data_set_are_not_told_of(gpu: FakeCupy) -> None:
    data = np.zeros((6, 20, 30), np.float32)
    with tl.use_backend("cupy"):
        assert copies(lambda: [tl.tensor(data[k]) for k in range(6)], 20) == []
        small = np.zeros(3, np.float32)
        assert copies(lambda: tl.tensor(small), 20) == []
        many = [np.zeros((20, 30), np.float32) for _ in range(40)]
        assert copies(lambda: [tl.tensor(x) for x in many], 20) == []
