"""Examples run and say what they promise."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
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


def agrees(words: list[str], nouns: dict[str, int], verbs: dict[str, int]) -> bool:
    """Whether a sentence ends with the verb of its subject, each inner verb belonging to the last open "that"."""
    open_ones = [nouns[words[1]]]
    for k, word in enumerate(words[2:], start=2):
        if word in nouns and words[k - 2] == "that":
            open_ones.append(nouns[word])
        elif word in verbs and open_ones.pop() != verbs[word]:
            return False
    return open_ones == []


def test_the_sentences_of_the_language_model_agree() -> None:
    example = runpy.run_path(str(EXAMPLES / "subject_verb.py"))
    nouns = {word: number for pair in example["NOUNS"] for number, word in enumerate(pair)}
    verbs = {word: number for pair in (*example["OUTER"], *example["INNER"]) for number, word in enumerate(pair)}
    random = np.random.default_rng(0)
    sentences = [example["sentence"](random) for _ in range(200)]
    assert {sum(word in nouns for word in words) for words in sentences} == {1, 2, 3, 4, 5, 6, 7}
    assert all(agrees(words, nouns, verbs) for words in sentences)
    broken = ["the", "dogs", "that", "the", "cat", "see", "bark", "."]
    assert not agrees(broken, nouns, verbs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_language_model_begins_to_learn_the_number_of_the_subject(kind: str) -> None:
    example = runpy.run_path(str(EXAMPLES / "subject_verb.py"))
    model, loss = example["train"](kind, seed=0, steps=200)
    assert loss < 1.5  # nats a word; guessing costs log 24 = 3.2
    assert example["accuracy"](model, attractors=0, sentences=50) > 0.9


def test_the_language_model_is_asked_counted_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["subject_verb.py", "--steps", "3", "--out", str(tmp_path)])
    run("subject_verb.py")
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if "parameters" in line] == ["RNN:", "GRU:", "LSTM:"]
    assert "of the cell state shows the number of the subject best" in out
    for name in ("subject_verb_unit.svg", "subject_verb_gradient.svg"):
        assert "<svg" in (tmp_path / name).read_text(encoding="utf-8")


def test_the_unit_is_found_that_tells_the_number_best(monkeypatch: pytest.MonkeyPatch) -> None:
    example = runpy.run_path(str(EXAMPLES / "subject_verb.py"))

    def along(model: object, rows: list[list[str]]) -> dict[str, np.ndarray]:
        """Unit 5 is low for plural subjects, unit 2 wrong at a quarter of the words, the others are noise."""
        values = np.random.default_rng(0).normal(size=(len(rows[0]), len(rows), 8))
        plural = np.array([row[1] == "dogs" for row in rows])
        values[:, :, 5] = np.where(plural, 1.5, 2.5) + 0.1 * values[:, :, 5]
        values[:, :, 2] = plural ^ (np.arange(values[:, :, 2].size).reshape(values.shape[:2]) % 4 == 0)
        return {"cell": values}

    monkeypatch.setitem(example["number_unit"].__globals__, "along", along)
    assert example["number_unit"](None) == (5, pytest.approx(1.0))


def test_examples_take_the_backend_of_the_session() -> None:
    """None but the one that switches names a backend, unless it is asked for."""
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "switching_backends.py":
            assert not re.search(r"(use|set)_backend\(\"", text), path
            assert 'default="numpy"' not in text, path


def test_the_environment_chooses_the_backend_of_an_example() -> None:
    given = {**os.environ, "TINYGRAD_LSTM_BACKEND": "abacus"}
    done = subprocess.run(
        [sys.executable, EXAMPLES / "autodiff_basics.py"], env=given, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode
    assert "the environment variable TINYGRAD_LSTM_BACKEND is 'abacus'" in done.stderr
