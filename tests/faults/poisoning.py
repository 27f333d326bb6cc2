"""A cache of compiled programs in which another hand has been: nothing of it may run, and nothing may stop the work."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
from tinygrad_lstm_c.toolchain import find_compiler

import tinygrad_lstm as tl
from tests.faults.notes import Notes
from tests.faults.processes import forked, wrong

__all__ = ["Poisoned"]

FOREIGN = """
#include <stdio.h>
__attribute__((constructor)) static void run(void) { FILE *f = fopen("MARK", "w"); if (f) fclose(f); }
"""


def _computed(variant: int) -> int:
    """Compute with a compiled program that depends on ``variant``; 0 if the result is right."""
    x = np.linspace(-1, 1, 12, dtype=np.float32)
    with tl.use_backend("c"):
        y = tl.jit(lambda t: tl.tanh(t) * float(variant + 2) + 0.5)(tl.tensor(x)).numpy()
    return 0 if np.allclose(y, np.tanh(x) * np.float32(variant + 2) + 0.5, atol=1e-5) else 3


class Poisoned:
    """An entry of the cache, or its folder, is changed in some way; then the program of the entry is needed."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / "ran"
        self.foreign = folder / "foreign.so"
        source = folder / "foreign.c"
        source.write_text(FOREIGN.replace("MARK", str(self.mark)), encoding="utf-8")
        words = [*find_compiler().command, "-shared", "-fPIC", "-o", str(self.foreign), str(source)]
        subprocess.run(words, check=True, capture_output=True)
        self.sound = folder / "sound"
        self.sound.mkdir(mode=0o700)
        for variant in range(4):
            ended = forked(partial(self._with_cache, self.sound, variant), folder)
            if ended.status:
                raise RuntimeError(f"the C backend does not work here:\n{ended.err}")

    def attempt(self, random: Random, folder: Path, notes: Notes) -> None:
        """Some entries are changed, or the folder; the result has to be right, and the foreign code must not run."""
        place = folder / "cache"
        shutil.copytree(self.sound, place)
        place.chmod(0o700)
        entries = sorted(place.glob("*.so"))
        ways = [self._poison(random.choice(entries), folder, random) for _ in range(random.randint(1, 3))]
        if random.random() < 0.3:
            ways.append(self._poison_folder(place, random))
        self.mark.unlink(missing_ok=True)
        said = None
        for variant in range(4):
            ended = forked(partial(self._with_cache, place, variant), folder)
            said = said or wrong(ended, (0,))
        if self.mark.exists():
            notes.fault(f"foreign code has run: {', '.join(ways)}")
        elif said:
            notes.fault(f"{', '.join(ways)}: {said}")
        else:
            notes.count("poisoned caches survived")

    def _with_cache(self, place: Path, variant: int) -> int:
        os.environ["TINYGRAD_LSTM_CACHE"] = str(place)
        return _computed(variant)

    def _poison(self, entry: Path, folder: Path, random: Random) -> str:
        whole = entry.is_file() and not entry.is_symlink() and entry.stat().st_size
        content = entry.read_bytes() if whole else self.foreign.read_bytes()
        at = random.randrange(len(content))
        aside = folder / f"aside-{random.randrange(10**9)}"
        ways: dict[str, Callable[[], object]] = {
            "a foreign program": lambda: entry.write_bytes(self.foreign.read_bytes()),
            "a foreign program in a link": lambda: entry.symlink_to(self.foreign),
            "a link to nothing": lambda: entry.symlink_to(folder / "nowhere"),
            "a link to itself": lambda: entry.symlink_to(entry),
            "half a program": lambda: entry.write_bytes(content[:at]),
            "nothing in it": lambda: entry.write_bytes(b""),
            "a flipped bit": lambda: entry.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]),
            "a folder": lambda: entry.mkdir(),
            "a folder with something in it": lambda: (entry.mkdir(), (entry / "x").write_text("x", encoding="utf-8")),
            "a pipe": lambda: os.mkfifo(entry),
            "a file that all may write": lambda: (entry.write_bytes(content), entry.chmod(0o777)),
            "a file that nobody may read": lambda: (entry.write_bytes(content), entry.chmod(0)),
            "another name for another hand": lambda: (aside.write_bytes(content), os.link(aside, entry)),
        }
        name = random.choice(list(ways))
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
        ways[name]()
        return name

    def _poison_folder(self, place: Path, random: Random) -> str:
        ways: dict[str, Callable[[], object]] = {
            "a folder that all may write": lambda: place.chmod(0o777),
            "a folder that nobody may write": lambda: place.chmod(stat.S_IRUSR | stat.S_IXUSR),
            "a folder in a link": lambda: (place.rename(place.with_name("moved")), place.symlink_to("moved")),
            "a file instead of the folder": lambda: (shutil.rmtree(place), place.write_bytes(b"")),
            "what a killed process left": lambda: (place / f"build-{random.randrange(10**9)}").mkdir(),
        }
        name = random.choice(list(ways))
        ways[name]()
        return name
