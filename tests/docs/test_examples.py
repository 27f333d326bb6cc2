"""Examples run and say what they promise."""

import runpy
import sys
from pathlib import Path

import pytest

import tinygrad_lstm as tl

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def run(name: str) -> None:
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_a_cell_of_ones_own_learns_and_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "cell.svg"
    monkeypatch.setattr(sys, "argv", ["custom_cell.py", str(picture)])
    run("custom_cell.py")
    errors = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines() if "error" in line]
    assert errors[0] > 0.2
    assert errors[-1] < 0.02
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_weights_of_pytorch_give_what_pytorch_computed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["import_pytorch.py"])
    run("import_pytorch.py")
    out = capsys.readouterr().out
    assert out.count("the same as PyTorch's: True") == 3
    assert "(9, 5) over [h, x]" in out


def test_every_backend_that_works_here_gives_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    run("switching_backends.py")
    out = capsys.readouterr().out
    usable = [status.name for status in tl.describe_backends() if status.usable]
    assert [line.partition(" on ")[0] for line in out.splitlines() if ": loss " in line] == usable
    assert out.count("True") == 3 * len(usable) + 1
    assert "False" not in out
    if "cupy" not in usable:
        assert "without a GPU use_backend('cupy') says: backend 'cupy': " in out
        assert "and x.to('cuda'): " in out
