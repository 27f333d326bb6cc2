"""Files change at once or not at all, only where a file is meant, and what has changed since is found."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import tinygrad_lstm as tl
from tinygrad_lstm.errors import CheckpointError, DrawingError, DTypeError, UsageError
from tinygrad_lstm.runtime.files import CHECKSUM, check_writable, read_arrays, write_arrays

PICTURE = tl.draw.graph(tl.tanh(tl.symbol("x")))


def save_arrays(path: Path) -> None:
    tl.save(path, {"x": tl.ones(3)})


def save_picture(path: Path) -> None:
    PICTURE.save(path)


def save_explanation(path: Path) -> None:
    tl.jit(lambda x: x + 1).explain(1.0).save(path)


WRITERS = [
    pytest.param(save_arrays, CheckpointError, "x.safetensors", id="save"),
    pytest.param(save_picture, DrawingError, "x.dot", id="Drawing.save"),
    pytest.param(save_explanation, UsageError, "x.txt", id="explain"),
]


@pytest.mark.parametrize(("write", "error", "name"), WRITERS)
def test_only_regular_files_are_replaced(write: Any, error: type[Exception], name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(error, match="it is a named pipe, and only regular files are replaced; name another file"):
        write(path)
    assert stat.S_ISFIFO(path.lstat().st_mode)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        with pytest.raises(error, match="it is a socket"):
            write(path)
        assert stat.S_ISSOCK(path.lstat().st_mode)
    path.unlink()
    path.mkdir()
    with pytest.raises(error, match="it is a folder; name a file in it"):
        write(path)
    path.rmdir()
    path.symlink_to(os.devnull)
    with pytest.raises(error, match="it is a device"):
        write(path)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    assert path.is_symlink()


@pytest.mark.parametrize(("write", "error", "name"), WRITERS)
def test_a_file_keeps_its_permissions_and_links_stay(
    write: Any, error: type[Exception], name: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    fresh = stat.S_IMODE((tmp_path / name).stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    assert fresh == 0o666 & ~mask
    (tmp_path / name).chmod(0o640)
    link = tmp_path / f"link-{name}"
    link.symlink_to(name)
    inode = (tmp_path / name).stat().st_ino
    write(link)
    assert link.is_symlink()
    assert (tmp_path / name).stat().st_ino != inode
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
    (tmp_path / name).chmod(0o444)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(error, match="it is read-only; make it writable with chmod u"):
        write(tmp_path / name)
    assert (tmp_path / name).read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted((name, link.name))


@pytest.mark.parametrize(("write", "error", "name"), WRITERS)
def test_what_killed_programs_have_left_goes_after_an_hour(
    write: Any, error: type[Exception], name: str, tmp_path: Path
) -> None:
    left = [tmp_path / f".tinygrad_lstm-0123456789abcde{k}.tmp" for k in (1, 2)]
    others = [tmp_path / other for other in (".tinygrad_lstm-notes.tmp", ".0123456789abcdef.tmp", "a.tmp")]
    for file in (*left, *others):
        file.touch()
    for file in (left[0], *others):
        os.utime(file, (0, 0))
    write(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == sorted([left[1], *others, tmp_path / name])


KILLED = """
import os, signal, sys
import tinygrad_lstm as tl
sync = os.fsync
def killed(handle):
    sync(handle)
    os.kill(os.getpid(), signal.SIGKILL)
