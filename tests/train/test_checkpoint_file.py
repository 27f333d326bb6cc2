"""A run saves whatever happens to its file and its folder, and replaces no file of another program."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.train.conftest import TEXT, make
from tinygrad_lstm.data import Corpus
from tinygrad_lstm.errors import CheckpointError, EvaluationError
from tinygrad_lstm.train import LanguageModelTrainer
from tinygrad_lstm_command.signals import ending

CORPUS = Corpus(TEXT, "Hamlet")


def at_step(step: int, act: Any) -> Any:
    def report(trainer: LanguageModelTrainer) -> None:
        if trainer.at == step and trainer.saved_at != step:
            act()

    return report


def same_weights(path: str | Path) -> bool:
    """Whether the run that saved to ``path`` ended as an undisturbed one."""
    whole, saved = make(CORPUS), LanguageModelTrainer.resume(path, CORPUS)
    whole.run()
    return saved.at == whole.at and all(
        value.numpy().tobytes() == saved.model.state_dict()[name].numpy().tobytes()
        for name, value in whole.model.state_dict().items()
    )


def test_a_checkpoint_that_was_deleted_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    make(CORPUS).run(at_step(13, path.unlink), path)
    assert same_weights(path)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_run_whose_folder_goes_away_saves_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deleted: bool
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path, trainer = tmp_path / "runs" / "a", make(CORPUS)

    def act() -> None:
        path.parent.rename(tmp_path / "renamed")
        if deleted:
            (tmp_path / "renamed" / "a").unlink()
            (tmp_path / "renamed").rmdir()

    with pytest.warns(UserWarning, match=r"the folder of .*runs/a is gone; this run saves in .*here/a from here on"):
        trainer.run(at_step(13, act), path)
    assert trainer.saved_to == str(tmp_path / "here" / "a")
    assert same_weights(trainer.saved_to)
    assert sorted(os.listdir(tmp_path)) == sorted(["here", *(["renamed"] if not deleted else [])])


def test_a_file_in_the_working_directory_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("of another program", encoding="utf-8")
    trainer = make(CORPUS)
    with pytest.warns(UserWarning, match="is gone"):
        trainer.run(at_step(13, lambda: os.rename("runs", "renamed")), "runs/a")
    assert Path("a").read_text(encoding="utf-8") == "of another program"
    assert trainer.saved_to == str(tmp_path / f"a.{os.getpid()}")
    assert same_weights(trainer.saved_to)


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("runs", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "runs")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    def act() -> None:
        (tmp_path / "runs" / "a").unlink()
        (tmp_path / "runs").rmdir()

    with pytest.warns(UserWarning, match="is gone"):
        make(CORPUS).run(at_step(13, act), "a")
    os.chdir(tmp_path)
    assert same_weights(tmp_path / "temporary" / "a")


def test_a_relative_path_follows_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path / "runs")
    make(CORPUS).run(at_step(13, lambda: (tmp_path / "runs").rename(tmp_path / "renamed")), "a")
    assert same_weights(tmp_path / "renamed" / "a")


def test_a_file_that_another_program_wrote_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def act() -> None:
        path.unlink()
        path.write_text("of another program", encoding="utf-8")

    with pytest.raises(CheckpointError, match=r"another program has written .* its step 16 is in .*/a\.\d+$"):
        make(CORPUS).run(at_step(13, act), path)
    assert path.read_text(encoding="utf-8") == "of another program"
    assert LanguageModelTrainer.resume(f"{path}.{os.getpid()}", CORPUS).at == 16


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single process")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("place", ["os.replace", "os.stat", "os.fsync"])
def test_a_signal_while_a_file_is_saved_waits_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    """Whichever call of the save the signal comes behind."""
    number, act, sent = getattr(signal, name), getattr(os, place.removeprefix("os.")), []
    trainer = make(CORPUS)

    def after(*args: Any, **kwargs: Any) -> Any:
        result = act(*args, **kwargs)
        if trainer.at == 8 and ("a" in os.listdir(tmp_path)) is (place != "os.fsync") and not sent:
            sent.append(number)
            os.kill(os.getpid(), number)
        return result

    monkeypatch.setattr(place, after)
    with ending(), pytest.raises(KeyboardInterrupt) as ended:
        trainer.run(checkpoint=tmp_path / "a")
    monkeypatch.undo()
    assert sent == [number]
    assert getattr(ended.value, "status", 130) == 128 + number
    resumed = LanguageModelTrainer.resume(tmp_path / "a", CORPUS)
    assert resumed.at == 8
    resumed.run(checkpoint=tmp_path / "a")
    assert same_weights(tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]


def test_a_held_out_loss_that_is_no_number_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make(CORPUS)
    monkeypatch.setattr(trainer, "_score", lambda *_: (float("inf"), trainer.model.zeros(5)))
    with pytest.raises(EvaluationError, match="the loss over the held-out text at step 8 is inf; take a smaller lr"):
        trainer.run(checkpoint=tmp_path / "a")
    assert not os.listdir(tmp_path)


def test_the_command_says_where_it_saves(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "text").write_text(TEXT, encoding="utf-8")
    program = (
        "import os, sys\n"
        "from tinygrad_lstm.train import LanguageModelTrainer\n"
        "from tinygrad_lstm_command import main\n"
        "step = LanguageModelTrainer.step\n"
        "def stepped(self):\n"
        "    if self.at == 13: os.rename('runs', 'renamed')\n"
        "    return step(self)\n"
        "LanguageModelTrainer.step = stepped\n"
        "sys.exit(main('train text --hidden 6 --embedding 5 --window 8 --batch 5 --validate-every 8 --steps 20 "
        "--checkpoint runs/a'.split()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "warning" in line]
    assert told == [
        f"tinygrad-lstm: warning: the folder of runs/a is gone; this run saves in {tmp_path}/a from here on"
    ]
    assert f"saved in {tmp_path}/a; write with it: tinygrad-lstm sample {tmp_path}/a\n" in done.stdout
    assert LanguageModelTrainer.resume(tmp_path / "a", Corpus(TEXT, "text")).at == 20
