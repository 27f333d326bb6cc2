"""The page "Coming from PyTorch, NumPy, JAX": each line that it says to write is run."""

import re
from pathlib import Path

import pytest

import tinygrad_lstm as tl
from tests.docs.test_documents import blocks, run

PAGE = Path(__file__).parent.parent.parent / "docs" / "coming-from.md"
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]
LINES = [code for row in ROWS for code in re.findall(r"`([^`]+)`", row[1])]


@pytest.fixture
def names() -> dict[str, object]:
    found: dict[str, object] = {}
    for block in blocks(PAGE):
        run(block, found)
    return found


def test_the_tables_have_three_columns_and_something_to_write() -> None:
    assert len(ROWS) >= 70
    assert all(len(row) == 3 and re.search(r"`[^`]+`", row[1]) for row in ROWS)


@pytest.mark.parametrize("line", list(dict.fromkeys(LINES)))
def test_it_runs(line: str, names: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if "tl.load" in line:
        tl.save("m.safetensors", names["model"])  # type: ignore[arg-type]
    exec(compile(line, "<page>", "exec"), names)


def test_what_differs_does() -> None:
    x = tl.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert tl.tile(x, (2, 1)).shape == (4, 3)
    assert x.repeat(2, axis=1).tolist()[0] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    assert x.std(ddof=1).item() == pytest.approx(3.5**0.5)
    assert [part.shape for part in tl.split(x, 2)] == [(1, 3), (1, 3)]
    assert tl.tensor([1.0]).dtype == "float32"
    assert tl.nn.Linear(3, 2).weight.shape == (3, 2)
    assert tl.nn.LSTM(3, 4).cells[0].forget.bias.tolist() == [1.0] * 4
