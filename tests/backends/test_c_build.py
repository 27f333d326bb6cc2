"""How the C backend finds its compiler, keeps what it compiled, and shares the work among threads."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tinygrad_lstm_c import toolchain
from tinygrad_lstm_c import toolchain as module
from tinygrad_lstm_c.team import processors
from tinygrad_lstm_c.toolchain import shared_object

import tinygrad_lstm as tl
from tests.codegen.lstm_program import lstm_program
from tests.codegen.pointwise import execute
from tests.codegen.small_programs import compile_c, elementwise, needs_c
from tinygrad_lstm.errors import BackendError
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.runtime import cache
from tinygrad_lstm.runtime.threads import blas_threads
from tinygrad_lstm_command import main

pytestmark = [needs_c, pytest.mark.skipif(os.name == "nt", reason="owners and modes of files are those of POSIX")]

ANSWER = "int answer(void) { return 42; }\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("TINYGRAD_LSTM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(toolchain, "find_spec", lambda name: None)
    return


def built(text: str = ANSWER) -> list[Path]:
    """Compile, and say which files the cache has then."""
    assert shared_object(text).answer() == 42
    return sorted(cache.directory().glob("*.so"))


def test_compiled_once(place: Path) -> None:
    (entry,) = built()
    made = entry.stat().st_mtime_ns
    assert built() == [entry]
    assert entry.stat().st_mtime_ns == made
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert not stat.S_IMODE(entry.stat().st_mode) & 0o077
    assert len(built(ANSWER + "/* other text */")) == 2
    assert [p.name for p in place.iterdir() if p.suffix != ".so"] == []


def test_the_key_holds_the_compiler_and_its_flags(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built()
    shared_object(ANSWER, "-DX=1")
    assert len(list(place.glob("*.so"))) == 2
    monkeypatch.setattr(toolchain, "_identified", lambda *args: "another version")
    assert len(built()) == 3


@pytest.mark.parametrize("damage", ["truncated", "changed", "writable for the group", "a link"])
def test_what_could_be_foreign_is_never_loaded(place: Path, tmp_path: Path, damage: str) -> None:
    (entry,) = built()
    whole = entry.read_bytes()
    entry.unlink()
    if damage == "truncated":
        entry.write_bytes(whole[: len(whole) // 2])
    elif damage == "changed":
        entry.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "writable for the group":
        entry.write_bytes(whole)
        entry.chmod(0o770)
    else:
        (tmp_path / "elsewhere.so").write_bytes(whole)
        entry.symlink_to(tmp_path / "elsewhere.so")
    (again,) = built()
    assert again.read_bytes() == whole
    assert not again.is_symlink()
    assert not stat.S_IMODE(again.stat().st_mode) & 0o022


def test_a_directory_in_the_place_of_an_entry(place: Path) -> None:
    (entry,) = built()
    entry.unlink()
    entry.mkdir()
    for _ in range(2):
        assert built() == [entry]
    assert list(place.iterdir()) == [entry]
    assert entry.is_dir()


def test_a_directory_that_others_may_write_to_is_not_used(place: Path) -> None:
    place.mkdir()
    place.chmod(0o777)
    assert cache.directory() != place
    built()
    assert not list(place.iterdir())


def test_a_directory_that_can_not_be_made_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("TINYGRAD_LSTM_CACHE", str(tmp_path / "file" / "cache"))
    assert cache.directory().is_dir()


def test_the_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINYGRAD_LSTM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.directory() == tmp_path / "xdg" / "tinygrad_lstm"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.directory() == tmp_path / ".cache" / "tinygrad_lstm"


def test_what_was_not_used_for_the_longest_time_goes_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{ANSWER}/* {k} */" for k in range(4)]
    seen: set[Path] = set()
    made = []
    for k, text in enumerate(texts[:3]):
        (entry,) = set(built(text)) - seen
        seen.add(entry)
        made.append(entry)
        os.utime(entry, (k, 7))
    built(texts[0])  # is used again, and is now the last
    assert made[0].stat().st_mtime == 7
    monkeypatch.setattr(cache, "LIMIT", 3 * made[0].stat().st_size + 100)
    left = set(built(texts[3]))
    assert left & seen == {made[0], made[2]}
    assert len(left) == 3
    # An entry that is larger than the limit is kept as long as it is the last.
    monkeypatch.setattr(cache, "LIMIT", 1)
    assert len(built(f"{ANSWER}/* 5 */")) == 1


def test_a_pipe_in_the_place_of_an_entry_keeps_nobody_waiting(place: Path) -> None:
    (entry,) = built()
    entry.unlink()
    os.mkfifo(entry)
    assert built() == [entry]
    assert stat.S_ISREG(entry.stat().st_mode)


def test_a_sound_entry_that_can_not_be_loaded_is_compiled_again(place: Path) -> None:
    (entry,) = built()
    foreign = b"of another machine"
    entry.unlink()
    entry = entry.with_name(f"{entry.name.partition('-')[0]}-{hashlib.sha256(foreign).hexdigest()}.so")
    entry.write_bytes(foreign)
    entry.chmod(0o700)
    (again,) = built()
    assert again != entry


def test_what_killed_programs_have_left_goes_after_an_hour(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir(0o700)
    old, new, other = (
        place / name for name in (".tinygrad_lstm-build-abc_1234", ".tinygrad_lstm-build-abcd1234", "build-2")
    )
    for folder in (old, new, other):
        folder.mkdir()
        (folder / "program.c").touch()
    for folder in (old, other):
        os.utime(folder, (0, 0))
    built()
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_a_temporary_cache_that_was_deleted_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("TINYGRAD_LSTM_CACHE", str(tmp_path / "file" / "cache"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    cache._made_by.cache_clear()
    left = tmp_path / "temporary" / "tinygrad_lstm-cache-abcdefgh"
    left.mkdir(0o700)
    os.utime(left, (0, 0))
    first = cache.directory()
    assert not left.exists()
    assert len(built()) == 1
    shutil.rmtree(first)
    assert len(built(ANSWER + "/* again */")) == 1
    assert cache.directory() != first
    cache._made_by.cache_clear()


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("TINYGRAD_LSTM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache.configured() is None
    assert cache.directory().is_dir()


def test_the_cache_is_shown_and_cleared(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built()
    (place / "notes.txt").write_text("mine", encoding="utf-8")
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"folder: {place}\nholds: 1 compiled program, 0.0 MiB; beyond 512 MiB those go ")
    assert main(["cache", "--info"]) == 0
    assert capsys.readouterr().out == shown
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == f"deleted 1 compiled program, 0.0 MiB in {place}\n"
    assert [p.name for p in place.iterdir()] == ["notes.txt"]
    assert main(["cache", "--info", "--clear"]) == 2
    place.chmod(0o777)
    capsys.readouterr()
    assert main(["cache", "--clear"]) == 0
    assert "others may write to it" in capsys.readouterr().out


def test_two_processes_at_once(place: Path) -> None:
    code = f"from tinygrad_lstm_c.toolchain import shared_object; print(shared_object({ANSWER!r}).answer())"
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, encoding="utf-8") for _ in range(2)
    ]
    assert [p.communicate()[0] for p in running] == ["42\n", "42\n"]
    assert len(built()) == 1


@pytest.mark.usefixtures("without_compiler")
def test_no_compiler() -> None:
    message = r"^the C backend needs a C compiler, .* pip install \"tinygrad-lstm\[c\]\"$"
    with pytest.raises(BackendError, match=message):
        tl.use_backend("c")
    (status,) = [s for s in tl.describe_backends() if s.name == "c"]
    assert not status.usable
    assert tl.tensor([1.0, 2.0]).sum().item() == 3.0


@pytest.mark.usefixtures("without_compiler")
def test_a_compiler_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(BackendError, match="CC='no-such-compiler -m64' cannot be run; correct or unset CC"):
        tl.use_backend("c")
    fake = tmp_path / "fake"
    fake.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    fake.chmod(0o700)
    monkeypatch.setenv("CC", str(fake))
    with pytest.raises(BackendError, match="ran and failed with exit status 3 when asked for its --version; correct"):
        tl.use_backend("c")
    fake.write_text("#!/bin/sh\n", encoding="utf-8")
    with pytest.raises(BackendError, match="ran and said nothing when asked for its --version; correct or unset CC"):
        tl.use_backend("c")
    fake.write_text("no program", encoding="utf-8")
    with pytest.raises(BackendError, match="cannot be run"):
        tl.use_backend("c")
    monkeypatch.setenv("CC", "gcc 'x")
    with pytest.raises(BackendError, match=r"words \(no closing quotation\); correct or unset CC"):
        tl.use_backend("c")


def test_a_compiler_that_makes_nothing(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "fake"
    fake.write_text("#!/bin/sh\necho 1.0\n", encoding="utf-8")
    fake.chmod(0o700)
    monkeypatch.setenv("CC", str(fake))
    with pytest.raises(BackendError, match="reported success but made no file; name another one in the environment"):
        shared_object(ANSWER)
    assert not list(place.iterdir())


def test_a_compiler_that_fails(place: Path) -> None:
    with pytest.raises(
        BackendError, match=r"failed: .*error: .*name another one in the environment variable CC"
    ) as told:
        shared_object("int f(void) {\n  int a = 3;\n  return b; }\n")
    assert "program.c:3" in str(told.value)
    with pytest.raises(BackendError, match=r"failed: .*undeclared"):
        shared_object("int f(void) { return größe; }\n")
    assert not list(place.iterdir())


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("a.c: In function 'f':\na.c:3:10: error: 'b' undeclared\n", "a.c:3:10: error: 'b' undeclared"),
        (
            "a.o: in function `f':\na.c:(.text+0x5): undefined reference to `g'\ncollect2: error: ld returned 1\n",
            "a.c:(.text+0x5): undefined reference to `g'",
        ),
        (
            "cc: fatal error: cannot execute 'cc1': no such file\ncompilation terminated.\n",
            "cc: fatal error: cannot execute 'cc1': no such file",
        ),
        ("collect2: fatal error: cannot find 'ld'\nstopped\n", "collect2: fatal error: cannot find 'ld'"),
        ("first\n\nKilled\n", "Killed"),
        ("", "it said nothing"),
    ],
)
def test_the_line_of_a_compiler_that_is_quoted(said: str, line: str) -> None:
    assert toolchain._complaint(said) == line


def test_an_empty_environment_finds_the_compiler(place: Path) -> None:
    """gcc without a PATH finds its own parts if it is called by its whole path."""
    code = f"from tinygrad_lstm_c.toolchain import shared_object; print(shared_object({ANSWER!r}).answer())"
    env = {"TINYGRAD_LSTM_CACHE": str(place), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, encoding="utf-8", check=False)
    assert (done.stdout, done.stderr) == ("42\n", "")


def test_cc_may_have_options(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = toolchain.find_compiler().command
    monkeypatch.setenv("CC", " ".join([*command, "-DOPTION"]))
    assert toolchain.find_compiler().command == (*command, "-DOPTION")
    built()


def test_the_key_holds_the_options_of_cc(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "int answer(void) { return ANSWER; }\n"
    command = toolchain.find_compiler().command
    for answer in (42, 43, 42):
        monkeypatch.setenv("CC", " ".join([*command, f"-DANSWER={answer}"]))
        assert shared_object(text).answer() == answer
    assert len(list(place.glob("*.so"))) == 2


def lstm() -> tuple[Any, list[Any]]:
    program = lstm_program(7, 24, 40, 48)
    rng = np.random.default_rng(0)
    inputs = [rng.normal(0, 0.3, program.buffers[k].size).astype(np.float32) for k in program.inputs]
    return program, inputs


def test_a_hand_made_lstm_on_one_thread_and_on_several() -> None:
    program, inputs = lstm()
    run = compile_c(program)
    with blas_threads(1):
        alone = run(inputs)
    with blas_threads(max(2, processors())):
        together = run(inputs)
        again = run(inputs)
    for a, b, c, w in zip(alone, together, again, execute(program, inputs), strict=True):
        scale = float(np.abs(w).max())
        np.testing.assert_allclose(a, w, rtol=0, atol=3e-6 * scale)
        np.testing.assert_allclose(b, w, rtol=0, atol=3e-6 * scale)
        np.testing.assert_array_equal(b, c)


def test_calls_from_several_threads() -> None:
    program, inputs = lstm()
    run, other = compile_c(program), compile_c(program)
    with blas_threads(2):
        want = run(inputs)
        results: list[Any] = []
        threads = [
            threading.Thread(target=lambda f=f: results.extend(f(inputs) for _ in range(5))) for f in (run, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 10
    for result in results:
        for y, w in zip(result, want, strict=True):
            np.testing.assert_allclose(y, w, rtol=0, atol=3e-6 * float(np.abs(w).max()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    code = """
