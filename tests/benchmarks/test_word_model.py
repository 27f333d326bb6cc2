"""The texts of the word model that is trained here and in PyTorch."""

import sys

import pytest

from benchmarks.word_model import corpus

PAGE = """A title
=======

The :class:`list` has 3 methods of its own; see ``sort``.

>>> [2, 1].sort()

.. note:: The words behind a mark of a line are left out, all of them.

Too short.
"""
WORDS = "the list has N methods of its own ; see sort ."


def test_prose_becomes_words() -> None:
    assert [" ".join(words) for words in corpus.paragraphs(PAGE)] == [WORDS]


def test_documents_are_divided(tmp_path, monkeypatch, capsys) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    for k in range(20):
        (sources / f"{k:02d}.rst.txt").write_text(PAGE)
    monkeypatch.setattr(sys, "argv", ["corpus", str(tmp_path / "out"), "--sources", str(sources)])
    corpus.main()
    counts = {part: (tmp_path / "out" / f"{part}.txt").read_text().count(WORDS) for part in ("train", "valid", "test")}
    assert counts == {"train": 16, "valid": 2, "test": 2}
    assert "train: 208 words, 16 paragraphs" in capsys.readouterr().out


def test_without_documents_it_says_what_to_install(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["corpus", str(tmp_path / "out"), "--sources", str(tmp_path)])
    with pytest.raises(SystemExit):
        corpus.main()
    assert "apt-get install python3.11-doc" in capsys.readouterr().err
