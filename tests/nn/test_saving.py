"""Weights in files."""

import re
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
    (tmp_path / "text").write_text("no weights", encoding="utf-8")
    with pytest.raises(error, match=message):
        call(tmp_path)


@pytest.mark.parametrize(("name", "other"), [("m.pt", "PyTorch"), ("m.PTH", "PyTorch"), ("a.b.npz", "NumPy")])
def test_a_name_of_another_format_is_kept_with_a_warning(tmp_path: Path, name: str, other: str) -> None:
    path = tmp_path / name
    better = str(path.with_suffix(".safetensors"))
    message = (
        f"safetensors file, but {str(path)!r} ends as files of {other} do, which will not read it; name it {better!r}"
    )
    with pytest.warns(UserWarning, match=re.escape(message)) as caught:
        tl.save(path, {"x": tl.ones(2)})
    (warning,) = caught
    assert warning.filename == __file__
    np.testing.assert_array_equal(tl.load(path)["x"].numpy(), np.ones(2))


def test_names_of_any_other_kind_are_not_warned_of(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    for name in ("m", "m.safetensors", "m.bin", "run.3", "m.pt.safetensors", ".pt"):
        tl.save(str(tmp_path / name), {"x": tl.ones(2)})
    assert not recwarn.list


@pytest.mark.parametrize("content", [b"PK\x03\x04 a ZIP archive", b"\x80\x02}q\x00."])
def test_a_file_of_pytorch_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"m.pt is a file of PyTorch, .* tl.nn.from_pytorch.module, torch.load"):
        tl.load(path)
    path.write_bytes(b"neither")
    with pytest.raises(CheckpointError, match="is no whole safetensors file"):
        tl.load(path)
