"""Files of weights and checkpoints with flipped bits, cut off, or with other values in their headers.

Whatever is read from a damaged file has to be refused in one sentence, or to be what was written, bit for bit. A header
that was forged, with the right checksum, may hold other values that are possible; it must neither end in a raw error
nor take the memory of the machine.
"""

import json
import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.faults.notes import Notes
from tests.faults.processes import forked, wrong
from tests.faults.training import SMALL, TEXT
from tinygrad_lstm.data import Corpus
from tinygrad_lstm.errors import CheckpointError, UsageError
from tinygrad_lstm.runtime.files import read_arrays, write_arrays
from tinygrad_lstm.train import LanguageModelTrainer, ModelConfig, TrainConfig, load_model

__all__ = ["Damaged"]

REFUSED, SAME, READ = 10, 11, 12
"""The statuses of a forked process that read a file."""
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 1e300, 1e-300, -0.5, math.inf, math.nan, "", "a", "\0", "\ud800",
    "1", [], [[]], [1, 2, 3], {}, {"a": 1}, "x" * 10_000, 20_000, 100_000, 10**9,
]  # fmt: skip
TEXTS = [
    "1e400",
    "Infinity",
    "NaN",
    "-Infinity",
    "1" * 5000,
    "[" * 5000 + "]" * 5000,
    '{"a":' * 3000 + "1" + "}" * 3000,
]
"""JSON that is written as it stands."""


def _words(trainer: LanguageModelTrainer) -> list[str]:
    return ["train", *SMALL, "--steps", str(trainer.config.steps)]


def damaged(content: bytes, random: Random) -> tuple[str, bytes]:
    """A way to damage a file, and what it makes of it."""
    at = random.randrange(len(content))
    header = int.from_bytes(content[:8], "little") + 8
    some = random.randbytes(random.randint(1, 64))
    ways: list[tuple[str, Callable[[], bytes]]] = [
        ("a flipped bit", lambda: _flipped(content, at, random)),
        ("a flipped bit of the header", lambda: _flipped(content, random.randrange(header), random)),
        ("a flipped bit of the header", lambda: _flipped(content, random.randrange(header), random)),
        ("a truncated file", lambda: content[:at]),
        ("bytes that were overwritten", lambda: content[:at] + some[: len(content) - at] + content[at + len(some) :]),
        ("bytes that were inserted", lambda: content[:at] + some + content[at:]),
        ("bytes that were removed", lambda: content[:at] + content[at + len(some) :]),
        ("a page of zeros", lambda: content[:at] + bytes(min(4096, len(content) - at)) + content[at + 4096 :]),
        ("another length of the header", lambda: random.randbytes(8) + content[8:]),
        ("nothing but noise", lambda: random.randbytes(at)),
        ("something at the end", lambda: content + some),
    ]
    name, make = random.choice(ways)
    return name, make()


def _flipped(content: bytes, at: int, random: Random) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 1 << random.randrange(8)
    return bytes(changed)


def forged(content: bytes, random: Random) -> dict[str, str] | None:
    """The texts of a header in which one value of the description is another one."""
    size = int.from_bytes(content[:8], "little")
    texts = json.loads(content[8 : 8 + size])["__metadata__"]
    description = json.loads(texts["tinygrad_lstm"])
    places: list[tuple[Any, Any]] = []

    def visit(part: Any) -> None:
        for key in list(part) if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
            places.append((part, key))
            visit(part[key])

    visit(description)
    part, key = random.choice(places)
    mark = "what is forged"
    part[key] = mark
    written = random.choice(TEXTS) if random.random() < 0.2 else json.dumps(random.choice(VALUES))
    return {"tinygrad_lstm": json.dumps(description).replace(json.dumps(mark), written)}


class Damaged:
    """A file is damaged, and read in a forked process by all that reads such files."""

    def __init__(self, folder: Path) -> None:
        self.corpus = Corpus(TEXT, "Hamlet")
        (folder / "text").write_text(TEXT, encoding="utf-8")
        config = TrainConfig(steps=40, window=8, batch=5, validate_every=20)
        trainer = LanguageModelTrainer(self.corpus, ModelConfig(hidden=6, embedding=5), config)
        trainer.run(checkpoint=folder / "a")
        self.checkpoint = (folder / "a").read_bytes()
        self.weights = {
            "x": tl.random.normal(tl.random.key(0), (3, 4)),
            "n": tl.tensor(3.5),
            "größe": tl.tensor([1, 2]),
        }
        tl.save(folder / "w", self.weights)
        self.saved = (folder / "w").read_bytes()
        self.arrays = read_arrays(folder / "a")

    def attempt(self, random: Random, folder: Path, notes: Notes) -> None:
        """One damaged file, read by one of its readers."""
        path = folder / "file.safetensors"
        if random.random() < 0.3:
            way, content = damaged(self.saved, random)
            self._tried(way, content == self.saved, partial(self._load, path), path, content, notes)
        elif random.random() < 0.6:
            way, content = damaged(self.checkpoint, random)
            reader = random.choice([self._load_model, self._resume])
            self._tried(way, content == self.checkpoint, partial(reader, path), path, content, notes)
        else:
            self._forged(random, path, notes)

    def _tried(self, way: str, whole: bool, read: Callable[[], int], path: Path, content: bytes, notes: Notes) -> None:
        path.write_bytes(content)
        ended = forked(read, path.parent)
        if said := wrong(ended, (REFUSED, SAME)):
            notes.fault(f"{way}: {said}")
        elif ended.status == SAME:
            notes.count("files that were read as they were written, bit for bit")
        elif whole:
            notes.fault(f"{way} changed nothing, and the file is refused: {ended.out}")
        else:
            notes.count("damaged files refused")

    def _forged(self, random: Random, path: Path, notes: Notes) -> None:
        texts = forged(self.checkpoint, random)
        write_arrays(path, self.arrays[0], texts)
        reader = random.choice([self._load_model, self._resume])
        ended = forked(partial(reader, path), path.parent)
        if said := wrong(ended, (REFUSED, SAME, READ)):
            notes.fault(f"a forged header: {said}\n{texts}")
        else:
            notes.count("forged headers refused" if ended.status == REFUSED else "forged headers with possible values")

    def _load(self, path: Path) -> int:
        return self._read(lambda: self._same({k: v.numpy() for k, v in tl.load(path).items()}, self.weights))

    def _load_model(self, path: Path) -> int:
        return self._read(lambda: self._as_before(path, load_model(path)))

    def _resume(self, path: Path) -> int:
        return self._read(lambda: self._as_before(path, LanguageModelTrainer.resume(path, self.corpus)))

    def _read(self, read: Callable[[], int]) -> int:
        """The status for what a reader does; its message has to be one sentence."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return read()
            except (CheckpointError, UsageError) as error:
                print(error)
                return REFUSED if str(error) and "\n" not in str(error) else 1

    def _as_before(self, path: Path, _: object) -> int:
        arrays, texts = read_arrays(path)
        before, texts_before = self.arrays
        return SAME if texts == texts_before and self._same(arrays, before) == SAME else READ

    @staticmethod
    def _same(arrays: Mapping[str, Any], others: Mapping[str, Any]) -> int:
        """SAME if two dicts of arrays are equal in every bit."""
        others = {name: value if isinstance(value, np.ndarray) else value.numpy() for name, value in others.items()}
        same = arrays.keys() == others.keys() and all(
            arrays[k].dtype == others[k].dtype and arrays[k].tobytes() == others[k].tobytes() for k in others
        )
        return SAME if same and all(arrays[k].shape == others[k].shape for k in others) else READ
