"""Piano rolls: any music comes back from both forms of files, from MIDI too, and damaged files are named."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tinygrad_lstm as tl
from tinygrad_lstm.data.piano_rolls import KEYS, LOWEST

ROLLS = st.integers(1, 6).flatmap(lambda frames: arrays(bool, (frames, KEYS)))
MUSIC = st.tuples(*[st.lists(ROLLS, min_size=1, max_size=2)] * 3)
SPLITS = ("train", "valid", "test")


def frames_of(roll: np.ndarray) -> list[list[int]]:
    return [(LOWEST + np.flatnonzero(frame)).tolist() for frame in roll]


def in_voices(roll: np.ndarray) -> np.ndarray:
    """Pitches ``(frames, voices)``, silent ones nan."""
    frames = frames_of(roll)
    voices = np.full((len(frames), 1 + max(map(len, frames))), np.nan)
    for voice, frame in zip(voices, frames, strict=True):
        voice[: len(frame)] = frame
    return voices


@given(MUSIC)
@settings(max_examples=20)
def test_any_music_is_read_from_both_forms(tmp_path_factory, music):
    folder = tmp_path_factory.mktemp("music")
    texts = {name: [frames_of(roll) for roll in rolls] for name, rolls in zip(SPLITS, music, strict=True)}
    (folder / "m.json").write_text(json.dumps(texts), encoding="utf-8")
    named = {f"{name}{k}": r for name, rolls in zip(SPLITS, music, strict=True) for k, r in enumerate(rolls)}
    np.savez(folder / "rolls.npz", **{name: roll.astype(np.uint8) for name, roll in named.items()})
    np.savez(folder / "voices.npz", **{name: in_voices(roll) for name, roll in named.items() if roll.sum(1).max() < 87})
    for file in ("m.json", "rolls.npz", "voices.npz"):
        if file == "voices.npz" and any(roll.sum(1).max() >= 87 for roll in named.values()):
            continue
        found = tl.data.read_piano_rolls(folder / file)
        for rolls, expected in zip(found, music, strict=True):
            assert len(rolls) == len(expected)
            assert all((a == b).all() for a, b in zip(rolls, expected, strict=True))


def notes_of(content: bytes) -> set[tuple[int, int, int]]:
    """Pitch, first and last tick of each note: MIDI files read by the book."""
    kind, format_, tracks, division = struct.unpack(">IHHH", content[4:14])
    assert (content[:4], kind, format_, tracks, division) == (b"MThd", 6, 0, 1, 480)
    assert content[14:18] == b"MTrk"
    body = content[22:]
    assert len(body) == struct.unpack(">I", content[18:22])[0]
    at, now, open_, notes = 0, 0, {}, set()
    while True:
        wait = 0
        while body[at] & 0x80:
            wait, at = wait << 7 | body[at] & 0x7F, at + 1
        wait, at = wait << 7 | body[at], at + 1
        now += wait
        if body[at] == 0xFF:
            if body[at + 1] == 0x2F:
                assert not open_
                assert body[at + 2 :] == b"\x00"
                return notes
            at += 3 + body[at + 2]
            continue
        status, pitch, at = body[at], body[at + 1], at + 3
        if status == 0x90:
            assert open_.setdefault(pitch, now) == now
        else:
            notes.add((pitch, open_.pop(pitch), now))


@given(ROLLS)
@settings(max_examples=20)
def test_a_midi_file_holds_the_notes(tmp_path_factory, roll):
    path = tl.data.write_midi(tmp_path_factory.mktemp("midi") / "m.mid", roll)
    back = np.zeros_like(roll)
    for pitch, start, end in notes_of(path.read_bytes()):
        back[start // 480 : end // 480, pitch - LOWEST] = True
    assert (back == roll).all()


GOOD = {"train": [[[60]]], "valid": [[[60]]], "test": [[[60, 64]]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": [[[60, 200]]]}, r"train\[0\]: frame 0 holds 200; MIDI pitches of a piano are whole numbers from 21"),
        ({"train": [[[60.5]]]}, r"whole numbers"),
        ({"train": [[["C4"]]]}, r"frame 0 holds 'C4'; a frame is a list of MIDI pitches"),
        ({"train": [[60, 62]]}, r"a piece is a list of frames"),
        ({"valid": []}, r"has no pieces for 'valid'"),
        ({"test": 3}, r"holds no lists by name"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, change, message):
    path = tmp_path / "m.json"
    path.write_text(json.dumps({**GOOD, **change}), encoding="utf-8")
    with pytest.raises(tl.errors.DataError, match=message):
        tl.data.read_piano_rolls(path)


def test_no_file_a_pickle_and_a_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(tl.errors.DataError, match="No such file"):
        tl.data.read_piano_rolls(tmp_path / "none.json")
    np.savez(tmp_path / "objects.npz", train=np.array([[[60]], None], dtype=object))
    with pytest.raises(tl.errors.DataError, match="a pickle"):
        tl.data.read_piano_rolls(tmp_path / "objects.npz")
    for name in ("text.npz", "text.json"):
        (tmp_path / name).write_text("music", encoding="utf-8")
        with pytest.raises(tl.errors.DataError, match="is no "):
            tl.data.read_piano_rolls(tmp_path / name)
    np.savez(tmp_path / "flat.npz", train=[60, 62], valid=[[60]], test=[[60]])
    with pytest.raises(tl.errors.DataError, match=r"flat.npz, train: an array of int64 with the shape \[2\]"):
        tl.data.read_piano_rolls(tmp_path / "flat.npz")
    for wrong in (np.zeros(88), np.zeros((2, 12))):
        with pytest.raises(tl.errors.DataError, match="a piano roll has the shape"):
            tl.data.write_midi(tmp_path / "m.mid", wrong)
    with pytest.raises(tl.errors.DataError, match="frames_per_second"):
        tl.data.write_midi(tmp_path / "m.mid", np.zeros((2, 88)), 0)
    with pytest.raises(tl.errors.DataError, match="No such file"):
        tl.data.write_midi(tmp_path / "nowhere" / "m.mid", np.zeros((2, 88)))
