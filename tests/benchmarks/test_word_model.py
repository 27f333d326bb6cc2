"""The texts of the word model that is trained here and in PyTorch."""

import json
import math
import sys

import pytest

from benchmarks.word_model import corpus, table

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


def test_a_table_of_two_logs(tmp_path, monkeypatch, capsys) -> None:
    """The time of an update is that of lines without the compiler, and without a look at the held-out text."""
    lines, seconds = [], 0.0
    for epoch in (1, 2):
        for k in range(1, 6):
            step = 50 * (k + 5 * (epoch - 1))
            seconds += {1: 9.0 if epoch == 1 else 2.0, 5: 30.0}.get(k, 2.0)
            line = {"step": step, "epoch": epoch - (k < 5), "seconds": seconds, "loss": math.log(8 / epoch)}
            line["lr"] = 1 / epoch
            lines.append({**line, "held_out": math.log(10 / epoch)} if k == 5 else line)
    peer = {"epoch": 1, "train": math.log(9), "valid": math.log(11), "seconds_per_step": 0.05}
    (tmp_path / "log").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "peer").write_text("\n".join(map(json.dumps, [peer, {**peer, "epoch": 2}, {"test": 1.0}])))
    monkeypatch.setattr(sys, "argv", ["table", str(tmp_path / "log"), str(tmp_path / "peer")])
    table.main()
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| 1 | 1 | 8.0 | 10.0 | 9.0 | 11.0 | 40 | 50 |",
        "| 2 | 0.5 | 4.0 | 5.0 | 9.0 | 11.0 | 40 | 50 |",
    ]
