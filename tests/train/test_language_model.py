import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.train import LanguageModel, ModelConfig


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_two_windows_with_the_state_carried_are_one(cell):
    model = LanguageModel(7, ModelConfig(cell, hidden=5, embedding=3, layers=2), key=tl.random.key(0))
    indices = tl.tensor(np.arange(12, dtype=np.int32).reshape(6, 2) % 7)
    whole, last = model(indices, model.zeros(2))
    first, state = model(indices[:4], model.zeros(2))
    second, state = model(indices[4:], state)
    np.testing.assert_allclose(tl.concatenate([first, second]).numpy(), whole.numpy(), atol=1e-6)
    for a, b in zip(flatten(state)[0], flatten(last)[0], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6)
    assert whole.shape == (6, 2, 7)


def test_without_a_state_it_starts_from_zeros():
    model = LanguageModel(7, ModelConfig(hidden=5, embedding=3), key=tl.random.key(0))
    indices = tl.tensor([[1, 2], [3, 4]])
    np.testing.assert_array_equal(model(indices)[0].numpy(), model(indices, model.zeros(2))[0].numpy())


@pytest.mark.parametrize(
    ("error", "said", "given"),
    [
        (DTypeError, "a text comes as numbers", "to be"),
        (DTypeError, r"are integers, not f32\[2,3\]", tl.ones((2, 3))),
        (ShapeError, r"have the shape \[2\], expected \[time, batch\]", [1, 2]),
    ],
)
def test_indices_that_are_none_say_how_to_make_them(error, said, given):
    with pytest.raises(error, match=rf"^LanguageModel: .*{said}; .*vocabulary\.encode\(text\)\[:, None\]"):
        LanguageModel(7, key=tl.random.key(0))(given)


def test_the_key_decides_the_weights():
    models = [LanguageModel(7, key=tl.random.key(k)) for k in (0, 0, 1)]
    weights = [model.output.weight.numpy() for model in models]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize("wrong", [{"cell": "transformer"}, {"hidden": 0}, {"embedding": -1}, {"layers": True}])
def test_an_architecture_that_can_not_be(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        ModelConfig(**wrong)
