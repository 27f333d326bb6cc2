"""The examples of dates, sunspots, names, music and a sweep: what their data promise, and a quick run of each."""

import re
import runpy
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

SHRUNK = {
    "dates": {"HELD_OUT": 10},
    "sunspots": {},
    "languages": {},
    "chorales": {"COUNTS": (6, 3, 3)},
    "sweep": {"UNITS": (2, 3), "RATES": (0.01,)},
}
"""Constants of the examples that a quick run makes smaller."""


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    def load(name: str) -> dict[str, Any]:
        example = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name=name)
        for constant, value in SHRUNK[name].items():
            assert constant in example
            monkeypatch.setitem(example["main"].__globals__, constant, value)
        return example

    return load


@pytest.mark.parametrize(
    ("name", "options", "pictures", "rows"),
    [
        ("dates", ["--steps", "2"], ["dates_attention.svg"], 13),
        ("sunspots", ["--steps", "2", "--networks", "1"], ["sunspots.svg"], 5),
        ("languages", ["--steps", "2"], ["languages.svg"], 3),
        ("chorales", ["--steps", "2"], ["chorales.svg", "chorale.mid"], 3),
    ],
)
def test_an_example_trains_measures_and_draws(
    name: str,
    options: list[str],
    pictures: list[str],
    rows: int,
    tmp_path: Path,
    loaded: Callable[[str], dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "page.md"
    loaded(name)["main"]([*options, "--out", str(tmp_path / "out"), "--page", str(page)])
    table = re.findall(r"^\|.*\|$", capsys.readouterr().out, re.MULTILINE)
    assert len(table) == 2 + rows
    assert "nan" not in "".join(table)
    assert "\n".join(table) in page.read_text(encoding="utf-8")
    assert f"python examples/{name}.py " in page.read_text(encoding="utf-8")
    for picture in pictures:
        assert (tmp_path / "out" / picture).read_bytes()[:4] in (b"<?xm", b"MThd")


def test_music_of_the_user_is_read(
    tmp_path: Path, loaded: Callable[[str], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "music.json"
    path.write_text('{"train": [[[60, 64], [62]]], "valid": [[[60]]], "test": [[[60], [62], []]]}', encoding="utf-8")
    loaded("chorales")["main"](["--steps", "2", "--file", str(path)])
    assert "| LSTM " in capsys.readouterr().out


@pytest.mark.parametrize("pool", ["joblib", pytest.param("dask", marks=pytest.mark.slow)])
def test_a_pool_of_processes_runs_the_jobs_of_a_sweep(
    pool: str, loaded: Callable[[str], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    loaded("sweep")["main"](["--pool", pool, "--limit", "20", "--trials", "1"])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()]
    assert [row[0].strip() for row in rows[2:]] == ["2", "3"]
    assert {cell.strip() for row in rows[2:] for cell in row[1:]} == {"0 of 1"}


READ_BACK = {
    "{d} {month} {y}": "%d %B %Y",
    "{month} {d}, {y}": "%B %d, %Y",
    "{dow} {d:02}-{MON}-{y}": "%a %d-%b-%Y",
    "{m:02}/{d:02}/{y}": "%m/%d/%Y",
    "{m}/{d}/{y}": "%m/%d/%Y",
    "{d}.{m}.{y}": "%d.%m.%Y",
}


def test_dates_are_written_as_they_are_read(loaded: Callable[[str], dict[str, Any]]) -> None:
    example = loaded("dates")
    random = np.random.default_rng(0)
    for day in map(date.fromordinal, random.integers(example["FIRST"], example["LAST"], 300).tolist()):
        for form in example["FORMS"]:
            text = example["written_out"](day, form)
            assert len(text) <= example["LONGEST"]
            assert set(text) <= set(example["READ"])
            if form in READ_BACK:
                assert datetime.strptime(text, READ_BACK[form]).date() == day
    endings = {n: example["written_out"](date(2001, 1, n), "{d}{th}")[-2:] for n in range(1, 32)}
    assert {n for n, ending in endings.items() if ending == "st"} == {1, 21, 31}
    assert {n for n, ending in endings.items() if ending == "nd"} == {2, 22}
    assert {n for n, ending in endings.items() if ending == "rd"} == {3, 23}


@pytest.mark.slow
def test_attention_learns_to_write_dates(loaded: Callable[[str], dict[str, Any]]) -> None:
    example = loaded("dates")
    model = example["Normaliser"](example["tl"].random.key(0))
    assert example["train"](model, 0, 500, np.arange(example["FIRST"], example["LAST"])) < 0.05


def test_the_autoregression_is_exact_where_a_series_is_one(loaded: Callable[[str], dict[str, Any]]) -> None:
    example, series = loaded("sunspots"), [1.0, 3.0]
    while len(series) < 60:
        series.append(2 + 1.6 * series[-1] - 0.9 * series[-2])
    numbers = np.array(series)
    found = example["autoregression"](numbers, 40)
    assert np.allclose(found[20:-1], numbers[21:])
    assert np.allclose(example["ahead"](lambda known: known + 1, np.array([5.0]), 3), [6, 7, 8])


def test_no_name_of_the_test_is_known(loaded: Callable[[str], dict[str, Any]]) -> None:
    example = loaded("languages")
    known, asked = example["names_of"](0)
    assert not set(known.texts) & set(asked.texts)
    assert len(known.texts) > 3 * len(asked.texts) > 3000
    assert set(known.spoken) == set(asked.spoken) == set(range(len(example["LANGUAGES"])))
    easy = type(known)(["aaaa", "aaab", "bbbb"], np.array([0, 0, 1]))
    assert example["naive_bayes"](easy, type(known)(["aab", "bbbbb"], np.zeros(2, int))).tolist() == [0, 1]


def test_music_made_by_rules_keeps_to_them(loaded: Callable[[str], dict[str, Any]]) -> None:
    example = loaded("chorales")
    for piece in example["made_by_rules"](1).train:
        chords = [np.flatnonzero(frame) + 21 for frame in piece]
        assert {len(chord) for chord in chords} == {4}
        assert (piece[:9] == piece[9:18]).all()
        assert (piece[18:27] == piece[27:]).all()
        key = chords[-1][0] % 12
        assert {int(pitch - key) % 12 for chord in chords for pitch in chord} <= set(example["SCALE"])
        for chord in chords:
            assert all(low <= pitch <= high for pitch, (low, high) in zip(chord, example["RANGES"], strict=True))
