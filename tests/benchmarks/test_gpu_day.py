"""The day on a GPU: whole on a stand-in, beside faults of every kind, and without any GPU."""

import doctest
import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from benchmarks.gpu_day import part as parts
from benchmarks.gpu_day import speed
from benchmarks.gpu_day.__main__ import CHECKOUT
from benchmarks.gpu_day.children import AGAIN, run_part
from benchmarks.gpu_day.part import Check, Context, FailedError, SpoiltError, run
from benchmarks.gpu_day.record import Record
from benchmarks.gpu_day.summary import summary
from benchmarks.gpu_day.systems import Shape
from benchmarks.gpu_day.wheels import search_path, unpacked
from tests.codegen.cuda_shim import needs_compiler


def day(folder: Path, *options: str, stand_in: str = "") -> tuple[int, str, list[dict[str, Any]]]:
    """The exit status, what is printed, and the findings."""
    command = [sys.executable, "-m", "benchmarks.gpu_day", "--out", str(folder), "--small"]
    command += ["--through", "tests.benchmarks.stand_in", *options]
    environment = {**os.environ, "STAND_IN": stand_in}
    found = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=CHECKOUT, env=environment, check=False)
    return found.returncode, found.stdout + found.stderr, Record(folder / "gpu.jsonl").lines()


PARTS = [part.name for part in parts.PARTS]


