"""Weights in files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import tinygrad_lstm as tl
from tinygrad_lstm.errors import CheckpointError, UsageError


def test_a_model_and_its_optimiser_go_through_files(tmp_path: Path) -> None:
    model = tl.nn.Sequential(tl.nn.LSTM(2, 3, bidirectional=True), tl.nn.Dropout(0.5, tl.random.key(3)))
    optimizer = tl.optim.Adam(model.parameters())
    model.layers[0](tl.ones((2, 1, 2)))[0].sum().backward()
    optimizer.step()
    for name, part in (("model", model), ("optimizer", optimizer)):
        tl.save(tmp_path / name, part)
        loaded = tl.load(tmp_path / name)
        assert set(loaded) == set(part.state_dict())
        for key, value in part.state_dict().items():
            assert loaded[key].type == value.type
            np.testing.assert_array_equal(loaded[key].numpy(), value.numpy())
        part.load_state_dict(loaded)
    assert set(load_file(tmp_path / "model")) == set(model.state_dict())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "optimizer"]


def test_all_element_types(tmp_path: Path) -> None:
    arrays = {d: np.ones((2, 0 if d == "int32" else 3)).astype(d) for d in ("float16", "bool", "int32", "uint32")}
    tl.save(tmp_path / "a", arrays | {"scalar": tl.Parameter(2.5)})
    loaded = tl.load(tmp_path / "a")
    assert {k: v.dtype.name for k, v in loaded.items()} == {k: k for k in arrays} | {"scalar": "float32"}
    assert loaded["scalar"].item() == 2.5


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tl.save(tmp_path / "a", {"x": tl.ones(2)})

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(CheckpointError, match="cannot be written: No space left"):
        tl.save(tmp_path / "a", {"x": tl.zeros(2)})
    assert tl.load(tmp_path / "a")["x"].tolist() == [1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (CheckpointError, "there is no file .*b; check its name", lambda d: tl.load(d / "b")),
        (CheckpointError, "is a folder; name the file in it", lambda d: tl.load(d)),
        (CheckpointError, "no whole safetensors file", lambda d: tl.load(d / "text")),
        (CheckpointError, "cannot be written", lambda d: tl.save(d / "no" / "a", {})),
        (CheckpointError, "cannot be", lambda d: tl.save("a\0b", {})),
        (UsageError, "a module or a dict of tensors by name, not str; the path comes first",
         lambda d: tl.save({}, "a")),
        (UsageError, "names are strings, not 1", lambda d: tl.save(d / "a", {1: tl.ones(2)})),
        (UsageError, "model is a Linear; give a flat dict", lambda d: tl.save(d / "a", {"model": tl.nn.Linear(1, 1)})),
    ],
)  # fmt: skip
def test_mistakes(error: type[Exception], message: str, call: Any, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(error, match=message):
        call(tmp_path)
