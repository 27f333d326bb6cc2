"""A share of each harness, and the harnesses themselves: what they are to find they find."""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.codegen.small_programs import needs_c

pytest.importorskip("resource", reason="the harnesses bound the memory of processes as POSIX does")

from tests.faults import training
from tests.faults.damaging import damaged, forged
from tests.faults.naming import name, of_c, of_page, of_picture
from tests.faults.notes import Notes
from tests.faults.poisoning import Poisoned
from tests.faults.processes import Ended, wrong
from tests.faults.ranks import mpiexec
from tests.faults.training import FullDisk, Killed
from tests.faults.vectors import vector
from tinygrad_lstm.runtime.files import read_arrays, write_arrays

pytestmark = [
    pytest.mark.faults,
    # Python warns of it from 3.12 on; a child of the harness that hangs is a fault that it finds.
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]

ROOT = Path(__file__).parent.parent.parent


def tool(*words: str) -> "subprocess.CompletedProcess[str]":
    """The tool in a process of its own, since it forks."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    env |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "backends")])}
    return subprocess.run(
        [sys.executable, "-m", "tests.faults", "--seconds", "500", *words],
        cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("harness", "count"),
    [
        ("killed", 1),
        pytest.param(
            "ranks", 1, marks=pytest.mark.skipif(mpiexec() is None, reason="there is no mpiexec, or no mpi4py")
        ),
        ("disk", 1),
        ("renamed", 1),
        ("damaged", 25),
        pytest.param("names", 2, marks=needs_c),
        ("vectors", 15),
        pytest.param("poisoned", 2, marks=needs_c),
    ],
)
def test_a_share(harness: str, count: int) -> None:
    done = tool("--only", harness, "--seed", "7", "--count", str(count))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert ", seed 7: 0 faults" in done.stdout
    assert done.stdout.startswith(harness)


@pytest.mark.slow
@pytest.mark.parametrize("harness", ["killed", "disk", "renamed", "damaged", "names", "vectors"])
def test_a_larger_share(harness: str) -> None:
    done = tool("--only", harness, "--seed", "8", "--seconds", "6")
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_choices_are_those_of_the_seed() -> None:
    def choices(seed: str) -> list[object]:
        random = Random(seed)
        return [vector(random), name(random), damaged(bytes([80]) + bytes(900), random)]

    assert [choices(str(k)) for k in range(50)] == [choices(str(k)) for k in range(50)]
    assert len({str(choices(str(k))) for k in range(50)}) == 50


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended(1, "", "Traceback (most recent call last):\n  …\nKeyError: 3"), "Traceback"),
        (Ended(0, "", "Exception ignored in: <function …>"), "Exception ignored"),
        (Ended(-11, "", ""), "status -11"),
        (Ended(0, "", "", hung=True), "hangs"),
        (Ended(2, "", "Killed"), "its last line is no error"),
        (Ended(2, "", "."), "not a word"),
    ],
)
def test_a_bad_end_is_found(ended: Ended, said: str) -> None:
    assert said in str(wrong(ended))


@pytest.mark.parametrize("ended", [Ended(0, "done", ""), Ended(2, "", ".1 of 2\ntinygrad-lstm: error: no file\n")])
def test_a_good_end_is_none(ended: Ended) -> None:
    assert wrong(ended) is None


@pytest.mark.parametrize("text", ["<p>MARK</p>", '<p a="MARK">x</p>', "<script>let x = 'MARK'</script>"])
@pytest.mark.parametrize("hostile", ["</script><script>", '"><b x="', "--><i>", "</p><p onclick=x>"])
def test_an_element_that_a_name_makes_is_found(text: str, hostile: str) -> None:
    escaped = hostile.replace("<", "\\u003c").replace(">", "\\u003e").replace('"', "&quot;").replace("'", "")
    plain = of_page(text.replace("MARK", "a"))
    assert of_page(text.replace("MARK", escaped)) == plain
    raw = of_page(text.replace("MARK", hostile))
    assert raw != plain or ("script" in text and "script" not in hostile) or ("a=" in text and '"' not in hostile)


def test_a_link_in_a_picture_and_a_word_outside_a_comment_are_found() -> None:
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    assert of_picture(f"{head}<text>a</text></svg>") == of_picture(f"{head}<text>b</text><text>c</text></svg>")
    assert of_picture(f'{head}<a xlink:href="x"><text>a</text></a></svg>') != of_picture(f"{head}<text>a</text></svg>")
    assert of_c("/* a */ x = 1; // b\n") == of_c("x = 1;")
    assert of_c("/* a */ f(); /* */ x = 1;") != of_c("/* a */ x = 1;")


def write_losses(path: Path, losses: list[float]) -> None:
    """A checkpoint that holds little more than losses."""
    write_arrays(path, {"losses": np.array(losses)}, {"tinygrad_lstm": json.dumps({"step": len(losses)})})


def test_other_bits_are_found(tmp_path: Path) -> None:
    write_losses(tmp_path / "a", [1.0, 2.0])
    write_losses(tmp_path / "b", [1.0, 2.0])
    write_losses(tmp_path / "c", [1.0, 2.0 + 2**-51])
    write_losses(tmp_path / "d", [1.0])
    assert training.difference(tmp_path / "a", tmp_path / "b") is None
    assert training.difference(tmp_path / "a", tmp_path / "c") == "losses differs in 1 numbers"
    assert "the descriptions differ" in str(training.difference(tmp_path / "a", tmp_path / "d"))


PROGRAM = """
import json, os, sys, time
from pathlib import Path
import numpy as np
from safetensors.numpy import save
os.write(2, b".")
here = Path.cwd()
path = here / sys.argv[sys.argv.index("--checkpoint") + 1]
first = 0
{what}
for step in range(5):
    time.sleep(0.02)
    losses = np.array([float(step + first)] * 5)
    path.with_name("b").write_bytes(save({{"losses": losses}}, {{"tinygrad_lstm": json.dumps({{"step": step}})}}))
    path.with_name("b").replace(path)
