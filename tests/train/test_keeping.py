"""Several checkpoints of a run, and what is said of a damaged one."""

import pytest

from tests.faults.training import difference
from tinygrad_lstm.data import Corpus
from tinygrad_lstm.errors import CheckpointError
from tinygrad_lstm.train import LanguageModelTrainer, ModelConfig, TrainConfig
from tinygrad_lstm.train.checkpoint import read_checkpoint
from tinygrad_lstm_command import main

TEXT = Corpus("To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n" * 6, "Hamlet")


def made(steps=20):
    config = TrainConfig(steps=steps, window=4, batch=3, validate_every=2)
    return LanguageModelTrainer(TEXT, ModelConfig(hidden=5, embedding=4), config)


def kept(folder):
    return {path.name: read_checkpoint(path)[1].step for path in folder.iterdir()}


@pytest.mark.parametrize("links", [True, False])
def test_the_newest_and_the_best_stay(tmp_path, monkeypatch, links):
    if not links:

        def no_link(*_, **__):
            raise OSError("no links here")

        monkeypatch.setattr("tinygrad_lstm.train.earlier.os.link", no_link)
    trainer = made()
    losses = iter([3.0, 2.0, 1.0, *[2.5] * 7, *[2.6] * 5])
    monkeypatch.setattr(LanguageModelTrainer, "validate", lambda _: next(losses))
    trainer.run(checkpoint=tmp_path / "a.st", keep=3)
    assert kept(tmp_path) == {"a.st": 20, "a.step-18.st": 18, "a.step-16.st": 16, "a.step-6.st": 6}
    resumed = LanguageModelTrainer.resume(tmp_path / "a.st", TEXT, {"steps": 24})
    resumed.run(checkpoint=tmp_path / "a.st", keep=2)
    assert kept(tmp_path) == {"a.st": 24, "a.step-22.st": 22, "a.step-6.st": 6}
    # A new run deletes none of another one.
    made(4).run(checkpoint=tmp_path / "a.st", keep=2)
    assert kept(tmp_path) == {"a.st": 4, "a.step-2.st": 2, "a.step-22.st": 22, "a.step-6.st": 6}


def test_one_is_kept_if_nothing_is_said(tmp_path):
    made().run(checkpoint=tmp_path / "a")
    assert kept(tmp_path) == {"a": 20}


@pytest.mark.parametrize("seed", range(3))
def test_of_a_damaged_one_the_one_before_it_is_named(tmp_path, seed, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text(TEXT.text, encoding="utf-8")
    small = ["--window", "4", "--batch", "3", "--hidden", "5", "--embedding", "4", "--validate-every", "2"]
    assert main(["train", "text", *small, "--steps", "6", "--checkpoint", "a", "--keep", "3"]) == 0
    whole = (tmp_path / "a").read_bytes()
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "a").write_bytes(whole[: len(whole) * seed // 3])
    (tmp_path / "a.step-4").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"the one before it is whole: --resume a\.step-2 --checkpoint a"):
        LanguageModelTrainer.resume("a", Corpus(TEXT.text, "text"))
    assert main(["train", "text", "--resume", "a"]) == 2
    assert "--resume a.step-2 --checkpoint a" in capsys.readouterr().err
    (tmp_path / "a").unlink()
    assert main(["train", "text", "--resume", "a.step-2", "--checkpoint", "a", "--keep", "2"]) == 0
    assert difference(tmp_path / "a", tmp_path / "whole") is None