os.fsync = killed
tl.save(sys.argv[1], {"x": tl.ones(3)})
"""


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="only Linux has files without a name")
def test_a_program_that_is_killed_while_it_writes_leaves_nothing(tmp_path: Path) -> None:
    try:
        os.close(os.open(tmp_path, os.O_WRONLY | os.O_TMPFILE))
    except OSError:
        pytest.skip("this disk has no files without a name")
    path = tmp_path / "x.safetensors"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert not path.exists() or list(tl.load(path)) == ["y"]
        assert list(tmp_path.iterdir()) == ([path] if path.exists() else [])
        tl.save(path, {"y": tl.ones(3)})


@pytest.mark.parametrize(("write", "error", "name"), WRITERS)
def test_a_disk_without_unnamed_files(
    write: Any, error: type[Exception], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    write(tmp_path / name)
    monkeypatch.setattr("tinygrad_lstm.runtime.files._DESCRIPTORS", "/missing")
    write(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_arrays(path)
    os.chown(path, 1234, 2345)
    save_arrays(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_a_bit_that_flips_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_arrays(path, {"a": np.arange(20.0), "b": np.ones((2, 3), "int32")}, {"note": "hello"})
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for at in {*random.integers(8, len(whole), 150).tolist(), len(whole) - 1, len(whole) - 200}:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            read_arrays(path)
    path.write_bytes(whole)
    arrays, texts = read_arrays(path)
    assert texts["note"] == "hello"
    np.testing.assert_array_equal(arrays["a"], np.arange(20.0))


def test_files_of_other_programs_have_no_checksum(tmp_path: Path) -> None:
    save_file({"x": np.ones(2)}, tmp_path / "x.safetensors")
    assert CHECKSUM not in read_arrays(tmp_path / "x.safetensors")[1]
    assert list(tl.load(tmp_path / "x.safetensors")) == ["x"]
    tl.save(tmp_path / "y.safetensors", {"y": tl.ones(2)})
    assert list(load_file(tmp_path / "y.safetensors")) == ["y"]


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(CheckpointError, match="is no regular file, and may have no end"):
            tl.load(path)


@pytest.mark.parametrize("path", [5, None, b"a.svg", ["a.svg"]])
def test_what_is_no_path(path: Any) -> None:
    said = "a path is a text or a pathlib.Path, not"
    for act in (tl.load, lambda p: tl.save(p, {"x": tl.ones(2)}), tl.train.load_model, check_writable):
        with pytest.raises(CheckpointError, match=said):
            act(path)
    cell = tl.nn.LSTMCell(2, 3)
    figure = tl.draw.gradient_over_time(tl.nn.RNN(2, 3), tl.ones((3, 1, 2)))
    for shown in (PICTURE, tl.draw.walkthrough(cell), tl.draw.page(cell), figure):
        with pytest.raises(DrawingError, match=said):
            shown.save(path)
    with pytest.raises(UsageError, match=said):
        save_explanation(path)


def test_names_that_no_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(CheckpointError, match=r"the name 'a\\ud800' holds half of a surrogate .*; rename the array"):
        tl.save(path, {"a\ud800": tl.ones(2)})
    with pytest.raises(CheckpointError, match="no array is called __metadata__ in safetensors; rename it"):
        tl.save(path, {"__metadata__": tl.ones(2)})
    assert not path.exists()
    names = ["", "a\0b", "\n", "größer", "\U0001f600", '"', "\\"]
    tl.save(path, {name: tl.ones(2) for name in names})
    assert sorted(tl.load(path)) == sorted(names)


HEADERS = {
    "large": {"x": {"dtype": "F32", "shape": [2**61], "data_offsets": [0, 2**63]}},
    "larger": {"x": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}},
    "negative": {"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
    "backwards": {"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
    "beyond": {"x": {"dtype": "F32", "shape": [1], "data_offsets": [400, 404]}},
    "overlapping": {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "xy"},
    "infinite": {"x": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 4]}},
    "texts": {"__metadata__": {"a": 1}},
    "list": [],
    "eighth": {"x": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}},
    "tiny": {"x": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}},
    "complex": {"x": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}},
    "nothing": {"x": {"dtype": "nothing", "shape": [1], "data_offsets": [0, 4]}},
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_no_memory_could_hold_or_that_is_none(name: str, tmp_path: Path) -> None:
    header = json.dumps(HEADERS[name]).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8 if name == "complex" else 4))
    for read in (tl.load, tl.train.load_model):
        with pytest.raises((CheckpointError, DTypeError)) as told:
            read(path)
        assert "\n" not in str(told.value)


def test_a_header_nested_too_deeply(tmp_path: Path) -> None:
    header = b'{"__metadata__":' + b"[" * 10**6
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(CheckpointError, match="is no whole safetensors file"):
        tl.load(path)


@pytest.mark.skipif(sys.platform != "linux", reason="files with holes and limits on memory are those of Linux")
def test_a_file_larger_than_the_memory(tmp_path: Path) -> None:
    """Eight TiB, nearly all of it a hole, in a process that may have four GiB."""
    size = 2**43
    header = json.dumps({"x": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
    text = (
        "import resource, sys\n"
        "import tinygrad_lstm as tl\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))\n"
        "for read in (tl.load, tl.train.load_model):\n"
        "    try: read(sys.argv[1])\n"
        "    except tl.errors.CheckpointError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", text, str(path)], capture_output=True, encoding="utf-8", check=False)
    assert done.stderr == ""
    assert [line.split("cannot be read")[0].strip(" '") for line in done.stdout.splitlines()] == [str(path)] * 2


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "model.safetensors"
    text = tl.data.Corpus("to be or not to be, that is the question: " * 20, "a question")
    config = tl.train.TrainConfig(steps=2, window=8, batch=4)
    tl.train.LanguageModelTrainer(text, tl.train.ModelConfig(hidden=8, embedding=4), config).run(checkpoint=path)
    return path


def with_header(path: Path, new: Path, change: Any) -> None:
    """The checkpoint without its checksum, its header changed."""
    arrays, texts = read_arrays(path)
    texts = {"tinygrad_lstm": texts["tinygrad_lstm"]}
    texts["tinygrad_lstm"] = change(texts["tinygrad_lstm"])
    save_file(arrays, new, texts)


def changed(**model: Any) -> Any:
    def change(text: str) -> str:
        header = json.loads(text)
        header["model"].update(model)
        return json.dumps(header)

    return change


@pytest.mark.filterwarnings("ignore:.*has no checksum")
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"lr": ', '"lr": 1e400, "was": ', 1),
        lambda text: text.replace('"step": ', '"step": Infinity, "was": ', 1),
        lambda text: text.replace('"step": ', '"step": NaN, "was": ', 1),
        lambda text: "[" * 100_000,
        lambda text: "null",
        changed(hidden=20_000),
        changed(layers=100_000),
        changed(embedding=10**9),
        changed(hidden="8"),
    ],
)
def test_a_header_that_is_none_is_told_in_one_sentence(checkpoint: Path, tmp_path: Path, change: Any) -> None:
    with_header(checkpoint, tmp_path / "x.safetensors", change)
    with pytest.raises(CheckpointError) as told:
        tl.train.load_model(tmp_path / "x.safetensors")
    assert "\n" not in str(told.value)


def test_a_checkpoint_of_an_earlier_version_loads_with_a_warning(checkpoint: Path, tmp_path: Path) -> None:
    with_header(checkpoint, tmp_path / "x.safetensors", lambda text: text)
    with pytest.warns(UserWarning, match="has no checksum, as an earlier version wrote it"):
        tl.train.load_model(tmp_path / "x.safetensors")
