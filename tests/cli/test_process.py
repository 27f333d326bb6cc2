"""What only a process of its own can show: signals, closed pipes, full disks."""

import os
import signal
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "tinygrad_lstm"]
SMALL = ["--hidden", "6", "--embedding", "5", "--window", "8", "--batch", "5"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single process")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_with_a_checkpoint_and_its_status(tmp_path, name, status):
    number = getattr(signal, name)
    line = [*COMMAND, "train", *SMALL, "--steps", "1000000", "--validate-every", "20", "--checkpoint", "a"]
    # Unmeasured: a signal that meets coverage's tracer while it holds its lock leaves the child waiting for ever.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    process = subprocess.Popen(
        line,
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        # Who runs the tests in the background of a script hands on that a signal is ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    try:
        # The first line of progress: training is under way.
        process.stderr.readline()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == status
    assert "Traceback" not in err
    assert err.splitlines()[-1].endswith("go on with: tinygrad-lstm train --resume a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single process")
@pytest.mark.parametrize(
    "module",
    [
        "argparse",
        "tinygrad_lstm_command.parser",
        "numpy",
        "numpy.linalg",
        "tqdm",
        "tinygrad_lstm.graph.tensor",
        "tinygrad_lstm.cli.looking",
    ],
)
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_modules_are_imported_is_one_line(module, name, status):
    """The signal comes while ``module`` is looked for."""
    text = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.{name})\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from tinygrad_lstm_command import main\n"
        "sys.exit(main(['backends']))\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=False)
    said = "interrupted" if name == "SIGINT" else f"ended by {name}"
    assert (done.returncode, done.stdout, done.stderr) == (status, "", f"tinygrad-lstm: {said}\n")


@pytest.mark.parametrize("line", [["--help"], ["train", "--help"], ["--version"], ["train", "--hidden", "0"], []])
def test_help_and_wrong_arguments_import_no_arrays(line):
    text = (
        "import sys\n"
        "from tinygrad_lstm_command import main\n"
        f"main({line!r})\n"
        "print(sorted({'numpy', 'tinygrad_lstm', 'graphviz'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.endswith("[]\n")


def test_a_module_that_is_run_parses_before_it_imports():
    """``python -m tinygrad_lstm`` is the same command; Python imports its package, and with it everything, first."""
    line = [sys.executable, "-X", "importtime", "-m", "tinygrad_lstm", "train", "--hidden", "0"]
    done = subprocess.run(line, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2
    assert "tinygrad-lstm: error: argument --hidden" in done.stderr
    assert "numpy" not in done.stderr
    text = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numpy': os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv, sys.orig_argv = ['-m', 'backends'], ['python', '-m', 'tinygrad_lstm', 'backends']\n"
        "import tinygrad_lstm\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (130, "tinygrad-lstm: interrupted\n")


def test_a_library_that_is_missing_is_one_line():
    text = (
        "import sys; sys.modules['numpy'] = None\nfrom tinygrad_lstm_command import main\nsys.exit(main(['backends']))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(
        "tinygrad-lstm: error: tinygrad_lstm needs numpy, which is not installed; in a checkout"
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_after_the_work_is_done_changes_nothing(name):
    text = (
        "import atexit, os, signal, sys\n"
        "from tinygrad_lstm_command import script\n"
        f"atexit.register(os.kill, os.getpid(), signal.{name})\n"
        "sys.argv[1:] = ['backends']\n"
        "script()\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("backend  usable")


def test_a_signal_that_the_caller_ignores_is_ignored():
    """As under nohup, which ignores SIGHUP."""
    text = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from tinygrad_lstm_command.signals import EndedError, ending\n"
        "with ending(): os.kill(os.getpid(), signal.SIGHUP); print('still here')\n"
        "try:\n"
        "    with ending(): os.kill(os.getpid(), signal.SIGTERM)\n"
        "except EndedError as ended: print(ended, ended.status)\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "still here\nended by SIGTERM 143\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_under_the_output_is_one_line():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, "backends"], stdout=full, stderr=subprocess.PIPE, encoding="utf-8", check=False
        )
    assert (done.returncode, done.stderr) == (2, "tinygrad-lstm: error: No space left on device\n")


@pytest.mark.parametrize("argument", ["backends", "--help", "--version"])
def test_a_pipe_that_is_closed_ends_quietly(argument):
    reading, writing = os.pipe()
    os.close(reading)
    # Without a buffer argparse drops the help that it cannot write, and the status is 0.
    env = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(
        [*COMMAND, argument], env=env, stdout=writing, stderr=subprocess.PIPE, encoding="utf-8", check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_terminal_of_few_characters_gets_codes(tmp_path):
    (tmp_path / "a").write_bytes(b"\0")
    done = subprocess.run(
        [*COMMAND, "train", "größer"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(r"tinygrad-lstm: error: there is no file gr\xf6\xdfer")
