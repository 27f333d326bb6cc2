"""What a command does with a checkpoint that a signal left at an unlucky moment."""

from pathlib import Path

from tests.train.conftest import TEXT, make
from tinygrad_lstm.data import Corpus, read_corpus
from tinygrad_lstm.train.checkpoint import read_checkpoint
from tinygrad_lstm_command import main


def test_a_run_that_ended_before_its_last_look_at_the_held_out_text_takes_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(TEXT, encoding="utf-8")
    trainer = make(read_corpus(["text"]))
    trainer.run(checkpoint="whole")
    assert isinstance(trainer.corpus, Corpus)
    assert trainer.validations[-1][0] == trainer.at
    trainer.validations.pop()
    trainer.save("a")
    assert main(["train", "text", "--checkpoint", "a", "--resume"]) == 0
    (_, resumed), (_, whole) = read_checkpoint("a"), read_checkpoint("whole")
    assert resumed.validations == whole.validations
