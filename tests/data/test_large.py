"""Texts that are read in pieces: the same numbers as those of texts in memory."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lstm.data import LargeCorpus, large, read_corpus, reading, token_file
from tinygrad_lstm.data.text import Texts
from tinygrad_lstm.errors import CheckpointError, DataError, UsageError
from tinygrad_lstm.train import LanguageModelTrainer, ModelConfig, TextConfig, TrainConfig, evaluate_text
from tinygrad_lstm_command import main

WORDS = st.lists(st.sampled_from(["a", "b", "rose", "größe", "漢字", "<unk>", "😀"]), min_size=3)
BLANKS = st.lists(st.sampled_from([" ", "\n", "  ", "\t", "\r\n", ""]), min_size=40, max_size=40)
TEXTS = st.builds(lambda words, blanks: "".join(w + b for w, b in zip(words, blanks, strict=False)), WORDS, BLANKS)
READINGS = st.one_of(
    st.just(TextConfig()),
    st.builds(lambda n, k: TextConfig("word", n, k), st.one_of(st.none(), st.integers(3, 6)), st.integers(1, 2)),
)
HAMLET = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n" * 6


def of(texts: Texts) -> list[object]:
    """All of the texts, to be compared."""
    tokens = [None if t is None else np.asarray(t).tolist() for t in (texts.training, texts.held_out, texts.test)]
    return [texts.vocabulary, *tokens, texts.test_words, texts.sha256]


def small_pieces(patch: pytest.MonkeyPatch, piece: int = 7, block: int = 16) -> None:
    patch.setattr(reading, "_PIECE", piece)
    patch.setattr(token_file, "_BLOCK", block)
    patch.setattr(token_file, "_RELEASED", 3 * block)


@settings(max_examples=40)
@given(parts=st.lists(TEXTS, min_size=1, max_size=3), read=READINGS, piece=st.integers(1, 30), held=st.booleans())
def test_pieces_give_what_the_whole_gives(parts: list[str], read: TextConfig, piece: int, held: bool) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        small_pieces(patch, piece)
        paths = [Path(folder, str(k)) for k in range(len(parts))]
        for path, text in zip(paths, parts, strict=True):
            path.write_text(text, encoding="utf-8-sig", newline="")
        valid, test = (paths[0], paths[0]) if held else (None, None)
        whole, tokens = read_corpus(paths, valid, test), Path(folder, "tokens")
        corpus = LargeCorpus(paths, valid, test, tokens=tokens)
        assert corpus.sha256 == whole.sha256
        expected = of(whole.texts(read))
        assert of(corpus.texts(read)) == expected
        assert corpus.characters == whole.characters
        # The file alone says the same, and it is not read again.
        patch.setattr(large, "text_pieces", None)
        for again in (LargeCorpus(paths, valid, test, tokens=tokens), LargeCorpus([], tokens=tokens)):
            assert of(again.texts(read)) == expected
            assert again.sha256 == whole.sha256


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYGRAD_LSTM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "text").write_text(HAMLET, encoding="utf-8")
    return tmp_path / "text"


@pytest.mark.parametrize("read", [TextConfig(), TextConfig("word")])
def test_training_has_the_same_bits(text: Path, read: TextConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pieces(monkeypatch)
    config = TrainConfig(steps=20, window=4, batch=3, validate_every=10)

    def trained(corpus: object) -> LanguageModelTrainer:
        trainer = LanguageModelTrainer(corpus, ModelConfig(hidden=5, embedding=4), config, read)
        trainer.run()
        return trainer

    whole, parts = trained(read_corpus([text], test=text)), trained(LargeCorpus([text], test=text))
    assert whole.losses == parts.losses
    assert whole.validations == parts.validations
    assert whole.test() == parts.test() == whole.evaluate(HAMLET)


def test_training_goes_on_bit_for_bit(text: Path) -> None:
    model, config = ModelConfig(hidden=5, embedding=4), TrainConfig(steps=20, window=4, batch=3)
    whole = LanguageModelTrainer(LargeCorpus([text]), model, config)
    whole.run()
    LanguageModelTrainer(LargeCorpus([text]), model, TrainConfig(steps=11, window=4, batch=3)).run(
        checkpoint=text.with_name("a")
    )
    resumed = LanguageModelTrainer.resume(text.with_name("a"), LargeCorpus([text]), {"steps": 20})
    resumed.run()
    assert resumed.losses == whole.losses
    text.write_text(HAMLET + "!", encoding="utf-8")
    with pytest.raises(CheckpointError, match="trained on another text"):
        LanguageModelTrainer.resume(text.with_name("a"), LargeCorpus([text]))


def test_a_text_that_has_changed_is_read_again(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = LargeCorpus([text])
    before, files = of(corpus.texts(TextConfig())), list((text.parent / "cache").iterdir())
    assert [large.TOKENS.fullmatch(path.name) is not None for path in files] == [True]
    assert main(["cache"]) == 0
    assert "1 file of tokens, " in capsys.readouterr().out
    text.write_text(HAMLET + "§", encoding="utf-8")
    assert of(LargeCorpus([text]).texts(TextConfig())) != before
    assert list((text.parent / "cache").iterdir()) == files
    assert main(["cache", "--clear"]) == 0
    assert list((text.parent / "cache").iterdir()) == []


@settings(max_examples=40)
@given(where=st.floats(0, 0.9999), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_file_is_told_or_is_not_read(where: float, bit: int, cut: bool) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        small_pieces(patch)
        path, tokens = Path(folder, "text"), Path(folder, "tokens")
        path.write_text(HAMLET, encoding="utf-8")
        expected = of(LargeCorpus([path], tokens=tokens).texts(TextConfig("word")))
        content = bytearray(tokens.read_bytes())
        at = int(where * len(content))
        content[at] ^= 1 << bit
        tokens.write_bytes(bytes(content[:at] if cut else content))
        try:
            found = of(LargeCorpus([], tokens=tokens).texts(TextConfig("word")))
        except (DataError, UsageError):
            return
        assert found == expected


def test_files_that_are_none(text: Path) -> None:
    folder = text.parent
    (folder / "other").write_text("a b\n" * 9, encoding="utf-8")
    LargeCorpus([folder / "other"], tokens=folder / "tokens").texts(TextConfig())
    with pytest.raises(DataError, match="holds the tokens of another text"):
        LargeCorpus([text], tokens=folder / "tokens").texts(TextConfig())
    with pytest.raises(DataError, match="is no whole file of tokens"):
        LargeCorpus([text], tokens=text).texts(TextConfig())
    with pytest.raises(UsageError, match=r"holds char tokens .* give --level char"):
        LargeCorpus([], tokens=folder / "tokens").texts(TextConfig("word"))
    with pytest.raises(DataError, match="there is no file"):
        LargeCorpus([folder / "nothing"])
    with pytest.raises(DataError, match="is a folder"):
        LargeCorpus([folder])
    with pytest.raises(UsageError, match="a text to train on is wanted"):
        LargeCorpus([])
    with pytest.raises(DataError, match=r"cannot be written.*--tokens"):
        LargeCorpus([text], tokens=folder / "nowhere" / "tokens").texts(TextConfig())


@pytest.mark.parametrize("level", ["char", "word"])
def test_a_large_text_is_evaluated(text: Path, level: str) -> None:
    model, config = ModelConfig(hidden=5, embedding=4), TrainConfig(1, window=4, batch=3)
    trainer = LanguageModelTrainer(LargeCorpus([text]), model, config, TextConfig(level))
    tokens, words = large.tokens_of(text, trainer.vocabulary, text.with_name("tokens"))
    assert np.asarray(tokens).tolist() == trainer.vocabulary.encode(HAMLET).tolist()
    assert words == evaluate_text(trainer.model, trainer.vocabulary, HAMLET).words


def test_the_command_reads_a_large_text_in_pieces(
    text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(text.parent)
    small = ["--steps", "4", "--hidden", "5", "--embedding", "4", "--window", "8", "--batch", "4", "--test", "text"]

    def said(*words: str) -> tuple[list[str], str]:
        assert main(["train", "text", *small, "--checkpoint", words[0], *words[1:]]) == 0
        assert main(["evaluate", words[0], "text"]) == 0
        out, err = capsys.readouterr()
        return [line for line in out.splitlines() if "saved in" not in line and "load_model" not in line], err

    whole, err = said("a")
    assert "piece by piece" not in err
    monkeypatch.setattr(large, "LARGE", 100)
    parts, err = said("b")
    assert parts == whole
    assert err.count("counting: a large text is read piece by piece") == 2
    monkeypatch.undo()
    monkeypatch.chdir(text.parent)
    small[:0] = ["--tokens", "tokens"]
    assert said("c")[0] == whole
    assert main(["train", "--tokens", "tokens", *small[2:-2], "--checkpoint", "d"]) == 0
    assert "text: tokens" in capsys.readouterr().out