import os, numpy as np
from tests.backends.test_c_build import lstm
from tests.codegen.small_programs import compile_c
from tinygrad_lstm.runtime import cache
from tinygrad_lstm.runtime.threads import blas_threads
program, inputs = lstm()
run = compile_c(program)
with blas_threads(2):
    want = run(inputs)
    child = os.fork()
    got = run(inputs)
    same = all(np.allclose(y, w, atol=1e-5) for y, w in zip(got, want))
    if not child:
        os._exit(0 if same else 1)
    print(same, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert done.stdout == "True 0\n", done.stderr


def test_outputs_are_the_callers() -> None:
    x = np.linspace(-1, 1, 8, dtype=np.float32)
    run = compile_c(elementwise("tanh", [x], float32))
    (first,) = run([x])
    (second,) = run([-x])
    assert first.flags.owndata
    assert first.flags.writeable
    np.testing.assert_array_equal(first, -second)


def test_inputs_of_any_layout() -> None:
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    run = compile_c(elementwise("negative", [x], float32))
    for given in (x[::-1, ::-1], np.asfortranarray(x), x.astype(np.float64)):
        np.testing.assert_allclose(run([given])[0], -given, rtol=1e-6)


@pytest.mark.slow
def test_zig(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ziglang", reason="the wheel ziglang is not installed")
    monkeypatch.setenv("CC", f"{sys.executable} -m ziglang cc")
    x = np.linspace(-9, 9, 100, dtype=np.float32)
    (y,) = compile_c(elementwise("tanh", [x], float32))([x])
    np.testing.assert_allclose(y, np.tanh(x), rtol=1e-6)


def test_why_a_compiled_program_is_not_loaded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> Any:
        raise OSError(f"{path}: undefined symbol: fancy")

    monkeypatch.setattr(module.ctypes, "CDLL", refused)
    with pytest.raises(
        BackendError, match=r"undefined symbol: fancy; .* makes no programs for this Python; name another"
    ) as told:
        shared_object(ANSWER)
    assert str(place) in str(told.value)
    assert "TINYGRAD_LSTM_CACHE" not in str(told.value)
    monkeypatch.setattr(module.os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_NOEXEC))
    with pytest.raises(BackendError, match=r"; name a directory that programs may be loaded from in .*_CACHE"):
        shared_object(ANSWER)
