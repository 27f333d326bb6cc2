"""Polyphonic music as piano rolls: reading the usual files, and writing MIDI to listen to."""

import json
import os
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.errors import DataError
from tinygrad_lstm.runtime.files import as_path, write_whole

__all__ = ["KEYS", "LOWEST", "PianoRolls", "Roll", "piano_roll", "read_piano_rolls", "write_midi"]

Roll = NDArray[np.bool_]

KEYS: Final = 88
LOWEST: Final = 21
"""The MIDI pitch of the lowest key of a piano, A₀."""
_SPLITS: Final = ("train", "valid", "test")
_TICKS: Final = 480
"""Of a quarter note, in a MIDI file."""


class PianoRolls(NamedTuple):
    """Pieces of music for training, validation and test, each ``(frames, 88)``: which keys sound in a frame."""

    train: tuple[Roll, ...]
    valid: tuple[Roll, ...]
    test: tuple[Roll, ...]


def piano_roll(frames: Sequence[Sequence[float]]) -> Roll:
    """Frames of MIDI pitches as a piano roll ``(frames, 88)``; pitches below 0 and nan are silent voices.

    Raises:
        DataError: for a pitch that is none of the 88 keys of a piano, 21 to 108, or no whole number.

    >>> roll = piano_roll([[60, 64, 67], [], [60, -1]])
    >>> roll.shape, (np.argwhere(roll) + [0, LOWEST]).tolist()
    ((3, 88), [[0, 60], [0, 64], [0, 67], [2, 60]])
    """
    roll = np.zeros((len(frames), KEYS), bool)
    for t, frame in enumerate(frames):
        for pitch in frame:
            if not isinstance(pitch, int | float | np.number) or isinstance(pitch, bool):
                raise DataError(f"frame {t} holds {pitch!r}; a frame is a list of MIDI pitches, such as [60, 64, 67]")
            if pitch != pitch or pitch < 0:
                continue
            if pitch != int(pitch) or not LOWEST <= pitch < LOWEST + KEYS:
                raise DataError(f"frame {t} holds {pitch}; MIDI pitches of a piano are whole numbers from 21 to 108")
            roll[t, int(pitch) - LOWEST] = True
    return roll


def read_piano_rolls(path: str | os.PathLike[str]) -> PianoRolls:
    """Read the JSB chorales, Nottingham, or other music, from a file in one of two forms.

    - ``.json``: ``{"train": [piece, …], "valid": […], "test": […]}``, where a piece is a list of frames and a frame a
      list of MIDI pitches, as the JSB chorales are mostly found.
    - ``.npz``: an array for each piece, whose name starts with its split, such as ``train0``: MIDI pitches ``(frames,
      voices)``, where what is below 0 or nan is silent, or a piano roll ``(frames, 88)`` of 0 and 1.

    Nothing in the file is executed, so arrays of Python objects (pickles) are refused.

    Raises:
        DataError: when the file cannot be read, has another form, or misses a split; it names the piece.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "scale.npz")
    ...     np.savez(path, train0=[[60], [62]], valid0=[[64], [-1]], test0=[[65], [67]])
    ...     music = read_piano_rolls(path)
    >>> [len(some) for some in music], music.valid[0].sum(axis=1).tolist()
    ([1, 1, 1], [1, 0])
    """
    path = as_path(path, DataError)
    pieces: dict[str, list[tuple[str, Any]]]
    try:
        pieces = _of_arrays(path) if path.suffix.lower() == ".npz" else _of_json(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    for name in _SPLITS:
        if not pieces.get(name):
            raise DataError(f"{path} has no pieces for {name!r}; it holds {', '.join(pieces) or 'nothing'}")
    rolls = []
    for name in _SPLITS:
        some = []
        for label, piece in pieces[name]:
            try:
                some.append(_rolled(piece))
            except DataError as error:
                raise DataError(f"{path}, {label}: {error}") from None
        rolls.append(tuple(some))
    return PianoRolls(*rolls)


def _rolled(piece: Any) -> Roll:
    if isinstance(piece, np.ndarray):
        if piece.ndim != 2 or piece.dtype.kind not in "biuf":
            raise DataError(
                f"an array of {piece.dtype} with the shape {list(piece.shape)}, not numbers (frames, voices)"
            )
        if piece.shape[1] == KEYS:
            return piece > 0
        return piano_roll(piece.tolist())
    if not isinstance(piece, list) or not all(isinstance(frame, list) for frame in piece):
        raise DataError("a piece is a list of frames, and a frame a list of MIDI pitches")
    return piano_roll(piece)


def _of_json(path: Path) -> dict[str, list[tuple[str, Any]]]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise DataError(f'{path} is no JSON; expected {{"train": [[[60, 64], …], …], "valid": …, "test": …}}') from None
    if not isinstance(held, dict) or not all(isinstance(pieces, list) for pieces in held.values()):
        raise DataError(f'{path} holds no lists by name; expected {{"train": [piece, …], "valid": …, "test": …}}')
    return {name: [(f"{name}[{k}]", piece) for k, piece in enumerate(pieces)] for name, pieces in held.items()}


def _of_arrays(path: Path) -> dict[str, list[tuple[str, Any]]]:
    found: dict[str, list[tuple[str, Any]]] = {}
    unknown = f"{path} is no file of arrays as np.savez writes them"
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise DataError(unknown)
    try:
        with np.load(path) as held:
            for name in held.files:
                split = next((split for split in _SPLITS if name.startswith(split)), name)
                found.setdefault(split, []).append((name, held[name]))
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path} holds Python objects (a pickle), which could run code; save an array for each piece, "
                "np.savez(path, train0=…, train1=…, valid0=…, test0=…), or JSON"
            ) from None
        raise DataError(unknown) from None
    return found


def write_midi(path: str | os.PathLike[str], roll: Any, frames_per_second: float = 2.0) -> Path:
    """Write a piano roll ``(frames, 88)`` as a MIDI file, and return the path; a key held over frames is one note.

    Raises:
        DataError: for another shape, a rate that is not above 0, or when the file cannot be written.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_midi(os.path.join(folder, "chord.mid"), piano_roll([[60, 64, 67]] * 2)).read_bytes()[:4]
    b'MThd'
    """
    path, keys = as_path(path, DataError), np.asarray(roll) > 0
    if keys.ndim != 2 or keys.shape[1] != KEYS:
        raise DataError(f"write_midi: a piano roll has the shape [frames, 88], not {list(keys.shape)}")
    if not 0 < frames_per_second < float("inf"):
        raise DataError(f"write_midi: frames_per_second is a finite number above 0, not {frames_per_second}")
    silence = np.zeros((1, KEYS), int)
    changes = np.diff(np.concatenate([silence, keys.astype(int), silence]), axis=0)
    body, waited = bytearray(), 0
    for frame in changes:
        for sign, status, loudness in ((-1, 0x80, 0), (1, 0x90, 80)):
            for key in np.flatnonzero(frame == sign):
                body += _variable_length(waited) + bytes([status, LOWEST + int(key), loudness])
                waited = 0
        waited += _TICKS
    tempo = min(round(1e6 / frames_per_second), 2**24 - 1)
    track = b"\x00\xff\x51\x03" + tempo.to_bytes(3, "big") + bytes(body) + b"\x00\xff\x2f\x00"
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, _TICKS)
    try:
        write_whole(path, header + b"MTrk" + struct.pack(">I", len(track)) + track)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    return path


def _variable_length(number: int) -> bytes:
    """Seven bits a byte, the highest first; all but the last have their top bit set."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(0x80 | number & 0x7F)
    return bytes(reversed(parts))
