"""The driver of the benchmarks, on problems of a few numbers; no time is judged."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import report, run
from benchmarks.processes import GoneError, Process

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers are stopped by signals that Windows does not have")


def test_ours_is_timed_beside_the_yardstick_in_every_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "WORDS", (3, 2, 7, 4))
    numbers, page = tmp_path / "new" / "b.json", tmp_path / "b.md"
    systems = "ours-interpreter,hand"
    line = ["--systems", systems, "--shapes", "3,2,4,5", "--rounds", "2", "--seconds", "0.001", "--threads", "1"]
    assert run.main([*line, "--json", str(numbers), "--markdown", str(page)]) == 0
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert [case["mode"] for case in found["cases"]] == ["training", "inference", "words"]
    assert found["machine"]["threads of each system"] == 1
    for case in found["cases"]:
        ours = case["systems"]["ours-interpreter"]
        assert len(ours["rounds"]) == 2
        assert 0 <= ours["error"] < 1e-5
        assert ours["peak"] > 2**20
        assert ours["steps"] >= 2
        assert min(ours["prepare"], ours["first"], *ours["rounds"]) > 0
    by_hand = [case["systems"].get("hand", {}) for case in found["cases"]]
    assert by_hand[2] == {}  # it has no word model
    if shutil.which("cc"):
        assert all("missing" in entry or entry["error"] < 1e-5 for entry in by_hand[:2])
    text = page.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Training", "## Inference", "## Words"]
    assert text.count("| `ours-interpreter` |") == 9
    assert "training (3, 2, 4, 5)" in capsys.readouterr().out


def entry(*rounds: float) -> dict[str, Any]:
    return {"rounds": list(rounds), "prepare": 0.5, "first": 0.25, "start": 2**20, "peak": 3 * 2**20, "error": 0}


def test_ratios_are_those_of_neighbours() -> None:
    systems = {
        "torch": entry(1.0, 4.0, 4.0),
        "hand": entry(1.0, 2.0, 4.0),
        "jax": {"failed": "XlaError"},
    }
    case = {"mode": "training", "shape": [1, 2, 3, 4], "systems": systems}
    assert report.milliseconds(case, "torch") == 4000
    assert report.ratio(case, "torch", "hand") == 1.0  # of 1, 2 and 1, while the medians are as 2 to 1
    assert report.ratio(case, "jax", "hand") is None
    page = report.markdown({"machine": {"processor": "abacus"}, "references": ["hand"], "cases": [case, case]})
    assert "| `torch` | 4000 (1.00) | 4000 (1.00) | 1.00 |" in page
    assert "| `jax` | failed | failed |  |" in page
    assert "| `torch` | 3 (2) | 3 (2) |" in page
    assert "- processor: abacus" in page
    assert "failed: XlaError" in report.summary(case, ["hand"])


def test_the_reference_is_the_first_that_has_the_mode() -> None:
    assert report.reference_of("training", ["hand", "torch"]) == "hand"
    assert report.reference_of("words", ["hand", "torch"]) == "torch"
    assert report.reference_of("words", ["hand"]) == ""


def test_what_is_wrong_is_found() -> None:
    expected = {"loss": np.float64(4), "W": np.array([1.0, -10.0])}
    assert run.error(expected, expected) == 0
    assert run.error({**expected, "W": np.array([2.0, -10.0])}, expected) == pytest.approx(0.1)
    assert run.error({**expected, "W": np.array([np.nan, -10.0])}, expected) == np.inf
    assert run.error({**expected, "W": np.array([1.0])}, expected) == np.inf
    assert run.error({"loss": np.float64(4)}, expected) == np.inf


def test_a_system_that_computes_something_else_is_not_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "TOLERANCE", -1.0)
    line = ["--systems", "ours-interpreter", "--shapes", "1,1,1,1", "--modes", "inference", "--rounds", "1"]
    assert run.main(line) == 1
    assert "wrong: differs by " in capsys.readouterr().out


def test_a_worker_says_in_a_line_why_it_can_not(tmp_path: Path) -> None:
    process = Process("abacus", "training", (1, 1, 1, 1), 1, tmp_path / "r.npz", limit=60)
    with pytest.raises(GoneError, match=r"^KeyError: 'abacus'$") as gone:
        process.answer()
    assert gone.value.why == "failed"
    slow = Process("ours-interpreter", "training", (1, 1, 1, 1), 1, tmp_path / "r.npz", limit=0)
    with pytest.raises(GoneError, match="no answer within 0 s") as gone:
        slow.answer()
    assert gone.value.why == "slow"


def test_ctrl_c_writes_what_was_measured_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(mode: str, shape: Any, *_: Any) -> dict[str, Any]:
        if mode == "inference":
            raise KeyboardInterrupt
        return {"mode": mode, "shape": list(shape), "systems": {"hand": entry(1.0)}}

    monkeypatch.setattr(run, "measure", measure)
    numbers = tmp_path / "b.json"
    assert run.main(["--systems", "hand", "--shapes", "1,1,1,1", "--json", str(numbers)]) == 130
    assert [case["mode"] for case in json.loads(numbers.read_text(encoding="utf-8"))["cases"]] == ["training"]


def test_without_a_reference_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*_: Any) -> dict[str, Any]:
        raise GoneError("failed", "MemoryError")

    monkeypatch.setattr(run, "measure", measure)
    assert run.main(["--systems", "hand"]) == 2
    assert "the interpreter says MemoryError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--systems", "torch,abacus"], "'abacus' is no system; there are ours-interpreter, "),
        (["--modes", "growth"], "'growth' is no mode; there are training, inference, words"),
        (["--shapes", "1,2,3"], "'1,2,3' is neither T,B,I,H nor one of six, lengths, widths"),
        (["--rounds", "0"], "an integer of at least 1 is wanted, not '0'"),
    ],
)
def test_a_slip_in_the_options_is_told(option: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(option)
    assert said in capsys.readouterr().err


def test_a_peer_that_is_not_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def version(name: str) -> str:
        raise run.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(run.metadata, "version", version)
    assert not run._installed("mygrad")
    assert capsys.readouterr().err == "mygrad: mygrad is not installed; pip install -e .[bench] has the peers\n"