"""
WAYS = {
    "other bits": "first = len(list(here.glob('a')))",
    "leftovers": "(here / '.1.tmp').touch()",
    "a half-written file": "path.write_bytes(b'half'); time.sleep(2)",
}


@pytest.mark.parametrize("way", list(WAYS))
def test_a_program_that_does_not_survive_is_found(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the command, which resumes to other bits, leaves files behind, or writes in place."""
    text = PROGRAM.format(what=WAYS[way])
    monkeypatch.setattr("tests.faults.processes.command", lambda: [sys.executable, "-c", text])
    (tmp_path / "own").mkdir()
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(training, "load_model", read_arrays)
    monkeypatch.setattr(training.Training, "COLD", 1)
    harness, notes = Killed(tmp_path / "own"), Notes()
    for number in range(20):
        if not notes.faults:
            place = tmp_path / "run" / str(number)
            place.mkdir()
            try:
                harness.attempt(Random(number), place, notes)
            except Exception as error:
                notes.fault(str(error))
    assert notes.faults


def test_a_program_that_does_not_mind_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tests.faults.processes.command",
        lambda: [sys.executable, "-c", PROGRAM.format(what="")],
    )
    monkeypatch.setattr(training.Training, "COLD", 1)
    (tmp_path / "run").mkdir()
    harness, notes = FullDisk(tmp_path), Notes()
    harness.attempt(Random(1), tmp_path / "run", notes)
    assert "on a disk with" in notes.faults[0]


@needs_c
def test_an_entry_is_poisoned_again_and_again(tmp_path: Path) -> None:
    harness, entry = Poisoned(tmp_path), tmp_path / "entry.so"
    entry.write_bytes(b"x" * 100)
    assert len({harness._poison(entry, tmp_path, Random(k)) for k in range(100)}) > 10


def test_headers_are_forged_in_one_place(tmp_path: Path) -> None:
    write_losses(tmp_path / "a", [1.0])
    content = (tmp_path / "a").read_bytes()
    texts = [forged(content, Random(k)) for k in range(20)]
    assert len({str(text) for text in texts}) > 10
