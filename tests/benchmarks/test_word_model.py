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
        (sources / f"{k:02d}.rst.txt").write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["corpus", str(tmp_path / "out"), "--sources", str(sources)])
    corpus.main()
    counts = {
        part: (tmp_path / "out" / f"{part}.txt").read_text(encoding="utf-8").count(WORDS)
        for part in ("train", "valid", "test")
    }
    assert counts == {"train": 16, "valid": 2, "test": 2}
    assert "train: 208 words, 16 paragraphs" in capsys.readouterr().out


def test_without_documents_it_says_what_to_install(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["corpus", str(tmp_path / "out"), "--sources", str(tmp_path)])
    with pytest.raises(SystemExit):
        corpus.main()
    assert "apt-get install python3.11-doc" in capsys.readouterr().err


def test_a_table_of_two_logs(tmp_path, monkeypatch, capsys) -> None:
    """Lines of different length count by their updates; a look at the held-out text ends a round."""
    lines = []
    for step, loss in ((50, 8), (60, 8), (110, 2), (160, 2), (170, 8)):
        line = {"step": step, "epoch": 0, "seconds": 1.0, "loss": math.log(loss), "lr": 1 / (1 + step // 100)}
        lines.append({**line, "held_out": math.log(10)} if step in (60, 170) else line)
    peer = {"epoch": 1, "train": math.log(9), "valid": math.log(11), "seconds_per_step": 0.05}
    (tmp_path / "log").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (tmp_path / "peer").write_text(
        "\n".join(map(json.dumps, [peer, {**peer, "epoch": 2}, {"test": 1.0}])), encoding="utf-8"
    )
    monkeypatch.setattr(sys, "argv", ["table", str(tmp_path / "log"), str(tmp_path / "peer")])
    table.main()
    mean = math.exp((100 * math.log(2) + 10 * math.log(8)) / 110)
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| 1 | 1 | 8.0 | 10.0 | 9.0 | 11.0 |",
        f"| 2 | 0.5 | {mean:.1f} | 10.0 | 9.0 | 11.0 |",
    ]
