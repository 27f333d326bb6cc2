"""Lines of arguments for the command, put together at random from what is right and what is not."""

import os
from pathlib import Path
from random import Random

from tests.faults.notes import Notes
from tests.faults.processes import commanded, forked, wrong
from tests.faults.training import TEXT

__all__ = ["Vectors", "vector"]

COMMANDS = ["train", "sample", "draw", "backends", "cache"]
OPTIONS = {
    "train": [
        "--cell", "--hidden", "--embedding", "--layers", "--steps", "--window", "--batch", "--lr", "--decay", "--clip",
        "--seed", "--validate-every", "--checkpoint", "--save-every", "--resume", "--overwrite", "--backend",
        "--threads",
    ],
    "sample": ["--prompt", "--length", "--temperature", "--seed", "--backend", "--threads"],
    "draw": ["--cell", "-o", "--output"],
    "backends": [],
    "cache": ["--info", "--clear"],
}  # fmt: skip
FLAGS = ["--help", "-h", "--version", "--", "-", "--nothing", "-x", "--hid", "--steps=", "--resume="]
NUMBERS = [
    "0", "1", "-1", "2", "7", "1000000000", "1000000001", "99999999999999999999", "1e400", "inf", "nan", "-0", "0.5",
    "1e-320", "1_0", "٣", " 3", "0x10", "three", "",
]  # fmt: skip
PATHS = [
    "text", "empty", "latin1", "zeros", "folder", "nowhere/x", "none", "model", "cut", "/dev/null", "/dev/full", ".",
    "..", "/", "", "~", "-o", "a\nb", "größe", "\x1b[31m", "x" * 300, "fifo", "loop", "weights", "x.svg", "y.png",
    "z.pdf", "x.html", "x.tex", "x.dot", "x.json", "x.mmd", "x.SVG", "folder/x.svg", "nowhere/x.svg", "x.txt",
]  # fmt: skip
RIGHT = {
    "--cell": ["lstm", "gru"], "--layers": ["1", "2"], "--lr": ["0.1", "1e-3"], "--decay": ["5"], "--clip": ["0.5"],
    "--hidden": ["3"], "--embedding": ["2"], "--steps": ["1", "3"], "--window": ["4", "9"], "--batch": ["1", "4"],
    "--validate-every": ["1", "2"], "--checkpoint": ["a", "folder/a", "model"], "--save-every": ["0.01"],
    "--resume": ["model", "a"], "--overwrite": ["--seed"], "--backend": ["numpy", "c"], "--threads": ["1", "2"],
    "--prompt": ["to", ""], "--length": ["0", "20"], "--temperature": ["0", "1.5"], "--seed": ["0", "7"],
    "-o": ["x.svg", "x.html", "x.dot", "x.tex"], "--output": ["x.svg", "x.png"],
}  # fmt: skip
"""For each option some values that are right."""
WORDS = [
    "lstm", "rnn", "gru", "chain", "rolled", "unrolled", "walkthrough", "loss", "gradient", "cell", "gates", "page",
    "transformer", "numpy", "c", "cupy", "cupy:9", "torch", "numpy:1", "to be", "\ud800", "\0", "${HOME}", "$(id)",
    "'; drop", "%s%n", "{0}", "*",
]  # fmt: skip


def vector(random: Random) -> list[str]:
    """Arguments: mostly of one command, with its options, some twice, some without a value, some of another."""
    command = random.choice(COMMANDS[:3] * 4 + COMMANDS)
    words = [command] if random.random() < 0.97 else []
    options = OPTIONS[command] if random.random() < 0.9 else [o for every in OPTIONS.values() for o in every]
    if command == "train" and random.random() < 0.7:
        words += ["text"] if random.random() < 0.8 else []
        words += ["--steps", str(random.randint(1, 4)), "--hidden", "4", "--embedding", "3", "--window", "8"]
    elif command == "sample":
        words += [random.choice(["model", "model", *PATHS])]
    elif command == "draw":
        words += [random.choice(WORDS[:8]), "-o", random.choice(PATHS[-12:])]
    for _ in range(random.randrange(5)):
        option = random.choice(options or FLAGS) if random.random() < 0.9 else random.choice(FLAGS)
        right = RIGHT.get(option)
        value = random.choice(right if right and random.random() < 0.7 else random.choice([NUMBERS, PATHS, WORDS]))
        words += [f"{option}={value}"] if random.random() < 0.1 else [option, value][: random.choice([1, 2, 2, 2, 2])]
    if random.random() < 0.1:
        random.shuffle(words)
    return words


class Vectors:
    """Each line runs in a forked process, which gets Ctrl-C when it takes long."""

    def __init__(self, folder: Path) -> None:
        self.model = folder / "model"
        (folder / "text").write_text(TEXT, encoding="utf-8")
        small = ["--steps", "2", "--hidden", "4", "--embedding", "3", "--window", "8", "--checkpoint", "model"]
        ended = forked(commanded(["train", "text", *small]), folder)
        if ended.status:
            raise RuntimeError(f"the model for the lines of arguments cannot be trained:\n{ended.err}")

    def attempt(self, random: Random, folder: Path, notes: Notes) -> None:
        """One line, in a folder with files of all kinds."""
        place = folder / "place"
        place.mkdir()
        self._furnish(place)
        words = vector(random)
        # Those that begin a long training, or read a pipe that nobody writes to, are ended by Ctrl-C.
        ended = forked(commanded(words), place, interrupt=6.0)
        if said := wrong(ended, (0, 2, 130)):
            notes.fault(f"{words}: {said}")
        else:
            notes.count({0: "vectors that ran", 2: "vectors refused", 130: "vectors ended by Ctrl-C"}[ended.status])

    def _furnish(self, place: Path) -> None:
        (place / "text").write_text(TEXT, encoding="utf-8")
        (place / "empty").write_bytes(b"")
        (place / "latin1").write_bytes("Größe".encode("latin-1"))
        (place / "zeros").write_bytes(bytes(5000))
        (place / "folder").mkdir()
        (place / "loop").symlink_to("loop")
        os.mkfifo(place / "fifo")
        content = self.model.read_bytes()
        (place / "model").write_bytes(content)
        (place / "cut").write_bytes(content[:100])