# Each part is a process of its own.
@needs_compiler
@pytest.mark.parametrize(
    "chosen", [["suites", "capture", "speed"], pytest.param(PARTS, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_parts_of_it_on_a_stand_in(tmp_path: Path, chosen: list[str]) -> None:
    status, printed, lines = day(tmp_path, "--parts", *chosen, "--seconds", "300")
    assert [line for line in lines if not line["ok"]] == []
    assert status == 0
    assert "Nothing failed." in printed
    told = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert told in printed
    order = list(dict.fromkeys(line["part"] for line in lines))
    assert order == chosen
    found = {(line["part"], line["check"]): line for line in lines}
    assert found["capture", "an LSTM step"]["replayed"]
    assert found["capture", "a sort"]["fallback"] == "it calls array functions for argsort"
    assert found["suites", "pytest -m gpu"]["counts"] == {"passed": 3}
    # Model and measurement stand side by side.
    side = found["speed", "T = 3, B = 2, H = 4: model and measurement"]
    assert set(side["measured"]) == {"whole", "products", "kernels", "idle"}
    assert set(side["model"]) == {"whole", "products", "kernels", "starting"}
    assert "| microseconds | measured | share | at least | ratio |" in told
    assert "as those of Abacus 0 are not known" in side["estimate"][0]
    assert (tmp_path / "gpu.jsonl").stat().st_size < 100_000


@needs_compiler
def test_faults_are_written_down_and_stop_nothing(tmp_path: Path) -> None:
    status, printed, lines = day(tmp_path, "--parts", "environment", "smoke", "--seconds", "120", stand_in="wrong")
    assert status == 1
    found = {line["check"]: line for line in lines if line["part"] == "smoke"}
    assert "exp(float32" in found["exp, interpreter"]["error"]
    assert "the process ended with status 3" in found["take, interpreter"]["error"]
    # A new process goes on after the one that died.
    assert found["an LSTM step, compiled"]["ok"]
    assert found["take, compiled"]["ok"]
    assert "- smoke, take, interpreter: the process ended with status 3" in printed


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    status, printed, lines = day(tmp_path, stand_in="absent")
    assert status == 2
    assert "there is no GPU to measure: backend 'cupy': CuPy 14.2.0 is installed, but there is no NVIDIA dr" in printed
    assert {line["part"] for line in lines} == {"environment"}
    assert "no GPU" in (tmp_path / "gpu.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["parts", "record", "smoke", "summary", "systems", "wheels"])
def test_examples(name: str) -> None:
    found = doctest.testmod(import_module(f"benchmarks.gpu_day.{name}"), optionflags=doctest.ELLIPSIS)
    assert found.attempted
    assert not found.failed


def context(tmp_path: Path, seconds: float = 60.0) -> Context:
    return Context("smoke", Record(tmp_path / "gpu.jsonl"), True, time.monotonic() + seconds)


def fails() -> dict[str, Any]:
    raise ValueError("one and one are three")


def spoils() -> dict[str, Any]:
    raise SpoiltError


def test_a_new_process_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    here = context(tmp_path)
    made: list[str] = []
    checks = [Check(name, lambda name=name: made.append(name) or {}) for name in "abc"]  # type: ignore[misc, func-returns-value]
    assert run([checks[0], Check("x", fails)], here) == 0
    assert run([*checks, Check("y", spoils)], here) == AGAIN
    assert made == ["a", "b", "c"]
    assert [(line["check"], line["ok"]) for line in here.record.lines()] == [
        ("a", True), ("x", False), ("b", True), ("c", True),
    ]  # fmt: skip
    assert here.record.lines()[1]["error"] == "ValueError: one and one are three"
    assert run([Check("late", fails)], context(tmp_path, 0.0)) == 0
    assert "the time of this part was over" in here.record.lines()[-1]["error"]


PROFILER = """#!/bin/sh
case "$*" in *"benchmarks.gpu_day.speed 3 2 4 float32") ;; *) exit 9 ;; esac
echo before
echo cuda_gpu_kern_sum
exit {status}
"""


@pytest.mark.parametrize("status", [0, 1])
def test_profilers_are_asked_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    here = context(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert speed.profiled("nsys", Shape(3, 2, 4), here) == {"note": "not installed"}
    program = tmp_path / "nsys"
    program.write_text(PROFILER.replace("{status}", str(status)), encoding="utf-8")
    program.chmod(0o755)
    if status:
        with pytest.raises(FailedError, match="nsys ended with status 1"):
            speed.profiled("nsys", Shape(3, 2, 4), here)
    else:
        assert speed.profiled("nsys", Shape(3, 2, 4), here) == {"note": "cuda_gpu_kern_sum\n"}


class Broken:
    """A GPU whose context an error has spoilt."""

    class cuda:  # noqa: N801
        class runtime:  # noqa: N801
            getDeviceCount = staticmethod(lambda: 1)  # noqa: N815

    @staticmethod
    def ones(_: int) -> Any:
        raise RuntimeError("cudaErrorIllegalAddress")


def test_a_spoilt_gpu_asks_for_a_new_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", Broken)
    assert run([Check("x", fails), Check("y", fails)], context(tmp_path)) == AGAIN
    assert [line["check"] for line in context(tmp_path).record.lines()] == ["x"]


SLEEPING = """
import sys, time
from pathlib import Path
from benchmarks.gpu_day.part import Check, Context, run
from benchmarks.gpu_day.record import Record
here = Context("smoke", Record(Path(sys.argv[1])), True, time.monotonic() + 60)
sys.exit(run([Check("hangs", lambda: time.sleep(60), {limit}), Check("after", dict)], here))
"""


@pytest.mark.parametrize("limit", [0.3, 60.0])
def test_what_hangs_is_ended(tmp_path: Path, limit: float) -> None:
    """By its own limit, and then the next check is made; else by that of its part."""
    record = Record(tmp_path / "gpu.jsonl")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", SLEEPING.replace("{limit}", str(limit)), str(record.path)]
    run_part("smoke", command, 30.0 if limit < 1 else 4.0, record, tmp_path, environment)
    found = {line["check"]: line for line in record.lines()}
    if limit < 1:
        assert found["hangs"]["error"].startswith("it hangs: not done after 0.3 s")
        assert found["after"]["ok"]
    else:
        assert found["hangs"]["error"] == "not done when the 4 s of this part were over"


def test_the_record_stays_below_two_megabytes(tmp_path: Path) -> None:
    record = Record(tmp_path / "gpu.jsonl")
    for k in range(600):
        record.add("smoke", f"op {k}", False, text="x" * 10_000)
    assert record.path.stat().st_size < 1_900_000
    lines = record.lines()
    assert lines[-1]["check"] == "the record is full"
    told = summary(lines)
    assert len(told) < 100_000
    assert "more, in the JSON lines" in told
    assert "The text of the first failing op, op 0:" in told


def test_a_line_that_a_process_died_in_is_left_out(tmp_path: Path) -> None:
    record = Record(tmp_path / "gpu.jsonl")
    record.add("smoke", "whole", True)
    with record.path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"part": "smoke", "check": "cut"})[:-4])
    assert [line["check"] for line in record.lines()] == ["whole"]


def test_wheels_are_unpacked(tmp_path: Path) -> None:
    for name in ("pure-1-py3-none-any.whl", "binary-1-cp312-cp312-linux_x86_64.whl"):
        with ZipFile(tmp_path / name, "w") as wheel:
            wheel.writestr(f"{name.partition('-')[0]}/__init__.py", "")
    assert unpacked(tmp_path, tmp_path / "site") == ["pure-1-py3-none-any.whl"]
    assert (tmp_path / "site" / "pure" / "__init__.py").exists()
    assert search_path(tmp_path, tmp_path / "site")[-1] == str(tmp_path / "site")


TEST_TOOLS = ("py.py", "pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments")


@pytest.mark.slow
@needs_compiler
def test_wheels_are_enough_where_little_is_installed(tmp_path: Path) -> None:
    """As `make gpu-wheels` builds this package's, and on a Python that has neither it nor what draws."""
    pytest.importorskip("pip", reason="an environment of uv has no pip, which builds the wheel")
    built = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*built, "--wheel-dir", str(tmp_path / "wheels"), str(CHECKOUT)], check=True)
    with ZipFile(tmp_path / "wheels" / "graphviz-1-py3-none-any.whl", "w") as wheel:
        source = Path(import_module("graphviz").__file__ or "").parent
        for file in source.rglob("*.py"):
            wheel.write(file, Path("graphviz") / file.relative_to(source))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    (packages,) = (tmp_path / "bare" / "lib").glob("python*/site-packages")
    for name in ("numpy", "numpy.libs", "tqdm", "safetensors", "threadpoolctl.py", *TEST_TOOLS):
        found = Path(np.__file__).parents[1] / name
        if found.exists():
            (packages / name).symlink_to(found)
    python = str(tmp_path / "bare" / "bin" / "python")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    asked = [python, "-c", "import tinygrad_lstm"]
    assert subprocess.run(asked, capture_output=True, env=environment, cwd=tmp_path, check=False).returncode
    command = [python, "-m", "benchmarks.gpu_day", "--small", "--seconds", "60", "--out", str(tmp_path / "out")]
    command += ["--wheels", str(tmp_path / "wheels"), "--through", "tests.benchmarks.stand_in"]
    command += ["--parts", "environment", "smoke"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "From wheels: graphviz-1-py3-none-any.whl, tinygrad_lstm-" in done.stdout
