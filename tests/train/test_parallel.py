"""Training on several processes, which mpiexec starts."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.backends.fake_cupy import FakeCupy
from tinygrad_lstm.errors import CheckpointError, UsageError
from tinygrad_lstm.train.checkpoint import read_checkpoint
from tinygrad_lstm.train.nccl import Nccl
from tinygrad_lstm.train.ranks import Ranks

# The programs of this environment come before those of the system.
BIN = Path(sys.executable).parent
MPIEXEC = shutil.which("mpiexec", path=str(BIN)) or shutil.which("mpiexec")
GRAMMAR = "the cat sits\nthe cats sit\na dog runs\nthe dogs run\n"
SMALL = ["--level", "word", "--hidden", "6", "--embedding", "5", "--window", "5", "--batch", "8"]
SMALL += ["--validate-every", "10", "--lr", "0.02"]

needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None, reason="there is no mpiexec, or no mpi4py"
)


def command(ranks, *arguments):
    program = [sys.executable, "-m", "tinygrad_lstm", "train", "text", *SMALL, *arguments]
    return program if ranks == 0 else [str(MPIEXEC), "-n", str(ranks), *program, "--data-parallel"]


def run(folder, ranks, *arguments, status=0):
    done = subprocess.run(command(ranks, *arguments), cwd=folder, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == status or (status is None and done.returncode), done.stderr[-2000:]
    return done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "text").write_text(GRAMMAR * 40, encoding="utf-8")
    return tmp_path


def weights(folder, name):
    arrays, description = read_checkpoint(folder / name)
    return {key: value for key, value in arrays.items() if key.startswith("model.")}, arrays, description


def assert_alike(folder, one, two, rtol=1e-4):
    (ours, arrays, description), (theirs, others, told) = weights(folder, one), weights(folder, two)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=rtol, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(arrays["losses"], others["losses"], rtol=rtol)
    np.testing.assert_allclose(arrays["state.0"], others["state.0"], rtol=rtol, atol=1e-5)
    assert description.step == told.step


@needs_mpi
@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_ranks_do_what_one_process_does(folder, ranks):
    run(folder, 0, "--steps", "20", "--checkpoint", "one")
    out, err = run(folder, ranks, "--steps", "20", "--checkpoint", "several", "--log", "log")
    # Only rank 0 speaks.
    assert out.count("held-out text: ") == 1
    assert err.count("step 20 of 20") == 1
    assert (folder / "log").read_text(encoding="utf-8").count('"step": 20,') == 1
    assert_alike(folder, "one", "several")


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 0), (0, 2), (2, 4)])
def test_a_run_goes_on_with_another_number_of_ranks(folder, before, after):
    run(folder, 0, "--steps", "20", "--checkpoint", "one")
    run(folder, before, "--steps", "10", "--checkpoint", "parts")
    run(folder, after, "--steps", "20", "--checkpoint", "parts", "--resume")
    assert_alike(folder, "one", "parts")


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_one_rank_ends_all_and_saves(folder, number):
    process, ranks = started(folder)
    os.kill(ranks[-1], number)
    _, err = process.communicate(timeout=120)
    assert process.returncode not in (0, None)
    assert "is saved, go on with: " in err
    step = read_checkpoint(folder / "several")[1].step
    run(folder, 0, "--steps", str(step + 3), "--checkpoint", "several", "--resume")
    run(folder, 0, "--steps", str(step + 3), "--checkpoint", "one")
    assert_alike(folder, "one", "several", rtol=1e-2)


@needs_mpi
@pytest.mark.slow
def test_a_rank_that_is_killed_ends_all_and_leaves_the_checkpoint(folder):
    process, ranks = started(folder)
    os.kill(ranks[-1], signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode != 0
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{rank}").exists() for rank in ranks) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)
    step = read_checkpoint(folder / "several")[1].step
    assert step % 10 == 0
    run(folder, 2, "--steps", str(step + 5), "--checkpoint", "several", "--resume")


def started(folder):
    """A run of two ranks that has saved once, and the process numbers of its ranks."""
    if not Path("/proc").is_dir():
        pytest.skip("the ranks are found in /proc, which this system does not have")
    process = subprocess.Popen(
        command(2, "--steps", "1000000", "--checkpoint", "several"),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    deadline = time.monotonic() + 120
    while not (folder / "several").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, sorted(_ranks(folder))


def _ranks(folder):
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                inside = os.readlink(entry / "cwd") == str(folder)
            except OSError:
                continue
            if inside and words[1:3] == [b"-m", b"tinygrad_lstm"]:
                yield int(entry.name)


@needs_mpi
def test_mistakes_are_told_once(folder):
    _, err = run(folder, 3, "--steps", "5", status=2)
    assert err.count("a batch of 8 cannot be shared by 3 ranks; give a multiple (--batch)") == 1


def test_without_mpi_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", None)
    with pytest.raises(UsageError, match=r"pip install 'tinygrad-lstm\[mpi\]'"):
        Ranks()


@needs_mpi
def test_a_checkpoint_that_cannot_be_written_ends_all_ranks(folder):
    (folder / "place").mkdir()
    _, err = run(folder, 2, "--steps", "5", "--checkpoint", "place", status=2)
    assert err.count("error: ") == 1
    with pytest.raises(CheckpointError):
        read_checkpoint(folder / "place")


class OfTwo:
    """``cupyx.distributed`` of two ranks that have the same arrays, but for a sign."""

    def init_process_group(self, size, rank, use_mpi):
        assert (size, rank, use_mpi) == (2, 1, True)
        return self

    def all_reduce(self, own, total, op):
        assert op == "sum"
        np.add(own, -3 * own, out=total)


def test_gradients_on_gpus_are_averaged_by_nccl(monkeypatch):
    for name, module in {"cupy": FakeCupy(), "cupyx": ModuleType("cupyx"), "cupyx.distributed": OfTwo()}.items():
        monkeypatch.setitem(sys.modules, name, module)
    slopes = [tl.tensor([[1.0, 2.0], [3.0, 4.0]]), tl.tensor(5.0), tl.tensor([6.0])]
    means = Nccl(1, 2).means(slopes)
    assert [mean.numpy().tolist() for mean in means] == [(-slope.numpy()).tolist() for slope in slopes]
    monkeypatch.setitem(sys.modules, "cupyx.distributed", None)
    with pytest.raises(UsageError, match="pip install nvidia-nccl-cu12"):
        Nccl(1, 2)


@needs_mpi
def test_ranks_read_a_file_of_tokens_and_a_damaged_one_ends_all(folder):
    run(folder, 0, "--steps", "10", "--checkpoint", "one")
    tokens = ["--tokens", "tokens"]
    run(folder, 2, *tokens, "--steps", "10", "--checkpoint", "several")
    assert_alike(folder, "one", "several")
    content = bytearray((folder / "tokens").read_bytes())
    # The tokens of the text, one byte each, come before the sum of their one block, four bytes.
    content[-5] ^= 1
    (folder / "tokens").write_bytes(content)
    _, err = run(folder, 2, *tokens, "--steps", "20", "--checkpoint", "several", "--resume", status=None)
    assert "has changed since it was written" in err
    assert read_checkpoint(folder / "several")[1].step == 10
