"""Generated C under the address and undefined-behaviour sanitizers of gcc, in a process of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.covering import ranked
from tests.fuzz.sanitizing import missing, said, sanitized

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"no sanitizers: {missing()}")

RANDOM = """
from tests.fuzz.comparing import RejectedError, difference
from tests.fuzz.generator import generated

for number in range({first}, {last}):
    print("program", number, flush=True)
    try:
        found = difference(generated(9, number), "c")
    except RejectedError:
        continue
    assert found is None, found
"""
TEXT = """
import ctypes
from tinygrad_lstm_c.toolchain import shared_object

text = "#include <stdint.h>\\n#include <stdlib.h>\\n" + '''
int64_t past_the_end(int64_t n) {{ char *volatile p = malloc(8); p[n] = 1; int64_t r = p[n]; free(p); return r; }}
int64_t cast(int64_t n) {{ volatile double x = 1e30 * n; return (int32_t)x; }}
int64_t shift(int64_t n) {{ return 1 << n; }}
'''
f = shared_object(text).{name}
f.argtypes, f.restype = [ctypes.c_int64], ctypes.c_int64
print(f({value}))
"""


def run(folder: Path, *command: str) -> Any:
    """A child of this process in which what is compiled is checked as it runs."""
    environment = sanitized(folder)
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, encoding="utf-8", check=False
    )


def sound(done: Any) -> None:
    assert done.returncode == 0, f"{said(done.stderr)}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("past_the_end", 8, "heap-buffer-overflow"),
        ("cast", 1, "is outside the range of representable values"),
        ("shift", 40, "shift exponent … is too large"),
    ],
)
def test_the_sanitizers_speak(tmp_path: Path, name: str, value: int, told: str) -> None:
    done = run(tmp_path, "-c", TEXT.format(name=name, value=value))
    assert done.returncode
    assert told in said(done.stderr)


@pytest.mark.parametrize(("first", "last"), ranked([(0, 2)], [(2, 10)], [(10, 25)]))
def test_random_programs(tmp_path: Path, first: int, last: int) -> None:
    sound(run(tmp_path, "-c", RANDOM.format(first=first, last=last)))


@pytest.mark.parametrize(("marks", "count"), ranked([], [("not slow", 3)], [("slow", 9)]))
def test_the_table_of_cases(tmp_path: Path, marks: str, count: int) -> None:
    """The values of the cases as given: `tests/backends/test_c.py`, compiled with the sanitizers."""
    command = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "test_values and not narrower",
        "-m",
        marks,
        "tests/backends/test_c.py",
    ]
    done = run(tmp_path, *command)
    sound(done)
    assert f"{count} passed" in done.stdout
